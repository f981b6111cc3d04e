/* Groups that change their protocol while members live in them: a classic group becomes a consumer
 * group when a member of that protocol joins, and is made classic again when its last such member
 * leaves, as group.consumer.migration.policy allows. Members of both live in one consumer group
 * meanwhile (consumer_classic.c). Kafka's convertToConsumerGroup, convertToClassicGroup. */
#ifndef GROUPCOORD_MIGRATE_H
#define GROUPCOORD_MIGRATE_H
#include "consumer.h"

bool migrate_up_allowed(const struct step *), migrate_down_allowed(const struct step *);

/* A classic group that has members: how many, and is this one of them? */
size_t migrate_size(const struct group *);
bool migrate_has(const struct group *, struct span id, struct span instance);
/* May it become a consumer group? 0, or an error code and words. Nothing is changed. */
int migrate_up_fault(struct step *, const struct group *, struct span *words);
/* Makes it one, records that, and asks its members to join again. There is no fault. */
struct consumer *migrate_up(struct groups *, struct step *, struct group *);

/* Do only classic members remain without these, and may the group be classic then? */
bool migrate_down_wanted(struct step *, const struct group *, struct consumer_member **leaving,
                         int32_t n);
/* Makes it a classic group without these, records that, and begins a rebalance if told to. */
void migrate_down(struct groups *, struct step *, struct group *, struct consumer_member **leaving,
                  int32_t n, const char *rebalance);

/* What consumers exchange through the classic protocol, after an int16 version. Decoded into the
 * step's arena, borrowing the text: -1 malformed. */
int migrate_subscription(struct step *, struct span text, struct consumer_protocol_subscription *);
int migrate_assignment(struct step *, struct span text, struct consumer_protocol_assignment *);
/* Encoded into the step's arena in the version of metadata. */
struct span migrate_encode(struct step *, const struct parts *, struct span metadata);
/* The partitions, of topics that are there. */
struct parts migrate_parts(struct step *, const struct consumer_protocol_assignment *,
                           int32_t epoch);
struct parts migrate_owned(struct step *, const struct consumer_protocol_subscription *);
#endif
