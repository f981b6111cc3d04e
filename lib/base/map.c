#include "base/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static uint32_t hash_of(const void *key, size_t len)
{
	static uint64_t seed;
	while (!seed)
		if (getrandom(&seed, sizeof seed, 0) < 0)
			seed = 0x9e3779b97f4a7c15u;
	const uint8_t *p = key;
	uint64_t h = seed ^ len;
	for (; len >= 8; len -= 8, p += 8) {
		uint64_t w;
		memcpy(&w, p, 8);
		h = (h ^ w) * 0x9fb21c651e98df25u;
		h ^= h >> 32;
	}
	uint64_t w = 0;
	memcpy(&w, p, len);
	h = (h ^ w) * 0x9fb21c651e98df25u;
	h ^= h >> 29;
	h *= seed | 1;
	h ^= h >> 32;
	return (uint32_t)h | 1;
}

static struct map_slot *find(const struct map *m, const void *key, size_t len, uint32_t h)
{
	size_t i = (h >> 1) & (m->cap - 1);
	for (;; i = (i + 1) & (m->cap - 1)) {
		struct map_slot *s = m->slots + i;
		if (!s->hash || (s->hash == h && s->key_len == len && !memcmp(s->key, key, len)))
			return s;
	}
}

void *map_get(const struct map *m, const void *key, size_t len)
{
	return m->cap ? find(m, key, len, hash_of(key, len))->value : 0;
}

static int grow(struct map *m)
{
	struct map bigger = {.cap = m->cap ? m->cap * 2 : 16, .n = m->n};
	bigger.slots = calloc(bigger.cap, sizeof *bigger.slots);
	if (!bigger.slots)
		return -1;
	for (size_t i = 0; i < m->cap; i++)
		if (m->slots[i].hash)
			*find(&bigger, m->slots[i].key, m->slots[i].key_len, m->slots[i].hash) = m->slots[i];
	free(m->slots);
	*m = bigger;
	return 0;
}

int map_put(struct map *m, const void *key, size_t len, void *value)
{
	if ((m->n + 1) * 4 > m->cap * 3 && grow(m) < 0)
		return -1;
	uint32_t h = hash_of(key, len);
	struct map_slot *s = find(m, key, len, h);
	m->n += !s->hash;
	*s = (struct map_slot){key, (uint32_t)len, h, value};
	return 0;
}

void *map_del(struct map *m, const void *key, size_t len)
{
	if (!m->cap)
		return 0;
	struct map_slot *s = find(m, key, len, hash_of(key, len));
	void *v = s->value;
	if (!s->hash)
		return 0;
	m->n--;
	/* close the gap: move back every later entry of the run whose home is not after the hole */
	size_t hole = (size_t)(s - m->slots), i = hole;
	for (;;) {
		i = (i + 1) & (m->cap - 1);
		struct map_slot *t = m->slots + i;
		if (!t->hash)
			break;
		size_t home = (t->hash >> 1) & (m->cap - 1);
		if (((i - home) & (m->cap - 1)) >= ((i - hole) & (m->cap - 1))) {
			m->slots[hole] = *t;
			hole = i;
		}
	}
	m->slots[hole] = (struct map_slot){0};
	return v;
}

void *map_next(const struct map *m, size_t *at)
{
	while (*at < m->cap)
		if (m->slots[(*at)++].hash)
			return m->slots[*at - 1].value;
	return 0;
}

void map_free(struct map *m)
{
	free(m->slots);
	*m = (struct map){0};
}
