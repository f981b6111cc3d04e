/* What a consumer group writes (Kafka's GroupCoordinatorRecordHelpers). */
#include "consumer.h"

static void record(struct step *s, const struct group *g, int type, const void *key,
                   const void *value)
{
	step_record(s, g->partition, type, key, CONSUMER_VERSION, value);
}

void consumer_record_group(struct step *s, const struct consumer *c)
{
	struct consumer_group_metadata_key key = {c->group->id};
	struct consumer_group_metadata_value value = {.epoch = c->epoch, .metadata_hash = c->hash};
	record(s, c->group, RECORD_CONSUMER_GROUP, &key, &value);
}

void consumer_record_assignment(struct step *s, const struct consumer *c)
{
	struct consumer_group_target_assignment_metadata_key key = {c->group->id};
	struct consumer_group_target_assignment_metadata_value value = {
		.assignment_epoch = c->assignment_epoch, .assignment_timestamp = c->assigned_ms};
	record(s, c->group, RECORD_CONSUMER_TARGET, &key, &value);
}

void consumer_record_member(struct step *s, const struct consumer_member *m)
{
	struct consumer_group_member_metadata_key key = {m->group->id, m->id};
	record(s, m->group, RECORD_CONSUMER_MEMBER, &key, &m->said);
}

void consumer_record_target(struct step *s, const struct consumer *c, struct span member)
{
	typedef struct consumer_group_target_assignment_member_value_topic_partition topic;
	const struct parts *p = consumer_target_of(c, member);
	struct consumer_group_target_assignment_member_key key = {c->group->id, member};
	struct consumer_group_target_assignment_member_value value = {
		.topic_partitions = step_take(s, (size_t)parts_topics(p), sizeof(topic))};
	int32_t *partitions = step_take(s, (size_t)p->n, sizeof *partitions), n;
	const struct part *first;
	for (int32_t at = 0; (first = parts_topic(p, &at, &n)); partitions += n) {
		value.topic_partitions[value.topic_partitions_n++] = (topic){
			.topic_id = first->topic, .partitions = partitions, .partitions_n = n};
		for (int32_t i = 0; i < n; i++)
			partitions[i] = first[i].partition;
	}
	record(s, c->group, RECORD_CONSUMER_TARGET_MEMBER, &key, &value);
}

static struct consumer_group_current_member_assignment_value_topic_partitions *current(
	struct step *s, const struct parts *p, int32_t *topics_n)
{
	struct consumer_group_current_member_assignment_value_topic_partitions *v =
		step_take(s, (size_t)parts_topics(p), sizeof *v);
	int32_t *numbers = step_take(s, (size_t)p->n, 2 * sizeof *numbers), n;
	const struct part *first;
	*topics_n = 0;
	for (int32_t at = 0; (first = parts_topic(p, &at, &n)); numbers += 2 * (ptrdiff_t)n) {
		v[(*topics_n)++] = (typeof(*v)){
			.topic_id = first->topic, .partitions = numbers, .partitions_n = n,
			.assignment_epochs = numbers + n, .assignment_epochs_n = n};
		for (int32_t i = 0; i < n; i++) {
			numbers[i] = first[i].partition;
			numbers[n + i] = first[i].epoch;
		}
	}
	return v;
}

void consumer_record_current(struct step *s, const struct consumer_member *m)
{
	struct consumer_group_current_member_assignment_key key = {m->group->id, m->id};
	struct consumer_group_current_member_assignment_value value = {
		.member_epoch = m->epoch, .previous_member_epoch = m->previous_epoch,
		.state = (int8_t)m->state};
	value.assigned_partitions = current(s, &m->assigned, &value.assigned_partitions_n);
	value.partitions_pending_revocation =
		current(s, &m->revoking, &value.partitions_pending_revocation_n);
	record(s, m->group, RECORD_CONSUMER_CURRENT_MEMBER, &key, &value);
}

void consumer_record_regex(struct step *s, const struct consumer *c, const struct consumer_regex *r)
{
	struct consumer_group_regular_expression_key key = {c->group->id, r->text};
	struct consumer_group_regular_expression_value value = {
		.topics = r->topics, .topics_n = r->topics_n, .version = r->version,
		.timestamp = r->at_ms};
	record(s, c->group, RECORD_CONSUMER_REGEX, &key, &value);
}

/* --- tombstones --- */

static void bury_current(struct step *s, const struct group *g, struct span member)
{
	struct consumer_group_current_member_assignment_key key = {g->id, member};
	record(s, g, RECORD_CONSUMER_CURRENT_MEMBER, &key, NULL);
}

static void bury_target(struct step *s, const struct group *g, struct span member)
{
	struct consumer_group_target_assignment_member_key key = {g->id, member};
	record(s, g, RECORD_CONSUMER_TARGET_MEMBER, &key, NULL);
}

static void bury_said(struct step *s, const struct group *g, struct span member)
{
	struct consumer_group_member_metadata_key key = {g->id, member};
	record(s, g, RECORD_CONSUMER_MEMBER, &key, NULL);
}

void consumer_bury_member(struct step *s, const struct group *g, struct span member)
{
	bury_current(s, g, member);
	bury_target(s, g, member);
	bury_said(s, g, member);
}

void consumer_bury_regex(struct step *s, const struct group *g, struct span text)
{
	struct consumer_group_regular_expression_key key = {g->id, text};
	record(s, g, RECORD_CONSUMER_REGEX, &key, NULL);
}

void consumer_bury_old_metadata(struct step *s, const struct group *g)
{
	struct consumer_group_partition_metadata_key key = {g->id};
	record(s, g, RECORD_CONSUMER_PARTITIONS, &key, NULL);
}

/* In an order in which a replay that stops anywhere finds a whole group or none: members before
 * targets' epoch before the group. */
void consumer_bury(struct step *s, const struct group *g)
{
	const struct consumer *c = consumer_of(g);
	struct consumer_member **v = consumer_members(s, c);
	struct consumer_group_target_assignment_metadata_key target = {g->id};
	struct consumer_group_metadata_key group = {g->id};
	struct consumer_regex *r;
	for (size_t i = 0; i < c->members.n; i++)
		bury_current(s, g, v[i]->id);
	for (size_t i = 0; i < c->members.n; i++)
		bury_target(s, g, v[i]->id);
	record(s, g, RECORD_CONSUMER_TARGET, &target, NULL);
	for (size_t i = 0; i < c->members.n; i++)
		bury_said(s, g, v[i]->id);
	for (size_t at = 0; (r = map_next(&c->regexes, &at));)
		if (r->resolved)
			consumer_bury_regex(s, g, r->text);
	consumer_bury_old_metadata(s, g);
	record(s, g, RECORD_CONSUMER_GROUP, &group, NULL);
}
