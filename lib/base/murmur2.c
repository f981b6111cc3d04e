#include "base/murmur2.h"

uint32_t murmur2(const void *key, size_t n)
{
	const uint32_t m = 0x5bd1e995;
	const uint8_t *p = key;
	uint32_t h = 0x9747b28c ^ (uint32_t)n;
	for (; n >= 4; n -= 4, p += 4) {
		uint32_t k = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
		k *= m;
		k ^= k >> 24;
		h = h * m ^ k * m;
	}
	if (n > 2)
		h ^= (uint32_t)p[2] << 16;
	if (n > 1)
		h ^= (uint32_t)p[1] << 8;
	if (n > 0)
		h = (h ^ p[0]) * m;
	h ^= h >> 13;
	h *= m;
	return h ^ h >> 15;
}

int32_t murmur2_partition(const void *key, size_t n, int32_t partitions)
{
	return (int32_t)(murmur2(key, n) & 0x7fffffff) % partitions;
}
