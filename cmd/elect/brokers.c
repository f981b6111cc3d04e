/* BrokerRegistration, BrokerHeartbeat, sessions (ClusterControlManager, BrokerHeartbeatManager). */
#include <string.h>

#include "controller.h"
#include "meta/config.h"
#include "meta/record.h"
#include "wire/codes.h"

enum { FENCE = 1, UNFENCE = -1 };

bool broker_is_active(const struct controller *c, int32_t id)
{
	const struct meta_broker *b = meta_broker(c->image, id);

	return b && !b->fenced && !b->in_controlled_shutdown;
}

struct session *session_of(struct controller *c, int32_t id)
{
	struct session *s;

	for (int i = 0; i < c->sessions_n; i++)
		if (c->sessions[i].id == id)
			return &c->sessions[i];
	if (c->sessions_n == SESSIONS_MAX)
		return NULL;
	s = &c->sessions[c->sessions_n++];
	*s = (struct session){
		.id = id, .epoch = -1, .seen_ms = INT64_MIN, .offset = -1, .shutdown_offset = -1
	};
	return s;
}

struct fault broker_epoch_fault(struct operation *op, int32_t id, int64_t epoch)
{
	const struct meta_broker *b = meta_broker(op->c->image, id);

	if (!b)
		return fault(op, WIRE_STALE_BROKER_EPOCH,
			     "No broker registration found for broker id %d", id);
	if (b->epoch != epoch)
		return fault(op, WIRE_STALE_BROKER_EPOCH,
			     "Expected broker epoch %lld for broker %d, but got broker epoch "
			     "%lld",
			     (long long)b->epoch, id, (long long)epoch);
	return GOOD;
}

static void broker_change(struct operation *op, const struct meta_broker *b, int8_t fenced,
			  bool shutdown)
{
	struct broker_registration_change_record r;

	wire_init(&wire_broker_registration_change_record, &r);
	r.broker_id = b->id;
	r.broker_epoch = b->epoch;
	r.fenced = fenced;
	r.in_controlled_shutdown = shutdown;
	operation_record(op, META_BROKER_CHANGE, &r);
}

static void fence_broker(struct operation *op, const struct meta_broker *b)
{
	leaders_without(op, b->id);
	broker_change(op, b, FENCE, false);
}

static void unfence_broker(struct operation *op, const struct meta_broker *b)
{
	broker_change(op, b, UNFENCE, false);
	leaders_with(op, b->id);
}

/* --- registration --- */

static int64_t session_ms(const struct operation *op)
{
	return meta_config_int(op->c->image, op->c->settings->node.id, NULL,
			       "broker.session.timeout.ms");
}

static bool session_valid(const struct operation *op, const struct session *s)
{
	return s && s->seen_ms != INT64_MIN && op->now_ms - s->seen_ms < session_ms(op);
}

static bool same_directory(const struct meta_broker *b,
			   const struct broker_registration_request *in)
{
	for (int32_t i = 0; i < b->log_dirs_n; i++)
		for (int32_t j = 0; j < in->log_dirs_n; j++)
			if (uuid_same(&b->log_dirs[i], &in->log_dirs[j]))
				return true;
	return false;
}

static struct fault check_directories(struct operation *op,
				      const struct broker_registration_request *in)
{
	const struct meta_broker *b;
	size_t at = 0;

	if (in->log_dirs_n <= 0)
		return fault(op, WIRE_INVALID_REGISTRATION, "No directories specified in request");
	for (int32_t i = 0; i < in->log_dirs_n; i++) {
		if (!memcmp(in->log_dirs[i].b, uuid_zero.b, 15) && in->log_dirs[i].b[15] < 100)
			return fault(op, WIRE_INVALID_REGISTRATION,
				     "Reserved directory ID in request");
		for (int32_t j = 0; j < i; j++)
			if (uuid_same(&in->log_dirs[i], &in->log_dirs[j]))
				return fault(op, WIRE_INVALID_REGISTRATION,
					     "Duplicate directory ID in request");
	}
	while ((b = map_next(&op->c->image->brokers, &at)))
		if (b->id != in->broker_id && same_directory(b, in))
			return fault(
				op, WIRE_INVALID_REGISTRATION,
				"Broker %d is already registered with one of these directories",
				b->id);
	return GOOD;
}

/* Every finalized feature must be in the range that the broker supports; one it does not name it
 * supports at level 0. */
static struct fault check_features(struct operation *op,
				   const struct broker_registration_request *in)
{
	const struct meta_feature *f;
	size_t at = 0;
	bool metadata = false;

	for (int32_t i = 0; i < in->features_n; i++)
		metadata = metadata || span_is(in->features[i].name, "metadata.version");
	if (!metadata)
		return fault(op, WIRE_INVALID_REGISTRATION,
			     "Request features do not contain 'metadata.version'");
	while ((f = map_next(&op->c->image->features, &at))) {
		int16_t min = 0, max = 0;

		if (strcmp(f->name, "kraft.version") == 0)
			continue;
		for (int32_t i = 0; i < in->features_n; i++)
			if (span_is(in->features[i].name, f->name)) {
				min = in->features[i].min_supported_version;
				max = in->features[i].max_supported_version;
			}
		if (f->level < min || f->level > max)
			return fault(op, WIRE_UNSUPPORTED_VERSION,
				     "Unable to register because the broker does not support "
				     "finalized version %d of %s. The broker wants a version "
				     "between %d and %d, inclusive.",
				     f->level, f->name, min, max);
	}
	return GOOD;
}

static struct fault check_registration(struct operation *op,
				       const struct broker_registration_request *in,
				       const struct meta_broker *b)
{
	struct fault f = GOOD;

	if (!span_is(in->cluster_id, op->c->settings->node.cluster_id))
		return fault(op, WIRE_INCONSISTENT_CLUSTER_ID,
			     "Expected cluster ID %s, but got cluster ID %.*s",
			     op->c->settings->node.cluster_id, in->cluster_id.n, in->cluster_id.p);
	/* A broker that comes back with the directory of its predecessor shows that this one is
	 * dead. */
	if (b && !uuid_same(&b->incarnation, &in->incarnation_id) && !same_directory(b, in)
	    && session_valid(op, session_of(op->c, b->id)))
		return fault(op, WIRE_DUPLICATE_BROKER_REGISTRATION,
			     "Another broker is registered with that broker id. If "
			     "the broker was recently restarted this should self-resolve once the "
			     "heartbeat manager "
			     "expires the broker's session.");
	if (in->is_migrating_zk_broker)
		return fault(op, WIRE_BROKER_ID_NOT_REGISTERED,
			     "Controller does not support registering ZK brokers.");
	if (operation_level(op) >= 17)
		f = check_directories(op, in);
	/* Our own node obeys features that it does not know: what they add is not used. */
	if (!f.code && in->broker_id != op->c->settings->node.id)
		f = check_features(op, in);
	return f;
}

static void registration_record(struct operation *op, const struct broker_registration_request *in,
				const struct meta_broker *b, bool same, int64_t epoch)
{
	struct register_broker_record r;

	wire_init(&wire_register_broker_record, &r);
	r.broker_id = in->broker_id;
	r.incarnation_id = in->incarnation_id;
	r.broker_epoch = epoch;
	r.rack = in->rack;
	r.fenced = same ? b->fenced : true;
	r.in_controlled_shutdown = same && b->in_controlled_shutdown;
	r.end_points = arena_get(&op->arena, (size_t)in->listeners_n * sizeof *r.end_points + 1);
	r.features = arena_get(&op->arena, (size_t)in->features_n * sizeof *r.features + 1);
	if (!r.end_points || !r.features) {
		op->failed = true;
		return;
	}
	for (int32_t i = 0; i < in->listeners_n; i++) {
		wire_init(&wire_register_broker_record_broker_endpoint, &r.end_points[i]);
		r.end_points[i].name = in->listeners[i].name;
		r.end_points[i].host = in->listeners[i].host;
		r.end_points[i].port = in->listeners[i].port;
		r.end_points[i].security_protocol = in->listeners[i].security_protocol;
	}
	for (int32_t i = 0; i < in->features_n; i++) {
		wire_init(&wire_register_broker_record_broker_feature, &r.features[i]);
		r.features[i].name = in->features[i].name;
		r.features[i].min_supported_version = in->features[i].min_supported_version;
		r.features[i].max_supported_version = in->features[i].max_supported_version;
	}
	r.end_points_n = in->listeners_n;
	r.features_n = in->features_n;
	if (operation_level(op) >= 17) {
		r.log_dirs = in->log_dirs;
		r.log_dirs_n = in->log_dirs_n;
	}
	operation_record(op, META_REGISTER_BROKER, &r);
}

/* Does the registration say nothing that b does not say? Then an amended one needs no record. */
static bool nothing_new(const struct meta_broker *b, const struct broker_registration_request *in)
{
	if (b->endpoints_n != in->listeners_n || b->features_n != in->features_n
	    || b->log_dirs_n != in->log_dirs_n || !span_same(span_of(b->rack), in->rack))
		return false;
	for (int32_t i = 0; i < in->listeners_n; i++)
		if (!span_is(in->listeners[i].name, b->endpoints[i].name)
		    || in->listeners[i].port != b->endpoints[i].port
		    || !span_is(in->listeners[i].host, b->endpoints[i].host)
		    || in->listeners[i].security_protocol != b->endpoints[i].security_protocol)
			return false;
	for (int32_t i = 0; i < in->features_n; i++)
		if (!span_is(in->features[i].name, b->features[i].name)
		    || in->features[i].min_supported_version != b->features[i].min
		    || in->features[i].max_supported_version != b->features[i].max)
			return false;
	for (int32_t i = 0; i < in->log_dirs_n; i++)
		if (!uuid_same(&in->log_dirs[i], &b->log_dirs[i]))
			return false;
	return true;
}

void register_broker(struct operation *op, const struct wire_request *q, const void *request,
		     void *response)
{
	const struct broker_registration_request *in = request;
	struct broker_registration_response *out = response;
	const struct meta_broker *b = meta_broker(op->c->image, in->broker_id);
	bool same = b && uuid_same(&b->incarnation, &in->incarnation_id);
	struct fault f = check_registration(op, in, b);
	struct session *s = session_of(op->c, in->broker_id);
	int64_t epoch;

	op->timeout_ms = 0; /* no client reads what it wrote here */
	out->error_code = f.code;
	if (!f.code && !s)
		out->error_code = WIRE_POLICY_VIOLATION;
	if (out->error_code)
		return;
	/* The epoch is the offset of the registration itself, which is the last record: what cleans
	 * up after the predecessor comes before it. */
	if (same) {
		epoch = b->epoch;
		if (!nothing_new(b, in))
			registration_record(op, in, b, true, epoch);
	} else {
		if (b)
			leaders_without(op, in->broker_id);
		epoch = op->offset + op->values_n;
		registration_record(op, in, b, false, epoch);
		*s = (struct session){ .id = in->broker_id, .offset = -1, .shutdown_offset = -1 };
	}
	s->epoch = epoch;
	s->seen_ms = op->now_ms;
	out->broker_epoch = epoch;
}

/* --- heartbeats --- */

/* The lowest offset that a broker with a session has applied: others may still send clients to what
 * is below. */
static int64_t lowest_offset(const struct operation *op)
{
	int64_t low = INT64_MAX;

	for (int i = 0; i < op->c->sessions_n; i++) {
		const struct session *s = &op->c->sessions[i];

		if (broker_is_active(op->c, s->id) && s->offset < low)
			low = s->offset;
	}
	return low;
}

static void heartbeat(struct operation *op, const struct broker_heartbeat_request *in,
		      const struct meta_broker *b, struct session *s,
		      struct broker_heartbeat_response *out)
{
	bool fenced = b->fenced, leads;

	out->is_caught_up = in->current_metadata_offset >= b->epoch;
	if (fenced) {
		out->should_shut_down = in->want_shut_down;
		if (!in->want_shut_down && !in->want_fence && out->is_caught_up) {
			unfence_broker(op, b);
			fenced = false;
		}
	} else if (in->want_fence) {
		fence_broker(op, b);
		fenced = true;
		out->should_shut_down = in->want_shut_down;
	} else if (in->want_shut_down) {
		leads = leaders_any(op->c, b->id);
		if (leads && !b->in_controlled_shutdown) {
			broker_change(op, b, 0, true);
			leaders_without(op, b->id);
			s->shutdown_offset = op->offset + op->values_n - 1;
		} else if (!leads && s->shutdown_offset <= lowest_offset(op)) {
			fence_broker(op, b);
			fenced = true;
			out->should_shut_down = true;
		}
	}
	out->is_fenced = fenced;
}

void broker_heartbeat(struct operation *op, const struct wire_request *q, const void *request,
		      void *response)
{
	const struct broker_heartbeat_request *in = request;
	struct broker_heartbeat_response *out = response;
	struct fault f = broker_epoch_fault(op, in->broker_id, in->broker_epoch);
	struct session *s = session_of(op->c, in->broker_id);

	op->timeout_ms = 0;
	if (!f.code && !s)
		f.code = WIRE_POLICY_VIOLATION;
	out->error_code = f.code;
	if (f.code)
		return;
	heartbeat(op, in, meta_broker(op->c->image, in->broker_id), s, out);
	s->epoch = in->broker_epoch;
	s->seen_ms = op->now_ms;
	s->offset = in->current_metadata_offset;
}

void brokers_expire(struct operation *op, int64_t session_timeout_ms)
{
	const struct meta_broker *b;
	size_t at = 0;

	while ((b = map_next(&op->c->image->brokers, &at))) {
		struct session *s = session_of(op->c, b->id);

		if (b->id == op->c->settings->node.id || b->fenced || !s)
			continue;
		if (s->seen_ms == INT64_MIN)
			s->seen_ms = op->now_ms; /* a new controller gives each a whole session */
		else if (op->now_ms - s->seen_ms >= session_timeout_ms) {
			fence_broker(op, b);
			return; /* one at a time: the next is judged by what this one changed */
		}
	}
}
