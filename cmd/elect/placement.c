/* Replicas by hand or around the ring of brokers (StripedReplicaPlacer's promises: leaders spread,
 * fenced brokers last). */
#include "placement.h"

#include <stdlib.h>
#include <string.h>

#include "meta/record.h"
#include "wire/codes.h"

int placement_room(struct operation *op, struct placement *p, int32_t n)
{
	p->n = n;
	p->replicas = arena_get(&op->arena, (size_t)n * sizeof *p->replicas + 1);
	p->replicas_n = arena_get(&op->arena, (size_t)n * sizeof *p->replicas_n + 1);
	return p->replicas && p->replicas_n ? 0 : -1;
}

struct fault placement_manual(struct operation *op, struct placement *p, int32_t i,
			      int32_t partition, const int32_t *brokers, int32_t n, int32_t want)
{
	bool active = false;

	if (n <= 0)
		return fault(op, WIRE_INVALID_REPLICA_ASSIGNMENT,
			     "The manual partition assignment includes an empty replica list.");
	for (int32_t k = 0; k < n; k++) {
		if (!meta_broker(op->c->image, brokers[k]))
			return fault(op, WIRE_INVALID_REPLICA_ASSIGNMENT,
				     "The manual partition assignment includes broker "
				     "%d, but no such broker is registered.",
				     brokers[k]);
		for (int32_t j = 0; j < k; j++)
			if (brokers[j] == brokers[k])
				return fault(op, WIRE_INVALID_REPLICA_ASSIGNMENT,
					     "The manual partition assignment includes "
					     "the broker %d more than once.",
					     brokers[k]);
		active = active || broker_is_active(op->c, brokers[k]);
	}
	if (want >= 0 && n != want)
		return fault(op, WIRE_INVALID_REPLICA_ASSIGNMENT,
			     "The manual partition assignment includes a partition "
			     "with %d replica(s), but this is not consistent with previous "
			     "partitions, which have %d "
			     "replica(s).",
			     n, want);
	if (!active)
		return fault(op, WIRE_INVALID_REPLICA_ASSIGNMENT,
			     "All brokers specified in the manual partition assignment "
			     "for partition %d are fenced or in controlled shutdown.",
			     partition);
	p->replicas[i] = arena_copy(&op->arena, brokers, (size_t)n * sizeof *brokers);
	p->replicas_n[i] = n;
	op->failed = op->failed || !p->replicas[i];
	return GOOD;
}

static int by_number(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

/* Ids of the brokers that are fenced, or not, in order. */
static int32_t *brokers(struct operation *op, bool fenced, int32_t *n)
{
	const struct meta_broker *b;
	size_t at = 0;
	int32_t *v = arena_get(&op->arena, op->c->image->brokers.n * sizeof *v + 1);

	*n = 0;
	while (v && (b = map_next(&op->c->image->brokers, &at)))
		if (b->fenced == fenced)
			v[(*n)++] = b->id;
	if (v)
		qsort(v, (size_t)*n, sizeof *v, by_number);
	else
		op->failed = true;
	return v;
}

struct fault placement_auto(struct operation *op, struct placement *p, int32_t first,
			    int32_t factor)
{
	int32_t up, down;
	int32_t *live = brokers(op, false, &up), *fenced = brokers(op, true, &down);
	bool active = false;

	if (op->failed)
		return GOOD;
	if (up == 0)
		return fault(op, WIRE_INVALID_REPLICATION_FACTOR,
			     "All brokers are currently fenced.");
	if (factor > up + down)
		return fault(op, WIRE_INVALID_REPLICATION_FACTOR,
			     "The target replication factor of %d cannot be reached "
			     "because only %d broker(s) are registered or some brokers have all "
			     "their log directories "
			     "cordoned.",
			     factor, up + down);
	for (int32_t i = 0; i < up; i++)
		active = active || broker_is_active(op->c, live[i]);
	if (!active)
		return fault(op, WIRE_INVALID_REPLICATION_FACTOR,
			     "All brokers are currently fenced or in controlled shutdown.");
	for (int32_t i = 0; i < p->n; i++) {
		int32_t *v = arena_get(&op->arena, (size_t)factor * sizeof *v);

		if (!v) {
			op->failed = true;
			return GOOD;
		}
		for (int32_t k = 0; k < factor; k++)
			v[k] = k < up ? live[(first + i + k) % up]
				      : fenced[(first + i + k - up) % down];
		p->replicas[i] = v;
		p->replicas_n[i] = factor;
	}
	return GOOD;
}

/* The directory for a new replica: the only one of its broker, else not chosen yet
 * (ClusterControlManager.defaultDir). */
static struct uuid directory(const struct operation *op, int32_t broker)
{
	static const struct uuid unassigned = { { [15] = 1 } };
	const struct meta_broker *b = meta_broker(op->c->image, broker);

	if (!b || b->log_dirs_n == 0)
		return uuid_zero;
	return b->log_dirs_n == 1 ? b->log_dirs[0] : unassigned;
}

void placement_records(struct operation *op, const struct placement *p, const struct uuid *topic,
		       int32_t first)
{
	for (int32_t i = 0; i < p->n && !op->failed; i++) {
		struct partition_record r;
		int32_t n = p->replicas_n[i];
		int32_t *isr = arena_get(&op->arena, (size_t)n * sizeof *isr);
		struct uuid *dirs = arena_get(&op->arena, (size_t)n * sizeof *dirs);

		if (!isr || !dirs) {
			op->failed = true;
			return;
		}
		wire_init(&wire_partition_record, &r);
		r.partition_id = first + i;
		r.topic_id = *topic;
		r.replicas = p->replicas[i];
		r.replicas_n = n;
		r.isr = isr;
		for (int32_t k = 0; k < n; k++) {
			if (broker_is_active(op->c, r.replicas[k]))
				isr[r.isr_n++] = r.replicas[k];
			dirs[k] = directory(op, r.replicas[k]);
		}
		r.leader = r.isr_n > 0 ? isr[0] : -1;
		r.leader_epoch = 0;
		r.partition_epoch = 0;
		if (operation_level(op) >= 17) {
			r.directories = dirs;
			r.directories_n = n;
		}
		operation_record(op, META_PARTITION, &r);
	}
}
