/* Rows for people and pipes: TSV, an aligned table, or one JSON object a line, from the same calls.
 *
 * Everything goes to t->out; the command writes it and sets out.n to 0 whenever it likes (an
 * aligned table appears only at table_end). Errors are kept: a row that found no memory makes
 * table_end return -1 ENOMEM.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H
#include <stdbool.h>

#include "base/buf.h"
#include "base/bytes.h"

enum table_style { TABLE_TSV, TABLE_TSV_HEAD, TABLE_ALIGNED, TABLE_JSON };

struct table {
	struct buf out;
	enum table_style style;
	const char *const *columns; /* lower case, NULL at the end: JSON's names; the header has
				       them in upper case */
	int columns_n, at;          /* cells of the row so far */
	struct buf cells;           /* aligned: all cells, each NUL-terminated */
	bool failed;
};

/* json and header as the user asked, terminal: stdout is one. */
enum table_style table_style(bool json, bool header, bool terminal);
void table_begin(struct table *t, enum table_style style, const char *const *columns);
void table_text(
	struct table *t,
	struct span s); /* null and empty: "-" (JSON null and ""); tab, newline, \ escaped */
void table_z(struct table *t, const char *z);
void table_int(struct table *t, int64_t v);
void table_intnull(struct table *t, int64_t v); /* negative: there is none */
void table_real(struct table *t, double v, int digits);
void table_bool(struct table *t, bool v);                     /* true false */
void table_ids(struct table *t, const int32_t *v, int32_t n); /* 1,2,3; JSON [1,2,3] */
int table_end(struct table *t); /* frees cells; out stays the caller's to write and free */

int json_text(
	struct buf *b,
	struct span s); /* a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD */
#endif
