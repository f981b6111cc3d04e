/* Committed offsets of groups (Kafka's OffsetMetadataManager). What is visible here is committed:
 * a commit is replayed from its batch when that is.
 */
#ifndef GROUPCOORD_OFFSETS_H
#define GROUPCOORD_OFFSETS_H
#include "group.h"

struct committed {
	int32_t partition, epoch;           /* epoch: -1 none */
	int64_t offset;
	int64_t at_ms;                      /* when it was committed, wall */
	int64_t expires_ms;                 /* said by an old client; -1: by retention */
	int64_t record;                     /* offset of its record */
	struct span metadata;               /* owned */
};
struct offsets_name {                       /* a topic that some group has offsets of */
	uint32_t refs;
	int32_t n;
	struct uuid id;                     /* as the metadata had it last; zero: it never had */
	char text[];
};
struct offsets_topic {
	struct offsets_name *name;
	struct committed *v;                /* by partition */
	int32_t n, cap;
};
struct transaction;
struct txn_offset {                         /* committed in a transaction that has not ended */
	struct txn_offset *next, **before;              /* of the group */
	struct txn_offset *txn_next, **txn_before;      /* of the transaction */
	struct transaction *transaction;
	struct group *group;
	struct offsets_name *name;
	struct committed c;
};

const struct committed *offsets_find(const struct group *, struct span topic, int32_t partition);
/* A transaction that has not ended has committed it. */
bool offsets_unstable(const struct group *, struct span topic, int32_t partition);

/* One offset or tombstone (value NULL) of the group goes into the log; it counts as unsettled. */
void offsets_record(struct step *, struct group *, struct span topic, int32_t partition,
                    const struct offset_commit_value *value);
/* Tombstones of all. */
void offsets_record_none(struct step *, struct group *);
/* A record of RECORD_OFFSET_COMMIT from the log, or from a batch that is settled: then an unsettled
 * one less, and nothing more unless it is committed. */
void offsets_replay(struct groups *, int32_t partition, const struct replayed *);
void offsets_settled(struct groups *, int32_t partition, const struct replayed *, bool committed);
/* The transaction of that producer has ended in this partition. */
void offsets_marker(struct groups *, int32_t partition, int64_t producer_id, bool commit);
void offsets_forget(struct groups *, struct group *);

/* The group has commits or tombstones that are not settled: the request is run again when they
 * are, and commits wait behind it. */
bool offsets_wait(struct step *, const struct asker *, struct group *);

/* expiry.c */
void offsets_expiry_start(struct groups *, struct step *);
/* Offsets of topics that were deleted go. */
void offsets_topics_changed(struct groups *, struct step *);

step_fn offset_commit, offset_fetch, offset_delete;                     /* 8, 9, 47 */
/* admin.c: 16, 15, 69, 42 */
step_fn groups_list, groups_describe, groups_describe_consumer, groups_delete;
#endif
