#include "base/heap.h"

#include <stdlib.h>

static void put(struct heap *h, size_t i, struct heap_node *x)
{
	h->v[i] = x;
	x->place = i + 1;
}

static void settle(struct heap *h, size_t i, struct heap_node *x)
{
	for (; i && h->v[(i - 1) / 2]->at > x->at; i = (i - 1) / 2)
		put(h, i, h->v[(i - 1) / 2]);
	for (;;) {
		size_t c = 2 * i + 1;
		if (c + 1 < h->n && h->v[c + 1]->at < h->v[c]->at)
			c++;
		if (c >= h->n || h->v[c]->at >= x->at)
			break;
		put(h, i, h->v[c]);
		i = c;
	}
	put(h, i, x);
}

int heap_set(struct heap *h, struct heap_node *x, int64_t at)
{
	if (!x->place) {
		if (h->n == h->cap) {
			size_t cap = h->cap ? 2 * h->cap : 16;
			struct heap_node **v = realloc(h->v, cap * sizeof *v);
			if (!v)
				return -1;
			h->v = v;
			h->cap = cap;
		}
		put(h, h->n++, x);
	}
	x->at = at;
	settle(h, x->place - 1, x);
	return 0;
}

void heap_del(struct heap *h, struct heap_node *x)
{
	if (!x->place)
		return;
	size_t i = x->place - 1;
	struct heap_node *last = h->v[--h->n];
	x->place = 0;
	if (last != x)
		settle(h, i, last);
}

struct heap_node *heap_first(const struct heap *h)
{
	return h->n ? h->v[0] : 0;
}

void heap_free(struct heap *h)
{
	free(h->v);
	*h = (struct heap){0};
}
