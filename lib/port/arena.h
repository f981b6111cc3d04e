/* The arena: memory in which a caller's large request bodies lie, so that an owner reads them where
 * they came in from TCP. A sealed memfd of chunks, written by the caller, mapped read-only by the
 * owner. A body lies in one chunk with others, or in as many in a row as it needs.
 *
 * The lowest free chunks are taken first: those used last, which are in the cache.
 */
#ifndef PORT_ARENA_H
#define PORT_ARENA_H
#include <stddef.h>
#include <stdint.h>

enum {
	PORT_CHUNK = 256 << 10,
	PORT_CHUNKS = 64,
	PORT_ARENA = PORT_CHUNK * PORT_CHUNKS,
	PORT_BODY_MIN = 4 << 10,    /* a smaller body goes inline, */
	PORT_BODY_MAX = 1 << 20,    /* a larger one as well */
};

struct port_arena {                   /* the caller's */
	uint8_t *at;
	int fd;
	uint64_t free;                /* a bit a chunk */
	uint32_t holds[PORT_CHUNKS];  /* of the run that begins there */
	uint8_t run[PORT_CHUNKS];     /* its chunks */
};

int port_arena_make(struct port_arena *a);        /* -1 errno */
void port_arena_close(struct port_arena *a);
/* The first of as many chunks as n bytes need, held once; -1 there are none in a row. */
int port_arena_take(struct port_arena *a, size_t n);
void port_arena_hold(struct port_arena *a, int chunk);
void port_arena_drop(struct port_arena *a, int chunk);   /* the last hold frees the run */

/* The owner's mapping; takes fd. NULL EBADMSG when it could be cut under the reader. */
const uint8_t *port_arena_map(int fd);
void port_arena_unmap(const uint8_t *at);         /* NULL allowed */
#endif
