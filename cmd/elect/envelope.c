/* Envelope: a request of a client that a broker of Apache Kafka passes on to the active controller
 * (EnvelopeUtils, RequestChannel). The answer to what is in it goes back in one too. */
#include <stdlib.h>
#include <string.h>

#include "elect.h"
#include "members.h"
#include "wire/codes.h"

enum { ENVELOPE = 58, DESCRIBE_QUORUM = 55, DECODE_MAX = 64 << 20 };

static bool same_call(struct port_from a, struct port_from b)
{
	return a.place == b.place && a.generation == b.generation && a.tag == b.tag;
}

static int send_envelope(struct elect *e, struct port_from to, int32_t correlation,
			 struct span data, int16_t error)
{
	struct envelope_response r;
	struct buf b = { 0 };
	int bad;

	wire_init(&wire_envelope_response, &r);
	r.response_data = error ? SPAN_NULL : data;
	r.error_code = error;
	bad = wire_response_header(&b, ENVELOPE, 0, correlation) < 0
	      || wire_encode(&wire_envelope_response, 0, &r, &b, NULL) < 0;
	if (!bad)
		port_answer_bytes(e->loop, to, b.p, b.n);
	buf_free(&b);
	return bad ? -1 : 0;
}

/* The broker looks for the controller again when it is told so outside of the answer. */
static bool says_not_controller(const struct envelope *v, struct span data)
{
	const struct wire_type *t = wire_api(v->key)->response;
	struct arena a = { .limit = DECODE_MAX };
	void *r = arena_get(&a, wire_type_size(t));
	int32_t id;
	int head = wire_response_parse(v->key, v->version, data.p, (size_t)data.n, &id);
	bool yes = r && head >= 0
		   && wire_decode(t, v->version, data.p + head, (size_t)(data.n - head), &a, r) >= 0
		   && wire_has_error(t, r, WIRE_NOT_CONTROLLER);

	arena_free(&a);
	return yes;
}

void elect_send(struct elect *e, struct port_from to, const void *p, size_t n)
{
	struct span data = { p, (int32_t)n };
	struct envelope v;

	if (!envelope_forget(e, to, &v))
		port_answer_bytes(e->loop, to, p, n);
	else if (send_envelope(e, to, v.correlation, data,
			       says_not_controller(&v, data) ? WIRE_NOT_CONTROLLER : 0)
		 < 0)
		port_answer(e->loop, to, PORT_CLOSE, 0, NULL, 0);
}

bool envelope_forget(struct elect *e, struct port_from from, struct envelope *out)
{
	for (int i = 0; i < e->envelopes_n; i++)
		if (same_call(e->envelopes[i].from, from)) {
			*out = e->envelopes[i];
			e->envelopes[i] = e->envelopes[--e->envelopes_n];
			return true;
		}
	return false;
}

static int keep(struct elect *e, struct port_from from, const struct wire_request *q,
		const struct wire_request *inner)
{
	if (e->envelopes_n == e->envelopes_cap) {
		int cap = e->envelopes_cap ? 2 * e->envelopes_cap : 16;
		struct envelope *v = realloc(e->envelopes, (size_t)cap * sizeof *v);

		if (!v)
			return -1;
		e->envelopes = v;
		e->envelopes_cap = cap;
	}
	e->envelopes[e->envelopes_n++] =
		(struct envelope){ from, q->correlation_id, inner->key, inner->version };
	return 0;
}

static bool is_for_clients(const struct wire_request *q)
{
	return q->api->owner[WIRE_BROKER] && strcmp(q->api->owner[WIRE_BROKER], "elect") == 0
	       && (controller_has(q->key) || members_have(q->key) || q->key == DESCRIBE_QUORUM);
}

int envelope_call(struct elect *e, const struct port_call *c, const struct wire_request *q)
{
	struct arena a = { .limit = DECODE_MAX };
	struct envelope_request in;
	struct wire_request inner;
	struct port_call call = *c;
	int r = wire_decode(&wire_envelope_request, q->version, q->body, q->body_n, &a, &in) < 0 ? -1
												 : 0;

	if (r == 0) {
		call.body = in.request_data;
		if (!leads(e))
			r = send_envelope(e, c->from, q->correlation_id, SPAN_NULL, WIRE_NOT_CONTROLLER);
		else if (wire_request_parse(&inner, call.body.p, (size_t)call.body.n) < 0
			 || !is_for_clients(&inner))
			r = send_envelope(e, c->from, q->correlation_id, SPAN_NULL, WIRE_INVALID_REQUEST);
		else if ((r = keep(e, c->from, q, &inner)) == 0)
			elect_call(e, &call);
	}
	arena_free(&a);
	return r;
}
