/* What a consumer group answers about itself, and how it comes and goes (Kafka's ConsumerGroup). */
#include <stdlib.h>

#include "consumer.h"
#include "offsets.h"

static const char *state(const struct group *g)
{
	const struct consumer *c = consumer_of(g);
	const struct consumer_member *m;
	if (!c->members.n)
		return "Empty";
	if (c->epoch > c->assignment_epoch)
		return "Assigning";
	for (size_t at = 0; (m = map_next(&c->members, &at));)
		if (!consumer_reconciled(c, m))
			return "Reconciling";
	return "Stable";
}

static struct span protocol_type(const struct group *g)
{
	return span_of("consumer");
}

static bool empty(const struct group *g)
{
	return !consumer_of(g)->members.n;
}

/* --- offsets --- */

static int stale(const struct consumer_member *m)
{
	return consumer_member_classic(m) ? WIRE_ILLEGAL_GENERATION : WIRE_STALE_MEMBER_EPOCH;
}

static int commit_allowed(struct groups *gs, struct step *s, struct group *g,
                          const struct commit_claim *claim)
{
	const struct consumer_member *m = consumer_member_of(consumer_of(g), claim->member);
	if (claim->generation < 0 && empty(g))
		return WIRE_NONE;
	if (claim->transactional && claim->generation == -1 && claim->member.n <= 0 &&
	    claim->instance.n < 0)
		return WIRE_NONE;
	if (!m)
		return WIRE_UNKNOWN_MEMBER_ID;
	if (!claim->transactional && !consumer_member_classic(m) && claim->version < 9)
		return WIRE_UNSUPPORTED_VERSION;
	return claim->generation > m->epoch ? stale(m) : WIRE_NONE;
}

static int partition_allowed(const struct group *g, const struct commit_claim *claim,
                             const struct uuid *topic, int32_t partition)
{
	const struct consumer_member *m = consumer_member_of(consumer_of(g), claim->member);
	const struct part *p;
	if (!m || claim->generation == m->epoch)
		return WIRE_NONE;
	p = parts_find(&m->assigned, topic, partition);
	if (!p)
		p = parts_find(&m->revoking, topic, partition);
	return !p || claim->generation < p->epoch ? stale(m) : WIRE_NONE;
}

static int fetch_allowed(struct step *s, const struct group *g, const struct commit_claim *claim)
{
	const struct consumer_member *m = consumer_member_of(consumer_of(g), claim->member);
	if (claim->member.n < 0 && claim->generation < 0)
		return WIRE_NONE;
	if (!m)
		return WIRE_UNKNOWN_MEMBER_ID;
	return claim->generation == m->epoch ? WIRE_NONE : stale(m);
}

static int offset_delete_allowed(const struct group *g)
{
	return WIRE_NONE;
}

static int delete_allowed(const struct group *g)
{
	return empty(g) ? WIRE_NONE : WIRE_NON_EMPTY_GROUP;
}

static bool subscribed(const struct group *g, struct span topic)
{
	return map_get(&consumer_of(g)->topics, topic.p, (size_t)topic.n) != NULL;
}

static int64_t expires_from(const struct group *g, const struct committed *o)
{
	return o->at_ms;
}

/* --- DescribeGroups --- */

static int describe(struct step *s, const struct group *g,
                    struct describe_groups_response_described_group *out)
{
	return WIRE_GROUP_ID_NOT_FOUND;
}

/* --- life --- */

static void loaded(struct groups *gs, struct step *s, struct group *g)
{
	struct consumer *c = consumer_of(g);
	struct consumer_member *m;
	for (size_t at = 0; (m = map_next(&c->members, &at));) {
		consumer_session_start(gs, s, m);
		if (m->state == MEMBER_UNREVOKED && !consumer_member_classic(m))
			consumer_rebalance_timer(gs, s, m);
	}
}

static void image_changed(struct groups *gs, struct step *s, struct group *g)
{
	consumer_of(g)->look_again = consumer_of(g)->new_topics = true;
}

static void forget(struct groups *gs, struct group *g)
{
	struct consumer *c = consumer_of(g);
	struct consumer_member *m;
	struct consumer_target *t;
	struct consumer_regex *r;
	for (size_t at = 0; (m = map_next(&c->members, &at)); at = 0)
		consumer_member_remove(gs, c, m);
	for (size_t at = 0; (t = map_next(&c->targets, &at)); at = 0)
		consumer_target_remove(c, t->member);
	for (size_t at = 0; (r = map_next(&c->regexes, &at)); at = 0)
		consumer_regex_forget(c, r->text);
	map_free(&c->members);
	map_free(&c->statics);
	map_free(&c->targets);
	map_free(&c->topics);
	map_free(&c->regexes);
	map_free(&c->owners);
	free(c);
	g->members = NULL;
}

const struct group_kind group_consumer = {
	.type = "consumer", .state = state, .protocol_type = protocol_type, .empty = empty,
	.commit_allowed = commit_allowed, .partition_allowed = partition_allowed,
	.fetch_allowed = fetch_allowed, .offset_delete_allowed = offset_delete_allowed,
	.delete_allowed = delete_allowed, .subscribed = subscribed, .expires_from = expires_from,
	.tombstones = consumer_bury, .describe = describe, .loaded = loaded,
	.classic = consumer_classic,
	.image_changed = image_changed, .forget = forget,
};
