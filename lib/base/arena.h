/* Memory that lives as long as one request: allocated in blocks, given back all at once,
 * bounded. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H
#include <stddef.h>

struct arena_block;
struct arena {
	struct arena_block *blocks;  /* newest first; owned */
	size_t used;                 /* bytes handed out since the last reset */
	size_t limit;                /* most that may be handed out; 0 is no limit */
};

/* zeroed, aligned for any type; NULL with ENOMEM past the limit */
void *arena_get(struct arena *a, size_t n);
void *arena_copy(struct arena *a, const void *p, size_t n);
void arena_reset(struct arena *a);  /* forget everything, keep one block for reuse */
void arena_free(struct arena *a);
#endif
