/* BrokerRegistration, UnregisterBroker (ClusterControlManager). */
#include <string.h>

#include "base/planted.h"
#include "meta/record.h"
#include "partition_change.h"
#include "wire/codes.h"

enum { PREVIOUS_EPOCH = 3 }; /* the request's version that has PreviousBrokerEpoch */

bool broker_is_active(const struct controller *c, int32_t id)
{
	const struct meta_broker *b = meta_broker(c->image, id);

	return b && !b->fenced && !b->in_controlled_shutdown;
}

bool broker_takes_replicas(const struct meta_broker *b)
{
	int32_t n = 0;

	if (b->log_dirs_n == 0 || b->cordoned_n < 0)
		return true;
	for (int32_t i = 0; i < b->log_dirs_n; i++) {
		bool cordoned = false;

		for (int32_t j = 0; j < b->cordoned_n; j++)
			cordoned = cordoned || uuid_same(&b->log_dirs[i], &b->cordoned[j]);
		n += !cordoned;
	}
	return n > 0;
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
	    && session_is_valid(op, b->id))
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

/* What the predecessor was in sync with, this one is not yet. That it knows whom it follows shows
 * that it stopped in order; else it may have lost something (KIP-966). */
static void clean_up(struct operation *op, const struct broker_registration_request *in,
		     const struct meta_broker *b, bool can_tell)
{
	bool in_order = can_tell && b && b->epoch == in->previous_broker_epoch;

	if (PLANTED(UNCLEAN_STAYS_IN_ISR))
		return;
	if (elr_enabled(op) && !in_order && !PLANTED(UNCLEAN_STAYS_ELIGIBLE))
		leaders_without_lost(op, in->broker_id);
	else
		leaders_without(op, in->broker_id);
}

void register_broker(struct operation *op, const struct wire_request *q, const void *request,
		     void *response)
{
	const struct broker_registration_request *in = request;
	struct broker_registration_response *out = response;
	const struct meta_broker *b = meta_broker(op->c->image, in->broker_id);
	bool same = b && uuid_same(&b->incarnation, &in->incarnation_id);
	struct fault f = check_registration(op, in, b);
	struct session *s = f.code ? NULL : session_of(op->c, in->broker_id);
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
		bool was_leaving = b->in_controlled_shutdown;

		epoch = b->epoch;
		if (!nothing_new(b, in) || was_leaving)
			registration_record(op, in, b, true, epoch);
		/* Its elect was started anew: it does not want to stop any more. */
		if (was_leaving) {
			s->shutdown_offset = -1;
			if (!b->fenced)
				leaders_with(op, in->broker_id);
		}
	} else {
		clean_up(op, in, b, !q || q->version >= PREVIOUS_EPOCH);
		epoch = op->offset + op->values_n;
		registration_record(op, in, b, false, epoch);
		session_begin(s, in->broker_id);
	}
	/* The session begins with the first heartbeat. */
	s->epoch = epoch;
	s->lost_ms = INT64_MAX;
	out->broker_epoch = epoch;
}

void unregister_broker(struct operation *op, const struct wire_request *q, const void *request,
		       void *response)
{
	const struct unregister_broker_request *in = request;
	struct unregister_broker_response *out = response;
	const struct meta_broker *b = meta_broker(op->c->image, in->broker_id);
	struct unregister_broker_record r;
	struct fault f;

	if (!b) {
		f = fault(op, WIRE_BROKER_ID_NOT_REGISTERED,
			  "Broker ID %d is not currently registered", in->broker_id);
		out->error_code = f.code;
		out->error_message = f.message;
		return;
	}
	leaders_without_for_ever(op, b->id);
	wire_init(&wire_unregister_broker_record, &r);
	r.broker_id = b->id;
	r.broker_epoch = b->epoch;
	operation_record(op, META_UNREGISTER_BROKER, &r);
	session_forget(op->c, b->id);
}
