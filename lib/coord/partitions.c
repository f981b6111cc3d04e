/* Which partitions are ours: the page says so, and the metadata when to look at it. */
#include <stdlib.h>
#include <string.h>

#include "coord/inside.h"

enum { RETRY_FIRST_MS = 1, RETRY_MAX_MS = 500 };

static bool read_slot(const struct coord_partition *p, struct page_slot *slot)
{
	struct page_entry e;
	return p->placed && page_read(&p->coord->page, p->slot, slot, &e) &&
	       e.partition == p->index && uuid_same(&e.topic_id, &p->coord->topic_id);
}

void partition_unload(struct coord_partition *p)
{
	struct coord *c = p->coord;
	enum coord_state was = p->state;
	p->state = COORD_AWAY;
	load_end(p);
	append_abandon(p);
	c->loading -= was == COORD_LOADING;
	if (was != COORD_AWAY)
		c->ops->unload(c->ctx, p->index);
}

static void begin(struct coord_partition *p, const struct page_slot *slot)
{
	p->state = COORD_LOADING;
	p->coord->loading++;
	load_begin(p, slot);
}

static void look(struct coord_partition *p)
{
	struct page_slot slot;
	bool ours = read_slot(p, &slot) && slot.role == PAGE_LEADER;
	/* the epoch right after ours cannot have had another leader between */
	if (ours && p->state != COORD_AWAY && slot.epoch == p->epoch + 1)
		p->epoch = slot.epoch;
	if (p->state != COORD_AWAY && (!ours || slot.epoch != p->epoch))
		partition_unload(p);
	if (ours && p->state == COORD_AWAY && !p->orphans)
		begin(p, &slot);
}

/* --- the topic, its partitions and their slots --- */

static int grow(struct coord *c, int32_t n)
{
	struct coord_partition **v;
	if (n <= c->n)
		return 0;
	v = realloc(c->v, (size_t)n * sizeof *v);
	if (!v)
		return -1;
	for (c->v = v; c->n < n; c->n++) {
		struct coord_partition *p = calloc(1, sizeof *p);
		if (!p)
			return -1;
		p->coord = c;
		p->index = c->n;
		p->last = &p->first;
		c->v[c->n] = p;
	}
	return 0;
}

static void find_slots(struct coord *c)
{
	struct page_slot slot;
	struct page_entry e;
	c->directory = __atomic_load_n(&c->page.head->directory, __ATOMIC_ACQUIRE);
	uint32_t used = __atomic_load_n(&c->page.head->used, __ATOMIC_ACQUIRE);
	for (int32_t i = 0; i < c->n; i++)
		c->v[i]->placed = false;
	for (uint32_t i = 0; i < used && i < PAGE_CAPACITY; i++) {
		if (!page_read(&c->page, i, &slot, &e) || !uuid_same(&e.topic_id, &c->topic_id) ||
		    e.partition < 0 || e.partition >= c->n)
			continue;
		c->v[e.partition]->placed = true;
		c->v[e.partition]->slot = i;
	}
}

/* Whether the page says what the metadata says: else it is looked at again soon. */
static bool agrees(const struct coord_partition *p, const struct meta_topic *t, int32_t self)
{
	const struct meta_partition *m = t ? meta_partition(t, p->index) : NULL;
	struct page_slot slot;
	bool ours = read_slot(p, &slot) && slot.role == PAGE_LEADER;
	if (!m || m->leader != self)
		return !ours;
	return ours && slot.epoch >= m->leader_epoch;
}

static void look_again(struct coord *c)
{
	c->retry_ms = c->retry_ms ? 2 * c->retry_ms : RETRY_FIRST_MS;
	if (c->retry_ms > RETRY_MAX_MS)
		c->retry_ms = RETRY_MAX_MS;
	if (port_timer_set(c->loop, &c->retry, port_now_ms() + c->retry_ms))
		abort();
}

static void look_at_all(struct coord *c)
{
	const struct meta_topic *t = meta_topic_named(meta_follow_image(c->follow),
	                                              span_of(c->topic));
	bool other = t && !uuid_same(&t->id, &c->topic_id), good = true;
	c->stale = false;
	if (other)
		c->topic_id = t->id;
	if (t && grow(c, t->partitions_n))
		abort();
	if (other || __atomic_load_n(&c->page.head->directory, __ATOMIC_ACQUIRE) != c->directory)
		find_slots(c);
	for (int32_t i = 0; i < c->n; i++) {
		look(c->v[i]);
		good = good && agrees(c->v[i], t, c->self);
	}
	if (good)
		c->retry_ms = 0;
	else
		look_again(c);
}

static void on_late(void *arg)
{
}

static void on_retry(void *arg)
{
	struct coord *c = arg;
	c->stale = true;
}

/* --- life --- */

/* logappend is back: with its old page, adopted, or with a new one. */
static void on_writer_up(void *ctx, int page_fd, uint64_t generation)
{
	struct coord *c = ctx;
	struct page next;
	c->stale = true;
	if (page_fd < 0 || page_map(&next, page_fd))
		return;
	if (c->mapped)
		page_close(&c->page);
	c->page = next;
	c->mapped = true;
	c->directory = 0;
	find_slots(c);
}

struct coord *coord_new(struct port_loop *l, struct meta_follow *f, int32_t self,
                        const char *topic, const char *name, const struct coord_ops *ops,
                        void *ctx)
{
	static const struct port_peer_ops writer_ops = {.up = on_writer_up};
	struct coord *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	*c = (struct coord){
		.loop = l, .follow = f, .self = self, .topic = topic, .name = name, .ops = ops,
		.ctx = ctx, .retry = {.fn = on_retry, .arg = c}, .late = {.fn = on_late},
		.arena = {.limit = 16 << 20},
	};
	c->writer = port_dial(l, "run/logappend", name, -1, &writer_ops, c);
	c->reader = port_dial(l, "run/logserve", name, -1, NULL, NULL);
	if (c->writer && c->reader)
		return c;
	free(c);
	return NULL;
}

void coord_look(struct coord *c)
{
	c->stale = true;
	c->retry_ms = 0;
}

void coord_turn(struct coord *c)
{
	if (c->mapped && c->stale)
		look_at_all(c);
	int64_t now = port_now_ms(), late = INT64_MAX;
	for (int32_t i = 0; i < c->n; i++) {
		if (!c->v[i]->first)
			continue;
		append_send(c->v[i]);
		int64_t at = append_late(c->v[i], now);
		late = at < late ? at : late;
	}
	if (late == INT64_MAX)
		port_timer_stop(c->loop, &c->late);
	else if (port_timer_set(c->loop, &c->late, late))
		abort();
}

bool coord_mapped(const struct coord *c)
{
	return c->mapped;
}

int32_t coord_partitions(const struct coord *c)
{
	const struct meta_topic *t = meta_topic_named(meta_follow_image(c->follow),
	                                              span_of(c->topic));
	return t ? t->partitions_n : 0;
}

bool coord_loading(const struct coord *c)
{
	return c->loading > 0;
}

enum coord_state coord_state(struct coord *c, int32_t partition)
{
	struct page_slot slot;
	struct coord_partition *p = partition >= 0 && partition < c->n ? c->v[partition] : NULL;
	if (!p || p->state == COORD_AWAY)
		return COORD_AWAY;
	if (read_slot(p, &slot) && slot.role == PAGE_LEADER && slot.epoch == p->epoch)
		return p->state;
	c->stale = true;
	return COORD_AWAY;
}

void coord_reload(struct coord *c, int32_t partition)
{
	partition_unload(c->v[partition]);
	c->stale = true;
}
