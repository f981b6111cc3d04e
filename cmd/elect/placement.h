/* Where the replicas of new partitions go. */
#ifndef ELECT_PLACEMENT_H
#define ELECT_PLACEMENT_H
#include "controller.h"

struct placement {
	int32_t n;	    /* partitions */
	int32_t **replicas; /* in the operation's arena */
	int32_t *replicas_n;
};

/* May these be a partition's replicas, as an admin asks? want: how many; -1 any. */
struct fault assignment_fault(struct operation *op, const int32_t *brokers, int32_t n,
			      int32_t want);
int placement_room(struct operation *op, struct placement *p, int32_t n); /* -1 ENOMEM */
/* Entry i, which is to be partition `partition`, as the request says. want: replicas of the others,
 * -1 any. */
struct fault placement_manual(struct operation *op, struct placement *p, int32_t i,
			      int32_t partition, const int32_t *brokers, int32_t n, int32_t want);
/* All entries, over the brokers there are (racks.c). */
struct fault placement_auto(struct operation *op, struct placement *p, int32_t factor);
void placement_records(struct operation *op, const struct placement *p, const struct uuid *topic,
		       int32_t first);
#endif
