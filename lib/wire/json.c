/* Any message as one line of JSON, named as in Kafka's own (JsonConverterGenerator.java). */
#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "wire/type.h"

/* Bytes of the UTF-8 character at p, 0 where there is none: a peer may send anything. */
static int utf8(const uint8_t *p, int32_t n)
{
	int k = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 0;
	if (k > n)
		return 0;
	for (int i = 1; i < k; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	bool overlong = (*p == 0xe0 && p[1] < 0xa0) || (*p == 0xf0 && p[1] < 0x90);
	bool beyond = (*p == 0xed && p[1] > 0x9f) || (*p == 0xf4 && p[1] > 0x8f);
	return overlong || beyond ? 0 : k;
}

static int put_string(struct buf *b, struct span s)
{
	const uint8_t *p = (const uint8_t *)s.p;
	if (buf_add8(b, '"') < 0)
		return -1;
	for (int32_t i = 0, k; i < s.n; i += k ? k : 1) {
		int r;
		k = utf8(p + i, s.n - i);
		if (k == 0)
			r = buf_addz(b, "\\ufffd");
		else if (p[i] == '"' || p[i] == '\\')
			r = buf_addf(b, "\\%c", p[i]);
		else if (p[i] < 0x20 || p[i] == 0x7f)
			r = buf_addf(b, "\\u%04x", p[i]);
		else
			r = buf_add(b, p + i, (size_t)k);
		if (r < 0)
			return -1;
	}
	return buf_add8(b, '"');
}

static int put_base64(struct buf *b, struct span s)
{
	static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	if (buf_add8(b, '"') < 0)
		return -1;
	for (int32_t i = 0; i < s.n; i += 3) {
		uint32_t v = 0;
		for (int k = 0; k < 3; k++)
			v = v << 8 | (i + k < s.n ? (uint8_t)s.p[i + k] : 0);
		char q[4] = {digit[v >> 18], digit[v >> 12 & 63], digit[v >> 6 & 63], digit[v & 63]};
		if (s.n - i < 3)
			q[3] = '=';
		if (s.n - i < 2)
			q[2] = '=';
		if (buf_add(b, q, sizeof q) < 0)
			return -1;
	}
	return buf_add8(b, '"');
}

static int put_double(struct buf *b, double v)
{
	if (!isfinite(v))
		return buf_addz(b, isnan(v) ? "\"NaN\"" : v > 0 ? "\"Infinity\"" : "\"-Infinity\"");
	return buf_addf(b, "%.17g", v);
}

static int put_struct(struct buf *b, const struct wire_type *t, int version, const char *in);

static int put_value(struct buf *b, const struct wire_field *f, int version, const void *p)
{
	char text[UUID_TEXT];
	const struct span *s = p;
	switch (f->kind) {
	case WIRE_BOOL:
		return buf_addz(b, *(const bool *)p ? "true" : "false");
	case WIRE_INT8:
		return buf_addf(b, "%d", *(const int8_t *)p);
	case WIRE_INT16:
		return buf_addf(b, "%d", *(const int16_t *)p);
	case WIRE_UINT16:
		return buf_addf(b, "%u", *(const uint16_t *)p);
	case WIRE_INT32:
		return buf_addf(b, "%" PRId32, *(const int32_t *)p);
	case WIRE_UINT32:
		return buf_addf(b, "%" PRIu32, *(const uint32_t *)p);
	case WIRE_INT64:
		return buf_addf(b, "%" PRId64, *(const int64_t *)p);
	case WIRE_FLOAT64:
		return put_double(b, *(const double *)p);
	case WIRE_UUID:
		return buf_addf(b, "\"%s\"", uuid_text(p, text));
	case WIRE_STRUCT:
		return put_struct(b, f->type, version, p);
	case WIRE_RECORDS:
		return s->n < 0 ? buf_addz(b, "null") : buf_addf(b, "%" PRId32, s->n);
	case WIRE_STRING:
		return s->n < 0 ? buf_addz(b, "null") : put_string(b, *s);
	default:
		return s->n < 0 ? buf_addz(b, "null") : put_base64(b, *s);
	}
}

static int put_array(struct buf *b, const struct wire_field *f, int version, const char *in)
{
	int32_t n = *(const int32_t *)(in + f->at_n);
	const char *m = *(char *const *)(in + f->at);
	if (n < 0)
		return buf_addz(b, "null");
	if (buf_add8(b, '[') < 0)
		return -1;
	for (int32_t i = 0; i < n; i++) {
		if (i && buf_add8(b, ',') < 0)
			return -1;
		if (put_value(b, f, version, m + (size_t)i * wire_member_size(f)) < 0)
			return -1;
	}
	return buf_add8(b, ']');
}

static int put_field(struct buf *b, const struct wire_field *f, int version, const char *in)
{
	const void *p = in + f->at;
	if (f->flags & WIRE_ARRAY)
		return put_array(b, f, version, in);
	if (f->flags & WIRE_POINTER) {
		p = *(void *const *)p;
		if (!p)
			return buf_addz(b, "null");
	}
	return put_value(b, f, version, p);
}

static int put_struct(struct buf *b, const struct wire_type *t, int version, const char *in)
{
	const char *sep = "{";
	for (const struct wire_field *f = t->fields; f < t->fields + t->fields_n; f++) {
		if (!wire_has(f, version) || (f->tag >= 0 && wire_is_default(f, in)))
			continue;
		bool sized = f->kind == WIRE_RECORDS && ((const struct span *)(in + f->at))->n >= 0;
		const char *unit = sized ? "SizeInBytes" : "";
		if (buf_addf(b, "%s\"%s%s\":", sep, f->name, unit) < 0 || put_field(b, f, version, in) < 0)
			return -1;
		sep = ",";
	}
	return buf_addz(b, *sep == '{' ? "{}" : "}");
}

int wire_json(const struct wire_type *t, int version, const void *in, struct buf *b)
{
	if (version < t->min || version > t->max) {
		errno = EINVAL;
		return -1;
	}
	return put_struct(b, t, version, in);
}
