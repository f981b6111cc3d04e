/* One partition as replicate sees it: whether its leader is to be asked, from where, and what comes
 * after each answer. Pure; the page says where the log is and in which epoch, metadata says who
 * leads, and nothing else is known for longer than a request takes.
 *
 * A partition that is in trouble pauses, alone, for longer each time; a new epoch ends the pause.
 * Times are milliseconds of any steady clock.
 */
#ifndef REPLICA_PULL_H
#define REPLICA_PULL_H
#include <stdbool.h>
#include <stdint.h>

#include "page/page.h"

enum pull_state {
	PULL_OFF,        /* no follower, no leader, or page and metadata speak of other epochs */
	PULL_READY,      /* the leader is to be told where it is */
	PULL_ASKED,      /* the leader knows where it is, and answers when it has something */
	PULL_HANDED,     /* its answer is with logappend */
	PULL_FLUSHING,   /* appended, not on disk yet */
	PULL_PAUSED,     /* after an error, until `until` */
	PULL_BOUNDS,     /* out of range: the leader is asked where its log begins and ends */
};
struct pull {
	enum pull_state state;
	int32_t leader;              /* node id */
	int32_t epoch;               /* its leader epoch; a request names it */
	struct pull_place {
		int64_t offset;      /* where the log ends: from there it asks */
		int64_t log_start;
		int32_t last_epoch;  /* leader epoch of the last record; -1 none */
	} now, asked;                /* as the page has it; as the leader was told last */
	int64_t until;
	int pause_ms;                /* the last pause; 0: all went well since */
};
/* The slot (NULL: there is none), the epoch of the log's last record, and what metadata says of
 * the leader: one of these may have changed. self: this node. True: `leader` is another one now,
 * or it is in another epoch, so that what is on the way to the old one is of no use. */
bool pull_look(struct pull *p, const struct page_slot *s, int32_t last_epoch, int32_t self,
               int32_t leader, int32_t leader_epoch);
void pull_asked(struct pull *p);                  /* the request is on its way */
/* The answer's error code (Kafka's; 0 none), of an answer to the request that pull_asked. True: it
 * goes to logappend. false with PULL_BOUNDS: ask for bounds. most_ms: replica.fetch.backoff.ms. */
bool pull_answered(struct pull *p, int error, int64_t now, int most_ms);
/* logappend is done with it (Kafka's error code) and has published the slot: look again now. */
void pull_done(struct pull *p, int error, int64_t now, int most_ms);
/* The connection is gone: nothing is on the way. */
void pull_lost(struct pull *p);
bool pull_wake(struct pull *p, int64_t now);      /* a pause is over: it is READY, look first */
#endif
