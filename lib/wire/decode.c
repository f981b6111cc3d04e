/* Reads any message of any version by its table. Kafka's counterpart: MessageDataGenerator.java,
 * generateClassReader. Every length is held against the bytes that remain before it is believed. */
#include <errno.h>
#include <string.h>

#include "base/varint.h"
#include "wire/type.h"

struct in {
	const uint8_t *p, *end;
	struct arena *a;
	int version;
	bool flexible;
};

static int bad(void)
{
	errno = EBADMSG;
	return -1;
}

static size_t left(const struct in *in)
{
	return (size_t)(in->end - in->p);
}

static int get_varint(struct in *in, uint32_t *v)
{
	if (in->p < in->end && *in->p < 0x80) {
		*v = *in->p++;
		return 0;
	}
	int n = varint_getu32(in->p, left(in), v);
	if (n < 0)
		return bad();
	in->p += n;
	return 0;
}

/* A length or count, width bytes wide where it is no varint; negative is null, as in Kafka. */
static int get_length(struct in *in, size_t width, int32_t *n)
{
	uint32_t v;
	if (in->flexible) {
		if (get_varint(in, &v) < 0)
			return -1;
		*n = (int32_t)(v - 1);
		return 0;
	}
	if (left(in) < width)
		return bad();
	*n = width == 2 ? (int16_t)get16(in->p) : (int32_t)get32(in->p);
	in->p += width;
	return 0;
}

static int get_span(struct in *in, const struct wire_field *f, bool nullable, struct span *s)
{
	int32_t n;
	if (get_length(in, f->kind == WIRE_STRING ? 2 : 4, &n) < 0)
		return -1;
	if (n < 0) {
		*s = SPAN_NULL;
		return nullable ? 0 : bad();
	}
	if ((size_t)n > left(in) || (f->kind == WIRE_STRING && n > wire_string_max))
		return bad();
	*s = (struct span){(const char *)in->p, n};
	in->p += n;
	return 0;
}

static int get_fixed(struct in *in, int kind, void *out)
{
	size_t n = wire_fixed_sizes[kind];
	uint64_t v;
	if (left(in) < n)
		return bad();
	switch (kind) {
	case WIRE_BOOL:
		*(bool *)out = *in->p != 0;
		break;
	case WIRE_INT8:
		*(int8_t *)out = (int8_t)*in->p;
		break;
	case WIRE_INT16:
	case WIRE_UINT16:
		*(uint16_t *)out = get16(in->p);
		break;
	case WIRE_INT32:
	case WIRE_UINT32:
		*(uint32_t *)out = get32(in->p);
		break;
	case WIRE_INT64:
		*(int64_t *)out = (int64_t)get64(in->p);
		break;
	case WIRE_FLOAT64:
		v = get64(in->p);
		memcpy(out, &v, sizeof v);
		break;
	default:
		memcpy(out, in->p, n);
	}
	in->p += n;
	return 0;
}

static int get_struct(struct in *in, const struct wire_type *t, void *out);

static int get_member(struct in *in, const struct wire_field *f, bool nullable, void *out)
{
	if (f->kind == WIRE_STRUCT)
		return get_struct(in, f->type, out);
	if (wire_fixed_sizes[f->kind])
		return get_fixed(in, f->kind, out);
	return get_span(in, f, nullable, out);
}

/* The fewest bytes that one member of f takes, so that a count can be believed or not. */
static size_t member_min(const struct in *in, const struct wire_field *f)
{
	if (f->kind != WIRE_STRUCT) {
		size_t n = wire_fixed_sizes[f->kind];
		return n ? n : in->flexible ? 1 : f->kind == WIRE_STRING ? 2 : 4;
	}
	const struct wire_type *t = f->type;
	size_t sum = in->flexible;
	for (const struct wire_field *g = t->fields; g < t->fields + t->plain_n; g++) {
		if (!wire_has(g, in->version))
			continue;
		if (g->flags & WIRE_ARRAY)
			sum += in->flexible ? 1 : 4;
		else if (g->flags & WIRE_POINTER)
			sum++;
		else
			sum += member_min(in, g);
	}
	return sum ? sum : 1;
}

static int get_array(struct in *in, const struct wire_field *f, char *out)
{
	int32_t n, *count = (int32_t *)(out + f->at_n);
	void **v = (void **)(out + f->at);
	*v = 0;
	if (get_length(in, 4, &n) < 0)
		return -1;
	if (n < 0) {
		*count = -1;
		return wire_nullable(f, in->version) ? 0 : bad();
	}
	*count = n;
	if (n == 0)
		return 0;
	if ((size_t)n > left(in) / member_min(in, f))
		return bad();
	size_t size = wire_member_size(f);
	char *m = *v = arena_get(in->a, (size_t)n * size);
	if (!m)
		return -1;
	for (int32_t i = 0; i < n; i++)
		if (get_member(in, f, false, m + (size_t)i * size) < 0)
			return -1;
	return 0;
}

/* A struct that may be null: a byte says so, or in a tagged field a varint. */
static int get_pointer(struct in *in, const struct wire_field *f, void **out)
{
	uint32_t v = 1;
	*out = 0;
	if (wire_nullable(f, in->version)) {
		int8_t b = 0;
		if (f->tag >= 0 ? get_varint(in, &v) < 0 : get_fixed(in, WIRE_INT8, &b) < 0)
			return -1;
		if (b < 0 || v == 0)
			return 0;
	}
	*out = arena_get(in->a, f->type->size);
	return *out ? get_struct(in, f->type, *out) : -1;
}

static int get_field(struct in *in, const struct wire_field *f, char *out)
{
	if (f->flags & WIRE_ARRAY)
		return get_array(in, f, out);
	if (f->flags & WIRE_POINTER)
		return get_pointer(in, f, (void **)(out + f->at));
	return get_member(in, f, wire_nullable(f, in->version), out + f->at);
}

/* wire_init cannot make the empty struct that is the default of one nullable field of Kafka's. */
static int default_field(struct in *in, const struct wire_field *f, char *out)
{
	wire_init_field(f, out);
	if (!(f->flags & WIRE_POINTER) || f->flags & WIRE_DEFAULT_NULL)
		return 0;
	void *p = arena_get(in->a, f->type->size);
	if (!p)
		return -1;
	wire_init(f->type, p);
	*(void **)(out + f->at) = p;
	return 0;
}

static const struct wire_field *tagged(const struct wire_type *t, uint32_t tag)
{
	for (int i = t->plain_n; i < t->fields_n; i++)
		if ((uint32_t)t->fields[i].tag == tag)
			return &t->fields[i];
	return 0;
}

/* Steps over one tagged field: leaves in at its value, and gives tag and size. */
static int get_tag(struct in *in, uint32_t *tag, uint32_t *size)
{
	if (get_varint(in, tag) < 0 || get_varint(in, size) < 0)
		return -1;
	return *size > left(in) ? bad() : 0;
}

/* Unknown tagged fields are borrowed where they lie together, else gathered in the arena. */
static int keep_unknown(struct in in, const struct wire_type *t, uint32_t n, struct wire_tags *out)
{
	const uint8_t *first = 0, *last = 0;
	size_t sum = 0;
	struct in again = in;
	uint32_t tag, size;
	*out = (struct wire_tags){"", 0, 0};
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *p = in.p;
		if (get_tag(&in, &tag, &size) < 0)
			return -1;
		in.p += size;
		if (tagged(t, tag))
			continue;
		first = first ? first : p;
		last = in.p;
		sum += (size_t)(in.p - p);
		out->n++;
	}
	if (sum > INT32_MAX)
		return bad();
	out->size = (int32_t)sum;
	if (sum == 0)
		return 0;
	out->p = (const char *)first;
	if ((size_t)(last - first) == sum)
		return 0;
	char *q = arena_get(in.a, sum);
	if (!q)
		return -1;
	out->p = q;
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *p = again.p;
		if (get_tag(&again, &tag, &size) < 0)
			return -1;
		again.p += size;
		if (!tagged(t, tag)) {
			memcpy(q, p, (size_t)(again.p - p));
			q += again.p - p;
		}
	}
	return 0;
}

static int get_tags(struct in *in, const struct wire_type *t, char *out)
{
	uint32_t n, tag, size;
	struct wire_tags *unknown = (struct wire_tags *)(out + t->tags_at);
	*unknown = (struct wire_tags){"", 0, 0};
	if (get_varint(in, &n) < 0)
		return -1;
	if (n == 0)
		return 0;
	if (n > left(in) / 2)
		return bad();
	if (keep_unknown(*in, t, n, unknown) < 0)
		return -1;
	for (uint32_t i = 0; i < n; i++) {
		if (get_tag(in, &tag, &size) < 0)
			return -1;
		const struct wire_field *f = tagged(t, tag);
		struct in value = *in;
		in->p += size;
		if (!f)
			continue;
		value.end = in->p;
		if (!wire_has(f, in->version))
			return bad();
		if (get_field(&value, f, out) < 0)
			return -1;
		if (value.p != value.end)
			return bad();
	}
	return 0;
}

static int get_struct(struct in *in, const struct wire_type *t, void *out)
{
	const struct wire_field *f = t->fields, *end = f + t->fields_n, *plain = f + t->plain_n;
	for (; f < end; f++) {
		bool here = f < plain && wire_has(f, in->version);
		if ((here ? get_field(in, f, out) : default_field(in, f, out)) < 0)
			return -1;
	}
	if (in->flexible)
		return get_tags(in, t, out);
	if (t->tags_at >= 0)
		*(struct wire_tags *)((char *)out + t->tags_at) = (struct wire_tags){"", 0, 0};
	return 0;
}

int64_t wire_decode(const struct wire_type *t, int version, const void *p, size_t n,
                    struct arena *a, void *out)
{
	if (version < t->min || version > t->max) {
		errno = EINVAL;
		return -1;
	}
	struct in in = {p, (const uint8_t *)p + n, a, version, version >= t->flexible};
	if (get_struct(&in, t, out) < 0)
		return -1;
	return in.p - (const uint8_t *)p;
}
