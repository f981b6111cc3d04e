/* Plans of replica: random clusters, and what must hold of the plan. */
#include "../cmd/replica/plan.c"
#include "tap.h"

enum { ROUNDS = 2000, BROKERS_MAX = 9, PARTS_MAX = 40, FACTOR_MAX = 4 };

static struct plan_broker brokers[BROKERS_MAX];
static struct plan_part parts[PARTS_MAX];
static int32_t ids[PARTS_MAX][FACTOR_MAX];
static struct plan plan;
static struct arena mem;
static bool racked;

static void settle(void)
{
	static const char *racks[] = { "a", "b", "c" };
	int n = 1 + (int)tap_random(BROKERS_MAX), factor;

	racked = tap_random(2);
	for (int i = 0; i < n; i++)
		brokers[i] = (struct plan_broker){ .id = i, .rack = SPAN_NULL };
	for (int i = 0; racked && i < n; i++)
		brokers[i].rack = span_of(racks[i % 3]);
	factor = 1 + (int)tap_random((uint64_t)(n < FACTOR_MAX ? n : FACTOR_MAX));
	plan = (struct plan){ .brokers = brokers, .brokers_n = n, .parts = parts };
	plan.parts_n = 1 + (int)tap_random(PARTS_MAX);
	for (int i = 0; i < plan.parts_n; i++) {
		parts[i] = (struct plan_part){ .topic = span_of("t"), .partition = i,
					       .now = ids[i], .now_n = factor };
		for (int k = 0; k < factor; k++) {
			bool again = true;

			while (again) {
				ids[i][k] = (int32_t)tap_random((uint64_t)n);
				again = false;
				for (int j = 0; j < k; j++)
					again = again || ids[i][j] == ids[i][k];
			}
		}
	}
	switch (tap_random(3)) {
	case 0: plan.balance = true; break;
	case 1: brokers[tap_random((uint64_t)n)].leaves = true; break;
	default: plan.factor = 1 + (int32_t)tap_random(FACTOR_MAX); break;
	}
	if (n > 1 && tap_random(4) == 0)
		brokers[tap_random((uint64_t)n)].fenced = true;
}

static bool had(const struct plan_part *p, int32_t id)
{
	for (int32_t k = 0; k < p->now_n; k++)
		if (p->now[k] == id)
			return true;
	return false;
}

static const char *wrong(void)
{
	int load[BROKERS_MAX] = { 0 }, least = INT32_MAX, most = 0;
	bool all_take = true;

	for (int i = 0; i < plan.parts_n; i++) {
		const struct plan_part *p = &parts[i];

		if (p->then_n != (plan.factor ? plan.factor : p->now_n))
			return "not as many replicas as wanted";
		for (int32_t k = 0; k < p->then_n; k++) {
			const struct plan_broker *b = broker(&plan, p->then[k]);

			if (!b || b->leaves)
				return "a replica on a broker that leaves";
			if (b->fenced && !had(p, b->id))
				return "a new replica on a fenced broker";
			for (int32_t j = 0; j < k; j++)
				if (p->then[j] == p->then[k])
					return "two replicas on a broker";
			load[b->id]++;
		}
	}
	for (int i = 0; i < plan.brokers_n; i++) {
		if (load[i] != brokers[i].load)
			return "its count is wrong";
		all_take = all_take && takes(&brokers[i]);
		least = load[i] < least ? load[i] : least;
		most = load[i] > most ? load[i] : most;
	}
	if (plan.balance && !racked && all_take && most > least + 1)
		return "not balanced";
	return NULL;
}

int main(void)
{
	const char *why = NULL;
	int which, short_n = 0;

	tap_seed();
	for (int i = 0; i < ROUNDS && !why; i++) {
		settle();
		if (plan_make(&plan, &mem, &which) < 0)
			short_n++;
		else
			why = wrong();
		arena_reset(&mem);
	}
	is_str(why ? why : "", "", "plans");
	ok(short_n > 0 && short_n < ROUNDS / 2, "%d could not be made", short_n);
	arena_free(&mem);
	return done_testing();
}
