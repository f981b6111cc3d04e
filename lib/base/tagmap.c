/* Linear probing in the order of the places where entries belong: a search ends at the first entry
 * that is nearer to its own, and a gap is closed up to the first that stands there. */
#include "base/tagmap.h"

#include <stdlib.h>

enum { FIRST = 16 };

static size_t away(const struct tagmap *m, size_t i)
{
	return (i - m->slots[i].tag) & (m->cap - 1);
}

static struct tagmap_slot *find(const struct tagmap *m, uint32_t tag)
{
	if (!m->cap)
		return NULL;
	size_t i = tag & (m->cap - 1);
	for (size_t d = 0; m->slots[i].value && away(m, i) >= d; d++) {
		if (m->slots[i].tag == tag)
			return &m->slots[i];
		i = (i + 1) & (m->cap - 1);
	}
	return NULL;
}

static void insert(struct tagmap *m, struct tagmap_slot s)
{
	size_t i = s.tag & (m->cap - 1);
	for (size_t d = 0; m->slots[i].value; d++) {
		if (away(m, i) < d) {
			struct tagmap_slot nearer = m->slots[i];
			d = away(m, i);
			m->slots[i] = s;
			s = nearer;
		}
		i = (i + 1) & (m->cap - 1);
	}
	m->slots[i] = s;
}

static int grow(struct tagmap *m)
{
	struct tagmap bigger = {.cap = m->cap ? 2 * m->cap : FIRST, .n = m->n};
	bigger.slots = calloc(bigger.cap, sizeof *bigger.slots);
	if (!bigger.slots)
		return -1;
	for (size_t i = 0; i < m->cap; i++)
		if (m->slots[i].value)
			insert(&bigger, m->slots[i]);
	free(m->slots);
	*m = bigger;
	return 0;
}

int tagmap_put(struct tagmap *m, uint32_t tag, void *value)
{
	struct tagmap_slot *s = find(m, tag);
	if (s) {
		s->value = value;
		return 0;
	}
	if ((m->n + 1) * 2 > m->cap && grow(m) < 0)
		return -1;
	insert(m, (struct tagmap_slot){value, tag});
	m->n++;
	return 0;
}

void *tagmap_get(const struct tagmap *m, uint32_t tag)
{
	struct tagmap_slot *s = find(m, tag);
	return s ? s->value : NULL;
}

void *tagmap_del(struct tagmap *m, uint32_t tag)
{
	struct tagmap_slot *s = find(m, tag);
	if (!s)
		return NULL;
	void *v = s->value;
	size_t hole = (size_t)(s - m->slots), i = (hole + 1) & (m->cap - 1);
	while (m->slots[i].value && away(m, i)) {
		m->slots[hole] = m->slots[i];
		hole = i;
		i = (i + 1) & (m->cap - 1);
	}
	m->slots[hole].value = NULL;
	m->n--;
	return v;
}

const struct tagmap_slot *tagmap_next(const struct tagmap *m, size_t *at)
{
	while (*at < m->cap)
		if (m->slots[(*at)++].value)
			return &m->slots[*at - 1];
	return NULL;
}

void tagmap_free(struct tagmap *m)
{
	free(m->slots);
	*m = (struct tagmap){0};
}
