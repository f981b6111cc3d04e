/* BrokerHeartbeat, sessions and their end (BrokerHeartbeatManager). */
#include <string.h>

#include "controller.h"
#include "meta/config.h"
#include "meta/record.h"
#include "wire/codes.h"

enum { FENCE = 1, UNFENCE = -1 };
enum { GRACE_MS = 200 }; /* after a connection closed: a restarted elect is heard within it */

static struct session *find(const struct controller *c, int32_t id)
{
	for (int i = 0; i < c->sessions_n; i++)
		if (c->sessions[i].id == id)
			return (struct session *)&c->sessions[i];
	return NULL;
}

void session_begin(struct session *s, int32_t id)
{
	*s = (struct session){ .id = id,
			       .epoch = -1,
			       .seen_ms = INT64_MIN,
			       .lost_ms = INT64_MAX,
			       .offset = -1,
			       .shutdown_offset = -1 };
}

struct session *session_of(struct controller *c, int32_t id)
{
	struct session *s = find(c, id);

	if (s || c->sessions_n == SESSIONS_MAX)
		return s;
	s = &c->sessions[c->sessions_n++];
	session_begin(s, id);
	return s;
}

void session_forget(struct controller *c, int32_t id)
{
	struct session *s = find(c, id);

	if (s)
		*s = c->sessions[--c->sessions_n];
}

void session_heard(struct session *s, int64_t now_ms)
{
	s->seen_ms = now_ms;
	s->lost_ms = INT64_MAX;
}

bool session_is_valid(const struct operation *op, int32_t id)
{
	const struct session *s = find(op->c, id);
	int64_t ms = meta_config_int(op->c->image, op->c->settings->node.id, NULL,
				     "broker.session.timeout.ms");

	return s && s->seen_ms != INT64_MIN && op->now_ms - s->seen_ms < ms;
}

void controller_activated(struct controller *c, int64_t now_ms)
{
	const struct meta_broker *b;
	size_t at = 0;

	c->sessions_n = 0;
	c->preferred_ms = c->unclean_ms = 0;
	while ((b = map_next(&c->image->brokers, &at))) {
		struct session *s = session_of(c, b->id);

		if (s)
			session_heard(s, now_ms);
	}
}

void broker_lost(struct controller *c, int32_t id, int64_t now_ms)
{
	struct session *s = find(c, id);

	if (s && now_ms < s->lost_ms)
		s->lost_ms = now_ms;
}

/* --- fencing --- */

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

static void shut_broker(struct operation *op, const struct meta_broker *b)
{
	if (!b->in_controlled_shutdown)
		broker_change(op, b, 0, true);
	leaders_without(op, b->id);
}

/* --- heartbeats --- */

enum state { FENCED, UNFENCED, CONTROLLED_SHUTDOWN, SHUTDOWN_NOW };

/* The lowest offset that a broker which clients may be sent to has applied: it may still send them
 * to what is below. */
static int64_t lowest_offset(const struct operation *op)
{
	const struct meta_broker *b;
	int64_t low = INT64_MAX;
	size_t at = 0;

	while ((b = map_next(&op->c->image->brokers, &at))) {
		const struct session *s = find(op->c, b->id);
		int64_t offset = s ? s->offset : -1;

		if (!b->fenced && !(s && s->shutdown_offset >= 0) && offset < low)
			low = offset;
	}
	return low;
}

/* What the broker is to be; what it is, is FENCED, UNFENCED or CONTROLLED_SHUTDOWN. */
static enum state next_state(const struct operation *op,
			     const struct broker_heartbeat_request *in,
			     const struct meta_broker *b, const struct session *s, enum state now)
{
	switch (now) {
	case FENCED:
		if (in->want_shut_down)
			return SHUTDOWN_NOW;
		return !in->want_fence && in->current_metadata_offset >= b->epoch ? UNFENCED
										  : FENCED;
	case UNFENCED:
		if (in->want_fence)
			return in->want_shut_down ? SHUTDOWN_NOW : FENCED;
		if (in->want_shut_down)
			return leaders_any(op->c, b->id) ? CONTROLLED_SHUTDOWN : SHUTDOWN_NOW;
		return UNFENCED;
	default:
		return !leaders_any(op->c, b->id) && s->shutdown_offset <= lowest_offset(op)
			       ? SHUTDOWN_NOW
			       : CONTROLLED_SHUTDOWN;
	}
}

static void heartbeat(struct operation *op, const struct broker_heartbeat_request *in,
		      const struct meta_broker *b, struct session *s,
		      struct broker_heartbeat_response *out)
{
	/* That it shuts down counts when the log has it: the records may have found no room. */
	enum state now = b->fenced ? FENCED
			 : s->shutdown_offset >= 0 && b->in_controlled_shutdown ? CONTROLLED_SHUTDOWN
										: UNFENCED,
		   next = next_state(op, in, b, s, now);

	if (next != now)
		switch (next) {
		case UNFENCED: unfence_broker(op, b); break;
		case CONTROLLED_SHUTDOWN: shut_broker(op, b); break;
		default: fence_broker(op, b);
		}
	if (next != CONTROLLED_SHUTDOWN)
		s->shutdown_offset = -1;
	else if (next != now)
		s->shutdown_offset = op->offset + op->values_n - 1;
	out->is_caught_up = in->current_metadata_offset >= b->epoch;
	out->is_fenced = next == FENCED || next == SHUTDOWN_NOW;
	out->should_shut_down = next == SHUTDOWN_NOW;
}

void broker_heartbeat(struct operation *op, const struct wire_request *q, const void *request,
		      void *response)
{
	const struct broker_heartbeat_request *in = request;
	struct broker_heartbeat_response *out = response;
	struct fault f = broker_epoch_fault(op, in->broker_id, in->broker_epoch);
	struct session *s = f.code ? NULL : session_of(op->c, in->broker_id);
	const struct meta_broker *b = meta_broker(op->c->image, in->broker_id);

	op->timeout_ms = 0;
	if (!f.code && !s)
		f.code = WIRE_POLICY_VIOLATION;
	out->error_code = f.code;
	if (f.code)
		return;
	heartbeat(op, in, b, s, out);
	directories_offline(op, b, in->offline_log_dirs, in->offline_log_dirs_n);
	directories_cordoned(op, b, in->cordoned_log_dirs, in->cordoned_log_dirs_n);
	s->epoch = in->broker_epoch;
	s->offset = in->current_metadata_offset;
	session_heard(s, op->now_ms);
}

int64_t brokers_expire(struct operation *op, int64_t session_timeout_ms)
{
	const struct meta_broker *b;
	int64_t due = INT64_MAX;
	size_t at = 0;

	while ((b = map_next(&op->c->image->brokers, &at))) {
		struct session *s = session_of(op->c, b->id);
		int64_t end;

		if (b->id == op->c->settings->node.id || b->fenced || !s)
			continue;
		if (s->seen_ms == INT64_MIN)
			s->seen_ms = op->now_ms;
		end = s->seen_ms + session_timeout_ms;
		if (s->lost_ms != INT64_MAX && s->lost_ms + GRACE_MS < end)
			end = s->lost_ms + GRACE_MS;
		if (op->now_ms >= end) {
			s->shutdown_offset = -1;
			fence_broker(op, b);
			return op->now_ms; /* the next is judged by what this one changed */
		}
		if (end < due)
			due = end;
	}
	return due;
}
