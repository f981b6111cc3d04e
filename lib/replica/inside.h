/* What the files of the step share; inside lib/replica only. */
#ifndef REPLICA_INSIDE_H
#define REPLICA_INSIDE_H
#include "replica/replica.h"

/* The offsets after any event, and what is let go by them. */
void replica_settle(struct replica *r);
struct replica_member *replica_member_of(struct replica *r, int32_t id);    /* NULL: none */
int replica_end_of_append(const struct replica *r);    /* 0, or what acks=all ends with */
bool replica_among(int32_t id, const int32_t *v, int n);

/* isr.c */
/* Its broker is there, stays, and is the one that fetched (Partition.isReplicaIsrEligible). */
bool replica_eligible(const struct replica *r, const struct replica_member *m);
/* Its broker is not fenced (MetadataCache.hasAliveBroker). */
bool replica_alive(const struct replica *r, const struct replica_member *m);
/* It had all of the log not longer than lag_ms ago. */
bool replica_caught_up(const struct replica *r, const struct replica_member *m);
/* Asks for m in the ISR if it may be in. */
void replica_maybe_join(struct replica *r, struct replica_member *m);
/* What an earlier life of this program asked for in this epoch may still come about: whoever could
 * be in the ISR then counts until the controller has given the partition a new epoch, which is
 * asked for by proposing the ISR as it is known here. */
void replica_isr_resume(struct replica *r);
/* The ISR is this; whatever was asked for is settled. */
void replica_commit_isr(struct replica *r, const struct replica_assignment *a);
#endif
