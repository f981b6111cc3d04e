/* One partition of a Fetch: a slot of the page, read once, and the partition's files make the
 * answer (Kafka's Partition.readRecords, ReplicaManager.readFromLog, UnifiedLog.read). */
#ifndef FETCH_READ_H
#define FETCH_READ_H
#include <stdbool.h>
#include <stdint.h>

#include "log/reader.h"
#include "page/page.h"

struct fetch_ask {
	int64_t offset;
	int32_t current_leader_epoch, last_fetched_epoch;   /* -1: not given */
	int32_t max_bytes;
	bool committed;            /* read_committed: nothing from the last stable offset on */
	bool leader_only;          /* versions before 11: a follower does not answer (KIP-392) */
};
struct fetch_found {
	int error;                 /* Kafka's code; then all below is -1 or nothing */
	int64_t high_watermark, last_stable, log_start;
	int32_t diverging_epoch;   /* -1 none; the consumer has read what was cut off since (KIP-320) */
	int64_t diverging_end;
	int64_t end;               /* bound of what this consumer may see */
	struct log_range range;    /* bytes == 0: no records; descriptor borrowed from the reader */
};

/* NONE, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, NOT_LEADER_OR_FOLLOWER or KAFKA_STORAGE_ERROR.
 */
int fetch_check(const struct page_slot *s, int32_t current_leader_epoch, bool leader_only);
/* r must know the slot's layout. At most max_bytes, but the first batch however large when min_one
 * (KIP-74). */
void fetch_read(struct log_reader *r, const struct page_slot *s, const struct fetch_ask *a,
                int64_t max_bytes, bool min_one, struct fetch_found *f);
/* More lies below f->end than the range has, but in a later file: there is no point in waiting for
 * more. */
bool fetch_more_files(struct log_reader *r, const struct fetch_found *f);
/* First offset after the range, or a later one when it cannot be told cheaply. */
int64_t fetch_range_end(const struct fetch_found *f);
#endif
