/* Record batches: header, records, building. The layout is in batch.h. */
#include "log/batch.h"

#include <errno.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/varint.h"

enum { CRC_FROM = 21 };  /* the CRC covers the attributes and all after them */

static int bad(void)
{
	errno = EBADMSG;
	return -1;
}

int batch_parse(struct batch *b, const void *from, size_t n)
{
	const uint8_t *p = from;
	if (n < BATCH_HEADER || p[16] != 2)
		return bad();
	b->base_offset = (int64_t)get64(p);
	b->length = (int32_t)get32(p + 8);
	b->epoch = (int32_t)get32(p + 12);
	b->magic = (int8_t)p[16];
	b->crc = get32(p + 17);
	b->attributes = (int16_t)get16(p + 21);
	b->last_offset_delta = (int32_t)get32(p + 23);
	b->base_timestamp = (int64_t)get64(p + 27);
	b->max_timestamp = (int64_t)get64(p + 35);
	b->producer_id = (int64_t)get64(p + 43);
	b->producer_epoch = (int16_t)get16(p + 51);
	b->base_sequence = (int32_t)get32(p + 53);
	b->count = (int32_t)get32(p + 57);
	return b->length < BATCH_HEADER - BATCH_OVERHEAD ? bad() : 0;
}

bool batch_crc_ok(const struct batch *b, const void *p)
{
	return crc32c(0, (const uint8_t *)p + CRC_FROM, (size_t)batch_bytes(b) - CRC_FROM) == b->crc;
}

void batch_place(void *p, int64_t base_offset, int32_t epoch)
{
	put64(p, (uint64_t)base_offset);
	put32((uint8_t *)p + 12, (uint32_t)epoch);
}

void batch_head(const struct batch *b, void *to)
{
	uint8_t *p = to;
	put64(p, (uint64_t)b->base_offset);
	put32(p + 8, (uint32_t)b->length);
	put32(p + 12, (uint32_t)b->epoch);
	p[16] = (uint8_t)b->magic;
	put32(p + 17, b->crc);
	put16(p + 21, (uint16_t)b->attributes);
	put32(p + 23, (uint32_t)b->last_offset_delta);
	put64(p + 27, (uint64_t)b->base_timestamp);
	put64(p + 35, (uint64_t)b->max_timestamp);
	put64(p + 43, (uint64_t)b->producer_id);
	put16(p + 51, (uint16_t)b->producer_epoch);
	put32(p + 53, (uint32_t)b->base_sequence);
	put32(p + 57, (uint32_t)b->count);
}

void batch_seal(struct batch *b, void *to, size_t records_bytes)
{
	uint8_t *p = to;
	b->magic = 2;
	b->length = (int32_t)(BATCH_HEADER - BATCH_OVERHEAD + records_bytes);
	batch_head(b, p);
	b->crc = crc32c(0, p + CRC_FROM, BATCH_HEADER - CRC_FROM + records_bytes);
	put32(p + 17, b->crc);
}

/* --- records ---------------------------------------------------------------------------------- */

/* A cursor that remembers whether a read failed, so that a record is read straight through and
 * checked once. */
struct cursor {
	const char *p;
	size_t n, at;
	bool failed;
};

static uint64_t long_number(struct cursor *c)
{
	uint64_t v = 0;
	int r = c->failed ? -1 : varint_getu64(c->p + c->at, c->n - c->at, &v);
	if (r < 0)
		c->failed = true;
	else
		c->at += (size_t)r;
	return v;
}

/* Nearly all of them are one byte or two. */
static inline uint64_t unsigned_number(struct cursor *c)
{
	const uint8_t *p = (const uint8_t *)c->p + c->at;
	size_t left = c->failed ? 0 : c->n - c->at;
	if (left && p[0] < 0x80) {
		c->at++;
		return p[0];
	}
	if (left > 1 && p[1] < 0x80) {
		c->at += 2;
		return (p[0] & 0x7fu) | (uint64_t)p[1] << 7;
	}
	return long_number(c);
}

static inline int64_t number(struct cursor *c)
{
	uint64_t v = unsigned_number(c);
	return (int64_t)(v >> 1 ^ -(v & 1));
}

static inline int32_t number32(struct cursor *c)
{
	size_t from = c->at;
	uint64_t v = unsigned_number(c);
	if (v > UINT32_MAX || c->at - from > 5)
		c->failed = true;
	return (int32_t)((uint32_t)v >> 1 ^ -((uint32_t)v & 1));
}

static inline struct span bytes(struct cursor *c)
{
	int32_t n = number32(c);
	if (c->failed || n < 0)
		return SPAN_NULL;
	if ((size_t)n > c->n - c->at) {
		c->failed = true;
		return SPAN_NULL;
	}
	struct span s = {c->p + c->at, n};
	c->at += (size_t)n;
	return s;
}

static void skip_headers(struct cursor *c, int32_t n)
{
	for (int32_t i = 0; i < n && !c->failed; i++) {
		if (bytes(c).n < 0)
			c->failed = true;
		bytes(c);
	}
}

int record_next(const struct batch *b, const void *p, size_t n, size_t *at, struct record *r)
{
	if (*at >= n)
		return 0;
	struct cursor c = {.p = (const char *)p, .n = n, .at = *at};
	int32_t size = number32(&c);
	if (c.failed || size < 1 || (size_t)size > n - c.at)
		return bad();
	c.n = c.at + (size_t)size;
	r->attributes = (int8_t)c.p[c.at++];
	int64_t time_delta = number(&c);
	int32_t offset_delta = number32(&c);
	r->key = bytes(&c);
	r->value = bytes(&c);
	r->headers_n = number32(&c);
	size_t from = c.at;
	if (r->headers_n < 0)
		return bad();
	skip_headers(&c, r->headers_n);
	if (c.failed || c.at != c.n)
		return bad();
	r->headers = (struct span){c.p + from, (int32_t)(c.n - from)};
	r->timestamp = b->attributes & BATCH_LOG_APPEND_TIME ? b->max_timestamp :
	               (int64_t)((uint64_t)b->base_timestamp + (uint64_t)time_delta);
	r->offset = (int64_t)((uint64_t)b->base_offset + (uint64_t)(int64_t)offset_delta);
	*at = c.n;
	return 1;
}

int record_header_next(const struct record *r, size_t *at, struct span *key, struct span *value)
{
	if (*at >= (size_t)r->headers.n)
		return 0;
	struct cursor c = {.p = r->headers.p, .n = (size_t)r->headers.n, .at = *at};
	*key = bytes(&c);
	*value = bytes(&c);
	if (c.failed || key->n < 0)
		return bad();
	*at = c.at;
	return 1;
}

/* --- building --------------------------------------------------------------------------------- */

int batch_begin(struct batch_builder *w, struct buf *out, int64_t base_offset, int32_t epoch,
                int16_t attributes, int64_t producer_id, int16_t producer_epoch,
                int32_t base_sequence)
{
	if (buf_need(out, BATCH_HEADER) < 0)
		return -1;
	*w = (struct batch_builder){.out = out, .start = out->n};
	w->head = (struct batch){.base_offset = base_offset, .epoch = epoch, .attributes = attributes,
	                         .last_offset_delta = -1, .base_timestamp = -1, .max_timestamp = -1,
	                         .producer_id = producer_id, .producer_epoch = producer_epoch,
	                         .base_sequence = base_sequence};
	out->n += BATCH_HEADER;
	return 0;
}

static void add_number(struct buf *b, int64_t v)
{
	b->n += (size_t)varint_put64(b->p + b->n, v);
}

static void add_bytes(struct buf *b, struct span s)
{
	add_number(b, s.n);
	if (s.n > 0) {
		memcpy(b->p + b->n, s.p, (size_t)s.n);
		b->n += (size_t)s.n;
	}
}

static size_t bytes_size(struct span s)
{
	return (size_t)varint_size64(s.n) + (s.n > 0 ? (size_t)s.n : 0);
}

int batch_add(struct batch_builder *w, int64_t timestamp, struct span key, struct span value,
              const struct span *header_pairs, int32_t headers)
{
	struct batch *h = &w->head;
	if (h->count == INT32_MAX) {
		errno = EOVERFLOW;
		return -1;
	}
	if (!h->count)
		h->base_timestamp = h->max_timestamp = timestamp;
	int64_t time_delta = timestamp - h->base_timestamp;
	int32_t offset_delta = h->count;
	size_t size = 1 + (size_t)varint_size64(time_delta) + (size_t)varint_size64(offset_delta)
		+ bytes_size(key) +
	              bytes_size(value) + (size_t)varint_size64(headers);
	for (int32_t i = 0; i < 2 * headers; i++)
		size += bytes_size(header_pairs[i]);
	if (size > INT32_MAX - 100 || w->out->n - w->start + size > INT32_MAX - 100) {
		errno = EOVERFLOW;
		return -1;
	}
	if (buf_need(w->out, size + VARINT_MAX) < 0)
		return -1;
	add_number(w->out, (int64_t)size);
	w->out->p[w->out->n++] = 0;
	add_number(w->out, time_delta);
	add_number(w->out, offset_delta);
	add_bytes(w->out, key);
	add_bytes(w->out, value);
	add_number(w->out, headers);
	for (int32_t i = 0; i < 2 * headers; i++)
		add_bytes(w->out, header_pairs[i]);
	if (timestamp > h->max_timestamp)
		h->max_timestamp = timestamp;
	h->last_offset_delta = h->count++;
	return 0;
}

void batch_end(struct batch_builder *w)
{
	if (!w->head.count)
		w->head.last_offset_delta = 0;
	batch_seal(&w->head, w->out->p + w->start, w->out->n - w->start - BATCH_HEADER);
}
