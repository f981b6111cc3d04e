/* Look-ups in the generated tables: APIs, messages, record types, errors. */
#include <string.h>

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
