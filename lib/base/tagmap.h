/* A table of pointers by number, for numbers that are given out one after the other: calls that are
 * open, by tag. A number stands where its low bits say, so that neighbours do not meet. */
#ifndef BASE_TAGMAP_H
#define BASE_TAGMAP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tagmap_slot {
	void *value;    /* NULL: free */
	uint32_t tag;
};
struct tagmap {
	struct tagmap_slot *slots;    /* owned; the values are not */
	size_t cap, n;                /* cap: a power of two, or 0 */
};

int tagmap_put(struct tagmap *m, uint32_t tag, void *value);   /* value not NULL; -1 ENOMEM */
void *tagmap_get(const struct tagmap *m, uint32_t tag);        /* NULL: not there */
void *tagmap_del(struct tagmap *m, uint32_t tag);              /* what was there, or NULL */
/* One after the other from *at = 0 on, in no order; NULL at the end. Nothing is added or removed
 * meanwhile. */
const struct tagmap_slot *tagmap_next(const struct tagmap *m, size_t *at);
void tagmap_free(struct tagmap *m);
#endif
