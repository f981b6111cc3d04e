/* The partition step: what a replica of one partition knows, and what follows from each event.
 *
 * Pure: no disk, socket or clock. The owner tells what happened (appended, flushed, a follower's
 * progress, a new ISR, a tick); the step moves the high watermark, the last stable offset and the
 * low watermark and lets go of what was parked on them. Afterwards the owner takes finished waits
 * with replica_done and publishes the slot when `changed` is set. The high watermark is the least
 * *flushed* end in the ISR (Apache Kafka: the least log end, Partition.maybeIncrementLeaderHW);
 * an ISR of this node alone is not another path. While a change of the ISR is in doubt the larger
 * set counts for the high watermark and the committed one for min.insync.replicas. Offsets are next
 * offsets (exclusive ends), times milliseconds of any steady clock, which does not begin below 0.
 */
#ifndef REPLICA_REPLICA_H
#define REPLICA_REPLICA_H
#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"
#include "page/page.h"

/* Brokers as the metadata has them, kept by the owner and shared by its partitions. */
struct replica_broker {
	int32_t id;
	int64_t epoch;
	bool fenced, leaving;        /* leaving: in its controlled shutdown */
};
struct replica_brokers {
	struct replica_broker *v;
	int n;
};

enum { REPLICA_EPOCH_NOT_GIVEN = -1, REPLICA_NOT_SEEN = -2 };
struct replica_member {              /* another replica of the partition, as its leader sees it */
	int32_t id;
	bool in_isr;                 /* in the committed set */
	bool joining, leaving;       /* in the set that is asked for it is in, or no longer in */
	int64_t flushed;             /* its flushed end; -1 not known yet in this epoch */
	int64_t log_start;           /* -1 as well */
	int64_t broker_epoch;        /* that its last Fetch bore */
	int64_t asked_epoch;         /* the one that the proposal in flight bears for it */
	/* its last Fetch, the log end at that time, and when it last had all of the log */
	int64_t fetched_ms, fetched_end, caught_up_ms;
};
/* What the metadata, or the answer to AlterPartition, says of the partition; borrowed. */
struct replica_assignment {
	int32_t epoch, partition_epoch;
	const int32_t *replicas, *isr;
	int replicas_n, isr_n;
	bool resumed;                /* an earlier life of this program led in this epoch */
};

enum replica_asking {
	REPLICA_STANDS,              /* no change is wanted */
	REPLICA_WANTED,              /* one is, and to be sent (again) */
	REPLICA_SENT,                /* it is with the controller */
	REPLICA_UNSURE,              /* refused or answered too late: only the metadata can tell */
};
enum replica_waits {
	/* until the high watermark reaches the offset: acks=all (DelayedProduce) */
	REPLICA_COMMITTED,
	/* until every replica's log start does: DeleteRecords (DelayedDeleteRecords) */
	REPLICA_TRIMMED,
	REPLICA_WAITS,
};
/* Embedded in what is parked; the step's own until replica_done or replica_cancel. */
struct replica_wait {
	struct heap_node timer;      /* at the deadline */
	struct replica_wait *prev, *next;
	enum replica_waits kind;
	int64_t offset;
	int error;                   /* when done: 0 or a Kafka error code */
};
struct replica_queue {
	struct replica_wait *first, *last;
};

struct replica {
	int32_t self;                /* node id */
	enum page_role role;         /* PAGE_OFFLINE at first */
	int32_t epoch;
	int64_t epoch_start, log_start, log_end, flushed, high_watermark, last_stable;
	int64_t told;                /* follower: the leader's high watermark, as it said last */
	int32_t partition_epoch;     /* of the state that is in force; -1 none */
	int min_insync;              /* min.insync.replicas; the owner sets it */
	int64_t lag_ms;              /* replica.lag.time.max.ms; the owner sets it */
	const struct replica_brokers *brokers;    /* the owner's; NULL: none is known */
	int64_t now_ms;              /* the latest time that was told */
	enum replica_asking asking;  /* a change of the ISR: replica/isr.h */
	bool resumed;                /* what is asked for is the ISR as it is, in a new epoch */
	uint32_t asked;              /* counts proposals; an answer to any but the last is late */
	struct replica_member *members;   /* the others; owned */
	int members_n;
	bool changed;                /* the slot is to be published; the owner clears it */
	struct replica_queue waiting[REPLICA_WAITS], finished;
	struct heap deadlines;
};

void replica_init(struct replica *r, int32_t self);
void replica_free(struct replica *r);          /* nothing may be parked */

/* The log was opened: everything in it is flushed. The high watermark known from before is
 * brought between log start and end. */
void replica_opened(struct replica *r, int64_t log_start, int64_t log_end, int64_t high_watermark);
/* Leader, or leader still with another set of replicas or ISR. A new epoch began at epoch_start and
 * forgets what followers were known to have. A state with an older partition epoch than the one in
 * force is ignored, and one with the same says nothing new: the answer to AlterPartition came
 * first. -1 ENOMEM, nothing changed. */
int replica_lead(struct replica *r, const struct replica_assignment *a, int64_t epoch_start,
                 int64_t now_ms);
/* Another leads, or nobody does. What is parked fails with NOT_LEADER_OR_FOLLOWER, no ISR is asked
 * for any more; nothing is assigned an offset here from now on. */
void replica_follow(struct replica *r, int32_t epoch, int32_t partition_epoch);
void replica_offline(struct replica *r, int error);       /* what is parked fails with error */

void replica_appended(struct replica *r, int64_t log_end);
void replica_flushed(struct replica *r, int64_t up_to);
void replica_log_start(struct replica *r, int64_t log_start);   /* at most the high watermark */
/* The log's last stable offset under the high watermark: no open transaction below it. The owner
 * tells it after whatever moved the high watermark, before it publishes. */
void replica_stable(struct replica *r, int64_t last_stable);
/* A request with this broker epoch comes from an earlier life of broker `id`
 * (Replica.updateFetchStateOrThrow). */
bool replica_is_late(const struct replica *r, int32_t id, int64_t broker_epoch);
/* Leader: replica `id` asked for records from `flushed` on, what is before it is on its disk; the
 * step may now want it in the ISR (replica/isr.h). broker_epoch: of the request,
 * REPLICA_EPOCH_NOT_GIVEN when its version has none. 0; NOT_LEADER_OR_FOLLOWER: it is late;
 * UNKNOWN_LEADER_EPOCH: it is no replica. After an error nothing has changed. */
int replica_progress(struct replica *r, int32_t id, int64_t flushed, int64_t log_start,
                     int64_t broker_epoch, int64_t now_ms);
/* Follower: the leader said its high watermark; the log was cut or begun anew at an offset. */
void replica_told(struct replica *r, int64_t high_watermark);
void replica_cut(struct replica *r, int64_t log_end);

int replica_isr_n(const struct replica *r);   /* of the committed set; this node counted */
/* The committed ISR is as large as min_insync asks, which never asks for more replicas than there
 * are (Partition.effectiveMinIsr). While it is not, the high watermark stands. */
bool replica_enough(const struct replica *r);
/* The least log start of all replicas whose brokers are not fenced; -1: one has not told it. */
int64_t replica_low_watermark(const struct replica *r);

/* Parks w until its offset is reached or deadline passes (REQUEST_TIMED_OUT); it may be done at
 * once. Leader only. -1 ENOMEM. */
int replica_park(struct replica *r, struct replica_wait *w, enum replica_waits kind, int64_t offset,
                 int64_t deadline);
void replica_cancel(struct replica *r, struct replica_wait *w);
void replica_tick(struct replica *r, int64_t now);
int64_t replica_next_tick(const struct replica *r);       /* the first deadline; INT64_MAX none */
struct replica_wait *replica_done(struct replica *r);     /* takes one finished wait; NULL none */

void replica_slot(const struct replica *r, struct page_slot *s);   /* all but `layout` */
#endif
