/* fsync that is not forgotten: after one error nobody knows what the disk holds, and a second try
 * would say that all is well. */
#ifndef BASE_SYNCFILE_H
#define BASE_SYNCFILE_H
#include <stdbool.h>

/* 0, or -1 EIO whatever the disk said: ENOSPC would mean that there may be room later. */
int syncfile(int fd);
int syncdata(int fd);          /* the same by fdatasync */
bool syncfile_failed(void);    /* one has, since this program began */
#endif
