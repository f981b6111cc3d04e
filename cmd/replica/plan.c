#include "plan.h"

#include <errno.h>
#include <string.h>

static struct plan_broker *broker(const struct plan *p, int32_t id)
{
	for (int i = 0; i < p->brokers_n; i++)
		if (p->brokers[i].id == id)
			return &p->brokers[i];
	return NULL;
}

static bool takes(const struct plan_broker *b)
{
	return !b->leaves && !b->fenced;
}

static bool may_have(const struct plan *p, int32_t id)
{
	const struct plan_broker *b = broker(p, id);
	return b && !b->leaves;
}

static bool is_wanted(const struct plan *p, const struct plan_part *part)
{
	return !p->wanted || p->wanted(part);
}

static int place_of(const struct plan_part *part, int32_t id)
{
	for (int32_t i = 0; i < part->then_n; i++)
		if (part->then[i] == id)
			return i;
	return -1;
}

/* Is a replica in this rack, but for the one at `but`? */
static bool rack_used(const struct plan *p, const struct plan_part *part, struct span rack, int but)
{
	for (int32_t i = 0; i < part->then_n; i++) {
		const struct plan_broker *b = broker(p, part->then[i]);
		if (i != but && b && rack.n >= 0 && span_same(b->rack, rack))
			return true;
	}
	return false;
}

static struct plan_broker *best(const struct plan *p, const struct plan_part *part)
{
	struct plan_broker *to = NULL;
	bool to_used = false;
	for (int i = 0; i < p->brokers_n; i++) {
		struct plan_broker *b = &p->brokers[i];
		if (!takes(b) || place_of(part, b->id) >= 0)
			continue;
		bool used = rack_used(p, part, b->rack, -1);
		if (!to || used < to_used || (used == to_used && b->load < to->load)) {
			to = b;
			to_used = used;
		}
	}
	return to;
}

/* The one with the most replicas goes, the first last. */
static void drop_one(struct plan *p, struct plan_part *part)
{
	int at = part->then_n - 1;
	for (int i = at; i > 0; i--)
		if (broker(p, part->then[i])->load > broker(p, part->then[at])->load)
			at = i;
	broker(p, part->then[at])->load--;
	memmove(part->then + at, part->then + at + 1,
		(size_t)(part->then_n - at - 1) * sizeof *part->then);
	part->then_n--;
}

static int fill(struct plan *p, struct plan_part *part)
{
	int32_t want = p->factor ? p->factor : part->now_n;
	while (part->then_n > want)
		drop_one(p, part);
	while (part->then_n < want) {
		struct plan_broker *to = best(p, part);
		if (!to) {
			errno = ESRCH;
			return -1;
		}
		to->load++;
		part->then[part->then_n++] = to->id;
	}
	return 0;
}

/* --- balance --- */

/* Moves one replica from a to b where racks allow it. */
static bool move(struct plan *p, struct plan_broker *a, struct plan_broker *b)
{
	for (int i = 0; i < p->parts_n; i++) {
		struct plan_part *part = &p->parts[i];
		int at = place_of(part, a->id);
		if (at < 0 || !is_wanted(p, part) || place_of(part, b->id) >= 0)
			continue;
		if (rack_used(p, part, b->rack, at) && !rack_used(p, part, a->rack, at))
			continue;
		part->then[at] = b->id;
		a->load--;
		b->load++;
		return true;
	}
	return false;
}

static bool move_any(struct plan *p)
{
	for (int i = 0; i < p->brokers_n; i++)
		for (int k = 0; k < p->brokers_n; k++) {
			struct plan_broker *a = &p->brokers[i], *b = &p->brokers[k];
			if (takes(a) && takes(b) && a->load > b->load + 1 && move(p, a, b))
				return true;
		}
	return false;
}

/* Another replica first where its broker is first less often. */
static bool lead_less(struct plan *p, struct plan_part *part)
{
	struct plan_broker *first = broker(p, part->then[0]);
	for (int32_t i = 1; first && i < part->then_n; i++) {
		struct plan_broker *b = broker(p, part->then[i]);
		if (!b || b->fenced || b->leads + 1 >= first->leads)
			continue;
		part->then[i] = first->id;
		part->then[0] = b->id;
		first->leads--;
		b->leads++;
		return true;
	}
	return false;
}

static void spread_leaders(struct plan *p)
{
	bool again = true;
	for (int i = 0; i < p->parts_n; i++) {
		struct plan_broker *b = broker(p, p->parts[i].then_n ? p->parts[i].then[0] : -1);
		if (b)
			b->leads++;
	}
	while (again) {
		again = false;
		for (int i = 0; i < p->parts_n; i++)
			if (is_wanted(p, &p->parts[i]) &&
			    (p->balance || plan_changes(&p->parts[i])))
				again = lead_less(p, &p->parts[i]) || again;
	}
}

int plan_make(struct plan *p, struct arena *mem, int *which)
{
	for (int i = 0; i < p->parts_n; i++) {
		struct plan_part *part = &p->parts[i];
		int32_t room = part->now_n + p->factor;
		part->then = arena_get(mem, (size_t)room * sizeof *part->then + 1);
		if (!part->then)
			return -1;
		for (int32_t k = 0; k < part->now_n; k++)
			if (!is_wanted(p, part) || may_have(p, part->now[k]))
				part->then[part->then_n++] = part->now[k];
		for (int32_t k = 0; k < part->then_n; k++) {
			struct plan_broker *b = broker(p, part->then[k]);
			if (b)
				b->load++;
		}
	}
	for (int i = 0; i < p->parts_n; i++) {
		*which = i;
		if (is_wanted(p, &p->parts[i]) && fill(p, &p->parts[i]) < 0)
			return -1;
	}
	while (p->balance && move_any(p))
		;
	spread_leaders(p);
	return 0;
}

bool plan_changes(const struct plan_part *p)
{
	return p->now_n != p->then_n ||
	       memcmp(p->now, p->then, (size_t)p->now_n * sizeof *p->now) != 0;
}
