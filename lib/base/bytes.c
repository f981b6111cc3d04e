#include "base/bytes.h"

#include <string.h>
#include <sys/random.h>

const struct uuid uuid_zero;
const struct uuid uuid_metadata = {{[15] = 1}};

struct span span_of(const char *z)
{
	return z ? (struct span){z, (int32_t)strlen(z)} : SPAN_NULL;
}

int span_is(struct span s, const char *z)
{
	return span_same(s, span_of(z));
}

int span_same(struct span a, struct span b)
{
	return a.n == b.n && (a.n <= 0 || !memcmp(a.p, b.p, (size_t)a.n));
}

char *span_z(struct span s, char *out, size_t size)
{
	size_t n = s.n > 0 ? (size_t)s.n : 0;
	if (n > size - 1)
		n = size - 1;
	if (n)
		memcpy(out, s.p, n);
	out[n] = 0;
	return out;
}

int uuid_same(const struct uuid *a, const struct uuid *b)
{
	return !memcmp(a, b, sizeof *a);
}

int uuid_is_zero(const struct uuid *a)
{
	return uuid_same(a, &uuid_zero);
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *uuid_text(const struct uuid *u, char out[UUID_TEXT])
{
	unsigned bits = 0, have = 0, o = 0;
	for (unsigned i = 0; i < 16; i++) {
		bits = bits << 8 | u->b[i];
		for (have += 8; have >= 6; have -= 6)
			out[o++] = digits[bits >> (have - 6) & 63];
	}
	out[o++] = digits[bits << (6 - have) & 63];
	out[o] = 0;
	return out;
}

int uuid_parse(struct uuid *u, struct span text)
{
	unsigned bits = 0, have = 0, o = 0;
	if (text.n != UUID_TEXT - 1)
		return -1;
	for (int i = 0; i < text.n; i++) {
		const char *d = text.p[i] ? strchr(digits, text.p[i]) : 0;
		if (!d)
			return -1;
		bits = bits << 6 | (unsigned)(d - digits);
		have += 6;
		if (have >= 8 && o < 16) {
			have -= 8;
			u->b[o++] = (uint8_t)(bits >> have);
		}
	}
	return 0;
}

int uuid_random(struct uuid *u)
{
	char text[UUID_TEXT];
	do {
		if (getrandom(u->b, sizeof u->b, 0) != sizeof u->b)
			return -1;
		u->b[6] = (u->b[6] & 0x0f) | 0x40;
		u->b[8] = (u->b[8] & 0x3f) | 0x80;
	} while (uuid_text(u, text)[0] == '-');
	return 0;
}
