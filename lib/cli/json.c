/* JSON strings from bytes that may be anything. */
#include <string.h>

#include "cli/table.h"

/* Length of the UTF-8 sequence at p, 0 when it is none (RFC 3629: no overlong forms, no
 * surrogates). */
static int utf8_length(const uint8_t *p, size_t n)
{
	static const struct {
		uint8_t low, high, from, to, more;
	} forms[] = {
		{0xc2, 0xdf, 0x80, 0xbf, 1}, {0xe0, 0xe0, 0xa0, 0xbf, 2},
		{0xe1, 0xec, 0x80, 0xbf, 2}, {0xed, 0xed, 0x80, 0x9f, 2},
		{0xee, 0xef, 0x80, 0xbf, 2}, {0xf0, 0xf0, 0x90, 0xbf, 3},
		{0xf1, 0xf3, 0x80, 0xbf, 3}, {0xf4, 0xf4, 0x80, 0x8f, 3},
	};
	if (p[0] < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		if (p[0] < forms[i].low || p[0] > forms[i].high)
			continue;
		if (n <= forms[i].more || p[1] < forms[i].from || p[1] > forms[i].to)
			return 0;
		for (int k = 2; k <= forms[i].more; k++)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].more + 1;
	}
	return 0;
}

static int json_special(struct buf *b, uint8_t c)
{
	static const char from[] = "\"\\\n\t\r\b\f", to[] = "\"\\ntrbf";
	const char *p = c ? strchr(from, c) : NULL;
	return p ? buf_addf(b, "\\%c", to[p - from]) : buf_addf(b, "\\u%04x", c);
}

int json_text(struct buf *b, struct span s)
{
	const uint8_t *p = (const uint8_t *)s.p;
	size_t n = s.n > 0 ? (size_t)s.n : 0, plain = 0, i = 0;
	int r = buf_add8(b, '"');
	while (i < n) {
		int len = utf8_length(p + i, n - i);
		if (len > 0 && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\') {
			i += (size_t)len;
			continue;
		}
		r |= buf_add(b, p + plain, i - plain);
		r |= len ? json_special(b, p[i]) : buf_addz(b, "\\ufffd");
		plain = ++i;
	}
	r |= buf_add(b, p + plain, n - plain);
	return r | buf_add8(b, '"');
}
