/* What happens to a member of a consumer group that is silent or too slow: it is removed. */
#include "consumer.h"

static int64_t session_ms(const struct step *s, const struct consumer_member *m)
{
	if (consumer_member_classic(m))
		return m->said.classic_member_metadata->session_timeout_ms;
	return step_group_config(s, m->group->id, "consumer.session.timeout.ms",
	                         s->settings->consumer_session_timeout);
}

static void remove_one(struct groups *gs, struct step *s, struct consumer_member *m)
{
	consumer_remove(gs, s, m->group, &m, 1);
}

static void session_over(struct groups *gs, struct step *s, struct group_timer *t)
{
	remove_one(gs, s, (struct consumer_member *)((char *)t -
	                                             offsetof(struct consumer_member, session)));
}

static void rebalance_over(struct groups *gs, struct step *s, struct group_timer *t)
{
	remove_one(gs, s, (struct consumer_member *)((char *)t -
	                                             offsetof(struct consumer_member, rebalance)));
}

static void join_over(struct groups *gs, struct step *s, struct group_timer *t)
{
	remove_one(gs, s, (struct consumer_member *)((char *)t -
	                                             offsetof(struct consumer_member, join)));
}

static void sync_over(struct groups *gs, struct step *s, struct group_timer *t)
{
	remove_one(gs, s, (struct consumer_member *)((char *)t -
	                                             offsetof(struct consumer_member, sync)));
}

void consumer_session_start(struct groups *gs, struct step *s, struct consumer_member *m)
{
	m->session.fn = session_over;
	groups_timer_set(gs, &m->session, s->now_ms + session_ms(s, m));
}

void consumer_rebalance_timer(struct groups *gs, struct step *s, struct consumer_member *m)
{
	m->rebalance.fn = rebalance_over;
	if (m->state == MEMBER_UNREVOKED)
		groups_timer_set(gs, &m->rebalance, s->now_ms + m->said.rebalance_timeout_ms);
	else
		groups_timer_stop(gs, &m->rebalance);
}

void consumer_join_wanted(struct groups *gs, struct step *s, struct consumer_member *m)
{
	m->join.fn = join_over;
	if (!m->join.node.place)
		groups_timer_set(gs, &m->join, s->now_ms + m->said.rebalance_timeout_ms);
}

void consumer_joined(struct groups *gs, struct step *s, struct consumer_member *m,
                     int32_t rebalance_timeout_ms)
{
	groups_timer_stop(gs, &m->join);
	m->sync.fn = sync_over;
	groups_timer_set(gs, &m->sync, s->now_ms + rebalance_timeout_ms);
}

void consumer_synced(struct groups *gs, struct consumer_member *m)
{
	groups_timer_stop(gs, &m->sync);
}

void consumer_timers_stop(struct groups *gs, struct consumer_member *m)
{
	groups_timer_stop(gs, &m->session);
	groups_timer_stop(gs, &m->rebalance);
	groups_timer_stop(gs, &m->join);
	groups_timer_stop(gs, &m->sync);
}
