/* AlterPartition: a leader says who is in sync with it (ReplicationControlManager.alterPartition,
 * KIP-497, KIP-841, KIP-903). */
#include <stdlib.h>

#include "base/planted.h"
#include "partition_change.h"
#include "wire/codes.h"

typedef struct alter_partition_request_partition_data asked;
typedef struct alter_partition_response_partition_data answer;

enum { RECOVERED, RECOVERING };

struct member {
	int32_t id;
	int64_t epoch; /* of the broker, as the leader knows it from its Fetch; -1 unknown */
};
struct members {
	struct member *v;
	int32_t *ids;
	int32_t n;
};

/* Version 2 gives ids alone. */
static struct members members_of(struct operation *op, const asked *a, int version)
{
	struct members m = { .n = version < 3 ? a->new_isr_n : a->new_isr_with_epochs_n };

	m.v = arena_get(&op->arena, (size_t)m.n * sizeof *m.v + 1);
	m.ids = arena_get(&op->arena, (size_t)m.n * sizeof *m.ids + 1);
	if (!m.v || !m.ids) {
		op->failed = true;
		m.n = 0;
	}
	for (int32_t i = 0; i < m.n; i++) {
		m.v[i] = version < 3 ? (struct member){ a->new_isr[i], -1 }
				     : (struct member){ a->new_isr_with_epochs[i].broker_id,
							a->new_isr_with_epochs[i].broker_epoch };
		m.ids[i] = m.v[i].id;
	}
	return m;
}

static bool all_replicas_once(const struct members *m, const struct meta_partition *p)
{
	if (m->n > p->replicas_n)
		return false;
	for (int32_t i = 0; i < m->n; i++)
		if (m->ids[i] < 0 || ids_have((struct ids){ m->ids, i }, m->ids[i])
		    || !ids_have((struct ids){ p->replicas, p->replicas_n }, m->ids[i]))
			return false;
	return true;
}

/* A broker that was started anew since the leader counted its fetches may have lost what they
 * promised. */
static bool all_eligible(const struct operation *op, const struct members *m)
{
	for (int32_t i = 0; i < m->n; i++) {
		const struct meta_broker *b = meta_broker(op->c->image, m->v[i].id);

		if (!b || ((b->fenced || b->in_controlled_shutdown) && !PLANTED(FENCED_IN_ISR)))
			return false;
		if (m->v[i].epoch != -1 && m->v[i].epoch != b->epoch
		    && !PLANTED(BROKER_EPOCH_NOT_CHECKED))
			return false;
	}
	return true;
}

static int check(const struct operation *op, int32_t from, const asked *a, const struct members *m,
		 const struct meta_partition *p)
{
	if (!p)
		return WIRE_UNKNOWN_TOPIC_OR_PARTITION;
	/* The leader knows more than this controller, which then is the active one no more. */
	if (a->leader_epoch > p->leader_epoch || a->partition_epoch > p->partition_epoch)
		return WIRE_NOT_CONTROLLER;
	if (a->leader_epoch < p->leader_epoch)
		return WIRE_FENCED_LEADER_EPOCH;
	if (from != p->leader)
		return WIRE_INVALID_REQUEST;
	if (a->partition_epoch < p->partition_epoch && !PLANTED(PARTITION_EPOCH_NOT_CHECKED))
		return WIRE_INVALID_UPDATE_VERSION;
	if (!all_replicas_once(m, p) || !ids_have((struct ids){ m->ids, m->n }, p->leader))
		return WIRE_INVALID_REQUEST;
	if (a->leader_recovery_state != RECOVERED && a->leader_recovery_state != RECOVERING)
		return WIRE_INVALID_REQUEST;
	if (a->leader_recovery_state == RECOVERING
	    && (m->n > 1 || p->leader_recovery_state == RECOVERED))
		return WIRE_INVALID_REQUEST;
	return all_eligible(op, m) ? 0 : WIRE_INELIGIBLE_REPLICA;
}

static void alter_one(struct operation *op, int32_t from, const struct meta_topic *t,
		      struct topic_rules rules, const asked *a, int version, answer *to)
{
	const struct meta_partition *p = meta_partition(t, a->partition_index);
	struct members m = members_of(op, a, version);
	struct meta_partition after;
	struct partition_change c;

	to->error_code = (int16_t)check(op, from, a, &m, p);
	if (to->error_code)
		return;
	partition_change_begin(&c, op, t, p, rules);
	c.isr = (struct ids){ m.ids, m.n };
	c.recovery = a->leader_recovery_state;
	c.anew = a->anew; /* a leader that was restarted makes void what it may have asked for */
	partition_change_end(&c);
	after = partition_change_outcome(&c);
	/* The new ISR completed a reassignment which takes the leader away: both an error and a
	 * record, so that it looks for its new role. */
	if (after.leader_epoch != p->leader_epoch && after.leader != from) {
		to->error_code = WIRE_NEW_LEADER_ELECTED;
		return;
	}
	to->leader_id = after.leader;
	to->leader_epoch = after.leader_epoch;
	to->isr = after.isr;
	to->isr_n = after.isr_n;
	to->leader_recovery_state = after.leader_recovery_state;
	to->partition_epoch = after.partition_epoch;
}

static void alter_topic(struct operation *op, int32_t from,
			const struct alter_partition_request_topic_data *in, int version,
			struct alter_partition_response_topic_data *out)
{
	const struct meta_topic *t = meta_topic_with_id(op->c->image, &in->topic_id);
	struct topic_rules rules = { 0 };

	wire_init(&wire_alter_partition_response_topic_data, out);
	out->topic_id = in->topic_id;
	out->partitions =
		arena_get(&op->arena, (size_t)in->partitions_n * sizeof *out->partitions + 1);
	if (!out->partitions) {
		op->failed = true;
		return;
	}
	out->partitions_n = in->partitions_n;
	if (t)
		rules = topic_rules(op, t);
	for (int32_t i = 0; i < in->partitions_n && !op->failed; i++) {
		answer *to = &out->partitions[i];

		wire_init(&wire_alter_partition_response_partition_data, to);
		to->partition_index = in->partitions[i].partition_index;
		if (t)
			alter_one(op, from, t, rules, &in->partitions[i], version, to);
		else
			to->error_code = WIRE_UNKNOWN_TOPIC_ID;
	}
}

void alter_partition(struct operation *op, const struct wire_request *q, const void *request,
		     void *response)
{
	const struct alter_partition_request *in = request;
	struct alter_partition_response *out = response;
	struct fault f = broker_epoch_fault(op, in->broker_id, in->broker_epoch);

	op->timeout_ms = 0; /* the leader applies it when it reads it */
	out->error_code = f.code;
	if (f.code)
		return;
	out->topics = arena_get(&op->arena, (size_t)in->topics_n * sizeof *out->topics + 1);
	if (!out->topics) {
		op->failed = true;
		return;
	}
	out->topics_n = in->topics_n;
	for (int32_t i = 0; i < in->topics_n && !op->failed; i++)
		alter_topic(op, in->broker_id, &in->topics[i], q->version, &out->topics[i]);
}
