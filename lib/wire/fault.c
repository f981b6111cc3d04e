/* The error codes that an answer carries: Kafka calls them errorCode wherever they are. */
#include <string.h>

#include "wire/type.h"

static bool in_struct(const struct wire_field *f, const char *in, int16_t code)
{
	const char *p = in + f->at;
	if (f->flags & (WIRE_ARRAY | WIRE_POINTER))
		p = *(const char *const *)p;
	int32_t n = f->flags & WIRE_ARRAY ? *(const int32_t *)(in + f->at_n) : 1;
	for (int32_t i = 0; p && i < n; i++)
		if (wire_has_error(f->type, p + (size_t)i * f->type->size, code))
			return true;
	return false;
}

bool wire_has_error(const struct wire_type *t, const void *in, int16_t code)
{
	for (int i = 0; i < t->fields_n; i++) {
		const struct wire_field *f = &t->fields[i];
		if (f->kind == WIRE_STRUCT && in_struct(f, in, code))
			return true;
		if (f->kind == WIRE_INT16 && !(f->flags & WIRE_ARRAY) && !strcmp(f->name, "errorCode")
		    && *(const int16_t *)((const char *)in + f->at) == code)
			return true;
	}
	return false;
}
