/* Parked waits of a partition, in order of offset; inside lib/replica only. */
#ifndef REPLICA_WAITS_H
#define REPLICA_WAITS_H
#include "replica/replica.h"

/* Everything of this kind parked on an offset up to `offset` is done with `error`. */
void waits_reached(struct replica *r, enum replica_waits kind, int64_t offset, int error);
void waits_fail(struct replica *r, int error);   /* everything parked is done with error */
#endif
