/* A client of one Kafka cluster: where its nodes are, connections to them, calls that wait and
 * requests that do not.
 *
 * Errors are -1 with errno; net_why() has the words, naming the node. No broker at all:
 * ECONNREFUSED, ETIMEDOUT, ENOENT ...; an API that the node lacks: EPROTONOSUPPORT. Kafka's own
 * error codes are in the answers: the caller looks at them.
 */
#ifndef NET_NET_H
#define NET_NET_H
#include <stdbool.h>

#include "base/bytes.h"
#include "net/connection.h"

enum { NET_ANY = -1 }; /* whichever node answers first */
enum { NET_HOST = 256, NET_TOPIC = 250 };

struct net_node {
	int32_t id; /* -1: from the list the client began with, its id not known */
	char host[NET_HOST];
	int port;
	struct net_connection *connection; /* the shared one; NULL never opened */
};
struct net;

/* brokers: HOST:PORT[,HOST:PORT...], [v6]:PORT too; without a port 9092. EINVAL: malformed.
 * Connects to nobody yet. */
struct net *net_new(const char *brokers, const char *client);
void net_free(struct net *n);
const char *net_why(const struct net *n);

/* The open connection to a node, made when it is not there. Owned by the net, alive as long as it;
 * it may die and be opened again by the next call. ESRCH: no such node in the metadata. */
struct net_connection *net_connect(struct net *n, int32_t node, int64_t until);
/* One more connection to that node, of the caller's own but polled by net_turn; freed with the net.
 */
struct net_connection *net_connect_more(struct net *n, int32_t node, int64_t until);
const struct net_node *net_node(const struct net *n, int32_t id); /* NULL unknown */

/* Waits until something comes on any connection, on more[0..more_n) or until `until`; calls back.
 * -1 only for EINTR, ENOMEM. */
int net_turn(struct net *n, struct pollfd *more, int more_n, int64_t until);

/* One request, its answer decoded: what it borrows lives in mem. version < 0: the highest common
 * one. NET_ANY goes on to the next node when one cannot be reached; a request that may have been
 * received is not sent twice. */
int net_call(struct net *n, int32_t node, int key, int version, const void *request,
	     struct arena *mem, void *response, int64_t until);

/* --- where partitions are --- */

struct net_partition {
	int32_t leader; /* -1 none now */
	int32_t epoch;  /* -1 unknown */
	int16_t error;  /* Kafka's */
};
struct net_topic {
	char name[NET_TOPIC];
	struct uuid id; /* zero: the node has none */
	int16_t error;  /* Kafka's; then no partitions */
	int32_t n;
	struct net_partition *partitions; /* by partition number; owned: net_topic_free */
};
/* Asks any node. create: the node may make the topic by its own rule (auto.create.topics.enable).
 * Replaces *t. */
int net_topic_ask(struct net *n, const char *name, bool create, struct net_topic *t, int64_t until);
/* The same until the topic and all its leaders are there or `until` has passed: then *t says what
 * is still wrong. */
int net_topic_wait(struct net *n, const char *name, bool create, struct net_topic *t,
		   int64_t until);
void net_topic_free(struct net_topic *t);

/* Sleeps before attempt 1, 2, ...: 50 ms doubling to 1 s, a fifth of it by chance, serving
 * connections meanwhile (KIP-580). */
void net_pause(struct net *n, int attempt, int64_t until);

struct metadata_response;
int net_learn(struct net *n, const struct metadata_response
				     *r); /* takes over the nodes of a Metadata answer; -1 ENOMEM */
#endif
