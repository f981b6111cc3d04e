/* The quorum step: Raft by KRaft's rules as a pure function of events (KafkaRaftClient,
 * QuorumState, LeaderState).
 *
 * No clock, socket or disk: what was asked of the caller in `todo` is reported back as an event.
 * One voter is elected at once; the states, voter keys and the majority rule are those of any
 * number.
 */
#ifndef ELECT_QUORUM_H
#define ELECT_QUORUM_H
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum quorum_role { QUORUM_UNATTACHED, QUORUM_CANDIDATE, QUORUM_LEADER, QUORUM_RESIGNED };
struct quorum_voter {
	int32_t id;
	struct uuid directory; /* zero: not known (kraft.version 0) */
	int64_t end;	 /* what it has on disk: its fetch position; -1 unknown in this epoch */
	int64_t seen_ms; /* its last fetch, 0 none */
	bool granted;	 /* its vote in this epoch */
};
enum { QUORUM_VOTERS_MAX = 64 };
struct quorum {
	int32_t id;
	struct uuid directory;
	enum quorum_role role;
	int32_t epoch, leader; /* leader -1: none known */
	int32_t voted;	       /* -1 none */
	struct uuid voted_directory;
	struct quorum_voter voters[QUORUM_VOTERS_MAX];
	int voters_n;
	int64_t epoch_start;	/* leader: offset of the first record of its epoch */
	int64_t high_watermark; /* -1: none of this epoch yet */
};

enum quorum_event_type {
	QUORUM_START,	/* epoch: the largest of quorum-state and log; end: log end */
	QUORUM_SAVED,	/* quorum-state is on disk */
	QUORUM_FLUSHED, /* end: everything below is on disk here */
	QUORUM_FETCHED, /* id, directory fetched at end: it has everything below; now_ms */
	QUORUM_STOP,	/* no more appends by this leader */
};
struct quorum_event {
	enum quorum_event_type type;
	int32_t epoch, id;
	struct uuid directory;
	int64_t end, now_ms;
};
struct quorum_todo {
	bool save;	/* write quorum-state durably, then QUORUM_SAVED */
	bool begin;	/* just became leader: append the records that begin an epoch */
	bool committed; /* the high watermark moved */
};

void quorum_init(struct quorum *q, int32_t id, const struct uuid *directory);
int quorum_voter_add(struct quorum *q, int32_t id,
		     const struct uuid *directory); /* -1 EINVAL: too many, or twice */
void quorum_step(struct quorum *q, const struct quorum_event *e, struct quorum_todo *todo);
#endif
