/* Room on the disk that is set aside, so that a start works when there is none: a file that shrinks
 * step by step, and grows again when there is room. */
#ifndef BASE_RESERVE_H
#define BASE_RESERVE_H

/* The file path (its directory exists) holds a mebibyte of the disk. 0; -1 with errno when it
 * could not be made so large now: what it had it keeps. */
int reserve_fill(const char *path);
/* Gives a step of it back to the file system. 0; -1 ENOSPC: nothing is left. */
int reserve_use(const char *path);
#endif
