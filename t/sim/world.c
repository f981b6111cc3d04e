/* Time, chance and letters. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/map.h"
#include "sim.h"

enum { POOL = 4096, VALUES = 8 << 20, TICKS = 1024 /* of chance within a ms */ };

struct world world;
struct node nodes[NODES];

static uint64_t state;
static struct heap events;
static struct letter pool[POOL], *unused;
static uint8_t values[VALUES];
static size_t values_n;

uint64_t chance(uint64_t below)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (z ^ (z >> 31)) % below;
}

int64_t between(int64_t least, int64_t most)
{
	return least + (int64_t)chance((uint64_t)(most - least + 1));
}

bool now_and_then(int in_thousand)
{
	return world.turbulent && chance(1000) < (uint64_t)in_thousand;
}

/* Ids of topics, and what maps are seeded with: the link replaces getrandom by this. */
ssize_t __wrap_getrandom(void *p, size_t n, unsigned flags);
ssize_t __wrap_getrandom(void *p, size_t n, unsigned flags)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = (uint8_t)chance(256);
	return (ssize_t)n;
}

void trace(const char *format, ...)
{
	va_list args;

	if (!world.tracing)
		return;
	printf("# %7lld ", (long long)world.now);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

void wrong(const char *format, ...)
{
	va_list args;

	if (*world.wrong)
		return;
	va_start(args, format);
	vsnprintf(world.wrong, sizeof world.wrong, format, args);
	va_end(args);
	trace("WRONG: %s", world.wrong);
}

void at(struct event *e, int64_t when, void (*fn)(struct event *))
{
	e->fn = fn;
	if (when < world.now)
		when = world.now;
	if (heap_set(&events, &e->node, when * TICKS + (int64_t)chance(TICKS)) < 0)
		abort();
}

void never(struct event *e)
{
	heap_del(&events, &e->node);
}

void world_begin(uint64_t seed)
{
	struct map seeded = { 0 };
	bool tracing = world.tracing;

	state = 1;
	if (map_put(&seeded, "", 1, &seeded) < 0)
		abort();
	map_free(&seeded);
	world = (struct world){ .seed = seed, .now = 100000, .turbulent = true, .tracing = tracing };
	state = seed;
	values_n = 0;
	unused = NULL;
	for (int i = 0; i < POOL; i++) {
		pool[i].next = unused;
		pool[i].arrival.node.place = 0;
		unused = &pool[i];
	}
	memset(nodes, 0, sizeof nodes);
}

void world_run(int64_t until)
{
	struct heap_node *first;

	while (!*world.wrong && (first = heap_first(&events)) && first->at / TICKS < until) {
		struct event *e = (struct event *)first;

		world.now = first->at / TICKS;
		world.events++;
		heap_del(&events, first);
		e->fn(e);
	}
	if (!*world.wrong)
		world.now = until;
}

void world_end(void)
{
	while (heap_first(&events))
		heap_del(&events, heap_first(&events));
}

const struct value *value_copy(const uint8_t *p, int32_t n)
{
	struct value *v = (struct value *)(values + values_n);

	values_n += (sizeof *v + (size_t)n + 7) & ~(size_t)7;
	if (values_n > VALUES)
		abort();
	v->n = n;
	memcpy(v->p, p, (size_t)n);
	return v;
}

/* --- clocks --- */

int64_t clock_of(const struct node *n)
{
	return world.now + n->skew;
}

int64_t world_of(const struct node *n, int64_t clock_ms)
{
	return clock_ms == INT64_MAX ? INT64_MAX : clock_ms - n->skew;
}

bool node_runs(struct node *n, struct event *e)
{
	if (n->stopped_until <= world.now)
		return true;
	at(e, n->stopped_until, e->fn);
	return false;
}

/* --- letters --- */

struct letter *letter_new(int from, int to, enum letter_kind kind)
{
	struct letter *l = unused;

	if (!l)
		abort();
	unused = l->next;
	l->next = NULL;
	l->from = from;
	l->to = to;
	l->kind = kind;
	l->answer = false;
	l->number = 0;
	l->error = 0;
	return l;
}

struct letter *letter_answer(const struct letter *asked)
{
	struct letter *l = letter_new(asked->to, asked->from, asked->kind);

	l->answer = true;
	l->number = asked->number;
	if (l->kind == LETTER_ALTER)
		l->alter = asked->alter;
	else if (l->kind == LETTER_PRODUCE)
		l->produce = asked->produce;
	return l;
}

void letter_drop(struct letter *l)
{
	l->next = unused;
	unused = l;
}

/* A connection to a dead program is refused: who asked hears of that. */
static void refused(struct letter *l)
{
	struct letter *a;

	if (l->answer || l->kind == LETTER_HANGUP || l->from == l->to
	    || (l->from >= 0 && world.blocked[l->to][l->from]))
		return;
	if (l->kind == LETTER_QUORUM) {
		if (nodes[l->from].elect.up)
			elect_lost(&nodes[l->from], l->to, l->number);
		return;
	}
	a = letter_answer(l);
	a->error = LOST;
	letter_post(a);
}

static void deliver(struct letter *l)
{
	struct node *n = l->to < 0 ? NULL : &nodes[l->to];

	if (!n)
		clients_receive(l);
	else if (l->kind >= LETTER_FETCH ? !n->store.up : !n->elect.up)
		refused(l);
	else if (l->kind >= LETTER_FETCH)
		store_receive(n, l);
	else
		elect_receive(l);
}

static void arrived(struct event *e)
{
	struct letter *l = OF(e, struct letter, arrival);

	if (l->to >= 0 && !node_runs(&nodes[l->to], e))
		return;
	deliver(l);
	letter_drop(l);
}

static void send_off(struct letter *l)
{
	bool near = l->from == l->to;
	int64_t ms = near ? 0 : between(0, world.turbulent ? 30 : 3);

	/* What one life of elect wants is not heard after its next: a broker that still wanted to stop
	 * then would stay so, since no heartbeat takes that back (BrokerHeartbeatManager). */
	bool wish = l->kind == LETTER_HEARTBEAT && !l->answer && l->beat.want_shut_down;

	if (!near && !wish && now_and_then(10))
		ms += between(0, 5000);
	at(&l->arrival, world.now + ms, arrived);
}

void letter_post(struct letter *l)
{
	bool inside = l->from >= 0 && l->to >= 0, near = inside && l->from == l->to;

	if ((inside && world.blocked[l->from][l->to]) || (!near && now_and_then(10))) {
		letter_drop(l);
		return;
	}
	if (!near && now_and_then(10)) {
		struct letter *copy = letter_new(l->from, l->to, l->kind);
		struct letter *next = copy->next;

		*copy = *l;
		copy->next = next;
		copy->arrival.node.place = 0;
		send_off(copy);
	}
	send_off(l);
}
