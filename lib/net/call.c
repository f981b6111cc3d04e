/* One request, waiting for its answer. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/internal.h"
#include "wire/wire.h"

struct call {
	struct arena *mem;
	void *response;
	int error; /* -1: not answered yet */
};

static void on_answer(void *arg, const struct net_answer *a)
{
	struct call *c = arg;
	struct net_answer kept = *a;
	c->error = a->error;
	if (a->error)
		return;
	kept.body = arena_copy(c->mem, a->body, a->n ? a->n : 1);
	if (!kept.body)
		c->error = ENOMEM;
	else if (net_answer_decode(&kept, c->mem, c->response) < 0)
		c->error = errno;
}

static int finish(struct net *n, struct call *c, int64_t until)
{
	while (c->error == -1)
		if (net_turn(n, NULL, 0, until + 1000) < 0 && errno != EINTR)
			return -1;
	errno = c->error;
	return c->error ? -1 : 0;
}

static int call_node(struct net *n, struct net_node *v, int key, int version, const void *request,
		     struct arena *mem, void *response, int64_t until)
{
	struct net_connection *connection = v->connection;
	struct call c = {mem, response, -1};
	int64_t left = until - net_now();
	if (left > INT32_MAX / 2)
		left = INT32_MAX / 2;
	if (net_connection_send(connection, key, version, request, (int)left, on_answer, &c) < 0)
		return net_fail(n, v, errno == ENOTCONN ? connection->error : errno);
	struct net_node named = *v; /* the list may move while other answers come */
	return finish(n, &c, until) < 0 ? net_fail(n, &named, errno) : 0;
}

/* The open ones first, then the others in their order. */
static struct net_node *any_node(struct net *n, int64_t until)
{
	for (int i = 0; i < n->nodes_n; i++)
		if (n->nodes[i].connection && n->nodes[i].connection->fd >= 0)
			return &n->nodes[i];
	for (int i = 0; i < n->nodes_n; i++)
		if (net_open_node(n, &n->nodes[i], until) == 0)
			return &n->nodes[i];
	return NULL;
}

int net_call(struct net *n, int32_t node, int key, int version, const void *request,
	     struct arena *mem, void *response, int64_t until)
{
	struct net_node *v;
	if (node == NET_ANY)
		v = any_node(n, until);
	else
		v = net_connect(n, node, until) ? (struct net_node *)net_node(n, node) : NULL;
	return v ? call_node(n, v, key, version, request, mem, response, until) : -1;
}
