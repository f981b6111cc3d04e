#include "replica/isr.h"

#include <assert.h>

#include "base/planted.h"
#include "replica/inside.h"
#include "wire/codes.h"

static const struct replica_broker *broker(const struct replica *r, int32_t id)
{
	for (int i = 0; r->brokers && i < r->brokers->n; i++)
		if (r->brokers->v[i].id == id) return &r->brokers->v[i];
	return NULL;
}

bool replica_eligible(const struct replica *r, const struct replica_member *m)
{
	const struct replica_broker *b = broker(r, m->id);
	if (!b || b->fenced || b->leaving) return false;
	return m->broker_epoch == REPLICA_EPOCH_NOT_GIVEN || m->broker_epoch == b->epoch;
}

bool replica_alive(const struct replica *r, const struct replica_member *m)
{
	const struct replica_broker *b = broker(r, m->id);
	return b && !b->fenced;
}

bool replica_is_late(const struct replica *r, int32_t id, int64_t broker_epoch)
{
	const struct replica_broker *b = broker(r, id);
	return broker_epoch >= 0 && b && !b->fenced && b->epoch > broker_epoch;
}

static bool recently(const struct replica *r, const struct replica_member *m)
{
	return m->caught_up_ms >= 0 && r->now_ms - m->caught_up_ms <= r->lag_ms;
}

bool replica_caught_up(const struct replica *r, const struct replica_member *m)
{
	return m->flushed == r->log_end || recently(r, m);
}

/* --- what is asked for ------------------------------------------------------------------------ */

/* The broker epochs are those of now: should one of them start anew before the proposal arrives,
 * it must not come in under what its earlier life had on disk. */
static void propose(struct replica *r)
{
	for (int i = 0; i < r->members_n; i++) {
		struct replica_member *m = &r->members[i];
		m->asked_epoch = m->broker_epoch >= 0 ? m->broker_epoch : REPLICA_EPOCH_NOT_GIVEN;
	}
	r->asking = REPLICA_WANTED;
	r->asked++;
}

/* At the high watermark is not enough: between it and the start of this epoch there may be records
 * that were committed under an earlier leader. */
void replica_maybe_join(struct replica *r, struct replica_member *m)
{
	if (r->asking != REPLICA_STANDS || m->in_isr || !replica_eligible(r, m)) return;
	if (m->flushed < r->high_watermark && !PLANTED(JOINS_FROM_BEHIND)) return;
	if (m->flushed < r->epoch_start && !PLANTED(JOINS_BEFORE_THE_EPOCH)) return;
	m->joining = true;
	propose(r);
}

void replica_isr_resume(struct replica *r)
{
	for (int i = 0; i < r->members_n; i++) {
		r->members[i].joining = !r->members[i].in_isr;
		r->resumed |= r->members[i].joining;
	}
	if (r->resumed) propose(r);
}

void replica_isr_check(struct replica *r, int64_t now_ms)
{
	bool any = false;
	if (r->role != PAGE_LEADER) return;
	r->now_ms = now_ms;
	if (r->asking == REPLICA_STANDS)
		for (int i = 0; i < r->members_n; i++) {
			struct replica_member *m = &r->members[i];
			m->leaving = m->in_isr && !replica_caught_up(r, m);
			any |= m->leaving;
		}
	if (any) propose(r);
	replica_settle(r);
}

int64_t replica_isr_next_check(const struct replica *r, int64_t now_ms)
{
	int64_t at = INT64_MAX;
	if (r->role != PAGE_LEADER) return at;
	for (int i = 0; i < r->members_n; i++) {
		const struct replica_member *m = &r->members[i];
		bool waited_for = !m->in_isr && recently(r, m);
		if (!m->in_isr && !waited_for) continue;
		int64_t due = now_ms + r->lag_ms / 2 + 1;
		if (m->flushed != r->log_end && m->caught_up_ms + r->lag_ms >= now_ms)
			due = m->caught_up_ms + r->lag_ms + 1;
		if (due < at) at = due;
	}
	return at;
}

int replica_isr_proposal(const struct replica *r, struct replica_in_sync *v)
{
	int n = 0;
	v[n++] = (struct replica_in_sync){r->self, REPLICA_EPOCH_NOT_GIVEN};
	for (int i = 0; i < r->members_n; i++) {
		const struct replica_member *m = &r->members[i];
		if ((m->in_isr && !m->leaving) || (m->joining && !r->resumed))
			v[n++] = (struct replica_in_sync){m->id, m->asked_epoch};
	}
	return n;
}

bool replica_isr_anew(const struct replica *r)
{
	return r->resumed;
}

uint32_t replica_isr_sent(struct replica *r)
{
	assert(r->asking == REPLICA_WANTED);
	r->asking = REPLICA_SENT;
	return r->asked;
}

/* --- what came of it -------------------------------------------------------------------------- */

static void forget_proposal(struct replica *r)
{
	for (int i = 0; i < r->members_n; i++)
		r->members[i].joining = r->members[i].leaving = false;
	r->asking = REPLICA_STANDS;
	r->resumed = false;
}

void replica_commit_isr(struct replica *r, const struct replica_assignment *a)
{
	for (int i = 0; i < r->members_n; i++)
		r->members[i].in_isr = replica_among(r->members[i].id, a->isr, a->isr_n);
	r->partition_epoch = a->partition_epoch;
	forget_proposal(r);
}

/* Partition.handleAlterPartitionError. */
static void refused(struct replica *r, int error)
{
	if (r->resumed && error == WIRE_INELIGIBLE_REPLICA) {
		r->asking = REPLICA_UNSURE;
		return;
	}
	switch (error) {
	case WIRE_INELIGIBLE_REPLICA:
	case WIRE_OPERATION_NOT_ATTEMPTED:
		/* Our partition epoch was right and nothing was changed, whoever is controller. */
		forget_proposal(r);
		return;
	case WIRE_UNKNOWN_TOPIC_OR_PARTITION:
	case WIRE_UNKNOWN_TOPIC_ID:
	case WIRE_FENCED_LEADER_EPOCH:
	case WIRE_INVALID_UPDATE_VERSION:
	case WIRE_INVALID_REQUEST:
	case WIRE_NEW_LEADER_ELECTED:
		/* What we know is old, or it happened without us: the larger set counts until the
		 * metadata says which. */
		r->asking = REPLICA_UNSURE;
		return;
	default:
		r->asking = REPLICA_WANTED;
	}
}

void replica_isr_answered(struct replica *r, uint32_t asked, int error,
                          const struct replica_assignment *a)
{
	if (r->role != PAGE_LEADER || r->asking != REPLICA_SENT || asked != r->asked) return;
	if (error) {
		refused(r, error);
	} else if (a->epoch != r->epoch || a->partition_epoch < r->partition_epoch) {
		r->asking = REPLICA_UNSURE;
	} else {
		replica_commit_isr(r, a);
		replica_settle(r);
	}
}
