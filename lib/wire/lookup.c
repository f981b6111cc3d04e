/* Look-ups in the generated tables: APIs, messages, record types, errors. */
#include <string.h>

#include "base/varint.h"
#include "wire/error.h"
#include "wire/type.h"

const struct wire_api *wire_api(int key)
{
	size_t lo = 0, hi = wire_apis_n;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (wire_apis[mid].key < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < wire_apis_n && wire_apis[lo].key == key ? &wire_apis[lo] : 0;
}

bool wire_api_serves(const struct wire_api *a, int version)
{
	return a->min <= version && version <= a->max;
}

const struct wire_type *wire_message(const char *name)
{
	const struct wire_type *const *t = wire_messages;
	while (*t && strcmp((*t)->name, name))
		t++;
	return *t;
}

const struct wire_type *wire_record(int type)
{
	return type >= 0 && type < wire_records_n ? wire_records[type] : 0;
}

int wire_record_max(int type)
{
	const struct wire_type *t = wire_record(type);
	return t ? t->max : -1;
}

/* Codes run from -1 without a hole up to the last. */
static const struct wire_error *error(int code)
{
	return &wire_errors[code >= -1 && code < wire_errors_n - 1 ? code + 1 : 0];
}

const char *wire_error_name(int code)
{
	return error(code)->name;
}

const char *wire_error_text(int code)
{
	return error(code)->text;
}

bool wire_error_retriable(int code)
{
	return error(code)->retriable;
}

struct span wire_tag_value(const struct wire_tags *t, uint32_t tag)
{
	size_t at = 0, end = t->n > 0 ? (size_t)t->size : 0;
	for (int32_t i = 0; i < t->n; i++) {
		uint32_t number, size;
		int n = varint_getu32(t->p + at, end - at, &number);
		int m = n < 0 ? -1 : varint_getu32(t->p + at + n, end - at - (size_t)n, &size);
		if (m < 0)
			break;
		at += (size_t)(n + m);
		if (size > end - at)
			break;
		if (number == tag)
			return (struct span){t->p + at, (int32_t)size};
		at += size;
	}
	return SPAN_NULL;
}
