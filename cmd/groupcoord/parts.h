/* Sets of partitions: what a member has, gives back, or is to have. A set is an array in the order
 * of topic ids (assign_id_order) and partitions, each once. Memory: parts_copy's is the caller's to
 * free; all else is the arena's. */
#ifndef GROUPCOORD_PARTS_H
#define GROUPCOORD_PARTS_H
#include "step.h"

struct part {
	struct uuid topic;
	int32_t partition;      /* follows topic without a gap: the two are the key of a map */
	int32_t epoch;          /* in which the member was given it; 0 where that means nothing */
};
enum { PART_KEY = sizeof(struct uuid) + sizeof(int32_t) };
struct parts {
	struct part *v;
	int32_t n;
};

void parts_sort(struct parts *);                /* and leaves each once */
const struct part *parts_find(const struct parts *, const struct uuid *topic, int32_t partition);
bool parts_same(const struct parts *, const struct parts *);        /* epochs and all */
bool parts_same_places(const struct parts *, const struct parts *); /* whatever the epochs */
bool parts_meet(const struct parts *, const struct parts *);        /* have one in common */
struct parts parts_copy(const struct parts *);
/* Those of a that are (both) or are not (less) in b; those of either, a's before b's (any). */
struct parts parts_both(struct step *, const struct parts *a, const struct parts *b);
struct parts parts_less(struct step *, const struct parts *a, const struct parts *b);
struct parts parts_any(struct step *, const struct parts *a, const struct parts *b);

/* Walks a set topic by topic, from *at = 0: the first partition of the next one and how many there
 * are. NULL at the end. */
const struct part *parts_topic(const struct parts *, int32_t *at, int32_t *n);
int32_t parts_topics(const struct parts *);     /* how many topics */
#endif
