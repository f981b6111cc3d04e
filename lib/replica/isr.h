/* Which replicas are in sync: what the leader asks the controller for (Kafka's Partition.scala:
 * maybeExpandIsr, maybeShrinkIsr, submitAlterPartition; KIP-497, KIP-841, KIP-903).
 *
 * At most one change is in flight. It is proposed by replica_progress (a replica has caught up) and
 * by replica_isr_check (one has not for lag_ms). After either, and after replica_isr_answered, the
 * owner looks at `asking`: when it is REPLICA_WANTED it sends AlterPartition for
 * (epoch, partition_epoch) with the list of replica_isr_proposal and calls replica_isr_sent. A
 * proposal that is wanted again after an answer is sent again after a pause (Kafka: 50 ms). The
 * answer, and the metadata record that the change makes, come in any order: the one with the larger
 * partition epoch holds (replica_isr_answered, replica_lead).
 */
#ifndef REPLICA_ISR_H
#define REPLICA_ISR_H
#include "replica/replica.h"

struct replica_in_sync {
	int32_t id;
	int64_t broker_epoch;        /* as its Fetch bore it when the change was proposed; -1 none */
};
/* The set that is asked for, this node first, with broker epoch -1: the caller puts its own. v has
 * room for members_n + 1; how many there are. */
int replica_isr_proposal(const struct replica *r, struct replica_in_sync *v);
/* The set that is asked for is the one it is: what matters is a new partition epoch (Anew of
 * AlterPartition, an extension of ours). */
bool replica_isr_anew(const struct replica *r);
/* It has left: the number to hand to replica_isr_answered. */
uint32_t replica_isr_sent(struct replica *r);
/* What the controller said to proposal `asked`: 0 and the state it has now (replicas are not looked
 * at), or a Kafka error code of the partition or the request. An answer that was lost is an error
 * like NETWORK_EXCEPTION: the change may have happened, and asking again finds out. */
void replica_isr_answered(struct replica *r, uint32_t asked, int error,
                          const struct replica_assignment *a);

/* Leader: time has passed. Proposes to take out who has not had all of the log for lag_ms. */
void replica_isr_check(struct replica *r, int64_t now_ms);
/* When replica_isr_check has something to do at the earliest; INT64_MAX never. */
int64_t replica_isr_next_check(const struct replica *r, int64_t now_ms);
#endif
