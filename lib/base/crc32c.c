/* Three interleaved streams hide the latency of the crc32 instruction; a carry-less multiply by
 * x^(8n) mod P joins them. Machines without SSE4.2 and PCLMUL take eight table look-ups per eight
 * bytes. */
#include "base/crc32c.h"

#include <string.h>

#define POLY 0x82f63b78u  /* reflected */

static uint32_t table[8][256];

static void table_make(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;
		for (int k = 0; k < 8; k++)
			c = c >> 1 ^ (c & 1 ? POLY : 0);
		table[0][i] = c;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int k = 1; k < 8; k++)
			table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 255];
}

static uint32_t by_table(uint32_t crc, const uint8_t *p, size_t n)
{
	if (!table[0][1])
		table_make();
	for (; n >= 8; n -= 8, p += 8) {
		uint32_t a = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16
			| (uint32_t)p[3] << 24);
		crc = table[7][a & 255] ^ table[6][a >> 8 & 255] ^ table[5][a >> 16 & 255] ^ table[4][a >> 24] ^
		      table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
	}
	while (n--)
		crc = crc >> 8 ^ table[0][(crc ^ *p++) & 255];
	return crc;
}

#ifdef __x86_64__
#include <immintrin.h>

/* x^n mod P in the reflected representation. */
static uint32_t power(size_t n)
{
	uint32_t r = 1u << 31, sq = 1u << 30;
	for (; n; n >>= 1) {
		uint32_t a = 0, b = sq, x = r;
		if (n & 1) {
			for (int i = 31; i >= 0; i--, b = b >> 1 ^ (b & 1 ? POLY : 0))
				if (x >> i & 1)
					a ^= b;
			r = a;
		}
		a = 0;
		b = sq;
		x = sq;
		for (int i = 31; i >= 0; i--, b = b >> 1 ^ (b & 1 ? POLY : 0))
			if (x >> i & 1)
				a ^= b;
		sq = a;
	}
	return r;
}

__attribute__((target("sse4.2,pclmul"))) static uint64_t shifted(uint32_t crc, uint32_t k)
{
	return (uint64_t)_mm_cvtsi128_si64(_mm_clmulepi64_si128(_mm_cvtsi32_si128((int)crc),
		_mm_cvtsi32_si128((int)k), 0));
}

enum { long_bytes = 4096, short_bytes = 256 };
/* the exponent is short by 33: the product is reduced by one crc32 of 8 bytes */
static uint32_t long1, long2, short1, short2;

static void powers_make(void)
{
	long1 = power(8 * long_bytes - 33);
	long2 = power(16 * long_bytes - 33);
	short1 = power(8 * short_bytes - 33);
	short2 = power(16 * short_bytes - 33);
}

static uint64_t load(const uint8_t *p)
{
	uint64_t w;
	memcpy(&w, p, 8);
	return w;
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t three(uint32_t crc, const uint8_t *p,
	size_t each, uint32_t k1, uint32_t k2)
{
	uint64_t a = crc, b = 0, c = 0;
	for (size_t i = 0; i < each; i += 8) {
		a = _mm_crc32_u64(a, load(p + i));
		b = _mm_crc32_u64(b, load(p + each + i));
		c = _mm_crc32_u64(c, load(p + 2 * each + i));
	}
	return (uint32_t)c ^ (uint32_t)_mm_crc32_u64(0, shifted((uint32_t)a, k2) ^ shifted((uint32_t)b,
		k1));
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t by_instruction(uint32_t crc,
	const uint8_t *p, size_t n)
{
	for (; n >= 3 * long_bytes; n -= 3 * long_bytes, p += 3 * long_bytes)
		crc = three(crc, p, long_bytes, long1, long2);
	for (; n >= 3 * short_bytes; n -= 3 * short_bytes, p += 3 * short_bytes)
		crc = three(crc, p, short_bytes, short1, short2);
	uint64_t c = crc;
	for (; n >= 8; n -= 8, p += 8)
		c = _mm_crc32_u64(c, load(p));
	for (; n; n--)
		c = _mm_crc32_u8((uint32_t)c, *p++);
	return (uint32_t)c;
}
#endif

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
#ifdef __x86_64__
	static int have;
	if (!have) {
		have = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul") ? 1 : -1;
		powers_make();
	}
	if (have > 0)
		return ~by_instruction(~crc, p, n);
#endif
	return ~by_table(~crc, p, n);
}
