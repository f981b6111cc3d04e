/* Walks the batches of a .log file front to back in large reads, with or without looking into
 * them. */
#ifndef LOG_SCAN_H
#define LOG_SCAN_H
#include <stddef.h>
#include <stdint.h>

#include "log/batch.h"

struct scan {
	int fd;                     /* borrowed */
	int64_t at;                 /* where the next batch begins */
	int64_t end;                /* look no further */
	int64_t position;           /* of the batch scan_next gave last */
	uint8_t *buf;               /* owned; holds have bytes of the file from buf_at on */
	size_t cap, have, chunk;
	size_t ahead;               /* bytes that reading a header asks for */
	int64_t buf_at;
};

/* chunk: bytes a read asks for; small for walks that only skip from header to header. -1 ENOMEM. */
int scan_begin(struct scan *s, int fd, int64_t at, int64_t end, size_t chunk);
/* The next header. 1; 0 exactly at the end; -1 EBADMSG: cut short, no batch, or longer than what is
 * there. */
int scan_next(struct scan *s, struct batch *b);
/* of the batch scan_next gave last: 1 right, 0 wrong, -1 */
int scan_crc(struct scan *s, const struct batch *b);
/* that whole batch, until the next call; NULL with errno */
const void *scan_batch(struct scan *s, const struct batch *b);
void scan_end(struct scan *s);
#endif
