/* Offsets that go by themselves: those that nobody has needed for offsets.retention.minutes, and
 * those of topics that were deleted (OffsetMetadataManager.cleanupExpiredOffsets, onTopicsDeleted).
 */
#include "offsets.h"

static bool expired(const struct step *s, const struct group *g, const struct committed *c)
{
	if (c->expires_ms != -1)
		return s->wall_ms >= c->expires_ms;
	int64_t from = g->kind->expires_from(g, c);
	return from <= s->wall_ms && s->wall_ms - from >= s->settings->offsets_retention;
}

/* True: nothing is left of the group's offsets. */
static bool expire_offsets(struct step *s, struct group *g)
{
	bool all = !g->pending;
	for (int i = 0; i < g->topics_n; i++) {
		const struct offsets_topic *t = g->topics[i];
		struct span name = {t->name->text, t->name->n};
		bool kept = g->kind->subscribed(g, name);
		for (int32_t k = 0; k < t->n; k++) {
			const struct committed *c = &t->v[k];
			if (!kept && expired(s, g, c) && !offsets_unstable(g, name, c->partition))
				offsets_record(s, g, name, c->partition, NULL);
			else
				all = false;
		}
	}
	return all;
}

static void expire(struct groups *gs, struct step *s, struct group_timer *t)
{
	size_t n = 0;
	int32_t partition;
	struct group **v = step_take(s, gs->by_id.n, sizeof *v), *g;
	for (size_t at = 0; (g = map_next(&gs->by_id, &at));)
		if (!g->unsettled && step_locate(s, g->id, &partition) == WIRE_NONE)
			v[n++] = g;
	for (size_t i = 0; i < n; i++) {
		g = v[i];
		if (!expire_offsets(s, g) || !g->kind->empty(g))
			continue;
		g->kind->tombstones(s, g);
		groups_simplify(gs, g);
		groups_tidy(gs, g);
	}
	groups_timer_set(gs, t, s->now_ms + s->settings->offsets_check_interval);
}

void offsets_expiry_start(struct groups *gs, struct step *s)
{
	gs->expiry.fn = expire;
	if (!gs->expiry.node.place)
		groups_timer_set(gs, &gs->expiry,
		                 s->now_ms + s->settings->offsets_check_interval);
}

/* --- deleted topics --- */

static void bury(struct groups *gs, struct step *s, const struct offsets_name *name)
{
	struct span topic = {name->text, name->n};
	struct group *g;
	for (size_t at = 0; (g = map_next(&gs->by_id, &at));) {
		for (int i = 0; i < g->topics_n; i++) {
			const struct offsets_topic *t = g->topics[i];
			for (int32_t k = 0; t->name == name && k < t->n; k++)
				offsets_record(s, g, topic, t->v[k].partition, NULL);
		}
		for (const struct txn_offset *o = g->pending; o; o = o->next)
			if (o->name == name && !offsets_find(g, topic, o->c.partition))
				offsets_record(s, g, topic, o->c.partition, NULL);
	}
}

/* A topic that has been unknown all along was deleted while another node coordinated, or none: its
 * offsets stay until they expire, as in Kafka. */
void offsets_topics_changed(struct groups *gs, struct step *s)
{
	struct offsets_name *n;
	for (size_t at = 0; (n = map_next(&gs->topics, &at));) {
		const struct meta_topic *t = meta_topic_named(s->image,
		                                              (struct span){n->text, n->n});
		struct uuid id = t ? t->id : uuid_zero;
		if (uuid_same(&id, &n->id))
			continue;
		if (!uuid_is_zero(&n->id))
			bury(gs, s, n);
		n->id = id;
	}
}
