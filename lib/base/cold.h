/* Reads that do not wait for a disk. A program with one loop refuses to wait while it looks for
 * something, lets somebody else read what was missing, and looks again.
 *
 * One state for the program: it is single-threaded.
 */
#ifndef BASE_COLD_H
#define BASE_COLD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cold_miss {
	int fd;                /* borrowed */
	int64_t at, n;
};

/* yes: until the next call cold_pread does not wait. */
void cold_refuse(bool yes);
/* What was missing first since cold_refuse(true); m may be NULL. */
bool cold_missed(struct cold_miss *m);
/* pread(2); EAGAIN: something is missing, and nothing more is read until cold_refuse. Short only at
 * the end of the file. */
ssize_t cold_pread(int fd, void *p, size_t n, int64_t at);
/* Whether all n bytes are in memory, as far as it can be told cheaply. */
bool cold_is_here(int fd, int64_t at, int64_t n);
#endif
