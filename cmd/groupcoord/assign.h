/* Server-side assignors of the consumer protocol (KIP-848): which member is to read which
 * partition. Pure, and the same input gives the same output.
 *
 * Kafka's RangeAssignor, UniformAssignor and their builders settle who gets what; where those
 * follow the order of a hash map, these go by member id, topic id and partition. Racks change
 * nothing: Kafka's own assignors look at none since 4.0.
 */
#ifndef GROUPCOORD_ASSIGN_H
#define GROUPCOORD_ASSIGN_H
#include <stdbool.h>

#include "base/arena.h"
#include "base/bytes.h"

struct assign_topic {
	struct uuid id;
	int32_t partitions;
	int32_t *owner;         /* by partition: a member's index, -1 nobody. In: the assignment so
				   far; out: the new one */
};
struct assign_member {
	struct span id;
	struct span instance;   /* null: a dynamic member */
	const int32_t *topics;  /* what it subscribes to: indexes into the spec's, ascending */
	int32_t topics_n;
};
struct assign_spec {
	struct assign_topic *topics;          /* by id (assign_id_order), each once */
	int32_t topics_n;
	const struct assign_member *members;  /* by id, as bytes */
	int32_t members_n;
	bool homogeneous;                     /* all members subscribe to all topics */
};

/* Both: the arena holds what they need meanwhile. 0; -1 ENOMEM. */
int assign_range(struct assign_spec *spec, struct arena *arena);
int assign_uniform(struct assign_spec *spec, struct arena *arena);
/* assign_uniform where subscriptions differ (UniformHeterogeneousAssignmentBuilder) */
int assign_mixed(struct assign_spec *spec, struct arena *arena);

/* Kafka's Uuid.compareTo: the halves as signed numbers. <0, 0, >0. */
int assign_id_order(const struct uuid *a, const struct uuid *b);
/* as bytes, the shorter first (String.compareTo for ASCII); null before everything */
int assign_text_order(struct span a, struct span b);
bool assign_subscribes(const struct assign_member *m, int32_t topic);
#endif
