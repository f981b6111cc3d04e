/* The loop of a daemon that answers a port and calls others: epoll, drain every ready socket, work,
 * then send one batch a peer.
 *
 * Nothing is sent inside a handler. Times are CLOCK_MONOTONIC milliseconds.
 */
#ifndef PORT_LOOP_H
#define PORT_LOOP_H
#include <stdbool.h>

#include "base/heap.h"
#include "port/connection.h"

struct port_loop;
int64_t port_now_ms(void);

/* --- answering -------------------------------------------------------------------------------- */

/* Who asked: safe to use after the connection is gone (answers are then dropped). */
struct port_from {
	uint32_t place, generation;
	uint32_t tag;
};
struct port_call {
	struct port_from from;
	uint8_t listener;     /* enum wire_listener */
	struct span principal, host;
	int64_t deadline_ms;
	/* the Kafka request frame; borrowed until drained, or without that until call returns */
	struct span body;
	struct span caller;   /* name from Thello */
};
struct port_service {
	void (*call)(void *ctx, const struct port_call *c);
	/* All that a caller sent until now was handed over; may be NULL. */
	void (*drained)(void *ctx);
	/* Tflush, or the caller went away (then for each open call): no answer is wanted. */
	void (*flush)(void *ctx, struct port_from from);
	/* Tflush of a call that is not open any more: who asked is gone; may be NULL. */
	void (*late)(void *ctx, struct port_from from);
	/* May be NULL; takes fd (-1 none). */
	void (*hello)(void *ctx, struct port_from from, struct span name, int fd);
	/* A connection closed; may be NULL. */
	void (*gone)(void *ctx, struct port_from from, struct span name);
	/* Tdrop, Tswap, Tcopy, Tbounds (NULL: close); Tforget: the caller holds that descriptor no
	 * longer. The body of Tcopy is body, also where it lies in the arena: its caller may write
	 * there until the call is over, and then it is free. */
	void (*other)(void *ctx, struct port_from from, const struct port_message *m);
	int page_fd;          /* sent in Rhello; -1 none */
	uint64_t generation;  /* sent in Rhello */
};

struct port_loop *port_loop_new(void);
void port_loop_free(struct port_loop *l);
/* Binds path and serves it. *service is borrowed for the life of the loop. */
int port_serve(struct port_loop *l, const char *path, const struct port_service *service,
               void *ctx);
/* Bytes are copied and descriptors duplicated. -1: the call could not be answered so and is
 * answered with PORT_CLOSE instead. */
int port_answer(struct port_loop *l, struct port_from to, enum port_kind kind, uint32_t mute_ms,
                struct port_piece *pieces, uint16_t n);
int port_answer_bytes(struct port_loop *l, struct port_from to, const void *p, size_t n);
/* Twake, Tforget, ... */
int port_tell(struct port_loop *l, struct port_from to, const struct port_message *m);

/* --- calling ---------------------------------------------------------------------------------- */

struct port_peer;             /* another program's port: connected when it can be, from 1 ms on */
struct port_reply {
	enum port_kind kind;
	/* The peer died, the deadline passed, or a file of the answer could not be read: what was
	 * asked for may have happened or not. */
	bool failed;
	struct span bytes;    /* the pieces joined, ranges of files read; borrowed */
};
struct port_peer_ops {        /* each may be NULL */
	/* Connected and greeted; takes page_fd (-1 none). */
	void (*up)(void *ctx, int page_fd, uint64_t generation);
	void (*down)(void *ctx);
	void (*message)(void *ctx, const struct port_message *m);   /* Twake, Tforget, Rcopy */
};
/* name: ours, for Thello; hello_fd: handed over in each Thello (borrowed), -1 none. */
struct port_peer *port_dial(struct port_loop *l, const char *path, const char *name, int hello_fd,
                            const struct port_peer_ops *ops, void *ctx);
/* Sends a Kafka request frame (copied). Waits for the peer to come up until deadline_ms, 0 for
 * ever. reply is called once, never from here. 0, -1 ENOMEM, EMSGSIZE. */
int port_ask(struct port_peer *p, uint8_t listener, struct span principal, struct span host,
             const void *frame, size_t n, int64_t deadline_ms,
             void (*reply)(void *arg, const struct port_reply *r), void *arg);
bool port_is_up(const struct port_peer *p);
/* The same as port_dial, but the descriptor is an arena. */
struct port_peer *port_dial_arena(struct port_loop *l, const char *path, const char *name,
                                  int arena_fd, const struct port_peer_ops *ops, void *ctx);
/* Sends what is no call: Tcopy, Tbounds. -1: ENOTCONN it is not up, ENOMEM, EMSGSIZE. */
int port_say(struct port_peer *p, const struct port_message *m);

/* --- the rest of a daemon's life -------------------------------------------------------------- */

/* A foreign descriptor (signals, a co-process): fn(arg) when readable. port_unwatch before it is
 * closed. */
int port_watch(struct port_loop *l, int fd, void (*fn)(void *arg), void *arg);
/* Whether fn(arg) is called when a watched descriptor is writable too. */
int port_watch_writable(struct port_loop *l, int fd, bool want);
void port_unwatch(struct port_loop *l, int fd);

struct port_timer {
	struct heap_node node;
	void (*fn)(void *arg);
	void *arg;
};
/* At an absolute time; replaces. */
int port_timer_set(struct port_loop *l, struct port_timer *t, int64_t at_ms);
void port_timer_stop(struct port_loop *l, struct port_timer *t);

/* Called once a turn after all handlers and before sending: the place to work on what the turn has
 * gathered. */
void port_at_end_of_turn(struct port_loop *l, void (*fn)(void *ctx), void *ctx);
/* One turn: wait (for the next timer at most), read everything ready, handle, end of turn, send.
 * -1 with errno when epoll fails. */
int port_turn(struct port_loop *l);
#endif
