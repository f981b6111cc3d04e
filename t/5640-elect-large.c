/* elect with ten thousand partitions: one request that takes a transaction, followers behind a
 * snapshot, a restart as another incarnation. */
#include "elect.h"

static int create_ten(void)
{
	struct create_topics_request q;
	struct create_topics_request_creatable_topic t[10];
	struct create_topics_response r;
	static char names[10][16];
	int good = 0;

	wire_init(&wire_create_topics_request, &q);
	q.topics = t;
	q.topics_n = 10;
	q.timeout_ms = 30000;
	for (int i = 0; i < 10; i++) {
		snprintf(names[i], sizeof names[i], "large-%d", i);
		wire_init(&wire_create_topics_request_creatable_topic, &t[i]);
		t[i].name = span_of(names[i]);
		t[i].num_partitions = 1000;
		t[i].replication_factor = 1;
	}
	if (elect_call(19, 7, &q, &r) != 0)
		return -1;
	for (int i = 0; i < r.topics_n; i++)
		good += r.topics[i].error_code == 0;
	return good;
}

static int partitions(const struct meta_image *m, int32_t leader)
{
	struct meta_topic *t;
	size_t at = 0;
	int n = 0;

	while ((t = map_next(&m->topics_by_id, &at)))
		for (int32_t i = 0; i < t->partitions_n; i++)
			n += t->partitions[i].replicas && t->partitions[i].leader == leader;
	return n;
}

static bool all_lead(void *arg)
{
	return partitions(meta_follow_image(arg), 1) == 10000;
}

static bool none_lead(void *arg)
{
	return partitions(meta_follow_image(arg), -1) == 10000;
}

static int resets;
static void on_reset(void *ctx, struct meta_image *m)
{
	resets++;
}

int main(void)
{
	static const struct meta_follow_ops ops = { .reset = on_reset };
	static struct meta_follow *late;
	int64_t began;

	elect_directory("5640-elect-large", 20580);
	ok(elect_spawn(), "elect starts");
	elect_connect(true);
	ok(elect_until(elect_is_unfenced, NULL, 5000), "unfenced");
	began = port_now_ms();
	is_int(create_ten(), 10, "ten topics of a thousand partitions in one request");
	diag("made in %d ms", (int)(port_now_ms() - began));
	ok(all_lead(elect_serve_follow), "all there when it is answered");
	elect_end(SIGKILL);
	unlink("run/incarnation");
	setenv("metadata.log.max.record.bytes.between.snapshots", "1000", 1);
	began = port_now_ms();
	ok(elect_spawn(), "elect starts as another incarnation");
	diag("ready in %d ms", (int)(port_now_ms() - began));
	ok(elect_until(none_lead, elect_serve_follow, 5000) || all_lead(elect_serve_follow),
	   "leaders go");
	ok(elect_until(elect_is_unfenced, NULL, 5000)
		   && elect_until(all_lead, elect_serve_follow, 5000),
	   "and come back");
	diag("unfenced after %d ms", (int)(port_now_ms() - began));
	late = meta_follow_new(elect_loop, "run/elect", "late", &ops, NULL);
	ok(elect_until(all_lead, late, 5000), "one who comes late sees all of it");
	is_int(resets, 1, "by a snapshot");
	is_int(elect_create("after", 1, 1, false), 0, "and the log goes on");
	is_int(elect_end(SIGTERM), 0, "a clean end");
	ok(elect_spawn(), "elect starts from its snapshot");
	ok(elect_until(elect_is_unfenced, NULL, 5000), "unfenced");
	is_int(elect_create("after", 1, 1, false), WIRE_TOPIC_ALREADY_EXISTS, "it knows all of it");
	is_int(elect_end(SIGTERM), 0, "a clean end");
	return done_testing();
}
