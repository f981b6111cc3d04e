/* A binary heap of deadlines whose members know their place, so that one can be moved or removed in
 * O(log n). */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H
#include <stddef.h>
#include <stdint.h>

struct heap_node {      /* embedded in what is timed */
	int64_t at;     /* the caller's unit, smallest first */
	size_t place;   /* 1 + index; 0 is not in a heap */
};
struct heap {
	struct heap_node **v;
	size_t n, cap;
};

/* insert or move; -1 ENOMEM (never when already in) */
int heap_set(struct heap *h, struct heap_node *x, int64_t at);
void heap_del(struct heap *h, struct heap_node *x);             /* nothing when it is not in */
struct heap_node *heap_first(const struct heap *h);             /* NULL when empty */
void heap_free(struct heap *h);
#endif
