/* Replace a small file so that a crash leaves the old one or the new one, whole. */
#ifndef BASE_ATOMICFILE_H
#define BASE_ATOMICFILE_H
#include <stddef.h>

/* Writes NAME.tmp in directory dirfd, fsyncs it, renames it to NAME and fsyncs the directory. mode
 * is subject to umask.
 * 0, or -1 with errno: the old file is then still there, unless the last fsync failed. */
int atomicfile_write(int dirfd, const char *name, const void *p, size_t n);
/* The same without any sync, for what may be lost: when the machine dies soon after, the file is
 * the old one, the new one, or damaged. */
int atomicfile_write_soon(int dirfd, const char *name, const void *p, size_t n);
/* The whole file, at most max bytes, NUL-terminated beyond *n. Caller frees *p. -1 with errno;
 * EFBIG when larger. */
int atomicfile_read(int dirfd, const char *name, size_t max, char **p, size_t *n);
#endif
