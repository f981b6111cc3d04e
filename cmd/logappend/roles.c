/* Who leads: where a leader's epoch begins is on disk before it accepts anything. */
#include <errno.h>
#include <stdlib.h>

#include "daemon.h"

enum { AT_ONCE = 4 };           /* epochs of one turn that are synced right here */

static int synced_here;

/* Where the last epoch of the log began. */
static int64_t last_epoch_start(const struct log *l)
{
	int32_t e;
	int64_t start;
	log_epoch_end(l, log_last_epoch(l) - 1, &e, &start);
	return start >= 0 ? start : log_start(l);
}

static void take_lead(struct partition *p, const struct meta_partition *m)
{
	struct replica_assignment a = {
		.epoch = m->leader_epoch, .partition_epoch = m->partition_epoch,
		.replicas = m->replicas, .replicas_n = m->replicas_n,
		.isr = m->isr, .isr_n = m->isr_n, .resumed = p->led_before == m->leader_epoch,
	};
	int64_t start = 0;
	if (p->step.role == PAGE_LEADER && p->step.epoch == m->leader_epoch)
		start = p->step.epoch_start;
	else if (!p->unmade)
		start = log_last_epoch(p->log) == m->leader_epoch ? last_epoch_start(p->log)
		                                                  : log_end(p->log);
	p->leading = -1;
	if (replica_lead(&p->step, &a, start, port_now_ms()) < 0)
		abort();    /* no memory for a list of node ids */
	partition_touch(p);
}

/* Other replicas compare their epochs with ours. A lone replica's epoch is written with its first
 * record, or when others come: a node with thousands of partitions starts in an instant. */
static bool is_written(const struct partition *p, const struct meta_partition *m)
{
	if (p->unmade)
		return true;
	int32_t last = log_last_epoch(p->log);
	return last == m->leader_epoch || (m->replicas_n == 1 && last < m->leader_epoch);
}

/* When a node dies others begin to lead hundreds of partitions in one turn: one sync is for all of
 * them. Meanwhile they follow nobody in the new epoch. */
static int write_epoch(struct partition *p, const struct meta_partition *m)
{
	if (!node.serving) {
		node.epochs_written = true;    /* synced before anybody is served */
		return log_epoch_start_soon(p->log, m->leader_epoch);
	}
	if (p->step.role == PAGE_LEADER || synced_here < AT_ONCE) {
		synced_here++;
		return log_epoch_start(p->log, m->leader_epoch);
	}
	if (log_epoch_start_soon(p->log, m->leader_epoch) < 0)
		return -1;
	p->leading = m->leader_epoch;
	p->leading_ticket = flush_all_for(p);
	replica_follow(&p->step, m->leader_epoch, m->partition_epoch);
	return 0;
}

static void lead(struct partition *p, const struct meta_partition *m)
{
	if (p->leading == m->leader_epoch)
		return;    /* its sync is under way */
	p->leading = -1;
	if (!is_written(p, m) && write_epoch(p, m) < 0) {
		if (errno == EIO)
			die_sync(p->name);
		partition_offline(p, log_error(p->log));
		return;
	}
	if (p->leading < 0)
		take_lead(p, m);
}

void partition_synced(struct partition *p, uint64_t ticket)
{
	const struct meta_topic *t = meta_topic_with_id(node.image, &p->key.topic_id);
	const struct meta_partition *m = t ? meta_partition(t, p->key.index) : NULL;
	if (p->leading < 0 || ticket < p->leading_ticket)
		return;
	if (m && m->leader == node.me.id && m->leader_epoch == p->leading)
		take_lead(p, m);
}

/* The answer to AlterPartition may have told of a later state than the record at hand. A partition
 * that was never led has no epoch that others could know; it is made when it is needed. */
void partition_role(struct partition *p, const struct meta_partition *m)
{
	bool leads = m->leader == node.me.id;
	if (p->unmade && leads && m->replicas_n > 1 && m->leader_epoch > 0)
		partition_make(p);
	if ((!p->log && !p->unmade) || m->partition_epoch < p->step.partition_epoch)
		return;
	partition_touch(p);
	if (leads) {
		lead(p, m);
	} else {
		p->leading = -1;
		replica_follow(&p->step, m->leader_epoch, m->partition_epoch);
	}
}

void roles_turn(void)
{
	synced_here = 0;
}
