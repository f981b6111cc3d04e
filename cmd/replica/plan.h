/* Where replicas should be: a plan from what is, without asking anybody. */
#ifndef REPLICA_PLAN_H
#define REPLICA_PLAN_H
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"

struct plan_broker {
	int32_t id;
	struct span rack; /* null: none */
	bool leaves;	  /* it loses what it has */
	bool fenced;	  /* it keeps what it has, and gets nothing */
	int32_t load, leads;
};
struct plan_part {
	struct span topic;
	int32_t partition;
	const int32_t *now;
	int32_t *then; /* from the arena */
	int32_t now_n, then_n;
};
struct plan {
	struct plan_broker *brokers;
	int brokers_n;
	struct plan_part *parts; /* all there are: they are the load */
	int parts_n;
	int32_t factor; /* of those that are wanted; 0: as now */
	bool balance;	/* move replicas until all brokers have as many */
	bool (*wanted)(const struct plan_part *p); /* may it be moved? NULL: all */
};

/* Fills in `then`. Who is there and does not leave keeps its replicas; what is missing goes to the
 * broker with the fewest, in a rack of its own where there is one. 0; -1 ENOMEM, or ESRCH: there
 * are not enough brokers for p->parts[*which]. */
int plan_make(struct plan *p, struct arena *mem, int *which);
bool plan_changes(const struct plan_part *p);
#endif
