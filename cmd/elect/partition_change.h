/* One partition's change: what is wished in, a PartitionChangeRecord out. Which leader, which new
 * epochs, what becomes of a reassignment and of the eligible leader replicas (Kafka's
 * PartitionChangeBuilder). */
#ifndef ELECT_PARTITION_CHANGE_H
#define ELECT_PARTITION_CHANGE_H
#include "controller.h"

struct ids { /* of brokers; borrowed */
	const int32_t *v;
	int32_t n;
};
bool ids_have(struct ids s, int32_t id);
bool ids_cover(struct ids s, struct ids all); /* is every one of all in s? */
struct ids ids_without(struct operation *op, struct ids s, struct ids out);

struct topic_rules { /* what is the same for all partitions of a topic */
	bool unclean; /* unclean.leader.election.enable */
	int32_t min_isr;
};
struct topic_rules topic_rules(const struct operation *op, const struct meta_topic *t);
bool elr_enabled(const struct operation *op);

enum election { /* who may become leader */
		ELECTION_PREFERRED, /* of those in sync, the first replica before the present leader */
		ELECTION_ONLINE,    /* of those in sync */
		ELECTION_UNCLEAN,   /* where none is in sync, anybody that is there */
};
struct partition_change {
	struct operation *op;
	const struct meta_topic *topic;
	const struct meta_partition *p;
	int32_t min_isr;
	/* From here what is wished, at first as it is. */
	enum election election;
	struct ids isr, replicas, removing, adding;
	int8_t recovery; /* leader recovery state */
	int32_t gone;	 /* it cannot lead; -1 none */
	int32_t lost;	 /* the same, and it may have lost what it had: not eligible either */
	int32_t back;	 /* it can lead though it is fenced still */
	bool anew;	 /* the partition epoch moves also when nothing else does */
	int32_t moved;	 /* its replica is now in `directory`; -1 none */
	struct uuid directory;
	/* The outcome. */
	struct ids elr;
	struct partition_change_record record;
};
void partition_change_begin(struct partition_change *c, struct operation *op,
			    const struct meta_topic *t, const struct meta_partition *p,
			    struct topic_rules rules);
/* Adds the record; false: there is nothing to change. */
bool partition_change_end(struct partition_change *c);
/* The partition after the record; borrows from both. */
struct meta_partition partition_change_outcome(const struct partition_change *c);

/* leaders.c: the broker leaves leadership and ISR of this one. */
void partition_without(struct operation *op, const struct meta_topic *t,
		       const struct meta_partition *p, int32_t broker);
bool partition_reassigns(const struct meta_partition *p);
bool directory_online(const struct meta_broker *b, const struct uuid *dir);
/* The directory for a new replica: the only one of its broker, else not chosen yet
 * (ClusterControlManager.defaultDir). */
struct uuid broker_directory(const struct operation *op, int32_t broker);
#endif
