/* FindCoordinator (10): the leader of the partition of __consumer_offsets that a group's id falls
 * on (KafkaApis.getCoordinator). Transactions have no coordinator on this node yet, and the answer
 * says so. */
#include "metaserve.h"

#include "base/javahash.h"

enum { KEY_GROUP = 0, KEY_TRANSACTION = 1, KEY_SHARE = 2 };

static const struct span offsets_topic = {"__consumer_offsets", 18};

static const struct meta_broker *coordinator(struct request *r, struct span group)
{
	const struct meta_topic *t = meta_topic_named(r->image, offsets_topic);
	if (!t) {
		const struct creation *c = create_status(r->server, offsets_topic);
		if (!c)
			create_topics(r->server, &offsets_topic, 1);
		return NULL;
	}
	const struct meta_partition *p =
		meta_partition(t, javahash_partition(group, t->partitions_n));
	const struct meta_broker *b = p ? meta_broker(r->image, p->leader) : NULL;
	return b && !b->fenced && meta_broker_endpoint(b, request_listener(r)) ? b : NULL;
}

static int find(struct request *r, int key_type, struct span key, const struct meta_broker **b,
                struct span *why)
{
	*b = NULL;
	*why = SPAN_NULL;
	if (key_type < KEY_GROUP || key_type > KEY_SHARE) {
		*why = span_of("Unknown coordinator type.");
		return WIRE_INVALID_REQUEST;
	}
	if (key_type == KEY_SHARE && r->head.version < 6) {
		*why = span_of("Share coordinators are known from version 6 on.");
		return WIRE_INVALID_REQUEST;
	}
	if (key_type == KEY_GROUP && (*b = coordinator(r, key)))
		return WIRE_NONE;
	if (key_type != KEY_GROUP)
		*why = span_of(key_type == KEY_SHARE ? "This node has no share coordinator."
		                                     : "This node has no transaction coordinator.");
	return WIRE_COORDINATOR_NOT_AVAILABLE;
}

/* Host and port of b as the asking listener knows it. */
static void place(struct request *r, const struct meta_broker *b, int32_t *id, struct span *host,
                  int32_t *port)
{
	const struct meta_endpoint *e = b ? meta_broker_endpoint(b, request_listener(r)) : NULL;
	*id = e ? b->id : -1;
	*host = span_of(e ? e->host : "");
	*port = e ? e->port : -1;
}

void find_coordinator(struct request *r)
{
	const struct meta_broker *b;
	struct find_coordinator_request in;
	struct find_coordinator_response out;
	if (request_body(r, &wire_find_coordinator_request, &in))
		return;
	wire_init(&wire_find_coordinator_response, &out);
	if (r->head.version < 4) {
		out.error_code = (int16_t)find(r, in.key_type, in.key, &b, &out.error_message);
		if (out.error_message.n < 0)
			out.error_message = span_of(wire_error_text(out.error_code));
		place(r, b, &out.node_id, &out.host, &out.port);
		request_answer(r, &wire_find_coordinator_response, &out);
		return;
	}
	out.coordinators_n = in.coordinator_keys_n;
	out.coordinators = request_take(r, (size_t)in.coordinator_keys_n, sizeof *out.coordinators);
	if (!out.coordinators)
		return;
	for (int i = 0; i < in.coordinator_keys_n; i++) {
		struct find_coordinator_response_coordinator *c = &out.coordinators[i];
		wire_init(&wire_find_coordinator_response_coordinator, c);
		c->key = in.coordinator_keys[i];
		c->error_code = (int16_t)find(r, in.key_type, c->key, &b, &c->error_message);
		place(r, b, &c->node_id, &c->host, &c->port);
	}
	request_answer(r, &wire_find_coordinator_response, &out);
}
