/* The partition step: what a replica of one partition knows, and what follows from each event.
 *
 * Pure: no disk, socket or clock. The owner tells what happened (appended, flushed, a follower's
 * progress, a new ISR, a tick); the step moves the high watermark, the last stable offset and the
 * low watermark and lets go of what was parked on them. Afterwards the owner takes finished waits
 * with replica_done and publishes the slot when `changed` is set. The high watermark is the least
 * *flushed* end in the ISR (Apache Kafka: the least log end, Partition.maybeIncrementLeaderHW);
 * an ISR of this node alone is not another path. Offsets are next offsets (exclusive ends), times
 * milliseconds of any steady clock.
 */
#ifndef REPLICA_REPLICA_H
#define REPLICA_REPLICA_H
#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"
#include "page/page.h"

struct replica_member {              /* another replica of the partition, as its leader sees it */
	int32_t id;
	bool in_isr;
	int64_t flushed;             /* its flushed end; -1 not known yet in this epoch */
	int64_t log_start;
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
	int min_insync;              /* min.insync.replicas; the owner sets it */
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
/* Leader in `epoch`, which began at epoch_start, with these replicas and this in-sync set; again
 * for a new set. A new epoch forgets what followers were known to have. -1 ENOMEM, nothing
 * changed. */
int replica_lead(struct replica *r, int32_t epoch, int64_t epoch_start, const int32_t *replicas,
                 int replicas_n, const int32_t *isr, int isr_n);
/* What is parked fails: with NOT_LEADER_OR_FOLLOWER, or with error. */
void replica_follow(struct replica *r, int32_t epoch);
void replica_offline(struct replica *r, int error);

void replica_appended(struct replica *r, int64_t log_end);
void replica_flushed(struct replica *r, int64_t up_to);
void replica_log_start(struct replica *r, int64_t log_start);   /* at most the high watermark */
/* The log's last stable offset under the high watermark: no open transaction below it. The owner
 * tells it after whatever moved the high watermark, before it publishes. */
void replica_stable(struct replica *r, int64_t last_stable);
/* Leader: replica `id` asked for records from `flushed` on. A replica that is none is ignored. */
void replica_progress(struct replica *r, int32_t id, int64_t flushed, int64_t log_start);
/* Follower: the leader said its high watermark; the log was cut or begun anew at an offset. */
void replica_told(struct replica *r, int64_t high_watermark);
void replica_cut(struct replica *r, int64_t log_end);

int replica_isr_n(const struct replica *r);               /* this node counted */
/* The ISR is as large as min_insync asks, which never asks for more replicas than there are
 * (Partition.effectiveMinIsr). */
bool replica_enough(const struct replica *r);
int64_t replica_low_watermark(const struct replica *r);   /* the least log start of all replicas */

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
