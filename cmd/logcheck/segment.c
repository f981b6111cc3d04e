/* One segment: its batches, and its three indexes against them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "check.h"
#include "log/indexfile.h"
#include "log/producers.h"
#include "log/scan.h"
#include "log/txnindex.h"

enum { CHUNK = 256 << 10 };

struct table {                  /* an index file in memory and how far the walk has used it */
	char name[48];
	uint8_t *p;
	size_t n, at;
};
struct walk {
	struct check *c;
	char name[48];          /* of the .log */
	int64_t base, next_base;
	struct table index, time, txn;
	int64_t max_ts;
};

static void name_of(char out[48], int64_t base, const char *suffix)
{
	snprintf(out, 48, "%020lld%s", (long long)base, suffix);
}

static bool all_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

/* Loads an index without its preallocated tail, which only an active segment may have. */
static void load(struct walk *w, struct table *t, const char *suffix, size_t width, bool must)
{
	char *p;
	name_of(t->name, w->base, suffix);
	if (!slurp(w->c->path, t->name, &p, &t->n)) {
		if (must)
			damage(w->c->path, t->name, -1, "missing");
		return;
	}
	t->p = (uint8_t *)p;
	if (t->n % width)
		damage(w->c->path, t->name, (int64_t)(t->n - t->n % width), "cut short");
	t->n -= t->n % width;
	size_t used = t->n;
	while (used && all_zero(t->p + used - width, width))
		used -= width;
	bool active = w->next_base == INT64_MAX && !w->c->closed;
	if (used < t->n && !active && !(width == TIMEINDEX_ENTRY && t->n == width))
		damage(w->c->path, t->name, (int64_t)used, "not trimmed: a tail of zeros");
	t->n = used;
}

static void match_index(struct walk *w, const struct batch *b, int64_t position)
{
	struct table *t = &w->index;
	for (; t->at < t->n; t->at += INDEX_ENTRY) {
		int64_t at = (int32_t)get32(t->p + t->at + 4), offset = w->base + (int32_t)get32(t->p + t->at);
		if (at > position)
			return;
		if (at < position)
			damage(w->c->path, t->name, (int64_t)t->at, "no batch begins at %lld", (long long)at);
		else if (offset != batch_last_offset(b))
			damage(w->c->path, t->name, (int64_t)t->at, "says offset %lld, the batch ends at %lld",
			       (long long)offset, (long long)batch_last_offset(b));
	}
}

static void match_time(struct walk *w, const struct batch *b)
{
	struct table *t = &w->time;
	for (; t->at < t->n; t->at += TIMEINDEX_ENTRY) {
		int64_t ts = (int64_t)get64(t->p + t->at), offset = w->base + (int32_t)get32(t->p + t->at + 8);
		if (offset > batch_last_offset(b))
			return;
		if (offset < batch_last_offset(b))
			damage(w->c->path, t->name, (int64_t)t->at, "no batch ends at offset %lld", (long long)offset);
		else if (ts != b->max_timestamp)
			damage(w->c->path, t->name, (int64_t)t->at, "says time %lld, the batch has %lld", (long long)ts,
			       (long long)b->max_timestamp);
		else if (ts < w->max_ts)
			damage(w->c->path, t->name, (int64_t)t->at, "an earlier batch has a later time");
	}
}

/* Markers come in order; each entry must be one of them, but an empty transaction has no entry.
 * done: the transaction that this marker ends, when that is known; what began below the start of
 * the log is not. */
static void match_txn(struct walk *w, const struct batch *b, const struct marker *m,
		      const struct completed_txn *done, int64_t stable)
{
	struct table *t = &w->txn;
	struct txnindex_entry e;
	bool there = false, whole = done->is && !w->c->start && w->c->deleted <= 0;
	for (; t->at < t->n; t->at += TXNINDEX_ENTRY) {
		if (txnindex_parse(&e, t->p + t->at) < 0)
			damage(w->c->path, t->name, (int64_t)t->at, "unknown version");
		else if (e.last > b->base_offset)
			break;
		else if (e.last < b->base_offset || !m->is || !m->abort || e.producer_id != b->producer_id)
			damage(w->c->path, t->name, (int64_t)t->at, "no abort of producer %lld at offset %lld",
			       (long long)e.producer_id, (long long)e.last);
		else if (done->is && e.first != done->first
			 && (e.first < 0 || (e.first >= w->c->start && e.first >= w->c->deleted)))
			damage(w->c->path, t->name, (int64_t)t->at, "says it began at %lld, the log %lld",
			       (long long)e.first, (long long)done->first);
		else if (e.stable > e.last + 1 || (whole && e.stable != stable))
			damage(w->c->path, t->name, (int64_t)t->at, "says stable offset %lld",
			       (long long)e.stable);
		else
			there = true;
	}
	if (done->is && done->abort && !there)
		damage(w->c->path, t->p ? t->name : w->name, (int64_t)t->at,
		       "lacks the abort of producer %lld at offset %lld", (long long)b->producer_id,
		       (long long)b->base_offset);
}

static void check_producer(struct walk *w, const struct batch *b, const void *bytes)
{
	struct marker m = {0};
	struct completed_txn done;
	int64_t stable = -1;
	if (marker_read(b, bytes, &m) < 0) {
		damage(w->c->path, w->name, -1, "control record at offset %lld is malformed",
		       (long long)b->base_offset);
		return;
	}
	producers_track(w->c, b, &m, &done, &stable);
	/* a recovery knows no transaction, or only its end, that began below the start of the log */
	done.is = done.is && w->c->producers_known && done.first >= w->c->deleted;
	if (b->attributes & BATCH_CONTROL && b->producer_id >= 0)
		match_txn(w, b, &m, &done, stable);
}

static void rest(struct walk *w, struct table *t, int64_t bytes)
{
	if (t->at == t->n)
		return;
	damage(w->c->path, t->name, (int64_t)t->at, "%s", "goes on behind the end of the log");
	damage(w->c->path, w->name, bytes, "ends before what %s has", t->name);
}

/* Of records below the log start, which DeleteRecords set, the epochs are forgotten. */
static void check_epoch(struct walk *w, const struct batch *b, int64_t position)
{
	int32_t known = epochs_at(&w->c->epochs, b->base_offset);
	if (w->c->epochs.n && b->base_offset < w->c->epochs.v[0].start)
		return;
	bool odd = w->c->epochs_known && b->epoch != -1 && known != b->epoch;
	if (odd && b->epoch != w->c->odd_epoch)
		damage(w->c->path, w->name, position, "leader epoch %d, " EPOCHS_FILE " has %d", b->epoch, known);
	w->c->odd_epoch = odd ? b->epoch : -1;
	/* a leader begins behind what was there, never inside a batch */
	for (int i = 0; i < w->c->epochs.n; i++)
		if (w->c->epochs.v[i].start > b->base_offset
		    && w->c->epochs.v[i].start <= batch_last_offset(b))
			damage(w->c->path, EPOCHS_FILE, -1, "epoch %d begins at %lld, inside a batch",
			       w->c->epochs.v[i].epoch, (long long)w->c->epochs.v[i].start);
}

static void check_records(struct walk *w, const struct batch *b, const uint8_t *bytes,
			  int64_t position)
{
	struct record r;
	size_t at = 0;
	int32_t n = 0;
	int got;
	if (b->attributes & BATCH_CODEC)
		return;
	while ((got = record_next(b, bytes + BATCH_HEADER, (size_t)batch_bytes(b) - BATCH_HEADER,
				  &at, &r)) > 0)
		n++;
	if (got < 0 || n != b->count)
		damage(w->c->path, w->name, position, "record %d of %d is malformed", n, b->count);
}

static void check_batch(struct walk *w, struct scan *sc, const struct batch *b)
{
	struct check *c = w->c;
	int good = scan_crc(sc, b);
	const uint8_t *bytes = good < 0 ? 0 : scan_batch(sc, b);
	if (!bytes)
		die_file(c->path, w->name);
	if (!good)
		damage(c->path, w->name, sc->position, "bad crc");
	else
		check_records(w, b, bytes, sc->position);
	if (b->base_offset < c->end || b->last_offset_delta < 0)
		damage(c->path, w->name, sc->position, "offsets %lld to %lld, %lld was expected",
		       (long long)b->base_offset, (long long)batch_last_offset(b), (long long)c->end);
	if (batch_last_offset(b) - w->base > INT32_MAX || batch_last_offset(b) >= w->next_base)
		damage(c->path, w->name, sc->position, "offset %lld does not belong here",
		       (long long)batch_last_offset(b));
	check_epoch(w, b, sc->position);
	match_index(w, b, sc->position);
	match_time(w, b);
	if (good)
		check_producer(w, b, bytes);
	else
		c->producers_known = false;
	if (b->max_timestamp > w->max_ts)
		w->max_ts = b->max_timestamp;
	c->end = batch_last_offset(b) + 1;
	check_snapshots(c);
}

/* A segment that was rolled or closed has its largest time as the last entry. */
static void check_last_time(struct walk *w)
{
	const struct table *t = &w->time;
	if ((w->next_base == INT64_MAX && !w->c->closed) || w->max_ts < 0 || !t->p)
		return;
	if (!t->n || (int64_t)get64(t->p + t->n - TIMEINDEX_ENTRY) != w->max_ts)
		damage(w->c->path, t->name, (int64_t)t->n, "lacks the largest time %lld", (long long)w->max_ts);
}

void check_segment(struct check *c, int64_t base, int64_t next_base)
{
	struct walk w = {.c = c, .base = base, .next_base = next_base, .max_ts = -1};
	struct scan sc;
	struct batch b;
	struct stat st;
	char path[4096];
	int got;
	name_of(w.name, base, ".log");
	load(&w, &w.index, ".index", INDEX_ENTRY, true);
	load(&w, &w.time, ".timeindex", TIMEINDEX_ENTRY, true);
	load(&w, &w.txn, ".txnindex", TXNINDEX_ENTRY, false);
	snprintf(path, sizeof path, "%s/%s", c->path, w.name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || scan_begin(&sc, fd, 0, st.st_size, CHUNK) < 0)
		die_file(c->path, w.name);
	if (c->end > base)
		damage(c->path, w.name, -1, "begins before offset %lld, where the one before ends",
		       (long long)c->end);
	if (c->end < base)
		c->end = base;
	check_snapshots(c);
	while ((got = scan_next(&sc, &b)) > 0)
		check_batch(&w, &sc, &b);
	if (got < 0 && errno != EBADMSG)
		die_file(c->path, w.name);
	if (got < 0) {
		c->producers_known = false;
		damage(c->path, w.name, sc.position, "no whole record batch");
	} else {
		rest(&w, &w.index, st.st_size);
		rest(&w, &w.time, st.st_size);
		rest(&w, &w.txn, st.st_size);
		check_last_time(&w);
	}
	scan_end(&sc);
	close(fd);
	free(w.index.p);
	free(w.time.p);
	free(w.txn.p);
}
