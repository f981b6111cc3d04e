/* Lines on stderr: one an event, twenty a second at most, the rest counted. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gate.h"

enum { LINES_A_SECOND = 20 };

static void line(const char *level, const char *fmt, va_list ap)
{
	char text[512];
	int n = snprintf(text, sizeof text, "gate: %s: ", level);
	int m = vsnprintf(text + n, sizeof text - (size_t)n - 1, fmt, ap);
	n += m < 0 ? 0 : m;
	if ((size_t)n > sizeof text - 2)
		n = sizeof text - 2;
	text[n++] = '\n';
	if (write(2, text, (size_t)n) < 0)
		return;    /* nobody reads stderr: nothing can be said about it */
}

static void line_of(const char *level, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	line(level, fmt, ap);
	va_end(ap);
}

void say(const char *level, const char *fmt, ...)
{
	static int64_t second;
	static unsigned lines, dropped;
	va_list ap;
	if (gate.now / 1000 != second) {
		if (dropped)
			line_of("warning", "%u lines left out", dropped);
		second = gate.now / 1000;
		lines = dropped = 0;
	}
	if (++lines > LINES_A_SECOND) {
		dropped++;
		return;
	}
	va_start(ap, fmt);
	line(level, fmt, ap);
	va_end(ap);
}

void die(int code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	line("fatal", fmt, ap);
	va_end(ap);
	exit(code);
}
