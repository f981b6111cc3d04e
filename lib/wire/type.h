/* What the tables of the generated api.c look like; inside lib/wire only. */
#ifndef WIRE_TYPE_H
#define WIRE_TYPE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/wire.h"

enum wire_kind {
	WIRE_BOOL, WIRE_INT8, WIRE_INT16, WIRE_UINT16, WIRE_INT32, WIRE_UINT32, WIRE_INT64,
	WIRE_FLOAT64, WIRE_UUID, WIRE_STRING, WIRE_BYTES, WIRE_RECORDS, WIRE_STRUCT, WIRE_KINDS
};

enum wire_flag {
	WIRE_ARRAY = 1,
	WIRE_POINTER = 2,             /* a struct that may be null, kept as a pointer */
	WIRE_DEFAULT_NULL = 4,
	WIRE_IGNORABLE = 8
};

enum { wire_string_max = 0x7fff };    /* the longest string that Kafka reads or writes */

struct wire_field {
	const char *name;             /* as in Kafka's JSON */
	const struct wire_type *type; /* of a struct */
	int64_t def;                  /* of a number or bool */
	int16_t min, max;             /* versions that have it */
	int16_t null_min, null_max;   /* versions in which it may be null */
	int32_t tag;                  /* -1: not tagged */
	uint16_t at, at_n;            /* its place in the C struct, and that of an array's count */
	uint8_t kind, flags;
};

struct wire_type {
	const char *name;
	const struct wire_field *fields; /* plain ones as the bytes lie, then tagged ones by tag */
	uint32_t size;
	int32_t tags_at;                 /* place of struct wire_tags; -1 without flexible versions */
	uint16_t fields_n, plain_n;
	int16_t min, max;
	int16_t flexible;                /* first flexible version; 32767 never */
};

extern const struct wire_type *const wire_messages[];  /* all but nested structs; NULL ends them */
extern const struct wire_type *const wire_records[];   /* by record type */
extern const int wire_records_n;

/* By kind: bytes of one value in memory (0 for a struct), and the fewest on the wire. */
extern const uint8_t wire_c_sizes[WIRE_KINDS];
extern const uint8_t wire_fixed_sizes[WIRE_KINDS];  /* 0: it has a length, or is a struct */

static inline bool wire_has(const struct wire_field *f, int version)
{
	return f->min <= version && version <= f->max;
}
static inline bool wire_nullable(const struct wire_field *f, int version)
{
	return f->null_min <= version && version <= f->null_max;
}
static inline size_t wire_member_size(const struct wire_field *f)
{
	return f->kind == WIRE_STRUCT ? f->type->size : wire_c_sizes[f->kind];
}
/* in, out: the struct that has the field */
void wire_init_field(const struct wire_field *f, void *out);
bool wire_is_default(const struct wire_field *f, const void *in);
#endif
