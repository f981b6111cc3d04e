/* Events of a partition and where they move its offsets. */
#include "replica/replica.h"

#include <assert.h>
#include <stdlib.h>

#include "base/planted.h"
#include "replica/inside.h"
#include "replica/waits.h"
#include "wire/codes.h"

enum { LAG_MS = 30000, NEVER = -1 };

void replica_init(struct replica *r, int32_t self)
{
	*r = (struct replica){
		.self = self, .role = PAGE_OFFLINE, .epoch = -1, .partition_epoch = -1,
		.min_insync = 1, .lag_ms = LAG_MS, .changed = true,
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

/* Who is about to be in sync is waited for, else it would never come to the high watermark while
 * that follows the end of a busy log. */
static bool counts(const struct replica *r, const struct replica_member *m)
{
	if (PLANTED(MAXIMAL_ISR_IGNORED)) return m->in_isr;
	return m->in_isr || m->joining || (replica_caught_up(r, m) && replica_eligible(r, m));
}

/* What all of the ISR has on disk; the high watermark stays where a member's end is not known
 * yet. */
static int64_t committed(const struct replica *r)
{
	int64_t end = r->flushed;
	for (int i = 0; i < r->members_n; i++)
		if (r->members[i].flushed < end && counts(r, &r->members[i]))
			end = r->members[i].flushed + PLANTED(HIGH_WATERMARK_TOO_FAR);
	return end;
}

int64_t replica_low_watermark(const struct replica *r)
{
	int64_t low = r->log_start;
	for (int i = 0; i < r->members_n; i++)
		if (!r->brokers || replica_alive(r, &r->members[i]))
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

static bool is_enough(const struct replica *r, int n)
{
	int all = r->members_n + 1;
	return n >= (r->min_insync < all ? r->min_insync : all);
}

bool replica_enough(const struct replica *r)
{
	return is_enough(r, replica_isr_n(r));
}

/* Partition.checkEnoughReplicasReachOffset: the set may have shrunk since the append. */
int replica_end_of_append(const struct replica *r)
{
	int n = replica_isr_n(r);
	for (int i = 0; i < r->members_n; i++)
		n += r->members[i].joining;
	return is_enough(r, n) ? 0 : WIRE_NOT_ENOUGH_REPLICAS_AFTER_APPEND;
}

void replica_settle(struct replica *r)
{
	if (r->role == PAGE_LEADER && replica_enough(r))
		move(r, &r->high_watermark, most(r->high_watermark, committed(r)));
	move(r, &r->last_stable, most(least(r->last_stable, r->high_watermark), r->log_start));
	assert(r->log_start <= r->last_stable && r->last_stable <= r->high_watermark);
	assert(r->high_watermark <= r->flushed && r->flushed <= r->log_end);
	if (r->role != PAGE_LEADER) return;
	waits_reached(r, REPLICA_COMMITTED, r->high_watermark, replica_end_of_append(r));
	waits_reached(r, REPLICA_TRIMMED, replica_low_watermark(r), 0);
}

void replica_opened(struct replica *r, int64_t log_start, int64_t log_end, int64_t high_watermark)
{
	assert(0 <= log_start && log_start <= log_end);
	r->log_start = log_start;
	r->log_end = r->flushed = log_end;
	r->high_watermark = least(most(high_watermark, log_start), log_end);
	r->changed = true;
	replica_settle(r);
}

bool replica_among(int32_t id, const int32_t *v, int n)
{
	for (int i = 0; i < n; i++)
		if (v[i] == id) return true;
	return false;
}

struct replica_member *replica_member_of(struct replica *r, int32_t id)
{
	for (int i = 0; i < r->members_n; i++)
		if (r->members[i].id == id) return &r->members[i];
	return NULL;
}

/* Nothing is known of it; if it is in sync it has lag_ms from now to show that it is
 * (Replica.resetReplicaState). */
static struct replica_member new_member(int32_t id, bool in_isr, int64_t now_ms)
{
	return (struct replica_member){
		.id = id, .flushed = -1, .log_start = -1, .broker_epoch = REPLICA_NOT_SEEN,
		.caught_up_ms = in_isr ? now_ms : NEVER, .fetched_ms = NEVER, .fetched_end = -1,
	};
}

static void set_members(struct replica *r, struct replica_member *v, bool again,
                        const struct replica_assignment *a)
{
	int n = 0;
	for (int i = 0; i < a->replicas_n; i++) {
		int32_t id = a->replicas[i];
		if (id == r->self) continue;
		struct replica_member *known = again ? replica_member_of(r, id) : NULL;
		bool in_isr = replica_among(id, a->isr, a->isr_n);
		v[n++] = known ? *known : new_member(id, in_isr, r->now_ms);
	}
	free(r->members);
	r->members = v;
	r->members_n = n;
}

int replica_lead(struct replica *r, const struct replica_assignment *a, int64_t epoch_start,
                 int64_t now_ms)
{
	bool again = r->role == PAGE_LEADER && a->epoch == r->epoch;
	if (a->partition_epoch < r->partition_epoch
	    || (again && a->partition_epoch == r->partition_epoch))
		return 0;
	assert(a->epoch >= r->epoch);
	struct replica_member *v = calloc((size_t)a->replicas_n + 1, sizeof *v);
	if (!v) return -1;
	r->now_ms = now_ms;
	set_members(r, v, again, a);
	replica_commit_isr(r, a);
	if (!again) {
		r->epoch = a->epoch;
		r->epoch_start = epoch_start;
		r->role = PAGE_LEADER;
		if (a->resumed && !PLANTED(RESUMES_WITHOUT_ASKING)) replica_isr_resume(r);
		r->changed = true;
	}
	replica_settle(r);
	return 0;
}

void replica_follow(struct replica *r, int32_t epoch, int32_t partition_epoch)
{
	if (partition_epoch < r->partition_epoch) return;
	assert(epoch >= r->epoch);
	r->partition_epoch = partition_epoch;
	if (r->role == PAGE_FOLLOWER && epoch == r->epoch) return;
	waits_fail(r, WIRE_NOT_LEADER_OR_FOLLOWER);
	r->members_n = 0;
	r->asking = REPLICA_STANDS;
	r->epoch = epoch;
	r->told = 0;
	r->role = PAGE_FOLLOWER;
	r->changed = true;
}

void replica_offline(struct replica *r, int error)
{
	waits_fail(r, error);
	r->members_n = 0;
	r->asking = REPLICA_STANDS;
	r->role = PAGE_OFFLINE;
	r->changed = true;
}

void replica_appended(struct replica *r, int64_t log_end)
{
	assert(log_end >= r->log_end);
	move(r, &r->log_end, log_end);
	if (PLANTED(FLUSHED_WHEN_WRITTEN)) r->flushed = log_end;
	replica_settle(r);
}

/* What the leader said counts as far as it is on this disk. */
static void believe(struct replica *r)
{
	move(r, &r->high_watermark, most(r->high_watermark, least(r->told, r->flushed)));
}

void replica_flushed(struct replica *r, int64_t up_to)
{
	assert(up_to <= r->log_end);
	move(r, &r->flushed, most(r->flushed, up_to));
	if (r->role == PAGE_FOLLOWER) believe(r);
	replica_settle(r);
}

void replica_log_start(struct replica *r, int64_t log_start)
{
	assert(log_start <= r->high_watermark);
	move(r, &r->log_start, most(r->log_start, log_start));
	replica_settle(r);
}

void replica_stable(struct replica *r, int64_t last_stable)
{
	assert(last_stable <= r->high_watermark);
	move(r, &r->last_stable, most(last_stable, r->log_start));
}

/* Had it all of the log then, or has it now what was all when it asked before? Replica.java. */
static void note_fetch(struct replica *r, struct replica_member *m, int64_t flushed)
{
	if (flushed >= r->log_end)
		m->caught_up_ms = most(m->caught_up_ms, r->now_ms);
	else if (flushed >= m->fetched_end)
		m->caught_up_ms = most(m->caught_up_ms, m->fetched_ms);
	m->fetched_ms = r->now_ms;
	m->fetched_end = most(m->fetched_end, r->log_end);
}

int replica_progress(struct replica *r, int32_t id, int64_t flushed, int64_t log_start,
                     int64_t broker_epoch, int64_t now_ms)
{
	struct replica_member *m = replica_member_of(r, id);
	if (r->role != PAGE_LEADER) return WIRE_NOT_LEADER_OR_FOLLOWER;
	if (!m) return WIRE_UNKNOWN_LEADER_EPOCH;
	if (replica_is_late(r, id, broker_epoch)) return WIRE_NOT_LEADER_OR_FOLLOWER;
	r->now_ms = now_ms;
	note_fetch(r, m, flushed);
	m->flushed = flushed;
	m->log_start = log_start;
	m->broker_epoch = broker_epoch;
	replica_maybe_join(r, m);
	replica_settle(r);
	return 0;
}

void replica_told(struct replica *r, int64_t high_watermark)
{
	assert(r->role == PAGE_FOLLOWER);
	r->told = high_watermark;
	believe(r);
	replica_settle(r);
}

void replica_cut(struct replica *r, int64_t log_end)
{
	assert(r->role == PAGE_FOLLOWER);
	r->told = 0;
	move(r, &r->log_end, log_end);
	move(r, &r->flushed, least(r->flushed, log_end));
	move(r, &r->high_watermark, least(r->high_watermark, log_end));
	move(r, &r->log_start, least(r->log_start, log_end));
	replica_settle(r);
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
