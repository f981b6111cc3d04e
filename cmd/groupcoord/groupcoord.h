/* groupcoord, the daemon around the steps: requests come in, records and answers go out, and no
 * answer before what it saw is committed. */
#ifndef GROUPCOORD_GROUPCOORD_H
#define GROUPCOORD_GROUPCOORD_H
#include "coord/coord.h"
#include "group.h"
#include "meta/node.h"

enum { BATCH_HAS_GROUPS = 1 };              /* flag of a batch: not only offsets */

struct server {
	struct port_loop *loop;
	struct meta_follow *follow;
	struct meta_node node;
	struct coord *coord;
	struct groups groups;
	struct group_settings settings;
	bool image_changed;
	bool consumer_protocol;             /* group.coordinator.rebalance.protocols has it */
	struct arena arena;                 /* of the step at hand */
	struct arena replay;                /* of the record at hand */
	struct buf out, key, value;
	const struct port_call *call;       /* of the step at hand; NULL: it has none */
	struct port_timer tick;
};

/* settings.c */
void settings_read(struct server *s);

/* answer.c: from a request to its step */
void answer_call(struct server *s, const struct port_call *c, bool second);
void answer_now(struct server *s, const struct asker *to, const struct wire_type *t,
                const void *response);
extern const struct step_ops server_ops;
struct step server_step(struct server *s, int32_t partition);

/* fail.c */
/* The request cannot be run. */
void answer_unfit(struct server *s, const struct asker *to, const void *in, int error);
/* The answer in frame has waited in vain: says so in its place. */
void answer_error(struct server *s, const struct asker *to, struct span frame, int error);

/* hold.c: answers that wait for what they saw to be committed, requests that are run again */
void hold_answer(struct server *s, struct coord_batch *b, const struct asker *to,
                 struct span frame);
/* Until each of these batches is settled; n > 0. */
void hold_answer_many(struct server *s, struct coord_batch **b, int n, const struct asker *to,
                      struct span frame);
void hold_again(struct server *s, struct coord_batch **b, int n, const struct port_call *c);
/* The batch is settled: error is a Kafka code for those who wait, WIRE_NONE: it is committed. */
void hold_release(struct server *s, struct coord_batch *b, int error);
#endif
