/* A hash map from byte strings to pointers: open addressing, robust against chosen keys by a
 * seed. */
#ifndef BASE_MAP_H
#define BASE_MAP_H
#include <stddef.h>
#include <stdint.h>

struct map_slot {
	const void *key;  /* borrowed from the caller: the key must live as long as its entry */
	uint32_t key_len;
	uint32_t hash;    /* 0 is free */
	void *value;      /* never NULL in use */
};
struct map {
	struct map_slot *slots;
	size_t n, cap;    /* cap is 0 or a power of two */
};

void *map_get(const struct map *m, const void *key, size_t len);  /* NULL when absent */
/* adds or replaces key and value; -1 ENOMEM */
int map_put(struct map *m, const void *key, size_t len, void *value);
void *map_del(struct map *m, const void *key, size_t len);  /* the removed value, or NULL */
/* walk from *at = 0 in no order; NULL at the end; no put or del meanwhile */
void *map_next(const struct map *m, size_t *at);
void map_free(struct map *m);  /* frees the table, never values */
#endif
