/* Appending: one write for the data, then what is derived from it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

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
	return -1;
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

static int write_placed(struct log *l, const uint8_t *head, const uint8_t *body, size_t body_n)
{
	int64_t at = log_active(l)->bytes;
	struct iovec v[2] = {{(void *)head, BATCH_HEADER}, {(void *)body, body_n}};
	ssize_t r;
	do
		r = pwritev(l->fd, v, 2, at);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -1;
	if ((size_t)r == BATCH_HEADER + body_n)
		return 0;
	/* cut short: write the rest, or learn why not */
	size_t done = (size_t)r;
	if (done < BATCH_HEADER) {
		if (log_write_all(l->fd, head + done, BATCH_HEADER - done, at + r) < 0)
			return -1;
		done = BATCH_HEADER;
	}
	return log_write_all(l->fd, body + done - BATCH_HEADER, body_n - (done - BATCH_HEADER),
		at + (int64_t)done);
}

/* Opens what is written to. The first data of a log is the first that needs its directory. */
static int ready(struct log *l)
{
	if (!log_active(l)->bytes && l->segments_n == 1 && l->own_dir < 0) {
		if (log_note_dir(l) < 0)
			return -1;
		l->above = true;
	}
	return log_own_fd(l);
}

static int note_epoch(struct log *l, const struct batch *b)
{
	if (b->epoch < 0 || b->epoch == epochs_last(&l->epochs))
		return 0;
	int r = epochs_assign(&l->epochs, b->epoch, b->base_offset);
	return r > 0 ? log_write_epochs_soon(l) : r;
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

int log_append(struct log *l, const struct batch *in, const void *bytes, int32_t epoch,
               int64_t now_ms, int64_t *base_offset)
{
	struct batch b = *in;
	struct marker m;
	uint8_t head[BATCH_HEADER];
	bool fresh;
	if (l->broken)
		return refuse(EIO);
	if (batch_bytes(&b) > l->config.segment_bytes)
		return refuse(EMSGSIZE);
	l->now_ms = now_ms;
	b.base_offset = l->end;
	b.epoch = epoch;
	if (b.last_offset_delta < 0 || b.base_offset > INT64_MAX - b.last_offset_delta - 1)
		return refuse(EINVAL);
	if (marker_read(&b, bytes, &m) < 0 || note_epoch(l, &b) < 0)
		return -1;
	if (log_should_roll(l, &b, 0, now_ms) && log_roll(l, b.base_offset, now_ms) < 0)
		return -1;
	if (ready(l) < 0 || producers_reserve(&l->producers, &b, &fresh) < 0)
		return -1;
	reserve(l, batch_bytes(&b));
	batch_head(&b, head);    /* as it was checked: the caller's may lie in memory others write */
	if (write_placed(l, head, (const uint8_t *)bytes + BATCH_HEADER,
		(size_t)batch_bytes(&b) - BATCH_HEADER) < 0)
		return cut_back(l, "write");
	if (commit(l, &b, &m) < 0)
		return cut_back(l, "txnindex");
	*base_offset = b.base_offset;
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

static int copy_run(struct log *l, const uint8_t *p, size_t n)
{
	struct batch b;
	struct marker m;
	bool fresh;
	if (!n)
		return 0;
	for (size_t at = 0; at < n; at += (size_t)batch_bytes(&b))
		if (batch_parse(&b, p + at, n - at) < 0 || note_epoch(l, &b) < 0 ||
		    producers_reserve(&l->producers, &b, &fresh) < 0)
			return -1;
	if (ready(l) < 0)
		return -1;
	reserve(l, (int64_t)n);
	if (log_write_all(l->fd, p, n, log_active(l)->bytes) < 0)
		return cut_back(l, "write");
	for (size_t at = 0; at < n; at += (size_t)batch_bytes(&b))
		if (batch_parse(&b, p + at, n - at) < 0 || marker_read(&b, p + at, &m) < 0
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
		if (batch_parse(&b, p + at, n - at) < 0)
			return -1;
		if (!log_should_roll(l, &b, (int64_t)(at - run), now_ms))
			continue;
		if (copy_run(l, p + run, at - run) < 0 || log_roll(l, b.base_offset, now_ms) < 0)
			return -1;
		run = at;
	}
	return copy_run(l, p + run, at - run);
}
