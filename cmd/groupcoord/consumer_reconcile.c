/* One member on its way to its target (Kafka's CurrentAssignmentBuilder). */
#include "consumer.h"

static const struct parts none;

struct next {                           /* what the member is about to be */
	int32_t epoch;
	enum consumer_member_state state;
	struct parts assigned, revoking;
};

/* Said to own some of them; silence counts as yes. */
static bool owns(const struct parts *owned, const struct parts *p)
{
	return !owned || parts_meet(owned, p);
}

static struct parts subscribed_only(struct step *s, const struct consumer *c,
                                    const struct consumer_member *m, const struct parts *p)
{
	struct parts out = {step_take(s, (size_t)p->n, sizeof *out.v), 0};
	const struct part *first;
	int32_t n;
	for (int32_t at = 0; (first = parts_topic(p, &at, &n));)
		if (consumer_subscribed(s, c, m, &first->topic))
			for (int32_t i = 0; i < n; i++)
				out.v[out.n++] = first[i];
	return out;
}

/* Only takes away what is no longer subscribed to: the target stays ahead. */
static bool shrink(struct step *s, const struct consumer *c, const struct consumer_member *m,
                   const struct parts *owned, struct next *next)
{
	struct parts kept = subscribed_only(s, c, m, &m->assigned);
	if (kept.n == m->assigned.n)
		return false;
	struct parts gone = parts_less(s, &m->assigned, &kept);
	struct parts revoking = parts_any(s, &gone, &m->revoking);
	*next = (struct next){m->epoch, m->state, kept, m->revoking};
	if (owns(owned, &revoking)) {
		next->state = MEMBER_UNREVOKED;
		next->revoking = revoking;
	}
	return true;
}

/* What it may be given now. What another still has waits, but for what it is giving back itself. */
static struct parts available(struct step *s, const struct consumer *c,
                              const struct consumer_member *m, const struct parts *wanted,
                              bool *waits)
{
	struct parts out = {step_take(s, (size_t)wanted->n, sizeof *out.v), 0};
	*waits = false;
	for (int32_t i = 0; i < wanted->n; i++) {
		struct part *p = wanted->v + i;
		if (consumer_owned(c, p) && !parts_find(&m->revoking, &p->topic, p->partition)) {
			*waits = true;
			continue;
		}
		out.v[out.n] = *p;
		out.v[out.n++].epoch = c->assignment_epoch;
	}
	return out;
}

static void advance(struct step *s, const struct consumer *c, const struct consumer_member *m,
                    const struct parts *owned, struct next *next)
{
	struct parts target = subscribed_only(s, c, m, consumer_target_of(c, m->id));
	struct parts kept = parts_both(s, &m->assigned, &target);
	struct parts gone = parts_less(s, &m->assigned, &kept);
	struct parts wanted = parts_less(s, &target, &kept);
	bool waits;
	if (gone.n > 0 && owns(owned, &gone)) {
		*next = (struct next){m->epoch, MEMBER_UNREVOKED, kept, gone};
		return;
	}
	struct parts given = available(s, c, m, &wanted, &waits);
	*next = (struct next){c->assignment_epoch, waits ? MEMBER_UNRELEASED : MEMBER_STABLE,
	                      parts_any(s, &kept, &given), none};
}

static bool decide(struct step *s, const struct consumer *c, const struct consumer_member *m,
                   bool subscription_changed, const struct parts *owned, struct next *next)
{
	bool catches_up = m->state == MEMBER_STABLE ? m->epoch != c->assignment_epoch
	                : m->state == MEMBER_UNREVOKED ? !owns(owned, &m->revoking)
	                : true;
	if (catches_up)
		advance(s, c, m, owned, next);
	return catches_up || (subscription_changed && shrink(s, c, m, owned, next));
}

void consumer_reconcile(struct groups *gs, struct step *s, struct consumer *c,
                        struct consumer_member *m, bool subscription_changed,
                        const struct parts *owned)
{
	struct next next;
	if ((!subscription_changed && consumer_reconciled(c, m)) ||
	    !decide(s, c, m, subscription_changed, owned, &next))
		return;
	if (next.epoch == m->epoch && m->epoch == m->previous_epoch && next.state == m->state &&
	    parts_same(&next.assigned, &m->assigned) && parts_same(&next.revoking, &m->revoking))
		return;
	consumer_member_place(c, m, next.epoch, m->epoch, next.state, &next.assigned,
	                      &next.revoking);
	consumer_record_current(s, m);
	if (!consumer_member_classic(m))
		consumer_rebalance_timer(gs, s, m);
}
