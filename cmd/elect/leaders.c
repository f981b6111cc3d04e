/* PartitionChange records when a broker goes or comes
 * (ReplicationControlManager.generateLeaderAndIsrUpdates, PartitionChangeBuilder). Eligible leader
 * replicas (KIP-966) come only from a log that Apache Kafka wrote: they are elected, never made. */
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

/* The leader that p is to have: the present one, else the first replica that may lead and is in
 * sync or an eligible leader; then the last leader of a partition that lost them all; with unclean
 * elections any that may lead. -1: none. */
static int32_t elect(const struct operation *op, const struct meta_topic *t,
		     const struct meta_partition *p, const struct move *m, const int32_t *isr,
		     int32_t isr_n, bool *unclean)
{
	*unclean = false;
	if (has(isr, isr_n, p->leader) && may_lead(op, m, p->leader))
		return p->leader;
	for (int32_t i = 0; i < p->replicas_n; i++)
		if ((has(isr, isr_n, p->replicas[i]) || has(p->elr, p->elr_n, p->replicas[i])) &&
		    may_lead(op, m, p->replicas[i]))
			return p->replicas[i];
	if (!isr_n && !p->elr_n && p->last_known_elr_n == 1 &&
	    may_lead(op, m, p->last_known_elr[0])) {
		*unclean = true;
		return p->last_known_elr[0];
	}
	if (!meta_config_bool(op->c->image, op->c->settings->node.id, t,
			      "unclean.leader.election.enable"))
		return -1;
	for (int32_t i = 0; i < p->replicas_n; i++)
		if (may_lead(op, m, p->replicas[i])) {
			*unclean = true;
			return p->replicas[i];
		}
	return -1;
}

static void change(struct operation *op, const struct meta_topic *t, const struct meta_partition *p,
		   const struct move *m)
{
	struct partition_change_record r;
	int32_t *isr = arena_get(&op->arena, (size_t)(p->isr_n + 1) * sizeof *isr), n = 0, leader;
	bool unclean;

	if (!isr) {
		op->failed = true;
		return;
	}
	for (int32_t i = 0; i < p->isr_n; i++)
		if (p->isr[i] != m->gone)
			isr[n++] = p->isr[i];
	leader = elect(op, t, p, m, isr, n, &unclean);
	wire_init(&wire_partition_change_record, &r);
	r.topic_id = t->id;
	r.partition_id = p->id;
	if (leader != p->leader)
		r.leader = leader;
	if (leader >= 0 && !has(isr, n, leader)) {
		isr[0] = leader;
		r.isr = isr;
		r.isr_n = 1;
		if (unclean)
			r.leader_recovery_state = p->leader_recovery_state == 1 ? -1 : 1;
		if (p->elr_n)
			r.eligible_leader_replicas_n = 0;
		if (p->last_known_elr_n)
			r.last_known_elr_n = 0;
	} else if (n > 0 && n != p->isr_n) {
		/* The last member stays: it alone can lead again without loss. */
		r.isr = isr;
		r.isr_n = n;
		if (r.leader == -2 && operation_level(op) < 12)
			r.leader = leader;
	}
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
