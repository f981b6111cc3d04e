/* elect is killed at random moments while topics are made: nothing that was acknowledged is lost.
 * With $ELECT_DIR the node's directory is left there; $TOPICS is how many topics to make, $KILLS
 * how many kills. */
#include "elect.h"

static int topics_n = 60, kills = 12;

static bool settled(void *arg)
{
	return port_is_up(elect_client);
}

struct killer {
	struct port_timer timer;
	bool fired;
};

static void strike(void *arg)
{
	struct killer *k = arg;

	if (elect_pid > 0)
		kill(elect_pid, SIGKILL);
	k->fired = true;
}

static void revive(struct killer *k)
{
	if (!k->fired)
		return;
	k->fired = false;
	elect_end(SIGKILL);
	must(elect_spawn(), "elect does not start again");
	must(elect_until(settled, NULL, 5000) && elect_until(elect_is_unfenced, NULL, 5000),
	     "not unfenced");
}

/* Makes topic i until it is there, whatever happens to elect meanwhile. */
static void make(int i, struct killer *k)
{
	char name[32];
	int code = -100;

	snprintf(name, sizeof name, "crash.%d", i);
	while (code != 0 && code != WIRE_TOPIC_ALREADY_EXISTS) {
		code = elect_create(name, 1 + i % 5, 1, false);
		revive(k);
	}
}

static bool all_there(void *arg)
{
	struct meta_image *m = arg;
	char name[32];

	for (int i = 0; i < topics_n; i++) {
		struct meta_topic *t;

		snprintf(name, sizeof name, "crash.%d", i);
		t = meta_topic_named(m, span_of(name));
		if (!t || t->partitions_n != 1 + i % 5)
			return false;
		for (int p = 0; p < t->partitions_n; p++)
			if (!meta_partition(t, p))
				return false;
	}
	return true;
}

/* Every partition of every topic has this node as its leader. */
static bool all_lead(void *arg)
{
	struct meta_image *m = arg;
	struct meta_topic *t;
	size_t at = 0;

	while ((t = map_next(&m->topics_by_id, &at)))
		for (int32_t i = 0; i < t->partitions_n; i++)
			if (t->partitions[i].leader != 1 || t->partitions[i].isr_n != 1)
				return false;
	return true;
}

int main(void)
{
	static const struct meta_follow_ops ops;
	static struct meta_follow *anew;
	struct killer k = { .timer = { .fn = strike } };

	k.timer.arg = &k;
	tap_seed();
	if (getenv("TOPICS"))
		topics_n = atoi(getenv("TOPICS"));
	if (getenv("KILLS"))
		kills = atoi(getenv("KILLS"));
	elect_directory("5610-elect-crash", getenv("PORT") ? atoi(getenv("PORT")) : 20550);
	ok(elect_spawn(), "elect starts");
	elect_connect(true);
	ok(elect_until(elect_is_unfenced, NULL, 5000), "unfenced");
	for (int i = 0; i < topics_n; i++) {
		if (kills > 0 && (int)tap_random((uint64_t)topics_n) < kills * 2) {
			port_timer_set(elect_loop, &k.timer,
				       port_now_ms() + (int64_t)tap_random(4));
			kills--;
		}
		make(i, &k);
	}
	port_timer_stop(elect_loop, &k.timer);
	ok(elect_until(all_there, meta_follow_image(elect_serve_follow), 5000),
	   "every topic is there, whole");
	elect_end(SIGKILL);
	ok(elect_spawn(), "starts after the last kill");
	anew = meta_follow_new(elect_loop, "run/elect", "metaserve", &ops, NULL);
	ok(elect_until(all_there, meta_follow_image(anew), 5000),
	   "and to one who reads the log anew");
	ok(elect_until(all_lead, meta_follow_image(anew), 5000), "every partition has its leader");
	if (getenv("STOP"))
		is_int(elect_end(SIGTERM), 0, "a clean end");
	else
		elect_end(SIGKILL);
	return done_testing();
}
