#include "group.h"

#include <stdlib.h>
#include <string.h>

#include "classic.h"
#include "consumer.h"
#include "offsets.h"

/* --- memory --- */

void *group_get(size_t n)
{
	void *p = calloc(1, n ? n : 1);
	if (!p)
		abort();
	return p;
}

void *group_resize(void *p, size_t n)
{
	p = realloc(p, n ? n : 1);
	if (!p)
		abort();
	return p;
}

struct span group_copy(struct span text)
{
	if (text.n < 0)
		return text;
	char *p = group_get((size_t)text.n);
	if (text.n)
		memcpy(p, text.p, (size_t)text.n);
	return (struct span){p, text.n};
}

/* --- the map --- */

void groups_init(struct groups *gs)
{
	*gs = (struct groups){0};
}

void groups_free(struct groups *gs)
{
	struct group *g;
	for (size_t at = 0; (g = map_next(&gs->by_id, &at)); at = 0)
		groups_forget(gs, g);
	map_free(&gs->by_id);
	map_free(&gs->topics);
	map_free(&gs->transactions);
	heap_free(&gs->timers);
}

struct group *groups_find(const struct groups *gs, struct span id)
{
	return id.n < 0 ? NULL : map_get(&gs->by_id, id.p, (size_t)id.n);
}

struct group *groups_make(struct groups *gs, struct span id, int32_t partition)
{
	struct group *g = group_get(sizeof *g);
	g->kind = &group_simple;
	g->id = group_copy(id);
	g->partition = partition;
	if (map_put(&gs->by_id, g->id.p, (size_t)g->id.n, g))
		abort();
	return g;
}

void groups_forget(struct groups *gs, struct group *g)
{
	if (g->kind->forget)
		g->kind->forget(gs, g);
	offsets_forget(gs, g);
	map_del(&gs->by_id, g->id.p, (size_t)g->id.n);
	free((char *)g->id.p);
	free(g);
}

void groups_simplify(struct groups *gs, struct group *g)
{
	if (g->kind->forget)
		g->kind->forget(gs, g);
	g->kind = &group_simple;
	g->members = NULL;
}

void groups_tidy(struct groups *gs, struct group *g)
{
	if (g->kind == &group_simple && !g->topics_n && !g->pending && !g->unsettled)
		groups_forget(gs, g);
}

/* --- timers --- */

void groups_timer_set(struct groups *gs, struct group_timer *t, int64_t at_ms)
{
	if (heap_set(&gs->timers, &t->node, at_ms))
		abort();
}

void groups_timer_stop(struct groups *gs, struct group_timer *t)
{
	heap_del(&gs->timers, &t->node);
}

int64_t groups_due(const struct groups *gs)
{
	const struct heap_node *first = heap_first(&gs->timers);
	return first ? first->at : INT64_MAX;
}

/* A timer that sets itself again for a time that has come is run in the next tick. */
void groups_tick(struct groups *gs, struct step *s)
{
	for (size_t n = gs->timers.n; n; n--) {
		struct heap_node *first = heap_first(&gs->timers);
		if (!first || first->at > s->now_ms)
			break;
		struct group_timer *t = (struct group_timer *)first;
		heap_del(&gs->timers, first);
		t->fn(gs, s, t);
	}
}

/* --- all groups of a partition --- */

void groups_replay(struct groups *gs, int32_t partition, const struct replayed *r)
{
	switch (r->type) {
	case RECORD_GROUP:
		classic_replay(gs, partition, r->key, r->value);
		break;
	case RECORD_CONSUMER_GROUP ... RECORD_CONSUMER_CURRENT_MEMBER:
	case RECORD_CONSUMER_REGEX:
		consumer_replay(gs, partition, r);
		break;
	case RECORD_OFFSET_COMMIT:
		offsets_replay(gs, partition, r);
		break;
	default:
		break;              /* nothing of this node's depends on it */
	}
}

/* The groups of one partition (-1: all), in an array of the step: what is done to one of them may
 * change the map. */
static struct group **list(struct groups *gs, struct step *s, int32_t partition, size_t *n)
{
	struct group **v = step_take(s, gs->by_id.n, sizeof *v), *g;
	*n = 0;
	for (size_t at = 0; (g = map_next(&gs->by_id, &at));)
		if (partition < 0 || g->partition == partition)
			v[(*n)++] = g;
	return v;
}

void groups_loaded(struct groups *gs, struct step *s, int32_t partition)
{
	size_t n;
	struct group **v = list(gs, s, partition, &n);
	for (size_t i = 0; i < n; i++)
		if (v[i]->kind->loaded)
			v[i]->kind->loaded(gs, s, v[i]);
	offsets_expiry_start(gs, s);
}

void groups_unload(struct groups *gs, struct step *s, int32_t partition)
{
	size_t n;
	struct group **v = list(gs, s, partition, &n);
	for (size_t i = 0; i < n; i++) {
		if (v[i]->kind->unload)
			v[i]->kind->unload(gs, s, v[i]);
		groups_forget(gs, v[i]);
	}
}

void groups_image_changed(struct groups *gs, struct step *s)
{
	size_t n;
	struct group **v = list(gs, s, -1, &n);
	for (size_t i = 0; i < n; i++)
		if (v[i]->kind->image_changed)
			v[i]->kind->image_changed(gs, s, v[i]);
	offsets_topics_changed(gs, s);
}
