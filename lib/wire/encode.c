/* Writes any message of any version by its table. Kafka's counterpart: MessageDataGenerator.java,
 * generateClassWriter. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/varint.h"
#include "wire/type.h"

struct out {
	struct buf *b;
	struct wire_gaps *gaps;
	int version;
	bool flexible;
};

static int bad(void)
{
	errno = EINVAL;
	return -1;
}

static int put_varint(struct buf *b, uint64_t v)
{
	if (buf_need(b, VARINT_MAX) < 0)
		return -1;
	b->n += (size_t)varint_putu64(b->p + b->n, v);
	return 0;
}

/* n == -1 is null. */
static int put_length(struct out *o, int kind, int32_t n)
{
	if (o->flexible)
		return put_varint(o->b, (uint32_t)n + 1);
	if (kind == WIRE_STRING)
		return buf_add16(o->b, (uint16_t)n);
	return buf_add32(o->b, (uint32_t)n);
}

static int put_gap(struct out *o, int32_t n)
{
	struct wire_gaps *g = o->gaps;
	if (!g)
		return bad();
	if (g->n == g->cap) {
		size_t cap = g->cap ? g->cap * 2 : 16;
		struct wire_gap *v = realloc(g->v, cap * sizeof *v);
		if (!v)
			return -1;
		g->v = v;
		g->cap = cap;
	}
	g->v[g->n++] = (struct wire_gap){o->b->n, n};
	return 0;
}

static int put_span(struct out *o, const struct wire_field *f, bool nullable, const struct span *s)
{
	if (s->n < 0 ? !nullable : f->kind == WIRE_STRING && s->n > wire_string_max)
		return bad();
	if (put_length(o, f->kind, s->n < 0 ? -1 : s->n) < 0)
		return -1;
	if (s->n <= 0)
		return 0;
	if (s->p)
		return buf_add(o->b, s->p, (size_t)s->n);
	return f->kind == WIRE_RECORDS ? put_gap(o, s->n) : bad();
}

static int put_fixed(struct out *o, int kind, const void *in)
{
	uint64_t v;
	switch (kind) {
	case WIRE_BOOL:
		return buf_add8(o->b, *(const bool *)in);
	case WIRE_INT8:
		return buf_add8(o->b, *(const uint8_t *)in);
	case WIRE_INT16:
	case WIRE_UINT16:
		return buf_add16(o->b, *(const uint16_t *)in);
	case WIRE_INT32:
	case WIRE_UINT32:
		return buf_add32(o->b, *(const uint32_t *)in);
	case WIRE_INT64:
		return buf_add64(o->b, *(const uint64_t *)in);
	case WIRE_FLOAT64:
		memcpy(&v, in, sizeof v);
		return buf_add64(o->b, v);
	default:
		return buf_add(o->b, in, wire_fixed_sizes[kind]);
	}
}

static int put_struct(struct out *o, const struct wire_type *t, const void *in);

static int put_member(struct out *o, const struct wire_field *f, bool nullable, const void *in)
{
	if (f->kind == WIRE_STRUCT)
		return put_struct(o, f->type, in);
	if (wire_fixed_sizes[f->kind])
		return put_fixed(o, f->kind, in);
	return put_span(o, f, nullable, in);
}

static int put_array(struct out *o, const struct wire_field *f, const char *in)
{
	int32_t n = *(const int32_t *)(in + f->at_n);
	const char *m = *(char *const *)(in + f->at);
	size_t size = wire_member_size(f);
	if (n < 0 && !wire_nullable(f, o->version))
		return bad();
	if (put_length(o, WIRE_BYTES, n < 0 ? -1 : n) < 0)
		return -1;
	for (int32_t i = 0; i < n; i++)
		if (put_member(o, f, false, m + (size_t)i * size) < 0)
			return -1;
	return 0;
}

static int put_pointer(struct out *o, const struct wire_field *f, const void *p)
{
	if (!wire_nullable(f, o->version))
		return p ? put_struct(o, f->type, p) : bad();
	if (f->tag >= 0 ? put_varint(o->b, p != 0) < 0 : buf_add8(o->b, p ? 1 : 0xff) < 0)
		return -1;
	return p ? put_struct(o, f->type, p) : 0;
}

static int put_field(struct out *o, const struct wire_field *f, const char *in)
{
	if (f->flags & WIRE_ARRAY)
		return put_array(o, f, in);
	if (f->flags & WIRE_POINTER)
		return put_pointer(o, f, *(void *const *)(in + f->at));
	return put_member(o, f, wire_nullable(f, o->version), in + f->at);
}

/* The value is written first and its size moved in before it: no second walk to learn sizes. */
static int put_tagged(struct out *o, const struct wire_field *f, const char *in)
{
	uint8_t size[VARINT_MAX];
	size_t gaps = o->gaps ? o->gaps->n : 0;
	if (put_varint(o->b, (uint32_t)f->tag) < 0)
		return -1;
	size_t at = o->b->n;
	if (put_field(o, f, in) < 0)
		return -1;
	if (o->gaps && o->gaps->n != gaps)
		return bad();
	size_t n = o->b->n - at, k = (size_t)varint_putu64(size, n);
	if (buf_need(o->b, k) < 0)
		return -1;
	memmove(o->b->p + at + k, o->b->p + at, n);
	memcpy(o->b->p + at, size, k);
	o->b->n += k;
	return 0;
}

/* Copies the unknown tagged fields below the tag; they must rise and not meet a known one. */
static int put_unknown(struct out *o, struct wire_tags *u, int64_t *prev, int64_t below)
{
	while (u->n > 0) {
		uint32_t tag, size;
		int k = varint_getu32(u->p, (size_t)u->size, &tag);
		if (k < 0)
			return bad();
		int m = varint_getu32(u->p + k, (size_t)(u->size - k), &size);
		if (m < 0 || size > (uint32_t)(u->size - k - m) || tag == below || tag <= *prev)
			return bad();
		if (tag > below)
			return 0;
		size += (uint32_t)(k + m);
		if (buf_add(o->b, u->p, size) < 0)
			return -1;
		*prev = tag;
		u->p += size;
		u->size -= (int32_t)size;
		u->n--;
	}
	return 0;
}

static int put_tags(struct out *o, const struct wire_type *t, const char *in)
{
	struct wire_tags unknown = *(const struct wire_tags *)(in + t->tags_at);
	const struct wire_field *f = t->fields + t->plain_n, *end = t->fields + t->fields_n;
	uint64_t set = 0;
	for (int i = 0; f + i < end; i++)
		if (wire_has(f + i, o->version) && !wire_is_default(f + i, in))
			set |= UINT64_C(1) << i;
	int64_t prev = -1;
	if (put_varint(o->b, (uint64_t)__builtin_popcountll(set) + (uint32_t)unknown.n) < 0)
		return -1;
	for (; f < end; f++, set >>= 1) {
		if (put_unknown(o, &unknown, &prev, f->tag) < 0)
			return -1;
		if (set & 1 && put_tagged(o, f, in) < 0)
			return -1;
		prev = f->tag;
	}
	return put_unknown(o, &unknown, &prev, INT64_MAX);
}

static int put_struct(struct out *o, const struct wire_type *t, const void *in)
{
	for (int i = 0; i < t->fields_n; i++) {
		const struct wire_field *f = &t->fields[i];
		if (!wire_has(f, o->version)) {
			if (!(f->flags & WIRE_IGNORABLE) && !wire_is_default(f, in))
				return bad();
		} else if (i < t->plain_n && put_field(o, f, in) < 0) {
			return -1;
		}
	}
	if (o->flexible)
		return put_tags(o, t, in);
	if (t->tags_at >= 0 && ((const struct wire_tags *)((const char *)in + t->tags_at))->n)
		return bad();
	return 0;
}

int wire_encode(const struct wire_type *t, int version, const void *in, struct buf *b,
                struct wire_gaps *gaps)
{
	if (version < t->min || version > t->max)
		return bad();
	struct out o = {b, gaps, version, version >= t->flexible};
	return put_struct(&o, t, in);
}
