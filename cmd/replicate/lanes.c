/* Lanes: the partitions of the page, each with its place at the leader whom it asks. */
#include <stdlib.h>
#include <string.h>

#include <skalibs/strerr.h>

#include "daemon.h"

struct key {
	struct uuid topic_id;
	int32_t partition;
};
_Static_assert(sizeof(struct key) == 20, "the key of a lane is the front of its entry");

/* --- what its leader counts ------------------------------------------------------------------- */

static void count(const struct lane *x, int by)
{
	enum pull_state s = x->pull.state;
	if (!x->at)
		return;
	if (s == PULL_HANDED || s == PULL_FLUSHING)
		x->at->busy += by;
	else if (s == PULL_ASKED)
		x->at->asked += by;
	else if (s == PULL_BOUNDS)
		x->at->out_of_range += by;
}

static void awake_again(void *arg)
{
	struct lane *x = arg;
	count(x, -1);
	pull_wake(&x->pull, port_now_ms());
	count(x, 1);
	lane_look(x);
}

static void settled(struct lane *x)
{
	count(x, 1);
	if (!x->at)
		return;
	if (x->pull.state == PULL_READY && !x->queued) {
		x->queued = true;
		x->next_ready = x->at->ready;
		x->at->ready = x;
	}
	if (x->pull.state == PULL_PAUSED || x->pull.state == PULL_BOUNDS)
		leader_forget(x->at, x);
	if (x->pull.state == PULL_PAUSED
	    && port_timer_set(d.loop, &x->timer, x->pull.until) < 0)
		strerr_diefusys(111, "set a timer");
}

/* --- joining and leaving a leader ------------------------------------------------------------- */

static void leave(struct lane *x)
{
	struct leader *l = x->at;
	if (!l)
		return;
	leader_forget(l, x);
	for (struct lane **at = &l->ready; x->queued && *at; at = &(*at)->next_ready) {
		if (*at != x)
			continue;
		*at = x->next_ready;
		break;
	}
	x->queued = false;
	*(x->prev ? &x->prev->next : &l->lanes) = x->next;
	if (x->next)
		x->next->prev = x->prev;
	x->prev = x->next = NULL;
	x->at = NULL;
}

static void join(struct lane *x)
{
	struct leader *l = leader_of(x->pull.leader);
	if (!l)
		strerr_diefusys(111, "make a leader");
	x->at = l;
	x->next = l->lanes;
	if (x->next)
		x->next->prev = x;
	l->lanes = x;
}

/* --- events ----------------------------------------------------------------------------------- */

static bool is_led_here(const struct lane *x, const struct page_slot *s,
                        const struct meta_partition *m)
{
	return s->role == PAGE_LEADER && m && m->leader == d.me.id && m->leader_epoch == s->epoch;
}

void lane_look(struct lane *x)
{
	struct page_slot s;
	struct page_entry e;
	if (!d.mapped || !d.caught_up)
		return;
	bool there = page_read(&d.page, x->slot, &s, &e) && !memcmp(&e, &x->entry, sizeof(struct key));
	const struct meta_topic *t = meta_topic_with_id(d.image, &x->entry.topic_id);
	const struct meta_partition *m = t ? meta_partition(t, x->entry.partition) : NULL;
	count(x, -1);
	bool other = pull_look(&x->pull, there ? &s : NULL, there ? e.last_epoch : -1, d.me.id,
	                       m ? m->leader : -1, m ? m->leader_epoch : -1);
	if (other) {
		port_timer_stop(d.loop, &x->timer);
		leave(x);
		if (x->pull.state != PULL_OFF)
			join(x);
	}
	settled(x);
	/* What is led here moves all the time: only the metadata can make it a follower. */
	if (there && is_led_here(x, &s, m))
		page_sleep_clear(&d.sleep, x->slot);
}

void lane_awake(struct lane *x)
{
	page_sleep_set(&d.sleep, x->slot);
	lane_look(x);
}

void lanes_look_all(void)
{
	size_t at = 0;
	for (struct lane *x; (x = map_next(&d.lanes, &at));)
		lane_awake(x);
}

void lane_asked(struct lane *x)
{
	count(x, -1);
	pull_asked(&x->pull);
	count(x, 1);
}

bool lane_answered(struct lane *x, int error)
{
	count(x, -1);
	bool handed = pull_answered(&x->pull, error, port_now_ms(), d.backoff_ms);
	settled(x);
	return handed;
}

void lane_done(struct lane *x, int error)
{
	count(x, -1);
	pull_done(&x->pull, error, port_now_ms(), d.backoff_ms);
	settled(x);
	lane_look(x);
}

void lane_lost(struct lane *x)
{
	count(x, -1);
	pull_lost(&x->pull);
	settled(x);
}

/* --- the page --------------------------------------------------------------------------------- */

struct lane *lane_of(const struct uuid *topic_id, int32_t partition)
{
	struct key k = {*topic_id, partition};
	return map_get(&d.lanes, &k, sizeof k);
}

static void drop(struct lane *x)
{
	count(x, -1);
	leave(x);
	port_timer_stop(d.loop, &x->timer);
	d.slots[x->slot] = NULL;
	map_del(&d.lanes, &x->entry, sizeof(struct key));
	free(x);
}

static void add(uint32_t slot, const struct page_entry *e)
{
	struct lane *x = calloc(1, sizeof *x);
	if (!x)
		strerr_diefusys(111, "note a partition");
	x->entry = *e;
	x->slot = slot;
	x->pull = (struct pull){.state = PULL_OFF, .leader = -1, .epoch = -1};
	x->timer.fn = awake_again;
	x->timer.arg = x;
	if (map_put(&d.lanes, &x->entry, sizeof(struct key), x) < 0)
		strerr_diefusys(111, "note a partition");
	d.slots[slot] = x;
	lane_awake(x);
}

static void read_slot(uint32_t i)
{
	struct page_slot s;
	struct page_entry e;
	bool there = page_read(&d.page, i, &s, &e);
	if (d.slots[i] && (!there || memcmp(&d.slots[i]->entry, &e, sizeof(struct key))))
		drop(d.slots[i]);
	if (there && !d.slots[i]) {
		struct lane *old = lane_of(&e.topic_id, e.partition);
		if (old)
			drop(old);
		add(i, &e);
	}
}

static void read_all(void)
{
	d.directory = __atomic_load_n(&d.page.head->directory, __ATOMIC_ACQUIRE);
	for (uint32_t i = 0; i < PAGE_CAPACITY; i++)
		if (d.slots[i] || i < __atomic_load_n(&d.page.head->used, __ATOMIC_ACQUIRE))
			read_slot(i);
}

void lanes_refresh(void)
{
	uint32_t changed[PAGE_CHANGES];
	if (!d.mapped)
		return;
	int n = page_changes(&d.page, &d.directory, changed);
	if (n < 0)
		read_all();
	for (int i = 0; i < n; i++)
		read_slot(changed[i]);
}

void lanes_map(int page_fd)
{
	struct page next;
	if (page_map(&next, page_fd) < 0)
		strerr_diefusys(111, "map run/state");
	if (d.mapped)
		page_close(&d.page);
	d.page = next;
	d.mapped = true;
	memset(d.sleep.bits, 0xff, PAGE_CAPACITY / 8);
	read_all();
	lanes_look_all();
}
