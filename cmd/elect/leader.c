/* What a leader does: commits what a majority has, sees that a majority still follows, and leaves
 * (LeaderState, ResignedState). */
#include "quorum.h"

#include <assert.h>
#include <stdlib.h>

#include "base/planted.h"
#include "wire/codes.h"

static int64_t check_after(const struct quorum *q)
{
	return q->timeouts.fetch_ms + q->timeouts.fetch_ms / 2;
}

void quorum_lead(struct quorum *q, int64_t now_ms, struct quorum_todo *todo)
{
	q->role = QUORUM_LEADER;
	q->leader = q->self.id;
	q->epoch_start = q->log_end;
	q->deadline_ms = INT64_MAX;
	q->check_ms = now_ms + check_after(q);
	for (int i = 0; i < q->voters_n; i++) {
		q->voters[i].end = -1;
		q->voters[i].fetched_ms = q->voters[i].asked_ms = INT64_MIN;
		q->voters[i].in_check = false;
	}
	todo->messages_n = 0;
	todo->save = todo->begin = true;
	quorum_lead_tick(q, now_ms, todo);
}

void quorum_resign(struct quorum *q, int64_t now_ms, struct quorum_todo *todo)
{
	q->role = QUORUM_RESIGNED;
	q->deadline_ms = now_ms + quorum_election_ms(q);
	todo->lost = true;
	for (int i = 0; i < q->voters_n; i++) {
		q->voters[i].asked_ms = INT64_MIN;
		q->voters[i].acknowledged = false;
	}
	quorum_lead_tick(q, now_ms, todo);
}

static void resigned_tick(struct quorum *q, int64_t now_ms, struct quorum_todo *todo)
{
	/* In the epoch it led it can neither follow nor vote. */
	if (now_ms >= q->deadline_ms) {
		quorum_unattach(q, q->epoch + 1, now_ms, todo);
		return;
	}
	for (int i = 0; i < q->voters_n; i++) {
		struct quorum_voter *v = &q->voters[i];

		if (v->key.id != q->self.id && !v->acknowledged
		    && (v->asked_ms == INT64_MIN || now_ms - v->asked_ms >= QUORUM_RETRY_MS))
			quorum_send(q, v, QUORUM_END, now_ms, todo);
	}
}

/* Whoever does not fetch is told that there is a leader, until it does. */
void quorum_lead_tick(struct quorum *q, int64_t now_ms, struct quorum_todo *todo)
{
	int64_t silent = q->timeouts.fetch_ms / 2;

	if (q->role == QUORUM_RESIGNED) {
		resigned_tick(q, now_ms, todo);
		return;
	}
	if (now_ms >= q->check_ms && (q->voters_n > 1 || !quorum_is_voter(q))) {
		quorum_resign(q, now_ms, todo);
		return;
	}
	for (int i = 0; i < q->voters_n; i++) {
		struct quorum_voter *v = &q->voters[i];
		int64_t since = v->fetched_ms > v->asked_ms ? v->fetched_ms : v->asked_ms;

		if (v->key.id == q->self.id)
			continue;
		if (since == INT64_MIN
		    || now_ms - since >= (v->fetched_ms == INT64_MIN ? QUORUM_RETRY_MS : silent))
			quorum_send(q, v, QUORUM_BEGIN, now_ms, todo);
	}
}

int64_t quorum_due(const struct quorum *q)
{
	int64_t at = q->deadline_ms, every = QUORUM_RETRY_MS;

	if (q->role == QUORUM_FOLLOWER || q->role == QUORUM_UNATTACHED)
		return at;
	if (q->role == QUORUM_LEADER && q->voters_n == 1 && quorum_is_voter(q))
		return INT64_MAX;
	if (q->role == QUORUM_LEADER)
		at = q->check_ms;
	for (int i = 0; i < q->voters_n; i++) {
		const struct quorum_voter *v = &q->voters[i];
		int64_t since = v->fetched_ms > v->asked_ms ? v->fetched_ms : v->asked_ms;

		if (v->key.id == q->self.id || since == INT64_MIN)
			continue;
		if (q->role == QUORUM_LEADER && v->fetched_ms != INT64_MIN)
			every = q->timeouts.fetch_ms / 2;
		if (since + every < at)
			at = since + every;
		every = QUORUM_RETRY_MS;
	}
	return at;
}

bool quorum_acknowledged(const struct quorum *q)
{
	int n = quorum_is_voter(q);

	for (int i = 0; i < q->voters_n; i++)
		n += q->voters[i].acknowledged;
	return quorum_majority(q, n);
}

static int newest(const void *a, const void *b)
{
	const struct quorum_voter *const *v = a, *const *w = b;

	return ((*v)->end < (*w)->end) - ((*v)->end > (*w)->end);
}

int quorum_successors(const struct quorum *q, struct quorum_key keys[QUORUM_VOTERS_MAX])
{
	const struct quorum_voter *v[QUORUM_VOTERS_MAX];
	int n = 0;

	for (int i = 0; i < q->voters_n; i++)
		if (q->voters[i].key.id != q->self.id)
			v[n++] = &q->voters[i];
	qsort(v, (size_t)n, sizeof *v, newest);
	for (int i = 0; i < n; i++)
		keys[i] = v[i]->key;
	return n;
}

/* The largest offset that a majority has on disk; it counts only beyond the start of the epoch, so
 * that a record of this epoch is among what is committed. */
static void advance(struct quorum *q, int64_t now_ms, struct quorum_todo *todo)
{
	int64_t best = -1;

	for (int i = 0; i < q->voters_n; i++) {
		int64_t end = q->voters[i].end;
		int n = 0;

		for (int j = 0; j < q->voters_n; j++)
			n += q->voters[j].end >= end;
		if (quorum_majority(q, n + PLANTED(COMMIT_OF_A_HALF)) && end > best)
			best = end;
	}
	if (best <= q->epoch_start && !PLANTED(COMMIT_OF_OLDER_EPOCH))
		return;
	if (best <= q->high_watermark)
		return;
	q->high_watermark = best;
	todo->committed = true;
	/* A leader that was voted out leaves once that is committed (KIP-853). */
	if (!quorum_is_voter(q) && q->high_watermark > q->voters_at)
		quorum_resign(q, now_ms, todo);
}

void quorum_reached(struct quorum *q, struct quorum_voter *v, int64_t end,
		    struct quorum_todo *todo, int64_t now_ms)
{
	assert(v->key.id != q->self.id || end >= v->end);
	v->end = end;
	advance(q, now_ms, todo);
}

static void heard_from(struct quorum *q, struct quorum_voter *v, int64_t now_ms)
{
	int n = quorum_is_voter(q);

	v->in_check = true;
	for (int i = 0; i < q->voters_n; i++)
		n += q->voters[i].in_check;
	if (!quorum_majority(q, n))
		return;
	for (int i = 0; i < q->voters_n; i++)
		q->voters[i].in_check = false;
	q->check_ms = now_ms + check_after(q);
}

void quorum_fetch(struct quorum *q, const struct quorum_event *e, struct quorum_todo *todo)
{
	struct quorum_voter *v = quorum_voter(q, e->from);

	todo->error = e->epoch < q->epoch   ? WIRE_FENCED_LEADER_EPOCH
		      : e->epoch > q->epoch ? WIRE_UNKNOWN_LEADER_EPOCH
		      : q->role != QUORUM_LEADER ? WIRE_NOT_LEADER_OR_FOLLOWER
						 : 0;
	if (todo->error || !v || v->key.id == q->self.id || (!e->valid && e->end >= 0))
		return;
	v->fetched_ms = e->now_ms;
	heard_from(q, v, e->now_ms);
	if (e->end >= 0)
		quorum_reached(q, v, e->end, todo, e->now_ms);
}
