/* Reading a partition directory that another program writes: no locks, only bounds that the caller
 * got from the page.
 *
 * A reader never looks beyond `end`, an offset read once from one slot (high watermark, last stable
 * offset or log end). Files may be preallocated (indexes), renamed or unlinked at any time; open
 * descriptors stay valid. -1 with errno as in log.h.
 */
#ifndef LOG_READER_H
#define LOG_READER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* Under cold_refuse (base/cold.h) log_reader_find does not wait for a disk: what it says counts
 * only when nothing was missed. */
struct log_reader;    /* the list of segments and open descriptors of one partition */

/* nothing is opened yet; NULL ENOMEM */
struct log_reader *log_reader_new(int dirfd, const char *name);
void log_reader_free(struct log_reader *r);
/* To be called when the page's layout counter differs from the last time: the list of segments is
 * read anew, descriptors of files that are gone are closed. ENOENT: the directory is gone. */
int log_reader_layout(struct log_reader *r, uint32_t layout);
/* Instead, when segments were only added and dropped below start since: nothing is read. before,
 * active: the bases of the last two. False: more than one was added, or it was never listed. */
bool log_reader_follow(struct log_reader *r, int64_t start, int64_t before, int64_t active);
int64_t log_reader_first(const struct log_reader *r);  /* base of the first segment; -1 none */
/* How many descriptors it holds, and closing them: those of ranges that were given too. They are
 * opened again when they are needed. */
int log_reader_open_files(const struct log_reader *r);
void log_reader_rest(struct log_reader *r);
const char *log_reader_error(const struct log_reader *r);
/* What was found wrong in an index and did no harm, said once; NULL nothing. The caller frees it.
 */
char *log_reader_note(struct log_reader *r);
/* Batches from this offset on were written since this machine started, by a program that checked
 * them: they are given away as they are. All below, at first that is all, is checked before it is
 * given away, once. */
void log_reader_trust(struct log_reader *r, int64_t offset);

struct log_range {           /* bytes of one segment file */
	int64_t base;        /* the segment's base offset, which names the file */
	int fd;              /* borrowed, read only; valid for a few more finds, or until
	                      * log_reader_layout, follow, rest or free */
	int64_t position, bytes;
};
/* Whole batches from the one that contains `offset` on, at most max_bytes (but at least the first
 * batch when min_one, KIP-74), none reaching `end`. One segment only. bytes == 0: nothing below
 * end. EBADMSG damage: the range ends before a batch that is damaged, and this is what is said
 * when it is the first; ERANGE offset below the first segment. */
int log_reader_find(struct log_reader *r, int64_t offset, int64_t end, int64_t max_bytes,
               bool min_one, struct log_range *range);
/* ListOffsets by time: the first record with timestamp >= ts, at or after log_start and below end.
 * When the batch that has it is compressed, *compressed is set, *range names that batch and offset
 * and timestamp are the batch's base. 1 found, 0 none, -1. */
int log_reader_by_time(struct log_reader *r, int64_t ts, int64_t log_start, int64_t end,
               int64_t *offset, int64_t *timestamp, bool *compressed, struct log_range *range);
/* ListOffsets -3 (KIP-734): the record with the largest timestamp. 1, 0 when empty, -1. */
int log_reader_max_time(struct log_reader *r, int64_t log_start, int64_t end, int64_t *offset,
                        int64_t *timestamp, bool *compressed, struct log_range *range);
int64_t log_reader_bytes(struct log_reader *r);       /* sum of .log sizes (DescribeLogDirs); -1 */

struct log_aborted {
	int64_t producer_id, first_offset, last_offset;
};
/* Aborted transactions that overlap [from, to), from .txnindex. Number there are, fills at most
 * max; -1. */
int log_reader_aborted(struct log_reader *r, int64_t from, int64_t to, struct log_aborted *v,
	int max);
/* from leader-epoch-checkpoint; -1 unknown */
int32_t log_reader_epoch_of(struct log_reader *r, int64_t offset);
/* The largest epoch <= asked and where it ends (OffsetForLeaderEpoch); -1 and -1 when undefined.
 * log_end: of the slot. 0, or -1: the file cannot be read. */
int log_reader_epoch_end(struct log_reader *r, int32_t asked, int64_t log_end, int32_t *epoch,
	int64_t *end);
#endif
