/* Replicas by hand, and the records of new partitions. */
#include "placement.h"

#include <stdlib.h>
#include <string.h>

#include "meta/record.h"
#include "partition_change.h"
#include "wire/codes.h"

int placement_room(struct operation *op, struct placement *p, int32_t n)
{
	p->n = n;
	p->replicas = arena_get(&op->arena, (size_t)n * sizeof *p->replicas + 1);
	p->replicas_n = arena_get(&op->arena, (size_t)n * sizeof *p->replicas_n + 1);
	return p->replicas && p->replicas_n ? 0 : -1;
}

static int by_number(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

struct fault assignment_fault(struct operation *op, const int32_t *brokers, int32_t n,
			      int32_t want)
{
	int32_t *v = arena_copy(&op->arena, brokers, (size_t)(n < 0 ? 0 : n) * sizeof *v);

	if (n <= 0)
		return fault(op, WIRE_INVALID_REPLICA_ASSIGNMENT,
			     "The manual partition assignment includes an empty replica list.");
	if (!v) {
		op->failed = true;
		return GOOD;
	}
	qsort(v, (size_t)n, sizeof *v, by_number);
	for (int32_t k = 0; k < n; k++) {
		const struct meta_broker *b = meta_broker(op->c->image, v[k]);

		if (!b)
			return fault(op, WIRE_INVALID_REPLICA_ASSIGNMENT,
				     "The manual partition assignment includes broker "
				     "%d, but no such broker is registered.",
				     v[k]);
		if (!broker_takes_replicas(b))
			return fault(op, WIRE_INVALID_REPLICA_ASSIGNMENT,
				     "The manual partition assignment includes broker "
				     "%d, but all its log directories are cordoned.",
				     v[k]);
		if (k > 0 && v[k - 1] == v[k])
			return fault(op, WIRE_INVALID_REPLICA_ASSIGNMENT,
				     "The manual partition assignment includes "
				     "the broker %d more than once.",
				     v[k]);
	}
	if (want >= 0 && n != want)
		return fault(op, WIRE_INVALID_REPLICA_ASSIGNMENT,
			     "The manual partition assignment includes a partition "
			     "with %d replica(s), but this is not consistent with previous "
			     "partitions, which have %d "
			     "replica(s).",
			     n, want);
	return GOOD;
}

struct fault placement_manual(struct operation *op, struct placement *p, int32_t i,
			      int32_t partition, const int32_t *brokers, int32_t n, int32_t want)
{
	struct fault f = assignment_fault(op, brokers, n, want);
	bool active = false;

	if (f.code)
		return f;
	for (int32_t k = 0; k < n; k++)
		active = active || broker_is_active(op->c, brokers[k]);
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
			dirs[k] = broker_directory(op, r.replicas[k]);
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
