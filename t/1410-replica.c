/* lib/replica: each event by itself, then random events against a model that keeps nothing but
 * the whole history. */
#include "replica/replica.h"
#include "wire/codes.h"
#include "tap.h"

static int done(struct replica *r)
{
	struct replica_wait *w = replica_done(r);
	return w ? w->error : 12345;
}

enum { NOTHING = 12345 };

static int32_t partition_epoch;

/* A new state of the partition, as each change has a new partition epoch. */
static int lead(struct replica *r, int32_t epoch, int64_t start, const int32_t *replicas, int n,
                const int32_t *isr, int isr_n)
{
	struct replica_assignment a = {epoch, ++partition_epoch, replicas, isr, n, isr_n, false};
	return replica_lead(r, &a, start, 0);
}

static int progress(struct replica *r, int32_t id, int64_t end, int64_t start)
{
	return replica_progress(r, id, end, start, REPLICA_EPOCH_NOT_GIVEN, 0);
}

static void alone(void)
{
	struct replica r;
	struct replica_wait a, b, c;
	int32_t self = 1;
	replica_init(&r, self);
	replica_opened(&r, 3, 10, 7);
	is_int(r.high_watermark, 7, "the high watermark from before");
	is_int(lead(&r, 4, r.log_end, &self, 1, &self, 1), 0, "leader");
	is_int(r.high_watermark, 10, "alone in the ISR: all that is flushed is committed");
	is_int(r.epoch_start, 10, "where the epoch began");
	replica_appended(&r, 15);
	is_int(r.high_watermark, 10, "appended is not committed");
	is_int(replica_park(&r, &a, REPLICA_COMMITTED, 15, 1000), 0, "park");
	replica_park(&r, &b, REPLICA_COMMITTED, 12, 900);
	is_int(done(&r), NOTHING, "nothing is done");
	is_int(replica_next_tick(&r), 900, "the first deadline");
	replica_flushed(&r, 12);
	is_int(r.high_watermark, 12, "flushed is");
	is_int(done(&r), 0, "the smaller offset is done");
	is_int(done(&r), NOTHING, "the larger is not");
	replica_tick(&r, 999);
	is_int(done(&r), NOTHING, "nor late");
	replica_tick(&r, 1000);
	is_int(done(&r), WIRE_REQUEST_TIMED_OUT, "now it is late");
	replica_park(&r, &a, REPLICA_COMMITTED, 12, 2000);
	is_int(done(&r), 0, "what is committed already is done at once");
	replica_park(&r, &a, REPLICA_TRIMMED, 5, 2000);
	is_int(done(&r), NOTHING, "log start is 3");
	replica_log_start(&r, 5);
	is_int(done(&r), 0, "trimmed");
	replica_flushed(&r, 15);
	replica_appended(&r, 20);
	replica_flushed(&r, 20);
	is_int(r.last_stable, 5, "the last stable offset waits to be told");
	replica_stable(&r, 16);
	is_int(r.last_stable, 16, "an open transaction holds it back");
	replica_stable(&r, 20);
	replica_appended(&r, 21);
	replica_park(&r, &a, REPLICA_COMMITTED, 21, 3000);
	replica_park(&r, &b, REPLICA_COMMITTED, 21, 3000);
	replica_park(&r, &c, REPLICA_COMMITTED, 21, 3000);
	replica_cancel(&r, &b);
	replica_follow(&r, 5, ++partition_epoch);
	is_int(done(&r), WIRE_NOT_LEADER_OR_FOLLOWER, "no leader any more");
	is_int(done(&r), WIRE_NOT_LEADER_OR_FOLLOWER, "for each that was not cancelled");
	is_int(done(&r), NOTHING, "and no other");
	is_int(replica_next_tick(&r), INT64_MAX, "no deadline is left");
	replica_cut(&r, 18);
	ok(r.high_watermark == 18 && r.last_stable == 18, "a follower is cut");
	replica_appended(&r, 25);
	replica_told(&r, 24);
	is_int(r.high_watermark, 18, "a follower commits what it has on disk");
	replica_flushed(&r, 25);
	replica_told(&r, 24);
	is_int(r.high_watermark, 24, "as far as its leader did");
	replica_stable(&r, 24);
	struct page_slot s;
	replica_slot(&r, &s);
	ok(s.role == PAGE_FOLLOWER && s.epoch == 5 && s.log_end == 25 && s.flushed == 25
	   && s.high_watermark == 24 && s.last_stable == 24 && s.log_start == 5, "its slot");
	replica_free(&r);
	replica_init(&r, self);
	r.min_insync = 2;
	replica_opened(&r, 0, 0, 0);
	lead(&r, 0, 0, &self, 1, &self, 1);
	ok(replica_enough(&r), "a single replica is enough whatever min.insync.replicas is");
	replica_free(&r);
}

static void three(void)
{
	struct replica r;
	struct replica_wait a, b;
	int32_t all[] = {2, 1, 3};
	replica_init(&r, 1);
	r.min_insync = 2;
	replica_opened(&r, 0, 10, 4);
	lead(&r, 1, r.log_end, all, 3, all, 3);
	is_int(r.high_watermark, 4, "followers are not known yet");
	progress(&r, 2, 10, 0);
	progress(&r, 9, 10, 0);
	is_int(r.high_watermark, 4, "one of two");
	progress(&r, 3, 8, 0);
	is_int(r.high_watermark, 8, "the slowest decides");
	replica_appended(&r, 12);
	replica_flushed(&r, 12);
	replica_park(&r, &a, REPLICA_COMMITTED, 10, 100);
	int32_t two[] = {1, 2};
	lead(&r, 1, r.log_end, all, 3, two, 2);
	is_int(r.high_watermark, 10, "the slowest is out of the ISR");
	is_int(done(&r), 0, "two are enough");
	replica_park(&r, &a, REPLICA_COMMITTED, 12, 100);
	lead(&r, 1, r.log_end, all, 3, two, 1);
	is_int(r.high_watermark, 10, "one is not, and commits nothing");
	is_int(done(&r), NOTHING, "so that the append waits");
	is_int(replica_isr_n(&r), 1, "size of the set");
	r.min_insync = 1;
	lead(&r, 1, r.log_end, all, 3, two, 1);
	is_int(r.high_watermark, 12, "when one is to be enough it commits");
	is_int(done(&r), 0, "and the append is done");
	r.min_insync = 2;
	replica_park(&r, &a, REPLICA_COMMITTED, 12, 100);
	is_int(done(&r), WIRE_NOT_ENOUGH_REPLICAS_AFTER_APPEND, "too few since the append");
	replica_log_start(&r, 6);
	replica_park(&r, &b, REPLICA_TRIMMED, 6, 100);
	is_int(done(&r), NOTHING, "every replica must trim");
	progress(&r, 2, 12, 6);
	is_int(done(&r), NOTHING, "every one");
	progress(&r, 3, 12, 7);
	is_int(done(&r), 0, "all did");
	lead(&r, 2, r.log_end, all, 3, all, 3);
	replica_appended(&r, 14);
	replica_flushed(&r, 14);
	is_int(r.high_watermark, 12, "a new epoch asks all followers again");
	is_int(r.epoch_start, 12, "and began later");
	struct replica_assignment old = {2, partition_epoch - 1, all, two, 3, 1, false};
	replica_lead(&r, &old, 12, 0);
	is_int(replica_isr_n(&r), 3, "a state that is older says nothing");
	old.partition_epoch++;
	replica_lead(&r, &old, 12, 0);
	is_int(replica_isr_n(&r), 3, "nor the one that is in force");
	replica_park(&r, &a, REPLICA_COMMITTED, 14, 100);
	replica_offline(&r, WIRE_KAFKA_STORAGE_ERROR);
	is_int(done(&r), WIRE_KAFKA_STORAGE_ERROR, "offline");
	replica_free(&r);
}

/* --- the model: everything that was ever said, and the definitions ---------------------------- */

enum { NODES = 4, WAITS = 4000 };
struct model {
	bool leader, known[NODES], isr[NODES], replica[NODES];
	int32_t epoch;
	int64_t log_start, log_end, flushed, hw, stable, end[NODES], start[NODES], now;
	int min_insync;
	struct parked {
		struct replica_wait w;
		bool open, trimmed;
		int64_t offset, deadline;
	} waits[WAITS];
	int waits_n;
};

static int model_isr(const struct model *m)
{
	int n = 1;
	for (int i = 1; i < NODES; i++)
		n += m->replica[i] && m->isr[i];
	return n;
}

static int model_least(const struct model *m)
{
	int all = 1;
	for (int i = 1; i < NODES; i++)
		all += m->replica[i];
	return m->min_insync < all ? m->min_insync : all;
}

static void model_settle(struct model *m)
{
	if (!m->leader) return;
	int64_t end = m->flushed;
	if (model_isr(m) < model_least(m)) return;
	for (int i = 1; i < NODES; i++) {
		if (!m->replica[i] || !m->isr[i]) continue;
		if (!m->known[i]) return;
		if (m->end[i] < end) end = m->end[i];
	}
	if (end > m->hw) m->hw = end;
}

static int64_t model_low(const struct model *m)
{
	int64_t low = m->log_start;
	for (int i = 1; i < NODES; i++)
		if (m->replica[i] && (m->known[i] ? m->start[i] : -1) < low)
			low = m->known[i] ? m->start[i] : -1;
	return low;
}

/* Expected end of a wait after the last event, or NOTHING. fail: the event made all fail. */
static int model_ends(const struct model *m, const struct parked *p, int fail)
{
	if (fail) return fail;
	int64_t at = p->trimmed ? model_low(m) : m->hw;
	if (at >= p->offset) {
		bool few = !p->trimmed && model_isr(m) < model_least(m);
		return few ? WIRE_NOT_ENOUGH_REPLICAS_AFTER_APPEND : 0;
	}
	return NOTHING;
}

static long compare(struct replica *r, struct model *m, int fail, bool tick)
{
	long bad = 0;
	int want[WAITS];
	for (int i = 0; i < m->waits_n; i++) {
		struct parked *p = &m->waits[i];
		want[i] = !p->open ? NOTHING
		          : tick && p->deadline <= m->now ? WIRE_REQUEST_TIMED_OUT
		          : model_ends(m, p, fail);
		if (p->open && want[i] != NOTHING) p->open = false;
		else want[i] = NOTHING;
	}
	for (struct replica_wait *w; (w = replica_done(r));) {
		int i = (int)((struct parked *)w - m->waits);
		bad += want[i] != w->error;
		want[i] = NOTHING;
	}
	for (int i = 0; i < m->waits_n; i++)
		bad += want[i] != NOTHING;
	bad += r->high_watermark != m->hw || r->flushed != m->flushed || r->log_end != m->log_end;
	bad += r->last_stable != (m->stable < m->log_start ? m->log_start : m->stable);
	bad += r->log_start != m->log_start || r->epoch != m->epoch;
	bad += (r->role == PAGE_LEADER) != m->leader;
	return bad;
}

static void lead_one(struct replica *r, struct model *m, int32_t epoch)
{
	int32_t replicas[NODES], isr[NODES];
	int n = 0, k = 0;
	bool again = m->leader && epoch == m->epoch;
	replicas[n++] = isr[k++] = 0;
	for (int i = 1; i < NODES; i++) {
		bool was = again && m->replica[i];
		m->replica[i] = tap_random(4) != 0;
		m->isr[i] = m->replica[i] && tap_random(2);
		if (!was || !m->replica[i]) m->known[i] = false;
		if (m->replica[i]) replicas[n++] = i;
		if (m->isr[i]) isr[k++] = i;
	}
	m->leader = true;
	m->epoch = epoch;
	lead(r, epoch, m->log_end, replicas, n, isr, k);
	model_settle(m);
}

static void park(struct replica *r, struct model *m)
{
	if (m->waits_n == WAITS || !m->leader) return;
	struct parked *p = &m->waits[m->waits_n++];
	p->open = true;
	p->trimmed = tap_random(5) == 0;
	p->offset = p->trimmed ? m->log_start + (int64_t)tap_random(3)
	                       : m->log_end - (int64_t)tap_random(5);
	p->deadline = m->now + (int64_t)tap_random(50);
	replica_park(r, &p->w, p->trimmed ? REPLICA_TRIMMED : REPLICA_COMMITTED, p->offset,
	             p->deadline);
}

static long one_event(struct replica *r, struct model *m)
{
	int fail = 0, node = 1 + (int)tap_random(NODES - 1);
	bool tick = false;
	switch (tap_random(13)) {
	case 0: case 1:
		m->log_end += (int64_t)tap_random(10);
		replica_appended(r, m->log_end);
		break;
	case 2: case 3:
		m->flushed += (int64_t)tap_random((uint64_t)(m->log_end - m->flushed) + 1);
		replica_flushed(r, m->flushed);
		model_settle(m);
		break;
	case 4: case 5:
		m->now += (int64_t)tap_random(5);
		tick = true;
		replica_tick(r, m->now);
		break;
	case 6: case 7: {
		int64_t end = (int64_t)tap_random((uint64_t)m->log_end + 1);
		int64_t start = (int64_t)tap_random((uint64_t)m->log_start + 2);
		progress(r, node, end, start);
		if (!m->leader || !m->replica[node]) break;
		m->known[node] = true;
		m->end[node] = end;
		m->start[node] = start;
		model_settle(m);
		break;
	}
	case 8:
		if (tap_random(3) == 0)
			lead_one(r, m, m->epoch + (m->leader ? (int32_t)tap_random(2) : 1));
		break;
	case 9:
		if (tap_random(8)) break;
		m->leader = false;
		m->epoch++;
		fail = WIRE_NOT_LEADER_OR_FOLLOWER;
		replica_follow(r, m->epoch, ++partition_epoch);
		break;
	case 10:
		m->log_start += (int64_t)tap_random((uint64_t)(m->hw - m->log_start) + 1);
		replica_log_start(r, m->log_start);
		break;
	case 11:
		park(r, m);
		break;
	case 12:
		m->stable += (int64_t)tap_random((uint64_t)(m->hw - m->stable) + 1);
		replica_stable(r, m->stable);
		break;
	}
	return compare(r, m, fail, tick);
}

static void random_events(void)
{
	static struct model m;
	long bad = 0, events = 0, parked = 0;
	tap_seed();
	for (int round = 0; round < 200 && !bad; round++) {
		struct replica r;
		memset(&m, 0, sizeof m);
		m.epoch = -1;
		replica_init(&r, 0);
		r.min_insync = m.min_insync = 1 + (int)tap_random(3);
		replica_opened(&r, 0, 0, 0);
		for (int i = 0; i < 1000 && !bad; i++, events++)
			bad += one_event(&r, &m);
		parked += m.waits_n;
		replica_offline(&r, WIRE_KAFKA_STORAGE_ERROR);
		while (replica_done(&r)) continue;
		replica_free(&r);
	}
	diag("%ld events, %ld waits", events, parked);
	is_int(bad, 0, "the step does what the definitions say");
}

int main(void)
{
	alone();
	three();
	random_events();
	return done_testing();
}
