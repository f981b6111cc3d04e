/* One batch through recode. */
#ifndef RECODE_WORK_H
#define RECODE_WORK_H
#include "log/recode.h"

/* Answers a request; the answer's batch and messages live until the next call. -1: no memory. */
int work(const struct recode_request *q, struct recode_answer *a);
#endif
