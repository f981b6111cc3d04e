/* A whole cluster in a simulated world: the steps of elect, logappend and replicate in one process,
 * a seed that decides what is lost, late, doubled, cut off, stopped and killed; see sim/sim.h.
 *
 *     SEED=n the first seed; COUNT=n seeds; TRACE=1 what happens
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/sim.h"
#include "tap.h"

enum {
	TURBULENT_MS = 40000, HEAL_MS = 90000, MORE = 3,
#ifdef __SANITIZE_ADDRESS__
	COUNT = 500,
#else
	COUNT = 10000,
#endif
};

static void begin(uint64_t seed)
{
	world_begin(seed);
	world.nodes_n = chance(4) ? 3 : 4;
	world.voters_n = VOTERS;
	world.flush_os = chance(4) == 0;
	world.elr = world.flush_os || chance(2);
	world.min_insync = world.flush_os || chance(3) ? 2 : 1;
	for (int i = 0; i < TOPICS; i++)
		world.unclean[i] = chance(8) == 0;
	truth_begin();
	for (int i = 0; i < world.nodes_n; i++) {
		struct node *n = &nodes[i];

		n->id = i;
		n->previous_epoch = -1;
		n->directory.b[0] = 1;
		n->directory.b[15] = (uint8_t)(200 + i);
		n->settings.node.id = i;
		strcpy(n->settings.node.cluster_id, "simulated");
		n->settings.node.directory = n->directory;
		n->elect.saved.leader = n->elect.saved.voted.id = -1;
		for (int k = 0; k < PARTITIONS; k++)
			n->store.parts[k].promised = -1;
	}
	for (int i = 0; i < world.nodes_n; i++)
		machine_boot(&nodes[i]);
	faults_begin();
	clients_begin();
}

/* A controller is there, everybody knows what it knows, and every broker may serve. */
static bool metadata_settled(void)
{
	const struct node *active = elect_active();

	for (int i = 0; active && i < world.nodes_n; i++) {
		const struct meta_broker *b = meta_broker(&truth_image, i);

		if (!nodes[i].away
		    && (nodes[i].elect.q.high_watermark != active->elect.end || !b || b->fenced)) {
			trace("%d knows metadata up to %lld of %lld, %s", i,
			      (long long)nodes[i].elect.q.high_watermark,
			      (long long)active->elect.end, b && !b->fenced ? "serves" : "fenced");
			return false;
		}
	}
	return active;
}

static void heal(void)
{
	long before[PARTITIONS];
	bool done = false;
	int64_t until = world.now + HEAL_MS;

	faults_end();
	for (int i = 0; i < PARTITIONS; i++)
		before[i] = clients_acknowledged(i);
	while (!done && !*world.wrong && world.now < until) {
		world_run(world.now + 500);
		done = metadata_settled();
		for (int i = 0; i < PARTITIONS; i++)
			trace("partition %d: %ld acknowledged since, %s, %s", i,
			      clients_acknowledged(i) - before[i],
			      truth_all_in_sync(i) ? "all in sync" : "not all in sync",
			      truth_can_live(i) ? "lives" : "cannot live");
		for (int i = 0; i < PARTITIONS; i++)
			done = done && (!truth_can_live(i) || (clients_acknowledged(i) >= before[i] + MORE
						      && truth_all_in_sync(i)));
	}
	for (int i = 0; i < PARTITIONS && !done; i++)
		if (truth_can_live(i) && clients_acknowledged(i) < before[i] + MORE)
			wrong("partition %d: no progress after all was healed", i);
		else if (truth_can_live(i) && !truth_all_in_sync(i))
			wrong("partition %d: not all in sync after all was healed", i);
	if (!done && !metadata_settled())
		wrong("no progress of the metadata after all was healed");
}

static void end(void)
{
	for (int i = 0; i < world.nodes_n; i++) {
		elect_die(&nodes[i]);
		store_die(&nodes[i]);
		for (int k = 0; k < PARTITIONS; k++)
			epochs_free(&nodes[i].store.parts[k].epochs);
	}
	truth_end();
	world_end();
}

/* An assertion of the code: which world was it? */
static void aborted(int signal)
{
	char line[64];
	int n = snprintf(line, sizeof line, "# SEED=%llu COUNT=1: an assertion\n",
			 (unsigned long long)world.seed);

	if (write(1, line, (size_t)n) == n)
		_exit(1);
}

int main(void)
{
	const char *s = getenv("SEED"), *c = getenv("COUNT");
	uint64_t seed = s ? strtoull(s, NULL, 10) : 1;
	long count = c ? atol(c) : COUNT, bad = 0;
	long events = 0, elections = 0, commits = 0, records = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	world.tracing = getenv("TRACE") != NULL;
	signal(SIGABRT, aborted);
	for (long i = 0; i < count && bad < 5; i++) {
		begin(seed + (uint64_t)i);
		world_run(world.now + TURBULENT_MS);
		if (!*world.wrong)
			heal();
		truth_final();
		if (*world.wrong && ++bad)
			printf("# SEED=%llu COUNT=1: after %lld ms: %s\n",
			       (unsigned long long)world.seed, (long long)world.now, world.wrong);
		events += world.events;
		elections += world.elections;
		commits += world.commits;
		records += world.records;
		end();
	}
	ok(bad == 0,
	   "%ld worlds from seed %llu: %ld events, %ld elections of the quorum, %ld metadata records, "
	   "%ld records committed",
	   count, (unsigned long long)seed, events, elections, commits, records);
	return done_testing();
}
