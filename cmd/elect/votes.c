/* Elections: who gets a vote, and what votes do (KafkaRaftClient.handleVoteRequest,
 * handleVoteResponse, EpochElection). */
#include "quorum.h"

#include "base/planted.h"
#include "wire/codes.h"

static int count(const struct quorum *q, enum quorum_vote vote)
{
	int n = 0;

	for (int i = 0; i < q->voters_n; i++)
		n += q->voters[i].vote == vote;
	return n;
}

static void candidate(struct quorum *q, int64_t now_ms, struct quorum_todo *todo)
{
	q->role = QUORUM_CANDIDATE;
	q->epoch++;
	q->leader = -1;
	q->voted = q->self;
	for (int i = 0; i < q->voters_n; i++) {
		q->voters[i].vote = QUORUM_NO_VOTE;
		q->voters[i].asked_ms = INT64_MIN;
	}
	quorum_voter(q, q->self)->vote = QUORUM_GRANTED;
	q->deadline_ms = now_ms + quorum_election_ms(q);
	todo->messages_n = 0;
	todo->save = true;
	quorum_ask_votes(q, now_ms, todo);
}

/* Counts, and asks those who have not answered, as long as it can be won. */
void quorum_ask_votes(struct quorum *q, int64_t now_ms, struct quorum_todo *todo)
{
	if (quorum_majority(q, count(q, QUORUM_GRANTED))) {
		if (q->role == QUORUM_PROSPECTIVE)
			candidate(q, now_ms, todo);
		else
			quorum_lead(q, now_ms, todo);
		return;
	}
	if (!quorum_majority(q, q->voters_n - count(q, QUORUM_REJECTED)))
		return;
	for (int i = 0; i < q->voters_n; i++) {
		struct quorum_voter *v = &q->voters[i];

		if (v->vote == QUORUM_NO_VOTE
		    && (v->asked_ms == INT64_MIN || now_ms - v->asked_ms >= QUORUM_RETRY_MS))
			quorum_send(q, v, QUORUM_VOTE, now_ms, todo);
	}
}

static bool up_to_date(const struct quorum *q, const struct quorum_event *e)
{
	if (PLANTED(VOTE_FOR_A_SHORTER_LOG))
		return e->log_epoch >= q->log_epoch;
	return e->log_epoch != q->log_epoch ? e->log_epoch > q->log_epoch : e->end >= q->log_end;
}

/* EpochState.canGrantVote. A vote given is given again to the same: its answer may have been
 * lost. */
static bool can_grant(const struct quorum *q, const struct quorum_event *e)
{
	if (q->hurt)
		return false;
	switch (q->role) {
	case QUORUM_UNATTACHED:
	case QUORUM_PROSPECTIVE:
		if (e->pre)
			return up_to_date(q, e);
		if (q->voted.id >= 0)
			return q->voted.id == e->from.id
			       && (uuid_is_zero(&q->voted.directory)
				   || uuid_same(&q->voted.directory, &e->from.directory));
		return q->leader < 0 && up_to_date(q, e);
	case QUORUM_FOLLOWER: return e->pre && !q->heard && up_to_date(q, e);
	case QUORUM_LEADER:
		return e->pre && q->high_watermark <= q->epoch_start && up_to_date(q, e);
	case QUORUM_CANDIDATE:
	case QUORUM_RESIGNED: return e->pre && up_to_date(q, e);
	}
	return false;
}

void quorum_vote(struct quorum *q, const struct quorum_event *e, struct quorum_todo *todo)
{
	if (e->end < 0 || e->log_epoch < 0 || e->from.id < 0
	    || (e->pre ? e->log_epoch > e->epoch : e->log_epoch >= e->epoch)) {
		todo->error = WIRE_INVALID_REQUEST;
		return;
	}
	if (e->epoch < q->epoch) {
		todo->error = WIRE_FENCED_LEADER_EPOCH;
		return;
	}
	if (e->epoch > q->epoch)
		quorum_unattach(q, e->epoch, e->now_ms, todo);
	if (e->to.id >= 0
	    && (e->to.id != q->self.id
		|| (!uuid_is_zero(&e->to.directory)
		    && !uuid_same(&e->to.directory, &q->self.directory)))) {
		todo->error = WIRE_INVALID_VOTER_KEY;
		return;
	}
	todo->granted = can_grant(q, e);
	if (e->pre || !todo->granted || q->voted.id >= 0)
		return;
	q->voted = e->from;
	if (q->deadline_ms != INT64_MAX)
		q->deadline_ms = e->now_ms + quorum_election_ms(q);
	todo->save = !PLANTED(VOTE_FORGOTTEN);
}

/* Too many refused: a prospective goes back. A candidate that was refused at all has a rival, and
 * whoever could still decide may be dead: it waits for a moment of its own, so that the next
 * election is not that of both. Kafka's waits out its time. */
void quorum_voted(struct quorum *q, const struct quorum_event *e, struct quorum_todo *todo)
{
	struct quorum_voter *v = quorum_voter(q, (struct quorum_key){ .id = e->from.id });
	bool asks = e->pre ? q->role == QUORUM_PROSPECTIVE : q->role == QUORUM_CANDIDATE;

	if (!asks || !v)
		return;
	v->vote = e->granted ? QUORUM_GRANTED : QUORUM_REJECTED;
	if (q->role == QUORUM_CANDIDATE && !e->granted)
		quorum_back_off(q, e->now_ms);
	if (quorum_majority(q, q->voters_n - count(q, QUORUM_REJECTED)))
		quorum_ask_votes(q, e->now_ms, todo);
	else if (q->role == QUORUM_PROSPECTIVE && q->leader >= 0)
		quorum_follow(q, q->epoch, q->leader, e->now_ms, todo);
	else if (q->role == QUORUM_PROSPECTIVE) {
		q->deadline_ms = e->now_ms;
		quorum_unattach(q, q->epoch, e->now_ms, todo);
	}
}

/* The leader left. Whom it would have next stands at once, the others later, each twice as long
 * after it (endEpochElectionBackoff). */
void quorum_end(struct quorum *q, const struct quorum_event *e, struct quorum_todo *todo)
{
	int at = 0;
	int64_t wait = q->timeouts.backoff_ms;

	quorum_learn(q, e->epoch, e->from.id, e->now_ms, todo);
	if (q->role != QUORUM_FOLLOWER || q->leader != e->from.id)
		return;
	while (at < e->keys_n
	       && (e->keys[at].id != q->self.id
		   || (!uuid_is_zero(&e->keys[at].directory)
		       && !uuid_same(&e->keys[at].directory, &q->self.directory))))
		at++;
	if (at == 0)
		wait = 0;
	else if (at < e->keys_n && e->keys_n < 31) {
		int64_t step = (int64_t)(q->timeouts.backoff_ms >> (e->keys_n - 1)) << (at - 1);
		wait = step < wait ? step : wait;
	}
	q->heard = false;
	if (q->deadline_ms != INT64_MAX)
		q->deadline_ms = e->now_ms + wait;
}
