/* What every coordinator is made of: the partitions of one internal topic that this node leads,
 * each read once from start to end when it becomes ours, and written batch by batch from then on
 * (Kafka's CoordinatorRuntime, CoordinatorLoaderImpl, CoordinatorPartitionWriter).
 *
 * Which partitions are ours is read from run/state; metadata says only when to look. Loading is
 * Fetch through run/logserve. Writing is Produce to run/logappend with acks=all and the leader
 * epoch that was loaded under: what is recorded in one turn of the loop goes into one batch a
 * partition, several batches may be under way, and they are settled in order. A coordinator is the
 * only writer of its partitions: a batch that lands elsewhere than behind the one before, or of
 * which nobody knows what became, makes the partition be read again.
 */
#ifndef COORD_COORD_H
#define COORD_COORD_H
#include "log/batch.h"
#include "meta/follow.h"
#include "port/loop.h"

struct coord;

/* What is written to a partition by one Produce. */
struct coord_batch {
	struct coord_batch *next;
	struct coord_partition *partition;
	struct batch_builder builder;
	struct buf bytes;                   /* the whole batch */
	struct buf held;                    /* the user's: what waits until it is settled */
	uint32_t flags;                     /* the user's; 0 at first */
	int64_t base;                       /* first offset, once committed */
	int64_t since_ms;
	int error;
	bool full, sent, done, orphan;      /* orphan: settled before its answer came */
};

enum coord_state { COORD_AWAY, COORD_LOADING, COORD_LOADED };

struct coord_ops {
	/* While loading: records in order, those of transactions too (batch has the producer), and
	 * the markers that end transactions. */
	void (*record)(void *ctx, int32_t partition, const struct batch *batch,
	               const struct record *r);
	void (*marker)(void *ctx, int32_t partition, const struct batch *batch, bool commit);
	void (*loaded)(void *ctx, int32_t partition);
	/* It is no longer ours, or is to be read again: what is known of it is to be forgotten. */
	void (*unload)(void *ctx, int32_t partition);
	/* b has come to an end: error 0, it is committed; a Kafka error code, it was refused and is
	 * not in the log; COORD_UNKNOWN, it may be (unload follows). */
	void (*settled)(void *ctx, int32_t partition, struct coord_batch *b, int error);
	/* Makes *out a compressed batch without its compression, borrowed until the next call. -1: it
	 * cannot be read. May be NULL. */
	int (*open)(void *ctx, struct span batch, struct span *out);
	void (*say)(void *ctx, const char *what, int32_t partition);    /* for a person; may be NULL */
};
enum { COORD_UNKNOWN = -1 };

/* self: node id. topic, name (ours, for others' logs) and ops are borrowed. NULL ENOMEM. */
struct coord *coord_new(struct port_loop *l, struct meta_follow *f, int32_t self,
                        const char *topic, const char *name, const struct coord_ops *ops,
                        void *ctx);

void coord_look(struct coord *c);       /* the metadata has changed: look at the page again */
void coord_turn(struct coord *c);       /* at the end of each turn: send what was recorded */
bool coord_mapped(const struct coord *c);       /* the page is known */

int32_t coord_partitions(const struct coord *c);        /* of the topic; 0: there is no topic */
/* What requests may be told: COORD_LOADED only while the page says that the leadership is the one
 * loaded under. */
enum coord_state coord_state(struct coord *c, int32_t partition);
bool coord_loading(const struct coord *c);      /* at least one partition */

/* Adds a record to the batch at hand; the partition must be loaded. producer_id -1: not of a
 * transaction. Returns the batch; NULL ENOMEM. */
struct coord_batch *coord_add(struct coord *c, int32_t partition, int64_t timestamp,
                              struct span key, struct span value, int64_t producer_id,
                              int16_t producer_epoch);
/* The newest batch that is not settled, sent or not; NULL: everything is. */
struct coord_batch *coord_newest(struct coord *c, int32_t partition);
/* A batch that has grown large takes no more after the step that filled it. */
void coord_step_done(struct coord *c, int32_t partition);
/* The batch at hand takes no more: what may become too large for a batch fails alone. */
void coord_seal(struct coord *c, int32_t partition);
/* All that is under way fails with COORD_UNKNOWN, then unload, then it is loaded again. */
void coord_reload(struct coord *c, int32_t partition);
/* Records of a settled batch: 1 and *at moves on, 0 at the end. *at = 0 first. */
int coord_batch_next(const struct coord_batch *b, size_t *at, struct record *r);
#endif
