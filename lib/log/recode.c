#include "log/recode.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"

static int bad(void)
{
	errno = EBADMSG;
	return -1;
}

void recode_check(struct recode_request *q, const struct log_rules *r, int64_t now_ms,
                  const void *batch, size_t n)
{
	*q = (struct recode_request){
		.kind = RECODE_CHECK, .most_bytes = RECODE_MOST, .now_ms = now_ms,
		.codec = (uint8_t)(r->codec < 0 ? RECODE_AS_IT_CAME : r->codec),
		.flags = (uint8_t)((r->compact ? RECODE_COMPACT : 0) |
		                   (r->log_append_time ? RECODE_LOG_APPEND_TIME : 0)),
		.before_max_ms = r->before_max_ms, .after_max_ms = r->after_max_ms,
		.batch = batch, .batch_n = n};
}

/* Sets the length of the frame that began at from. */
static int finish(struct buf *out, size_t from)
{
	size_t n = out->n - from - 4;
	if (n > INT32_MAX) {
		out->n = from;
		errno = EMSGSIZE;
		return -1;
	}
	put32(out->p + from, (uint32_t)n);
	return 0;
}

int recode_put_request(struct buf *out, const struct recode_request *q)
{
	size_t from = out->n;
	if (buf_need(out, 4 + RECODE_REQUEST + q->batch_n) < 0)
		return -1;
	uint8_t *p = out->p + from;
	p[4] = q->kind;
	p[5] = q->codec;
	p[6] = q->flags;
	p[7] = 0;
	put32(p + 8, q->most_bytes);
	put64(p + 12, (uint64_t)q->now_ms);
	put64(p + 20, (uint64_t)q->before_max_ms);
	put64(p + 28, (uint64_t)q->after_max_ms);
	put64(p + 36, (uint64_t)q->timestamp);
	put64(p + 44, (uint64_t)q->offset);
	out->n += 4 + RECODE_REQUEST;
	buf_add(out, q->batch, q->batch_n);
	return finish(out, from);
}

int64_t recode_get_request(struct recode_request *q, const void *from, size_t n)
{
	const uint8_t *p = from;
	if (n < 4)
		return 0;
	int64_t size = (int32_t)get32(p);
	if (size < RECODE_REQUEST)
		return bad();
	if ((int64_t)n < size + 4)
		return 0;
	*q = (struct recode_request){
		.kind = p[4], .codec = p[5], .flags = p[6], .most_bytes = get32(p + 8),
		.now_ms = (int64_t)get64(p + 12), .before_max_ms = (int64_t)get64(p + 20),
		.after_max_ms = (int64_t)get64(p + 28), .timestamp = (int64_t)get64(p + 36),
		.offset = (int64_t)get64(p + 44), .batch = p + 4 + RECODE_REQUEST,
		.batch_n = (size_t)size - RECODE_REQUEST};
	return size + 4;
}

static int put_text(struct buf *out, const char *z)
{
	size_t n = z ? strlen(z) : 0;
	if (buf_add16(out, (uint16_t)n) < 0 || buf_add(out, z ? z : "", n + 1) < 0)
		return -1;
	return 0;
}

int recode_put_answer(struct buf *out, const struct recode_answer *a)
{
	size_t from = out->n;
	const struct log_verdict *v = &a->verdict;
	int r = buf_add32(out, 0) < 0 || buf_add16(out, (uint16_t)v->error) < 0 ||
	        buf_add16(out, (uint16_t)v->bad_n) < 0 || buf_add64(out, (uint64_t)a->offset) < 0 ||
	        buf_add64(out, (uint64_t)a->timestamp) < 0 || put_text(out, v->message) < 0;
	for (int i = 0; i < v->bad_n && !r; i++)
		r = buf_add32(out, (uint32_t)v->bad[i].index) < 0 ||
		    put_text(out, v->bad[i].message) < 0;
	if (r || buf_add(out, a->batch, a->batch_n) < 0) {
		out->n = from;
		return -1;
	}
	return finish(out, from);
}

static int get_text(const uint8_t **p, const uint8_t *end, const char **text)
{
	if (end - *p < 3)
		return bad();
	size_t n = get16(*p);
	if ((size_t)(end - *p) < n + 3 || (*p)[n + 2] != 0)
		return bad();
	*text = n ? (const char *)*p + 2 : 0;
	*p += n + 3;
	return 0;
}

int64_t recode_get_answer(struct recode_answer *a, const void *from, size_t n)
{
	const uint8_t *p = from;
	if (n < 4)
		return 0;
	int64_t size = (int32_t)get32(p);
	if (size < RECODE_ANSWER + 3)
		return bad();
	if ((int64_t)n < size + 4)
		return 0;
	const uint8_t *end = p + 4 + size;
	*a = (struct recode_answer){.offset = (int64_t)get64(p + 8),
	                            .timestamp = (int64_t)get64(p + 16)};
	struct log_verdict *v = &a->verdict;
	v->error = (int16_t)get16(p + 4);
	v->bad_n = get16(p + 6);
	p += 4 + RECODE_ANSWER;
	if (v->bad_n > (int)(sizeof v->bad / sizeof *v->bad) || get_text(&p, end, &v->message) < 0)
		return bad();
	for (int i = 0; i < v->bad_n; i++) {
		if (end - p < 4)
			return bad();
		v->bad[i].index = (int32_t)get32(p);
		p += 4;
		if (get_text(&p, end, &v->bad[i].message) < 0)
			return -1;
	}
	a->batch = p;
	a->batch_n = (size_t)(end - p);
	return size + 4;
}
