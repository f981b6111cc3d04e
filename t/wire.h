/* For tests of the codec: reads t/vectors/messages.tsv.gz, messages as Apache Kafka writes them
 * (t/vectors/make.sh), and says what must hold of any bytes at all. */
#ifndef T_WIRE_H
#define T_WIRE_H
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "wire/wire.h"

struct vector {
	const char *name;
	const struct wire_type *type;
	int version;
	const char *json;   /* "" where there is none */
	uint8_t *p;         /* exactly n bytes, so that a sanitizer sees what is read beyond them */
	size_t n;
};
struct vectors {
	FILE *f;
	char *line;
	size_t cap;
	uint8_t *bytes;
};

static inline int vectors_open(struct vectors *v)
{
	*v = (struct vectors){0};
	v->f = popen("gzip -dc t/vectors/messages.tsv.gz", "r");
	return v->f ? 0 : -1;
}

static inline int hex(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* 1, 0 at the end, -1 for a line that is wrong. All that out holds is good until the next call. */
static inline int vectors_next(struct vectors *v, struct vector *out)
{
	ssize_t n = getline(&v->line, &v->cap, v->f);
	if (n <= 0)
		return 0;
	v->line[strcspn(v->line, "\n")] = 0;
	char *version = strchr(v->line, '\t'), *text = version ? strchr(version + 1, '\t') : 0;
	if (!text)
		return -1;
	*version++ = *text++ = 0;
	char *json = text + strcspn(text, "\t");
	if (*json)
		*json++ = 0;
	free(v->bytes);
	*out = (struct vector){v->line, wire_message(v->line), atoi(version), json, 0, strlen(text) / 2};
	out->p = v->bytes = malloc(out->n ? out->n : 1);
	if (!out->p || !out->type)
		return -1;
	for (size_t i = 0; i < out->n; i++)
		out->p[i] = (uint8_t)(hex(text[2 * i]) << 4 | hex(text[2 * i + 1]));
	return 1;
}

static inline void vectors_close(struct vectors *v)
{
	pclose(v->f);
	free(v->line);
	free(v->bytes);
}

/* Bytes from anywhere: they are refused, or read into memory in proportion to them; what was read
 * can be written, unless unknown tagged fields are out of order, and that reads as the same again.
 * m is room for the message; what was read stays in it and in a. Returns the bytes read, or -1. */
static inline int64_t must_hold(const struct wire_type *t, int version, const void *p, size_t n,
                                struct arena *a, void *m)
{
	static struct buf b, again;
	arena_reset(a);
	int64_t used = wire_decode(t, version, p, n, a, m);
	assert(used <= (int64_t)n);
	assert(used >= 0 || errno == EBADMSG);
	assert(a->used <= 128 * n + 1024);
	if (used < 0)
		return -1;
	b.n = again.n = 0;
	if (wire_encode(t, version, m, &b, 0) < 0) {
		assert(errno == EINVAL);
		return used;
	}
	assert(b.n <= (size_t)used + 8 * n);
	assert(wire_decode(t, version, b.p, b.n, a, m) == (int64_t)b.n);
	assert(wire_encode(t, version, m, &again, 0) == 0);
	assert(again.n == b.n && (b.n == 0 || !memcmp(again.p, b.p, b.n)));
	return used;
}
#endif
