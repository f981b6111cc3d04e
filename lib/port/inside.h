/* What the loop's own files share: handles that epoll knows, lines with a connection on them. */
#ifndef PORT_INSIDE_H
#define PORT_INSIDE_H
#include <sys/epoll.h>

#include "base/tagmap.h"
#include "port/loop.h"

struct handle {
	void (*ready)(struct port_loop *l, struct handle *h, uint32_t events);
	void (*free)(struct handle *h);
	struct handle *next, **before;    /* all of the loop's */
	bool dead;                        /* freed at the end of the turn */
};

/* A handle with a connection: an accepted caller or a peer. */
struct line {
	struct handle h;
	struct port_connection *c;    /* NULL: not connected */
	uint32_t events;              /* what epoll watches */
	bool patient;                 /* does not read while too much is unsent */
	bool dirty;                   /* in the list of those to send to at the end of the turn */
	struct line *next_dirty;
	void (*broken)(struct port_loop *l, struct line *line);
};

struct place {                        /* where a caller is, for as long as its generation holds */
	struct link *link;
	uint32_t generation, next_free;
};

struct hook {
	void (*fn)(void *ctx);
	void *ctx;
};

struct port_loop {
	int epoll;
	struct handle *handles;
	struct line *dirty;
	struct heap timers;
	struct place *places;
	uint32_t places_n, places_cap, places_free;   /* places_free: 1 + index, 0 none */
	struct hook *hooks;
	size_t hooks_n;
	struct buf scratch;           /* joined pieces of an answer */
	bool again;                   /* something happened while sending: do not sleep in the next turn */
	bool dead;                    /* some handle is */
};

void handle_add(struct port_loop *l, struct handle *h);
void handle_bury(struct port_loop *l, struct handle *h);
int handle_watch(struct port_loop *l, struct handle *h, int fd, uint32_t events);

int line_open(struct port_loop *l, struct line *line, int fd);   /* takes fd also when it fails */
void line_close(struct line *line);
void line_touch(struct port_loop *l, struct line *line);   /* is sent to at the end of the turn */
/* Reads what came; false when the line is to be closed. */
bool line_read(struct line *line, uint32_t events);
#endif
