/* One Produce request and its partitions; between produce.c and append.c. */
#ifndef LOGAPPEND_PRODUCE_H
#define LOGAPPEND_PRODUCE_H
#include "daemon.h"
#include "wire/api.h"

struct produce {                 /* beside its request, in the same arena */
	struct request *q;
	int16_t acks;
	int64_t deadline_ms;
};
struct part {
	struct parked park;      /* first: until the high watermark is there */
	struct recode_job job;
	struct produce *in;
	struct partition *p;
	struct produce_response_partition_produce_response *answer;
	struct span records;
	struct batch batch;      /* its header, once it is gathered */
	int32_t epoch;           /* a coordinator's: no other leader epoch will do; -1 none */
	bool asked;              /* recode is at work on it */
	struct part *next;       /* behind it in p->recoding or p->gathered */
};

void part_fail(struct part *a, int error, const char *message);
/* Appends, or answers with an error, or waits: then it holds the request. */
void part_append(struct part *a);
#endif
