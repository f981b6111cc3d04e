/* What a member has said about itself (ConsumerGroupMemberMetadataValue), and lists of names. */
#ifndef GROUPCOORD_CONSUMER_SAID_H
#define GROUPCOORD_CONSUMER_SAID_H
#include "group.h"

/* A copy whose names are in order and each once; all that it points to is in the memory returned,
 * the caller's to free. */
void *consumer_said_copy(struct consumer_group_member_metadata_value *to,
                         const struct consumer_group_member_metadata_value *from);
/* Both with names in order. */
bool consumer_said_same(const struct consumer_group_member_metadata_value *,
                        const struct consumer_group_member_metadata_value *);

/* Sorts names as bytes, leaves each once; how many there are then. */
int32_t consumer_names_sort(struct span *v, int32_t n);
/* Of sorted names. */
bool consumer_names_have(const struct span *v, int32_t n, struct span name);
bool consumer_names_same(const struct span *a, int32_t an, const struct span *b, int32_t bn);
#endif
