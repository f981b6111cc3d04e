/* The roles of a voter, what moves it from one to another, and time. */
#include "quorum.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "wire/codes.h"

void quorum_init(struct quorum *q, struct quorum_key self, struct quorum_timeouts t, uint64_t seed)
{
	memset(q, 0, sizeof *q);
	q->self = self;
	q->timeouts = t;
	q->random = seed | 1;
	q->leader = q->voted.id = -1;
	q->high_watermark = q->voters_at = -1;
	q->deadline_ms = INT64_MAX;
}

static bool same(struct quorum_key a, struct quorum_key b)
{
	return a.id == b.id
	       && (uuid_is_zero(&a.directory) || uuid_is_zero(&b.directory)
		   || uuid_same(&a.directory, &b.directory));
}

struct quorum_voter *quorum_voter(struct quorum *q, struct quorum_key key)
{
	for (int i = 0; i < q->voters_n; i++)
		if (same(q->voters[i].key, key))
			return &q->voters[i];
	return NULL;
}

bool quorum_is_voter(const struct quorum *q)
{
	return quorum_voter((struct quorum *)q, q->self) != NULL;
}

static void voter_reset(struct quorum_voter *v)
{
	v->vote = QUORUM_NO_VOTE;
	v->end = -1;
	v->fetched_ms = v->asked_ms = INT64_MIN;
	v->in_check = v->acknowledged = false;
}

int quorum_voter_add(struct quorum *q, struct quorum_key key)
{
	if (q->voters_n == QUORUM_VOTERS_MAX || quorum_voter(q, key)) {
		errno = EINVAL;
		return -1;
	}
	q->voters[q->voters_n].key = key;
	voter_reset(&q->voters[q->voters_n++]);
	return 0;
}

bool quorum_majority(const struct quorum *q, int n)
{
	return n > q->voters_n / 2;
}

/* xorshift64: spreads the elections of several voters, nothing else. */
static int64_t below(struct quorum *q, int32_t n)
{
	q->random ^= q->random << 13;
	q->random ^= q->random >> 7;
	q->random ^= q->random << 17;
	return n > 0 ? (int64_t)(q->random % (uint64_t)n) : 0;
}

int64_t quorum_election_ms(struct quorum *q)
{
	return q->timeouts.election_ms + below(q, q->timeouts.election_ms);
}

static void enter(struct quorum *q, enum quorum_role role, struct quorum_todo *todo)
{
	todo->lost |= q->role == QUORUM_LEADER && role != QUORUM_LEADER;
	q->role = role;
	q->heard = false;
	for (int i = 0; i < q->voters_n; i++)
		voter_reset(&q->voters[i]);
}

/* A voter that waits goes on waiting for as long as it would have: an epoch that rises does not
 * put off its own election. */
void quorum_unattach(struct quorum *q, int32_t epoch, int64_t now_ms, struct quorum_todo *todo)
{
	bool waits = q->role != QUORUM_FOLLOWER && q->role != QUORUM_LEADER;

	assert(epoch >= q->epoch);
	if (epoch > q->epoch)
		q->voted = (struct quorum_key){ .id = -1 };
	if (!quorum_is_voter(q) || q->stopping)
		q->deadline_ms = INT64_MAX;
	else if (!waits || q->deadline_ms == INT64_MAX || q->deadline_ms <= now_ms)
		q->deadline_ms = now_ms + quorum_election_ms(q);
	enter(q, QUORUM_UNATTACHED, todo);
	q->epoch = epoch;
	q->leader = -1;
	todo->save = true;
}

/* Not the same for all followers: they heard the leader for the last time at the same moment. */
static int64_t fetch_deadline(struct quorum *q, int64_t now_ms)
{
	return now_ms + q->timeouts.fetch_ms + below(q, q->timeouts.backoff_ms / 10 + 1);
}

void quorum_follow(struct quorum *q, int32_t epoch, int32_t leader, int64_t now_ms,
		   struct quorum_todo *todo)
{
	assert(epoch >= q->epoch && leader != q->self.id);
	if (epoch > q->epoch)
		q->voted = (struct quorum_key){ .id = -1 };
	enter(q, QUORUM_FOLLOWER, todo);
	q->epoch = epoch;
	q->leader = leader;
	q->deadline_ms = quorum_is_voter(q) && !q->stopping ? fetch_deadline(q, now_ms) : INT64_MAX;
	todo->save = true;
}

void quorum_learn(struct quorum *q, int32_t epoch, int32_t leader, int64_t now_ms,
		  struct quorum_todo *todo)
{
	if (leader == q->self.id)
		leader = -1; /* of an epoch that this one has left, or led before it lost its disk */
	if (epoch > q->epoch && leader >= 0)
		quorum_follow(q, epoch, leader, now_ms, todo);
	else if (epoch > q->epoch)
		quorum_unattach(q, epoch, now_ms, todo);
	else if (epoch == q->epoch && leader >= 0 && q->leader < 0)
		quorum_follow(q, epoch, leader, now_ms, todo);
}

/* Who would win alone is a candidate at once; others ask first, so that one who comes back from
 * behind a broken link does not end the epoch of a leader that works (KIP-996). */
void quorum_stand(struct quorum *q, int64_t now_ms, struct quorum_todo *todo)
{
	int32_t leader = q->leader;

	enter(q, QUORUM_PROSPECTIVE, todo);
	q->leader = leader;
	quorum_voter(q, q->self)->vote = QUORUM_GRANTED;
	q->deadline_ms = now_ms + quorum_election_ms(q);
	quorum_ask_votes(q, now_ms, todo);
}

void quorum_send(struct quorum *q, struct quorum_voter *v, enum quorum_event_type type,
		 int64_t now_ms, struct quorum_todo *todo)
{
	v->asked_ms = now_ms;
	todo->messages[todo->messages_n++] = (struct quorum_message){ type, v->key };
}

/* When there may be no leader: asking first does no harm to one that there is. */
static int64_t soon(struct quorum *q, int64_t now_ms)
{
	return now_ms + below(q, q->timeouts.backoff_ms / 10 + 1);
}

void quorum_back_off(struct quorum *q, int64_t now_ms)
{
	int64_t at = now_ms + below(q, q->timeouts.backoff_ms / 3 + 1);

	if (at < q->deadline_ms)
		q->deadline_ms = at;
}

/* QuorumState.initialize: who led resigns, who stood goes on standing. Kafka waits for a leader to
 * call; who knows none asks around, so that a new cluster has one at once. */
static void start(struct quorum *q, const struct quorum_event *e, struct quorum_todo *todo)
{
	q->log_end = e->end;
	q->log_epoch = e->log_epoch;
	q->epoch = e->epoch;
	q->voted = e->from;
	if (e->log_epoch > e->epoch) {
		q->epoch = e->log_epoch;
		q->voted = (struct quorum_key){ .id = -1 };
		q->leader = -1;
		todo->save = true;
	} else {
		q->leader = e->leader;
	}
	if (q->voters_n == 1 && quorum_is_voter(q)) {
		q->leader = -1;
		quorum_stand(q, e->now_ms, todo);
	} else if (q->leader == q->self.id) {
		q->role = QUORUM_RESIGNED;
		q->deadline_ms = e->now_ms + quorum_election_ms(q);
	} else if (q->leader >= 0) {
		quorum_follow(q, q->epoch, q->leader, e->now_ms, todo);
	} else if (quorum_is_voter(q)) {
		q->deadline_ms = soon(q, e->now_ms);
	}
}

static void tick(struct quorum *q, int64_t now_ms, struct quorum_todo *todo)
{
	bool due = now_ms >= q->deadline_ms;

	if (due && q->hurt && q->role != QUORUM_RESIGNED) {
		q->deadline_ms = now_ms + quorum_election_ms(q);
		return;
	}
	switch (q->role) {
	case QUORUM_UNATTACHED:
	case QUORUM_FOLLOWER:
	case QUORUM_CANDIDATE:
		if (due && quorum_is_voter(q) && !q->stopping)
			quorum_stand(q, now_ms, todo);
		else if (q->role == QUORUM_CANDIDATE)
			quorum_ask_votes(q, now_ms, todo);
		break;
	case QUORUM_PROSPECTIVE:
		if (due && q->leader >= 0)
			quorum_follow(q, q->epoch, q->leader, now_ms, todo);
		else if (due)
			quorum_stand(q, now_ms, todo);
		else
			quorum_ask_votes(q, now_ms, todo);
		break;
	case QUORUM_LEADER:
	case QUORUM_RESIGNED: quorum_lead_tick(q, now_ms, todo); break;
	}
}

/* What an answer says before it is looked into (maybeHandleCommonResponse); false: no more. */
static bool of_use(struct quorum *q, const struct quorum_event *e, struct quorum_todo *todo)
{
	if (e->epoch < q->epoch || e->error == WIRE_UNKNOWN_LEADER_EPOCH)
		return false;
	quorum_learn(q, e->epoch, e->leader, e->now_ms, todo);
	return !e->error;
}

static void fetched(struct quorum *q, const struct quorum_event *e, struct quorum_todo *todo)
{
	if (!of_use(q, e, todo) || q->role != QUORUM_FOLLOWER || e->from.id != q->leader
	    || e->epoch != q->epoch)
		return;
	q->heard = todo->accept = true;
	if (q->deadline_ms != INT64_MAX)
		q->deadline_ms = fetch_deadline(q, e->now_ms);
}

/* What is committed there and is on the own log is committed here. */
static void appended(struct quorum *q, const struct quorum_event *e, struct quorum_todo *todo)
{
	int64_t hw = e->high_watermark < e->end ? e->high_watermark : e->end;

	assert(e->end >= q->high_watermark);
	q->log_end = e->end;
	q->log_epoch = e->log_epoch;
	if (q->role != QUORUM_FOLLOWER || hw <= q->high_watermark)
		return;
	q->high_watermark = hw;
	todo->committed = true;
}

static void set_voters(struct quorum *q, const struct quorum_event *e, struct quorum_todo *todo)
{
	struct quorum_voter old[QUORUM_VOTERS_MAX];
	int old_n = q->voters_n;

	memcpy(old, q->voters, sizeof old);
	q->voters_n = 0;
	for (int i = 0; i < e->keys_n; i++) {
		if (quorum_voter_add(q, e->keys[i]) < 0)
			continue;
		for (int j = 0; j < old_n; j++)
			if (same(old[j].key, e->keys[i])) {
				q->voters[q->voters_n - 1] = old[j];
				q->voters[q->voters_n - 1].key = e->keys[i];
			}
	}
	q->voters_at = e->end;
	if (!quorum_is_voter(q) && q->role != QUORUM_LEADER && q->role != QUORUM_RESIGNED) {
		q->deadline_ms = INT64_MAX;
		if (q->role == QUORUM_PROSPECTIVE || q->role == QUORUM_CANDIDATE)
			quorum_unattach(q, q->epoch, e->now_ms, todo);
	} else if (q->deadline_ms == INT64_MAX && q->role != QUORUM_LEADER && !q->stopping) {
		q->deadline_ms = e->now_ms + q->timeouts.fetch_ms + below(q, q->timeouts.election_ms);
	}
}

/* Kafka waits for the fetch timeout. A connection that was closed is no proof that the leader is
 * gone: the others are asked, and who still hears it refuses. */
static void connection_lost(struct quorum *q, const struct quorum_event *e)
{
	int64_t at = soon(q, e->now_ms);

	if (q->role != QUORUM_FOLLOWER || e->from.id != q->leader)
		return;
	q->heard = false;
	if (q->deadline_ms != INT64_MAX && at < q->deadline_ms)
		q->deadline_ms = at;
}

static void stop(struct quorum *q, int64_t now_ms, struct quorum_todo *todo)
{
	q->stopping = true;
	if (q->role == QUORUM_LEADER)
		quorum_resign(q, now_ms, todo);
	else if (q->role != QUORUM_RESIGNED)
		q->deadline_ms = INT64_MAX;
}

static int16_t begin_fault(const struct quorum *q, const struct quorum_event *e)
{
	if (e->epoch < q->epoch)
		return WIRE_FENCED_LEADER_EPOCH;
	if (e->from.id < 0 || e->from.id == q->self.id
	    || (e->epoch == q->epoch && q->leader >= 0 && q->leader != e->from.id))
		return WIRE_INVALID_REQUEST;
	return 0;
}

static void begin(struct quorum *q, const struct quorum_event *e, struct quorum_todo *todo)
{
	todo->error = begin_fault(q, e);
	if (todo->error)
		return;
	quorum_learn(q, e->epoch, e->from.id, e->now_ms, todo);
	if (e->to.id >= 0 && !same(e->to, q->self))
		todo->error = WIRE_INVALID_VOTER_KEY;
}

static void ended(struct quorum *q, const struct quorum_event *e, struct quorum_todo *todo)
{
	struct quorum_key key = { .id = e->from.id };

	if (of_use(q, e, todo) && q->role == QUORUM_RESIGNED && quorum_voter(q, key))
		quorum_voter(q, key)->acknowledged = true;
}

void quorum_step(struct quorum *q, const struct quorum_event *e, struct quorum_todo *todo)
{
	memset(todo, 0, sizeof *todo);
	switch (e->type) {
	case QUORUM_START: start(q, e, todo); break;
	case QUORUM_TICK: tick(q, e->now_ms, todo); break;
	case QUORUM_APPENDED: appended(q, e, todo); break;
	case QUORUM_FLUSHED:
		if (q->role == QUORUM_LEADER && quorum_is_voter(q))
			quorum_reached(q, quorum_voter(q, q->self), e->end, todo, e->now_ms);
		break;
	case QUORUM_VOTERS: set_voters(q, e, todo); break;
	case QUORUM_STOP: stop(q, e->now_ms, todo); break;
	case QUORUM_VOTE: quorum_vote(q, e, todo); break;
	case QUORUM_BEGIN: begin(q, e, todo); break;
	case QUORUM_END:
		todo->error = begin_fault(q, e);
		if (!todo->error)
			quorum_end(q, e, todo);
		break;
	case QUORUM_FETCH: quorum_fetch(q, e, todo); break;
	case QUORUM_VOTED:
		if (of_use(q, e, todo))
			quorum_voted(q, e, todo);
		break;
	case QUORUM_BEGUN: of_use(q, e, todo); break;
	case QUORUM_ENDED: ended(q, e, todo); break;
	case QUORUM_FETCHED: fetched(q, e, todo); break;
	case QUORUM_LOST: connection_lost(q, e); break;
	}
}
