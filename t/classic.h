/* What always holds of a classic group, whoever says what to it. */
#ifndef T_CLASSIC_H
#define T_CLASSIC_H
#include "../cmd/groupcoord/classic.h"

/* Tells what is wrong, and how many requests are parked. */
static inline long classic_whole(const struct group *g, void (*wrong)(const char *, ...))
{
	const struct classic *c = classic_of(g);
	size_t n = 0, statics = 0;
	int32_t joining = 0, owing = 0;
	bool leads = false;
	long waiting = 0;

	for (const struct classic_member *m = c->first; m; m = m->next) {
		n++;
		waiting += m->joining + m->syncing;
		statics += m->instance.n >= 0;
		joining += m->joining;
		owing += m->owes_sync;
		leads |= c->leader == m;
		if (classic_member_of(g, m->id) != m)
			wrong("a member is not found by its id");
		if (m->instance.n >= 0 && classic_static_of(g, m->instance) != m)
			wrong("a member is not found by its instance id");
		if (m->joining && c->state != CLASSIC_PREPARING)
			wrong("a parked JoinGroup in %s", g->kind->state(g));
		if (m->syncing && c->state != CLASSIC_COMPLETING)
			wrong("a parked SyncGroup in %s", g->kind->state(g));
		if (!m->session.node.place && !m->joining && !m->syncing)
			wrong("a member that no timer watches");
	}
	if (n != c->members.n || statics != c->statics.n || joining != c->joining_n
	    || owing != c->owing_n)
		wrong("counts of members: %zu %zu, static %zu %zu, joining %d %d, owing %d %d", n,
		      c->members.n, statics, c->statics.n, joining, c->joining_n, owing, c->owing_n);
	if (leads != (n > 0))
		wrong("the leader is no member");
	if (c->state == CLASSIC_EMPTY && n)
		wrong("%zu members in an empty group", n);
	if (c->state == CLASSIC_PREPARING && !c->join_end.node.place)
		wrong("nothing ends PREPARING");
	if (c->owing_n && !c->sync_end.node.place)
		wrong("nothing ends waiting for SyncGroup");
	if ((c->state == CLASSIC_COMPLETING || c->state == CLASSIC_STABLE) && !n)
		wrong("no members in %s", g->kind->state(g));
	return waiting;
}
#endif
