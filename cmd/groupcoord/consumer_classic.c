/* Members of a consumer group that speak the classic protocol: their JoinGroup, SyncGroup,
 * Heartbeat and LeaveGroup (Kafka's classicGroup...ToConsumerGroup). Each JoinGroup leads the
 * member one step further to its target, as a heartbeat does those of the consumer protocol; its
 * generation is its epoch, and it is asked to join again by REBALANCE_IN_PROGRESS. */
#include <string.h>

#include "classic.h"
#include "consumer.h"
#include "consumer_said.h"
#include "migrate.h"

struct call {
	struct groups *gs;
	struct step *s;
	struct group *g;
	struct consumer *c;
	const struct asker *who;
};

static const struct consumer_group_member_metadata_value_classic_member_metadata *classic_part(
	const struct consumer_member *m)
{
	return m->said.classic_member_metadata;
}

/* Kafka's validateConsumerGroupMember, throwIfMemberDoesNotUseClassicProtocol */
static int member_fault(const struct consumer *c, struct span id, struct span instance,
                        struct consumer_member **m)
{
	*m = instance.n < 0 ? consumer_member_of(c, id) : consumer_static_of(c, instance);
	if (!*m)
		return WIRE_UNKNOWN_MEMBER_ID;
	if (instance.n >= 0 && !span_same((*m)->id, id))
		return WIRE_FENCED_INSTANCE_ID;
	return consumer_member_classic(*m) ? WIRE_NONE : WIRE_UNKNOWN_MEMBER_ID;
}

/* --- JoinGroup --- */

/* How many members can do it: all who speak the classic protocol must. */
static bool supported(const struct consumer *c, struct span name)
{
	const struct consumer_member *m;
	for (size_t at = 0; (m = map_next(&c->members, &at));) {
		bool can = !consumer_member_classic(m);
		for (int32_t i = 0; !can && i < classic_part(m)->supported_protocols_n; i++)
			can = span_same(classic_part(m)->supported_protocols[i].name, name);
		if (!can)
			return false;
	}
	return true;
}

static bool any_supported(const struct consumer *c, const struct join_group_request *in)
{
	for (int32_t i = 0; i < in->protocols_n; i++)
		if (supported(c, in->protocols[i].name))
			return true;
	return false;
}

static int join_fault(struct call *k, const struct join_group_request *in,
                      struct consumer_protocol_subscription *subscription)
{
	struct consumer_member *known = consumer_static_of(k->c, in->group_instance_id);
	bool unknown = in->member_id.n <= 0;
	if (!migrate_up_allowed(k->s) && !migrate_down_allowed(k->s))
		return WIRE_INCONSISTENT_GROUP_PROTOCOL;
	if (!known && k->c->members.n >= (size_t)k->s->settings->consumer_max_size &&
	    !consumer_member_of(k->c, in->member_id))
		return WIRE_GROUP_MAX_SIZE_REACHED;
	if (!span_is(in->protocol_type, "consumer") || !any_supported(k->c, in))
		return WIRE_INCONSISTENT_GROUP_PROTOCOL;
	if (unknown && in->group_instance_id.n < 0 && k->who->version >= 4)
		return WIRE_MEMBER_ID_REQUIRED;
	if (!unknown && in->group_instance_id.n >= 0 && !known)
		return WIRE_UNKNOWN_MEMBER_ID;
	if (!unknown && known && !span_same(known->id, in->member_id))
		return WIRE_FENCED_INSTANCE_ID;
	if (migrate_subscription(k->s, in->protocols[0].metadata, subscription) < 0)
		return WIRE_INCONSISTENT_GROUP_PROTOCOL;
	return WIRE_NONE;
}

static void say(struct call *k, const struct consumer_member *m,
                const struct join_group_request *in,
                const struct consumer_protocol_subscription *subscription,
                struct consumer_group_member_metadata_value *v)
{
	struct consumer_group_member_metadata_value_classic_member_metadata *c =
		step_take(k->s, 1, sizeof *c);
	c->session_timeout_ms = in->session_timeout_ms;
	c->supported_protocols_n = in->protocols_n;
	c->supported_protocols =
		step_take(k->s, (size_t)in->protocols_n, sizeof *c->supported_protocols);
	for (int32_t i = 0; i < in->protocols_n; i++) {
		c->supported_protocols[i].name = in->protocols[i].name;
		c->supported_protocols[i].metadata = in->protocols[i].metadata;
	}
	*v = m->said;
	v->classic_member_metadata = c;
	if (in->group_instance_id.n >= 0)
		v->instance_id = in->group_instance_id;
	if (subscription->rack_id.n > 0)
		v->rack_id = subscription->rack_id;
	if (in->rebalance_timeout_ms != -1)
		v->rebalance_timeout_ms = in->rebalance_timeout_ms;
	v->subscribed_topic_regex = span_of("");
	v->subscribed_topic_names = subscription->topics;
	v->subscribed_topic_names_n =
		consumer_names_sort(subscription->topics, subscription->topics_n);
	v->client_id = k->who->client_id.n < 0 ? span_of("") : k->who->client_id;
	v->client_host = consumer_host(k->s, k->who);
}

static void joined(struct call *k, struct span member, int32_t epoch,
                   const struct join_group_request *in)
{
	struct join_group_response r;
	wire_init(&wire_join_group_response, &r);
	r.member_id = member;
	r.generation_id = epoch;
	r.protocol_type = span_of("consumer");
	r.protocol_name = in->protocols[0].name;
	r.leader = span_of("");
	step_answer(k->s, k->who, k->g->partition, &wire_join_group_response, &r);
}

/* The last of the other protocol is replaced by one of this: the group is classic from now on. Its
 * generation is the epoch from before, which members may still have: they join again, and
 * keep what they read until then. */
static void join_and_go_down(struct call *k, struct consumer_member *m,
                             const struct join_group_request *in, bool changed,
                             const struct parts *owned, int32_t before)
{
	struct span id = step_copy(k->s, m->id);
	bool behind = k->c->assignment_epoch < k->c->epoch;
	k->c->epoch = before;
	if (!behind)
		consumer_reconcile(k->gs, k->s, k->c, m, changed, owned);
	int32_t epoch = m->epoch;
	migrate_down(k->gs, k->s, k->g, NULL, 0, behind ? "had a stale assignment" : NULL);
	joined(k, id, epoch, in);
}

static bool last_of_its_kind(const struct call *k)
{
	return (size_t)k->c->classic_members == k->c->members.n - 1 &&
	       migrate_down_allowed(k->s) &&
	       k->c->members.n <= (size_t)k->s->settings->max_size;
}

static void join(struct call *k, const struct join_group_request *in)
{
	struct consumer_protocol_subscription subscription;
	struct consumer_group_member_metadata_value said;
	struct span id = in->member_id.n > 0 ? in->member_id : consumer_new_id(k->s);
	int error = join_fault(k, in, &subscription);
	if (error) {
		classic_fail_join(k->s, k->g->partition, k->who,
		                  error == WIRE_MEMBER_ID_REQUIRED ? id : in->member_id, error);
		return;
	}
	struct consumer_member *m = consumer_static_of(k->c, in->group_instance_id);
	bool down = m && !consumer_member_classic(m) && last_of_its_kind(k);
	bool is_new = !m && !consumer_member_of(k->c, id);
	int32_t before = k->c->epoch;
	if (m && in->member_id.n <= 0)
		m = consumer_rename(k->gs, k->s, k->c, m, id);
	else if (!m)
		m = consumer_member_get(k->c, id);
	say(k, m, in, &subscription, &said);
	bool changed = consumer_update(k->s, k->c, m, &said, is_new);
	struct parts owned = migrate_owned(k->s, &subscription);
	if (down) {
		join_and_go_down(k, m, in, changed, &owned, before);
		return;
	}
	consumer_assign(k->s, k->c);
	consumer_reconcile(k->gs, k->s, k->c, m, changed, &owned);
	consumer_session_start(k->gs, k->s, m);
	consumer_joined(k->gs, k->s, m, in->rebalance_timeout_ms);
	joined(k, m->id, m->epoch, in);
}

/* --- SyncGroup --- */

static bool other(struct span said, struct span is)
{
	return said.n >= 0 && !span_same(said, is);
}

static int sync_fault(struct call *k, const struct sync_group_request *in,
                      struct consumer_member **m)
{
	int error = member_fault(k->c, in->member_id, in->group_instance_id, m);
	if (error)
		return error;
	if ((*m)->epoch != in->generation_id)
		return WIRE_ILLEGAL_GENERATION;
	if (other(in->protocol_type, span_of("consumer")) ||
	    other(in->protocol_name, classic_part(*m)->supported_protocols[0].name))
		return WIRE_INCONSISTENT_GROUP_PROTOCOL;
	/* One who gives back has joined already: it finishes that first. */
	if (k->c->assignment_epoch > (*m)->epoch && (*m)->state != MEMBER_UNREVOKED) {
		consumer_join_wanted(k->gs, k->s, *m);
		return WIRE_REBALANCE_IN_PROGRESS;
	}
	return WIRE_NONE;
}

static void sync(struct call *k, const struct sync_group_request *in)
{
	struct sync_group_response r;
	struct consumer_member *m;
	wire_init(&wire_sync_group_response, &r);
	r.error_code = (int16_t)sync_fault(k, in, &m);
	if (!r.error_code) {
		consumer_synced(k->gs, m);
		consumer_session_start(k->gs, k->s, m);
		r.protocol_type = in->protocol_type;
		r.protocol_name = in->protocol_name;
		r.assignment = migrate_encode(k->s, &m->assigned,
		                              classic_part(m)->supported_protocols[0].metadata);
	}
	step_answer(k->s, k->who, k->g->partition, &wire_sync_group_response, &r);
}

/* --- Heartbeat --- */

/* Something of its target is still another's. */
static bool waits(struct step *s, const struct consumer *c, const struct consumer_member *m)
{
	struct parts lacks = parts_less(s, consumer_target_of(c, m->id), &m->assigned);
	for (int32_t i = 0; i < lacks.n; i++)
		if (consumer_owned(c, lacks.v + i))
			return true;
	return false;
}

static void heartbeat(struct call *k, const struct heartbeat_request *in)
{
	struct heartbeat_response r;
	struct consumer_member *m;
	wire_init(&wire_heartbeat_response, &r);
	r.error_code = (int16_t)member_fault(k->c, in->member_id, in->group_instance_id, &m);
	if (!r.error_code && m->epoch != in->generation_id)
		r.error_code = WIRE_ILLEGAL_GENERATION;
	if (!r.error_code) {
		consumer_session_start(k->gs, k->s, m);
		if (m->epoch < k->c->assignment_epoch || m->state == MEMBER_UNREVOKED ||
		    (m->state == MEMBER_UNRELEASED && !waits(k->s, k->c, m))) {
			r.error_code = WIRE_REBALANCE_IN_PROGRESS;
			consumer_join_wanted(k->gs, k->s, m);
		}
	}
	step_answer(k->s, k->who, k->g->partition, &wire_heartbeat_response, &r);
}

/* --- LeaveGroup --- */

typedef struct leave_group_request_member_identity identity;
typedef struct leave_group_response_member_response outcome;

static int leaving(const struct consumer *c, const identity *who, struct consumer_member **m)
{
	if (who->group_instance_id.n < 0) {
		*m = consumer_member_of(c, who->member_id);
		return *m ? WIRE_NONE : WIRE_UNKNOWN_MEMBER_ID;
	}
	*m = consumer_static_of(c, who->group_instance_id);
	if (!*m)
		return WIRE_UNKNOWN_MEMBER_ID;
	return who->member_id.n > 0 && !span_same((*m)->id, who->member_id)
	       ? WIRE_FENCED_INSTANCE_ID : WIRE_NONE;
}

static void leave(struct call *k, const struct leave_group_request *in)
{
	identity one = {.member_id = in->member_id, .group_instance_id = SPAN_NULL,
	                .reason = SPAN_NULL};
	bool old = k->who->version < 3;
	const identity *v = old ? &one : in->members;
	int32_t n = old ? 1 : in->members_n, m_n = 0;
	struct consumer_member **m = step_take(k->s, (size_t)n, sizeof *m);
	outcome *out = step_take(k->s, (size_t)n, sizeof *out);
	struct leave_group_response r;
	for (int32_t i = 0; i < n; i++) {
		bool twice = false;
		wire_init(&wire_leave_group_response_member_response, out + i);
		out[i].member_id = v[i].member_id;
		out[i].group_instance_id = v[i].group_instance_id;
		out[i].error_code = (int16_t)leaving(k->c, v + i, m + m_n);
		for (int32_t j = 0; j < m_n; j++)
			twice |= m[j] == m[m_n];
		m_n += !out[i].error_code && !twice;
	}
	consumer_remove(k->gs, k->s, k->g, m, m_n);
	wire_init(&wire_leave_group_response, &r);
	if (old)
		r.error_code = out[0].error_code;
	else {
		r.members = out;
		r.members_n = n;
	}
	step_answer(k->s, k->who, k->g->partition, &wire_leave_group_response, &r);
}

void consumer_classic(struct groups *gs, struct step *s, struct group *g, const struct asker *who,
                      const void *in)
{
	struct call k = {gs, s, g, consumer_of(g), who};
	switch (who->key) {
	case 11:
		return join(&k, in);
	case 12:
		return heartbeat(&k, in);
	case 13:
		return leave(&k, in);
	case 14:
		return sync(&k, in);
	}
}
