/* Requests between voters. */
#ifndef ELECT_OTHERS_H
#define ELECT_OTHERS_H
#include "elect.h"

/* Sends what the quorum step asks for. What cannot be sent is as if lost on the way: the step
 * sends it again. */
void others_tell(struct elect *e, const struct quorum_todo *todo);
/* A request for run/dial to carry there. reply is called once, never from here. -1: not sent. */
int others_ask(struct elect *e, const char *address, int key, int version,
	       const struct wire_type *type, const void *request, int64_t wait_ms,
	       void (*reply)(void *arg, const struct port_reply *r), void *arg);
/* The response decoded into out, which borrows from reply and a. -1: it was lost, or makes no
 * sense. */
int others_answer(const struct port_reply *reply, int key, int version, struct arena *a, void *out);
/* Vote, BeginQuorumEpoch, EndQuorumEpoch. */
bool others_have(int key);
int others_call(struct elect *e, const struct port_call *c, const struct wire_request *q);
int16_t cluster_fault(const struct elect *e, struct span id);
#endif
