#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

int buf_need(struct buf *b, size_t more)
{
	size_t want = b->n + more;
	if (want <= b->cap)
		return 0;
	if (want < b->n) {
		errno = ENOMEM;
		return -1;
	}
	size_t cap = b->cap ? b->cap : 256;
	while (cap < want)
		cap += cap >> 1;
	uint8_t *p = realloc(b->p, cap);
	if (!p)
		return -1;
	b->p = p;
	b->cap = cap;
	return 0;
}

int buf_add(struct buf *b, const void *p, size_t n)
{
	if (buf_need(b, n) < 0)
		return -1;
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	return 0;
}

int buf_add8(struct buf *b, uint8_t v)
{
	return buf_add(b, &v, 1);
}

int buf_add16(struct buf *b, uint16_t v)
{
	uint8_t x[2];
	put16(x, v);
	return buf_add(b, x, sizeof x);
}

int buf_add32(struct buf *b, uint32_t v)
{
	uint8_t x[4];
	put32(x, v);
	return buf_add(b, x, sizeof x);
}

int buf_add64(struct buf *b, uint64_t v)
{
	uint8_t x[8];
	put64(x, v);
	return buf_add(b, x, sizeof x);
}

int buf_addz(struct buf *b, const char *z)
{
	return buf_add(b, z, strlen(z));
}

int buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list a, again;
	va_start(a, fmt);
	va_copy(again, a);
	int n = vsnprintf(0, 0, fmt, a);
	va_end(a);
	int r = n < 0 ? -1 : buf_need(b, (size_t)n + 1);
	if (r == 0) {
		vsnprintf((char *)b->p + b->n, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
	return r;
}

void buf_take(struct buf *b, size_t n)
{
	b->n -= n;
	if (b->n)
		memmove(b->p, b->p + n, b->n);
}

void buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){0};
}
