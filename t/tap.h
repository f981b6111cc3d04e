/* Test Anything Protocol for C tests.
 *
 *     ok(n == 3, "three of %s", name);
 *     is_int(got, want, "length");
 *     is_str(got, want, "name");
 *     is_mem(got, got_len, want, want_len, "bytes");
 *     return done_testing();
 *
 * Random tests: tap_seed() prints the seed, which SEED=n gives back; tap_random(n) is in 0..n-1.
 */
#ifndef T_TAP_H
#define T_TAP_H
#include <stdbool.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TAP_FN __attribute__((unused)) static

static int tap_count, tap_failures;
static uint64_t tap_state;

__attribute__((unused, format(printf, 1, 2))) static void diag(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fflush(stdout);
	fputs("# ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

__attribute__((format(printf, 4, 0)))
TAP_FN bool tap_result(bool good, const char *file, int line, const char *fmt, va_list ap)
{
	printf("%sok %d - ", good ? "" : "not ", ++tap_count);
	vprintf(fmt, ap);
	putchar('\n');
	fflush(stdout);
	if (!good) {
		tap_failures++;
		diag("failed at %s:%d", file, line);
	}
	return good;
}

__attribute__((unused, format(printf, 4, 5)))
static bool tap_ok(bool good, const char *file, int line, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	tap_result(good, file, line, fmt, ap);
	va_end(ap);
	return good;
}

__attribute__((unused, format(printf, 5, 6)))
static bool tap_is_int(long long got, long long want, const char *file, int line,
                       const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	if (!tap_result(got == want, file, line, fmt, ap)) diag("got %lld, want %lld", got, want);
	va_end(ap);
	return got == want;
}

__attribute__((unused, format(printf, 5, 6)))
static bool tap_is_str(const char *got, const char *want, const char *file, int line,
                       const char *fmt, ...)
{
	bool same = got && want ? !strcmp(got, want) : got == want;
	va_list ap;
	va_start(ap, fmt);
	if (!tap_result(same, file, line, fmt, ap))
		diag("got '%s', want '%s'", got ? got : "(null)", want ? want : "(null)");
	va_end(ap);
	return same;
}

TAP_FN void tap_hex(const char *what, const void *p, size_t n, size_t around)
{
	const unsigned char *b = p;
	size_t from = around > 8 ? around - 8 : 0;
	fprintf(stderr, "# %s, %zu bytes, from %zu:", what, n, from);
	for (size_t i = from; i < n && i < from + 32; i++)
		fprintf(stderr, "%s%02x", i == around ? " >" : " ", b[i]);
	fputc('\n', stderr);
}

__attribute__((unused, format(printf, 7, 8)))
static bool tap_is_mem(const void *got, size_t got_n, const void *want, size_t want_n,
                       const char *file, int line, const char *fmt, ...)
{
	bool same = got_n == want_n && (got_n == 0 || !memcmp(got, want, got_n));
	va_list ap;
	va_start(ap, fmt);
	if (!tap_result(same, file, line, fmt, ap)) {
		size_t i = 0;
		while (i < got_n && i < want_n && ((const char *)got)[i] == ((const char *)want)[i])
			i++;
		tap_hex("got ", got, got_n, i);
		tap_hex("want", want, want_n, i);
	}
	va_end(ap);
	return same;
}

TAP_FN int done_testing(void)
{
	printf("1..%d\n", tap_count);
	return tap_failures != 0 || tap_count == 0;
}

TAP_FN uint64_t tap_seed(void)
{
	const char *given = getenv("SEED");
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t seed = given ? strtoull(given, NULL, 10)
	                      : (uint64_t)now.tv_nsec ^ (uint64_t)now.tv_sec << 20;
	printf("# SEED=%llu\n", (unsigned long long)seed);
	tap_state = seed * 2 + 1;
	return seed;
}

TAP_FN uint64_t tap_random(uint64_t below)
{
	tap_state ^= tap_state << 13;
	tap_state ^= tap_state >> 7;
	tap_state ^= tap_state << 17;
	return below ? (tap_state * 0x2545F4914F6CDD1DULL >> 11) % below : 0;
}

#define ok(c, ...) tap_ok((c), __FILE__, __LINE__, __VA_ARGS__)
#define is_int(g, w, ...) \
	tap_is_int((long long)(g), (long long)(w), __FILE__, __LINE__, __VA_ARGS__)
#define is_str(g, w, ...) tap_is_str((g), (w), __FILE__, __LINE__, __VA_ARGS__)
#define is_mem(g, gn, w, wn, ...) tap_is_mem((g), (gn), (w), (wn), __FILE__, __LINE__, __VA_ARGS__)
#endif
