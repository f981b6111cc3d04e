/* One TCP connection to a Kafka node: requests out, answers back in their order, several in flight.
 *
 * Nothing here blocks but net_connection_open. Errors are -1 with errno; a connection that fails
 * stays in its owner's list, dead (fd -1), and every request on it has been answered with that
 * errno.
 */
#ifndef NET_CONNECTION_H
#define NET_CONNECTION_H
#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

enum {
	NET_KEYS = 128,             /* API keys that a connection keeps versions of */
	NET_ANSWER_MAX = 256 << 20, /* bytes of one answer; a claim beyond is EMSGSIZE */
};

struct net_answer {
	int error; /* 0, or what the connection died of (errno); nothing below is then valid but key
		    */
	int key, version;
	const uint8_t *body; /* after the response header; borrowed until the callback returns */
	size_t n;
	int64_t at_us; /* when it was read: net_now's clock, microseconds */
};
typedef void net_done(void *arg,
		      const struct net_answer *a); /* may send, must not free the connection */

struct net_pending;
struct net_connection {
	int fd;                     /* -1: dead */
	int error;                  /* why it is dead: errno */
	int16_t versions[NET_KEYS]; /* highest version both sides know; -1 none */
	struct buf out;             /* bytes to send, from out_at */
	size_t out_at;
	struct buf in;                     /* bytes that have come and are not yet a whole answer */
	struct net_pending *first, **last; /* requests sent and unanswered */
	struct net_pending *spare;         /* memory for the next ones */
	int64_t earliest;                  /* none of their deadlines is before this */
	int64_t read_us;
	int in_flight;
	int32_t correlation;
	char client[64]; /* client id */
};

int64_t net_now(void);    /* monotonic clock, ms: all deadlines here are in it */
int64_t net_now_us(void); /* the same, microseconds */

/* Connects and negotiates (ApiVersions, KIP-35, KIP-511), both by `until`. ETIMEDOUT, ECONNREFUSED,
 * ENOENT (no such host), EBADMSG (what answers is no Kafka node) ... c is then dead. */
int net_connection_open(struct net_connection *c, const char *host, int port, const char *client,
			int64_t until);
void net_connection_close(struct net_connection *c); /* answers what is in flight with ECANCELED */

/* Queues one request at the highest common version (or at `version` when >= 0). EPROTONOSUPPORT: no
 * common version or not that one; EINVAL: the version cannot say it; ENOTCONN. done may be NULL:
 * then no answer is expected (Produce with acks 0). An answer that has not come after timeout_ms
 * kills the connection with ETIMEDOUT. */
int net_connection_send(struct net_connection *c, int key, int version, const void *request,
			int timeout_ms, net_done *done, void *arg);

/* Queues n bytes that net_connection_send made before, length included, for a node that knows the
 * same versions: only the correlation id is put anew. */
int net_connection_repeat(struct net_connection *c, const void *frame, size_t n, int timeout_ms,
			  net_done *done, void *arg);

short net_connection_events(const struct net_connection *c);     /* what to poll for; 0 dead */
/* No request's time is over before this; INT64_MAX none is in flight. */
int64_t net_connection_deadline(const struct net_connection *c);
void net_connection_turn(struct net_connection *c,
			 short revents); /* writes, reads, calls back, times out */
size_t net_connection_unsent(const struct net_connection *c); /* bytes still in this process */

/* Decodes an answer's body; borrowed spans borrow it. -1 EBADMSG, ENOMEM. */
int net_answer_decode(const struct net_answer *a, struct arena *mem, void *response);
#endif
