/* Delimiters and formats as kcat writes them. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H
#include "base/buf.h"

int cli_unescape(struct buf *b,
		 const char *z); /* appends z with \n \r \t \\ \0 \xHH \NNN made bytes; -1 ENOMEM */
/* One escape that begins at z (a backslash): its byte to *c; returns the characters it takes. */
int cli_escape(const char *z, uint8_t *c);
#endif
