/* Where an offset lies in the files, and the producer state made anew from there on
 * (UnifiedLog.rebuildProducerState). */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/internal.h"
#include "log/lookup.h"
#include "log/scan.h"

enum { SKIP_CHUNK = 16 << 10 };

int64_t log_file_bytes(struct log *l, int64_t base, const char *suffix)
{
	struct stat st;
	char path[LOG_PATH];
	if (fstatat(l->dirfd, log_path(l, base, suffix, path), &st, 0) < 0)
		return errno == ENOENT ? -1 : log_fail(l, path, -1, "stat");
	return st.st_size;
}

int log_open_read(struct log *l, int64_t base, const char *suffix)
{
	char path[LOG_PATH];
	int fd = openat(l->dirfd, log_path(l, base, suffix, path), O_RDONLY | O_CLOEXEC);
	return fd < 0 && errno != ENOENT ? log_fail(l, path, -1, "open") : fd;
}

/* A position at or before the first batch whose last offset is >= offset: from the index when its
 * entry proves right, else 0. */
int64_t log_before_offset(struct log *l, int fd, int64_t base, int64_t bytes, int64_t offset)
{
	int64_t entry, position = 0;
	uint8_t head[BATCH_HEADER];
	struct batch b;
	int64_t n = log_file_bytes(l, base, ".index");
	int ix = n > 0 ? log_open_read(l, base, ".index") : -1;
	if (ix < 0)
		return 0;
	int r = lookup_index(ix, n, offset - 1 - base, &entry, &position);
	close(ix);
	l->index_odd = r > 0;
	if (r <= 0 || position > bytes - BATCH_HEADER || pread(fd, head, sizeof head,
		position) != sizeof head ||
	    batch_parse(&b, head, sizeof head) < 0 || batch_last_offset(&b) != base + entry)
		return 0;
	l->index_odd = false;
	return position;
}

int log_position(struct log *l, int i, int64_t offset, int64_t *position, struct batch *b)
{
	const struct segment *s = l->segments + i;
	struct scan sc;
	char path[LOG_PATH];
	*position = s->bytes;
	if (!s->bytes)
		return 0;
	int fd = log_open_read(l, s->base, ".log");
	if (fd < 0 || scan_begin(&sc, fd, log_before_offset(l, fd, s->base, s->bytes, offset), s->bytes,
		SKIP_CHUNK) < 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	int r;
	while ((r = scan_next(&sc, b)) > 0 && batch_last_offset(b) < offset)
		;
	if (r > 0)
		*position = sc.position;
	else if (r < 0)
		log_fail(l, log_path(l, s->base, ".log", path), sc.position, "read");
	scan_end(&sc);
	close(fd);
	return r;
}

/* --- producer state --------------------------------------------------------------------------- */

static int replay_batch(struct log *l, struct scan *sc, const struct batch *b)
{
	struct marker m = {0};
	struct completed_txn done;
	bool fresh;
	if (b->producer_id >= 0) {
		const void *whole = b->attributes & BATCH_CONTROL ? scan_batch(sc, b) : 0;
		if (b->attributes & BATCH_CONTROL && (!whole || marker_read(b, whole, &m) < 0))
			return -1;
		if (producers_reserve(&l->producers, b, &fresh) < 0)
			return -1;
		producers_apply(&l->producers, b, &m, &done);
		if (done.is)
			producers_complete(&l->producers, &done);
	}
	l->producers.end = batch_last_offset(b) + 1;
	return 0;
}

static int replay_segment(struct log *l, int i, int64_t to)
{
	const struct segment *s = l->segments + i;
	struct scan sc;
	struct batch b;
	char path[LOG_PATH];
	int64_t from = l->producers.end > s->base ? l->producers.end : s->base;
	l->producers.end = from;
	if (i >= l->segments_n - 2 && snapshot_write(l, false) < 0)
		return -1;
	int fd = s->bytes ? log_open_read(l, s->base, ".log") : -1;
	if (fd < 0)
		return s->bytes ? -1 : 0;
	int64_t at = log_before_offset(l, fd, s->base, s->bytes, from);
	int r = scan_begin(&sc, fd, at, s->bytes, SKIP_CHUNK);
	if (r == 0) {
		while ((r = scan_next(&sc, &b)) > 0 && b.base_offset < to)
			if (batch_last_offset(&b) >= from && replay_batch(l, &sc, &b) < 0) {
				r = -1;
				break;
			}
		if (r < 0)
			log_fail(l, log_path(l, s->base, ".log", path), sc.position, "producer state");
		scan_end(&sc);
	}
	close(fd);
	return r < 0 ? -1 : 0;
}

int log_replay_producers(struct log *l, int64_t to, int64_t now_ms)
{
	if (snapshot_delete_range(l, l->start, to) < 0)
		return -1;
	if (l->producers.end != to) {
		if (snapshot_load_newest(l, now_ms) < 0)
			return -1;
		int i = log_segment_find(l, l->producers.end);
		for (i = i < 0 ? 0 : i; i < l->segments_n && l->producers.end < to && l->segments[i].base < to;
			i++)
			if (replay_segment(l, i, to) < 0)
				return -1;
	}
	l->producers.end = to;
	return 0;
}

int log_rebuild_producers(struct log *l, int64_t to, int64_t now_ms)
{
	return log_replay_producers(l, to, now_ms) < 0 ? -1 : snapshot_write(l, false);
}

/* After a clean stop without any snapshot there was no producer (Kafka before 0.11 wrote none):
 * nothing to replay. */
int log_first_snapshots(struct log *l)
{
	for (int i = l->segments_n > 1 ? l->segments_n - 2 : 0; i <= l->segments_n; i++) {
		l->producers.end = i < l->segments_n ? l->segments[i].base : l->end;
		if (snapshot_write(l, false) < 0)
			return -1;
	}
	return 0;
}
