#include "work.h"

#include <errno.h>

#include "codec.h"
#include "log/batch.h"

/* Kafka's error codes (Errors.java). */
enum { CORRUPT_MESSAGE = 2, MESSAGE_TOO_LARGE = 10, INVALID_REQUEST = 42 };

static struct buf raw, made;    /* records without compression; the batch that goes back */

static int refuse(struct recode_answer *a, int error, const char *message)
{
	a->verdict.error = error;
	a->verdict.message = message;
	return 0;
}

/* Puts the records of the batch into raw. 1; 0 with the answer's error set; -1. */
static int open_batch(const struct recode_request *q, const struct batch *b,
		      struct recode_answer *a)
{
	size_t most = q->most_bytes < RECODE_MOST ? q->most_bytes : RECODE_MOST;
	raw.n = 0;
	if (codec_expand(b->attributes & BATCH_CODEC, (const char *)q->batch + BATCH_HEADER,
	                 q->batch_n - BATCH_HEADER, most, &raw) == 0)
		return 1;
	if (errno == EMSGSIZE)
		return refuse(a, MESSAGE_TOO_LARGE, "The records are larger than the limit without compression");
	if (errno == EBADMSG)
		return refuse(a, CORRUPT_MESSAGE, "The records cannot be decompressed");
	return -1;
}

/* Writes the batch with this codec into made: from raw, or as it came when the codec stays. */
static int close_batch(const struct recode_request *q, struct batch b, int codec,
		       struct recode_answer *a)
{
	bool same = codec == (b.attributes & BATCH_CODEC);
	made.n = 0;
	if (buf_need(&made, BATCH_HEADER) < 0)
		return -1;
	made.n = BATCH_HEADER;
	int r = same ? buf_add(&made, (const char *)q->batch + BATCH_HEADER, q->batch_n - BATCH_HEADER) :
	        codec_shrink(codec, raw.p, raw.n, &made);
	if (r < 0)
		return errno == EBADMSG ? refuse(a, INVALID_REQUEST, "Unknown compression type") : -1;
	b.attributes = (int16_t)((b.attributes & ~BATCH_CODEC) | codec);
	batch_seal(&b, made.p, made.n - BATCH_HEADER);
	a->batch = made.p;
	a->batch_n = made.n;
	return 0;
}

static int check(const struct recode_request *q, struct batch *b, struct recode_answer *a)
{
	struct log_rules rules = {
		.compact = q->flags & RECODE_COMPACT, .log_append_time = q->flags & RECODE_LOG_APPEND_TIME,
		.before_max_ms = q->before_max_ms, .after_max_ms = q->after_max_ms};
	int64_t max;
	int codec = q->codec == RECODE_AS_IT_CAME ? b->attributes & BATCH_CODEC : q->codec;
	log_validate_records(b, raw.p, raw.n, &rules, q->now_ms, &a->verdict, &max);
	if (a->verdict.error)
		return 0;
	if (!rules.log_append_time) {
		b->max_timestamp = max;
		b->attributes = (int16_t)(b->attributes & ~BATCH_LOG_APPEND_TIME);
	}
	return close_batch(q, *b, codec, a);
}

static int rewrite(const struct recode_request *q, const struct batch *b, struct recode_answer *a)
{
	struct record r;
	size_t at = 0;
	int got;
	while ((got = record_next(b, raw.p, raw.n, &at, &r)) > 0)
		;
	if (got < 0)
		return refuse(a, CORRUPT_MESSAGE, "The records are damaged");
	int own = b->attributes & BATCH_CODEC;
	return close_batch(q, *b, q->codec == RECODE_AS_IT_CAME ? own : q->codec, a);
}

static int find_time(const struct recode_request *q, const struct batch *b, struct recode_answer *a)
{
	struct record r;
	size_t at = 0;
	int got;
	while ((got = record_next(b, raw.p, raw.n, &at, &r)) > 0)
		if (r.timestamp >= q->timestamp && r.offset >= q->offset) {
			a->offset = r.offset;
			a->timestamp = r.timestamp;
			return 0;
		}
	return got < 0 ? refuse(a, CORRUPT_MESSAGE, "The records are damaged") : 0;
}

int work(const struct recode_request *q, struct recode_answer *a)
{
	struct batch b;
	*a = (struct recode_answer){.offset = -1, .timestamp = -1};
	if (batch_parse(&b, q->batch, q->batch_n) < 0 || batch_bytes(&b) != (int64_t)q->batch_n ||
	    !batch_crc_ok(&b, q->batch))
		return refuse(a, CORRUPT_MESSAGE, "Not one whole record batch with a right CRC");
	int r = open_batch(q, &b, a);
	if (r <= 0)
		return r;
	switch (q->kind) {
	case RECODE_CHECK: return check(q, &b, a);
	case RECODE_WRITE: return rewrite(q, &b, a);
	case RECODE_OPEN: return close_batch(q, b, CODEC_NONE, a);
	case RECODE_TIME: return find_time(q, &b, a);
	}
	return refuse(a, INVALID_REQUEST, "Unknown kind of request");
}
