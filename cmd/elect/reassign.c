/* AlterPartitionReassignments, ListPartitionReassignments (KIP-455, KIP-860;
 * ReplicationControlManager, PartitionReassignmentReplicas, PartitionReassignmentRevert). */
#include <stdlib.h>
#include <string.h>

#include "partition_change.h"
#include "placement.h"
#include "wire/codes.h"

typedef struct alter_partition_reassignments_request_reassignable_partition asked;
typedef struct alter_partition_reassignments_response_reassignable_topic_response topic_answer;
typedef struct alter_partition_reassignments_response_reassignable_partition_response answer;
typedef struct list_partition_reassignments_response_ongoing_topic_reassignment ongoing_topic;
typedef struct list_partition_reassignments_response_ongoing_partition_reassignment ongoing;

static int by_number(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

/* a without b, in order of number. */
static struct ids difference(struct operation *op, struct ids a, struct ids b)
{
	struct ids d = ids_without(op, a, b);

	if (d.n > 0)
		qsort((int32_t *)d.v, (size_t)d.n, sizeof *d.v, by_number);
	return d;
}

static struct ids joined(struct operation *op, struct ids a, struct ids b)
{
	int32_t *v = arena_get(&op->arena, (size_t)(a.n + b.n + 1) * sizeof *v);

	if (!v) {
		op->failed = true;
		return (struct ids){ NULL, 0 };
	}
	memcpy(v, a.v, (size_t)a.n * sizeof *v);
	if (b.n > 0)
		memcpy(v + a.n, b.v, (size_t)b.n * sizeof *v);
	return (struct ids){ v, a.n + b.n };
}

/* How many replicas there will be when what is under way is done. */
static int32_t factor_of(struct operation *op, const struct meta_partition *p)
{
	struct ids all = { p->replicas, p->replicas_n };

	return ids_without(op, all, (struct ids){ p->removing, p->removing_n }).n;
}

/* Those that leave stay replicas, at the end, until those that come are in sync. */
static struct fault start(struct operation *op, const struct meta_topic *t,
			  const struct meta_partition *p, const asked *a, bool factor_may_change)
{
	struct ids now = { p->replicas, p->replicas_n }, want = { a->replicas, a->replicas_n };
	struct fault f = assignment_fault(op, want.v, want.n, -1);
	struct ids removing, adding;
	struct partition_change c;
	int32_t factor;

	if (f.code)
		return f;
	factor = factor_of(op, p);
	if (!factor_may_change && factor != want.n)
		return fault(op, WIRE_INVALID_REPLICATION_FACTOR,
			     "The replication factor is changed from %d to %d", factor, want.n);
	removing = difference(op, now, want);
	adding = difference(op, want, now);
	partition_change_begin(&c, op, t, p, topic_rules(op, t));
	c.election = ELECTION_ONLINE;
	c.replicas = joined(op, want, removing);
	if (removing.n > 0)
		c.removing = removing;
	if (adding.n > 0)
		c.adding = adding;
	if (!op->failed)
		partition_change_end(&c);
	return GOOD;
}

static struct fault cancel(struct operation *op, const struct meta_topic *t,
			   const struct meta_partition *p)
{
	struct ids adding = { p->adding, p->adding_n };
	struct topic_rules rules = topic_rules(op, t);
	struct partition_change c;

	if (!partition_reassigns(p))
		return (struct fault){ WIRE_NO_REASSIGNMENT_IN_PROGRESS, SPAN_NULL };
	partition_change_begin(&c, op, t, p, rules);
	c.replicas = ids_without(op, c.replicas, adding);
	c.isr = ids_without(op, c.isr, adding);
	c.removing = c.adding = (struct ids){ NULL, 0 };
	if (op->failed)
		return GOOD;
	if (c.replicas.n == 0)
		return fault(op, WIRE_INVALID_REPLICA_ASSIGNMENT,
			     "Invalid replica assignment: addingReplicas contains all replicas.");
	/* Nobody who was there before is in sync any more: the first is taken as it is. */
	if (c.isr.n == 0) {
		if (!rules.unclean)
			return fault(op, WIRE_INVALID_REPLICA_ASSIGNMENT,
				     "Unable to revert partition assignment for %s:%d because it "
				     "would require an unclean leader election.",
				     t->name, p->id);
		c.isr = (struct ids){ c.replicas.v, 1 };
	}
	partition_change_end(&c);
	return GOOD;
}

static struct fault alter(struct operation *op, struct span name, const struct meta_topic *t,
			  const asked *a, bool again, bool factor_may_change)
{
	const struct meta_partition *p = t ? meta_partition(t, a->partition_index) : NULL;

	if (!t)
		return fault(op, WIRE_UNKNOWN_TOPIC_OR_PARTITION,
			     "Unable to find a topic named %.*s.", name.n, name.p);
	if (!p)
		return fault(op, WIRE_UNKNOWN_TOPIC_OR_PARTITION,
			     "Unable to find partition %.*s:%d.", name.n, name.p,
			     a->partition_index);
	if (again)
		return fault(op, WIRE_INVALID_REQUEST, "Duplicate partition.");
	return a->replicas_n < 0 ? cancel(op, t, p) : start(op, t, p, a, factor_may_change);
}

static const uint8_t *named_twice(struct operation *op,
				  const struct alter_partition_reassignments_request *in)
{
	struct partition_keys keys;
	int64_t n = 0;

	for (int32_t i = 0; i < in->topics_n; i++)
		n += in->topics[i].partitions_n;
	partition_keys_begin(&keys, op, n);
	for (int32_t i = 0; i < in->topics_n; i++)
		for (int32_t j = 0; j < in->topics[i].partitions_n; j++)
			partition_keys_add(&keys, in->topics[i].name,
					   in->topics[i].partitions[j].partition_index);
	return partition_keys_twice(&keys);
}

void alter_reassignments(struct operation *op, const struct wire_request *q, const void *request,
			 void *response)
{
	const struct alter_partition_reassignments_request *in = request;
	struct alter_partition_reassignments_response *out = response;
	const uint8_t *twice = named_twice(op, in);

	op->timeout_ms = in->timeout_ms;
	out->error_message = SPAN_NULL;
	out->allow_replication_factor_change = in->allow_replication_factor_change;
	out->responses = arena_get(&op->arena, (size_t)in->topics_n * sizeof *out->responses + 1);
	op->failed = op->failed || !out->responses;
	for (int32_t i = 0; i < in->topics_n && !op->failed; i++) {
		const struct meta_topic *t =
			meta_topic_named(op->c->image, in->topics[i].name);
		int32_t n = in->topics[i].partitions_n;
		topic_answer *r = &out->responses[out->responses_n++];

		wire_init(&wire_alter_partition_reassignments_response_reassignable_topic_response,
			  r);
		r->name = in->topics[i].name;
		r->partitions = arena_get(&op->arena, (size_t)n * sizeof *r->partitions + 1);
		op->failed = !r->partitions;
		for (int32_t j = 0; j < n && !op->failed; j++) {
			const asked *a = &in->topics[i].partitions[j];
			struct fault f = alter(op, r->name, t, a, *twice++ == TWICE_AGAIN,
					       in->allow_replication_factor_change);
			answer *to = &r->partitions[r->partitions_n++];

			wire_init(&wire_alter_partition_reassignments_response_reassignable_partition_response,
				  to);
			to->partition_index = a->partition_index;
			to->error_code = f.code;
			to->error_message = f.message;
		}
	}
}

/* --- listing --- */

/* ids NULL: all of the topic. */
static void list_topic(struct operation *op, const struct meta_topic *t, const int32_t *ids,
		       int32_t n, struct list_partition_reassignments_response *out)
{
	ongoing_topic *r = &out->topics[out->topics_n];
	int32_t room = 0;

	for (int32_t i = 0; i < n; i++) {
		const struct meta_partition *p = meta_partition(t, ids ? ids[i] : i);

		room += p && partition_reassigns(p);
	}
	if (room == 0)
		return;
	wire_init(&wire_list_partition_reassignments_response_ongoing_topic_reassignment, r);
	r->name = span_of(t->name);
	r->partitions = arena_get(&op->arena, (size_t)room * sizeof *r->partitions);
	if (!r->partitions) {
		op->failed = true;
		return;
	}
	for (int32_t i = 0; i < n; i++) {
		const struct meta_partition *p = meta_partition(t, ids ? ids[i] : i);
		ongoing *o = &r->partitions[r->partitions_n];

		if (!p || !partition_reassigns(p))
			continue;
		wire_init(&wire_list_partition_reassignments_response_ongoing_partition_reassignment,
			  o);
		o->partition_index = p->id;
		o->replicas = p->replicas;
		o->replicas_n = p->replicas_n;
		o->adding_replicas = p->adding;
		o->adding_replicas_n = p->adding_n;
		o->removing_replicas = p->removing;
		o->removing_replicas_n = p->removing_n;
		r->partitions_n++;
	}
	out->topics_n++;
}

void list_reassignments(struct operation *op, const struct wire_request *q, const void *request,
			void *response)
{
	const struct list_partition_reassignments_request *in = request;
	struct list_partition_reassignments_response *out = response;
	size_t n = in->topics_n < 0 ? op->c->image->topics_by_id.n : (size_t)in->topics_n, at = 0;
	const struct meta_topic *t;

	out->error_message = SPAN_NULL;
	out->topics = arena_get(&op->arena, n * sizeof *out->topics + 1);
	op->failed = op->failed || !out->topics;
	for (int32_t i = 0; i < in->topics_n && !op->failed; i++) {
		t = meta_topic_named(op->c->image, in->topics[i].name);
		if (t)
			list_topic(op, t, in->topics[i].partition_indexes,
				   in->topics[i].partition_indexes_n, out);
	}
	while (in->topics_n < 0 && !op->failed && (t = map_next(&op->c->image->topics_by_id, &at)))
		list_topic(op, t, NULL, t->partitions_n, out);
}
