/* elect among others: real processes of elect, dial and gate elect a leader, go on when some of
 * them die or stop, and lose nothing that was acknowledged. VOTERS=n (3), ROUNDS=n kills. */
#include "voters.h"

static int64_t value = 1000;

static int number(const char *name, int missing)
{
	return getenv(name) ? atoi(getenv(name)) : missing;
}

static int others(const struct node *n)
{
	return n == &nodes[0] ? 1 : 0;
}

static int32_t epoch_of(struct node *n)
{
	struct describe_quorum_response r;

	return describe(n, &r, 1000) == 0 ? r.topics[0].partitions[0].leader_epoch : -1;
}

/* From now to the next change that is acknowledged. */
static int gap(int ms)
{
	int64_t began = port_now_ms();

	return put(++value, ms) ? (int)(port_now_ms() - began) : INT_MAX;
}

static void test_start(void)
{
	struct describe_quorum_response r;
	const struct describe_quorum_response_partition_data *p;
	int64_t began = port_now_ms();
	struct node *n;

	for (int i = 0; i < voters_n; i++) {
		node_follow(&nodes[i]);
		node_start(&nodes[i]);
	}
	n = leader_within(10000);
	ok(n != NULL, "one leads");
	printf("# after %d ms\n", (int)(port_now_ms() - began));
	ok(put(++value, 5000), "a change is acknowledged");
	ok(everywhere(value, 5000), "and seen on all nodes");
	is_int(put_at(&nodes[others(leader())], 5, 1000), WIRE_NOT_CONTROLLER,
	       "who does not lead changes nothing");
	n = leader();
	ok(n && describe(n, &r, 1000) == 0, "the leader describes the quorum");
	p = r.topics[0].partitions;
	ok(p->current_voters_n == voters_n && p->observers_n == 0 && r.nodes_n == voters_n
		   && r.nodes[1].listeners_n == 1 && r.nodes[1].listeners[0].port == nodes[1].port,
	   "all voters, and where they are");
	for (int i = 0; i < 200; i++)
		if (!put(++value, 5000))
			break;
	printf("# 200 changes in %d ms\n", (int)(port_now_ms() - began));
	ok(everywhere(value, 5000) && agree(), "one after the other, the same everywhere");
}

static void test_kill_leader(void)
{
	struct node *n = leader();
	int32_t epoch = epoch_of(n);
	int ms;

	node_kill(n);
	ms = gap(10000);
	ok(ms < 5000, "kill -9 of the leader's node: another one leads");
	printf("# after %d ms\n", ms);
	ok(leader() != n && epoch_of(leader()) > epoch, "in a new epoch");
	node_start(n);
	ok(put(++value, 5000) && everywhere(value, 10000), "the old one comes back and follows");
	n = leader();
	end(n, ELECT, SIGKILL);
	node_start(n);
	ms = gap(10000);
	ok(ms < 5000, "kill -9 of the leader's elect alone, which starts again at once");
	printf("# after %d ms\n", ms);
	node_start(n);
	n = leader();
	end(n, ELECT, SIGTERM);
	ms = gap(10000);
	ok(ms < 5000, "a clean stop of the leader");
	printf("# after %d ms\n", ms);
	node_start(n);
	ok(everywhere(value, 10000) && agree(), "nothing is lost");
}

static void test_followers(void)
{
	struct node *n = leader(), *f = &nodes[others(n)];

	node_kill(f);
	is_int(put_at(n, ++value, 1000), 0, "a follower is dead: the others go on");
	for (int i = 0; i < voters_n; i++)
		if (&nodes[i] != n)
			node_kill(&nodes[i]);
	ok(put_at(n, ++value, 1000) != 0, "alone the leader acknowledges nothing");
	for (int i = 0; i < voters_n; i++)
		node_start(&nodes[i]);
	ok(put(++value, 10000) && everywhere(value, 10000) && agree(), "all are back");
}

static void test_all(void)
{
	int ms;

	for (int i = 0; i < voters_n; i++)
		node_signal(&nodes[i], SIGSTOP);
	for (int i = 0; i < voters_n; i++)
		node_kill(&nodes[i]);
	for (int i = 0; i < voters_n; i++)
		node_start(&nodes[i]);
	ms = gap(10000);
	ok(ms < 8000, "all are killed at once, and start again");
	printf("# after %d ms\n", ms);
	ok(everywhere(value, 10000) && agree(), "nothing is lost");
}

static bool stepped_down(void *arg)
{
	struct describe_quorum_response r;

	return describe(arg, &r, 1000) == WIRE_NOT_LEADER_OR_FOLLOWER;
}

static void test_stop(void)
{
	struct node *n = leader();
	int ms;

	node_signal(n, SIGSTOP);
	n->pid[ELECT] = -n->pid[ELECT]; /* not asked who leads */
	last_leader = NULL;
	ms = gap(15000);
	ok(ms < 8000, "the leader's node is stopped: another one leads");
	printf("# after %d ms\n", ms);
	n->pid[ELECT] = -n->pid[ELECT];
	node_signal(n, SIGCONT);
	ok(until(stepped_down, n, 5000), "awake again, it does not lead");
	ok(put(++value, 5000) && everywhere(value, 10000) && agree(), "and follows");
}

/* The leader is cut off with records that nobody else has: it must give them up. */
static void test_divergence(void)
{
	struct node *n = leader();

	end(n, GATE, SIGKILL); /* nobody fetches from it any more */
	put_at(n, 77, 300);
	put_at(n, 78, 300);
	n->pid[ELECT] = -n->pid[ELECT];
	last_leader = NULL;
	ok(put(++value, 15000), "who cannot be reached does not lead for long");
	n->pid[ELECT] = -n->pid[ELECT];
	node_start(n);
	ok(put(++value, 5000) && everywhere(value, 10000), "it is back");
	ok(agree(), "and saw the same as all others");
	for (int i = 0; i < n->seen_n; i++)
		if (n->seen[i] == 77 || n->seen[i] == 78) {
			ok(0, "what it alone had was never shown");
			return;
		}
	ok(1, "what it alone had was never shown");
	node_kill(n);
	node_start(n);
	ok(put(++value, 5000) && everywhere(value, 10000), "nor is it in its log after a restart");
}

static void test_rounds(int rounds)
{
	uint64_t seed = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 10)
				       : (uint64_t)port_now_ms();
	int longest = 0;

	printf("# SEED=%llu\n", (unsigned long long)seed);
	for (int i = 0; i < rounds; i++) {
		struct node *n;
		int ms;

		seed = seed * 6364136223846793005 + 1442695040888963407;
		n = &nodes[(seed >> 33) % (unsigned)voters_n];
		if (seed >> 40 & 1)
			node_kill(n);
		else
			end(n, ELECT, SIGKILL);
		if (!(seed >> 40 & 1) && seed >> 42 & 1)
			node_start(n);
		for (int k = 0; k < 5; k++) {
			ms = gap(20000);
			longest = ms > longest ? ms : longest;
		}
		node_start(n);
		if (seed >> 41 & 1)
			everywhere(value, 10000);
	}
	ok(longest < 20000, "%d kills", rounds);
	printf("# longest gap %d ms\n", longest);
	ok(put(++value, 10000) && everywhere(value, 20000) && agree(), "nothing is lost");
}

int main(void)
{
	setup("voters", 21500 + (int)(getpid() % 20) * 20, number("VOTERS", 3));
	test_start();
	test_kill_leader();
	test_followers();
	test_all();
	test_stop();
	test_divergence();
	test_rounds(number("ROUNDS", 6));
	return done_testing();
}
