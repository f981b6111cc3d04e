/* Batches of __cluster_metadata-0 into an image: data and control records, transactions whole or
 * not at all (KIP-868).
 *
 * The same for the log, snapshots and fetched bytes.
 */
#ifndef META_LOAD_H
#define META_LOAD_H
#include <stdbool.h>

#include "meta/image.h"

struct meta_load {
	struct meta_image *image; /* borrowed */
	/* After each record that took effect, and after each run of records that took effect
	 * together; may be NULL. record is NULL for a type we do not know. */
	void (*record)(void *ctx, struct meta_image *m, int type, const void *record);
	void (*batch)(void *ctx, struct meta_image *m);
	/* Each control record as it comes: its type (LEADER_CHANGE 2 ... KRAFT_VOTERS 6) and value;
	 * may be NULL. */
	void (*control)(void *ctx, int type, struct span value, int64_t offset, int32_t epoch);
	void *ctx;
	bool in_transaction;
	struct buf
		held; /* records of the open transaction: offset 64, epoch 32, length 32, value */
	int64_t skipped;   /* records of types that are unknown here */
	int64_t end;	   /* offset after the last whole batch read; 0 at first */
	int32_t epoch;	   /* leader epoch of the last batch */
	int64_t timestamp; /* max timestamp of the last batch */
};
enum {
	META_LEADER_CHANGE = 2,
	META_SNAPSHOT_HEADER,
	META_SNAPSHOT_FOOTER,
	META_KRAFT_VERSION,
	META_KRAFT_VOTERS
};

void meta_load_init(struct meta_load *l, struct meta_image *m);
void meta_load_free(struct meta_load *l);
/* Whole batches at p; a batch that is cut short at the end is left. Batches below `from` are passed
 * over. at: of a snapshot, the offset and epoch that its records count as; NULL for the log.
 * Returns the bytes used; -1 EBADMSG (bad CRC, compressed, malformed), or as meta_apply. */
struct meta_load_at {
	int64_t offset;
	int32_t epoch;
};
int64_t meta_load(struct meta_load *l, const void *p, size_t n, int64_t from,
		  const struct meta_load_at *at);
#endif
