/* Offsets by time, aborted transactions, epochs: what ListOffsets and read_committed ask of a
 * reader. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "log/lookup.h"
#include "log/reader_internal.h"
#include "log/scan.h"
#include "log/txnindex.h"

enum { CHUNK = 16 << 10 };

struct time_query {
	int64_t ts, from, end;      /* first record with timestamp >= ts, offset in [from, end) */
};

static int64_t file_size(int fd)
{
	struct stat st;
	return fstat(fd, &st) < 0 ? -1 : st.st_size;
}

/* Is that the last offset of the batch which has that time? */
static bool entry_right(struct log_reader *r, struct reader_segment *s, int64_t timestamp,
	int64_t relative)
{
	struct reader_place place;
	struct batch b;
	int64_t position;
	if (reader_locate(r, s, s->base + relative, &position, &b, &place) > 0
		&& batch_last_offset(&b) == s->base + relative && b.max_timestamp == timestamp)
		return true;
	reader_note(r, s, ".timeindex");
	return false;
}

/* An offset at or before the first batch whose max timestamp is >= ts, from the time index; the
 * segment's base when unknown. */
static int64_t offset_before_time(struct log_reader *r, struct reader_segment *s, int64_t ts)
{
	int64_t entry_ts, relative = 0;
	int fd = reader_open(r, s->base, ".timeindex");
	if (fd < 0)
		return s->base;
	int got = lookup_time(fd, file_size(fd), ts - 1, &entry_ts, &relative);
	close(fd);
	return got > 0 && entry_right(r, s, entry_ts, relative) ? s->base + relative : s->base;
}

/* Reads a whole batch into the reader's buffer. */
static const char *load_batch(struct log_reader *r, int fd, int64_t position, const struct batch *b)
{
	size_t n = (size_t)batch_bytes(b);
	if (n > r->buf_cap) {
		uint8_t *p = realloc(r->buf, n);
		if (!p)
			return 0;
		r->buf = p;
		r->buf_cap = n;
	}
	for (size_t have = 0; have < n;) {
		ssize_t got = pread(fd, r->buf + have, n - have, position + (int64_t)have);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			errno = got < 0 ? errno : EBADMSG;
			return 0;
		}
		have += (size_t)got;
	}
	return (const char *)r->buf;
}

struct time_hit {
	int64_t *offset, *timestamp;
	bool *compressed;
	struct log_range *range;
};

static int hit_compressed(const struct reader_segment *s, int64_t position, const struct batch *b,
	const struct time_hit *h)
{
	*h->compressed = true;
	*h->offset = b->base_offset;
	*h->timestamp = b->base_timestamp;
	*h->range = (struct log_range){.base = s->base, .fd = s->fd, .position = position,
		.bytes = batch_bytes(b)};
	return 1;
}

/* Looks for the record inside a batch whose max timestamp says it is there: 1, 0 not within the
 * bounds, -1. */
static int time_in_batch(struct log_reader *r, struct reader_segment *s, int64_t position,
               const struct batch *b, const struct time_query *q, const struct time_hit *h)
{
	struct record rec;
	size_t at = 0;
	int got;
	if (b->attributes & BATCH_CODEC)
		return hit_compressed(s, position, b, h);
	const char *p = load_batch(r, s->fd, position, b);
	if (!p)
		return reader_fail(r, s->base, ".log", position, "read");
	while ((got = record_next(b, p + BATCH_HEADER, (size_t)batch_bytes(b) - BATCH_HEADER, &at,
		&rec)) > 0)
		if (rec.timestamp >= q->ts && rec.offset >= q->from && rec.offset < q->end) {
			*h->compressed = false;
			*h->offset = rec.offset;
			*h->timestamp = rec.timestamp;
			*h->range = (struct log_range){.base = s->base, .fd = s->fd, .position = position,
				.bytes = batch_bytes(b)};
			return 1;
		}
	return got < 0 ? reader_fail(r, s->base, ".log", position, "records") : 0;
}

/* Is the batch beyond the caller's end, and not only by an offset that is damaged? */
static bool beyond(const struct log_reader *r, const struct time_query *q, const struct batch *b,
	const struct reader_place *place)
{
	bool more = place->next < q->end && place->next < r->trusted && r->trusted < INT64_MAX;
	return batch_last_offset(b) >= q->end && !more;
}

static int time_in_segment(struct log_reader *r, struct reader_segment *s,
               const struct time_query *q, const struct time_hit *h)
{
	struct scan sc;
	struct batch b;
	struct reader_place place;
	int64_t bytes, position = 0;
	int64_t offset = offset_before_time(r, s, q->ts);
	if (offset < q->from)
		offset = q->from;
	if (offset >= q->end)
		return 0;
	int got = reader_locate(r, s, offset, &position, &b, &place);
	if (got <= 0)
		return got;
	if (reader_fd(r, s, &bytes) < 0 || scan_begin(&sc, s->fd, position, bytes, CHUNK) < 0)
		return -1;
	int found = 0;
	while (!found && (got = scan_next(&sc, &b)) > 0 && !beyond(r, q, &b, &place))
		if (reader_check_batch(r, s, &sc, &b, &place, q->end) < 0)
			found = -1;
		else if (b.max_timestamp >= q->ts && batch_last_offset(&b) >= q->from
			&& !(b.attributes & BATCH_CONTROL && b.producer_id < 0))
			found = time_in_batch(r, s, sc.position, &b, q, h);
	int e = errno;
	scan_end(&sc);
	errno = e;
	if (found || got > 0)
		return found;
	/* the tail beyond the caller's end may be half written */
	if (got < 0 && (errno != EBADMSG || (place.next < q->end && place.next < r->trusted)))
		return reader_fail(r, s->base, ".log", sc.position, "no whole record batch");
	return place.next < r->trusted ? reader_lost_end(r, s, place.next, bytes) : 0;
}

/* The last entry of a segment's time index: 1, 0 none. */
static int last_time(struct log_reader *r, struct reader_segment *s, int64_t *ts, int64_t *relative)
{
	int fd = reader_open(r, s->base, ".timeindex");
	int got = fd < 0 ? 0 : lookup_time_offset(fd, file_size(fd), INT32_MAX, ts, relative);
	if (fd >= 0)
		close(fd);
	return got > 0;
}

int log_reader_by_time(struct log_reader *r, int64_t ts, int64_t log_start, int64_t end,
               int64_t *offset, int64_t *timestamp, bool *compressed, struct log_range *range)
{
	struct time_query q = {ts, log_start, end};
	struct time_hit h = {offset, timestamp, compressed, range};
	int64_t last_ts, last;
	int got = 0, passed = -1;
	if (reader_list(r) < 0)
		return -1;
	int i = reader_find_segment(r, log_start);
	for (i = i < 0 ? 0 : i; !got && i < r->n && r->v[i].base < end; i++) {
		/* a closed segment whose last time entry is older has nothing to offer */
		if (i + 1 < r->n && last_time(r, r->v + i, &last_ts, &last) && last_ts < ts)
			passed = i;
		else
			got = time_in_segment(r, r->v + i, &q, &h);
	}
	/* Times rise, mostly: if one was passed over wrongly, for a damaged index, it is the last of
	 * them. What lies behind its last entry is little. */
	int earlier = passed < 0 || got < 0 ? 0 : time_in_segment(r, r->v + passed, &q, &h);
	return earlier ? earlier : got;
}

/* The largest batch timestamp below end in a segment: 1, 0 none, -1. */
static int max_in_segment(struct log_reader *r, struct reader_segment *s,
	const struct time_query *q, int64_t *max_ts,
                          int64_t *max_position)
{
	struct scan sc;
	struct batch b;
	struct reader_place place;
	int64_t bytes, position, entry_ts = -1, relative = 0, from = s->base;
	int fd = reader_open(r, s->base, ".timeindex");
	if (fd >= 0) {
		int64_t limit = q->end - 1 - s->base;
		if (lookup_time_offset(fd, file_size(fd), limit > INT32_MAX ? INT32_MAX : limit, &entry_ts,
			&relative) > 0 &&
		    s->base + relative >= q->from)
			from = s->base + relative;
		close(fd);
	}
	int found = 0;
	if (from > s->base && !entry_right(r, s, entry_ts, relative))
		from = s->base;
	int got = reader_locate(r, s, from < q->from ? q->from : from, &position, &b, &place);
	if (got <= 0)
		return got;
	if (reader_fd(r, s, &bytes) < 0 || scan_begin(&sc, s->fd, position, bytes, CHUNK) < 0)
		return -1;
	while (found >= 0 && scan_next(&sc, &b) > 0 && !beyond(r, q, &b, &place))
		if (reader_check_batch(r, s, &sc, &b, &place, q->end) < 0) {
			found = -1;
		} else if (!found || b.max_timestamp > *max_ts) {
			found = 1;
			*max_ts = b.max_timestamp;
			*max_position = sc.position;
		}
	int e = errno;
	scan_end(&sc);
	errno = e;
	return found;
}

int log_reader_max_time(struct log_reader *r, int64_t log_start, int64_t end, int64_t *offset,
                        int64_t *timestamp, bool *compressed, struct log_range *range)
{
	struct time_query q = {0, log_start, end};
	struct time_hit h = {offset, timestamp, compressed, range};
	int64_t best_ts = -1, best_position = 0;
	int best = -1;
	if (reader_list(r) < 0)
		return -1;
	int i = reader_find_segment(r, log_start);
	for (i = i < 0 ? 0 : i; i < r->n && r->v[i].base < end; i++) {
		int64_t ts, position;
		int got = max_in_segment(r, r->v + i, &q, &ts, &position);
		if (got < 0)
			return -1;
		if (got && (best < 0 || ts > best_ts)) {
			best = i;
			best_ts = ts;
			best_position = position;
		}
	}
	if (best < 0)
		return 0;
	struct scan sc;
	struct batch b;
	int64_t bytes;
	if (reader_fd(r, r->v + best, &bytes) < 0 || scan_begin(&sc, r->v[best].fd, best_position, bytes,
		CHUNK) < 0)
		return -1;
	int got = scan_next(&sc, &b);
	scan_end(&sc);
	q.ts = best_ts;
	return got <= 0 ? got : time_in_batch(r, r->v + best, best_position, &b, &q, &h);
}

/* --- transactions and epochs ------------------------------------------------------------------ */

/* An entry names the control batch that ends a transaction of its producer. */
static int marker_there(struct log_reader *r, struct reader_segment *s,
	const struct txnindex_entry *t)
{
	struct reader_place place;
	struct batch b;
	int64_t position;
	int got = reader_locate(r, s, t->last, &position, &b, &place);
	if (got > 0 && b.base_offset == t->last && b.attributes & BATCH_CONTROL
		&& b.producer_id == t->producer_id)
		return 0;
	if (got >= 0)
		errno = EBADMSG;
	return -1;
}

/* TransactionIndex.collectAbortedTxns. *complete: no later segment can hold more. */
static int aborted_in(struct log_reader *r, struct reader_segment *s, int64_t from, int64_t to,
               struct log_aborted *v, int max, int *n, bool *complete)
{
	uint8_t e[TXNINDEX_ENTRY];
	struct txnindex_entry t;
	int64_t least = s->base;
	int fd = reader_open(r, s->base, ".txnindex");
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	int got = 0;
	for (off_t at = 0; !*complete && pread(fd, e, sizeof e, at) == sizeof e; at += TXNINDEX_ENTRY) {
		if ((got = txnindex_parse(&t, e)) < 0 || (got = txnindex_check(&t, &least)) < 0
			|| (t.last < r->trusted && t.last >= from && t.first < to
			&& (got = marker_there(r, s, &t)) < 0)) {
			reader_fail(r, s->base, ".txnindex", at, "entry");
			break;
		}
		if (t.last >= from && t.first < to) {
			if (*n < max)
				v[*n] = (struct log_aborted){t.producer_id, t.first, t.last};
			++*n;
		}
		*complete = t.stable >= to;
	}
	close(fd);
	return got;
}

int log_reader_aborted(struct log_reader *r, int64_t from, int64_t to, struct log_aborted *v,
	int max)
{
	int n = 0;
	bool complete = false;
	if (!r->listed && reader_list(r) < 0)
		return -1;
	int i = reader_find_segment(r, from);
	for (i = i < 0 ? 0 : i; i < r->n && !complete; i++)
		if (aborted_in(r, r->v + i, from, to, v, max, &n, &complete) < 0)
			return -1;
	return n;
}

int reader_epochs(struct log_reader *r)
{
	enum { most = 64 << 20 };
	char path[320], *p;
	size_t n;
	struct stat st;
	snprintf(path, sizeof path, "%s/%s", r->name, EPOCHS_FILE);
	if (fstatat(r->dirfd, path, &st, 0) < 0)
		return -1;
	int64_t mtime = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	if (r->epochs_ino == st.st_ino && r->epochs_mtime == mtime)
		return 0;
	if (atomicfile_read(r->dirfd, path, most, &p, &n) < 0)
		return -1;
	r->epochs.n = 0;
	r->epochs_ino = epochs_parse(&r->epochs, p, n) < 0 ? 0 : st.st_ino;
	r->epochs_mtime = mtime;
	free(p);
	return r->epochs_ino ? 0 : -1;
}

int32_t log_reader_epoch_of(struct log_reader *r, int64_t offset)
{
	return reader_epochs(r) < 0 ? -1 : epochs_at(&r->epochs, offset);
}

int log_reader_epoch_end(struct log_reader *r, int32_t asked, int64_t log_end, int32_t *epoch,
	int64_t *end)
{
	if (reader_epochs(r) < 0)
		return -1;
	epochs_end(&r->epochs, asked, log_end, epoch, end);
	return 0;
}
