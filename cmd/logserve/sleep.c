/* Fetch requests that wait for data: asleep on slots of the page, woken by logappend or a timer. */
#include "logserve.h"

#include <stdlib.h>
#include <string.h>

static int64_t visible_end(const struct fetch *f, const struct page_slot *slot)
{
	return f->committed ? slot->last_stable : slot->high_watermark;
}

void sleep_rouse(struct fetch *f)
{
	if (f->is_woken)
		return;
	f->is_woken = true;
	f->next_woken = f->server->woken;
	f->server->woken = f;
}

static void lie_down(struct server *s, struct sleeper *z, struct partition *p)
{
	z->partition = p;
	z->prev = 0;
	z->next = p->sleepers;
	if (z->next)
		z->next->prev = z;
	else
		page_sleep_set(&s->sleep, p->slot);
	p->sleepers = z;
}

static void get_up(struct server *s, struct sleeper *z)
{
	struct partition *p = z->partition;
	if (!p)
		return;
	if (z->next)
		z->next->prev = z->prev;
	*(z->prev ? &z->prev->next : &p->sleepers) = z->next;
	if (!p->sleepers)
		page_sleep_clear(&s->sleep, p->slot);
	z->partition = 0;
}

/* Whether there is anything new for this sleeper. */
static bool has_news(const struct server *s, const struct sleeper *z)
{
	struct page_slot slot;
	return !z->partition || !page_read(&s->page, z->partition->slot, &slot, 0) ||
	       slot.role != z->role || slot.epoch != z->epoch || visible_end(z->fetch, &slot) != z->end;
}

static void on_late(void *arg)
{
	struct fetch *f = arg;
	sleep_rouse(f);
}

static void key_of(struct port_from from, uint8_t key[12])
{
	put32(key, from.place);
	put32(key + 4, from.generation);
	put32(key + 8, from.tag);
}

/* The request moves to memory of its own. Bits are set before slots are looked at again, so that
 * what changes between is not missed. */
struct fetch *sleep_begin(struct fetch *given, const struct result *v, int n)
{
	struct server *s = given->server;
	struct fetch *f = calloc(1, sizeof *f);
	if (!f)
		return 0;
	*f = *given;
	f->rack = SPAN_NULL;
	f->sleepers = calloc((size_t)n, sizeof *f->sleepers);
	key_of(f->request.from, f->key);
	f->timer = (struct port_timer){.fn = on_late, .arg = f};
	if (!f->sleepers || map_put(&s->waiting, f->key, sizeof f->key, f)) {
		free(f->sleepers);
		free(f);
		return 0;
	}
	f->is_waiting = true;
	f->sleepers_n = n;
	for (int i = 0; i < n; i++) {
		struct sleeper *z = &f->sleepers[i];
		z->fetch = f;
		z->role = v[i].slot.role;
		z->epoch = v[i].slot.epoch;
		z->end = visible_end(f, &v[i].slot);
		lie_down(s, z, v[i].partition);
	}
	for (int i = 0; i < n; i++)
		if (has_news(s, &f->sleepers[i]))
			sleep_rouse(f);
	if (port_timer_set(s->loop, &f->timer, f->deadline_ms))
		sleep_rouse(f);
	return f;
}

struct fetch *sleep_find(struct server *s, const uint8_t key[12])
{
	return map_get(&s->waiting, key, 12);
}

static void end(struct fetch *f)
{
	struct server *s = f->server;
	for (int i = 0; i < f->sleepers_n; i++)
		get_up(s, &f->sleepers[i]);
	port_timer_stop(s->loop, &f->timer);
	map_del(&s->waiting, f->key, sizeof f->key);
	fetch_set_drop(f->set);
	free(f->sleepers);
	free(f);
}

void sleep_wake(struct server *s, uint32_t slot)
{
	struct partition *p = slot < s->slots_n ? s->slots[slot] : 0;
	for (struct sleeper *z = p ? p->sleepers : 0; z; z = z->next)
		if (has_news(s, z))
			sleep_rouse(z->fetch);
}

void sleep_wake_all(struct server *s)
{
	struct fetch *f;
	for (size_t at = 0; (f = map_next(&s->waiting, &at));)
		sleep_rouse(f);
}

void sleep_drop(struct server *s, struct partition *p)
{
	while (p->sleepers) {
		sleep_rouse(p->sleepers->fetch);
		get_up(s, p->sleepers);
	}
}

/* What a sleeper saw is what it is compared with next time. */
static void look_again(struct fetch *f)
{
	struct page_slot slot;
	for (int i = 0; i < f->sleepers_n; i++) {
		struct sleeper *z = &f->sleepers[i];
		if (!z->partition || !page_read(&f->server->page, z->partition->slot, &slot, 0))
			continue;
		z->role = slot.role;
		z->epoch = slot.epoch;
		z->end = visible_end(f, &slot);
	}
}

void sleep_work(struct server *s)
{
	partitions_refresh(s);
	while (s->woken) {
		struct fetch *f = s->woken;
		s->woken = f->next_woken;
		f->is_woken = false;
		arena_reset(&s->arena);
		look_again(f);
		if (f->is_gone || fetch_try(f, f->deadline_ms <= port_now_ms()))
			end(f);
	}
}

void sleep_flush(struct server *s, struct port_from from)
{
	uint8_t key[12];
	key_of(from, key);
	struct fetch *f = map_get(&s->waiting, key, sizeof key);
	if (!f)
		return;
	f->is_gone = true;
	sleep_rouse(f);
}
