/* Votes, epochs, the high watermark. */
#include "quorum.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void quorum_init(struct quorum *q, int32_t id, const struct uuid *directory)
{
	memset(q, 0, sizeof *q);
	q->id = id;
	q->directory = *directory;
	q->epoch = 0;
	q->leader = q->voted = -1;
	q->high_watermark = -1;
}

static struct quorum_voter *voter(struct quorum *q, int32_t id, const struct uuid *directory)
{
	for (int i = 0; i < q->voters_n; i++) {
		struct quorum_voter *v = &q->voters[i];

		if (v->id == id
		    && (uuid_is_zero(&v->directory) || uuid_is_zero(directory)
			|| uuid_same(&v->directory, directory)))
			return v;
	}
	return NULL;
}

int quorum_voter_add(struct quorum *q, int32_t id, const struct uuid *directory)
{
	if (q->voters_n == QUORUM_VOTERS_MAX || voter(q, id, directory)) {
		errno = EINVAL;
		return -1;
	}
	q->voters[q->voters_n++] =
		(struct quorum_voter){ .id = id, .directory = *directory, .end = -1 };
	return 0;
}

static bool majority(const struct quorum *q, int n)
{
	return n > q->voters_n / 2;
}

static int votes(const struct quorum *q)
{
	int n = 0;

	for (int i = 0; i < q->voters_n; i++)
		n += q->voters[i].granted;
	return n;
}

/* Stands for election in a new epoch with its own vote, which must be on disk before it counts. */
static void stand(struct quorum *q, int32_t epoch, struct quorum_todo *todo)
{
	struct quorum_voter *me = voter(q, q->id, &q->directory);

	if (!me)
		return;
	q->role = QUORUM_CANDIDATE;
	q->epoch = epoch;
	q->leader = -1;
	q->voted = q->id;
	q->voted_directory = q->directory;
	q->high_watermark = -1;
	for (int i = 0; i < q->voters_n; i++) {
		q->voters[i].granted = false;
		q->voters[i].end = -1;
	}
	todo->save = true;
}

static void saved(struct quorum *q, struct quorum_todo *todo)
{
	struct quorum_voter *me = voter(q, q->id, &q->directory);

	if (q->role != QUORUM_CANDIDATE)
		return;
	me->granted = true;
	if (!majority(q, votes(q)))
		return;
	q->role = QUORUM_LEADER;
	q->leader = q->id;
	todo->save = todo->begin = true;
}

/* The largest offset that a majority has on disk; it counts only beyond the start of the epoch, so
 * that a record of this epoch is among what is committed. */
static void advance(struct quorum *q, struct quorum_todo *todo)
{
	int64_t best = -1;

	for (int i = 0; i < q->voters_n; i++) {
		int64_t end = q->voters[i].end;
		int n = 0;

		for (int j = 0; j < q->voters_n; j++)
			n += q->voters[j].end >= end;
		if (majority(q, n) && end > best)
			best = end;
	}
	if (best <= q->epoch_start || best <= q->high_watermark)
		return;
	q->high_watermark = best;
	todo->committed = true;
}

static void reached(struct quorum *q, const struct quorum_event *e, int32_t id,
		    const struct uuid *directory, struct quorum_todo *todo)
{
	struct quorum_voter *v = voter(q, id, directory);

	if (q->role != QUORUM_LEADER || !v)
		return;
	assert(id != q->id || e->end >= v->end);
	v->end = e->end;
	v->seen_ms = e->now_ms;
	advance(q, todo);
}

void quorum_step(struct quorum *q, const struct quorum_event *e, struct quorum_todo *todo)
{
	memset(todo, 0, sizeof *todo);
	switch (e->type) {
	case QUORUM_START:
		q->epoch_start = e->end;
		q->epoch = e->epoch;
		if (q->voters_n == 1)
			stand(q, e->epoch + 1, todo);
		break;
	case QUORUM_SAVED: saved(q, todo); break;
	case QUORUM_FLUSHED: reached(q, e, q->id, &q->directory, todo); break;
	case QUORUM_FETCHED:
		if (e->id != q->id)
			reached(q, e, e->id, &e->directory, todo);
		break;
	case QUORUM_STOP:
		if (q->role == QUORUM_LEADER)
			q->role = QUORUM_RESIGNED;
		break;
	}
}
