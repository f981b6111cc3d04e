/* Rows for people and pipes. */
#include "cli/table.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MOST = 32 };

enum table_style table_style(bool json, bool header, bool terminal)
{
	return json ? TABLE_JSON : terminal ? TABLE_ALIGNED : header ? TABLE_TSV_HEAD : TABLE_TSV;
}

static void keep(struct table *t, int result)
{
	if (result < 0)
		t->failed = true;
}

static void head(struct table *t)
{
	struct buf *b = t->style == TABLE_ALIGNED ? &t->cells : &t->out;
	for (int i = 0; i < t->columns_n; i++) {
		for (const char *z = t->columns[i]; *z; z++)
			keep(t, buf_add8(b, (uint8_t)toupper((unsigned char)*z)));
		keep(t, buf_add8(b, t->style == TABLE_ALIGNED ? 0 :
				    i + 1 < t->columns_n      ? '\t' :
								'\n'));
	}
}

void table_begin(struct table *t, enum table_style style, const char *const *columns)
{
	memset(t, 0, sizeof *t);
	t->style = style;
	t->columns = columns;
	while (columns[t->columns_n])
		t->columns_n++;
	if (style == TABLE_TSV_HEAD || style == TABLE_ALIGNED)
		head(t);
}

static struct buf *cell_begin(struct table *t)
{
	if (t->style == TABLE_ALIGNED)
		return &t->cells;
	if (t->style == TABLE_JSON)
		keep(t, buf_addf(&t->out, "%s\"%s\":", t->at ? "," : "{", t->columns[t->at]));
	return &t->out;
}

static void cell_end(struct table *t)
{
	bool last = ++t->at == t->columns_n;
	if (t->style == TABLE_ALIGNED)
		keep(t, buf_add8(&t->cells, 0));
	else if (t->style == TABLE_JSON)
		keep(t, last ? buf_addz(&t->out, "}\n") : 0);
	else
		keep(t, buf_add8(&t->out, last ? '\n' : '\t'));
	if (last)
		t->at = 0;
}

static int add_escaped(struct buf *b, struct span s)
{
	int r = 0;
	for (int32_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '\t' || c == '\n' || c == '\\' || c == '\r' || c == 0)
			r |= buf_addz(b, c == '\t' ? "\\t" :
					 c == '\n' ? "\\n" :
					 c == '\r' ? "\\r" :
					 c         ? "\\\\" :
						     "\\0");
		else
			r |= buf_add8(b, (uint8_t)c);
	}
	return r;
}

void table_text(struct table *t, struct span s)
{
	struct buf *b = cell_begin(t);
	if (t->style == TABLE_JSON)
		keep(t, s.n < 0 ? buf_addz(b, "null") : json_text(b, s));
	else
		keep(t, s.n <= 0 ? buf_addz(b, "-") : add_escaped(b, s));
	cell_end(t);
}

void table_z(struct table *t, const char *z)
{
	table_text(t, span_of(z));
}

void table_int(struct table *t, int64_t v)
{
	keep(t, buf_addf(cell_begin(t), "%lld", (long long)v));
	cell_end(t);
}

void table_intnull(struct table *t, int64_t v)
{
	if (v < 0)
		table_text(t, SPAN_NULL);
	else
		table_int(t, v);
}

void table_real(struct table *t, double v, int digits)
{
	keep(t, buf_addf(cell_begin(t), "%.*f", digits, v));
	cell_end(t);
}

void table_bool(struct table *t, bool v)
{
	keep(t, buf_addz(cell_begin(t), v ? "true" : "false"));
	cell_end(t);
}

void table_ids(struct table *t, const int32_t *v, int32_t n)
{
	struct buf *b = cell_begin(t);
	bool json = t->style == TABLE_JSON;
	if (json)
		keep(t, buf_add8(b, '['));
	else if (n <= 0)
		keep(t, buf_add8(b, '-'));
	for (int32_t i = 0; i < n; i++)
		keep(t, buf_addf(b, "%s%d", i ? "," : "", v[i]));
	if (json)
		keep(t, buf_add8(b, ']'));
	cell_end(t);
}

static size_t letters(const char *z)
{
	size_t n = 0;
	for (; *z; z++)
		n += (*z & 0xc0) != 0x80;
	return n;
}

static void align(struct table *t)
{
	size_t width[COLUMNS_MOST] = {0};
	const char *p = (const char *)t->cells.p, *end = p + t->cells.n;
	int at = 0;
	for (const char *z = p; z < end; z += strlen(z) + 1, at = (at + 1) % t->columns_n)
		if (letters(z) > width[at])
			width[at] = letters(z);
	at = 0;
	for (const char *z = p; z < end; z += strlen(z) + 1) {
		bool last = at + 1 == t->columns_n;
		keep(t, buf_addf(&t->out, "%s%*s", z, last ? 0 : (int)(width[at] - letters(z) + 2),
				 last ? "\n" : ""));
		at = last ? 0 : at + 1;
	}
}

int table_end(struct table *t)
{
	if (t->style == TABLE_ALIGNED && !t->failed)
		align(t);
	buf_free(&t->cells);
	if (t->failed)
		errno = ENOMEM;
	return t->failed ? -1 : 0;
}
