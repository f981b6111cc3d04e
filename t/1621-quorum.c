/* The quorum step, rule by rule; t/4100-quorum-sim runs it in a world of faults. */
#include "../cmd/elect/leader.c"
#include "../cmd/elect/quorum.c"
#include "../cmd/elect/votes.c"
#include "tap.h"

static struct quorum quorum;
static struct quorum_todo todo;
static const struct quorum_timeouts timeouts = { 1000, 2000, 1000 };

static struct quorum_key key(int32_t id)
{
	return (struct quorum_key){ id, { { (uint8_t)id } } };
}

static void voters(int n)
{
	quorum_init(&quorum, key(1), timeouts, 7);
	for (int i = 1; i <= n; i++)
		is_int(quorum_voter_add(&quorum, key(i)), 0, "voter %d", i);
}

/* Defaults first, then what the event is about. */
#pragma GCC diagnostic ignored "-Woverride-init"
#define STEP(...) \
	quorum_step(&quorum, &(struct quorum_event){ .from.id = -1, .to.id = -1, .leader = -1, \
						     .high_watermark = -1, __VA_ARGS__ }, &todo)

static void test_one_voter(void)
{
	voters(1);
	is_int(quorum_voter_add(&quorum, key(1)), -1, "not twice");
	STEP(.type = QUORUM_START, .now_ms = 5, .epoch = 4, .end = 100, .log_epoch = 4);
	ok(todo.save && todo.begin && quorum.role == QUORUM_LEADER && quorum.epoch == 5
		   && quorum.leader == 1,
	   "alone it is elected at once, in a new epoch");
	is_int(quorum_due(&quorum), INT64_MAX, "and never waits for others");
	STEP(.type = QUORUM_FLUSHED, .end = 100);
	ok(!todo.committed && quorum.high_watermark == -1,
	   "nothing counts before a record of this epoch");
	STEP(.type = QUORUM_APPENDED, .end = 101, .log_epoch = 5);
	STEP(.type = QUORUM_FLUSHED, .end = 101);
	ok(todo.committed && quorum.high_watermark == 101, "then all of it");
	STEP(.type = QUORUM_FETCH, .from = key(1), .epoch = 5, .end = 500, .valid = true);
	ok(!todo.committed, "its own fetch means nothing");
	STEP(.type = QUORUM_STOP);
	ok(todo.lost && quorum.role == QUORUM_RESIGNED, "it stops");
	STEP(.type = QUORUM_FLUSHED, .end = 102);
	ok(!todo.committed && quorum.high_watermark == 101, "and commits nothing any more");
}

static void test_election(void)
{
	voters(3);
	STEP(.type = QUORUM_START, .now_ms = 0, .epoch = 4, .end = 100, .log_epoch = 4);
	ok(quorum.role == QUORUM_UNATTACHED && quorum_due(&quorum) <= 100,
	   "three voters: nobody leads alone, but it asks soon");
	STEP(.type = QUORUM_TICK, .now_ms = 2000);
	ok(quorum.role == QUORUM_PROSPECTIVE && quorum.epoch == 4 && todo.messages_n == 2
		   && !todo.save,
	   "first it asks, in the old epoch");
	STEP(.type = QUORUM_VOTED, .now_ms = 2010, .from.id = 2, .epoch = 4, .pre = true,
	     .granted = true);
	ok(quorum.role == QUORUM_CANDIDATE && quorum.epoch == 5 && todo.save
		   && todo.messages_n == 2,
	   "two of three would: it stands, its vote is saved first");
	STEP(.type = QUORUM_VOTED, .now_ms = 2020, .from.id = 3, .epoch = 5, .pre = true,
	     .granted = true);
	ok(quorum.role == QUORUM_CANDIDATE, "what was only a question is no vote");
	STEP(.type = QUORUM_VOTED, .now_ms = 2020, .from.id = 3, .epoch = 5, .granted = true);
	ok(quorum.role == QUORUM_LEADER && todo.begin && todo.save && todo.messages_n == 2,
	   "elected, and the others are told");
	STEP(.type = QUORUM_APPENDED, .end = 110, .log_epoch = 5);
	STEP(.type = QUORUM_FLUSHED, .end = 110);
	ok(!todo.committed, "one of three is no majority");
	STEP(.type = QUORUM_FETCH, .from = key(2), .epoch = 5, .end = 100, .valid = true);
	ok(!todo.committed, "the epoch's first record is not there yet");
	STEP(.type = QUORUM_FETCH, .from = key(2), .epoch = 4, .end = 110, .valid = true);
	is_int(todo.error, WIRE_FENCED_LEADER_EPOCH, "a fetch of an older epoch");
	STEP(.type = QUORUM_FETCH, .from = key(2), .epoch = 5, .end = 110);
	ok(!todo.committed, "who has another log has nothing");
	STEP(.type = QUORUM_FETCH, .from = { 2, { { 9 } } }, .epoch = 5, .end = 110,
	     .valid = true);
	ok(!todo.committed, "nor has who lost the disk that it voted from");
	STEP(.type = QUORUM_FETCH, .from = key(3), .epoch = 5, .end = 105, .valid = true);
	ok(todo.committed && quorum.high_watermark == 105, "two of three have it");
	STEP(.type = QUORUM_FETCH, .now_ms = 2500, .from = key(2), .epoch = 5, .end = 103,
	     .valid = true);
	ok(!todo.committed && quorum.high_watermark == 105, "it never goes back");
	STEP(.type = QUORUM_FETCH, .now_ms = 2500, .from = key(2), .epoch = 5, .end = -1);
	ok(!todo.committed && todo.error == 0 && quorum.voters[1].end == 103,
	   "who fetches a snapshot follows, and has what it had");
	STEP(.type = QUORUM_TICK, .now_ms = 2500 + 2999);
	is_int(quorum.role, QUORUM_LEADER, "it waits for a majority to fetch");
	STEP(.type = QUORUM_TICK, .now_ms = 2500 + 3000);
	ok(quorum.role == QUORUM_RESIGNED && todo.lost && todo.messages_n == 2
		   && todo.messages[0].type == QUORUM_END,
	   "then it resigns, and says so");
}

static void test_votes(void)
{
	voters(3);
	STEP(.type = QUORUM_START, .epoch = 4, .end = 100, .log_epoch = 4);
	STEP(.type = QUORUM_VOTE, .from = key(2), .epoch = 5, .end = 100, .log_epoch = 5);
	is_int(todo.error, WIRE_INVALID_REQUEST, "a log of the epoch that is to be elected");
	STEP(.type = QUORUM_VOTE, .from = key(2), .epoch = 3, .end = 100, .log_epoch = 2);
	is_int(todo.error, WIRE_FENCED_LEADER_EPOCH, "an old epoch");
	STEP(.type = QUORUM_VOTE, .from = key(2), .to = { 1, { { 7 } } }, .epoch = 5, .end = 100,
	     .log_epoch = 4);
	ok(todo.error == WIRE_INVALID_VOTER_KEY && !todo.granted && quorum.epoch == 5,
	   "another directory than this");
	STEP(.type = QUORUM_VOTE, .from = key(2), .epoch = 5, .end = 99, .log_epoch = 4);
	ok(!todo.granted, "not to who has less");
	STEP(.type = QUORUM_VOTE, .from = key(2), .epoch = 5, .end = 100, .log_epoch = 4, .pre = true);
	ok(todo.granted && !todo.save && quorum.voted.id == -1, "a question binds nobody");
	STEP(.type = QUORUM_VOTE, .from = key(2), .to = key(1), .epoch = 5, .end = 100,
	     .log_epoch = 4);
	ok(todo.granted && todo.save && quorum.voted.id == 2, "a vote is saved");
	STEP(.type = QUORUM_VOTE, .from = key(3), .epoch = 5, .end = 200, .log_epoch = 4);
	ok(!todo.granted, "one an epoch");
	STEP(.type = QUORUM_VOTE, .from = key(2), .epoch = 5, .end = 100, .log_epoch = 4);
	ok(todo.granted, "the same again: the answer may have been lost");
	STEP(.type = QUORUM_BEGIN, .from = key(2), .to = key(1), .epoch = 5);
	ok(!todo.error && quorum.role == QUORUM_FOLLOWER && quorum.leader == 2 && todo.save,
	   "2 leads");
	STEP(.type = QUORUM_BEGIN, .from = key(3), .epoch = 5);
	is_int(todo.error, WIRE_INVALID_REQUEST, "3 cannot too");
	STEP(.type = QUORUM_VOTE, .from = key(3), .epoch = 5, .end = 200, .log_epoch = 4, .pre = true);
	ok(todo.granted, "who has not heard the leader would vote");
	STEP(.type = QUORUM_FETCHED, .from.id = 2, .epoch = 5, .leader = 2, .now_ms = 100);
	ok(todo.accept, "what the leader sends counts");
	STEP(.type = QUORUM_VOTE, .from = key(3), .epoch = 5, .end = 200, .log_epoch = 4, .pre = true);
	ok(!todo.granted, "who has heard it would not");
	STEP(.type = QUORUM_APPENDED, .end = 120, .log_epoch = 5, .high_watermark = 130);
	ok(todo.committed && quorum.high_watermark == 120, "committed as far as it is here");
	STEP(.type = QUORUM_LOST, .from.id = 2, .now_ms = 200);
	ok(quorum_due(&quorum) <= 301, "a closed connection: it asks soon");
	STEP(.type = QUORUM_END, .from = key(2), .epoch = 5, .now_ms = 300,
	     .keys = (struct quorum_key[]){ key(3), key(1) }, .keys_n = 2);
	is_int(quorum_due(&quorum), 800, "the leader left: the second in line waits");
	STEP(.type = QUORUM_VOTERS, .keys = (struct quorum_key[]){ key(2), key(3) }, .keys_n = 2,
	     .end = 119);
	is_int(quorum_due(&quorum), INT64_MAX, "who is no voter any more stands for nothing");
}

int main(void)
{
	test_one_voter();
	test_election();
	test_votes();
	return done_testing();
}
