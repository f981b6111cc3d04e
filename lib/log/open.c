/* Opening and closing a partition directory; what may be asked of an open one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/syncfile.h"
#include "log/internal.h"
#include "log/partmeta.h"

static char open_error[512];

const char *log_open_error(void)
{
	return open_error;
}

void log_config_default(struct log_config *c)
{
	*c = (struct log_config){
		.segment_bytes = 1 << 30, .segment_ms = 7 * 24 * 3600 * (int64_t)1000, .segment_jitter_ms = 0,
		.index_interval_bytes = 4096, .segment_index_bytes = 10 << 20,
		.producer_expiration_ms = 24 * 3600 * (int64_t)1000,
		.mark_bytes = 32 << 20, .mark_ms = 2000};
}

void log_configure(struct log *l, const struct log_config *c)
{
	l->config = *c;
}

void log_release(struct log *l)
{
	log_close_files(l);
	while (l->rolled) {
		struct rolled *r = l->rolled;
		for (int i = 0; i < 4; i++)
			if (r->fd[i] >= 0)
				close(r->fd[i]);
		l->rolled = r->next;
		free(r);
	}
	if (l->own_dir >= 0)
		close(l->own_dir);
	if (l->meta_fd >= 0)
		close(l->meta_fd);
	producers_clear(&l->producers);
	epochs_free(&l->epochs);
	free(l->segments);
	free(l->error);
	free(l->notes);
	free(l->name);
	free(l);
}

static struct log *new_log(int dirfd, const char *name, const struct log_config *c)
{
	struct log *l = calloc(1, sizeof *l);
	if (!l)
		return 0;
	l->dirfd = dirfd;
	l->config = *c;
	l->fd = l->txn_fd = l->own_dir = l->meta_fd = -1;
	l->marks[0] = l->marks[1] = -1;
	indexfile_init(&l->index, INDEX_ENTRY);
	indexfile_init(&l->time, TIMEINDEX_ENTRY);
	if (!(l->name = strdup(name))) {
		free(l);
		return 0;
	}
	return l;
}

/* Synced with the first records: before, who asks for the partition brings the id again. */
static int write_topic_id(struct log *l)
{
	char path[LOG_PATH], text[PARTMETA_TEXT];
	size_t n = partmeta_format(&l->topic_id, text);
	log_file(l, PARTMETA_FILE, path);
	int fd = openat(l->dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int r = fd < 0 ? -1 : log_write_all(fd, text, n, 0);
	if (r < 0)
		log_fail(l, path, -1, "write");
	if (fd >= 0)
		close(fd);
	return r;
}

static bool only_nuls(const char *p, size_t n)
{
	while (n && !p[n - 1])
		n--;
	return !n;
}

/* partition.metadata: compared with the id that is wanted; made when there is none, or one without
 * a character, which a crash of the machine left. */
static int settle_topic_id(struct log *l, const struct uuid *want)
{
	char *p, path[LOG_PATH];
	size_t n;
	bool blank = true;
	int r = log_read_small(l, PARTMETA_FILE, &p, &n);
	if (r < 0 && errno != ENOENT)
		return -1;
	if (r == 0) {
		blank = only_nuls(p, n);
		if (blank)
			log_note(l, log_file(l, PARTMETA_FILE, path), 0, "empty, made anew");
		r = partmeta_parse(&l->topic_id, p, n);
		free(p);
	}
	if (r < 0 && !blank)
		return log_fail(l, log_file(l, PARTMETA_FILE, path), -1, "parse");
	if (r < 0) {
		l->topic_id = *want;
		return uuid_is_zero(want) ? 0 : write_topic_id(l);
	}
	if (uuid_is_zero(want) || uuid_same(want, &l->topic_id))
		return 0;
	errno = ESTALE;
	return log_fail(l, log_file(l, PARTMETA_FILE, path), -1, "topic id");
}

/* A directory that was made just now: there is nothing to look for. */
static int begin_new(struct log *l, const struct log_opening *o)
{
	l->topic_id = o->topic_id;
	l->recovery_point = l->producers.snapped = l->producers.end = l->end;
	if (!uuid_is_zero(&l->topic_id) && write_topic_id(l) < 0)
		return -1;
	return log_segment_create(l, l->start, o->now_ms);
}

static int open_dir(struct log *l, const struct log_opening *o)
{
	l->start = l->end = o->log_start;
	l->now_ms = o->now_ms;
	if (mkdirat(l->dirfd, l->name, 0777) == 0)
		return begin_new(l, o);
	if (errno != EEXIST)
		return log_fail(l, l->name, -1, "mkdir");
	if (settle_topic_id(l, &o->topic_id) < 0)
		return -1;
	return log_load(l, o);
}

struct log *log_open(int dirfd, const char *name, const struct log_config *c,
	const struct log_opening *o)
{
	if (!*name || strlen(name) > 255 || strchr(name, '/')) {
		errno = EINVAL;
		snprintf(open_error, sizeof open_error, "%.256s: %s", name, strerror(errno));
		return 0;
	}
	struct log *l = new_log(dirfd, name, c);
	if (!l || open_dir(l, o) < 0) {
		int e = errno;
		snprintf(open_error, sizeof open_error, "%s", l && l->error ? l->error : strerror(e));
		if (l)
			log_release(l);
		errno = e;
		return 0;
	}
	return l;
}

void log_close(struct log *l)
{
	/* what cannot be trimmed now is made anew by the next opening, which is not a clean one */
	log_trim_indexes(l);
	log_release(l);
}

static int sync_all(struct log *l, int64_t snapped_before)
{
	int fds[64], n;
	if (!log_dirty_fds(l, fds, 64) && l->fd < 0 && l->producers.snapped == snapped_before)
		return 0;
	while ((n = log_dirty_fds(l, fds, 64)) > 0) {
		for (int i = 0; i < n && i < 64; i++)
			if (syncfile(fds[i]) < 0)
				return log_fail(l, l->name, -1, "fsync");
		if (n <= 64)
			break;
		if (!l->rolled)
			return log_fail(l, l->name, -1, "open");
		log_synced(l, l->rolled->end + 1);
	}
	if ((l->index.fd >= 0 && syncfile(l->index.fd) < 0)
	    || (l->time.fd >= 0 && syncfile(l->time.fd) < 0)
	    || (l->txn_fd >= 0 && syncfile(l->txn_fd) < 0))
		return log_fail(l, l->name, -1, "fsync");
	return log_sync_dir(l);
}

int log_finish(struct log *l)
{
	if (l->broken) {
		errno = EIO;
		return -1;
	}
	return log_trim_indexes(l) < 0 || snapshot_write(l, false) < 0 ? -1 : 0;
}

int log_close_clean(struct log *l)
{
	int r = l->broken ? -1 : 0, e = EIO;
	int64_t snapped = l->producers.snapped;
	if (r == 0) {
		r = log_trim_indexes(l) < 0 || snapshot_write(l, true) < 0 || sync_all(l, snapped) < 0 ? -1 : 0;
		e = errno;
	}
	if (r < 0)
		snprintf(open_error, sizeof open_error, "%s", l->error ? l->error : strerror(e));
	log_release(l);
	errno = e;
	return r;
}

const char *log_name(const struct log *l)
{
	return l->name;
}

struct uuid log_topic_id(const struct log *l)
{
	return l->topic_id;
}

int64_t log_start(const struct log *l)
{
	return l->start;
}

int64_t log_end(const struct log *l)
{
	return l->end;
}

int64_t log_recovery_point(const struct log *l)
{
	return l->recovery_point;
}

uint32_t log_layout(const struct log *l)
{
	return l->layout;
}

uint32_t log_shaped(const struct log *l)
{
	return l->shaped;
}

int64_t log_last_base(const struct log *l, int back)
{
	return back < l->segments_n ? l->segments[l->segments_n - 1 - back].base : -1;
}

int32_t log_last_epoch(const struct log *l)
{
	return epochs_last(&l->epochs);
}

int log_segments(const struct log *l, struct log_segment_info *v, int max)
{
	for (int i = 0; i < l->segments_n && i < max; i++) {
		struct segment *s = l->segments + i;
		if (s->max_ts == LOG_UNKNOWN)
			log_segment_times((struct log *)l, s);
		v[i] = (struct log_segment_info){s->base, s->bytes, s->max_ts};
	}
	return l->segments_n;
}
