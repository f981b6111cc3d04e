/* What a change of brokers means for the partitions
 * (ReplicationControlManager.generateLeaderAndIsrUpdates). */
#include "partition_change.h"

struct move {
	int32_t gone, lost, back; /* -1: none */
	bool for_ever;		  /* the one that is gone does not come back */
};

/* Is the partition one that the move may change? */
static bool concerns(const struct meta_partition *p, const struct move *m)
{
	struct ids isr = { p->isr, p->isr_n }, elr = { p->elr, p->elr_n };

	if (m->back >= 0)
		return p->leader < 0;
	return ids_have(isr, m->gone) || ids_have(isr, m->lost) || ids_have(elr, m->lost)
	       || (m->for_ever && ids_have(elr, m->gone));
}

static void change(struct operation *op, const struct meta_topic *t, const struct meta_partition *p,
		   const struct move *m, struct topic_rules rules)
{
	int32_t out[2] = { m->gone, m->lost };
	struct partition_change c;

	partition_change_begin(&c, op, t, p, rules);
	c.gone = m->gone;
	c.lost = m->lost;
	c.back = m->back;
	c.isr = ids_without(op, c.isr, (struct ids){ out, 2 });
	if (!op->failed)
		partition_change_end(&c);
}

static void all(struct operation *op, const struct move *m)
{
	const struct meta_topic *t;
	size_t at = 0;

	while ((t = map_next(&op->c->image->topics_by_id, &at))) {
		struct topic_rules rules;
		bool known = false;

		for (int32_t i = 0; i < t->partitions_n && !op->failed; i++) {
			const struct meta_partition *p = &t->partitions[i];

			if (!p->replicas || !concerns(p, m))
				continue;
			if (!known)
				rules = topic_rules(op, t);
			known = true;
			change(op, t, p, m, rules);
		}
	}
}

void leaders_without(struct operation *op, int32_t broker)
{
	all(op, &(struct move){ .gone = broker, .lost = -1, .back = -1 });
}

void leaders_without_for_ever(struct operation *op, int32_t broker)
{
	all(op, &(struct move){ .gone = broker, .lost = -1, .back = -1, .for_ever = true });
}

void leaders_without_lost(struct operation *op, int32_t broker)
{
	all(op, &(struct move){ .gone = -1, .lost = broker, .back = -1 });
}

void leaders_with(struct operation *op, int32_t broker)
{
	all(op, &(struct move){ .gone = -1, .lost = -1, .back = broker });
}

void partition_without(struct operation *op, const struct meta_topic *t,
		       const struct meta_partition *p, int32_t broker)
{
	change(op, t, p, &(struct move){ .gone = broker, .lost = -1, .back = -1 },
	       topic_rules(op, t));
}

bool leaders_any(const struct controller *c, int32_t broker)
{
	const struct meta_topic *t;
	size_t at = 0;

	while ((t = map_next(&c->image->topics_by_id, &at)))
		for (int32_t i = 0; i < t->partitions_n; i++)
			if (t->partitions[i].replicas && t->partitions[i].leader == broker)
				return true;
	return false;
}
