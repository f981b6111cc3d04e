/* Changes of the voters (KIP-853). */
#ifndef ELECT_MEMBERS_H
#define ELECT_MEMBERS_H
#include "elect.h"

/* AddRaftVoter, RemoveRaftVoter, UpdateRaftVoter. */
bool members_have(int key);
int members_call(struct elect *e, const struct port_call *c, const struct wire_request *q);
/* A voter that moved tells the leader its address; one that lost its disk takes its own place
 * again. When to come again. */
int64_t members_turn(struct elect *e, int64_t now_ms);
#endif
