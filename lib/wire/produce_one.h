/* Produce of one batch, read and answered by hand: exactly what the table does, several times as
 * fast, for the versions and the form that most producers use. */
#ifndef WIRE_PRODUCE_ONE_H
#define WIRE_PRODUCE_ONE_H
#include "wire/api.h"

/* Fills *q, its one topic *t and its one partition *p as wire_decode does. False: it has another
 * form, or is no good, which wire_decode finds out. */
bool wire_produce_one(const struct wire_request *r, struct produce_request *q,
                      struct produce_request_topic_produce_data *t,
                      struct produce_request_partition_produce_data *p);
/* Appends what wire_encode does: 1. 0: it has another form, nothing was appended. -1 ENOMEM. */
int wire_produce_one_answer(const struct produce_response *a, int version, struct buf *b);
#endif
