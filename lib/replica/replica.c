/* Events of a partition and where they move its offsets. */
#include "replica/replica.h"

#include <assert.h>
#include <stdlib.h>

#include "replica/waits.h"
#include "wire/codes.h"

void replica_init(struct replica *r, int32_t self)
{
	*r = (struct replica){
		.self = self, .role = PAGE_OFFLINE, .epoch = -1, .min_insync = 1,
		.changed = true,
	};
}

void replica_free(struct replica *r)
{
	for (int k = 0; k < REPLICA_WAITS; k++)
		assert(!r->waiting[k].first);
	assert(!r->finished.first);
	heap_free(&r->deadlines);
	free(r->members);
	*r = (struct replica){0};
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void move(struct replica *r, int64_t *what, int64_t to)
{
	if (*what == to) return;
	*what = to;
	r->changed = true;
}

/* What all of the ISR has on disk; the high watermark stays where a member's end is not known
 * yet. */
static int64_t committed(const struct replica *r)
{
	int64_t end = r->flushed;
	for (int i = 0; i < r->members_n; i++)
		if (r->members[i].in_isr) end = least(end, r->members[i].flushed);
	return end;
}

int64_t replica_low_watermark(const struct replica *r)
{
	int64_t low = r->log_start;
	for (int i = 0; i < r->members_n; i++)
		low = least(low, r->members[i].log_start);
	return low;
}

int replica_isr_n(const struct replica *r)
{
	int n = 1;
	for (int i = 0; i < r->members_n; i++)
		n += r->members[i].in_isr;
	return n;
}

bool replica_enough(const struct replica *r)
{
	int all = r->members_n + 1;
	return replica_isr_n(r) >= (r->min_insync < all ? r->min_insync : all);
}

static void settle(struct replica *r)
{
	if (r->role == PAGE_LEADER)
		move(r, &r->high_watermark, most(r->high_watermark, committed(r)));
	move(r, &r->last_stable, most(least(r->last_stable, r->high_watermark), r->log_start));
	assert(r->log_start <= r->last_stable && r->last_stable <= r->high_watermark);
	assert(r->high_watermark <= r->flushed && r->flushed <= r->log_end);
	if (r->role != PAGE_LEADER) return;
	/* Partition.checkEnoughReplicasReachOffset: the set may have shrunk since the append. */
	int e = replica_enough(r) ? 0 : WIRE_NOT_ENOUGH_REPLICAS_AFTER_APPEND;
	waits_reached(r, REPLICA_COMMITTED, r->high_watermark, e);
	waits_reached(r, REPLICA_TRIMMED, replica_low_watermark(r), 0);
}

void replica_opened(struct replica *r, int64_t log_start, int64_t log_end, int64_t high_watermark)
{
	assert(0 <= log_start && log_start <= log_end);
	r->log_start = log_start;
	r->log_end = r->flushed = log_end;
	r->high_watermark = least(most(high_watermark, log_start), log_end);
	r->changed = true;
	settle(r);
}

static bool among(int32_t id, const int32_t *v, int n)
{
	for (int i = 0; i < n; i++)
		if (v[i] == id) return true;
	return false;
}

static const struct replica_member *member(const struct replica *r, int32_t id)
{
	for (int i = 0; i < r->members_n; i++)
		if (r->members[i].id == id) return &r->members[i];
	return NULL;
}

int replica_lead(struct replica *r, int32_t epoch, int64_t epoch_start, const int32_t *replicas,
                 int replicas_n, const int32_t *isr, int isr_n)
{
	assert(epoch >= r->epoch);
	struct replica_member *v = calloc((size_t)replicas_n + 1, sizeof *v);
	if (!v) return -1;
	bool again = r->role == PAGE_LEADER && epoch == r->epoch;
	int n = 0;
	for (int i = 0; i < replicas_n; i++) {
		if (replicas[i] == r->self) continue;
		const struct replica_member *known = again ? member(r, replicas[i]) : NULL;
		v[n] = known ? *known : (struct replica_member){.id = replicas[i], .flushed = -1};
		v[n].in_isr = among(v[n].id, isr, isr_n);
		n++;
	}
	free(r->members);
	r->members = v;
	r->members_n = n;
	if (!again) {
		r->epoch = epoch;
		r->epoch_start = epoch_start;
		r->role = PAGE_LEADER;
		r->changed = true;
	}
	settle(r);
	return 0;
}

void replica_follow(struct replica *r, int32_t epoch)
{
	assert(epoch >= r->epoch);
	waits_fail(r, WIRE_NOT_LEADER_OR_FOLLOWER);
	r->members_n = 0;
	r->epoch = epoch;
	r->role = PAGE_FOLLOWER;
	r->changed = true;
}

void replica_offline(struct replica *r, int error)
{
	waits_fail(r, error);
	r->members_n = 0;
	r->role = PAGE_OFFLINE;
	r->changed = true;
}

void replica_appended(struct replica *r, int64_t log_end)
{
	assert(log_end >= r->log_end);
	move(r, &r->log_end, log_end);
	settle(r);
}

void replica_flushed(struct replica *r, int64_t up_to)
{
	assert(up_to <= r->log_end);
	move(r, &r->flushed, most(r->flushed, up_to));
	settle(r);
}

void replica_log_start(struct replica *r, int64_t log_start)
{
	assert(log_start <= r->high_watermark);
	move(r, &r->log_start, most(r->log_start, log_start));
	settle(r);
}

void replica_stable(struct replica *r, int64_t last_stable)
{
	assert(last_stable <= r->high_watermark);
	move(r, &r->last_stable, most(last_stable, r->log_start));
}

void replica_progress(struct replica *r, int32_t id, int64_t flushed, int64_t log_start)
{
	struct replica_member *m = (struct replica_member *)member(r, id);
	if (!m || r->role != PAGE_LEADER) return;
	m->flushed = flushed;
	m->log_start = log_start;
	settle(r);
}

void replica_told(struct replica *r, int64_t high_watermark)
{
	assert(r->role == PAGE_FOLLOWER);
	move(r, &r->high_watermark, most(r->high_watermark, least(high_watermark, r->flushed)));
	settle(r);
}

void replica_cut(struct replica *r, int64_t log_end)
{
	assert(r->role == PAGE_FOLLOWER);
	move(r, &r->log_end, log_end);
	move(r, &r->flushed, least(r->flushed, log_end));
	move(r, &r->high_watermark, least(r->high_watermark, log_end));
	move(r, &r->log_start, least(r->log_start, log_end));
	settle(r);
}

void replica_slot(const struct replica *r, struct page_slot *s)
{
	s->role = r->role;
	s->epoch = r->epoch;
	s->epoch_start = r->epoch_start;
	s->log_start = r->log_start;
	s->log_end = r->log_end;
	s->flushed = r->flushed;
	s->high_watermark = r->high_watermark;
	s->last_stable = r->last_stable;
}
