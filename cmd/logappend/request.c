/* Requests in work: their memory is one arena, used again; the answer goes when nothing holds it
 * any more. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "daemon.h"
#include "wire/produce_one.h"

enum {
	DECODED_MOST = 16 << 20,    /* arrays of one request; strings and records stay */
	BUF_KEPT = 4 << 20,
};

static struct request *free_requests;
static struct buf out;

struct request *request_new(const struct port_call *c, const struct wire_request *r)
{
	struct request *q = free_requests;
	if (q) {
		free_requests = q->next;
	}	else if (!(q = calloc(1, sizeof *q))) {
		port_answer(node.loop, c->from, PORT_CLOSE, 0, NULL, 0);
		return NULL;
	}
	struct arena arena = q->arena;
	*q = (struct request){
		.arena = arena, .from = c->from, .key = r->key, .version = r->version,
		.listener = c->listener, .correlation = r->correlation_id,
		.type = r->api->response, .holds = 1,
	};
	return q;
}

void *request_get(struct request *q, size_t n)
{
	void *p = arena_get(&q->arena, n);
	if (!p)
		abort();    /* out of memory: the next run finds what is on disk */
	return p;
}

void *request_answer(struct request *q)
{
	q->answer = request_get(q, wire_type_size(q->type));
	wire_init(q->type, q->answer);
	return q->answer;
}

void request_drop(struct request *q)
{
	arena_reset(&q->arena);
	q->next = free_requests;
	free_requests = q;
}

int request_decode(struct request *q, const struct wire_request *r, void *in)
{
	q->arena.limit = DECODED_MOST;
	int64_t n = wire_decode(r->api->request, r->version, r->body, r->body_n, &q->arena, in);
	q->arena.limit = 0;
	if (n >= 0)
		return 0;
	port_answer(node.loop, q->from, PORT_CLOSE, 0, NULL, 0);
	request_drop(q);
	return -1;
}

struct span request_keep(struct request *q, struct span s)
{
	if (s.n <= 0)
		return s;
	char *p = request_get(q, (size_t)s.n);
	memcpy(p, s.p, (size_t)s.n);
	return (struct span){p, s.n};
}

static int encode(struct request *q)
{
	if (wire_response_header(&out, q->key, q->version, q->correlation) < 0)
		return -1;
	int r = q->type == &wire_produce_response ?
		wire_produce_one_answer(q->answer, q->version, &out) : 0;
	return r ? r : wire_encode(q->type, q->version, q->answer, &out, NULL);
}

static void answer(struct request *q)
{
	out.n = 0;
	if (encode(q) < 0) {
		port_answer(node.loop, q->from, PORT_CLOSE, 0, NULL, 0);
		return;
	}
	port_answer_bytes(node.loop, q->from, out.p, out.n);
	if (out.cap > BUF_KEPT)
		buf_free(&out);
}

void request_release(struct request *q)
{
	if (--q->holds > 0)
		return;
	if (q->finish)
		q->finish(q);
	if (q->silent)
		port_answer(node.loop, q->from, q->failed ? PORT_CLOSE : PORT_NONE, 0, NULL, 0);
	else
		answer(q);
	request_drop(q);
}

/* Topic.isInternal. */
bool topic_is_internal(struct span name)
{
	return span_is(name, "__consumer_offsets") || span_is(name, "__transaction_state")
	       || span_is(name, "__share_group_state");
}
