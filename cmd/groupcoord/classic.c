/* What a classic group answers about itself: group_classic of group.h. */
#include "classic.h"

#include <stdlib.h>
#include <string.h>

#include "offsets.h"

static const char *state(const struct group *g)
{
	static const char *const names[] = { "Empty", "PreparingRebalance", "CompletingRebalance",
	                                     "Stable" };

	return names[classic_of(g)->state];
}

static struct span protocol_type(const struct group *g)
{
	return classic_of(g)->type.n < 0 ? span_of("") : classic_of(g)->type;
}

static bool empty(const struct group *g)
{
	return classic_of(g)->state == CLASSIC_EMPTY;
}

static bool is_consumer(const struct group *g)
{
	return span_is(classic_of(g)->type, "consumer");
}

/* ClassicGroup.validateOffsetCommit */
static int commit_fault(const struct group *g, const struct commit_claim *by)
{
	const struct classic *c = classic_of(g);
	bool claims = by->generation >= 0 || by->member.n > 0 || by->instance.n >= 0;

	if (by->generation < 0 && c->state == CLASSIC_EMPTY)
		return WIRE_NONE;
	if (claims) {
		int error = classic_member_fault(g, by->member, by->instance);

		if (error)
			return error;
		if (by->generation != c->generation)
			return WIRE_ILLEGAL_GENERATION;
	} else if (!by->transactional && c->state != CLASSIC_EMPTY)
		return WIRE_UNKNOWN_MEMBER_ID;
	if (!by->transactional && c->state == CLASSIC_COMPLETING)
		return WIRE_REBALANCE_IN_PROGRESS;
	return WIRE_NONE;
}

static int commit_allowed(struct groups *gs, struct step *s, struct group *g,
                          const struct commit_claim *by)
{
	struct classic_member *m = classic_member_of(g, by->member);
	int error = commit_fault(g, by);

	if (!error && m && !by->transactional)
		classic_touch(gs, s, m);
	return error;
}

static int fetch_allowed(struct step *s, const struct group *g, const struct commit_claim *by)
{
	return WIRE_NONE;
}

static int offset_delete_allowed(const struct group *g)
{
	return empty(g) || is_consumer(g) ? WIRE_NONE : WIRE_NON_EMPTY_GROUP;
}

static int delete_allowed(const struct group *g)
{
	return empty(g) ? WIRE_NONE : WIRE_NON_EMPTY_GROUP;
}

static bool subscribed(const struct group *g, struct span topic)
{
	const struct classic *c = classic_of(g);

	if (!c->topics_known)
		return is_consumer(g);
	return map_get(&c->topics, topic.p, (size_t)topic.n);
}

static int64_t expires_from(const struct group *g, const struct committed *offset)
{
	const struct classic *c = classic_of(g);

	if (c->type.n < 0)
		return offset->at_ms;
	if (c->state == CLASSIC_EMPTY)
		return c->since_ms < 0 ? offset->at_ms : c->since_ms;
	if (c->state == CLASSIC_STABLE && is_consumer(g) && c->topics_known)
		return offset->at_ms;
	return INT64_MAX;
}

static void tombstones(struct step *s, const struct group *g)
{
	struct group_metadata_key key;

	wire_init(&wire_group_metadata_key, &key);
	key.group = g->id;
	step_record(s, g->partition, RECORD_GROUP, &key, GROUP_VERSION, NULL);
}

static int describe(struct step *s, const struct group *g,
                    struct describe_groups_response_described_group *out)
{
	const struct classic *c = classic_of(g);
	struct describe_groups_response_described_group_member *to =
		step_take(s, c->members.n, sizeof *to);
	bool stable = c->state == CLASSIC_STABLE;

	out->group_state = span_of(state(g));
	out->protocol_type = protocol_type(g);
	if (stable && c->protocol.n >= 0)
		out->protocol_data = c->protocol;
	out->members = to;
	out->members_n = (int32_t)c->members.n;
	for (const struct classic_member *m = c->first; m; m = m->next, to++) {
		struct span metadata = stable ? classic_metadata(m, c->protocol) : SPAN_NULL;

		wire_init(&wire_describe_groups_response_described_group_member, to);
		to->member_id = m->id;
		to->group_instance_id = m->instance;
		to->client_id = m->client_id;
		to->client_host = m->client_host;
		if (metadata.n >= 0)
			to->member_metadata = metadata;
		if (m->assignment.n >= 0)
			to->member_assignment = m->assignment;
	}
	return WIRE_NONE;
}

static void loaded(struct groups *gs, struct step *s, struct group *g)
{
	struct classic *c = classic_of(g);
	struct classic_why why = { "has more members than group.max.size", SPAN_NULL, SPAN_NULL };

	for (struct classic_member *m = c->first; m; m = m->next)
		classic_touch(gs, s, m);
	if (c->members.n > (size_t)s->settings->max_size)
		classic_rebalance(gs, s, g, why);
}

static void unload(struct groups *gs, struct step *s, struct group *g)
{
	classic_fail_all(s, g, WIRE_NOT_COORDINATOR);
}

static void forget(struct groups *gs, struct group *g)
{
	struct classic *c = classic_of(g);
	struct classic_pending *p;
	void *topic;

	for (size_t at = 0; (p = map_next(&c->pending, &at)); at = 0)
		classic_pending_remove(gs, g, p);
	while (c->first) {
		c->first->joining = c->first->syncing = false;
		classic_remove(gs, g, c->first);
	}
	groups_timer_stop(gs, &c->join_end);
	groups_timer_stop(gs, &c->sync_end);
	for (size_t at = 0; (topic = map_next(&c->topics, &at));)
		free(topic);
	map_free(&c->topics);
	map_free(&c->members);
	map_free(&c->statics);
	map_free(&c->pending);
	map_free(&c->protocols);
	free((void *)c->type.p);
	free((void *)c->protocol.p);
	free(c);
	g->members = NULL;
}

const struct group_kind group_classic = {
	.type = "classic", .state = state, .protocol_type = protocol_type, .empty = empty,
	.commit_allowed = commit_allowed, .fetch_allowed = fetch_allowed,
	.offset_delete_allowed = offset_delete_allowed, .delete_allowed = delete_allowed,
	.subscribed = subscribed, .expires_from = expires_from, .tombstones = tombstones,
	.describe = describe, .loaded = loaded, .unload = unload, .forget = forget,
};
