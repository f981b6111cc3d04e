/* dial: requests to other nodes. A link is one TCP connection to an address; answers come back in
 * the order of the requests. */
#ifndef DIAL_DIAL_H
#define DIAL_DIAL_H
#include "base/buf.h"
#include "base/map.h"
#include "port/loop.h"

enum { ADDRESS = 256, PORT_TEXT = 8 };
struct addrinfo;

struct sent { /* a request that waits for its answer */
	struct sent *next;
	struct port_from from;
	bool wanted;         /* the caller still waits */
	int32_t correlation; /* as the caller counts */
	int64_t deadline_ms;
};
enum link_state { LINK_IDLE, LINK_NAMING, LINK_CONNECTING, LINK_OPEN };
struct link {
	struct dial *dial;
	char key[ADDRESS + 2]; /* "HOST:PORT", and a blank and a letter: see lane_of */
	enum link_state state;
	int fd;
	struct names *names;           /* while it is not open */
	const struct addrinfo *next;   /* in names: to be tried when this one does not answer */
	bool writing;                  /* it waits for room in the socket */
	struct buf out, in;
	size_t out_at;
	struct sent *first, **last;
	uint32_t n;
	uint32_t correlation;          /* the next to be sent */
	int64_t retry_ms;              /* not connected again before */
	int64_t pause_ms;
	int64_t used_ms;
	struct port_timer timer;
};
struct dial {
	struct port_loop *loop;
	struct map links;
	size_t held; /* bytes in the buffers of all links */
};

/* link.c: sends the request frame to the HOST:PORT of c->host, connecting when there is no
 * connection; the answer goes to c->from. What cannot be sent, or is not answered by its deadline,
 * is answered with PORT_CLOSE. */
void link_call(struct dial *d, const struct port_call *c);
/* Nobody waits for that answer any more. */
void link_flush(struct dial *d, struct port_from from);

/* names.c: looking a name up without waiting for it. */
struct names;
/* *fd becomes readable when it is done; -1: it is done. NULL: errno. */
struct names *names_ask(const char *host, const char *port, int *fd);
/* The addresses, owned until names_end; NULL: there are none. */
const struct addrinfo *names_found(const struct names *n);
void names_end(struct names *n); /* after it is done */
#endif
