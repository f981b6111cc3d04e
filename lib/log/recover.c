/* One segment after a crash: checked batch by batch, cut at the first bad one, its indexes, epochs
 * and producer state made anew (LogSegment.recover). */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/syncfile.h"
#include "base/planted.h"
#include "log/internal.h"
#include "log/scan.h"

enum { READ_CHUNK = 256 << 10 };

/* What is deleted counts no more, as when the state is replayed (log_rebuild_producers): else the
 * next recovery, which may begin at another segment, would come to another state. */
static int recover_producer(struct log *l, struct scan *sc, const struct batch *b)
{
	struct marker m = {0};
	struct completed_txn done;
	bool fresh;
	if (batch_last_offset(b) < l->start)
		return 0;
	if (b->attributes & BATCH_CONTROL && b->producer_id >= 0) {
		const void *whole = scan_batch(sc, b);
		if (!whole || marker_read(b, whole, &m) < 0)
			return -1;
	}
	if (producers_reserve(&l->producers, b, &fresh) < 0)
		return -1;
	if (!PLANTED(PRODUCERS_NOT_RECOVERED))
		producers_apply(&l->producers, b, &m, &done);
	else
		done.is = false;
	if (!done.is)
		return 0;
	if (done.abort && txnindex_append(l, &done, producers_stable(&l->producers, &done)) < 0)
		return -1;
	producers_complete(&l->producers, &done);
	return 0;
}

static int recover_batch(struct log *l, struct scan *sc, const struct batch *b)
{
	struct segment *s = log_active(l);
	if (b->epoch > epochs_last(&l->epochs) && epochs_assign(&l->epochs, b->epoch, b->base_offset) < 0)
		return -1;
	if (recover_producer(l, sc, b) < 0)
		return -1;
	l->producers.end = batch_last_offset(b) + 1;
	log_segment_indexed(l, s, b, sc->position);
	s->bytes = sc->at;
	return 0;
}

/* May a batch follow offset next in this segment? */
bool log_in_place(const struct segment *s, const struct batch *b, int64_t next)
{
	return b->base_offset >= next && batch_last_offset(b) >= b->base_offset &&
	       batch_last_offset(b) - s->base <= INT32_MAX;
}

/* Is there a whole good batch for this log anywhere behind? Only asked where there should be none.
 */
static bool good_follows(struct log *l, int64_t from, int64_t size, int64_t next)
{
	struct scan sc;
	struct batch b;
	uint8_t head[BATCH_HEADER];
	bool found = false;
	for (int64_t at = from + 1; !found && at <= size - BATCH_HEADER; at++) {
		if (pread(l->fd, head, sizeof head, at) != sizeof head || batch_parse(&b, head, sizeof head) < 0
			|| b.base_offset < next || batch_bytes(&b) > size - at
			|| scan_begin(&sc, l->fd, at, size, READ_CHUNK) < 0)
			continue;
		found = scan_next(&sc, &b) > 0 && scan_crc(&sc, &b) > 0;
		scan_end(&sc);
	}
	return found;
}

/* A batch whose bytes are wrong but whose header is plausible stays: readers are told. */
static bool may_stay(const struct log *l, const struct batch *b)
{
	return batch_last_offset(b) < l->durable
		&& (l->config.compacted || b->count == b->last_offset_delta + 1);
}

/* The next batch when it is good, or may stay: 1; 0 the end; -1. *gap: offsets were missing. */
static int recover_next(struct log *l, struct scan *sc, struct batch *b, int64_t *next, bool *gap)
{
	char path[LOG_PATH];
	struct segment *s = log_active(l);
	int r = scan_next(sc, b);
	if (r <= 0)
		return r;
	int good = !log_in_place(s, b, *next) ? 0 : PLANTED(PAST_THE_BAD_BATCH) ? 1 : scan_crc(sc, b);
	if (good < 0 || (good && recover_batch(l, sc, b) < 0))
		return -1;
	if (!good && (!log_in_place(s, b, *next) || !may_stay(l, b))) {
		errno = EBADMSG;
		return -1;
	}
	if (!good) {
		log_note(l, log_path(l, s->base, ".log", path), sc->position, "bad crc");
		l->producers.end = batch_last_offset(b) + 1;
		s->bytes = sc->at;
	}
	*gap = *gap || b->base_offset > *next;
	*next = good ? batch_last_offset(b) + 1 : b->base_offset + 1;
	return 1;
}

/* Walks the active segment from there on; s->bytes ends behind the last batch that may be kept. 0,
 * or -1 when the walk could not be done, or what follows may not be cut. */
static int recover_walk(struct log *l, int64_t position, int64_t next, int64_t file_size)
{
	struct segment *s = log_active(l);
	struct scan sc;
	struct batch b;
	bool gap = false;
	int r;
	if (scan_begin(&sc, l->fd, position, file_size, READ_CHUNK) < 0)
		return -1;
	while ((r = recover_next(l, &sc, &b, &next, &gap)) > 0)
		;
	int e = errno;
	scan_end(&sc);
	errno = e;
	if (r == 0 || errno != EBADMSG)
		return r;
	/* An offset that jumped is damaged too: what follows it is still below. Where none did, all
	 * that is below was read, and a low offset here is a sector of zeros that was never written. */
	bool below = next < l->durable
		|| (gap && sc.at > sc.position && b.base_offset < l->durable);
	bool torn = !below || PLANTED(DAMAGE_CUT);
	if (torn && !(l->one_by_one && good_follows(l, s->bytes, file_size, next)))
		return 0;
	errno = EBADMSG;
	return -1;
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

int log_sync_recovered(struct log *l)
{
	char path[LOG_PATH];
	if (syncfile(l->fd) < 0 || syncfile(l->index.fd) < 0 || syncfile(l->time.fd) < 0
		|| (l->txn_fd >= 0 && syncfile(l->txn_fd) < 0))
		return log_fail(l, log_path(l, log_active(l)->base, "", path), -1, "fsync");
	return 0;
}

/* What is known of the segment is what lies before position; the batch there is to have an offset
 * not below next. */
int log_recover_from(struct log *l, int64_t position, int64_t next, int64_t size)
{
	char path[LOG_PATH];
	struct segment *s = log_active(l);
	s->bytes = position;
	if (recover_walk(l, position, next, size) < 0)
		return log_fail(l, log_path(l, s->base, ".log", path), s->bytes, "recover");
	if (s->bytes < size)
		log_note(l, log_path(l, s->base, ".log", path), s->bytes, "cut, no whole good batch follows");
	if (s->bytes < size && ftruncate(l->fd, s->bytes) < 0)
		return log_fail(l, log_path(l, s->base, ".log", path), s->bytes, "truncate");
	if (log_trim_indexes(l) < 0 || snapshot_write(l, false) < 0)
		return -1;
	return s->bytes < size;
}

/* Checks the active (last pushed) segment batch by batch, cuts it at the first bad one and makes
 * its indexes anew. 1 when bytes were cut off. Its descriptors stay open. */
int log_recover_segment(struct log *l, const struct log_opening *o, bool follows)
{
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
	return log_recover_from(l, 0, s->base, size);
}
