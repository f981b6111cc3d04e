/* Appending: one write for the data, then what is derived from it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/planted.h"
#include "log/internal.h"

static int refuse(int e)
{
	errno = e;
	return -1;
}

/* Takes back what a failed write left behind the segment's end. */
static int cut_back(struct log *l, const char *what)
{
	char path[LOG_PATH];
	struct segment *s = log_active(l);
	int e = errno;
	log_fail(l, log_path(l, s->base, ".log", path), s->bytes, what);
	if (ftruncate(l->fd, s->bytes) < 0)
		l->broken = true;
	errno = e;
	return PLANTED(WRITE_ERROR_SWALLOWED) ? 0 : -1;
}

/* Blocks are taken ahead, in steps of what came in a minute: a write into them is cheaper. Where
 * that fails the write will say why. */
static void reserve(struct log *l, int64_t n)
{
	enum { MINUTE_MS = 60000, STEP_MIN = 1 << 20, STEP_MAX = 64 << 20 };
	int64_t at = log_active(l)->bytes, since = l->now_ms - l->minute_ms;
	if (since >= MINUTE_MS || since < 0) {
		l->before_bytes = since < 2 * MINUTE_MS ? l->minute_bytes : 0;
		l->minute_ms = l->now_ms;
		l->minute_bytes = 0;
	}
	l->minute_bytes += n;
	int64_t step = l->before_bytes > l->minute_bytes ? l->before_bytes : l->minute_bytes;
	if (at + n <= l->reserved || step < STEP_MIN)
		return;
	if (step > STEP_MAX)
		step = STEP_MAX;
	if (step > l->config.segment_bytes - at)
		step = l->config.segment_bytes - at;
	if (fallocate(l->fd, FALLOC_FL_KEEP_SIZE, at, step) < 0 || step < n)
		step = STEP_MIN;
	l->reserved = at + step;
}

/* Writes what the n ranges hold, one after the other; moves them on. */
static int write_ranges(int fd, struct iovec *v, int n, int64_t at)
{
	while (n) {
		ssize_t r = pwritev(fd, v, n, at);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		at += r;
		for (; n && (size_t)r >= v->iov_len; n--)
			r -= (ssize_t)(v++)->iov_len;
		if (n) {    /* cut short: write the rest, or learn why not */
			v->iov_base = (char *)v->iov_base + r;
			v->iov_len -= (size_t)r;
		}
	}
	return 0;
}

/* Opens what is written to. The first data of a log is the first that needs its directory. */
static int ready(struct log *l)
{
	if (!log_active(l)->bytes && l->segments_n == 1 && !l->new_entries) {
		log_note_dir(l);
		l->above = !PLANTED(DIRECTORY_ABOVE_NOT_SYNCED);
	}
	return log_own_fd(l);
}

static int note_epoch(struct log *l, const struct batch *b)
{
	if (b->epoch < 0 || b->epoch == epochs_last(&l->epochs))
		return 0;
	int r = epochs_assign(&l->epochs, b->epoch, b->base_offset);
	if (r <= 0 || log_write_epochs_soon(l) == 0)
		return r < 0 ? -1 : 0;
	epochs_cut_end(&l->epochs, b->base_offset);    /* the next append tries again */
	return -1;
}

static int note_abort(struct log *l, const struct batch *b, const struct marker *m)
{
	const struct producer *p = m->is && m->abort ? producers_get(&l->producers, b->producer_id) : 0;
	if (!p || p->txn_first < 0)
		return 0;
	struct completed_txn t = {true, true, b->producer_id, p->txn_first, b->base_offset};
	return txnindex_append(l, &t, producers_stable(&l->producers, &t));
}

/* The batch lies at the segment's end in the file: makes it part of the log. */
static int commit(struct log *l, const struct batch *b, const struct marker *m)
{
	struct segment *s = log_active(l);
	struct completed_txn done;
	if (note_abort(l, b, m) < 0)
		return -1;
	int64_t position = s->bytes;
	s->bytes += batch_bytes(b);
	l->end = batch_last_offset(b) + 1;
	producers_apply(&l->producers, b, m, &done);
	if (done.is)
		producers_complete(&l->producers, &done);
	l->producers.end = l->end;
	log_segment_indexed(l, s, b, position);
	return 0;
}

/* Its state depends on more than its place in the log: nothing else is in its run. */
static bool is_alone(const struct batch *b)
{
	return b->attributes & (BATCH_CONTROL | BATCH_TRANSACTIONAL);
}

/* True: the batch may follow those of its run, which take pending bytes. */
static bool joins(struct log *l, const struct batch *b, int64_t pending, int64_t now_ms)
{
	return !is_alone(b) && batch_bytes(b) <= l->config.segment_bytes && b->last_offset_delta >= 0
	       && b->base_offset <= INT64_MAX - b->last_offset_delta - 1
	       && !log_should_roll(l, b, pending, now_ms);
}

/* The first batch of a run: checks it and makes its segment ready. */
static int begin_run(struct log *l, const struct batch *b, const void *bytes, struct marker *m,
                     int64_t now_ms)
{
	if (l->broken)
		return refuse(EIO);
	if (batch_bytes(b) > l->config.segment_bytes)
		return refuse(EMSGSIZE);
	if (b->last_offset_delta < 0 || b->base_offset > INT64_MAX - b->last_offset_delta - 1)
		return refuse(EINVAL);
	if (marker_read(b, bytes, m) < 0 || note_epoch(l, b) < 0)
		return -1;
	if (log_should_roll(l, b, 0, now_ms) && log_roll(l, b->base_offset, now_ms) < 0)
		return -1;
	return ready(l);
}

int log_append_run(struct log *l, struct log_item *v, int n, int32_t epoch, int64_t now_ms)
{
	struct batch b[LOG_RUN];
	uint8_t heads[LOG_RUN][BATCH_HEADER];
	struct iovec ranges[2 * LOG_RUN];
	struct marker m, none = {.is = false};
	int64_t next = l->end, bytes = 0;
	bool fresh;
	int k = 0;
	l->now_ms = now_ms;
	for (; k < n && k < LOG_RUN; k++) {
		b[k] = *v[k].batch;
		b[k].base_offset = next;
		b[k].epoch = epoch;
		if (k ? !joins(l, &b[k], bytes, now_ms) :
		    begin_run(l, &b[k], v[k].bytes, &m, now_ms) < 0)
			break;
		if (producers_reserve(&l->producers, &b[k], &fresh) < 0)
			break;
		/* as it was checked: the caller's may lie in memory others write */
		batch_head(&b[k], heads[k]);
		ranges[2 * k] = (struct iovec){heads[k], BATCH_HEADER};
		ranges[2 * k + 1] = (struct iovec){(char *)v[k].bytes + BATCH_HEADER,
			(size_t)batch_bytes(&b[k]) - BATCH_HEADER};
		bytes += batch_bytes(&b[k]);
		next = batch_last_offset(&b[k]) + 1;
		if (is_alone(&b[k]))
			n = k + 1;
	}
	if (!k)
		return -1;
	reserve(l, bytes);
	if (write_ranges(l->fd, ranges, 2 * k, log_active(l)->bytes) < 0)
		return cut_back(l, "write");
	for (int i = 0; i < k; i++) {
		if (commit(l, &b[i], i ? &none : &m) < 0)
			return cut_back(l, "txnindex");
		v[i].base_offset = b[i].base_offset;
	}
	return k;
}

int log_append(struct log *l, const struct batch *b, const void *bytes, int32_t epoch,
               int64_t now_ms, int64_t *base_offset)
{
	struct log_item one = {.batch = b, .bytes = bytes};
	if (log_append_run(l, &one, 1, epoch, now_ms) < 0)
		return -1;
	*base_offset = one.base_offset;
	return 0;
}

/* --- copy ------------------------------------------------------------------------------------- */

/* How many of the n bytes are whole good batches that may follow the log; -1. */
static int64_t copy_check(const struct log *l, const uint8_t *p, size_t n)
{
	struct batch b;
	struct marker m;
	size_t at = 0;
	int64_t next = l->end;
	while (n - at >= BATCH_HEADER) {
		if (batch_parse(&b, p + at, n - at) < 0)
			return -1;
		if (batch_bytes(&b) > (int64_t)(n - at))
			break;
		if (b.base_offset < next || b.last_offset_delta < 0
			|| b.base_offset > INT64_MAX - b.last_offset_delta - 1)
			return refuse(EINVAL);
		if (!batch_crc_ok(&b, p + at) || marker_read(&b, p + at, &m) < 0)
			return refuse(EBADMSG);
		next = batch_last_offset(&b) + 1;
		at += (size_t)batch_bytes(&b);
	}
	return (int64_t)at;
}

/* A batch that was checked, whole. The memory may be another program's, who can still write
 * there: what is read again is checked again as far as anything here relies on it. */
static int copied_batch(const struct log *l, const uint8_t *p, size_t n, struct batch *b)
{
	if (batch_parse(b, p, n) < 0)
		return -1;
	if (batch_bytes(b) > (int64_t)n || b->base_offset < l->end || b->last_offset_delta < 0
	    || b->base_offset > INT64_MAX - b->last_offset_delta - 1)
		return refuse(EBADMSG);
	return 0;
}

static int copy_run(struct log *l, const uint8_t *p, size_t n)
{
	struct batch b;
	struct marker m;
	bool fresh;
	if (!n)
		return 0;
	for (size_t at = 0; at < n; at += (size_t)batch_bytes(&b))
		if (copied_batch(l, p + at, n - at, &b) < 0 || note_epoch(l, &b) < 0
		    || producers_reserve(&l->producers, &b, &fresh) < 0)
			return -1;
	if (ready(l) < 0)
		return -1;
	reserve(l, (int64_t)n);
	if (log_write_all(l->fd, p, n, log_active(l)->bytes) < 0)
		return cut_back(l, "write");
	for (size_t at = 0; at < n; at += (size_t)batch_bytes(&b))
		if (copied_batch(l, p + at, n - at, &b) < 0 || marker_read(&b, p + at, &m) < 0
			|| commit(l, &b, &m) < 0)
			return cut_back(l, "txnindex");
	return 0;
}

int log_copy(struct log *l, const void *batches, size_t n, int64_t now_ms)
{
	const uint8_t *p = batches;
	struct batch b;
	if (l->broken)
		return refuse(EIO);
	int64_t whole = copy_check(l, p, n);
	if (whole < 0)
		return -1;
	l->now_ms = now_ms;
	size_t run = 0, at = 0;
	for (; at < (size_t)whole; at += (size_t)batch_bytes(&b)) {
		if (batch_parse(&b, p + at, (size_t)whole - at) < 0)
			return -1;
		if (batch_bytes(&b) > whole - (int64_t)at)
			return refuse(EBADMSG);
		if (!log_should_roll(l, &b, (int64_t)(at - run), now_ms))
			continue;
		if (copy_run(l, p + run, at - run) < 0 || log_roll(l, b.base_offset, now_ms) < 0)
			return -1;
		run = at;
	}
	return copy_run(l, p + run, at - run);
}
