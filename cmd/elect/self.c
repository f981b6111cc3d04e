/* This broker's own registration and heartbeats: what the agent asks for goes to the active
 * controller as any broker's request does, wherever that is. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "elect.h"

enum {
	REGISTRATION = 62, REGISTRATION_VERSION = 4, HEARTBEAT = 63, HEARTBEAT_VERSION = 1,
	ANSWER_MS = 3000, ANSWER_BYTES = 1 << 20,
};

/* --- answers --- */

static void registered(struct elect *e, const struct broker_registration_response *out)
{
	const struct meta_broker *b = meta_broker(&e->image, e->settings.node.id);
	int64_t now = port_now_ms();

	if (out->error_code) {
		strerr_warnw2x("this broker is not registered: ", wire_error_name(out->error_code));
		agent_refused(&e->agent, now);
	} else {
		agent_registered(&e->agent, out->broker_epoch,
				 !b || b->epoch != out->broker_epoch || b->fenced, now);
	}
}

/* svc/stop waits for the file. */
static void say_left(void)
{
	int fd = open(LEFT_FILE, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

	if (fd < 0)
		strerr_warnwu1sys("make " LEFT_FILE);
	else
		close(fd);
}

static void beaten(struct elect *e, const struct broker_heartbeat_response *out)
{
	bool was = e->agent.fenced;

	if (out->error_code) {
		agent_refused(&e->agent, port_now_ms());
		return;
	}
	if (out->should_shut_down)
		agent_may_leave(&e->agent);
	agent_beaten(&e->agent, out->is_fenced, port_now_ms());
	if (e->agent.left)
		say_left();
	else if (was != out->is_fenced)
		strerr_warni1x(out->is_fenced ? "fenced: a program of this node is silent"
					      : "unfenced");
}

static void on_answer(struct elect *e, int key, int version, struct span bytes)
{
	const struct wire_type *t = wire_api(key)->response;
	struct arena a = { .limit = ANSWER_BYTES };
	union {
		struct broker_registration_response registration;
		struct broker_heartbeat_response heartbeat;
	} out;
	int32_t id;
	int head = bytes.n < 0 ? -1
			       : wire_response_parse(key, version, bytes.p, (size_t)bytes.n, &id);

	if (head < 0
	    || wire_decode(t, version, bytes.p + head, (size_t)(bytes.n - head), &a, &out) < 0)
		agent_unheard(&e->agent, port_now_ms());
	else if (key == REGISTRATION)
		registered(e, &out.registration);
	else
		beaten(e, &out.heartbeat);
	arena_free(&a);
}

/* --- requests --- */

/* The controller is this program. -1: there is no room for it on the disk; to be tried again. */
static int ask_here(struct elect *e, handler *fn, const void *in, void *out, int64_t now_ms)
{
	struct operation op = { .c = &e->controller,
				.offset = log_end(e->store.log),
				.now_ms = now_ms,
				.listener = WIRE_LOCAL };
	int r;

	fn(&op, NULL, in, out);
	if (op.failed)
		strerr_diefu1sys(111, "register this broker");
	r = elect_append(e, &op.values, op.values_n);
	if (r < 0) {
		say_full(e);
		agent_refused(&e->agent, now_ms);
	}
	operation_free(&op);
	return r;
}

static void ask_there(struct elect *e, int key, int version, const void *in, int64_t now_ms)
{
	agent_asked(&e->agent);
	if (forward_ask(e, key, version, in, now_ms + ANSWER_MS, on_answer) < 0)
		agent_unheard(&e->agent, now_ms);
}

static void register_self(struct elect *e, int64_t now_ms)
{
	struct broker_registration_request in;
	struct broker_registration_response out;
	struct broker_registration_request_listener l[ENDPOINTS_MAX];
	struct broker_registration_request_feature f[4];
	const struct settings *s = &e->settings;
	struct uuid directory = s->node.directory;

	wire_init(&wire_broker_registration_request, &in);
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
	in.previous_broker_epoch = settings_previous_epoch();
	if (!leads(e)) {
		ask_there(e, REGISTRATION, REGISTRATION_VERSION, &in, now_ms);
		return;
	}
	wire_init(&wire_broker_registration_response, &out);
	if (ask_here(e, register_broker, &in, &out, now_ms) == 0)
		registered(e, &out);
}

static void beat(struct elect *e, const struct agent_heartbeat *h, int64_t now_ms)
{
	struct broker_heartbeat_request in;
	struct broker_heartbeat_response out;

	wire_init(&wire_broker_heartbeat_request, &in);
	in.broker_id = e->settings.node.id;
	in.broker_epoch = e->agent.epoch;
	in.current_metadata_offset = h->offset;
	in.want_fence = h->want_fence;
	in.want_shut_down = h->want_shut_down;
	e->beaten_offset = h->offset;
	if (!leads(e)) {
		ask_there(e, HEARTBEAT, HEARTBEAT_VERSION, &in, now_ms);
		return;
	}
	wire_init(&wire_broker_heartbeat_response, &out);
	if (ask_here(e, broker_heartbeat, &in, &out, now_ms) == 0)
		beaten(e, &out);
}

static bool another(const struct elect *e, bool leaves)
{
	const struct meta_broker *b;
	size_t at = 0;

	while ((b = map_next(&e->image.brokers, &at)))
		if (b->id != e->settings.node.id && !b->fenced
		    && b->in_controlled_shutdown == leaves)
			return true;
	return false;
}

/* Who is alone has nobody to hand over to. */
void self_leave(struct elect *e)
{
	agent_leave(&e->agent, port_now_ms());
	if (!another(e, false))
		agent_may_leave(&e->agent);
	if (e->agent.left)
		say_left();
}

int64_t self_turn(struct elect *e, int64_t now_ms)
{
	static int64_t wake = INT64_MAX;
	static int32_t epoch = -1; /* whose leader was told of us */
	struct agent_heartbeat h;

	agent_late(&e->agent, wake, now_ms);
	if (now_ms > wake && now_ms - wake > e->agent.session_ms / 3) {
		e->woke_ms = now_ms;
		e->hold_ms = now_ms + e->agent.session_ms;
	}
	if (e->quorum.leader >= 0 && e->quorum.epoch != epoch) {
		epoch = e->quorum.epoch;
		agent_hurry(&e->agent, now_ms);
	}
	/* Who leaves waits until we know that it does. */
	agent_next(&e->agent, now_ms, &h, &wake);
	if (h.offset > e->beaten_offset && another(e, true))
		agent_hurry(&e->agent, now_ms);
	/* Register, then at once the heartbeat that may be due: never more than a few steps. */
	for (int i = 0; i < 4; i++)
		switch (agent_next(&e->agent, now_ms, &h, &wake)) {
		case AGENT_REGISTER: register_self(e, now_ms); break;
		case AGENT_HEARTBEAT: beat(e, &h, now_ms); break;
		default: return wake;
		}
	return wake = now_ms + 1;
}
