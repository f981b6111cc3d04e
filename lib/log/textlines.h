/* Kafka's checkpoint text: "0", the number of lines that follow, the lines. Bounded by the bytes at
 * hand; the count is only compared, never believed. */
#ifndef LOG_TEXTLINES_H
#define LOG_TEXTLINES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct textlines {
	const char *p, *end;
	int64_t said, seen;
	bool cut;                   /* the last line had no end */
};

/* An empty text has no lines. -1 EBADMSG: another version, or no count. */
int textlines_begin(struct textlines *t, const char *p, size_t n);
int textlines_next(struct textlines *t, struct span *line);    /* 1, 0 at the end */
int textlines_end(struct textlines *t);  /* -1 EBADMSG: a wrong count, a line without end */
/* Words of a line, separated by blanks; each takes its word off the front. -1 EBADMSG. */
int textlines_word(struct span *line, struct span *word);
int textlines_int(struct span *line, int64_t *v);
#endif
