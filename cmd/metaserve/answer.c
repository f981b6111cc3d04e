/* A request: from the port's call to the bytes of its answer. */
#include "metaserve.h"

#include <errno.h>
#include <skalibs/strerr.h>
#include <string.h>

void request_close(struct request *r)
{
	port_answer(r->server->loop, r->from, PORT_CLOSE, 0, 0, 0);
}

int request_body(struct request *r, const struct wire_type *t, void *out)
{
	if (wire_decode(t, r->head.version, r->head.body, r->head.body_n, &r->server->arena, out) >= 0)
		return 0;
	request_close(r);
	return -1;
}

void request_answer_as(struct request *r, int version, const struct wire_type *t,
                       const void *response)
{
	struct buf *out = &r->server->out;
	out->n = 0;
	if (wire_response_header(out, r->head.key, version, r->head.correlation_id) ||
	    wire_encode(t, version, response, out, 0)) {
		strerr_warnwu2sys("encode an answer: ", wire_type_name(t));
		request_close(r);
	} else if (port_answer_bytes(r->server->loop, r->from, out->p, out->n)) {
		request_close(r);
	}
}

void request_answer(struct request *r, const struct wire_type *t, const void *response)
{
	request_answer_as(r, r->head.version, t, response);
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

const char *request_listener(const struct request *r)
{
	return r->listener == WIRE_CONTROLLER ? r->server->node.controller : r->server->node.broker;
}

int64_t request_config(const struct request *r, const char *name, int64_t otherwise)
{
	if (!meta_config(r->image, r->server->node.id, 0, name, 0))
		return otherwise;
	return meta_config_int(r->image, r->server->node.id, 0, name);
}

static void dispatch(struct request *r)
{
	switch (r->head.key) {
	case 3: metadata(r); break;
	case 10: find_coordinator(r); break;
	case 18: api_versions(r); break;
	case 32: describe_configs(r); break;
	case 60: describe_cluster(r); break;
	case 74: list_config_resources(r); break;
	case 75: describe_topic_partitions(r); break;
	default: request_close(r);
	}
}

void request_handle(struct server *s, const struct port_call *c)
{
	struct request r = {
		.server = s, .image = meta_follow_image(s->follow), .from = c->from, .listener = c->listener,
		.frame = c->body,
	};
	arena_reset(&s->arena);
	if (!wire_request_parse(&r.head, c->body.p, (size_t)c->body.n))
		dispatch(&r);
	else if (errno == EPROTONOSUPPORT && r.head.key == 18)
		api_versions_unsupported(&r);
	else
		request_close(&r);
}
