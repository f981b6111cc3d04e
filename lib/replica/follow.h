/* A follower's rules (Kafka's AbstractFetcherThread, ReplicaFetcherThread): what becomes of what
 * its leader answers to a Fetch. Pure, like replica.h: logappend does what is said here to the log
 * and tells the step.
 *
 * The log is cut by leader epochs alone (KIP-101, KIP-279), never by the high watermark. Offsets
 * are next offsets (exclusive ends).
 */
#ifndef REPLICA_FOLLOW_H
#define REPLICA_FOLLOW_H
#include "replica/replica.h"

struct follow_answer {            /* of the leader, for one partition */
	int32_t asked_epoch;      /* the leader epoch that the request named */
	int64_t asked_offset;     /* from where it asked */
	int32_t diverging_epoch;  /* the leader's largest epoch up to the follower's last; -1 none */
	int64_t diverging_end;    /* and where that ended */
	/* Of the first batch, as it says itself; first_offset is -1 when there are no records. */
	int64_t first_offset, first_last_offset;
};
enum follow_act {
	FOLLOW_STALE,       /* nothing: of another epoch, or not where the log ends now */
	FOLLOW_APPEND,      /* the records that there are, then what the leader told */
	FOLLOW_CUT,         /* to follow_cut_to; the leader told nothing that holds before that */
	FOLLOW_RESTART,     /* empty, at *to; then as FOLLOW_APPEND */
};
/* The leader's log may begin in the middle of a batch: an empty log that begins there begins with
 * that whole batch (Partition.appendRecordsToFollowerOrFutureReplica), at *to. */
enum follow_act follow_judge(const struct replica *r, const struct follow_answer *a, int64_t *to);
/* Where to cut after FOLLOW_CUT: own_epoch and own_end are what the own log says of diverging_epoch
 * (log_epoch_end), -1 when it knows none so old (getOffsetTruncationState). Never beyond the log's
 * end. */
int64_t follow_cut_to(const struct replica *r, const struct follow_answer *a, int32_t own_epoch,
                      int64_t own_end);
/* The leader has nothing at the asked offset: STALE, ask again; CUT or RESTART at *to: a leader
 * that was elected uncleanly ends before it, or the follower was away until its records were
 * deleted (fetchOffsetAndTruncate). start, end: of the leader's log. */
enum follow_act follow_out_of_range(const struct replica *r, const struct follow_answer *a,
                                    int64_t start, int64_t end, int64_t *to);
/* Batches of a later epoch than the request's came into the leader's log after it answered for that
 * epoch (KAFKA-18723): how many of n bytes of whole batches may be appended. */
size_t follow_fit(const struct replica *r, const void *batches, size_t n);
/* Where the own log begins now that the leader's begins at `start`: never above the high
 * watermark. */
int64_t follow_start(const struct replica *r, int64_t start);
/* The log was begun anew, empty, at this offset. */
void follow_restarted(struct replica *r, int64_t offset);
#endif
