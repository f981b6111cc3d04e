/* Opening what is on disk: leftovers of interrupted changes, segments, checks, producer state
 * (LogLoader, LogSegment.recover, UnifiedLog.rebuildProducerState). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/internal.h"
#include "log/lookup.h"
#include "log/scan.h"
#include "log/txnindex.h"

enum { SKIP_CHUNK = 16 << 10, READ_CHUNK = 256 << 10 };

static int64_t file_bytes(struct log *l, int64_t base, const char *suffix)
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
static int64_t before_offset(struct log *l, int fd, int64_t base, int64_t bytes, int64_t offset)
{
	int64_t entry, position = 0;
	uint8_t head[BATCH_HEADER];
	struct batch b;
	int64_t n = file_bytes(l, base, ".index");
	int ix = n > 0 ? log_open_read(l, base, ".index") : -1;
	if (ix < 0)
		return 0;
	int r = lookup_index(ix, n, offset - 1 - base, &entry, &position);
	close(ix);
	if (r <= 0 || position > bytes - BATCH_HEADER || pread(fd, head, sizeof head,
		position) != sizeof head ||
	    batch_parse(&b, head, sizeof head) < 0 || batch_last_offset(&b) != base + entry)
		return 0;
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
	if (fd < 0 || scan_begin(&sc, fd, before_offset(l, fd, s->base, s->bytes, offset), s->bytes,
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
	int r = scan_begin(&sc, fd, before_offset(l, fd, s->base, s->bytes, from), s->bytes, SKIP_CHUNK);
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

int log_rebuild_producers(struct log *l, int64_t to, int64_t now_ms)
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
	return snapshot_write(l, false);
}

/* After a clean stop without any snapshot there was no producer (Kafka before 0.11 wrote none):
 * nothing to replay. */
static int first_snapshots(struct log *l)
{
	for (int i = l->segments_n > 1 ? l->segments_n - 2 : 0; i <= l->segments_n; i++) {
		l->producers.end = i < l->segments_n ? l->segments[i].base : l->end;
		if (snapshot_write(l, false) < 0)
			return -1;
	}
	return 0;
}

/* --- one segment ------------------------------------------------------------------------------ */

static int recover_batch(struct log *l, struct scan *sc, const struct batch *b)
{
	struct segment *s = log_active(l);
	struct marker m = {0};
	struct completed_txn done;
	bool fresh;
	if (b->attributes & BATCH_CONTROL && b->producer_id >= 0) {
		const void *whole = scan_batch(sc, b);
		if (!whole || marker_read(b, whole, &m) < 0)
			return -1;
	}
	if (b->epoch > epochs_last(&l->epochs) && epochs_assign(&l->epochs, b->epoch, b->base_offset) < 0)
		return -1;
	if (producers_reserve(&l->producers, b, &fresh) < 0)
		return -1;
	producers_apply(&l->producers, b, &m, &done);
	if (done.is) {
		if (done.abort && txnindex_append(l, &done, producers_stable(&l->producers, &done)) < 0)
			return -1;
		producers_complete(&l->producers, &done);
	}
	l->producers.end = batch_last_offset(b) + 1;
	log_segment_indexed(l, s, b, sc->position);
	s->bytes = sc->at;
	return 0;
}

/* May a batch follow offset next in this segment? */
static bool in_place(const struct segment *s, const struct batch *b, int64_t next)
{
	return b->base_offset >= next && batch_last_offset(b) >= b->base_offset &&
	       batch_last_offset(b) - s->base <= INT32_MAX;
}

/* Walks the active segment; s->bytes ends behind the last good batch. 0, or -1 when the walk could
 * not be done. */
static int recover_walk(struct log *l, int64_t file_size)
{
	struct segment *s = log_active(l);
	struct scan sc;
	struct batch b;
	int r;
	int64_t next = s->base;
	if (scan_begin(&sc, l->fd, 0, file_size, READ_CHUNK) < 0)
		return -1;
	while ((r = scan_next(&sc, &b)) > 0) {
		if (!in_place(s, &b, next))
			break;
		if ((r = scan_crc(&sc, &b)) <= 0 || (r = recover_batch(l, &sc, &b)) < 0)
			break;
		next = batch_last_offset(&b) + 1;
	}
	scan_end(&sc);
	return r < 0 && errno != EBADMSG ? -1 : 0;
}

static int empty_indexes(struct log *l)
{
	char path[LOG_PATH];
	int64_t base = log_active(l)->base;
	if (indexfile_open(&l->index, l->dirfd, log_path(l, base, ".index", path), false) < 0 ||
	    indexfile_open(&l->time, l->dirfd, log_path(l, base, ".timeindex", path), false) < 0 ||
	    (unlinkat(l->dirfd, log_path(l, base, ".txnindex", path), 0) < 0 && errno != ENOENT))
		return log_fail(l, path, -1, "reset");
	return 0;
}

static int sync_recovered(struct log *l)
{
	char path[LOG_PATH];
	if (fdatasync(l->fd) < 0 || fsync(l->index.fd) < 0 || fsync(l->time.fd) < 0
		|| (l->txn_fd >= 0 && fsync(l->txn_fd) < 0))
		return log_fail(l, log_path(l, log_active(l)->base, "", path), -1, "fsync");
	return 0;
}

/* Checks the active (last pushed) segment batch by batch, cuts it at the first bad one and makes
 * its indexes anew. 1 when bytes were cut off. Its descriptors stay open. */
static int recover_segment(struct log *l, const struct log_opening *o, bool follows)
{
	char path[LOG_PATH];
	struct segment *s = log_active(l);
	int64_t size = s->bytes;
	s->bytes = 0;
	s->max_ts = s->first_ts = -1;
	s->max_ts_offset = s->base;
	/* the state of the segment before is what is wanted, just recovered or replayed: it remembers five
	 * batches, its snapshot one, and a producer may send the others again */
	if (follows)
		l->producers.end = s->base;
	else if (l->segments_n > 1 && snapshot_delete_range(l, l->start, s->base - 1) < 0)
		return -1;
	if (log_rebuild_producers(l, s->base, o->now_ms) < 0)
		return -1;
	if (log_own_fd(l) < 0 || empty_indexes(l) < 0)
		return -1;
	if (o->drop_cache)
		posix_fadvise(l->fd, 0, 0, POSIX_FADV_DONTNEED);
	if (recover_walk(l, size) < 0)
		return log_fail(l, log_path(l, s->base, ".log", path), s->bytes, "recover");
	if (s->bytes < size && ftruncate(l->fd, s->bytes) < 0)
		return log_fail(l, log_path(l, s->base, ".log", path), s->bytes, "truncate");
	if (log_trim_indexes(l) < 0 || snapshot_write(l, false) < 0)
		return -1;
	return s->bytes < size;
}

/* --- the directory ---------------------------------------------------------------------------- */

static bool ends_with(const char *z, const char *end)
{
	size_t n = strlen(z), m = strlen(end);
	return n >= m && !strcmp(z + n - m, end);
}

static int unlink_entry(struct log *l, const struct log_entry *e)
{
	char path[LOG_PATH];
	if (unlinkat(l->dirfd, log_path(l, e->base, e->suffix, path), 0) < 0 && errno != ENOENT)
		return log_fail(l, path, -1, "unlink");
	return 0;
}

/* The offset after the last batch of a segment file that is not in the list. */
static int swap_end(struct log *l, const struct log_entry *e, int64_t *end)
{
	struct scan sc;
	struct batch b;
	int64_t size = file_bytes(l, e->base, e->suffix);
	int fd = log_open_read(l, e->base, e->suffix);
	if (size < 0 || fd < 0 || scan_begin(&sc, fd, 0, size, SKIP_CHUNK) < 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if (*end < e->base)
		*end = e->base;
	while (scan_next(&sc, &b) > 0)
		if (batch_last_offset(&b) + 1 > *end)
			*end = batch_last_offset(&b) + 1;
	scan_end(&sc);
	close(fd);
	return 0;
}

static int finish_swaps(struct log *l, const struct log_entry *v, int n)
{
	int64_t from = INT64_MAX, to = INT64_MIN;
	char a[LOG_PATH], b[LOG_PATH];
	for (int i = 0; i < n; i++)
		if (!strcmp(v[i].suffix, ".log.swap")) {
			from = v[i].base < from ? v[i].base : from;
			if (swap_end(l, v + i, &to) < 0)
				return -1;
		}
	for (int i = 0; i < n; i++)
		if (!ends_with(v[i].suffix, ".swap") && v[i].base >= from && v[i].base < to
			&& unlink_entry(l, v + i) < 0)
			return -1;
	for (int i = 0; i < n; i++)
		if (ends_with(v[i].suffix, ".swap")) {
			struct log_entry plain = v[i];
			plain.suffix[strlen(plain.suffix) - 5] = 0;
			if (renameat(l->dirfd, log_path(l, v[i].base, v[i].suffix, a), l->dirfd,
			             log_path(l, plain.base, plain.suffix, b)) < 0)
				return log_fail(l, a, -1, "rename");
		}
	return 0;
}

/* LogLoader.removeTempFilesAndCollectSwapFiles: what an interrupted deletion or cleaning left. 1
 * when anything was changed. */
static int clear_leftovers(struct log *l, struct log_entry *v, int n)
{
	int64_t min_cleaned = INT64_MAX;
	int kept = 0;
	for (int i = 0; i < n; i++)
		if (ends_with(v[i].suffix, ".cleaned") && v[i].base < min_cleaned)
			min_cleaned = v[i].base;
	for (int i = 0; i < n; i++) {
		bool swap = ends_with(v[i].suffix, ".swap");
		if (ends_with(v[i].suffix, ".deleted") || ends_with(v[i].suffix, ".cleaned")
			|| (swap && v[i].base >= min_cleaned)) {
			if (unlink_entry(l, v + i) < 0)
				return -1;
		} else {
			v[kept++] = v[i];
		}
	}
	bool swaps = false;
	for (int i = 0; i < kept; i++)
		swaps = swaps || ends_with(v[i].suffix, ".swap");
	if (swaps && finish_swaps(l, v, kept) < 0)
		return -1;
	return kept < n || swaps;
}

static bool txnindex_sane(struct log *l, int64_t base)
{
	uint8_t e[TXNINDEX_ENTRY];
	struct txnindex_entry t;
	bool sane = true;
	int fd = log_open_read(l, base, ".txnindex");
	if (fd < 0)
		return errno == ENOENT;
	for (off_t at = 0; sane && pread(fd, e, sizeof e, at) == sizeof e; at += TXNINDEX_ENTRY)
		sane = txnindex_parse(&t, e) == 0 && t.last >= base;
	close(fd);
	return sane;
}

/* The next offset, from the last index entry forward; -1 EBADMSG when what is there is no log. */
static int64_t read_end(struct log *l)
{
	const struct segment *s = log_active(l);
	int64_t position;
	struct batch b;
	struct scan sc;
	int64_t end = s->base;
	if (!s->bytes)
		return end;
	int fd = log_open_read(l, s->base, ".log");
	if (fd < 0)
		return -1;
	position = before_offset(l, fd, s->base, s->bytes, INT64_MAX);
	int r = scan_begin(&sc, fd, position, s->bytes, SKIP_CHUNK);
	if (r == 0) {
		while ((r = scan_next(&sc, &b)) > 0 && in_place(s, &b, end))
			end = batch_last_offset(&b) + 1;
		scan_end(&sc);
	}
	close(fd);
	if (r > 0)
		errno = EBADMSG;
	return r ? -1 : end;
}

struct loading {
	const struct log_opening *o;
	struct log_entry *v;
	int n;
	int64_t recovery_point;
	int recovered;              /* the segment recovered last; -1 none */
};

static int64_t last_base(const struct loading *g)
{
	int i = g->n;
	while (i && strcmp(g->v[i - 1].suffix, ".log"))
		i--;
	return i ? g->v[i - 1].base : 0;
}

/* From the newest down, so that a crash in between leaves no hole. Nobody can be reading them by
 * their names yet. */
static int drop_rest(struct log *l, const struct loading *g, int from)
{
	for (int i = g->n - 1; i >= from; i--)
		if (!strcmp(g->v[i].suffix, ".log") && log_segment_unlink(l, g->v[i].base) < 0)
			return -1;
	return log_sync_dir(l);
}

/* Loads one segment: 0; 1 when it was cut and nothing after it may stay. */
static int load_segment(struct log *l, struct loading *g, int64_t base, int64_t next_base)
{
	if (log_segment_push(l, base, g->o->now_ms) < 0)
		return -1;
	struct segment *s = log_active(l);
	bool last = next_base == INT64_MAX;
	bool unflushed = !g->o->clean && (last || next_base > g->recovery_point);
	s->bytes = file_bytes(l, base, ".log");
	s->first_ts = s->max_ts = LOG_UNKNOWN;
	int64_t index_bytes = file_bytes(l, base, ".index");
	if (s->bytes < 0 || (index_bytes < 0 && errno != ENOENT))
		return -1;
	bool damaged = index_bytes < 0 || !txnindex_sane(l, base);
	if (!unflushed && !damaged && last && (l->end = read_end(l)) < 0) {
		if (errno != EBADMSG)
			return -1;
		damaged = true;
	}
	if (!unflushed && !damaged)
		return last ? log_segment_times(l, s) : 0;
	log_close_files(l);
	int cut = recover_segment(l, g->o, g->recovered >= 0 && g->recovered == l->segments_n - 2);
	if (cut < 0)
		return -1;
	g->recovered = l->segments_n - 1;
	l->end = l->producers.end;
	if (last || (cut && unflushed))
		return cut && unflushed;
	int r = sync_recovered(l);
	log_close_files(l);
	return r;
}

/* One past the last entry with the base of entry i; *has_log: a .log is among them. */
static int group_end(const struct loading *g, int i, bool *has_log)
{
	int64_t base = g->v[i].base;
	*has_log = false;
	for (; i < g->n && g->v[i].base == base; i++)
		*has_log = *has_log || !strcmp(g->v[i].suffix, ".log");
	return i;
}

static int drop_orphans(struct log *l, const struct loading *g, int from, int to)
{
	for (int i = from; i < to; i++)
		if (strcmp(g->v[i].suffix, ".snapshot") && unlink_entry(l, g->v + i) < 0)
			return -1;
	return 0;
}

static int load_segments(struct log *l, struct loading *g)
{
	int64_t last = last_base(g);
	for (int i = 0, next; i < g->n; i = next) {
		bool has_log, ignored;
		next = group_end(g, i, &has_log);
		if (!has_log && drop_orphans(l, g, i, next) < 0)
			return -1;
		if (!has_log)
			continue;
		int64_t next_base = INT64_MAX;
		if (g->v[i].base != last) {
			int k = next;
			for (int end; end = group_end(g, k, &ignored), !ignored; k = end)
				;
			next_base = g->v[k].base;
		}
		int r = load_segment(l, g, g->v[i].base, next_base);
		if (r < 0)
			return -1;
		if (r > 0)
			return drop_rest(l, g, next);
	}
	return 0;
}

/* Segments that end before the log start were deleted by hand, say; begin anew there
 * (deleteSegmentsIfLogStartGreaterThanLogEnd). */
static int start_anew(struct log *l, int64_t now_ms)
{
	for (int i = l->segments_n - 1; i >= 0; i--)
		if (log_segment_unlink(l, l->segments[i].base) < 0)
			return -1;
	log_close_files(l);
	l->segments_n = 0;
	producers_clear(&l->producers);
	if (snapshot_delete_range(l, INT64_MAX, 0) < 0)
		return -1;
	l->producers.snapped = 0;
	l->producers.end = l->end = l->start;
	l->epochs.n = 0;
	return log_segment_create(l, l->start, now_ms) < 0 ? -1 : log_note_dir(l);
}

static int load_epochs(struct log *l)
{
	char path[LOG_PATH], *p;
	size_t n;
	if (log_read_small(l, EPOCHS_FILE, &p, &n) < 0)
		return errno == ENOENT ? 0 : -1;
	int r = epochs_parse(&l->epochs, p, n);
	free(p);
	return r < 0 ? log_fail(l, log_file(l, EPOCHS_FILE, path), -1, "parse") : 0;
}

static int settle_epochs(struct log *l, const struct epochs *before)
{
	epochs_cut_end(&l->epochs, l->end);
	epochs_cut_start(&l->epochs, l->start);
	bool same = before->n == l->epochs.n;
	for (int i = 0; same && i < before->n; i++)
		same = before->v[i].epoch == l->epochs.v[i].epoch && before->v[i].start == l->epochs.v[i].start;
	return same ? 0 : log_write_epochs(l);
}

static int settle(struct log *l, const struct loading *g)
{
	if (!l->segments_n || l->end < l->start) {
		if (start_anew(l, g->o->now_ms) < 0)
			return -1;
	}
	if (l->start < l->segments[0].base)
		l->start = l->segments[0].base;
	if (snapshot_delete_strays(l) < 0)
		return -1;
	int64_t newest = snapshot_newest(l);
	if (newest == -2)
		return -1;
	if (newest == -1 && g->o->clean)
		return first_snapshots(l);
	return log_rebuild_producers(l, l->end, g->o->now_ms);
}

int log_load(struct log *l, const struct log_opening *o)
{
	struct loading g = {.o = o, .recovered = -1};
	struct epochs before = {0};
	if (log_list(l->dirfd, l->name, &g.v, &g.n) < 0)
		return log_fail(l, l->name, -1, "list");
	int changed = clear_leftovers(l, g.v, g.n);
	if (changed > 0) {
		free(g.v);
		changed = log_list(l->dirfd, l->name, &g.v, &g.n);
	}
	g.recovery_point = o->recovery_point == LOG_RECOVER_LAST ? last_base(&g) : o->recovery_point;
	l->producers.end = -1;
	int r = changed < 0 || load_epochs(l) < 0 ? -1 : 0;
	for (int i = 0; r == 0 && i < l->epochs.n; i++)
		r = epochs_assign(&before, l->epochs.v[i].epoch, l->epochs.v[i].start) < 0 ? -1 : 0;
	if (r == 0 && (load_segments(l, &g) < 0 || settle(l, &g) < 0 || settle_epochs(l, &before) < 0))
		r = -1;
	/* what lies below the last segment was synced by an earlier owner or by the recovery just now */
	if (r == 0 && o->clean && g.recovered != l->segments_n - 1)
		l->recovery_point = l->end;
	else if (r == 0)
		l->recovery_point = g.recovery_point > log_active(l)->base ? g.recovery_point
			: log_active(l)->base;
	if (l->recovery_point > l->end)
		l->recovery_point = l->end;
	epochs_free(&before);
	free(g.v);
	return r;
}
