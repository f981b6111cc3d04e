/* FindCoordinator (10). Groups and transactions have no coordinator on this node yet, and the
 * answer says so. */
#include "metaserve.h"

enum { KEY_SHARE = 2 };

static int refuse(const struct request *r, int key_type, struct span *why)
{
	if (key_type < 0 || key_type > KEY_SHARE) {
		*why = span_of("Unknown coordinator type.");
		return WIRE_INVALID_REQUEST;
	}
	if (key_type == KEY_SHARE && r->head.version < 6) {
		*why = span_of("Share coordinators are known from version 6 on.");
		return WIRE_INVALID_REQUEST;
	}
	*why = span_of(key_type == 0   ? "This node has no group coordinator."
	               : key_type == 1 ? "This node has no transaction coordinator."
	                               : "This node has no share coordinator.");
	return WIRE_COORDINATOR_NOT_AVAILABLE;
}

void find_coordinator(struct request *r)
{
	struct find_coordinator_request in;
	struct find_coordinator_response out;
	if (request_body(r, &wire_find_coordinator_request, &in))
		return;
	wire_init(&wire_find_coordinator_response, &out);
	if (r->head.version < 4) {
		out.error_code = (int16_t)refuse(r, in.key_type, &out.error_message);
		out.node_id = out.port = -1;
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
		c->node_id = c->port = -1;
		c->error_code = (int16_t)refuse(r, in.key_type, &c->error_message);
	}
	request_answer(r, &wire_find_coordinator_response, &out);
}
