/* This broker's own registration and heartbeats: what the agent asks for goes to the controller as
 * any broker's request does. */
#include <string.h>

#include <skalibs/strerr.h>

#include "elect.h"

static void begin(struct elect *e, struct operation *op, int64_t now_ms)
{
	memset(op, 0, sizeof *op);
	op->c = &e->controller;
	op->offset = log_end(e->store.log);
	op->now_ms = now_ms;
	op->listener = WIRE_LOCAL;
}

/* -1: there is no room for it on the disk; to be tried again. */
static int finish(struct elect *e, struct operation *op, int64_t now_ms)
{
	int r;

	if (op->failed)
		strerr_diefu1sys(111, "register this broker");
	r = elect_append(e, &op->values, op->values_n);
	if (r < 0) {
		say_full(e);
		agent_refused(&e->agent, now_ms);
	}
	operation_free(op);
	return r;
}

static void register_self(struct elect *e, int64_t now_ms)
{
	struct broker_registration_request in;
	struct broker_registration_response out;
	struct broker_registration_request_listener l[ENDPOINTS_MAX];
	struct broker_registration_request_feature f[4];
	struct operation op;
	const struct settings *s = &e->settings;
	struct uuid directory = s->node.directory;
	const struct meta_broker *b;

	begin(e, &op, now_ms);
	wire_init(&wire_broker_registration_request, &in);
	wire_init(&wire_broker_registration_response, &out);
	in.broker_id = s->node.id;
	in.cluster_id = span_of(s->node.cluster_id);
	in.incarnation_id = s->incarnation;
	in.rack = span_of(s->rack);
	in.listeners = l;
	in.listeners_n = s->broker_n;
	for (int i = 0; i < s->broker_n; i++) {
		wire_init(&wire_broker_registration_request_listener, &l[i]);
		l[i].name = span_of(s->broker[i].name);
		l[i].host = span_of(s->broker[i].host);
		l[i].port = s->broker[i].port;
		l[i].security_protocol = s->broker[i].protocol;
	}
	in.features = f;
	in.features_n = 4;
	for (int i = 0; i < in.features_n; i++)
		wire_init(&wire_broker_registration_request_feature, &f[i]);
	f[0].name = span_of("metadata.version");
	f[0].min_supported_version = META_LEVEL_MIN;
	f[0].max_supported_version = META_LEVEL_MAX;
	f[1].name = span_of("kraft.version");
	f[1].max_supported_version = 1;
	f[2].name = span_of("group.version");
	f[2].max_supported_version = META_GROUP_LEVEL_MAX;
	f[3].name = span_of("eligible.leader.replicas.version");
	f[3].max_supported_version = META_ELR_LEVEL_MAX;
	in.log_dirs = &directory;
	in.log_dirs_n = 1;
	register_broker(&op, NULL, &in, &out);
	if (finish(e, &op, now_ms) < 0)
		return;
	b = meta_broker(&e->image, s->node.id);
	if (out.error_code || !b) {
		strerr_warnw2x("this broker is not registered: ", wire_error_name(out.error_code));
		agent_refused(&e->agent, now_ms);
	} else {
		agent_registered(&e->agent, out.broker_epoch, b->fenced, now_ms);
	}
}

static void beat(struct elect *e, const struct agent_heartbeat *h, int64_t now_ms)
{
	struct broker_heartbeat_request in;
	struct broker_heartbeat_response out;
	struct operation op;
	bool was = e->agent.fenced;

	begin(e, &op, now_ms);
	wire_init(&wire_broker_heartbeat_request, &in);
	wire_init(&wire_broker_heartbeat_response, &out);
	in.broker_id = e->settings.node.id;
	in.broker_epoch = e->agent.epoch;
	in.current_metadata_offset = h->offset;
	in.want_fence = h->want_fence;
	broker_heartbeat(&op, NULL, &in, &out);
	if (finish(e, &op, now_ms) < 0)
		return;
	if (out.error_code) {
		agent_refused(&e->agent, now_ms);
		return;
	}
	agent_beaten(&e->agent, out.is_fenced, now_ms);
	if (was != out.is_fenced)
		strerr_warni1x(out.is_fenced ? "fenced: a program of this node is silent"
					     : "unfenced");
}

int64_t self_turn(struct elect *e, int64_t now_ms)
{
	static int64_t wake = INT64_MAX;
	struct agent_heartbeat h;

	agent_late(&e->agent, wake, now_ms);
	/* Register, then at once the heartbeat that may be due: never more than a few steps. */
	for (int i = 0; i < 4; i++)
		switch (agent_next(&e->agent, now_ms, &h, &wake)) {
		case AGENT_REGISTER: register_self(e, now_ms); break;
		case AGENT_HEARTBEAT: beat(e, &h, now_ms); break;
		default: return wake;
		}
	return wake = now_ms + 1;
}
