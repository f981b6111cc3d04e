/* Java's String.hashCode, by which Kafka picks the partition of a group or a transactional id. */
#ifndef BASE_JAVAHASH_H
#define BASE_JAVAHASH_H
#include "base/bytes.h"

int32_t javahash(struct span utf8);
/* Utils.abs(hashCode) % partitions; -1 when there are no partitions. */
int32_t javahash_partition(struct span utf8, int32_t partitions);
#endif
