/* PartitionChange records when a broker goes or comes
 * (ReplicationControlManager.generateLeaderAndIsrUpdates, PartitionChangeBuilder). Eligible leader
 * replicas are used where they are found, and never made.
 */
#include <string.h>

#include "controller.h"
#include "meta/config.h"
#include "meta/record.h"

struct move {
	int32_t gone, back; /* -1: none */
};

static bool has(const int32_t *v, int32_t n, int32_t x)
{
	for (int32_t i = 0; i < n; i++)
		if (v[i] == x)
			return true;
	return false;
}

static bool may_lead(const struct operation *op, const struct move *m, int32_t id)
{
	return id >= 0 && id != m->gone && (id == m->back || broker_is_active(op->c, id));
}

struct choice {
	int32_t leader; /* -1: none */
	bool unclean;	/* it is not known to have every committed record */
};

/* The present leader if it may go on, else the first replica that may lead and is in sync. Where
 * nobody is in sync, those that were last (eligible leader replicas, the last known leader: Kafka's
 * features, whose states its directories bring) come next, then with unclean elections anybody. */
static struct choice elect(const struct operation *op, const struct meta_topic *t,
			   const struct meta_partition *p, const struct move *m, const int32_t *isr,
			   int32_t isr_n)
{
	const int32_t *good = isr_n > 0 ? isr : p->elr;
	int32_t good_n = isr_n > 0 ? isr_n : p->elr_n;

	if (has(good, good_n, p->leader) && may_lead(op, m, p->leader))
		return (struct choice){ p->leader, false };
	for (int32_t i = 0; i < p->replicas_n; i++)
		if (has(good, good_n, p->replicas[i]) && may_lead(op, m, p->replicas[i]))
			return (struct choice){ p->replicas[i], false };
	if (good_n == 0 && p->last_known_elr_n == 1 && may_lead(op, m, p->last_known_elr[0]))
		return (struct choice){ p->last_known_elr[0], true };
	if (!meta_config_bool(op->c->image, op->c->settings->node.id, t,
			      "unclean.leader.election.enable"))
		return (struct choice){ -1, false };
	for (int32_t i = 0; i < p->replicas_n; i++)
		if (may_lead(op, m, p->replicas[i]))
			return (struct choice){ p->replicas[i], true };
	return (struct choice){ -1, false };
}

static void change(struct operation *op, const struct meta_topic *t, const struct meta_partition *p,
		   const struct move *m)
{
	struct partition_change_record r;
	int32_t *isr = arena_get(&op->arena, (size_t)p->isr_n * sizeof *isr + sizeof *isr), n = 0;
	struct choice to;

	if (!isr) {
		op->failed = true;
		return;
	}
	for (int32_t i = 0; i < p->isr_n; i++)
		if (p->isr[i] != m->gone)
			isr[n++] = p->isr[i];
	to = elect(op, t, p, m, isr, n);
	wire_init(&wire_partition_change_record, &r);
	r.topic_id = t->id;
	r.partition_id = p->id;
	r.isr = isr;
	if (to.leader != p->leader)
		r.leader = to.leader;
	if (to.leader >= 0 && to.leader != p->leader && (to.unclean || n == 0)) {
		isr[0] = to.leader;
		r.isr_n = 1;
		if (to.unclean && p->leader_recovery_state != 1)
			r.leader_recovery_state = 1;
	} else if (n > 0 && n != p->isr_n) {
		/* The last member stays: it alone can lead again without loss. */
		r.isr_n = n;
		if (r.leader == -2 && operation_level(op) < 12)
			r.leader = to.leader;
	}
	if (to.leader >= 0 && p->elr_n > 0)
		r.eligible_leader_replicas_n = 0;
	if (to.leader >= 0 && p->last_known_elr_n > 0)
		r.last_known_elr_n = 0;
	if (r.leader != -2 || r.isr_n >= 0)
		operation_record(op, META_PARTITION_CHANGE, &r);
}

static void all(struct operation *op, const struct move *m)
{
	const struct meta_topic *t;
	size_t at = 0;

	while ((t = map_next(&op->c->image->topics_by_id, &at)))
		for (int32_t i = 0; i < t->partitions_n && !op->failed; i++) {
			const struct meta_partition *p = &t->partitions[i];

			if (p->replicas
			    && (m->gone >= 0 ? has(p->isr, p->isr_n, m->gone) : p->leader < 0))
				change(op, t, p, m);
		}
}

void leaders_without(struct operation *op, int32_t broker)
{
	all(op, &(struct move){ broker, -1 });
}

void leaders_with(struct operation *op, int32_t broker)
{
	all(op, &(struct move){ -1, broker });
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
