/* Big-endian integers, borrowed byte ranges, and UUIDs as Kafka writes them. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H
#include <stddef.h>
#include <stdint.h>

/* A borrowed range of bytes: never owned, never NUL-terminated. n == -1 is Kafka's null. */
struct span {
	const char *p;
	int32_t n;
};
struct uuid {
	uint8_t b[16];
};

static inline uint16_t get16(const void *p)
{
	const uint8_t *b = p;
	return (uint16_t)(b[0] << 8 | b[1]);
}
static inline uint32_t get32(const void *p)
{
	const uint8_t *b = p;
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}
static inline uint64_t get64(const void *p)
{
	return (uint64_t)get32(p) << 32 | get32((const uint8_t *)p + 4);
}
static inline void put16(void *p, uint16_t v)
{
	uint8_t *b = p;
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}
static inline void put32(void *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16((uint8_t *)p + 2, (uint16_t)v);
}
static inline void put64(void *p, uint64_t v)
{
	put32(p, (uint32_t)(v >> 32));
	put32((uint8_t *)p + 4, (uint32_t)v);
}

#define SPAN_NULL ((struct span){0, -1})
struct span span_of(const char *z);                          /* borrows z; z == NULL gives null */
int span_is(struct span s, const char *z);  /* 1 when s holds exactly the bytes of z */
int span_same(struct span a, struct span b);                 /* null equals only null */
/* NUL-terminated copy, cut at size - 1; returns out */
char *span_z(struct span s, char *out, size_t size);

#define UUID_TEXT 23  /* 22 characters of base64url and a NUL */
extern const struct uuid uuid_zero;                          /* "no id" on the wire */
extern const struct uuid uuid_metadata;  /* topic id of __cluster_metadata: ...0001 */
int uuid_same(const struct uuid *a, const struct uuid *b);
int uuid_is_zero(const struct uuid *a);
/* Kafka's Uuid.toString; returns out */
char *uuid_text(const struct uuid *u, char out[UUID_TEXT]);
/* 0, or -1 when not 22 base64url characters of 16 bytes */
int uuid_parse(struct uuid *u, struct span text);
/* Kafka's Uuid.randomUuid: version 4, not reserved, no leading '-'; -1 with errno */
int uuid_random(struct uuid *u);
#endif
