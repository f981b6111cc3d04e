/* What a change of role means here: quorum-state, the first records of an epoch, answers that are
 * not to come. */
#include <stdio.h>
#include <string.h>

#include <skalibs/strerr.h>

#include "base/reserve.h"
#include "elect.h"
#include "meta/record.h"
#include "others.h"
#include "voters.h"

/* What must be written to go on, a vote or the begin of an epoch, has room as long as there is
 * something set aside. */
void make_room(struct elect *e)
{
	if (!store_is_full() || reserve_use(RESERVE) < 0)
		die_store(e);
	e->reserve_ms = port_now_ms() + ROOM_MS;
}

/* --- control records: i16 type, value, framed by u32 length as store_append wants them --- */

static void put_control(struct buf *b, int type, int version, const struct wire_type *t,
			const void *record)
{
	size_t at = b->n;

	if (buf_add32(b, 0) < 0 || buf_add16(b, (uint16_t)type) < 0
	    || wire_encode(t, version, record, b, NULL) < 0)
		strerr_diefu1sys(111, "make a control record");
	put32(b->p + at, (uint32_t)(b->n - at - 4));
}

static void put_leader_change(struct elect *e, struct buf *b)
{
	struct leader_change_message m;
	struct leader_change_message_voter v[QUORUM_VOTERS_MAX], granting[QUORUM_VOTERS_MAX];
	int n = 0;

	wire_init(&wire_leader_change_message, &m);
	for (int i = 0; i < e->quorum.voters_n; i++) {
		wire_init(&wire_leader_change_message_voter, &v[i]);
		v[i].voter_id = e->quorum.voters[i].key.id;
		if (e->quorum.voters[i].vote == QUORUM_GRANTED)
			granting[n++] = v[i];
	}
	m.leader_id = e->quorum.self.id;
	m.voters = v;
	m.voters_n = e->quorum.voters_n;
	m.granting_voters = granting;
	m.granting_voters_n = n;
	put_control(b, META_LEADER_CHANGE, 0, &wire_leader_change_message, &m);
}

/* The first batch of an epoch: who leads, and the voters when the log does not have them as they
 * are (LeaderState). */
static void begin_epoch(struct elect *e)
{
	struct kraft_version_record version;
	struct buf b = { 0 }, voters = { 0 };

	put_leader_change(e, &b);
	if (e->voters.n > 0) {
		voters_with_self(e, &voters);
		if (log_end(e->store.log) == 0 || voters.n != e->voters.n
		    || memcmp(voters.p, e->voters.p, voters.n) != 0) {
			wire_init(&wire_kraft_version_record, &version);
			version.kraft_version = meta_feature_level(&e->image, "kraft.version");
			put_control(&b, META_KRAFT_VERSION, 0, &wire_kraft_version_record, &version);
			if (buf_add32(&b, (uint32_t)voters.n + 2) < 0
			    || buf_add16(&b, META_KRAFT_VOTERS) < 0
			    || buf_add(&b, voters.p, voters.n) < 0)
				strerr_diefu1sys(111, "make a control record");
		}
	}
	while (elect_append_control(e, &b) < 0)
		make_room(e);
	buf_free(&b);
	buf_free(&voters);
}

/* --- activation (ActivationRecordsGenerator) --- */

static int keep_value(void *arg, struct span value)
{
	struct buf *b = arg;

	if (buf_add32(b, (uint32_t)value.n) < 0)
		return -1;
	return buf_add(b, value.p, (size_t)value.n);
}

static int count_value(void *arg, struct span value)
{
	(*(int *)arg)++;
	return 0;
}

static void append(struct elect *e, const struct buf *values, int n)
{
	while (elect_append(e, values, n) < 0)
		make_room(e);
}

static void abort_transaction(struct elect *e)
{
	struct buf b = { 0 };
	struct abort_transaction_record r;

	wire_init(&wire_abort_transaction_record, &r);
	r.reason = span_of("the leader changed");
	if (buf_add32(&b, 0) < 0 || meta_record_encode(&b, META_ABORT_TRANSACTION, 0, &r) < 0)
		strerr_diefu1sys(111, "make a record");
	put32(b.p, (uint32_t)b.n - 4);
	append(e, &b, 1);
	buf_free(&b);
}

/* The content of the first snapshot goes into the log too: that snapshot is never replicated. */
static void write_first(struct elect *e)
{
	struct buf b = { 0 };
	int n = 0;

	if (meta_feature_level(&e->image, "metadata.version") == 0
	    && meta_image_feature(&e->image, span_of("metadata.version"), META_LEVEL_NEW) < 0)
		strerr_diefu1sys(111, "make an image");
	if (meta_image_records(&e->image, count_value, &n) < 0
	    || meta_image_records(&e->image, keep_value, &b) < 0)
		strerr_diefu1sys(111, "make the first records");
	append(e, &b, n);
	buf_free(&b);
}

static void lead(struct elect *e)
{
	bool first = e->snapshot_end == 0 && e->records == 0;

	begin_epoch(e);
	elect_commit(e);
	voters_look(e);
	controller_activated(&e->controller, port_now_ms());
	if (e->lost_leader >= 0) /* whose node has most likely died with it */
		broker_lost(&e->controller, e->lost_leader, port_now_ms());
	if (e->load.in_transaction)
		abort_transaction(e);
	if (first)
		write_first(e);
	elect_commit(e);
}

/* Whether what was answered to will be committed is for the next leader to see. */
static void refuse_waiting(struct elect *e)
{
	for (int i = 0; i < e->waiting_n; i++) {
		struct waiting *w = &e->waiting[i];
		struct buf b = { 0 };

		if (w->end <= e->quorum.high_watermark)
			elect_send(e, w->from, w->answer.p, w->answer.n);
		else if (controller_refuse(w->key, w->version, &w->answer, &b) < 0)
			port_answer(e->loop, w->from, PORT_CLOSE, 0, NULL, 0);
		else
			elect_send(e, w->from, b.p, b.n);
		buf_free(&b);
		buf_free(&w->answer);
	}
	e->waiting_n = 0;
}

static void say_role(const struct elect *e, int32_t epoch, int32_t leader)
{
	char at[16], who[16];

	if (e->quorum.voters_n == 1 && quorum_is_voter(&e->quorum))
		return;
	if (e->quorum.epoch == epoch && e->quorum.leader == leader)
		return;
	snprintf(at, sizeof at, "%d", e->quorum.epoch);
	snprintf(who, sizeof who, "%d", e->quorum.leader);
	if (e->quorum.role == QUORUM_RESIGNED)
		strerr_warni("epoch ", at, ": this node led it, and does not any more");
	else if (e->quorum.leader >= 0)
		strerr_warni("epoch ", at, ": node ", who, " leads");
	else
		strerr_warni("epoch ", at, ": no leader is known");
}

void elect_quorum(struct elect *e, const struct quorum_event *ev, struct quorum_todo *todo)
{
	struct quorum_todo mine;
	int32_t epoch = e->quorum.epoch, leader = e->quorum.leader;

	if (!todo)
		todo = &mine;
	quorum_step(&e->quorum, ev, todo);
	while (todo->save && store_state_write(&e->store, &e->quorum, e->voters.n > 0 ? 1 : 0) < 0)
		make_room(e);
	say_role(e, epoch, leader);
	if (todo->save || todo->lost)
		pull_again(e);
	if (todo->lost) {
		refuse_waiting(e);
		fetch_refuse(e);
	}
	others_tell(e, todo);
	if (todo->begin)
		lead(e);
}
