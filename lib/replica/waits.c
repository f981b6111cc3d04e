/* What is parked on a partition: a list by offset (most come at its end), and a heap of
 * deadlines. */
#include "replica/waits.h"

#include <assert.h>

#include "replica/inside.h"
#include "wire/codes.h"

static void unlink_wait(struct replica_queue *q, struct replica_wait *w)
{
	*(w->prev ? &w->prev->next : &q->first) = w->next;
	*(w->next ? &w->next->prev : &q->last) = w->prev;
	w->prev = w->next = NULL;
}

static void link_after(struct replica_queue *q, struct replica_wait *at, struct replica_wait *w)
{
	w->prev = at;
	w->next = at ? at->next : q->first;
	*(w->next ? &w->next->prev : &q->last) = w;
	*(at ? &at->next : &q->first) = w;
}

static void finish(struct replica *r, struct replica_wait *w, int error)
{
	heap_del(&r->deadlines, &w->timer);
	unlink_wait(&r->waiting[w->kind], w);
	w->error = error;
	w->kind = REPLICA_WAITS;
	link_after(&r->finished, r->finished.last, w);
}

void waits_reached(struct replica *r, enum replica_waits kind, int64_t offset, int error)
{
	while (r->waiting[kind].first && r->waiting[kind].first->offset <= offset)
		finish(r, r->waiting[kind].first, error);
}

void waits_fail(struct replica *r, int error)
{
	for (int k = 0; k < REPLICA_WAITS; k++)
		waits_reached(r, k, INT64_MAX, error);
}

int replica_park(struct replica *r, struct replica_wait *w, enum replica_waits kind, int64_t offset,
                 int64_t deadline)
{
	assert(r->role == PAGE_LEADER && kind < REPLICA_WAITS);
	*w = (struct replica_wait){.kind = kind, .offset = offset};
	if (heap_set(&r->deadlines, &w->timer, deadline) < 0) return -1;
	struct replica_queue *q = &r->waiting[kind];
	struct replica_wait *at = q->last;
	while (at && at->offset > offset)
		at = at->prev;
	link_after(q, at, w);
	if (kind == REPLICA_TRIMMED) {
		waits_reached(r, kind, replica_low_watermark(r), 0);
	} else {
		waits_reached(r, kind, r->high_watermark, replica_end_of_append(r));
	}
	return 0;
}

void replica_cancel(struct replica *r, struct replica_wait *w)
{
	heap_del(&r->deadlines, &w->timer);
	unlink_wait(w->kind == REPLICA_WAITS ? &r->finished : &r->waiting[w->kind], w);
}

void replica_tick(struct replica *r, int64_t now)
{
	for (;;) {
		struct heap_node *n = heap_first(&r->deadlines);
		if (!n || n->at > now) return;
		finish(r, (struct replica_wait *)n, WIRE_REQUEST_TIMED_OUT);
	}
}

int64_t replica_next_tick(const struct replica *r)
{
	struct heap_node *n = heap_first(&r->deadlines);
	return n ? n->at : INT64_MAX;
}

struct replica_wait *replica_done(struct replica *r)
{
	struct replica_wait *w = r->finished.first;
	if (w) unlink_wait(&r->finished, w);
	return w;
}
