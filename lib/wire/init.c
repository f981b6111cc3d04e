/* Defaults of messages, and what is known of each kind of field. */
#include <string.h>

#include "wire/type.h"

const uint8_t wire_c_sizes[WIRE_KINDS] = {
	[WIRE_BOOL] = sizeof(bool), [WIRE_INT8] = 1, [WIRE_INT16] = 2, [WIRE_UINT16] = 2,
	[WIRE_INT32] = 4, [WIRE_UINT32] = 4, [WIRE_INT64] = 8, [WIRE_FLOAT64] = sizeof(double),
	[WIRE_UUID] = sizeof(struct uuid), [WIRE_STRING] = sizeof(struct span),
	[WIRE_BYTES] = sizeof(struct span), [WIRE_RECORDS] = sizeof(struct span),
};

const uint8_t wire_fixed_sizes[WIRE_KINDS] = {
	[WIRE_BOOL] = 1, [WIRE_INT8] = 1, [WIRE_INT16] = 2, [WIRE_UINT16] = 2, [WIRE_INT32] = 4,
	[WIRE_UINT32] = 4, [WIRE_INT64] = 8, [WIRE_FLOAT64] = 8, [WIRE_UUID] = 16,
};

const char *wire_type_name(const struct wire_type *t)
{
	return t->name;
}

size_t wire_type_size(const struct wire_type *t)
{
	return t->size;
}

int wire_type_min(const struct wire_type *t)
{
	return t->min;
}

int wire_type_max(const struct wire_type *t)
{
	return t->max;
}

static void init_scalar(const struct wire_field *f, void *p)
{
	switch (f->kind) {
	case WIRE_BOOL:
		*(bool *)p = f->def;
		break;
	case WIRE_INT8:
		*(int8_t *)p = (int8_t)f->def;
		break;
	case WIRE_INT16:
	case WIRE_UINT16:
		*(uint16_t *)p = (uint16_t)f->def;
		break;
	case WIRE_INT32:
	case WIRE_UINT32:
		*(uint32_t *)p = (uint32_t)f->def;
		break;
	case WIRE_INT64:
		*(int64_t *)p = f->def;
		break;
	case WIRE_FLOAT64:
		*(double *)p = (double)f->def;
		break;
	case WIRE_UUID:
		*(struct uuid *)p = uuid_zero;
		break;
	default:
		*(struct span *)p = f->flags & WIRE_DEFAULT_NULL ? SPAN_NULL : (struct span){"", 0};
	}
}

void wire_init_field(const struct wire_field *f, void *out)
{
	char *p = (char *)out + f->at;
	if (f->flags & WIRE_ARRAY) {
		*(void **)p = 0;
		*(int32_t *)((char *)out + f->at_n) = f->flags & WIRE_DEFAULT_NULL ? -1 : 0;
	} else if (f->flags & WIRE_POINTER) {
		*(void **)p = 0;
	} else if (f->kind == WIRE_STRUCT) {
		wire_init(f->type, p);
	} else {
		init_scalar(f, p);
	}
}

void wire_init(const struct wire_type *t, void *out)
{
	for (int i = 0; i < t->fields_n; i++)
		wire_init_field(&t->fields[i], out);
	if (t->tags_at >= 0)
		*(struct wire_tags *)((char *)out + t->tags_at) = (struct wire_tags){"", 0, 0};
}

static bool all_default(const struct wire_type *t, const char *in)
{
	for (int i = 0; i < t->fields_n; i++)
		if (!wire_is_default(&t->fields[i], in))
			return false;
	return t->tags_at < 0 || ((const struct wire_tags *)(in + t->tags_at))->n == 0;
}

bool wire_is_default(const struct wire_field *f, const void *in)
{
	const void *p = (const char *)in + f->at;
	int32_t none = f->flags & WIRE_DEFAULT_NULL ? -1 : 0;
	if (f->flags & WIRE_ARRAY) {
		int32_t n = *(const int32_t *)((const char *)in + f->at_n);
		return (n < 0 ? -1 : n) == none;
	}
	if (f->flags & WIRE_POINTER) {
		const void *q = *(void *const *)p;
		return q && !none ? all_default(f->type, q) : !q && none;
	}
	switch (f->kind) {
	case WIRE_BOOL:
		return *(const bool *)p == f->def;
	case WIRE_INT8:
		return *(const int8_t *)p == f->def;
	case WIRE_INT16:
		return *(const int16_t *)p == f->def;
	case WIRE_UINT16:
		return *(const uint16_t *)p == f->def;
	case WIRE_INT32:
		return *(const int32_t *)p == f->def;
	case WIRE_UINT32:
		return *(const uint32_t *)p == f->def;
	case WIRE_INT64:
		return *(const int64_t *)p == f->def;
	case WIRE_FLOAT64:
		return *(const double *)p == (double)f->def;
	case WIRE_UUID:
		return uuid_is_zero(p);
	case WIRE_STRUCT:
		return all_default(f->type, p);
	default:
		return (((const struct span *)p)->n < 0 ? -1 : ((const struct span *)p)->n) == none;
	}
}
