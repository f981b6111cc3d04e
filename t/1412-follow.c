/* lib/replica/follow and pull: each rule by itself, then two logs with random histories of epochs,
 * where the follower becomes what the leader is. */
#include "log/batch.h"
#include "log/epochs.h"
#include "replica/follow.h"
#include "replica/pull.h"
#include "wire/codes.h"
#include "tap.h"

static struct replica follower(int64_t start, int64_t end, int64_t hw)
{
	struct replica r;
	replica_init(&r, 2);
	replica_opened(&r, start, end, hw);
	replica_follow(&r, 7, 0);
	return r;
}

static void judge(void)
{
	struct replica r = follower(3, 10, 7);
	struct follow_answer a = {.asked_epoch = 7, .asked_offset = 10, .diverging_epoch = -1,
	                          .first_offset = -1};
	int64_t to = -1;
	is_int(follow_judge(&r, &a, &to), FOLLOW_APPEND, "nothing new is an answer too");
	a.first_offset = 10;
	is_int(follow_judge(&r, &a, &to), FOLLOW_APPEND, "records");
	a.first_offset = 15;
	is_int(follow_judge(&r, &a, &to), FOLLOW_APPEND, "behind a gap");
	a.first_offset = 9;
	is_int(follow_judge(&r, &a, &to), FOLLOW_STALE, "what is there already");
	a.asked_offset = 9;
	is_int(follow_judge(&r, &a, &to), FOLLOW_STALE, "asked from elsewhere");
	a.asked_offset = 10;
	a.asked_epoch = 6;
	is_int(follow_judge(&r, &a, &to), FOLLOW_STALE, "asked in another epoch");
	a.asked_epoch = 7;
	a.diverging_epoch = 5;
	is_int(follow_judge(&r, &a, &to), FOLLOW_CUT, "diverging");

	a.diverging_end = 8;
	is_int(follow_cut_to(&r, &a, 5, 9), 8, "the leader's end of a common epoch");
	is_int(follow_cut_to(&r, &a, 5, 6), 6, "the own end of it");
	is_int(follow_cut_to(&r, &a, 4, 5), 5, "an epoch that is not known: the end of the one before");
	is_int(follow_cut_to(&r, &a, -1, -1), 8, "none that old is known");
	a.diverging_end = 80;
	is_int(follow_cut_to(&r, &a, -1, -1), 10, "never beyond the end");
	replica_cut(&r, 5);
	is_int(r.high_watermark, 5, "the high watermark goes with what was cut");
	replica_free(&r);

	r = follower(10, 10, 10);
	a = (struct follow_answer){.asked_epoch = 7, .asked_offset = 10, .diverging_epoch = -1,
	                           .first_offset = 8, .first_last_offset = 12};
	is_int(follow_judge(&r, &a, &to), FOLLOW_RESTART, "an empty log begins with a whole batch");
	is_int(to, 8, "where that begins");
	follow_restarted(&r, 8);
	is_int(r.log_end + r.log_start + r.flushed + r.high_watermark, 32, "everything is there");
	is_int(follow_start(&r, 10), 8, "the log start waits for the high watermark");
	replica_appended(&r, 13);
	replica_flushed(&r, 13);
	replica_told(&r, 12);
	is_int(follow_start(&r, 10), 10, "and follows the leader's");
	replica_free(&r);
}

static void bounds(void)
{
	struct replica r = follower(3, 10, 7);
	struct follow_answer a = {.asked_epoch = 7, .asked_offset = 10, .diverging_epoch = -1,
	                          .first_offset = -1};
	int64_t to = -1;
	is_int(follow_out_of_range(&r, &a, 0, 6, &to), FOLLOW_CUT, "the leader ends earlier");
	is_int(to, 6, "there");
	is_int(follow_out_of_range(&r, &a, 20, 30, &to), FOLLOW_RESTART, "it begins later");
	is_int(to, 20, "there");
	is_int(follow_out_of_range(&r, &a, 5, 30, &to), FOLLOW_STALE, "it has it by now");
	is_int(follow_out_of_range(&r, &a, 5, 4, &to), FOLLOW_STALE, "nonsense");
	a.asked_epoch = 6;
	is_int(follow_out_of_range(&r, &a, 20, 30, &to), FOLLOW_STALE, "of another epoch");
	replica_free(&r);
}

static void fit(void)
{
	struct replica r = follower(0, 0, 0);
	struct buf b = {0};
	size_t ends[3];
	for (int i = 0; i < 3; i++) {
		struct batch_builder w;
		batch_begin(&w, &b, i, 6 + i, 0, -1, -1, -1);
		batch_add(&w, 1000, SPAN_NULL, span_of("x"), NULL, 0);
		batch_end(&w);
		ends[i] = b.n;
	}
	is_int(follow_fit(&r, b.p, b.n), ends[1], "nothing of a later epoch");
	is_int(follow_fit(&r, b.p, ends[1] - 1), ends[0], "whole batches");
	buf_free(&b);
	replica_free(&r);
}

static void pulls(void)
{
	struct pull p = {.state = PULL_OFF, .leader = -1, .epoch = -1};
	struct page_slot s = {.role = PAGE_FOLLOWER, .epoch = 3, .log_end = 10, .flushed = 10};
	ok(!pull_look(&p, &s, 2, 1, 2, 4), "metadata is ahead of the page");
	is_int(p.state, PULL_OFF, "nobody is asked");
	ok(pull_look(&p, &s, 2, 1, 2, 3), "both agree");
	is_int(p.state, PULL_READY, "ready");
	pull_asked(&p);
	is_int(p.asked.offset, 10, "asked from its end");
	ok(!pull_look(&p, &s, 2, 1, 2, 3), "nothing new");
	is_int(p.state, PULL_ASKED, "it waits");
	ok(pull_answered(&p, 0, 100, 1000), "an answer is handed over");
	s.log_end = 20;
	pull_look(&p, &s, 3, 1, 2, 3);
	is_int(p.state, PULL_HANDED, "until logappend says that it is done");
	pull_done(&p, 0, 100, 1000);
	pull_look(&p, &s, 3, 1, 2, 3);
	is_int(p.state, PULL_FLUSHING, "then the disk is waited for");
	s.flushed = 20;
	pull_look(&p, &s, 3, 1, 2, 3);
	is_int(p.state, PULL_READY, "and it asks again");
	pull_asked(&p);
	ok(!pull_answered(&p, WIRE_KAFKA_STORAGE_ERROR, 100, 1000), "an error");
	is_int(p.state, PULL_PAUSED, "pauses");
	ok(!pull_wake(&p, 104), "not over");
	ok(pull_wake(&p, 105), "over");
	pull_asked(&p);
	pull_answered(&p, WIRE_NOT_LEADER_OR_FOLLOWER, 200, 8);
	is_int(p.until, 208, "longer each time, up to the most");
	s.epoch = 4;
	ok(pull_look(&p, &s, 3, 1, 3, 4), "a new leader");
	is_int(p.state, PULL_READY, "ends the pause");
	is_int(p.leader, 3, "of that one it asks");
	pull_asked(&p);
	ok(!pull_answered(&p, WIRE_OFFSET_OUT_OF_RANGE, 300, 1000), "out of range");
	is_int(p.state, PULL_BOUNDS, "the bounds are asked for");
	pull_lost(&p);
	is_int(p.state, PULL_READY, "a connection that is lost begins again");
	s.role = PAGE_LEADER;
	pull_look(&p, &s, 3, 1, 1, 4);
	is_int(p.state, PULL_OFF, "a leader asks nobody");
	pull_look(&p, NULL, -1, 1, 1, 4);
	is_int(p.state, PULL_OFF, "nor does what is gone");
}

/* --- two logs, a leader epoch for each record ------------------------------------------------- */

enum { MOST = 60 };
struct history {
	int32_t epoch[MOST];
	int n;
	struct epochs e;
};

static void append(struct history *h, int32_t epoch)
{
	epochs_assign(&h->e, epoch, h->n);
	h->epoch[h->n++] = epoch;
}

static void copy(struct history *to, const struct history *from)
{
	to->n = 0;
	to->e = (struct epochs){0};
	for (int i = 0; i < from->n; i++)
		append(to, from->epoch[i]);
}

/* Who fetches with an epoch learns where it parts (Partition.readRecords). */
static bool diverges(const struct history *leader, const struct replica *r, int32_t last_epoch,
                     struct follow_answer *a)
{
	if (last_epoch < 0)
		return false;
	epochs_end(&leader->e, last_epoch, leader->n, &a->diverging_epoch, &a->diverging_end);
	if (a->diverging_epoch >= 0
	    && (a->diverging_epoch < last_epoch || a->diverging_end < r->log_end))
		return true;
	a->diverging_epoch = -1;
	return false;
}

static bool converge(struct history *leader, struct history *own)
{
	struct replica r;
	replica_init(&r, 2);
	replica_opened(&r, 0, own->n, 0);
	replica_follow(&r, 99, 0);
	for (int round = 0; round < 2 * MOST; round++) {
		struct follow_answer a = {.asked_epoch = 99, .asked_offset = own->n,
		                          .diverging_epoch = -1, .first_offset = -1};
		int64_t to = -1, end = -1;
		int32_t epoch = -1;
		if (!diverges(leader, &r, epochs_last(&own->e), &a)) {
			if (own->n >= leader->n)
				break;
			a.first_offset = a.first_last_offset = own->n;
		}
		if (follow_judge(&r, &a, &to) == FOLLOW_CUT) {
			epochs_end(&own->e, a.diverging_epoch, own->n, &epoch, &end);
			own->n = (int)follow_cut_to(&r, &a, epoch, end);
			epochs_cut_end(&own->e, own->n);
			replica_cut(&r, own->n);
		} else {
			append(own, leader->epoch[own->n]);
			replica_appended(&r, own->n);
		}
	}
	replica_free(&r);
	return own->n == leader->n
	       && !memcmp(own->epoch, leader->epoch, (size_t)own->n * sizeof *own->epoch);
}

static void histories(void)
{
	bool good = true;
	tap_seed();
	for (int i = 0; i < 20000 && good; i++) {
		struct history common = {0}, a, b;
		int32_t epoch = 0;
		for (int n = (int)tap_random(20); n > 0; n--)
			append(&common, epoch += tap_random(4) == 0);
		copy(&a, &common);
		copy(&b, &common);
		/* each epoch after that was one's or the other's */
		for (int n = (int)tap_random(6); n > 0; n--) {
			epoch++;
			struct history *h = tap_random(2) ? &a : &b;
			for (int k = (int)tap_random(5); k > 0; k--)
				append(h, epoch);
			if (tap_random(3) == 0)
				epochs_assign(&h->e, epoch + 1, h->n);
			epoch++;
		}
		append(&a, epoch + 1);
		good = converge(&a, &b);
		epochs_free(&common.e);
		epochs_free(&a.e);
		epochs_free(&b.e);
	}
	ok(good, "the follower becomes what the leader is");
}

int main(void)
{
	judge();
	bounds();
	fit();
	pulls();
	histories();
	return done_testing();
}
