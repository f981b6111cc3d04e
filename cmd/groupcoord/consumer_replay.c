/* Records of consumer groups while they are read (the replay methods of Kafka's
 * GroupMetadataManager). They come as compaction left them: what refers to what is not there makes
 * it, and tombstones of what is not there mean nothing. */
#include "consumer.h"

#include <stdlib.h>

/* NULL: there is none and it is not to be made, or the group is of another kind, which only
 * tombstones of what it was before can meet. */
static struct consumer *group_for(struct groups *gs, int32_t partition, struct span id, bool make)
{
	struct group *g = groups_find(gs, id);
	if (!g && make)
		g = groups_make(gs, id, partition);
	if (!g || (!consumer_is(g) && g->kind != &group_simple))
		return NULL;
	if (consumer_is(g))
		return consumer_of(g);
	return make ? consumer_begin(g) : NULL;
}

static void replay_group(struct groups *gs, int32_t partition, const struct replayed *r)
{
	const struct consumer_group_metadata_key *k = r->key;
	const struct consumer_group_metadata_value *v = r->value;
	struct consumer *c = group_for(gs, partition, k->group_id, v != NULL);
	if (c && v) {
		c->epoch = v->epoch;
		c->hash = v->metadata_hash;
	} else if (c) {
		struct group *g = c->group;
		groups_simplify(gs, g);
		groups_tidy(gs, g);
	}
}

static void replay_old_metadata(struct groups *gs, int32_t partition, const struct replayed *r)
{
	const struct consumer_group_partition_metadata_key *k = r->key;
	struct consumer *c = group_for(gs, partition, k->group_id, r->value != NULL);
	if (c)
		c->old_metadata = r->value != NULL;
}

static void replay_member(struct groups *gs, int32_t partition, const struct replayed *r)
{
	const struct consumer_group_member_metadata_key *k = r->key;
	struct consumer *c = group_for(gs, partition, k->group_id, r->value != NULL);
	struct consumer_member *m;
	if (c && r->value)
		consumer_member_say(c, consumer_member_get(c, k->member_id), r->value);
	else if (c && (m = consumer_member_of(c, k->member_id)))
		consumer_member_remove(gs, c, m);
}

static void replay_target(struct groups *gs, int32_t partition, const struct replayed *r)
{
	const struct consumer_group_target_assignment_metadata_key *k = r->key;
	const struct consumer_group_target_assignment_metadata_value *v = r->value;
	struct consumer *c = group_for(gs, partition, k->group_id, v != NULL);
	if (!c)
		return;
	c->assignment_epoch = v ? v->assignment_epoch : -1;
	c->assigned_ms = v ? v->assignment_timestamp : 0;
}

static void replay_target_member(struct groups *gs, int32_t partition, const struct replayed *r)
{
	const struct consumer_group_target_assignment_member_key *k = r->key;
	const struct consumer_group_target_assignment_member_value *v = r->value;
	struct consumer *c = group_for(gs, partition, k->group_id, v != NULL);
	struct parts p = {0};
	size_t n = 0;
	if (c && !v)
		consumer_target_remove(c, k->member_id);
	if (!c || !v)
		return;
	for (int32_t i = 0; i < v->topic_partitions_n; i++)
		n += (size_t)v->topic_partitions[i].partitions_n;
	p.v = group_get(n * sizeof *p.v);
	for (int32_t i = 0; i < v->topic_partitions_n; i++)
		for (int32_t j = 0; j < v->topic_partitions[i].partitions_n; j++)
			p.v[p.n++] = (struct part){v->topic_partitions[i].topic_id,
			                           v->topic_partitions[i].partitions[j], 0};
	parts_sort(&p);
	consumer_target_set(c, k->member_id, &p);
	free(p.v);
}

/* Partitions without epochs, as Kafka wrote them before 4.3, count from the member's. */
static struct parts read_current(
	const struct consumer_group_current_member_assignment_value_topic_partitions *v, int32_t n,
	int32_t epoch)
{
	struct parts p = {0};
	size_t all = 0;
	for (int32_t i = 0; i < n; i++)
		all += (size_t)v[i].partitions_n;
	p.v = group_get(all * sizeof *p.v);
	for (int32_t i = 0; i < n; i++) {
		bool epochs = v[i].assignment_epochs_n == v[i].partitions_n;
		for (int32_t j = 0; j < v[i].partitions_n; j++)
			p.v[p.n++] = (struct part){v[i].topic_id, v[i].partitions[j],
			                           epochs ? v[i].assignment_epochs[j]
			                                  : epoch > 0 ? epoch : 0};
	}
	parts_sort(&p);
	return p;
}

static enum consumer_member_state state_of(int8_t number)
{
	return number >= MEMBER_STABLE && number <= MEMBER_UNRELEASED
	       ? (enum consumer_member_state)number : MEMBER_UNKNOWN;
}

static void replay_current(struct groups *gs, int32_t partition, const struct replayed *r)
{
	static const struct parts none;
	const struct consumer_group_current_member_assignment_key *k = r->key;
	const struct consumer_group_current_member_assignment_value *v = r->value;
	struct consumer *c = group_for(gs, partition, k->group_id, v != NULL);
	struct consumer_member *m;
	if (c && v) {
		struct parts has = read_current(v->assigned_partitions, v->assigned_partitions_n,
		                                v->member_epoch);
		struct parts gives = read_current(v->partitions_pending_revocation,
		                                  v->partitions_pending_revocation_n,
		                                  v->member_epoch);
		consumer_member_place(c, consumer_member_get(c, k->member_id), v->member_epoch,
		                      v->previous_member_epoch, state_of(v->state), &has, &gives);
		free(has.v);
		free(gives.v);
	} else if (c && (m = consumer_member_of(c, k->member_id))) {
		consumer_member_place(c, m, CONSUMER_LEAVES, CONSUMER_LEAVES, m->state, &none, &none);
	}
}

static void replay_regex(struct groups *gs, int32_t partition, const struct replayed *r)
{
	const struct consumer_group_regular_expression_key *k = r->key;
	const struct consumer_group_regular_expression_value *v = r->value;
	struct consumer *c = group_for(gs, partition, k->group_id, v != NULL);
	if (c && v)
		consumer_regex_resolve(c, k->regular_expression, v->topics, v->topics_n, v->version,
		                       v->timestamp);
	else if (c)
		consumer_regex_forget(c, k->regular_expression);
}

void consumer_replay(struct groups *gs, int32_t partition, const struct replayed *r)
{
	switch (r->type) {
	case RECORD_CONSUMER_GROUP:
		return replay_group(gs, partition, r);
	case RECORD_CONSUMER_PARTITIONS:
		return replay_old_metadata(gs, partition, r);
	case RECORD_CONSUMER_MEMBER:
		return replay_member(gs, partition, r);
	case RECORD_CONSUMER_TARGET:
		return replay_target(gs, partition, r);
	case RECORD_CONSUMER_TARGET_MEMBER:
		return replay_target_member(gs, partition, r);
	case RECORD_CONSUMER_CURRENT_MEMBER:
		return replay_current(gs, partition, r);
	case RECORD_CONSUMER_REGEX:
		return replay_regex(gs, partition, r);
	}
}
