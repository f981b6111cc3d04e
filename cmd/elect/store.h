/* What elect keeps on disk: log/__cluster_metadata-0 (a log as every other), its snapshots,
 * quorum-state.
 *
 * All errors are -1 with errno and words in `why`.
 */
#ifndef ELECT_STORE_H
#define ELECT_STORE_H
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "log/log.h"
#include "log/reader.h"
#include "meta/image.h"
#include "quorum.h"
#include "settings.h"

struct snapshot_id {
	int64_t offset; /* the first that is not in it */
	int32_t epoch;
};
struct store {
	int dirfd, partfd; /* log/ and log/__cluster_metadata-0 */
	struct log *log;
	struct log_reader *reader;
	uint32_t layout;
	struct snapshot_id *snapshots; /* oldest first */
	int snapshots_n;
	struct buf batch; /* scratch */
	char why[512];
};

void store_failed(struct store *s); /* why: the log's words */
bool store_is_full(void); /* errno of what failed: nothing happened for want of room on the disk */
int store_open(struct store *s, const struct log_config *c, int64_t now_ms);
bool store_is_empty(const struct store *s); /* nothing was ever written: to be formatted */
int store_close(struct store *s);	    /* cleanly */

/* One batch at the end of the log. values: u32 length, value; or control: u32 length, key type u16,
 * value. Not synced. */
int store_append(struct store *s, int32_t epoch, bool control, const struct buf *values,
		 int64_t wall_ms);
/* As they came from the leader: whole batches that go on where the log ends. Not synced. On an
 * error the first of them may be in. */
int store_copy(struct store *s, const void *batches, size_t n, int64_t wall_ms);
int store_truncate(struct store *s, int64_t to); /* durably */
int store_sync(struct store *s);
bool store_is_synced(const struct store *s);
/* Whole batches from `offset` to below `end`, at most max bytes but one batch at least, at the end
 * of b. Bytes read, 0 none. */
int64_t store_read(struct store *s, int64_t offset, int64_t end, int64_t max, struct buf *b);

/* Part of a snapshot, at the end of b. *size: of the file. -1 ENOENT: there is none. */
int store_snapshot_read(struct store *s, struct snapshot_id id, int64_t position, size_t max,
			struct buf *b, int64_t *size);
bool store_snapshot_has(const struct store *s, struct snapshot_id id);
void store_snapshot_forget(struct store *s, struct snapshot_id id); /* it is damaged */
/* Writes one and makes it durable. voters: a VotersRecord as it stands in the log, empty with
 * kraft.version 0. */
int store_snapshot_write(struct store *s, struct snapshot_id id, const struct meta_image *m,
			 int64_t last_ms, int64_t wall_ms, const struct buf *voters);
/* One that came whole from another node; the log then begins, empty, where it ends. */
int store_snapshot_put(struct store *s, struct snapshot_id id, const struct buf *bytes);
/* Removes what newer snapshots make superfluous, when log and snapshots together are larger or
 * older than wanted. */
int store_trim(struct store *s, int64_t bytes_max, int64_t age_max_ms, int64_t wall_ms);

/* quorum-state (FileQuorumStateStore): -1 ENOENT when it is not there. version: 0 or 1, of
 * quorum-state's format. */
struct quorum_state {
	int32_t leader, epoch, voted;
	struct uuid voted_directory;
};
int store_state_read(struct store *s, struct quorum_state *q);
int store_state_write(struct store *s, const struct quorum *q, int version);

/* bootstrap.c: log/bootstrap.checkpoint of Apache Kafka up to 4.3, appended to b. -1 ENOENT. */
int store_bootstrap_read(struct store *s, struct buf *b);
#endif
