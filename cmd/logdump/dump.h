/* What the files of logdump share. */
#ifndef LOGDUMP_DUMP_H
#define LOGDUMP_DUMP_H
#include <stdbool.h>
#include <stdint.h>

#include "cli/table.h"
#include "log/batch.h"

struct options {
	bool batches;           /* -b: headers of batches instead of records */
	bool json, header;
	int64_t from, to;       /* -o: offsets in [from, to) */
};
extern struct options opt;
extern int damaged;             /* the exit code: 1 once something was */

/* print.c: rows leave as they come; a header stands before the first row of a form */
void rows_begin(const char *const *columns);
extern struct table row;
void row_end(void);             /* after the last cell */
void rows_flush(void);
void complain(const char *file, int64_t position, const char *what);   /* and go on with the next */
void die_file(const char *file, const char *what);                     /* 111 */

/* records.c: .log files, snapshots of the metadata log */
void dump_log(const char *path, const char *partition, bool metadata);
/* tables.c: all other files; 0: not one of them */
int dump_other(const char *path, const char *partition, const char *name);
/* opener.c: the batch without compression, until the next call; NULL when it is damaged */
const uint8_t *open_batch(struct batch *b, const uint8_t *bytes);
/* decode.c: a record of the metadata log or a control record in words: its type's name, and JSON in
 * out (emptied first). NULL: unknown, or damaged */
const char *decode_metadata(struct span value, struct buf *out);
const char *decode_control(struct span key, struct span value, struct buf *out);
#endif
