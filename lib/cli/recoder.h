/* Asking recode, the program that opens and makes compressed batches, one question at a time. */
#ifndef CLI_RECODER_H
#define CLI_RECODER_H
#include "log/recode.h"

struct recoder {
	int fd; /* -1: not started yet */
	struct buf request, answer;
};

/* Starts recode when it does not run, asks, waits. *a borrows r->answer until the next call. -1:
 * EPIPE it has died, EBADMSG it makes no sense, what starting it failed with, ENOMEM. A batch that
 * it refuses is no error: a->verdict. */
int recoder_ask(struct recoder *r, const struct recode_request *q, struct recode_answer *a);
#endif
