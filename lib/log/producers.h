/* What a partition remembers of its idempotent and transactional producers (Kafka's
 * ProducerStateManager, ProducerAppendInfo, ProducerStateEntry). Five batches a producer are
 * remembered; only the last survives in .snapshot files. */
#ifndef LOG_PRODUCERS_H
#define LOG_PRODUCERS_H
#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"
#include "log/batch.h"

enum { PRODUCER_BATCHES = 5 };

struct producer_batch {
	int64_t last_offset, timestamp;
	/* delta: last offset - first offset, and last sequence - first sequence */
	int32_t last_sequence, delta;
};
struct producer {
	int64_t id;
	int64_t last_timestamp;
	int64_t txn_first;              /* first offset of the open transaction; -1 none */
	int32_t coordinator_epoch;      /* -1 none */
	int16_t epoch;                  /* -1: nothing known */
	int8_t n;                       /* batches remembered, oldest first */
	struct producer_batch batch[PRODUCER_BATCHES];
};
struct txn {
	int64_t producer_id, first, last;   /* last: the marker's offset; -1 while open */
};
struct txns {                           /* by first offset */
	struct txn *v;
	int n, cap;
};
struct producers {
	struct map map;                 /* id → struct producer, owned */
	struct txns open;               /* without a marker yet */
	struct txns decided;            /* marker written, maybe above the high watermark */
	int64_t end;                    /* the state holds all batches below this offset */
	int64_t snapped;                /* newest snapshot's offset */
};
struct marker {                         /* what a control batch of a transaction says */
	bool is;                        /* false: not a transaction marker */
	bool abort;
	int32_t coordinator_epoch;
	int64_t timestamp;
};
struct completed_txn {
	bool is, abort;
	int64_t producer_id, first, last;
};

void producers_clear(struct producers *s);      /* forgets all, frees all; end and snapped stay */
struct producer *producers_get(const struct producers *s, int64_t id);
/* Makes room so that producers_apply cannot fail. *fresh: an entry was added, take it back with
 * producers_forget when the append fails. -1 ENOMEM. */
int producers_reserve(struct producers *s, const struct batch *b, bool *fresh);
void producers_forget(struct producers *s, int64_t id);
/* After the batch is in the log. m is its marker when it is a control batch. */
void producers_apply(struct producers *s, const struct batch *b, const struct marker *m,
	struct completed_txn *done);
/* The last stable offset to write with an abort (ProducerStateManager.lastStableOffset), asked
 * before producers_complete. */
int64_t producers_stable(const struct producers *s, const struct completed_txn *t);
void producers_complete(struct producers *s, const struct completed_txn *t);
/* from a snapshot; NULL ENOMEM */
struct producer *producers_put(struct producers *s, const struct producer *p);
/* markers below offset need no memory */
void producers_decided_below(struct producers *s, int64_t offset);
int32_t producers_sequence_add(int32_t sequence, int32_t n);  /* wraps at 2^31 as Kafka's do */
/* Reads a control batch's first record. 0, -1 EBADMSG. A batch without records, or of another
 * control type, is no marker. */
int marker_read(const struct batch *b, const void *batch, struct marker *m);
#endif
