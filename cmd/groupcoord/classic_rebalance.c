/* A classic group's way from one generation to the next, and what happens when time is over. */
#include <assert.h>
#include <stdlib.h>

#include "classic.h"

void classic_touch(struct groups *gs, struct step *s, struct classic_member *m)
{
	groups_timer_set(gs, &m->session, s->now_ms + m->session_timeout_ms);
}

static void forget_owed(struct groups *gs, struct classic *c)
{
	for (struct classic_member *m = c->first; m; m = m->next)
		m->owes_sync = false;
	c->owing_n = 0;
	groups_timer_stop(gs, &c->sync_end);
}

void classic_paid_sync(struct groups *gs, struct group *g, struct classic_member *m)
{
	struct classic *c = classic_of(g);

	c->owing_n -= m->owes_sync;
	m->owes_sync = false;
	if (!c->owing_n)
		groups_timer_stop(gs, &c->sync_end);
}

/* --- from PREPARING to COMPLETING, or to EMPTY --- */

/* A leader that has not come gives way to the first member that has. */
static bool elect(struct classic *c)
{
	if (!c->leader || c->leader->joining)
		return c->leader;
	for (struct classic_member *m = c->first; m; m = m->next)
		if (m->joining) {
			c->leader = m;
			return true;
		}
	return false;
}

/* Those who do not send SyncGroup in time are taken out of the group. */
static void sync_over(struct groups *gs, struct step *s, struct group_timer *t)
{
	struct classic *c = (struct classic *)((char *)t - offsetof(struct classic, sync_end));
	struct classic_why why = { "has not sent SyncGroup in time", SPAN_NULL, SPAN_NULL };

	assert(c->state == CLASSIC_COMPLETING || c->state == CLASSIC_STABLE);
	for (struct classic_member *m = c->first, *next; m; m = next) {
		next = m->next;
		if (!m->owes_sync)
			continue;
		why.member = step_copy(s, m->id);
		classic_remove(gs, c->group, m);
	}
	if (why.member.n >= 0)
		classic_rebalance(gs, s, c->group, why);
}

static void begin_generation(struct groups *gs, struct step *s, struct group *g)
{
	struct classic *c = classic_of(g);

	for (struct classic_member *m = c->first; m; m = m->next) {
		if (m->joining)
			classic_answer_join(s, g, m, &m->join, CLASSIC_JOINED, c->leader->id);
		m->joining = m->is_new = false;
		m->owes_sync = true;
		classic_touch(gs, s, m);
	}
	c->joining_n = 0;
	c->owing_n = (int32_t)c->members.n;
	c->sync_end.fn = sync_over;
	groups_timer_set(gs, &c->sync_end, s->now_ms + classic_rebalance_timeout(g));
}

static void join_over(struct groups *gs, struct step *s, struct group_timer *t);

/* Nobody has come, and static members wait for the end of their sessions. Their rebalance timeout
 * may be nothing at all, which must not keep this program busy. */
static void wait_longer(struct groups *gs, struct step *s, struct group *g)
{
	enum { LEAST_MS = 1000 };
	int32_t ms = classic_rebalance_timeout(g);
	struct classic *c = classic_of(g);

	c->join_end.fn = join_over;
	groups_timer_set(gs, &c->join_end, s->now_ms + (ms < LEAST_MS ? LEAST_MS : ms));
}

/* Static members may be away for a session: they stay though they have not come. */
static void end_join(struct groups *gs, struct step *s, struct group *g)
{
	struct classic *c = classic_of(g);

	assert(c->state == CLASSIC_PREPARING);
	for (struct classic_member *m = c->first, *next; m; m = next) {
		next = m->next;
		if (!m->joining && m->instance.n < 0)
			classic_remove(gs, g, m);
	}
	if (!elect(c) && c->first) {
		wait_longer(gs, s, g);
		return;
	}
	groups_timer_stop(gs, &c->join_end);
	c->generation++;
	classic_set(&c->protocol, c->first ? classic_choose(g) : SPAN_NULL);
	classic_topics(g);
	classic_turn(s, c, c->first ? CLASSIC_COMPLETING : CLASSIC_EMPTY);
	step_tell(s, g->id, "generation %d has %zu members", c->generation, c->members.n);
	if (c->first)
		begin_generation(gs, s, g);
	else
		classic_record(s, g);
}

static void join_over(struct groups *gs, struct step *s, struct group_timer *t)
{
	struct classic *c = (struct classic *)((char *)t - offsetof(struct classic, join_end));

	end_join(gs, s, c->group);
}

void classic_maybe_end(struct groups *gs, struct step *s, struct group *g)
{
	const struct classic *c = classic_of(g);

	if (c->state == CLASSIC_PREPARING && c->before != CLASSIC_EMPTY && classic_all_joined(g))
		end_join(gs, s, g);
}

/* --- to PREPARING --- */

/* A group that forms waits for more members as long as some came during the last delay, but not
 * longer than the rebalance timeout (tryCompleteInitialRebalanceElseSchedule). */
static void forming_over(struct groups *gs, struct step *s, struct group_timer *t)
{
	struct classic *c = (struct classic *)((char *)t - offsetof(struct classic, join_end));
	int32_t delay = s->settings->initial_rebalance_delay, left = c->remaining_ms;

	if (!c->newcomer || !left) {
		end_join(gs, s, c->group);
		return;
	}
	c->newcomer = false;
	c->remaining_ms = left > c->delay_ms ? left - c->delay_ms : 0;
	c->delay_ms = delay < left ? delay : left;
	groups_timer_set(gs, &c->join_end, s->now_ms + c->delay_ms);
}

static void form(struct groups *gs, struct step *s, struct group *g)
{
	struct classic *c = classic_of(g);
	int32_t most = classic_rebalance_timeout(g);

	c->newcomer = false;
	c->delay_ms = s->settings->initial_rebalance_delay;
	c->remaining_ms = most > c->delay_ms ? most - c->delay_ms : 0;
	c->join_end.fn = forming_over;
	groups_timer_set(gs, &c->join_end, s->now_ms + c->delay_ms);
	classic_turn(s, c, CLASSIC_PREPARING);
}

/* Those who wait for an assignment have to join again. */
static void forget_assignments(struct groups *gs, struct step *s, struct group *g)
{
	for (struct classic_member *m = classic_of(g)->first; m; m = m->next) {
		classic_set(&m->assignment, SPAN_NULL);
		if (!m->syncing)
			continue;
		classic_fail_sync(s, g->partition, &m->sync, WIRE_REBALANCE_IN_PROGRESS);
		m->syncing = false;
		classic_touch(gs, s, m);
	}
}

static void tell(struct step *s, const struct group *g, struct classic_why why)
{
	int said = why.reason.n > 0 ? why.reason.n : 0;

	if (why.member.n >= 0)
		step_tell(s, g->id, "rebalance after generation %d: %.*s %s%s%.*s",
		          classic_of(g)->generation, why.member.n, why.member.p, why.what,
		          said ? ": " : "", said, said ? why.reason.p : "");
	else
		step_tell(s, g->id, "rebalance after generation %d: it %s",
		          classic_of(g)->generation, why.what);
}

void classic_rebalance(struct groups *gs, struct step *s, struct group *g, struct classic_why why)
{
	struct classic *c = classic_of(g);

	assert(c->state != CLASSIC_PREPARING);
	tell(s, g, why);
	if (c->state == CLASSIC_COMPLETING)
		forget_assignments(gs, s, g);
	forget_owed(gs, c);
	if (c->state == CLASSIC_EMPTY) {
		form(gs, s, g);
		return;
	}
	classic_turn(s, c, CLASSIC_PREPARING);
	if (classic_all_joined(g)) {
		end_join(gs, s, g);
		return;
	}
	c->join_end.fn = join_over;
	groups_timer_set(gs, &c->join_end, s->now_ms + classic_rebalance_timeout(g));
}

void classic_rebalance_or_end(struct groups *gs, struct step *s, struct group *g,
                              struct classic_why why)
{
	if (classic_of(g)->state == CLASSIC_PREPARING)
		classic_maybe_end(gs, s, g);
	else
		classic_rebalance(gs, s, g, why);
}

/* --- sessions --- */

static void end_if_all_joined(struct groups *gs, struct step *s, struct group *g)
{
	if (classic_of(g)->state == CLASSIC_PREPARING && classic_all_joined(g))
		end_join(gs, s, g);
}

/* A parked request is as good as a heartbeat, but not that of a new member: it may be a client that
 * gave up before it knew its id. */
void classic_session_over(struct groups *gs, struct step *s, struct group_timer *t)
{
	struct classic_member *m = (struct classic_member *)t;
	struct group *g = m->group;
	struct classic_why why = { "has not sent a heartbeat in time", step_copy(s, m->id), SPAN_NULL };

	if (!m->is_new && (m->joining || m->syncing))
		return;
	classic_fail_parked(s, g, m, span_of(""), WIRE_UNKNOWN_MEMBER_ID);
	classic_remove(gs, g, m);
	if (classic_of(g)->state != CLASSIC_PREPARING)
		classic_rebalance(gs, s, g, why);
	else
		end_if_all_joined(gs, s, g);
}

void classic_pending_over(struct groups *gs, struct step *s, struct group_timer *t)
{
	struct classic_pending *p = (struct classic_pending *)t;
	struct group *g = p->group;

	classic_pending_remove(gs, g, p);
	end_if_all_joined(gs, s, g);
}
