/* What a node that does not lead does with the metadata log: it fetches it from the leader. */
#ifndef ELECT_PULL_H
#define ELECT_PULL_H
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "store.h"

struct elect;
struct pull {
	uint64_t number; /* of the request under way; an answer to another is dropped */
	bool asking;
	int64_t asked_ms;
	bool first;	 /* of this role: to be answered at once, as it brings the high watermark */
	bool lost;	 /* the last one was: another node is asked who leads */
	int any;	 /* which of the addresses is next */
	int64_t retry_ms;
	int64_t told;	    /* the high watermark of the leader, as its last answer said */
	int32_t told_epoch; /* and in which epoch */
	struct snapshot_id snapshot; /* that is fetched; offset -1: none */
	struct buf bytes;	     /* of it, so far */
};
void pull_init(struct elect *e);
void pull_again(struct elect *e); /* the role changed: what is under way means nothing any more */
void pull_turn(struct elect *e, int64_t now_ms);
int64_t pull_wake(const struct elect *e); /* when to come again */
#endif
