/* A request: from the port's call to the bytes of its answer. */
#include "logserve.h"

#include <skalibs/strerr.h>

void request_close(struct request *r)
{
	port_answer(r->server->loop, r->from, PORT_CLOSE, 0, 0, 0);
}

int request_body(struct request *r, const struct wire_type *t, void *out)
{
	if (wire_decode(t, r->version, r->body, r->body_n, &r->server->arena, out) >= 0)
		return 0;
	request_close(r);
	return -1;
}

int request_encode(struct request *r, const struct wire_type *t, const void *response)
{
	struct server *s = r->server;
	s->out.n = 0;
	s->gaps.n = 0;
	if (!wire_response_header(&s->out, r->key, r->version, r->correlation_id) &&
	    !wire_encode(t, r->version, response, &s->out, &s->gaps))
		return 0;
	strerr_warnwu2sys("encode an answer: ", wire_type_name(t));
	request_close(r);
	return -1;
}

void request_answer(struct request *r, const struct wire_type *t, const void *response)
{
	if (request_encode(r, t, response))
		return;
	if (port_answer_bytes(r->server->loop, r->from, r->server->out.p, r->server->out.n))
		request_close(r);
}

void *request_take(struct request *r, size_t n, size_t size)
{
	void *p = 0;
	if (!__builtin_mul_overflow(n, size, &size))
		p = arena_get(&r->server->arena, size ? size : 1);
	if (!p)
		request_close(r);
	return p;
}

void request_handle(struct server *s, const struct port_call *c)
{
	struct wire_request head;
	struct request r = {
		.server = s, .image = meta_follow_image(s->follow), .from = c->from,
		.listener = c->listener,
	};
	arena_reset(&s->arena);
	partitions_refresh(s);
	if (wire_request_parse(&head, c->body.p, (size_t)c->body.n)) {
		request_close(&r);
		return;
	}
	r.key = head.key;
	r.version = head.version;
	r.correlation_id = head.correlation_id;
	r.body = head.body;
	r.body_n = head.body_n;
	switch (r.key) {
	case 1: fetch_request(&r); break;
	case 2: list_offsets(&r); break;
	case 35: describe_log_dirs(&r); break;
	default: request_close(&r);
	}
}
