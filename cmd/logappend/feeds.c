/* Partitions in the fetch sessions of replicas: which have something to say, and the requests that
 * wait for that. A session of thousands of partitions costs what has changed. */
#include <stdlib.h>

#include "feed.h"

static struct fetch *parked;

/* --- the list of ready ones ------------------------------------------------------------------- */

void feed_done(struct feed *e)
{
	struct session *s = e->set->owner;
	if (!e->ready)
		return;
	*(e->before ? &e->before->after : &s->first) = e->after;
	*(e->after ? &e->after->before : &s->last) = e->before;
	e->ready = false;
}

void feed_ready(struct feed *e)
{
	struct session *s = e->set->owner;
	feed_done(e);
	e->before = s->last;
	e->after = NULL;
	*(s->last ? &s->last->after : &s->first) = e;
	s->last = e;
	e->ready = true;
}

/* --- partitions ------------------------------------------------------------------------------- */

static void unbind(struct feed *e)
{
	if (!e->p)
		return;
	*(e->prev ? &e->prev->next : &e->p->feeds) = e->next;
	if (e->next)
		e->next->prev = e->prev;
	e->p = NULL;
}

void feed_bind(struct feed *e)
{
	const struct meta_topic *t = e->set->by_id
		? meta_topic_with_id(node.image, &e->part->topic_id)
		: meta_topic_named(node.image, e->part->topic);
	if (e->p || !t)
		return;
	e->p = partition_known(&t->id, e->part->partition);
	if (!e->p)
		return;
	e->prev = NULL;
	e->next = e->p->feeds;
	if (e->next)
		e->next->prev = e;
	e->p->feeds = e;
}

static void wake(struct feed *e)
{
	struct session *s = e->set->owner;
	if (s->waiting)
		s->waiting->woken = true;
}

/* A new high watermark alone can wait for the next answer. */
void feeds_published(struct partition *p)
{
	for (struct feed *e = p->feeds; e; e = e->next) {
		if (!e->ready)
			feed_ready(e);
		int32_t epoch = e->part->current_leader_epoch;
		if (e->early || p->step.role != PAGE_LEADER || e->part->offset < p->step.log_end
		    || (epoch >= 0 && epoch < p->step.epoch))
			wake(e);
	}
}

void feeds_leave(struct partition *p)
{
	for (struct feed *e; (e = p->feeds);) {
		unbind(e);
		feed_ready(e);
		wake(e);
	}
}

/* --- sessions --------------------------------------------------------------------------------- */

static int named(struct fetch_set *set, struct fetch_part *part)
{
	if (!set->owner && !(set->owner = calloc(1, sizeof(struct session))))
		return -1;
	struct feed *e = part->owner;
	if (!e && !(e = part->owner = calloc(1, sizeof *e)))
		return -1;
	e->set = set;
	e->part = part;
	feed_ready(e);
	return 0;
}

static void forgotten(struct fetch_set *set, struct fetch_part *part)
{
	struct feed *e = part->owner;
	if (!e)
		return;
	feed_done(e);
	unbind(e);
	free(e);
}

static void dropped(struct fetch_set *set)
{
	free(set->owner);
}

const struct fetch_hooks feed_hooks = {named, forgotten, dropped};

/* --- who waits -------------------------------------------------------------------------------- */

static void late(void *arg)
{
	struct fetch *f = arg;
	f->woken = true;
}

void fetch_park(struct fetch *f)
{
	struct session *s = f->set->owner;
	f->timer.fn = late;
	f->timer.arg = f;
	if (port_timer_set(node.loop, &f->timer, f->deadline_ms) < 0)
		f->woken = true;
	f->prev = NULL;
	f->next = parked;
	if (parked)
		parked->prev = f;
	parked = f;
	f->waits = true;
	if (s)
		s->waiting = f;
}

void fetch_unpark(struct fetch *f)
{
	struct session *s = f->set->owner;
	if (!f->waits)
		return;
	port_timer_stop(node.loop, &f->timer);
	*(f->prev ? &f->prev->next : &parked) = f->next;
	if (f->next)
		f->next->prev = f->prev;
	f->waits = false;
	if (s && s->waiting == f)
		s->waiting = NULL;
}

struct fetch *fetch_woken(void)
{
	struct fetch *f = parked;
	while (f && !f->woken)
		f = f->next;
	if (f)
		f->woken = false;
	return f;
}

struct fetch *fetch_parked_by(struct port_from from)
{
	struct fetch *f = parked;
	while (f && (f->q->from.place != from.place || f->q->from.generation != from.generation
	             || f->q->from.tag != from.tag))
		f = f->next;
	return f;
}
