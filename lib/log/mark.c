/* Large segments: marks while they are written, and a recovery that begins near their end.
 *
 * Where the machine has not restarted, the page cache holds all that a killed writer wrote, in the
 * order in which it wrote it, so only what it did not say to be written needs checking. What must
 * be known of all before that: the producers (from a snapshot, and the headers from there on), the
 * largest timestamp (from .timeindex, where what belongs to an entry of .index is always written
 * before that), the entries of the indexes. A mark is a producer snapshot inside the segment.
 */
#include <unistd.h>

#include "log/internal.h"
#include "log/scan.h"

/* A snapshot remembers one batch of each producer, and it may send again all five whose answers it
 * has not seen. So the snapshot that a recovery begins with is the last but one, which is older
 * than any answer on its way. */
int log_mark(struct log *l)
{
	int64_t bytes = log_active(l)->bytes, since = l->now_ms - l->marked_ms;
	int64_t step = l->config.mark_bytes * (1 + (int64_t)(l->producers.map.n >> 14));
	if (bytes < l->marked_bytes)
		l->marked_bytes = 0;    /* another segment */
	if (l->broken || bytes - l->marked_bytes < step || (since >= 0 && since < l->config.mark_ms))
		return 0;
	l->marked_bytes = bytes;
	l->marked_ms = l->now_ms;
	if (l->end <= l->producers.snapped)
		return 0;
	if (snapshot_write(l, false) < 0)
		return -1;
	int64_t old = l->marks[0];
	l->marks[0] = l->marks[1];
	l->marks[1] = l->end;
	return old < 0 ? 0 : snapshot_drop(l, old);
}

void log_marked(struct log *l)
{
	for (int i = 0; i < 2; i++)
		if (l->marks[i] > l->end)
			l->marks[i] = -1;
	l->marked_bytes = log_active(l)->bytes;
	l->marked_ms = l->now_ms;
}

/* --- recovery --------------------------------------------------------------------------------- */

struct place {                  /* where it begins: at a batch that both indexes know */
	int64_t position;
	struct batch batch;
	uint32_t index_n, time_n;   /* entries for batches before it */
	int64_t time, time_offset;  /* of the last of these; -1, the base: none */
};

static int last_time(struct log *l, uint32_t n, int64_t *time, int64_t *offset)
{
	uint8_t e[TIMEINDEX_ENTRY];
	*time = -1;
	*offset = log_active(l)->base;
	if (!n)
		return 0;
	if (indexfile_get(&l->time, n - 1, e) < 0)
		return -1;
	*time = (int64_t)get64(e);
	*offset += (int64_t)get32(e + 8);
	return 0;
}

/* A whole good batch: 1, 0, -1. */
static int batch_at(struct log *l, int64_t position, int64_t size, struct batch *b)
{
	enum { CHUNK = 16 << 10 };
	struct scan sc;
	if (scan_begin(&sc, l->fd, position, size, CHUNK) < 0)
		return -1;
	int r = scan_next(&sc, b) > 0 ? scan_crc(&sc, b) : 0;
	scan_end(&sc);
	return r;
}

/* 1; 0 there is none, -1. */
static int find_place(struct log *l, int64_t below, int64_t size, struct place *p)
{
	uint8_t e[INDEX_ENTRY];
	int64_t base = log_active(l)->base;
	int64_t n = indexfile_below(&l->index, below - base);
	if (n <= 0)
		return (int)n;
	if (indexfile_get(&l->index, (uint32_t)n - 1, e) < 0)
		return -1;
	p->index_n = (uint32_t)n - 1;
	p->position = (int64_t)get32(e + 4);
	int good = batch_at(l, p->position, size, &p->batch);
	if (good <= 0 || batch_last_offset(&p->batch) != base + (int64_t)get32(e))
		return good < 0 ? -1 : 0;
	n = indexfile_below(&l->time, p->batch.base_offset - base);
	if (n < 0 || last_time(l, (uint32_t)n, &p->time, &p->time_offset) < 0)
		return -1;
	p->time_n = (uint32_t)n;
	return 1;
}

static int cut_indexes(struct log *l, const struct place *p)
{
	uint8_t e[INDEX_ENTRY];
	l->index.last = -1;
	if (p->index_n && indexfile_get(&l->index, p->index_n - 1, e) < 0)
		return -1;
	if (p->index_n)
		l->index.last = (int64_t)get32(e);
	l->time.last = p->time;
	if (indexfile_cut(&l->index, p->index_n) < 0 || indexfile_cut(&l->time, p->time_n) < 0)
		return -1;
	/* the batch at this place had an entry, and gets it again */
	l->since_index = (int64_t)l->config.index_interval_bytes + 1;
	return txnindex_cut(l, p->batch.base_offset);
}

/* The producers at offset `to`, from the last but one of the snapshots. That one stays as it is,
 * and another comes behind it, so that a second recovery comes to the same. */
static int begin_producers(struct log *l, int64_t to, int64_t now_ms)
{
	int64_t newest = snapshot_newest(l);
	l->producers.end = -1;
	if (newest == -2 || (newest >= 0 && snapshot_drop(l, newest) < 0))
		return -1;
	return log_replay_producers(l, to, now_ms);
}

int log_recover_tail(struct log *l, const struct log_opening *o)
{
	struct segment *s = log_active(l);
	struct place p;
	int64_t size = s->bytes;
	if (log_own_fd(l) < 0 || log_open_indexes(l) < 0 || log_segment_times(l, s) < 0)
		return -1;
	if (s->first_ts < 0 || find_place(l, o->written, size, &p) <= 0)
		return -1;
	s->bytes = p.position;
	s->max_ts = p.time;
	s->max_ts_offset = p.time_offset;
	if (begin_producers(l, p.batch.base_offset, o->now_ms) < 0 || cut_indexes(l, &p) < 0)
		return -1;
	return log_recover_from(l, p.position, p.batch.base_offset, size);
}
