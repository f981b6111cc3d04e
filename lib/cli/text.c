/* Delimiters and formats as kcat writes them. */
#include "cli/text.h"

#include <stdlib.h>
#include <string.h>

static int number(const char *z, const char *digits, int most, int base, uint8_t *c)
{
	char copy[4] = "";
	int n = (int)strspn(z, digits);
	n = n > most ? most : n;
	memcpy(copy, z, (size_t)n);
	*c = (uint8_t)strtol(copy, NULL, base);
	return n;
}

int cli_escape(const char *z, uint8_t *c)
{
	static const char from[] = "nrt\\", to[] = "\n\r\t\\";
	const char *p = z[1] ? strchr(from, z[1]) : NULL;
	int n;
	if (p) {
		*c = (uint8_t)to[p - from];
		return 2;
	}
	if (z[1] == 'x' && (n = number(z + 2, "0123456789abcdefABCDEF", 2, 16, c)))
		return 2 + n;
	if ((n = number(z + 1, "01234567", 3, 8, c)))
		return 1 + n;
	*c = '\\';
	return 1;
}

int cli_unescape(struct buf *b, const char *z)
{
	while (*z) {
		uint8_t c = (uint8_t)*z;
		z += c == '\\' ? cli_escape(z, &c) : 1;
		if (buf_add8(b, c) < 0)
			return -1;
	}
	return 0;
}
