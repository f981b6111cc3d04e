/* Replicas over racks and brokers (StripedReplicaPlacer): one partition after the other begins one
 * rack further and, in each rack, one broker further, so that racks, brokers and leaders are spread
 * evenly; fenced brokers come last and never first. */
#include <stdlib.h>
#include <string.h>

#include "placement.h"
#include "wire/codes.h"

struct ring { /* of brokers; each has its turn once in an epoch */
	int32_t *v;
	int32_t n, index, offset, epoch;
};
struct rack {
	const char *name; /* NULL: of brokers that have none */
	struct ring up, fenced;
};
struct racks {
	struct controller *c;
	struct rack *v;
	int32_t n, up, all;
	int32_t epoch, offset;
};

static int32_t ring_next(struct ring *r, int32_t epoch)
{
	if (r->n == 0)
		return -1;
	if (r->epoch != epoch) {
		r->epoch = epoch;
		r->index = 0;
		r->offset = (r->offset + 1) % r->n;
	}
	if (r->index >= r->n)
		return -1;
	return r->v[(r->index++ + r->offset) % r->n];
}

static int32_t rack_next(struct rack *r, int32_t epoch)
{
	int32_t id = ring_next(&r->up, epoch);

	return id >= 0 ? id : ring_next(&r->fenced, epoch);
}

/* --- gathering --- */

static struct rack *rack_named(struct racks *r, const char *name)
{
	for (int32_t i = 0; i < r->n; i++) {
		const char *other = r->v[i].name;

		if (name && other ? strcmp(name, other) == 0 : name == other)
			return &r->v[i];
	}
	r->v[r->n].name = name;
	return &r->v[r->n++];
}

static int by_number(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

static int by_name(const void *a, const void *b)
{
	const char *x = ((const struct rack *)a)->name, *y = ((const struct rack *)b)->name;

	return x && y ? strcmp(x, y) : (x != NULL) - (y != NULL);
}

static void ring_begin(struct controller *c, struct ring *r)
{
	qsort(r->v, (size_t)r->n, sizeof *r->v, by_number);
	r->offset = r->n > 0 ? (int32_t)controller_random(c, (uint32_t)r->n) : 0;
}

static bool usable(const struct meta_broker *b)
{
	return (b->fenced || !b->in_controlled_shutdown) && broker_takes_replicas(b);
}

static bool gather(struct operation *op, struct racks *r)
{
	const struct meta_broker *b;
	size_t at = 0, n = op->c->image->brokers.n;
	int32_t *room = arena_get(&op->arena, 2 * n * sizeof *room + 1);

	*r = (struct racks){ .c = op->c, .v = arena_get(&op->arena, n * sizeof *r->v + 1) };
	if (!room || !r->v) {
		op->failed = true;
		return false;
	}
	for (at = 0; (b = map_next(&op->c->image->brokers, &at));)
		if (usable(b))
			rack_named(r, b->rack)->up.n++;
	for (int32_t i = 0; i < r->n; i++) {
		r->v[i].up.v = room;
		room += r->v[i].up.n;
		r->v[i].fenced.v = room;
		room += r->v[i].up.n;
		r->v[i].up.n = 0;
	}
	for (at = 0; (b = map_next(&op->c->image->brokers, &at));) {
		struct rack *rack = usable(b) ? rack_named(r, b->rack) : NULL;
		struct ring *ring;

		if (!rack)
			continue;
		ring = b->fenced ? &rack->fenced : &rack->up;
		ring->v[ring->n++] = b->id;
		r->all++;
		r->up += !b->fenced;
	}
	qsort(r->v, (size_t)r->n, sizeof *r->v, by_name);
	for (int32_t i = 0; i < r->n; i++) {
		ring_begin(op->c, &r->v[i].fenced);
		ring_begin(op->c, &r->v[i].up);
	}
	r->offset = r->n > 0 ? (int32_t)controller_random(op->c, (uint32_t)r->n) : 0;
	return true;
}

/* --- placing --- */

static void shuffle_ring(struct controller *c, struct ring *r)
{
	for (int32_t i = r->n; i > 1; i--) {
		int32_t j = (int32_t)controller_random(c, (uint32_t)i), x = r->v[i - 1];

		r->v[i - 1] = r->v[j];
		r->v[j] = x;
	}
}

/* As many partitions as there are brokers have been placed: the same again would repeat them. */
static void shuffle(struct racks *r)
{
	for (int32_t i = r->n; i > 1; i--) {
		int32_t j = (int32_t)controller_random(r->c, (uint32_t)i);
		struct rack x = r->v[i - 1];

		r->v[i - 1] = r->v[j];
		r->v[j] = x;
	}
	for (int32_t i = 0; i < r->n; i++) {
		shuffle_ring(r->c, &r->v[i].fenced);
		shuffle_ring(r->c, &r->v[i].up);
	}
}

static void place(struct racks *r, int32_t *v, int32_t factor)
{
	int32_t first, at;

	if (r->epoch == r->up && r->up > 1) {
		shuffle(r);
		r->epoch = 0;
	}
	if (r->offset == r->n)
		r->offset = 0;
	first = at = r->offset;
	while ((v[0] = ring_next(&r->v[first].up, r->epoch)) < 0)
		first = (first + 1) % r->n;
	/* The rack of the first replica is passed over once. */
	for (int32_t k = 1; k < factor;) {
		int32_t id = -1;

		if (at == first)
			first = -1;
		else
			id = rack_next(&r->v[at], r->epoch);
		at = (at + 1) % r->n;
		if (id >= 0)
			v[k++] = id;
	}
	r->epoch++;
	r->offset++;
}

struct fault placement_auto(struct operation *op, struct placement *p, int32_t factor)
{
	struct racks r;

	if (!gather(op, &r))
		return GOOD;
	if (r.up == 0)
		return fault(op, WIRE_INVALID_REPLICATION_FACTOR,
			     "All brokers are currently fenced, or have all their log directories "
			     "cordoned.");
	if (factor > r.all)
		return fault(op, WIRE_INVALID_REPLICATION_FACTOR,
			     "The target replication factor of %d cannot be reached "
			     "because only %d broker(s) are registered or some brokers have all "
			     "their log directories "
			     "cordoned.",
			     factor, r.all);
	for (int32_t i = 0; i < p->n; i++) {
		int32_t *v = arena_get(&op->arena, (size_t)factor * sizeof *v);

		if (!v) {
			op->failed = true;
			return GOOD;
		}
		place(&r, v, factor);
		p->replicas[i] = v;
		p->replicas_n[i] = factor;
	}
	return GOOD;
}
