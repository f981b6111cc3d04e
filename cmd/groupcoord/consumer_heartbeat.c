/* ConsumerGroupHeartbeat. */
#include <stdlib.h>
#include <string.h>

#include "consumer.h"
#include "consumer_said.h"
#include "migrate.h"
#include "regex.h"

typedef struct consumer_group_heartbeat_request request;
typedef struct consumer_group_heartbeat_response response;

struct beat {
	struct groups *gs;
	struct step *s;
	const struct asker *who;
	const request *in;
	struct span member_id;
	struct parts *owned;            /* NULL: not said */
};
struct fault {
	int error;
	struct span words;
};

static const struct fault none;

static void answer(struct beat *b, const response *out)
{
	step_answer(b->s, b->who, b->s->partition, &wire_consumer_group_heartbeat_response, out);
}

static void refuse(struct beat *b, struct fault f)
{
	response out;
	wire_init(&wire_consumer_group_heartbeat_response, &out);
	out.error_code = (int16_t)f.error;
	out.error_message = f.words;
	answer(b, &out);
}

/* --- the request (Kafka's throwIfConsumerGroupHeartbeatRequestIsInvalid) --- */

static bool blank(struct span text)
{
	for (int32_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] > ' ')
			return false;
	return text.n >= 0;
}

static struct fault joining_fault(const request *in)
{
	if (in->rebalance_timeout_ms == -1)
		return (struct fault){WIRE_INVALID_REQUEST, span_of(
			"RebalanceTimeoutMs must be provided in first request.")};
	if (in->topic_partitions_n != 0)
		return (struct fault){WIRE_INVALID_REQUEST, span_of(
			"TopicPartitions must be empty when (re-)joining.")};
	if (in->subscribed_topic_names_n < 0 && in->subscribed_topic_regex.n < 0)
		return (struct fault){WIRE_INVALID_REQUEST, span_of(
			"Either SubscribedTopicNames or SubscribedTopicRegex must be non-null "
			"when (re-)joining.")};
	return none;
}

static struct fault request_fault(struct beat *b)
{
	const request *in = b->in;
	bool has_id = b->who->version >= 1 || in->member_epoch > 0 ||
	              in->member_epoch == CONSUMER_LEAVES;
	if (!consumer_protocol_on(b->s))
		return (struct fault){WIRE_UNSUPPORTED_VERSION, SPAN_NULL};
	const char *empty = has_id && blank(in->member_id) ? "MemberId"
	                  : blank(in->group_id) ? "GroupId"
	                  : blank(in->instance_id) ? "InstanceId"
	                  : blank(in->rack_id) ? "RackId" : NULL;
	struct fault f = none;
	if (empty)
		return (struct fault){WIRE_INVALID_REQUEST,
		                      step_format(b->s, "%s can't be empty.", empty)};
	if (in->member_epoch == 0)
		f = joining_fault(in);
	else if (in->member_epoch == CONSUMER_LEAVES_FOR_NOW && in->instance_id.n < 0)
		f = (struct fault){WIRE_INVALID_REQUEST, span_of("InstanceId can't be null.")};
	else if (in->member_epoch < CONSUMER_LEAVES_FOR_NOW)
		f = (struct fault){WIRE_INVALID_REQUEST, span_of("MemberEpoch is invalid.")};
	if (!f.error && in->server_assignor.n >= 0 &&
	    !consumer_assignor_known(b->s, in->server_assignor))
		f = (struct fault){WIRE_UNSUPPORTED_ASSIGNOR, step_format(b->s,
			"ServerAssignor %.*s is not supported. Supported assignors: %s.",
			in->server_assignor.n, in->server_assignor.p,
			b->s->settings->consumer_assignors)};
	return f;
}

/* One that the group has is known to be good. */
static struct fault regex_fault(struct beat *b, const struct group *g)
{
	char why[256];
	struct regex *re;
	struct span text = b->in->subscribed_topic_regex;
	if (text.n <= 0 || (consumer_is(g) && consumer_regex_of(consumer_of(g), text)))
		return none;
	re = regex_new(text.p, (size_t)text.n, why, sizeof why);
	if (!re)
		return (struct fault){WIRE_INVALID_REGULAR_EXPRESSION, step_format(b->s,
			"SubscribedTopicRegex `%.*s` is not a valid regular expression: %s.",
			text.n, text.p, why)};
	regex_free(re);
	return none;
}

/* --- the member --- */

static struct fault epoch_fault(struct beat *b, const struct consumer_member *m)
{
	int32_t epoch = b->in->member_epoch;
	if (epoch == 0 || epoch == m->epoch)
		return none;
	/* An answer with a new epoch may have been lost. */
	if (epoch < m->epoch && epoch == m->previous_epoch && b->owned &&
	    parts_less(b->s, b->owned, &m->assigned).n == 0)
		return none;
	return (struct fault){WIRE_FENCED_MEMBER_EPOCH, step_format(b->s,
		"The consumer group member has a %s member epoch (%d) than the one known by the "
		"group coordinator (%d). The member must abandon all its partitions and rejoin.",
		epoch > m->epoch ? "greater" : "smaller", epoch, m->epoch)};
}

static struct fault unknown_member(struct beat *b, struct span group)
{
	return (struct fault){WIRE_UNKNOWN_MEMBER_ID, step_format(b->s,
		"Member %.*s is not a member of group %.*s.", b->member_id.n, b->member_id.p,
		group.n, group.p)};
}

static struct fault instance_fault(struct beat *b, const struct consumer_member *m)
{
	struct span instance = b->in->instance_id;
	if (!m)
		return (struct fault){WIRE_UNKNOWN_MEMBER_ID, step_format(b->s,
			"Instance id %.*s is unknown.", instance.n, instance.p)};
	if (!span_same(m->id, b->member_id))
		return (struct fault){WIRE_FENCED_INSTANCE_ID, step_format(b->s,
			"Static member %.*s with instance id %.*s was fenced by member %.*s.",
			b->member_id.n, b->member_id.p, instance.n, instance.p, m->id.n, m->id.p)};
	return none;
}

/* Who joins under an instance id takes the place of one who has left it, or who speaks the classic
 * protocol. */
static struct fault joining_static_fault(struct beat *b, const struct consumer_member *m)
{
	struct span instance = b->in->instance_id;
	if (!m || m->epoch == CONSUMER_LEAVES_FOR_NOW || consumer_member_classic(m))
		return none;
	return (struct fault){WIRE_UNRELEASED_INSTANCE_ID, step_format(b->s,
		"Static member %.*s with instance id %.*s cannot join the group because the "
		"instance id is owned by %.*s member.", b->member_id.n, b->member_id.p,
		instance.n, instance.p, m->id.n, m->id.p)};
}

static struct fault unknown_state_fault(struct beat *b, const struct consumer_member *m)
{
	if (m->state != MEMBER_UNKNOWN || (b->owned && b->owned->n == 0))
		return none;
	return (struct fault){WIRE_FENCED_MEMBER_EPOCH, span_of(
		"The consumer group member is in a unknown state. The member must abandon all its "
		"partitions and rejoin.")};
}

static struct fault member_fault(struct beat *b, const struct consumer *c)
{
	struct span instance = b->in->instance_id;
	struct consumer_member *m = instance.n < 0 ? consumer_member_of(c, b->member_id)
	                                           : consumer_static_of(c, instance);
	struct fault f = none;
	if (b->in->member_epoch == 0)
		return instance.n < 0 ? none : joining_static_fault(b, m);
	if (instance.n >= 0)
		f = instance_fault(b, m);
	else if (!m)
		f = unknown_member(b, c->group->id);
	if (!f.error)
		f = epoch_fault(b, m);
	return f.error ? f : unknown_state_fault(b, m);
}

static struct fault full_fault(struct beat *b, size_t members, bool there)
{
	if (there || members < (size_t)b->s->settings->consumer_max_size)
		return none;
	return (struct fault){WIRE_GROUP_MAX_SIZE_REACHED, step_format(b->s,
		"The consumer group has reached its maximum capacity of %d members.",
		b->s->settings->consumer_max_size)};
}

/* --- the group --- */

static struct fault no_group(struct beat *b, const char *what)
{
	return (struct fault){WIRE_GROUP_ID_NOT_FOUND, step_format(b->s, "%s %.*s %s",
		strcmp(what, "not found.") ? "Group" : "Consumer group", b->in->group_id.n,
		b->in->group_id.p, what)};
}

/* All that can be refused is looked at before anything is changed. */
static struct fault fault_of(struct beat *b, const struct group *g)
{
	bool joins = b->in->member_epoch == 0;
	struct fault f;
	if (!g && !joins)
		return no_group(b, "not found.");
	if (g && !consumer_is(g) && !joins)
		return no_group(b, "is not a consumer group.");
	if (consumer_is(g)) {
		const struct consumer *c = consumer_of(g);
		f = full_fault(b, c->members.n, consumer_member_of(c, b->member_id) ||
		               consumer_static_of(c, b->in->instance_id));
		if (!f.error)
			f = member_fault(b, c);
	} else if (g && !g->kind->empty(g)) {
		f.error = migrate_up_fault(b->s, g, &f.words);
		if (!f.error)
			f = full_fault(b, migrate_size(g), migrate_has(g, b->member_id,
			                                               b->in->instance_id));
	} else {
		f = full_fault(b, 0, false);
	}
	return f.error ? f : regex_fault(b, g);
}

static struct consumer *group_of(struct beat *b, struct group *g)
{
	if (!g)
		g = groups_make(b->gs, b->in->group_id, b->s->partition);
	if (consumer_is(g))
		return consumer_of(g);
	if (!g->kind->empty(g))
		return migrate_up(b->gs, b->s, g);
	g->kind->tombstones(b->s, g);
	groups_simplify(b->gs, g);
	return consumer_begin(g);
}

static struct consumer_member *member_of(struct beat *b, struct consumer *c, bool *is_new)
{
	struct consumer_member *m = consumer_static_of(c, b->in->instance_id);
	*is_new = false;
	if (m && b->in->member_epoch == 0)
		return consumer_rename(b->gs, b->s, c, m, b->member_id);
	if (m)
		return m;
	*is_new = !consumer_member_of(c, b->member_id);
	return consumer_member_get(c, b->member_id);
}

/* --- what is told --- */

static void say(struct beat *b, const struct consumer_member *m,
                struct consumer_group_member_metadata_value *v)
{
	const request *in = b->in;
	*v = m->said;
	if (in->instance_id.n >= 0)
		v->instance_id = in->instance_id;
	if (in->rack_id.n >= 0)
		v->rack_id = in->rack_id;
	if (in->rebalance_timeout_ms != -1)
		v->rebalance_timeout_ms = in->rebalance_timeout_ms;
	if (in->server_assignor.n >= 0)
		v->server_assignor = in->server_assignor;
	if (in->subscribed_topic_regex.n >= 0)
		v->subscribed_topic_regex = in->subscribed_topic_regex;
	if (in->subscribed_topic_names_n >= 0) {
		v->subscribed_topic_names_n = in->subscribed_topic_names_n;
		v->subscribed_topic_names =
			step_take(b->s, (size_t)in->subscribed_topic_names_n, sizeof(struct span));
		for (int32_t i = 0; i < in->subscribed_topic_names_n; i++)
			v->subscribed_topic_names[i] = in->subscribed_topic_names[i];
		v->subscribed_topic_names_n = consumer_names_sort(v->subscribed_topic_names,
		                                                  v->subscribed_topic_names_n);
	}
	v->client_id = b->who->client_id.n < 0 ? span_of("") : b->who->client_id;
	v->client_host = consumer_host(b->s, b->who);
	v->classic_member_metadata = NULL;
}

static void reply(struct beat *b, const struct consumer_member *m, bool tell)
{
	typedef struct consumer_group_heartbeat_response_topic_partitions topic;
	struct consumer_group_heartbeat_response_assignment *a;
	const struct part *first;
	response out;
	wire_init(&wire_consumer_group_heartbeat_response, &out);
	out.member_id = m->id;
	out.member_epoch = m->epoch;
	out.heartbeat_interval_ms = (int32_t)step_group_config(
		b->s, m->group->id, "consumer.heartbeat.interval.ms",
		b->s->settings->consumer_heartbeat_interval);
	if (tell) {
		int32_t *numbers = step_take(b->s, (size_t)m->assigned.n, sizeof *numbers), n;
		out.assignment = a = step_take(b->s, 1, sizeof *a);
		a->topic_partitions = step_take(b->s, (size_t)parts_topics(&m->assigned),
		                                sizeof(topic));
		for (int32_t at = 0; (first = parts_topic(&m->assigned, &at, &n)); numbers += n) {
			a->topic_partitions[a->topic_partitions_n++] = (topic){
				.topic_id = first->topic, .partitions = numbers, .partitions_n = n};
			for (int32_t i = 0; i < n; i++)
				numbers[i] = first[i].partition;
		}
	}
	answer(b, &out);
}

static void beat(struct beat *b, struct consumer *c)
{
	const request *in = b->in;
	bool is_new;
	struct consumer_member *m = member_of(b, c, &is_new);
	struct parts had = parts_copy(&m->assigned);
	struct consumer_group_member_metadata_value v;
	say(b, m, &v);
	bool changed = consumer_update(b->s, c, m, &v, is_new);
	consumer_assign(b->s, c);
	consumer_reconcile(b->gs, b->s, c, m, changed, b->owned);
	consumer_session_start(b->gs, b->s, m);
	bool full = in->rebalance_timeout_ms != -1 && in->topic_partitions_n >= 0 &&
	            (in->subscribed_topic_names_n >= 0 || in->subscribed_topic_regex.n >= 0);
	reply(b, m, in->member_epoch == 0 || full || !parts_same(&had, &m->assigned));
	free(had.v);
}

/* --- leaving --- */

static void leave_for_now(struct beat *b, struct consumer *c, struct consumer_member *m)
{
	static const struct parts nothing;
	struct parts has = parts_copy(&m->assigned);
	for (int32_t i = 0; i < has.n; i++)
		has.v[i].epoch = 0;
	consumer_member_place(c, m, CONSUMER_LEAVES_FOR_NOW, m->previous_epoch, m->state, &has,
	                      &nothing);
	free(has.v);
	groups_timer_stop(b->gs, &m->rebalance);
	consumer_record_current(b->s, m);
}

static struct fault leave(struct beat *b, struct group *g)
{
	struct span instance = b->in->instance_id;
	struct consumer_member *m;
	struct fault f = none;
	response out;
	if (!g)
		return (struct fault){WIRE_GROUP_ID_NOT_FOUND, step_format(b->s,
			"Group %.*s not found.", b->in->group_id.n, b->in->group_id.p)};
	if (!consumer_is(g))
		return no_group(b, "is not a consumer group.");
	m = instance.n < 0 ? consumer_member_of(consumer_of(g), b->member_id)
	                   : consumer_static_of(consumer_of(g), instance);
	if (instance.n >= 0)
		f = instance_fault(b, m);
	else if (!m)
		f = unknown_member(b, g->id);
	if (f.error)
		return f;
	if (instance.n >= 0 && b->in->member_epoch == CONSUMER_LEAVES_FOR_NOW)
		leave_for_now(b, consumer_of(g), m);
	else
		consumer_remove(b->gs, b->s, g, &m, 1);
	wire_init(&wire_consumer_group_heartbeat_response, &out);
	out.member_id = b->member_id;
	out.member_epoch = b->in->member_epoch;
	answer(b, &out);
	return none;
}

/* --- the step --- */

static struct parts *owned_of(struct step *s, const request *in)
{
	size_t n = 0;
	struct parts *p;
	if (in->topic_partitions_n < 0)
		return NULL;
	for (int32_t i = 0; i < in->topic_partitions_n; i++)
		n += (size_t)in->topic_partitions[i].partitions_n;
	p = step_take(s, 1, sizeof *p);
	p->v = step_take(s, n, sizeof *p->v);
	for (int32_t i = 0; i < in->topic_partitions_n; i++)
		for (int32_t j = 0; j < in->topic_partitions[i].partitions_n; j++)
			p->v[p->n++] = (struct part){in->topic_partitions[i].topic_id,
			                             in->topic_partitions[i].partitions[j], 0};
	parts_sort(p);
	return p;
}

void consumer_heartbeat(struct groups *gs, struct step *s, const struct asker *who, const void *in)
{
	struct beat b = {.gs = gs, .s = s, .who = who, .in = in};
	struct group *g = groups_find(gs, b.in->group_id);
	struct fault f = request_fault(&b);
	b.member_id = b.in->member_id;
	b.owned = owned_of(s, b.in);
	if (!f.error && b.in->member_epoch < 0)
		f = leave(&b, g);
	else if (!f.error) {
		if (b.member_id.n == 0)
			b.member_id = consumer_new_id(s);
		f = fault_of(&b, g);
		if (!f.error)
			beat(&b, group_of(&b, g));
	}
	if (f.error)
		refuse(&b, f);
}
