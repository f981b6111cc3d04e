/* Where a batch lies in a segment: binary search in .index, then headers forward. For the writer
 * and for readers alike. */
#ifndef LOG_LOOKUP_H
#define LOG_LOOKUP_H
#include <stdbool.h>
#include <stdint.h>

#include "log/batch.h"

/* Largest entry of an index file whose key is <= key, found by pread; a preallocated zero tail is
 * no entry. n_bytes: size of the file. 1 found, 0 none, -1 with errno. */
int lookup_index(int fd, int64_t n_bytes, int64_t relative_offset, int64_t *entry_offset,
	int64_t *position);
/* The last entry that has both an offset and a position up to those. *near is the number of an
 * entry to look at first, and becomes that of the one found: one read is enough for who goes on
 * from where he was. */
int lookup_index_within(int fd, int64_t n_bytes, int64_t relative_offset, int64_t at_most,
	int64_t *near, int64_t *position);
int lookup_time(int fd, int64_t n_bytes, int64_t timestamp, int64_t *entry_timestamp,
	int64_t *relative_offset);
int lookup_time_offset(int fd, int64_t n_bytes, int64_t relative_offset, int64_t *entry_timestamp,
	int64_t *entry_offset);
#endif
