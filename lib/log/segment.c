/* Segments: making, indexing, rolling (Kafka's LogSegment, LocalLog.roll). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/internal.h"

struct segment *log_active(const struct log *l)
{
	return l->segments + l->segments_n - 1;
}

int log_segment_push(struct log *l, int64_t base, int64_t now_ms)
{
	if (l->segments_n == l->segments_cap) {
		int cap = l->segments_cap ? l->segments_cap * 2 : 1;
		struct segment *v = realloc(l->segments, (size_t)cap * sizeof *v);
		if (!v)
			return -1;
		l->segments = v;
		l->segments_cap = cap;
	}
	l->segments[l->segments_n++] = (struct segment){
		.base = base, .max_ts = -1, .max_ts_offset = base, .first_ts = -1, .created_ms = now_ms};
	return 0;
}

int log_segment_create(struct log *l, int64_t base, int64_t now_ms)
{
	static const char *const suffix[] = {".log", ".index", ".timeindex"};
	char path[LOG_PATH];
	if (unlinkat(l->dirfd, log_path(l, base, ".txnindex", path), 0) < 0 && errno != ENOENT)
		return log_fail(l, path, -1, "unlink");
	for (int i = 0; i < 3; i++) {
		log_path(l, base, suffix[i], path);
		int fd = openat(l->dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
		if (fd < 0)
			return log_fail(l, path, -1, "create");
		close(fd);
	}
	return log_segment_push(l, base, now_ms);
}

int log_segment_rename(struct log *l, int64_t base, const char *from, const char *to)
{
	static const char *const suffix[] = {".log", ".index", ".timeindex", ".txnindex"};
	char a[LOG_PATH], b[LOG_PATH], s[64];
	for (int i = 0; i < 4; i++) {
		log_path(l, base, strcat(strcpy(s, suffix[i]), from), a);
		log_path(l, base, strcat(strcpy(s, suffix[i]), to), b);
		if (renameat(l->dirfd, a, l->dirfd, b) < 0 && errno != ENOENT)
			return log_fail(l, a, -1, "rename");
	}
	return 0;
}

int log_segment_unlink(struct log *l, int64_t base)
{
	static const char *const suffix[] = {".log", ".index", ".timeindex", ".txnindex"};
	char path[LOG_PATH];
	for (int i = 0; i < 4; i++)
		if (unlinkat(l->dirfd, log_path(l, base, suffix[i], path), 0) < 0 && errno != ENOENT)
			return log_fail(l, path, -1, "unlink");
	return 0;
}

int log_segment_find(const struct log *l, int64_t offset)
{
	int lo = 0, hi = l->segments_n;
	while (lo < hi) {
		int mid = (lo + hi) / 2;
		if (l->segments[mid].base <= offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo - 1;
}

/* --- indexes of the active segment ------------------------------------------------------------ */

static int load_last(struct indexfile *f)
{
	uint8_t e[TIMEINDEX_ENTRY];
	f->last = -1;
	if (!f->n)
		return 0;
	if (indexfile_get(f, f->n - 1, e) < 0)
		return -1;
	f->last = f->width == TIMEINDEX_ENTRY ? (int64_t)get64(e) : (int64_t)get32(e);
	return 0;
}

int log_open_indexes(struct log *l)
{
	char path[LOG_PATH];
	int64_t base = log_active(l)->base;
	if (l->index.fd < 0 && (indexfile_open(&l->index, l->dirfd, log_path(l, base, ".index", path),
		true) < 0 ||
	                        load_last(&l->index) < 0))
		return log_fail(l, path, -1, "open");
	if (l->time.fd < 0 && (indexfile_open(&l->time, l->dirfd, log_path(l, base, ".timeindex", path),
		true) < 0 ||
	                       load_last(&l->time) < 0))
		return log_fail(l, path, -1, "open");
	return 0;
}

static bool index_full(const struct log *l)
{
	return indexfile_entries(&l->index) >= (uint32_t)l->config.segment_index_bytes / INDEX_ENTRY ||
	       indexfile_entries(&l->time)
	       	+ 1 >= (uint32_t)l->config.segment_index_bytes / TIMEINDEX_ENTRY;
}

static void add_time(struct log *l, const struct segment *s)
{
	uint8_t e[TIMEINDEX_ENTRY];
	if (s->max_ts <= l->time.last)
		return;
	put64(e, (uint64_t)s->max_ts);
	put32(e + 8, (uint32_t)(s->max_ts_offset - s->base));
	indexfile_add(&l->time, e, s->max_ts, l->config.segment_index_bytes);
}

void log_segment_indexed(struct log *l, struct segment *s, const struct batch *b, int64_t position)
{
	uint8_t e[INDEX_ENTRY];
	int64_t last = batch_last_offset(b);
	if (position == 0)
		s->first_ts = b->max_timestamp;
	if (b->max_timestamp > s->max_ts) {
		s->max_ts = b->max_timestamp;
		s->max_ts_offset = last;
	}
	/* An index that cannot be opened now stays sparser, which is legal; the roll will say why. A
	 * group of time entries goes before the offsets that were noted with it: see mark.c. */
	if (l->since_index > l->config.index_interval_bytes && log_open_indexes(l) == 0
		&& !index_full(l) && (l->index.pending_n < INDEX_GROUP
		|| indexfile_flush(&l->time, l->config.segment_index_bytes) == 0)) {
		put32(e, (uint32_t)(last - s->base));
		put32(e + 4, (uint32_t)position);
		indexfile_add(&l->index, e, last, l->config.segment_index_bytes);
		add_time(l, s);
		l->since_index = 0;
	}
	l->since_index += batch_bytes(b);
}

int log_segment_times(struct log *l, struct segment *s)
{
	uint8_t head[BATCH_HEADER], e[TIMEINDEX_ENTRY];
	struct batch b;
	struct stat st;
	char path[LOG_PATH];
	int fd = openat(l->dirfd, log_path(l, s->base, ".log", path), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return log_fail(l, path, -1, "open");
	ssize_t r = pread(fd, head, sizeof head, 0);
	close(fd);
	if (r < 0)
		return log_fail(l, path, 0, "read");
	s->first_ts = batch_parse(&b, head, (size_t)r) == 0 ? b.max_timestamp : -1;
	s->max_ts = -1;
	s->max_ts_offset = s->base;
	fd = openat(l->dirfd, log_path(l, s->base, ".timeindex", path), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : log_fail(l, path, -1, "open");
	off_t at = fstat(fd, &st) < 0 ? -1
		: st.st_size / TIMEINDEX_ENTRY * TIMEINDEX_ENTRY - TIMEINDEX_ENTRY;
	if (at >= 0 && pread(fd, e, sizeof e, at) == sizeof e && (get64(e) || get32(e + 8))) {
		s->max_ts = (int64_t)get64(e);
		s->max_ts_offset = s->base + (int64_t)get32(e + 8);
	}
	close(fd);
	return 0;
}

int log_trim_indexes(struct log *l)
{
	char path[LOG_PATH];
	struct segment *s = log_active(l);
	if (l->fd < 0 && l->index.fd < 0)
		return 0;  /* untouched since it was opened */
	if (s->bytes && log_open_indexes(l) < 0)
		return -1;
	if (s->bytes)
		add_time(l, s);
	if (l->fd >= 0 && l->reserved > s->bytes && ftruncate(l->fd, s->bytes) < 0)
		return log_fail(l, log_path(l, s->base, ".log", path), s->bytes, "trim");
	if (indexfile_trim(&l->time) < 0)
		return log_fail(l, log_path(l, s->base, ".timeindex", path), -1, "trim");
	if (indexfile_trim(&l->index) < 0)
		return log_fail(l, log_path(l, s->base, ".index", path), -1, "trim");
	return 0;
}

/* --- rolling ---------------------------------------------------------------------------------- */

static int64_t waited_ms(struct log *l, struct segment *s, int64_t now_ms, int64_t max_timestamp)
{
	if (s->first_ts == LOG_UNKNOWN && log_segment_times(l, s) < 0)
		return now_ms - s->created_ms;
	if (s->first_ts < 0)
		return now_ms - s->created_ms;
	return max_timestamp < 0 ? 0 : max_timestamp - s->first_ts;
}

bool log_should_roll(struct log *l, const struct batch *b, int64_t pending, int64_t now_ms)
{
	struct segment *s = log_active(l);
	const struct log_config *c = &l->config;
	int64_t bytes = s->bytes + pending;
	if (batch_last_offset(b) - s->base > INT32_MAX)
		return true;
	if (!bytes)
		return false;
	return bytes > c->segment_bytes - batch_bytes(b) ||
	       waited_ms(l, s, now_ms, b->max_timestamp) > c->segment_ms - c->segment_jitter_ms
	       	|| index_full(l);
}

int log_roll(struct log *l, int64_t base, int64_t now_ms)
{
	struct segment *old = log_active(l);
	if (base < l->end)
		base = l->end;
	if (base == old->base)
		return 0;
	struct rolled *r = malloc(sizeof *r);
	if (!r)
		return -1;
	l->producers.end = base;
	if (log_trim_indexes(l) < 0 || snapshot_write(l, false) < 0
	    || log_segment_create(l, base, now_ms) < 0) {
		free(r);
		return -1;
	}
	log_note_dir(l);
	*r = (struct rolled){.end = base, .fd = {l->fd, l->index.fd, l->time.fd, l->txn_fd}};
	struct rolled **last = &l->rolled;
	while (*last)
		last = &(*last)->next;
	*last = r;
	l->fd = l->txn_fd = -1;
	indexfile_init(&l->index, INDEX_ENTRY);
	indexfile_init(&l->time, TIMEINDEX_ENTRY);
	l->since_index = 0;
	l->layout++;
	return 0;
}

void log_close_files(struct log *l)
{
	if (l->fd >= 0)
		close(l->fd);
	if (l->txn_fd >= 0)
		close(l->txn_fd);
	l->fd = l->txn_fd = -1;
	indexfile_close(&l->index);
	indexfile_close(&l->time);
	l->since_index = 0;
}
