/* One entry of a .txnindex file; the layout is in txnindex.c. */
#ifndef LOG_TXNINDEX_H
#define LOG_TXNINDEX_H
#include <stdint.h>

enum { TXNINDEX_ENTRY = 34 };
struct txnindex_entry {
	int64_t producer_id, first, last, stable;
};
/* -1 EBADMSG: unknown version */
int txnindex_parse(struct txnindex_entry *t, const uint8_t *entry);
/* May that entry follow, when its marker is at *least or later? *least moves behind it. 0, -1
 * EBADMSG. */
int txnindex_check(const struct txnindex_entry *t, int64_t *least);
#endif
