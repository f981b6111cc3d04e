/* One end of a port: non-blocking reads into messages, queued writes that leave in one sendmsg a
 * turn, descriptors in order. */
#ifndef PORT_CONNECTION_H
#define PORT_CONNECTION_H
#include <stdbool.h>

#include "port/message.h"

struct port_connection;

/* Takes fd (made non-blocking, CLOEXEC); NULL ENOMEM. */
struct port_connection *port_connection_new(int fd);
void port_connection_free(struct port_connection *c);   /* closes fd and what nobody took */
int port_connection_leave(struct port_connection *c);   /* the same, but gives fd back open */
int port_connection_fd(const struct port_connection *c);
/* A connected non-blocking socket; -1 ENOENT, ECONNREFUSED: retry. */
int port_connect(const char *path);
/* A listening socket; a stale file is replaced; -1 EADDRINUSE when its owner is alive. */
int port_bind(const char *path);

/* Reads what is there. 1 read something, 0 nothing now, -1 end or error. Memory grows with bytes
 * that came, never with lengths claimed. */
int port_receive(struct port_connection *c);
/* The next whole message that was received: 1; 0 none; -1 EBADMSG, the connection must be closed.
 * Valid until the next call. */
int port_next(struct port_connection *c, struct port_message *m);

/* Queues m; descriptors are duplicated, bytes of pieces and bodies copied. -1 ENOMEM, EMFILE,
 * EMSGSIZE. */
int port_send(struct port_connection *c, const struct port_message *m);
/* Sends what is queued, in as few sendmsg as it takes. 0 all gone, 1 the
 * socket is full, -1 error. */
int port_flush(struct port_connection *c);
bool port_pending(const struct port_connection *c);     /* something is queued */
size_t port_queued_bytes(const struct port_connection *c);
#endif
