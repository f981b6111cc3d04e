#include "base/javahash.h"

#include <stdlib.h>

/* The next code point of UTF-8 text; what is not UTF-8 counts as U+FFFD, byte by byte. */
static uint32_t code_point(const uint8_t *p, int32_t n, int32_t *used)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	int more = p[0] < 0x80 ? 0 : (p[0] & 0xe0) == 0xc0 ? 1 : (p[0] & 0xf0) == 0xe0 ? 2
	         : (p[0] & 0xf8) == 0xf0 ? 3 : -1;
	uint32_t c = more <= 0 ? p[0] : p[0] & (0x3fu >> more);
	*used = 1;
	if (more < 0 || more >= n)
		return 0xfffd;
	for (int i = 1; i <= more; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0xfffd;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0xfffd;
	*used = 1 + more;
	return c;
}

int32_t javahash(struct span utf8)
{
	uint32_t h = 0;
	for (int32_t at = 0, used; at < utf8.n; at += used) {
		uint32_t c = code_point((const uint8_t *)utf8.p + at, utf8.n - at, &used);
		if (c >= 0x10000) {
			h = 31 * h + (0xd7c0 + (c >> 10));
			c = 0xdc00 + (c & 0x3ff);
		}
		h = 31 * h + c;
	}
	return (int32_t)h;
}

int32_t javahash_partition(struct span utf8, int32_t partitions)
{
	int32_t h = javahash(utf8);
	if (partitions <= 0)
		return -1;
	return h == INT32_MIN ? 0 : abs(h) % partitions;
}
