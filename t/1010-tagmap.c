/* Calls by tag: against a plain array, with tags in a row, in heaps, and around the end. */
#include <stdlib.h>

#include "base/tagmap.h"
#include "tap.h"

enum { TAGS = 4096, STEPS = 200000 };

static char things[TAGS];
static bool there[TAGS];

static int wrong(const struct tagmap *m, uint32_t from, uint32_t step)
{
	size_t n = 0, seen = 0, at = 0;
	int bad = 0;
	for (uint32_t i = 0; i < TAGS; i++) {
		n += there[i];
		bad += tagmap_get(m, from + i * step) != (there[i] ? &things[i] : NULL);
	}
	for (const struct tagmap_slot *s; (s = tagmap_next(m, &at)); seen++) {
		uint32_t i = (uint32_t)((char *)s->value - things);
		bad += s->tag != from + i * step || !there[i];
	}
	return bad + (seen != n) + (m->n != n);
}

static void any_order(uint32_t from, uint32_t step)
{
	struct tagmap m = {0};
	int bad = 0;
	for (int k = 0; k < STEPS; k++) {
		uint32_t i = (uint32_t)(rand() % TAGS), tag = from + i * step;
		if (rand() % 3 && (k / 20000) % 2 == 0)
			bad += tagmap_put(&m, tag, &things[i]) < 0, there[i] = true;
		else
			bad += tagmap_del(&m, tag) != (there[i] ? &things[i] : NULL), there[i] = false;
		if (k % 10000 == 0)
			bad += wrong(&m, from, step);
	}
	is_int(bad + wrong(&m, from, step), 0, "tags from %u by %u", from, step);
	tagmap_free(&m);
	for (int i = 0; i < TAGS; i++)
		there[i] = false;
}

int main(void)
{
	const char *given = getenv("SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : 1;
	diag("SEED=%u", seed);
	srand(seed);
	any_order(0, 1);
	any_order(UINT32_MAX - 1000, 1);
	any_order(7, 64);
	any_order(1, 4096);
	return done_testing();
}
