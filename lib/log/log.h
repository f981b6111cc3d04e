/* One partition directory and its only writer: segments, indexes, leader epochs, producer state,
 * recovery.
 *
 * The program that owns a log directory keeps one struct log a partition. Nothing here syncs data
 * behind the owner's back: an append writes data, then index entries; log_dirty_fds and log_synced
 * let the owner sync and say so. All errors are -1 with errno; EBADMSG is damage; log_error() names
 * the file and the position.
 */
#ifndef LOG_LOG_H
#define LOG_LOG_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "log/batch.h"

struct log;

struct log_config {  /* topic configs that shape files; log_config_default has Kafka's defaults */
	int64_t segment_bytes;           /* segment.bytes */
	int64_t segment_ms;              /* segment.ms */
	int64_t segment_jitter_ms;
	int32_t index_interval_bytes;    /* index.interval.bytes */
	int32_t segment_index_bytes;     /* segment.index.bytes: preallocated size of .index */
	int64_t producer_expiration_ms;  /* producer.id.expiration.ms */
	bool compacted;                  /* cleanup.policy has compact: offsets may be missing */
	int64_t mark_bytes, mark_ms;     /* between two marks, at least: see log_mark; no config */
};
void log_config_default(struct log_config *c);

/* Opens or makes DIR/NAME (NAME is TOPIC-PARTITION). clean: the clean-shutdown marker was there,
 * trust indexes and snapshots; else every segment from recovery_point on is read, checked and cut
 * at the first bad batch, its indexes and producer state rebuilt (LogLoader, LogSegment.recover);
 * where offsets are missing between two of them, which a power loss can leave, the log ends.
 * log_start is from log-start-offset-checkpoint, 0 when unknown. now_ms: wall clock. topic_id is
 * written to partition.metadata when the directory is made; zero takes what is there. A directory
 * whose partition.metadata has another id gives ESTALE. NULL with errno; log_open_error() has the
 * words. */
#define LOG_RECOVER_LAST (-1)
struct log_opening {
	bool clean;
	/* recovery reads the disk, not pages whose write once failed and that look clean */
	bool drop_cache;
	/* each batch was synced before the next was written: of what a power loss tears nothing good
	 * can follow */
	bool one_by_one;
	int64_t recovery_point;          /* LOG_RECOVER_LAST: the base of the last segment */
	/* Below it everything is as it was written, indexes too, if not on disk: the machine has
	 * not restarted since. Recovery reads only what comes after. 0: nothing is known. */
	int64_t written;
	int64_t log_start, now_ms;
	struct uuid topic_id;
};
/* What was on disk, which is all below recovery_point or after a clean stop all there is, is never
 * cut: a batch with a wrong CRC stays, and where batches cannot even be told apart the log cannot
 * be opened, EBADMSG. */
struct log *log_open(int dirfd, const char *name, const struct log_config *c,
	const struct log_opening *o);
void log_close(struct log *l);  /* trims preallocated index tails; no sync, no snapshot */
int log_close_clean(struct log *l);  /* producer snapshot at log end, trim, fsync all; then close */
/* What log_close_clean does before it syncs; l stays open. For an owner of many that stops: it
 * syncs the file system once for all, and appends nothing more. */
int log_finish(struct log *l);
/* what failed last: "orders-0/00000000000000000000.log at 4711: bad crc" */
const char *log_error(const struct log *l);
const char *log_open_error(void);
/* what the opening found damaged and mended, or cut: "; " between; "" nothing */
const char *log_notes(const struct log *l);

const char *log_name(const struct log *l);
struct uuid log_topic_id(const struct log *l);
int64_t log_start(const struct log *l);
int64_t log_end(const struct log *l);            /* next offset */
int64_t log_recovery_point(const struct log *l); /* on disk up to here: log_synced moves it */
/* bumped when the set of files changed (roll, truncate, drop, swap) */
uint32_t log_layout(const struct log *l);
/* its value after the last change that was not a roll, or a drop of segments below the start */
uint32_t log_shaped(const struct log *l);
int64_t log_last_base(const struct log *l, int back);  /* of the active segment; back 1: of the one
                                                        * before; -1 none */
int32_t log_last_epoch(const struct log *l);  /* last entry of leader-epoch-checkpoint; -1 none */
void log_configure(struct log *l, const struct log_config *c);

/* --- append ----------------------------------------------------------------------------------- */

/* As leader: the whole batch at bytes (checked by log_validate) gets base offset = log end and
 * `epoch` in a copy of its header; its body is not touched. Rolls first when the segment is full or
 * old, its index is full, or an offset delta would pass 2^31-1 (LogSegment.shouldRoll). Updates
 * producer state, .index, .timeindex, epochs. A failed or short write leaves the log as it was
 * before the call; if even that fails the log is broken and every later append gives EIO. */
int log_append(struct log *l, const struct batch *b, const void *bytes, int32_t epoch,
	int64_t now_ms,
               int64_t *base_offset);  /* EMSGSIZE: larger than a segment (RECORD_LIST_TOO_LARGE) */
/* The same for several, in one write. How many of them, from the first on, are in now: a segment
 * that is full, control and transactional batches end a run. -1: none is, which is the first one's
 * error. */
enum { LOG_RUN = 64 };
struct log_item {
	const struct batch *batch;
	const void *bytes;
	int64_t base_offset;    /* out */
};
int log_append_run(struct log *l, struct log_item *v, int n, int32_t epoch, int64_t now_ms);
/* As follower or copy: batches back to back, offsets and epochs kept; they must not go back
 * (EINVAL), their CRCs must be right (EBADMSG). A batch cut short at the end is ignored. On an
 * error whole batches before it may be in: see log_end. */
int log_copy(struct log *l, const void *batches, size_t n, int64_t now_ms);

/* Duplicates and sequences, asked before log_append (ProducerAppendInfo, ProducerStateEntry): */
enum log_sequence {
	LOG_SEQ_OK,
	LOG_SEQ_DUPLICATE,      /* one of the last five batches: answer with *dup */
	LOG_SEQ_OUT_OF_ORDER,   /* OUT_OF_ORDER_SEQUENCE_NUMBER */
	LOG_SEQ_OLD_EPOCH,      /* INVALID_PRODUCER_EPOCH */
	LOG_SEQ_INVALID_TXN,    /* INVALID_TXN_STATE */
};
struct log_duplicate {
	int64_t base_offset, last_offset, timestamp;
};
enum log_sequence log_check_sequence(const struct log *l, const struct batch *b,
	struct log_duplicate *dup);

/* --- sync: the owner's flusher uses these ----------------------------------------------------- */

/* Descriptors with unsynced data in the order in which they must be synced (old segments first), at
 * most max. A roll syncs nothing by itself: rolled segments stay listed until log_synced, and
 * so do the directories where files are new. Returns how many there are: more than max also where
 * one that had been closed cannot be opened again, so that the owner syncs the file system. */
int log_dirty_fds(struct log *l, int *fds, int max);
/* All data below up_to is on disk: the recovery point moves, but stays one short of a roll at up_to
 * itself, whose indexes that sync did not cover. A sync that was asked for before a truncation says
 * nothing of what was written after it: forget it. */
void log_synced(struct log *l, int64_t up_to);

/* How many descriptors it holds, and closing those that are opened again when they are needed: for
 * an owner of more logs than it may have files open. -1: an index cannot be written. */
int log_open_files(const struct log *l);
int log_rest(struct log *l);

/* Called now and then, after appends: what a recovery that knows log_opening.written needs to begin
 * near the end of a large segment. Cheap when there is nothing to do. An error costs the recovery
 * time, and nothing else. */
int log_mark(struct log *l);

/* --- leader epochs, truncation, deletion ------------------------------------------------------ */

/* become leader: (epoch, log end) durably; EINVAL: epoch goes back */
int log_epoch_start(struct log *l, int32_t epoch);
/* the same for an owner of many, who syncs the file system afterwards, once for all */
int log_epoch_start_soon(struct log *l, int32_t epoch);
/* OffsetForLeaderEpoch (KIP-101, KIP-279): the largest epoch <= asked and where it ends; -1, -1
 * when undefined. */
void log_epoch_end(const struct log *l, int32_t asked, int32_t *epoch, int64_t *end);
/* epoch in force at offset, -1 unknown */
int32_t log_epoch_of(const struct log *l, int64_t offset);
int log_truncate(struct log *l, int64_t to);  /* drop records at and after `to`; durable */
int log_restart_at(struct log *l, int64_t offset);  /* drop everything, begin empty at offset */
/* DeleteRecords: log start; the owner checkpoints it */
int log_set_start(struct log *l, int64_t offset);
/* whole segments below offset are renamed to .deleted; syncs nothing */
int log_drop_below(struct log *l, int64_t offset, int *dropped);
/* Do the files alone say where the log begins, also after a power loss? Else the owner's checkpoint
 * must. */
bool log_start_told(const struct log *l);
/* Unlinks .deleted files that were renamed before that time (wall clock). To free a large file
 * takes long: the second is for a process that nobody waits for. */
int log_reap(struct log *l, int64_t older_than_ms);
int log_reap_dir(int dirfd, const char *name, int64_t older_than_ms);
/* Renames the directory to NAME.UUID-delete as Kafka does and frees l; log_remove_dir removes it
 * later. Syncs nothing: after a power loss the directory may have its old name again. */
int log_delete(struct log *l, char *renamed, size_t size);
int log_remove_dir(int dirfd, const char *renamed);

struct log_segment_info {
	int64_t base, bytes, max_timestamp;
};
/* number there are; fills at most max */
int log_segments(const struct log *l, struct log_segment_info *v, int max);

/* --- producers -------------------------------------------------------------------------------- */

struct log_producer {
	int64_t id;
	int16_t epoch;
	int32_t last_sequence;
	int64_t last_timestamp, last_offset, txn_first_offset;  /* -1: no open transaction */
	int32_t coordinator_epoch;
};
/* number there are; fills at most max */
int log_producers(const struct log *l, struct log_producer *v, int max);
/* first offset of the oldest open transaction, else INT64_MAX */
int64_t log_first_unstable(const struct log *l);
/* The last stable offset under this high watermark: a transaction holds it back while it is open
 * and until its marker is below the high watermark (ProducerStateManager.firstUnstableOffset).
 * Forgets transactions that are decided for good. */
int64_t log_stable_end(struct log *l, int64_t high_watermark);
void log_expire_producers(struct log *l, int64_t now_ms);
#endif
