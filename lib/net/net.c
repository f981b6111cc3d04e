/* A client of one Kafka cluster: its nodes and the connections to them. */
#include "net/net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/internal.h"
#include "wire/api.h"

static struct net_node *add_node(struct net *n)
{
	struct net_node *v = realloc(n->nodes, (size_t)(n->nodes_n + 1) * sizeof *v);
	if (!v)
		return NULL;
	n->nodes = v;
	v += n->nodes_n++;
	*v = (struct net_node){.id = -1};
	return v;
}

/* HOST, HOST:PORT, [V6] or [V6]:PORT in p[0..len). */
static int add_place(struct net *n, const char *p, size_t len)
{
	const char *colon = memrchr(p, ':', len), *close = memchr(p, ']', len);
	size_t host = len;
	long port = 9092;
	if (colon && (!close || colon > close)) {
		char digits[8] = "", *end;
		size_t d = (size_t)(p + len - colon - 1);
		memcpy(digits, colon + 1, d < sizeof digits ? d : 0);
		port = strtol(digits, &end, 10);
		host = (size_t)(colon - p);
		if (!*digits || *end || port < 1 || port > 65535)
			return errno = EINVAL, -1;
	}
	if (host > 1 && p[0] == '[' && p[host - 1] == ']') {
		p++;
		host -= 2;
	}
	if (host == 0 || host >= NET_HOST)
		return errno = EINVAL, -1;
	struct net_node *v = add_node(n);
	if (!v)
		return -1;
	memcpy(v->host, p, host);
	v->port = (int)port;
	return 0;
}

struct net *net_new(const char *brokers, const char *client)
{
	struct net *n = calloc(1, sizeof *n);
	if (!n)
		return NULL;
	snprintf(n->client, sizeof n->client, "%s", client);
	n->seed = (unsigned)net_now();
	for (const char *p = brokers;;) {
		size_t len = strcspn(p, ",");
		if (add_place(n, p, len) < 0) {
			net_free(n);
			errno = EINVAL;
			return NULL;
		}
		if (!p[len])
			return n;
		p += len + 1;
	}
}

void net_free(struct net *n)
{
	int error = errno;
	for (int i = 0; i < n->connections_n; i++) {
		net_connection_close(n->connections[i]);
		free(n->connections[i]);
	}
	free(n->connections);
	free(n->polls);
	free(n->nodes);
	free(n);
	errno = error;
}

const char *net_why(const struct net *n)
{
	return n->why;
}

int net_fail(struct net *n, const struct net_node *v, int error)
{
	const char *words = error == EPROTONOSUPPORT ? "the node does not serve this request" :
			    error == EBADMSG         ? "bad answer: is it a Kafka node?" :
						       strerror(error);
	if (v)
		snprintf(n->why, sizeof n->why, "%s:%d: %s", v->host, v->port, words);
	else
		snprintf(n->why, sizeof n->why, "%s", words);
	errno = error;
	return -1;
}

const struct net_node *net_node(const struct net *n, int32_t id)
{
	for (int i = 0; i < n->nodes_n; i++)
		if (n->nodes[i].id == id && id >= 0)
			return &n->nodes[i];
	return NULL;
}

static struct net_connection *new_connection(struct net *n)
{
	struct net_connection **v =
		realloc(n->connections, (size_t)(n->connections_n + 1) * sizeof *v);
	if (!v)
		return NULL;
	n->connections = v;
	struct net_connection *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->fd = -1;
	c->last = &c->first;
	n->connections[n->connections_n++] = c;
	return c;
}

/* Opens the node's shared connection unless it is. */
int net_open_node(struct net *n, struct net_node *v, int64_t until)
{
	if (v->connection && v->connection->fd >= 0)
		return 0;
	if (!v->connection)
		v->connection = new_connection(n);
	if (!v->connection)
		return net_fail(n, NULL, ENOMEM);
	int64_t soon = net_now() + NET_CONNECT_MS;
	net_connection_close(v->connection);
	if (net_connection_open(v->connection, v->host, v->port, n->client,
				soon < until ? soon : until) < 0)
		return net_fail(n, v, errno);
	return 0;
}

struct net_connection *net_connect(struct net *n, int32_t node, int64_t until)
{
	struct net_node *v = (struct net_node *)net_node(n, node);
	if (!v) {
		snprintf(n->why, sizeof n->why, "node %d: not in the metadata", node);
		errno = ESRCH;
		return NULL;
	}
	return net_open_node(n, v, until) < 0 ? NULL : v->connection;
}

struct net_connection *net_connect_more(struct net *n, int32_t node, int64_t until)
{
	const struct net_node *v = net_node(n, node);
	struct net_connection *c = v ? new_connection(n) : NULL;
	if (!c) {
		net_fail(n, v, v ? ENOMEM : ESRCH);
		return NULL;
	}
	if (net_connection_open(c, v->host, v->port, n->client, until) < 0) {
		net_fail(n, v, errno);
		return NULL;
	}
	return c;
}

static int milliseconds(const struct net *n, int64_t until)
{
	for (int i = 0; i < n->connections_n; i++) {
		int64_t at = net_connection_deadline(n->connections[i]);
		if (at < until)
			until = at;
	}
	int64_t left = until - net_now();
	return left <= 0 ? 0 : left < INT32_MAX ? (int)left : INT32_MAX;
}

int net_turn(struct net *n, struct pollfd *more, int more_n, int64_t until)
{
	int own = n->connections_n;
	struct pollfd *p = realloc(n->polls, (size_t)(own + more_n + 1) * sizeof *p);
	if (!p)
		return -1;
	n->polls = p;
	for (int i = 0; i < own; i++)
		p[i] = (struct pollfd){n->connections[i]->fd,
				       net_connection_events(n->connections[i]), 0};
	if (more_n)
		memcpy(p + own, more, (size_t)more_n * sizeof *p);
	if (poll(p, (nfds_t)(own + more_n), milliseconds(n, until)) < 0)
		return -1;
	if (more_n)
		memcpy(more, p + own, (size_t)more_n * sizeof *p);
	int64_t now = net_now();
	for (int i = 0; i < own; i++) {
		struct net_connection *c = n->connections[i];
		if (n->polls[i].revents || net_connection_unsent(c) ||
		    net_connection_deadline(c) <= now)
			net_connection_turn(c, n->polls[i].revents);
	}
	return 0;
}

void net_pause(struct net *n, int attempt, int64_t until)
{
	int64_t ms = attempt > 5 ? 1000 : 50LL << (attempt > 0 ? attempt - 1 : 0);
	int64_t now = net_now(), end;
	ms += rand_r(&n->seed) % (ms / 5 + 1);
	end = now + ms < until ? now + ms : until;
	while (net_now() < end)
		if (net_turn(n, NULL, 0, end) < 0 && errno != EINTR)
			return;
}

/* A node whose address changed gets a fresh connection; the old one is closed when its answers are
 * in or time is out. */
int net_learn(struct net *n, const struct metadata_response *r)
{
	for (int32_t i = 0; i < r->brokers_n; i++) {
		const struct metadata_response_metadata_response_broker *b = &r->brokers[i];
		struct net_node *v = (struct net_node *)net_node(n, b->node_id);
		if (!v && b->node_id >= 0)
			v = add_node(n);
		if (!v)
			return -1;
		char host[NET_HOST];
		span_z(b->host, host, sizeof host);
		if (v->id < 0 || strcmp(host, v->host) || v->port != b->port)
			v->connection = NULL;
		v->id = b->node_id;
		v->port = b->port;
		memcpy(v->host, host, sizeof host);
	}
	return 0;
}
