/* Ranges of files in the answers to a peer's questions: the descriptors that came, and their
 * bytes. Inside lib/port only. */
#ifndef PORT_RANGES_H
#define PORT_RANGES_H
#include "base/buf.h"
#include "port/connection.h"

enum { PORT_RANGES_MAX = 64 };
struct port_ranges {
	struct port_range_file {
		uint32_t slot, generation;
		uint64_t base;
		int fd;
	} files[PORT_RANGES_MAX];
	int n, next;                  /* next: to be let go when there is no room */
};

/* Keeps the descriptors that came with m, in its order; to make room, others are closed and c's
 * owner is told. */
void port_ranges_take(struct port_ranges *r, const struct port_message *m,
                      struct port_connection *c);
/* Appends the bytes of a piece. -1: EBADF no such descriptor (the owner has been asked for it
 * again), EIO it ends earlier, EMSGSIZE, ENOMEM, any error of pread. */
int port_ranges_read(struct port_ranges *r, const struct port_piece *p, struct buf *out,
                     struct port_connection *c);
void port_ranges_forget(struct port_ranges *r, const struct port_message *m);
void port_ranges_close(struct port_ranges *r);
#endif
