/* The assignor "range": of each topic, every member gets partitions that lie side by side, and of
 * topics of one size the same numbers (Kafka's RangeAssignor). */
#include "assign.h"

#include <stdlib.h>
#include <string.h>

struct range_place {
	const struct assign_member *member;
	int32_t index;
};
struct range {
	int32_t subscribers, share, larger, next;  /* larger: how many more get one above share */
};

int assign_id_order(const struct uuid *a, const struct uuid *b)
{
	for (int i = 0; i < 16; i += 8) {
		int64_t x = (int64_t)get64(a->b + i), y = (int64_t)get64(b->b + i);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return 0;
}

int assign_text_order(struct span a, struct span b)
{
	int32_t n = a.n < b.n ? a.n : b.n;
	int order = n > 0 ? memcmp(a.p, b.p, (size_t)n) : 0;

	return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* Static members first, by what stays theirs when they come again under another id. */
static int range_order(const void *a, const void *b)
{
	const struct assign_member *x = ((const struct range_place *)a)->member;
	const struct assign_member *y = ((const struct range_place *)b)->member;

	if (x->instance.n < 0 && y->instance.n < 0)
		return assign_text_order(x->id, y->id);
	if (x->instance.n < 0 || y->instance.n < 0)
		return x->instance.n < 0 ? 1 : -1;
	return assign_text_order(x->instance, y->instance);
}

static void give(struct assign_topic *t, struct range *r, int32_t member)
{
	int32_t n = r->share;

	if (r->larger > 0) {
		r->larger--;
		n++;
	}
	while (n-- > 0)
		t->owner[r->next++] = member;
}

int assign_range(struct assign_spec *spec, struct arena *arena)
{
	struct range_place *places = arena_get(arena, sizeof *places * (size_t)(spec->members_n + 1));
	struct range *ranges = arena_get(arena, sizeof *ranges * (size_t)(spec->topics_n + 1));

	if (!places || !ranges)
		return -1;
	for (int32_t i = 0; i < spec->members_n; i++) {
		const struct assign_member *m = spec->members + i;

		places[i] = (struct range_place){ m, i };
		for (int32_t j = 0; j < m->topics_n; j++)
			ranges[m->topics[j]].subscribers++;
	}
	qsort(places, (size_t)spec->members_n, sizeof *places, range_order);
	for (int32_t i = 0; i < spec->topics_n; i++) {
		struct assign_topic *t = spec->topics + i;
		struct range *r = ranges + i;

		if (r->subscribers > 0) {
			r->share = t->partitions / r->subscribers;
			r->larger = t->partitions % r->subscribers;
		}
		for (int32_t p = 0; p < t->partitions; p++)
			t->owner[p] = -1;
	}
	for (int32_t i = 0; i < spec->members_n; i++) {
		const struct assign_member *m = places[i].member;

		for (int32_t j = 0; j < m->topics_n; j++)
			give(spec->topics + m->topics[j], ranges + m->topics[j], places[i].index);
	}
	return 0;
}
