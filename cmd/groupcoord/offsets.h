/* Committed offsets of groups (Kafka's OffsetMetadataManager). */
#ifndef GROUPCOORD_OFFSETS_H
#define GROUPCOORD_OFFSETS_H
#include "group.h"

struct committed {
	int32_t partition, epoch;           /* epoch: -1 none */
	int64_t offset;
	int64_t at_ms;                      /* when it was committed, wall */
	int64_t expires_ms;                 /* said by an old client; -1: by retention */
	char *metadata;                     /* owned, ends in NUL; NULL is "" */
};
#endif
