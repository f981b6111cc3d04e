/* The quorum step in a simulated world: several voters in one process, a seed that decides what is
 * lost, late, doubled, cut off, stopped and killed. COUNT=n seeds from SEED=s on; VERBOSE=1 tells
 * what happens. */
#include "../cmd/elect/leader.c"
#include "../cmd/elect/quorum.c"
#include "../cmd/elect/votes.c"
#include <stdio.h>
#include <stdlib.h>

#include "tap.h"

enum {
	NODES = 5, LOG = 4096, FLIGHT = 4096, EPOCHS = 4096,
	TURBULENT_MS = 6000, HEAL_MS = 10000,
};

struct entry {
	int32_t epoch;
	int64_t value; /* 0: the record that begins an epoch */
};
struct node {
	struct quorum q;
	struct entry log[LOG];
	int64_t end, flushed, committed;
	struct {
		int32_t epoch, leader;
		struct quorum_key voted;
	} saved;
	int64_t flush_ms, fetch_ms, stopped_until; /* INT64_MAX: not due */
	bool up;
	int fetching; /* number of the fetch in flight; answers to older ones are dropped */
};
struct letter {
	int64_t at;
	int from, to;
	bool answer;
	struct quorum_event e;
	int fetch;
	struct quorum_key keys[NODES];
	int64_t base; /* fetch answer: where the entries belong; cut: the log must be cut to it first */
	bool cut;
	int32_t cut_epoch;
	int n;
	struct entry entries[64];
};

static uint64_t rnd_state;
static struct node nodes[NODES];
static int nodes_n;
static bool blocked[NODES][NODES];
static struct letter flight[FLIGHT];
static int flight_n;
static int64_t now, value;
static struct entry committed[LOG];
static int32_t committed_in[LOG]; /* epoch of who was the first to know */
static int64_t committed_n;
static int leader_of[EPOCHS];
static bool turbulent, verbose;
static const char *wrong;
static uint64_t seed_now;
static long elections, commits;

static uint64_t rnd(uint64_t n)
{
	uint64_t z = (rnd_state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (z ^ (z >> 31)) % n;
}

static bool chance(int in_thousand)
{
	return turbulent && rnd(1000) < (uint64_t)in_thousand;
}

static void fail(const char *what)
{
	if (!wrong)
		wrong = what;
}

static int32_t epoch_at(const struct node *n, int64_t end)
{
	return end > 0 ? n->log[end - 1].epoch : 0;
}

/* --- the network --- */

static void post(struct letter *l)
{
	int copies = chance(20) ? 2 : 1;

	if (blocked[l->from][l->to] || chance(20))
		return;
	while (copies-- > 0 && flight_n < FLIGHT) {
		l->at = now + 1 + (int64_t)rnd(turbulent ? 40 : 5) + (chance(10) ? (int64_t)rnd(800) : 0);
		flight[flight_n++] = *l;
	}
}

static void act(int i, struct quorum_event *e, struct letter *asked);

static void crash(int i)
{
	struct node *n = &nodes[i];

	if (verbose)
		printf("# %ld: %d dies in epoch %d\n", (long)now, i, n->q.epoch);
	n->up = false;
	n->end = n->flushed + (int64_t)rnd((uint64_t)(n->end - n->flushed + 1));
	n->flushed = n->end;
}

static void send_messages(int i, const struct quorum_todo *todo)
{
	struct node *n = &nodes[i];

	for (int m = 0; m < todo->messages_n; m++) {
		static struct letter l;

		l = (struct letter){ .from = i, .to = todo->messages[m].to.id };
		l.e = (struct quorum_event){ .type = todo->messages[m].type,
					     .from = n->q.self,
					     .to = todo->messages[m].to,
					     .epoch = n->q.epoch,
					     .leader = n->q.leader,
					     .end = n->end,
					     .log_epoch = epoch_at(n, n->end),
					     .pre = n->q.role == QUORUM_PROSPECTIVE };
		if (l.e.type == QUORUM_END) {
			struct quorum_key keys[QUORUM_VOTERS_MAX];

			l.e.keys_n = quorum_successors(&n->q, keys);
			memcpy(l.keys, keys, sizeof *keys * (size_t)l.e.keys_n);
		}
		post(&l);
	}
}

/* --- the log of a node --- */

static void append(struct node *n, int32_t epoch, int64_t v)
{
	if (n->end == LOG)
		return;
	n->log[n->end++] = (struct entry){ epoch, v };
	if (n->flush_ms == INT64_MAX)
		n->flush_ms = now + (int64_t)rnd(20);
}

static void tell_end(int i, int64_t high_watermark)
{
	struct quorum_event e = { .type = QUORUM_APPENDED,
				  .now_ms = now,
				  .end = nodes[i].end,
				  .log_epoch = epoch_at(&nodes[i], nodes[i].end),
				  .high_watermark = high_watermark };

	act(i, &e, NULL);
}

/* What a node holds committed is what the world knows to be committed. */
static void check_committed(struct node *n)
{
	if (n->q.high_watermark < n->committed)
		fail("the high watermark fell");
	for (int64_t at = n->committed < 0 ? 0 : n->committed; at < n->q.high_watermark; at++) {
		if (at >= n->end) {
			fail("committed beyond the log");
			return;
		}
		if (at == committed_n) {
			committed_in[at] = n->q.epoch;
			committed[committed_n++] = n->log[at];
		} else if (committed[at].epoch != n->log[at].epoch
			 || committed[at].value != n->log[at].value)
			fail("what was committed has changed");
		commits++;
	}
	n->committed = n->q.high_watermark;
}

static void check_leader(int i)
{
	struct node *n = &nodes[i];

	if (n->q.epoch < EPOCHS && leader_of[n->q.epoch] >= 0 && leader_of[n->q.epoch] != i)
		fail("two leaders in an epoch");
	if (n->q.epoch < EPOCHS)
		leader_of[n->q.epoch] = i;
	/* One elected in an epoch that is over already knows nothing of later ones. */
	for (int64_t at = 0; at < committed_n; at++)
		if (committed_in[at] < n->q.epoch
		    && (at >= n->end || n->log[at].value != committed[at].value
			|| n->log[at].epoch != committed[at].epoch))
			fail("a leader lacks what was committed before its epoch");
	elections++;
	if (verbose)
		printf("# %ld: %d leads epoch %d from %ld\n", (long)now, i, n->q.epoch,
		       (long)n->end);
}

static void reply(int i, const struct letter *asked, const struct quorum_todo *todo)
{
	static struct letter l;
	struct node *n = &nodes[i];
	static const enum quorum_event_type answers[] = { [QUORUM_VOTE] = QUORUM_VOTED,
							  [QUORUM_BEGIN] = QUORUM_BEGUN,
							  [QUORUM_END] = QUORUM_ENDED,
							  [QUORUM_FETCH] = QUORUM_FETCHED };

	l = (struct letter){ .from = i, .to = asked->from, .answer = true, .fetch = asked->fetch };
	l.e = (struct quorum_event){ .type = answers[asked->e.type],
				     .from = n->q.self,
				     .epoch = n->q.epoch,
				     .leader = n->q.leader,
				     .error = todo->error,
				     .pre = asked->e.pre,
				     .granted = todo->granted,
				     .high_watermark = n->q.high_watermark };
	if (asked->e.type == QUORUM_FETCH && !todo->error) {
		int64_t at = asked->e.end;

		l.base = at;
		l.cut = !asked->e.valid;
		if (l.cut) {
			l.base = n->end;
			while (l.base > 0 && n->log[l.base - 1].epoch > asked->e.log_epoch)
				l.base--;
			l.cut_epoch = epoch_at(n, l.base);
		} else {
			int most = chance(500) ? 1 : 64;

			while (l.n < most && at < n->end)
				l.entries[l.n++] = n->log[at++];
		}
	}
	post(&l);
}

/* One event of a node, and all that it asks for. */
static void act(int i, struct quorum_event *e, struct letter *asked)
{
	struct node *n = &nodes[i];
	struct quorum_todo todo;

	quorum_step(&n->q, e, &todo);
	if (todo.save && chance(50)) { /* dies before, or after, it is on disk */
		if (rnd(2)) {
			n->saved.epoch = n->q.epoch;
			n->saved.leader = n->q.leader;
			n->saved.voted = n->q.voted;
		}
		crash(i);
		return;
	}
	if (todo.save) {
		n->saved.epoch = n->q.epoch;
		n->saved.leader = n->q.leader;
		n->saved.voted = n->q.voted;
		n->fetching++;
		n->fetch_ms = now;
	}
	send_messages(i, &todo);
	check_committed(n);
	if (asked && !asked->answer)
		reply(i, asked, &todo);
	if (todo.begin) {
		check_leader(i);
		append(n, n->q.epoch, 0);
		tell_end(i, -1);
	}
	if (n->up && ((todo.granted && !e->pre) || todo.begin || n->q.role == QUORUM_CANDIDATE)
	    && chance(100))
		crash(i); /* what it said is on its way, what it knew must be on disk */
}

/* --- what happens to a node --- */

static void receive_records(int i, const struct letter *l)
{
	struct node *n = &nodes[i];

	if (l->cut) {
		int64_t end = n->end;

		while (end > 0 && n->log[end - 1].epoch > l->cut_epoch)
			end--;
		if (l->base < end)
			end = l->base;
		if (end < n->q.high_watermark)
			fail("cut below the high watermark");
		n->end = end;
		if (n->flushed > end)
			n->flushed = end;
		tell_end(i, -1);
	} else if (l->base == n->end) {
		for (int k = 0; k < l->n; k++)
			append(n, l->entries[k].epoch, l->entries[k].value);
		tell_end(i, l->e.high_watermark);
	}
}

static void deliver(struct letter *l)
{
	struct node *n = &nodes[l->to];

	if (!n->up) {
		/* A connection to a dead program is refused: its caller hears of that. */
		struct quorum_event e = { .type = QUORUM_LOST, .now_ms = now,
					  .from = { .id = l->to } };

		if (!l->answer && nodes[l->from].up && !blocked[l->to][l->from])
			act(l->from, &e, NULL);
		return;
	}
	l->e.now_ms = now;
	l->e.keys = l->keys;
	if (l->e.type == QUORUM_FETCH)
		l->e.valid = l->e.end <= n->end && epoch_at(n, l->e.end) == l->e.log_epoch;
	if (l->e.type == QUORUM_FETCHED) {
		struct quorum_todo todo;

		if (l->fetch != n->fetching)
			return;
		n->fetch_ms = now + 1 + (l->n || l->cut ? 0 : (int64_t)rnd(60));
		n->fetching++;
		quorum_step(&n->q, &l->e, &todo);
		if (todo.save) {
			n->saved.epoch = n->q.epoch;
			n->saved.leader = n->q.leader;
			n->saved.voted = n->q.voted;
		}
		check_committed(n);
		if (todo.accept)
			receive_records(l->to, l);
		return;
	}
	act(l->to, &l->e, l);
}

static void fetch(int i)
{
	static struct letter l;
	struct node *n = &nodes[i];
	int to = n->q.role == QUORUM_FOLLOWER ? n->q.leader : (int)rnd((uint64_t)nodes_n);

	if (n->q.role == QUORUM_LEADER || n->q.role == QUORUM_RESIGNED || to == i) {
		n->fetch_ms = now + 30;
		return;
	}
	if (n->flushed < n->end) /* only what is on disk is asked beyond */
		return;
	n->fetching++;
	n->fetch_ms = now + 150;
	l = (struct letter){ .from = i, .to = to, .fetch = n->fetching };
	l.e = (struct quorum_event){ .type = QUORUM_FETCH, .from = n->q.self,
				     .epoch = n->q.epoch, .end = n->end,
				     .log_epoch = epoch_at(n, n->end) };
	post(&l);
}

static void boot(int i)
{
	struct node *n = &nodes[i];
	struct quorum_event e = { .type = QUORUM_START, .now_ms = now, .epoch = n->saved.epoch,
				  .leader = n->saved.leader, .from = n->saved.voted,
				  .end = n->end, .log_epoch = epoch_at(n, n->end) };
	struct quorum_key key = { .id = i, .directory = { { (uint8_t)(i + 1) } } };

	quorum_init(&n->q, key, (struct quorum_timeouts){ 150, 300, 150 }, rnd(1u << 30) + 1);
	for (int j = 0; j < nodes_n; j++) {
		key = (struct quorum_key){ .id = j, .directory = { { (uint8_t)(j + 1) } } };
		quorum_voter_add(&n->q, key);
	}
	n->up = true;
	n->committed = -1;
	n->flush_ms = INT64_MAX;
	n->fetch_ms = now;
	n->fetching++;
	act(i, &e, NULL);
}

static void flush(int i)
{
	struct node *n = &nodes[i];
	struct quorum_event e = { .type = QUORUM_FLUSHED, .now_ms = now, .end = n->end };

	n->flush_ms = INT64_MAX;
	n->flushed = n->end;
	act(i, &e, NULL);
}

static void turn(int i)
{
	struct node *n = &nodes[i];
	struct quorum_event e = { .type = QUORUM_TICK, .now_ms = now };

	if (!n->up) {
		if (!turbulent || chance(i & 1 ? 30 : 10))
			boot(i);
		return;
	}
	if (turbulent && now < n->stopped_until)
		return;
	if (chance(n->q.role == QUORUM_LEADER ? 2 : 1)) {
		crash(i);
		return;
	}
	if (n->flush_ms <= now)
		flush(i);
	if (n->up && quorum_due(&n->q) <= now)
		act(i, &e, NULL);
	if (n->up && n->fetch_ms <= now)
		fetch(i);
	if (n->up && n->q.role == QUORUM_LEADER && rnd(20) == 0 && n->end < LOG - 100) {
		append(n, n->q.epoch, ++value);
		tell_end(i, -1);
	}
	if (n->up && chance(1) && rnd(10) == 0)
		n->stopped_until = now + (int64_t)rnd(1500);
}

static void weather(void)
{
	int a = (int)rnd((uint64_t)nodes_n), b = (int)rnd((uint64_t)nodes_n);

	if (chance(2))
		blocked[a][b] = a != b;
	if (chance(1) && rnd(2)) /* a node alone */
		for (int i = 0; i < nodes_n; i++)
			blocked[a][i] = blocked[i][a] = i != a;
	if (chance(4))
		memset(blocked, 0, sizeof blocked);
}

static void post_office(void)
{
	for (int k = 0; k < flight_n;) {
		static struct letter l;

		l = flight[k];
		if (l.at > now || (turbulent && now < nodes[l.to].stopped_until)) {
			k++;
			continue;
		}
		flight[k] = flight[--flight_n];
		deliver(&l);
	}
}

static void run(int64_t until)
{
	while (now < until && !wrong) {
		now++;
		weather();
		post_office();
		for (int i = 0; i < nodes_n && !wrong; i++)
			turn(i);
	}
}

static bool all_agree(int64_t beyond)
{
	for (int i = 0; i < nodes_n; i++)
		if (!nodes[i].up || nodes[i].q.high_watermark < beyond)
			return false;
	return true;
}

static void world(uint64_t seed)
{
	int64_t beyond, until;

	seed_now = rnd_state = seed;
	nodes_n = rnd(2) ? 3 : 5;
	memset(nodes, 0, sizeof nodes);
	memset(blocked, 0, sizeof blocked);
	memset(leader_of, -1, sizeof leader_of);
	now = 1000;
	value = committed_n = flight_n = 0;
	turbulent = true;
	wrong = NULL;
	for (int i = 0; i < nodes_n; i++) {
		nodes[i].saved.leader = nodes[i].saved.voted.id = -1;
		boot(i);
	}
	run(now + TURBULENT_MS);
	turbulent = false;
	memset(blocked, 0, sizeof blocked);
	beyond = committed_n + 3;
	until = now + HEAL_MS;
	while (now < until && !wrong && !all_agree(beyond))
		run(now + 100);
	if (!all_agree(beyond))
		fail("no progress after all was healed");
}

int main(void)
{
	const char *s = getenv("SEED"), *c = getenv("COUNT");
	uint64_t seed = s ? strtoull(s, NULL, 10) : 1;
	long count = c ? atol(c) : 10000, bad = 0;

	verbose = getenv("VERBOSE") != NULL;
	for (long i = 0; i < count; i++) {
		world(seed + (uint64_t)i);
		if (wrong && bad++ < 5)
			printf("# SEED=%llu COUNT=1: %s at %ld ms\n",
			       (unsigned long long)seed_now, wrong, (long)now);
	}
	ok(bad == 0, "%ld worlds from seed %llu: %ld elections, %ld commits seen", count,
	   (unsigned long long)seed, elections, commits);
	return done_testing();
}
