/* Rows and complaints. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "dump.h"

enum { ENOUGH = 64 << 10 };

struct table row;
static const char *const *form;

void rows_flush(void)
{
	size_t at = 0;
	while (at < row.out.n) {
		ssize_t r = write(1, row.out.p + at, row.out.n - at);
		if (r < 0 && errno != EINTR)
			strerr_diefusys(111, "write");
		at += r > 0 ? (size_t)r : 0;
	}
	row.out.n = 0;
}

void rows_begin(const char *const *columns)
{
	if (form == columns)
		return;
	rows_flush();
	buf_free(&row.out);
	form = columns;
	/* never an aligned table: a log may not end */
	bool head = opt.header || isatty(1);
	table_begin(&row, opt.json ? TABLE_JSON : head ? TABLE_TSV_HEAD : TABLE_TSV, columns);
}

void row_end(void)
{
	if (row.failed) {
		errno = ENOMEM;
		strerr_diefusys(111, "build a row");
	}
	if (row.out.n >= ENOUGH)
		rows_flush();
}

void complain(const char *file, int64_t position, const char *what)
{
	char at[32] = "";
	rows_flush();
	if (position >= 0)
		snprintf(at, sizeof at, " at %lld", (long long)position);
	strerr_warnw(file, at, ": ", what);
	damaged = 1;
}

void die_file(const char *file, const char *what)
{
	int e = errno;
	rows_flush();
	errno = e;
	strerr_diefusys(111, what, " ", file);
}
