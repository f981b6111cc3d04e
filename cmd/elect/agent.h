/* The agent step: this broker's life as the cluster sees it, out of the leases of the programs that
 * make it a broker.
 *
 * A program's lease is its poll of the metadata log: the fetch offset says what it has applied, and
 * that it polls says it lives. The broker is registered once, unfenced when all that must be there
 * have caught up, fenced when one is silent or gone for a third of a session. No clock, socket or
 * disk: the caller brings events and does what agent_next asks for.
 */
#ifndef ELECT_AGENT_H
#define ELECT_AGENT_H
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum { LEASES = 3 };
struct lease {
	const char *name;
	bool needed; /* else it counts from its first poll on */
	bool seen;
	int open;	  /* polls that wait for an answer */
	int64_t next;	  /* fetch offset: everything below is applied */
	int64_t heard_ms; /* last sign of life */
};
struct agent {
	struct lease leases[LEASES];
	int64_t session_ms, heartbeat_ms;
	bool registered, fenced;
	bool leaving;	 /* it wants to stop, */
	bool left;	 /* and may: it leads nothing any more */
	bool asking;	 /* the controller has not answered yet */
	int64_t epoch;	 /* broker epoch */
	int64_t beat_ms; /* when the next heartbeat is due */
	int64_t pause_ms; /* asking had no effect: nothing before this, however due */
};

enum agent_action { AGENT_NOTHING, AGENT_REGISTER, AGENT_HEARTBEAT };
struct agent_heartbeat {
	bool want_fence, want_shut_down;
	int64_t offset; /* applied by all */
};

void agent_init(struct agent *a, int64_t session_ms, int64_t heartbeat_ms, int64_t now_ms);
struct lease *agent_lease(struct agent *a, struct span name); /* NULL: that program holds none */
void agent_polled(struct lease *l, int64_t next, int64_t now_ms);
void agent_answered(struct lease *l, int64_t now_ms); /* a poll was answered, or withdrawn */
/* The caller was to ask at due_ms and comes only now, it was stopped say: what was said meanwhile
 * nobody has heard yet, and who is silent is not known. */
void agent_late(struct agent *a, int64_t due_ms, int64_t now_ms);
void agent_asked(struct agent *a);
/* The controller did not answer: whether it has heard us nobody knows. */
void agent_unheard(struct agent *a, int64_t now_ms);
void agent_hurry(struct agent *a, int64_t now_ms); /* somebody else is the controller */
void agent_registered(struct agent *a, int64_t epoch, bool fenced, int64_t now_ms);
void agent_beaten(struct agent *a, bool fenced, int64_t now_ms);
void agent_leave(struct agent *a, int64_t now_ms);
void agent_may_leave(struct agent *a); /* the controller says so */
void agent_refused(struct agent *a,
		   int64_t now_ms); /* the controller knows us no more, or not yet */
/* What is to be done now; ask again after it was done. *wake_ms: when to ask again at the latest.
 */
enum agent_action agent_next(const struct agent *a, int64_t now_ms, struct agent_heartbeat *h,
			     int64_t *wake_ms);
/* Has every program that is there applied everything below `end`? */
bool agent_applied(const struct agent *a, int64_t end, int64_t now_ms);
#endif
