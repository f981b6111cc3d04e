/* lib/replica/isr.h: who is asked for in the ISR and when, and what comes of each answer. */
#include "replica/isr.h"
#include "wire/codes.h"
#include "wire/wire.h"
#include "tap.h"

enum { LAG = 1000 };

static struct replica_broker broker[] = {
	{.id = 1, .epoch = 10}, {.id = 2, .epoch = 20}, {.id = 3, .epoch = 30}};
static const struct replica_brokers brokers = {broker, 3};
static const int32_t all[] = {1, 2, 3};

static int lead(struct replica *r, int32_t epoch, int32_t partition_epoch, const int32_t *isr,
                int n, int64_t now)
{
	struct replica_assignment a = {epoch, partition_epoch, all, isr, 3, n, false};
	return replica_lead(r, &a, r->log_end, now);
}

/* A leader of three replicas whose log ends at 100, on disk; high watermark 50. */
static void begin(struct replica *r, int isr_n)
{
	replica_init(r, 1);
	r->brokers = &brokers;
	r->lag_ms = LAG;
	r->min_insync = 1;
	replica_opened(r, 0, 100, 50);
	lead(r, 5, 7, all, isr_n, 0);
	broker[1] = (struct replica_broker){.id = 2, .epoch = 20};
	broker[2] = (struct replica_broker){.id = 3, .epoch = 30};
}

static void answer(struct replica *r, uint32_t asked, int error, int32_t partition_epoch, int isr_n)
{
	struct replica_assignment a = {5, partition_epoch, NULL, all, 0, isr_n, false};
	replica_isr_answered(r, asked, error, error ? NULL : &a);
}

static bool proposal_is(const struct replica *r, int n, int32_t second, int64_t epoch)
{
	struct replica_in_sync v[3];
	return r->asking == REPLICA_WANTED && replica_isr_proposal(r, v) == n && v[0].id == 1
	       && (n < 2 || (v[1].id == second && v[1].broker_epoch == epoch));
}

static void grows(void)
{
	struct replica r;
	begin(&r, 1);
	is_int(r.high_watermark, 100, "alone in the ISR");
	replica_progress(&r, 2, 90, 0, 20, 10);
	is_int(r.asking, REPLICA_STANDS, "behind the high watermark: not in sync");
	replica_progress(&r, 2, 100, 0, 20, 20);
	ok(proposal_is(&r, 2, 2, 20), "it has all: it is asked for, with the epoch it fetched with");
	replica_appended(&r, 110);
	replica_flushed(&r, 110);
	is_int(r.high_watermark, 100, "from now on it counts");
	is_int(replica_isr_n(&r), 1, "but is not counted for min.insync.replicas");
	uint32_t asked = replica_isr_sent(&r);
	replica_progress(&r, 3, 110, 0, 30, 30);
	is_int(r.asking, REPLICA_SENT, "one change at a time");
	answer(&r, asked, 0, 8, 2);
	ok(r.asking == REPLICA_STANDS && replica_isr_n(&r) == 2 && r.partition_epoch == 8,
	   "the answer sets it");
	replica_progress(&r, 3, 110, 0, 30, 40);
	ok(r.asking == REPLICA_WANTED && r.asked == asked + 1, "and then the next is asked for");
	lead(&r, 5, 8, all, 2, 40);
	is_int(r.asking, REPLICA_WANTED, "the record of the first change says nothing new");
	asked = replica_isr_sent(&r);
	lead(&r, 5, 9, all, 3, 50);
	is_int(replica_isr_n(&r), 3, "the record of the second is here before the answer");
	answer(&r, asked, 0, 9, 3);
	is_int(r.partition_epoch, 9, "which says nothing new then");
	replica_free(&r);
}

static void not_eligible(void)
{
	struct replica r;
	begin(&r, 1);
	broker[1].fenced = true;
	replica_progress(&r, 2, 100, 0, 20, 10);
	is_int(r.asking, REPLICA_STANDS, "a fenced broker is not asked for");
	broker[1] = (struct replica_broker){.id = 2, .epoch = 20, .leaving = true};
	replica_progress(&r, 2, 100, 0, 20, 10);
	is_int(r.asking, REPLICA_STANDS, "nor one that shuts down");
	broker[1] = (struct replica_broker){.id = 2, .epoch = 21};
	is_int(replica_progress(&r, 2, 100, 0, 20, 10), WIRE_NOT_LEADER_OR_FOLLOWER,
	       "a request of the broker's earlier life counts for nothing");
	is_int(r.asking, REPLICA_STANDS, "and brings it nowhere");
	is_int(replica_progress(&r, 2, 100, 0, 22, 10), 0, "of a later life than we know of");
	is_int(r.asking, REPLICA_STANDS, "it waits until the metadata has it");
	is_int(replica_progress(&r, 9, 100, 0, 1, 10), WIRE_UNKNOWN_LEADER_EPOCH, "no replica");
	replica_progress(&r, 2, 100, 0, REPLICA_EPOCH_NOT_GIVEN, 10);
	ok(proposal_is(&r, 2, 2, -1), "an old version of Fetch has no broker epoch");
	replica_free(&r);

	begin(&r, 1);
	replica_appended(&r, 120);
	lead(&r, 6, 8, all, 1, 0);
	replica_progress(&r, 2, 110, 0, 20, 10);
	is_int(r.asking, REPLICA_STANDS,
	       "at the high watermark, but not in this epoch yet: it may lack committed records");
	replica_progress(&r, 2, 120, 0, 20, 10);
	is_int(r.asking, REPLICA_WANTED, "now it is");
	replica_free(&r);
}

static void old_life(void)
{
	struct replica r;
	begin(&r, 1);
	replica_progress(&r, 2, 100, 0, 20, 10);
	uint32_t asked = replica_isr_sent(&r);
	broker[1].epoch = 25;
	replica_progress(&r, 2, 60, 0, 25, 20);
	answer(&r, asked, WIRE_NETWORK_EXCEPTION, 0, 0);
	ok(proposal_is(&r, 2, 2, 20), "asked again after a lost answer: with the epoch of then, "
	   "not with that of a broker that has lost its disk meanwhile");
	replica_free(&r);
}

static void shrinks(void)
{
	struct replica r;
	begin(&r, 3);
	is_int(replica_isr_next_check(&r, 0), LAG + 1, "a new leader gives everyone the lag time");
	replica_progress(&r, 2, 100, 0, 20, 500);
	replica_isr_check(&r, LAG);
	is_int(r.asking, REPLICA_STANDS, "not longer than that");
	replica_isr_check(&r, LAG + 1);
	ok(proposal_is(&r, 2, 2, 20), "3 never fetched: it is to go");
	is_int(r.high_watermark, 50, "before it has gone, it counts");
	uint32_t asked = replica_isr_sent(&r);
	answer(&r, asked, 0, 8, 2);
	is_int(r.high_watermark, 100, "and then no longer");
	replica_isr_check(&r, 100 * LAG);
	is_int(r.asking, REPLICA_STANDS, "who has all is in sync without asking for more");
	replica_appended(&r, 101);
	replica_progress(&r, 2, 100, 0, 20, 100 * LAG);
	replica_appended(&r, 102);
	replica_progress(&r, 2, 101, 0, 20, 100 * LAG + 500);
	replica_isr_check(&r, 101 * LAG);
	is_int(r.asking, REPLICA_STANDS, "never at the end, but not far behind it either");
	is_int(replica_isr_next_check(&r, 101 * LAG), 101 * LAG + 1, "it has until then");
	replica_isr_check(&r, 101 * LAG + 1);
	ok(proposal_is(&r, 1, 0, 0), "it had what was all a lag time ago, and no more");
	replica_free(&r);
}

static void waits_for_who_is_near(void)
{
	struct replica r;
	begin(&r, 1);
	broker[1].leaving = true;
	replica_progress(&r, 2, 100, 0, 20, 10);
	broker[1].leaving = false;
	replica_appended(&r, 110);
	replica_flushed(&r, 110);
	is_int(r.high_watermark, 100, "who had all just now and may come in is waited for");
	is_int(replica_isr_next_check(&r, 10), 10 + LAG + 1, "not for ever");
	broker[1].fenced = true;
	replica_isr_check(&r, 20);
	is_int(r.high_watermark, 110, "nor when it may not");
	replica_free(&r);

	begin(&r, 1);
	broker[1].leaving = true;
	replica_progress(&r, 2, 100, 0, 20, 10);
	broker[1].leaving = false;
	replica_appended(&r, 110);
	replica_flushed(&r, 110);
	replica_isr_check(&r, 10 + LAG + 1);
	is_int(r.high_watermark, 110, "it was too slow");
	replica_free(&r);
}

static void refusals(void)
{
	static const struct {
		int error;
		enum replica_asking then;
	} v[] = {
		{WIRE_INELIGIBLE_REPLICA, REPLICA_STANDS},
		{WIRE_OPERATION_NOT_ATTEMPTED, REPLICA_STANDS},
		{WIRE_FENCED_LEADER_EPOCH, REPLICA_UNSURE},
		{WIRE_INVALID_UPDATE_VERSION, REPLICA_UNSURE},
		{WIRE_INVALID_REQUEST, REPLICA_UNSURE},
		{WIRE_UNKNOWN_TOPIC_OR_PARTITION, REPLICA_UNSURE},
		{WIRE_UNKNOWN_TOPIC_ID, REPLICA_UNSURE},
		{WIRE_NEW_LEADER_ELECTED, REPLICA_UNSURE},
		{WIRE_NOT_CONTROLLER, REPLICA_WANTED},
		{WIRE_UNKNOWN_SERVER_ERROR, REPLICA_WANTED},
	};
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		struct replica r;
		begin(&r, 1);
		replica_progress(&r, 2, 100, 0, 20, 10);
		uint32_t asked = replica_isr_sent(&r);
		answer(&r, asked + 1, v[i].error, 0, 0);
		is_int(r.asking, REPLICA_SENT, "an answer to something else");
		answer(&r, asked, v[i].error, 0, 0);
		is_int(r.asking, v[i].then, "%s", wire_error_name(v[i].error));
		replica_appended(&r, 110);
		replica_flushed(&r, 110);
		is_int(r.high_watermark, 100, "the larger set still counts");
		lead(&r, 5, 8, all, 1, 20);
		is_int(r.asking, REPLICA_STANDS, "the metadata settles it");
		replica_follow(&r, 6, 9);
		is_int(r.asking, REPLICA_STANDS, "a follower asks for nothing");
		replica_free(&r);
	}
}

/* An earlier life of the leader may have asked for more than the metadata says so far. */
static void resumes(void)
{
	struct replica_assignment a = {5, 7, all, all, 3, 2, true};
	struct replica r;
	replica_init(&r, 1);
	r.brokers = &brokers;
	replica_opened(&r, 0, 100, 50);
	replica_lead(&r, &a, 100, 0);
	ok(proposal_is(&r, 2, 2, REPLICA_EPOCH_NOT_GIVEN), "the ISR as it is known is asked for");
	replica_progress(&r, 2, 100, 0, 20, 10);
	is_int(r.high_watermark, 50, "until then all replicas count");
	uint32_t asked = replica_isr_sent(&r);
	answer(&r, asked, WIRE_INELIGIBLE_REPLICA, 0, 0);
	is_int(r.asking, REPLICA_UNSURE, "a refusal does not settle it");
	lead(&r, 5, 8, all, 2, 20);
	is_int(r.high_watermark, 100, "a new partition epoch does");
	replica_free(&r);
	a.isr_n = 3;
	replica_init(&r, 1);
	replica_lead(&r, &a, 100, 0);
	is_int(r.asking, REPLICA_STANDS, "there can be no more than all");
	replica_free(&r);
}

static void low_watermark(void)
{
	struct replica r;
	begin(&r, 3);
	is_int(replica_low_watermark(&r), -1, "nobody has told its log start");
	replica_progress(&r, 2, 100, 4, 20, 10);
	replica_log_start(&r, 6);
	is_int(replica_low_watermark(&r), -1, "one has not");
	broker[2].fenced = true;
	is_int(replica_low_watermark(&r), 4, "a fenced broker is not asked");
	replica_free(&r);
}

int main(void)
{
	grows();
	not_eligible();
	old_life();
	shrinks();
	waits_for_who_is_near();
	refusals();
	resumes();
	low_watermark();
	return done_testing();
}
