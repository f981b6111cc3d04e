/* The assignor "uniform" where members subscribe to different topics: keep what may be kept, give
 * the rest to those who have least, then move partitions topic by topic until no move helps or
 * enough rounds were made (Kafka's UniformHeterogeneousAssignmentBuilder). */
#include <stdlib.h>

#include "assign.h"

enum { rounds_max = 16 };

struct subscribers {
	int32_t topic;
	const struct assign_topic *t;
	int32_t *v, n;           /* members, ascending */
};
/* The subscribers of one topic by how much they have: from the left those to give to, a level at a
 * time, from the right those to take from. */
struct level {
	int32_t *sorted, n;
	int32_t low_end, low_next, low_count;
	int32_t high_from, high_end, high_next, high_count;
};
struct mixed {
	struct assign_spec *spec;
	struct subscribers *subscribers, **order;  /* by topic; as topics are filled and balanced */
	int32_t order_n;
	int32_t *has;            /* by member: its partitions */
	int32_t *from, *to;      /* by member: its partitions of this topic in grouped */
	int32_t *grouped;        /* this topic's partitions by owner */
	struct level level;
};

static int by_load(const void *a, const void *b, void *arg)
{
	const int32_t *has = arg, x = *(const int32_t *)a, y = *(const int32_t *)b;

	return has[x] != has[y] ? (has[x] < has[y] ? -1 : 1) : (x > y) - (x < y);
}

static int by_owner(const void *a, const void *b, void *arg)
{
	const int32_t *owner = arg, x = *(const int32_t *)a, y = *(const int32_t *)b;

	return owner[x] != owner[y] ? (owner[x] < owner[y] ? -1 : 1) : (x > y) - (x < y);
}

/* Most partitions a subscriber first, then fewest subscribers, then by id. */
static int by_need(const void *a, const void *b)
{
	const struct subscribers *x = *(struct subscribers *const *)a;
	const struct subscribers *y = *(struct subscribers *const *)b;
	double p = (double)x->t->partitions / x->n, q = (double)y->t->partitions / y->n;

	if (p != q)
		return p > q ? -1 : 1;
	if (x->n != y->n)
		return x->n < y->n ? -1 : 1;
	return assign_id_order(&x->t->id, &y->t->id);
}

/* --- the level --- */

/* How far apart the most and the least loaded are. */
static int32_t level_start(struct mixed *m, const struct subscribers *s)
{
	struct level *l = &m->level;

	for (int32_t i = 0; i < s->n; i++)
		l->sorted[i] = s->v[i];
	qsort_r(l->sorted, (size_t)s->n, sizeof *l->sorted, by_load, m->has);
	l->n = s->n;
	l->low_end = l->low_next = 0;
	l->low_count = m->has[l->sorted[0]] - 1;
	l->high_from = l->high_end = s->n;
	l->high_next = s->n - 1;
	l->high_count = m->has[l->sorted[s->n - 1]] + 1;
	return l->high_count - l->low_count - 2;
}

static int32_t level_lowest(struct mixed *m)
{
	struct level *l = &m->level;

	if (l->low_next >= l->low_end) {
		l->low_count++;
		while (l->low_end < l->n && m->has[l->sorted[l->low_end]] == l->low_count)
			l->low_end++;
		l->low_next = 0;
	}
	return l->sorted[l->low_next++];
}

/* -1: nobody is left. */
static int32_t level_highest(struct mixed *m)
{
	struct level *l = &m->level;

	if (l->high_next < l->high_from) {
		if (l->high_end <= l->high_from && l->high_from > 0)
			l->high_count = m->has[l->sorted[l->high_from - 1]];
		else
			l->high_count--;
		while (l->high_from > 0 &&
		       m->has[l->sorted[l->high_from - 1]] == l->high_count)
			l->high_from--;
		l->high_next = l->high_end - 1;
	}
	return l->high_next < 0 ? -1 : l->sorted[l->high_next--];
}

/* The one that level_highest gave has nothing to give away. */
static void level_exclude(struct level *l)
{
	int32_t at = l->high_next + 1, member = l->sorted[at];

	l->sorted[at] = l->sorted[l->high_end - 1];
	l->sorted[--l->high_end] = member;
}

static bool level_even(const struct level *l)
{
	return l->high_count - l->low_count <= 1;
}

/* --- steps --- */

static int mixed_init(struct mixed *m, struct assign_spec *spec, struct arena *arena)
{
	size_t members = (size_t)spec->members_n + 1, topics = (size_t)spec->topics_n + 1, all = 1;
	int32_t *pool, partitions = 0;

	for (int32_t i = 0; i < spec->members_n; i++)
		all += (size_t)spec->members[i].topics_n;
	for (int32_t i = 0; i < spec->topics_n; i++)
		if (spec->topics[i].partitions > partitions)
			partitions = spec->topics[i].partitions;
	*m = (struct mixed){
		.spec = spec,
		.subscribers = arena_get(arena, sizeof *m->subscribers * topics),
		.order = arena_get(arena, sizeof *m->order * topics),
		.has = arena_get(arena, sizeof *m->has * members),
		.from = arena_get(arena, sizeof *m->from * members),
		.to = arena_get(arena, sizeof *m->to * members),
		.grouped = arena_get(arena, sizeof *m->grouped * ((size_t)partitions + 1)),
		.level.sorted = arena_get(arena, sizeof *m->level.sorted * members),
	};
	pool = arena_get(arena, sizeof *pool * all);
	if (!m->subscribers || !m->order || !m->has || !m->from || !m->to || !m->grouped ||
	    !m->level.sorted || !pool)
		return -1;
	for (int32_t i = 0; i < spec->members_n; i++)
		for (int32_t j = 0; j < spec->members[i].topics_n; j++)
			m->subscribers[spec->members[i].topics[j]].n++;
	for (int32_t i = 0; i < spec->topics_n; i++) {
		struct subscribers *s = m->subscribers + i;

		s->topic = i;
		s->t = spec->topics + i;
		s->v = pool;
		pool += s->n;
		if (s->n > 0)
			m->order[m->order_n++] = s;
		s->n = 0;
	}
	for (int32_t i = 0; i < spec->members_n; i++)
		for (int32_t j = 0; j < spec->members[i].topics_n; j++) {
			struct subscribers *s = m->subscribers + spec->members[i].topics[j];

			s->v[s->n++] = i;
		}
	qsort(m->order, (size_t)m->order_n, sizeof *m->order, by_need);
	return 0;
}

/* What a member has of a topic that it left is nobody's. */
static void keep(struct mixed *m)
{
	for (int32_t i = 0; i < m->spec->topics_n; i++)
		for (int32_t p = 0; p < m->spec->topics[i].partitions; p++) {
			int32_t *owner = m->spec->topics[i].owner + p;

			if (*owner < 0)
				continue;
			if (assign_subscribes(m->spec->members + *owner, i))
				m->has[*owner]++;
			else
				*owner = -1;
		}
}

static void fill(struct mixed *m, const struct subscribers *s)
{
	int32_t *owner = m->spec->topics[s->topic].owner;

	level_start(m, s);
	for (int32_t p = 0; p < s->t->partitions; p++)
		if (owner[p] < 0) {
			owner[p] = level_lowest(m);
			m->has[owner[p]]++;
		}
}

static void group_by_owner(struct mixed *m, const struct subscribers *s)
{
	const int32_t *owner = m->spec->topics[s->topic].owner;

	for (int32_t i = 0; i < s->n; i++)
		m->from[s->v[i]] = m->to[s->v[i]] = 0;
	for (int32_t p = 0; p < s->t->partitions; p++)
		m->grouped[p] = p;
	qsort_r(m->grouped, (size_t)s->t->partitions, sizeof *m->grouped, by_owner,
		(void *)owner);
	for (int32_t i = 0; i < s->t->partitions; i++) {
		int32_t member = owner[m->grouped[i]];

		if (i == 0 || owner[m->grouped[i - 1]] != member)
			m->from[member] = i;
		m->to[member] = i + 1;
	}
}

/* How many partitions it moved. */
static int32_t balance(struct mixed *m, const struct subscribers *s)
{
	int32_t *owner = m->spec->topics[s->topic].owner, moved = 0;

	if (level_start(m, s) <= 1)
		return 0;
	group_by_owner(m, s);
	while (!level_even(&m->level)) {
		int32_t high, low, p;

		while ((high = level_highest(m)) >= 0 && m->to[high] <= m->from[high])
			level_exclude(&m->level);
		if (high < 0)
			break;
		p = m->grouped[--m->to[high]];
		low = level_lowest(m);
		if (level_even(&m->level))
			break;
		owner[p] = low;
		m->has[high]--;
		m->has[low]++;
		moved++;
	}
	return moved;
}

int assign_mixed(struct assign_spec *spec, struct arena *arena)
{
	struct mixed m;
	const struct subscribers *last = NULL;

	if (mixed_init(&m, spec, arena) < 0)
		return -1;
	keep(&m);
	for (int32_t i = 0; i < m.order_n; i++)
		fill(&m, m.order[i]);
	for (int round = 0; round < rounds_max; round++)
		for (int32_t i = 0; i < m.order_n; i++) {
			if (m.order[i]->n < 2)
				continue;
			if (m.order[i] == last)
				return 0;
			if (balance(&m, m.order[i]) > 0 || !last)
				last = m.order[i];
		}
	return 0;
}
