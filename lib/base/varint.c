#include "base/varint.h"

int varint_getu64(const void *from, size_t n, uint64_t *v)
{
	const uint8_t *p = from;
	uint64_t x = 0;
	for (unsigned i = 0; i < n && i < VARINT_MAX; i++) {
		if (i == 9 && p[i] > 1)
			return -1;
		x |= (uint64_t)(p[i] & 0x7f) << (7 * i);
		if (!(p[i] & 0x80)) {
			*v = x;
			return (int)i + 1;
		}
	}
	return -1;
}

int varint_getu32(const void *p, size_t n, uint32_t *v)
{
	uint64_t x;
	int r = varint_getu64(p, n > 5 ? 5 : n, &x);
	if (r < 0 || x > UINT32_MAX)
		return -1;
	*v = (uint32_t)x;
	return r;
}

int varint_get64(const void *p, size_t n, int64_t *v)
{
	uint64_t x;
	int r = varint_getu64(p, n, &x);
	if (r > 0)
		*v = (int64_t)(x >> 1 ^ -(x & 1));
	return r;
}

int varint_get32(const void *p, size_t n, int32_t *v)
{
	uint32_t x;
	int r = varint_getu32(p, n, &x);
	if (r > 0)
		*v = (int32_t)(x >> 1 ^ -(x & 1));
	return r;
}

int varint_putu64(void *to, uint64_t v)
{
	uint8_t *p = to;
	int i = 0;
	for (; v >= 0x80; v >>= 7)
		p[i++] = (uint8_t)(v | 0x80);
	p[i++] = (uint8_t)v;
	return i;
}

int varint_put64(void *p, int64_t v)
{
	return varint_putu64(p, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}

int varint_sizeu64(uint64_t v)
{
	int i = 1;
	for (; v >= 0x80; v >>= 7)
		i++;
	return i;
}

int varint_size64(int64_t v)
{
	return varint_sizeu64((uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}
