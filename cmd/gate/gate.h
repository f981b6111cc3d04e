/* gate's parts: clients over TCP, owners behind UNIX sockets, and the calls that tie them.
 *
 * gate.c the loop, listen.c TCP sockets, client.c frames and order, route.c who answers,
 * owner.c ports, body.c large requests on their way in, file.c descriptors of segments, output.c
 * bytes on their way to a client.
 */
#ifndef GATE_H
#define GATE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/tagmap.h"
#include "port/connection.h"
#include "wire/wire.h"

/* First in everything that libowfat holds a cookie to. */
enum thing { LISTENER, CLIENT, OWNER, SIGNALS };

struct timer {
	struct heap_node node;
	void (*fn)(void *arg);
	void *arg;
};

enum {
	IN_FLIGHT = 16,            /* calls of one connection, all at one owner */
	OWNER_WAIT_MS = 2000,      /* how long a request waits for an owner that is away */
	STALL_MS = 60000,          /* a send without progress is cut */
	DRAIN_MS = 2000,
	READ = 64 << 10,
	TRIES = 3,                 /* of a request that may be sent again */
	ARENA_SHARE = 4 << 20,     /* bytes that calls of one connection may hold there */
	OWNER_FULL = 16 << 20,     /* unsent bytes at an owner above which requests wait */
};

struct gate {
	int64_t now;               /* of this turn, CLOCK_MONOTONIC ms */
	struct heap timers;
	size_t frame_max, clients_max, files_max;    /* files: of each owner */
	int64_t idle_ms;
	bool draining;
	bool serves[WIRE_LISTENERS];
	struct client *clients;
	size_t clients_n;
};
extern struct gate gate;

void timer_set(struct timer *t, int64_t at_ms);
void watch_read(int fd);
void watch_write(int fd);

/* --- say.c: one line an event on stderr, so many a second ------------------------------------- */

void say(const char *level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void die(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

/* --- file.c: descriptors that owners handed over ---------------------------------------------- */

struct file {
	uint8_t key[16];           /* slot, generation, base */
	int fd, refs;              /* refs: the holder's own, and one a range under way */
	struct file *older, *newer;
	struct holder *holder;     /* NULL: forgotten */
};
struct holder {                    /* what one owner's connection gave */
	struct map files;
	struct file *oldest, *newest;
	size_t n;
	struct owner *owner;
};

struct file *file_for(struct holder *h, const struct port_piece *p);   /* takes p->fd; or NULL */
void file_take(struct holder *h, const struct port_message *m);        /* of an answer not wanted */
void file_forget(struct holder *h, uint32_t slot, uint32_t generation, uint64_t base);
void file_forget_all(struct holder *h);
void file_release(struct file *f);

/* --- output.c --------------------------------------------------------------------------------- */

struct segment {
	struct segment *next;
	struct file *file;         /* NULL: the bytes */
	uint64_t offset;
	uint32_t n, sent;
	uint8_t bytes[];
};
struct output {
	struct segment *first, *last;
};

/* Takes an answer's pieces behind its length. -1: ESTALE a descriptor is not here, EIO a range is
 * not in its file, EMSGSIZE, ENOMEM. Takes the descriptors also when it fails. */
int output_answer(struct output *o, struct holder *h, const struct port_message *m);
void output_move(struct output *to, struct output *from);
void output_free(struct output *o);
enum written { WRITTEN, FULL, SHARE_USED, FAILED };
enum written output_write(struct output *o, int fd, bool *progress);

/* --- body.c ----------------------------------------------------------------------------------- */

int body_open(void);                          /* a new arena: its descriptor, borrowed; -1 */
void body_close(void);
/* Where n bytes may be read to or copied; it is held by nobody. NULL: the arena is full, or n is
 * more than a chunk. */
uint8_t *body_room(size_t n);
/* Chunks for one frame of n bytes, held until body_leave; NULL. */
uint8_t *body_large(size_t n);
bool body_is_large(size_t n);                 /* there is an arena, and such a body belongs there */
/* The bytes in the arena: where they are, or copied there; held until body_leave. NULL: full. */
const uint8_t *body_place(const uint8_t *p, size_t n);
void body_leave(const uint8_t *p);
/* A call whose body lies there: names the place instead, and holds it until body_taken. -1. */
int body_hold(struct port_message *m);
uint32_t body_taken(uint32_t tag);            /* the bytes that were held, 0 none */

/* --- client.c --------------------------------------------------------------------------------- */

struct call {
	struct call *next;                            /* of the client, in request order */
	struct call *owner_next, *owner_before;       /* of the owner, in the order of sending */
	struct client *client;
	struct owner *owner;
	uint32_t tag;
	bool waiting, answered, close;                /* waiting: for the owner to come back */
	uint8_t tries;
	struct output out;
	uint32_t frame_n;                             /* a copy, to send it again; 0 none */
	uint8_t frame[];
};

struct client {
	enum thing thing;
	int fd;
	uint8_t listener;
	bool reading, writing, dirty;
	bool stuck;                                   /* a whole frame waits in `in` */
	bool ended;                                   /* it sends no more; what it sent is done first */
	bool closing;                                 /* when its output is gone */
	bool doomed;                                  /* at the end of the turn */
	bool dead;
	uint8_t in_flight;
	char host[48];
	struct buf in;
	uint8_t *large;                               /* else: a frame under way in the arena */
	uint32_t large_n, large_size;
	uint32_t in_arena;                            /* bytes of its calls that are not taken */
	struct call *first, *last;
	struct owner *told;                           /* of other nodes: who had its last request, */
	uint32_t told_tag;                            /* and under which tag */
	struct output out;
	int64_t active_ms, progress_ms, muted_until, waiting_since;    /* 0: not so */
	struct timer timer;
	struct owner *blocked;                        /* the next request waits for it */
	struct client *blocked_next, **blocked_before;
	struct client *next, **before, *dirty_next;
};

struct client *client_new(int fd, uint8_t listener, const char *host);
void client_readable(struct client *c);
void client_dirty(struct client *c);          /* look at it at the end of the turn */
void client_answered(struct call *k, struct holder *h, const struct port_message *m);
void client_waits(struct client *c);          /* for an owner, from now on */
void client_close(struct client *c, const char *why);
void clients_leave_arena(void);               /* it is about to be closed */
void clients_turn(void);                      /* end of turn: write, and go on with what waited */
void clients_drain(void);                     /* take nothing new */
bool clients_pending(void);                   /* clients_turn has work */
bool clients_busy(void);                      /* some call is open or some answer unsent */

/* --- route.c ---------------------------------------------------------------------------------- */

struct route {
	struct owner *owner;
	bool resend;
	const char *refusal;       /* why the connection is closed, when owner is NULL */
};
struct route route_frame(int listener, const void *frame, size_t n);

/* --- owner.c ---------------------------------------------------------------------------------- */

void owners_start(void);
struct owner *owner_named(const char *name);
bool owner_ready(const struct owner *o);      /* up, and its queue has room */
bool owner_is_up(const struct owner *o);
bool owner_has_arena(const struct owner *o);
void owner_block(struct owner *o, struct client *c);
void owner_unblock(struct client *c);
int owner_call(struct call *k, const void *frame, size_t n);
int owner_resend(struct call *k);             /* after a failed answer: the copy is sent again */
void owner_flush_call(struct call *k);        /* its client went away; forgets k */
void owner_done(struct call *k);              /* answered: forgets k */
void owner_flush_answered(struct owner *o, uint32_t tag);    /* its client went away since */
/* That descriptor is not held here. */
void owner_forgot(struct owner *o, uint32_t slot, uint32_t generation, uint64_t base);
void owner_readable(struct owner *o);
void owner_writable(struct owner *o);
void owners_turn(void);                       /* end of turn: one batch to each */

/* --- listen.c --------------------------------------------------------------------------------- */

struct listener;
void listeners_open(const char *listeners, const char *controllers, const char *protocols);
void listener_readable(struct listener *l);
void listeners_close(void);
void listeners_resume(void);                  /* something closed */
#endif
