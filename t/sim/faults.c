/* What goes wrong: programs and machines that die, stop or jump in time, links that are cut. */
#include <string.h>

#include "sim.h"

static struct event weather, restarts[NODES], elect_restarts[NODES], store_restarts[NODES];

/* --- life of a machine --- */

static void boot(struct event *e)
{
	int i = (int)(e - restarts);

	if (!nodes[i].away)
		machine_boot(&nodes[i]);
}

static void boot_elect(struct event *e)
{
	int i = (int)(e - elect_restarts);

	if (!nodes[i].elect.up && !nodes[i].away && !restarts[i].node.place)
		elect_boot(&nodes[i]);
}

static void boot_store(struct event *e)
{
	int i = (int)(e - store_restarts);

	if (!nodes[i].store.up && !nodes[i].away && !restarts[i].node.place)
		store_boot(&nodes[i]);
}

void machine_boot(struct node *n)
{
	for (int i = 0; i < 16; i++)
		n->incarnation.b[i] = (uint8_t)chance(256);
	n->skew = between(0, 100000) + (n->skew > 0 ? n->skew : 0);
	n->stopped_until = 0;
	elect_boot(n);
	if (n->elect.up) /* it may have died of its first vote */
		store_boot(n);
}

/* Batches of the metadata log are there whole or not at all. */
static void lose_metadata(struct elector *k)
{
	int64_t end = between(k->flushed, k->end);

	while (end > k->flushed && !k->log[end - 1].last)
		end--;
	k->end = end;
}

void machine_die(struct node *n)
{
	trace("%d: the machine dies", n->id);
	elect_die(n);
	store_die(n);
	store_lose(n);
	lose_metadata(&n->elect);
	memset(&n->incarnation, 0, sizeof n->incarnation);
	n->previous_epoch = -1;
	at(&restarts[n->id], world.now + between(10, chance(4) ? 3000 : 20000), boot);
}

void machine_stop(struct node *n)
{
	trace("%d stops in order", n->id);
	n->previous_epoch = n->elect.agent.epoch;
	store_stop(n);
	elect_die(n);
	n->elect.flushed = n->elect.end;
	store_lose(n);
	memset(&n->incarnation, 0, sizeof n->incarnation);
	at(&restarts[n->id], world.now + between(10, 5000), boot);
}

/* --- weather --- */

static void cut_links(void)
{
	int a = (int)chance((uint64_t)world.nodes_n), b = (int)chance((uint64_t)world.nodes_n);
	int way = (int)chance(4);

	trace("links are cut: %d %d, kind %d", a, b, way);
	for (int i = 0; i < world.nodes_n; i++)
		switch (way) {
		case 0: world.blocked[a][b] = a != b; break;
		case 1: world.blocked[a][b] = world.blocked[b][a] = a != b; break;
		case 2: world.blocked[a][i] = world.blocked[i][a] = i != a; break;
		default: world.blocked[a][i] = i != a; break;
		}
}

static void heal_links(void)
{
	trace("links are healed");
	memset(world.blocked, 0, sizeof world.blocked);
}

static void kill_one(struct node *n)
{
	switch (chance(3)) {
	case 0:
		elect_die(n);
		at(&elect_restarts[n->id], world.now + between(1, 3000), boot_elect);
		break;
	case 1:
		store_die(n);
		at(&store_restarts[n->id], world.now + between(1, 3000), boot_store);
		break;
	default: machine_die(n);
	}
}

static void on_weather(struct event *e)
{
	struct node *n = &nodes[chance((uint64_t)world.nodes_n)];

	at(e, world.now + between(1, 3000), on_weather);
	switch (chance(8)) {
	case 0: cut_links(); break;
	case 1:
	case 2: heal_links(); break;
	case 3:
	case 4: kill_one(n); break;
	case 5:
		n->stopped_until = world.now + between(10, chance(3) ? 1500 : 20000);
		trace("%d stops for %lld ms", n->id, (long long)(n->stopped_until - world.now));
		break;
	case 6:
		n->skew += between(1, 15000);
		trace("%d: the clock jumps", n->id);
		break;
	default:
		if (n->elect.up && n->store.up && chance(2))
			elect_leave(n);
		break;
	}
}

void faults_begin(void)
{
	at(&weather, world.now + between(1, 3000), on_weather);
}

void faults_end(void)
{
	int gone = chance(2) ? (int)chance((uint64_t)world.nodes_n) : -1;

	trace("all is healed, %d stays away", gone);
	world.turbulent = false;
	never(&weather);
	heal_links();
	for (int i = 0; i < world.nodes_n; i++) {
		struct node *n = &nodes[i];

		never(&restarts[i]);
		never(&elect_restarts[i]);
		never(&store_restarts[i]);
		n->stopped_until = 0;
		n->away = i == gone;
		if (n->away) {
			elect_die(n);
			store_die(n);
		} else if (uuid_is_zero(&n->incarnation)) {
			machine_boot(n);
		} else {
			if (!n->elect.up)
				elect_boot(n);
			if (!n->store.up)
				store_boot(n);
		}
	}
}
