#include "parts.h"

#include <stdlib.h>
#include <string.h>

#include "assign.h"
#include "group.h"

static int order(const struct part *a, const struct part *b)
{
	int o = assign_id_order(&a->topic, &b->topic);
	return o ? o : (a->partition > b->partition) - (a->partition < b->partition);
}

static int order_fn(const void *a, const void *b)
{
	return order(a, b);
}

void parts_sort(struct parts *p)
{
	int32_t n = 0;
	if (p->n > 1)
		qsort(p->v, (size_t)p->n, sizeof *p->v, order_fn);
	for (int32_t i = 0; i < p->n; i++)
		if (n == 0 || order(p->v + n - 1, p->v + i))
			p->v[n++] = p->v[i];
	p->n = n;
}

const struct part *parts_find(const struct parts *p, const struct uuid *topic, int32_t partition)
{
	struct part key = {.topic = *topic, .partition = partition};
	return p->n ? bsearch(&key, p->v, (size_t)p->n, sizeof *p->v, order_fn) : NULL;
}

bool parts_same_places(const struct parts *a, const struct parts *b)
{
	if (a->n != b->n)
		return false;
	for (int32_t i = 0; i < a->n; i++)
		if (order(a->v + i, b->v + i))
			return false;
	return true;
}

bool parts_same(const struct parts *a, const struct parts *b)
{
	return a->n == b->n && (a->n == 0 || !memcmp(a->v, b->v, sizeof *a->v * (size_t)a->n));
}

struct parts parts_copy(const struct parts *p)
{
	struct parts copy = {NULL, p->n};
	if (p->n > 0) {
		copy.v = group_get(sizeof *copy.v * (size_t)p->n);
		memcpy(copy.v, p->v, sizeof *copy.v * (size_t)p->n);
	}
	return copy;
}

enum side { LEFT = 1, COMMON = 2, RIGHT = 4 };

/* Merges two sets and keeps what is on those sides. */
static struct parts merge(struct step *s, const struct parts *a, const struct parts *b, int sides)
{
	size_t most = (size_t)a->n + (sides & RIGHT ? (size_t)b->n : 0);
	struct parts out = {step_take(s, most, sizeof *out.v), 0};
	for (int32_t i = 0, j = 0; i < a->n || j < b->n;) {
		int o = i == a->n ? 1 : j == b->n ? -1 : order(a->v + i, b->v + j);
		enum side side = o < 0 ? LEFT : o > 0 ? RIGHT : COMMON;
		if (sides & (int)side)
			out.v[out.n++] = o <= 0 ? a->v[i] : b->v[j];
		i += o <= 0;
		j += o >= 0;
	}
	return out;
}

struct parts parts_both(struct step *s, const struct parts *a, const struct parts *b)
{
	return merge(s, a, b, COMMON);
}

struct parts parts_less(struct step *s, const struct parts *a, const struct parts *b)
{
	return merge(s, a, b, LEFT);
}

struct parts parts_any(struct step *s, const struct parts *a, const struct parts *b)
{
	return merge(s, a, b, LEFT | COMMON | RIGHT);
}

bool parts_meet(const struct parts *a, const struct parts *b)
{
	for (int32_t i = 0, j = 0; i < a->n && j < b->n;) {
		int o = order(a->v + i, b->v + j);
		if (!o)
			return true;
		i += o < 0;
		j += o > 0;
	}
	return false;
}

const struct part *parts_topic(const struct parts *p, int32_t *at, int32_t *n)
{
	const struct part *first = p->v + *at;
	if (*at >= p->n)
		return NULL;
	for (*n = 0; *at < p->n && uuid_same(&first->topic, &p->v[*at].topic); ++*at)
		++*n;
	return first;
}

int32_t parts_topics(const struct parts *p)
{
	int32_t topics = 0, n;
	for (int32_t at = 0; parts_topic(p, &at, &n);)
		topics++;
	return topics;
}
