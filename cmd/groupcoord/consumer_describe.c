/* ConsumerGroupDescribe (Kafka's asDescribedGroup, asConsumerGroupDescribeMember). */
#include "consumer.h"

typedef struct consumer_group_describe_response_member member;
typedef struct consumer_group_describe_response_topic_partitions topic;

/* Topics that are gone are left out. */
static struct consumer_group_describe_response_assignment assignment(struct step *s,
                                                                     const struct parts *p)
{
	struct consumer_group_describe_response_assignment a = {
		.topic_partitions = step_take(s, (size_t)parts_topics(p), sizeof(topic))};
	int32_t *numbers = step_take(s, (size_t)p->n, sizeof *numbers), n;
	const struct part *first;
	for (int32_t at = 0; (first = parts_topic(p, &at, &n)); numbers += n) {
		const struct meta_topic *t = meta_topic_with_id(s->image, &first->topic);
		if (!t)
			continue;
		a.topic_partitions[a.topic_partitions_n++] = (topic){
			.topic_id = t->id, .topic_name = step_copy(s, span_of(t->name)),
			.partitions = numbers, .partitions_n = n};
		for (int32_t i = 0; i < n; i++)
			numbers[i] = first[i].partition;
	}
	return a;
}

static void describe_member(struct step *s, const struct consumer *c,
                            const struct consumer_member *m, member *out)
{
	struct parts all = parts_any(s, &m->assigned, &m->revoking);
	out->member_id = m->id;
	out->member_epoch = m->epoch;
	out->instance_id = m->said.instance_id;
	out->rack_id = m->said.rack_id;
	out->client_id = m->said.client_id;
	out->client_host = m->said.client_host;
	out->subscribed_topic_names = m->said.subscribed_topic_names;
	out->subscribed_topic_names_n = m->said.subscribed_topic_names_n;
	out->subscribed_topic_regex = m->said.subscribed_topic_regex;
	out->assignment = assignment(s, &all);
	out->target_assignment = assignment(s, consumer_target_of(c, m->id));
	out->member_type = !consumer_member_classic(m);
}

int consumer_describe(struct step *s, const struct group *g,
                      struct consumer_group_describe_response_described_group *out)
{
	if (!consumer_is(g)) {
		out->error_code = WIRE_GROUP_ID_NOT_FOUND;
		out->error_message = step_format(s, g ? "Group %.*s is not a consumer group."
		                                      : "Group %.*s not found.",
		                                 out->group_id.n, out->group_id.p);
		return out->error_code;
	}
	const struct consumer *c = consumer_of(g);
	struct consumer_member **v = consumer_members(s, c);
	out->group_state = span_of(g->kind->state(g));
	out->group_epoch = c->epoch;
	out->assignment_epoch = c->assignment_epoch;
	out->assignor_name = span_of(consumer_assignor(s, c));
	out->members = step_take(s, c->members.n, sizeof *out->members);
	out->members_n = (int32_t)c->members.n;
	for (int32_t i = 0; i < out->members_n; i++) {
		wire_init(&wire_consumer_group_describe_response_member, out->members + i);
		describe_member(s, c, v[i], out->members + i);
	}
	return WIRE_NONE;
}
