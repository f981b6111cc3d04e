/* elect alone, driven over its port: life of the broker, topics, configs, restarts. */
#include "elect.h"

static const struct meta_topic *topic(const char *name)
{
	return meta_topic_named(meta_follow_image(elect_serve_follow), span_of(name));
}

static void test_topics(void)
{
	struct describe_quorum_request q;
	struct describe_quorum_request_topic_data t;
	struct describe_quorum_request_partition_data p;
	struct describe_quorum_response r;

	is_int(elect_create("first", 3, 1, true), 0, "validate only");
	ok(!topic("first"), "makes nothing");
	is_int(elect_create("first", 3, 1, false), 0, "create");
	ok(topic("first") && topic("first")->partitions_n == 3,
	   "and read it back at once: the answer waited for us");
	is_int(elect_create("first", 3, 1, false), WIRE_TOPIC_ALREADY_EXISTS, "again");
	is_int(elect_create("defaults", -1, -1, false), 0, "defaults");
	is_int(topic("defaults")->partitions_n, 1, "num.partitions");
	is_int(elect_create("two", 1, 2, false), WIRE_INVALID_REPLICATION_FACTOR,
	       "too many replicas");
	is_int(elect_create("bad/name", 1, 1, false), WIRE_INVALID_TOPIC_EXCEPTION,
	       "no topic name");
	wire_init(&wire_describe_quorum_request, &q);
	wire_init(&wire_describe_quorum_request_topic_data, &t);
	wire_init(&wire_describe_quorum_request_partition_data, &p);
	q.topics = &t;
	q.topics_n = 1;
	t.topic_name = span_of("__cluster_metadata");
	t.partitions = &p;
	t.partitions_n = 1;
	is_int(elect_call(55, 0, &q, &r), 0, "describe quorum");
	is_int(elect_call(55, 1, &q, &r), 0, "describe quorum, version 1");
	is_int(elect_call(55, 2, &q, &r), 0, "describe quorum, version 2");
	ok(r.error_code == 0 && r.topics[0].partitions[0].leader_id == 1, "we lead");
	ok(r.topics[0].partitions[0].high_watermark > 5
		   && r.topics[0].partitions[0].current_voters[0].log_end_offset
			      == r.topics[0].partitions[0].high_watermark,
	   "all is committed");
	ok(r.nodes_n == 1 && r.nodes[0].listeners_n == 1, "with its listener");
}

static void test_leaders(void)
{
	struct meta_partition *p = meta_partition(topic("first"), 2);

	ok(p && p->leader == 1 && p->leader_epoch == 0 && p->isr_n == 1 && p->directories_n == 1,
	   "partition");
}

static bool fenced(void *arg)
{
	return !elect_is_unfenced(NULL);
}

static bool leads(void *arg)
{
	struct meta_partition *p = meta_partition(topic("first"), 2);

	return p && p->leader == 1;
}

static bool gone_for_good(void *arg)
{
	return port_now_ms() > *(int64_t *)arg;
}

static void test_leases(void)
{
	struct meta_partition *p;
	int64_t end;
	pid_t child;
	int status;

	/* Another process takes the lease of logserve, and is stopped. */
	fflush(stdout);
	child = fork();
	if (child == 0) {
		static const struct meta_follow_ops ops;
		struct port_loop *l = port_loop_new();

		meta_follow_new(l, "run/elect", "logserve", &ops, NULL);
		for (;;)
			port_turn(l);
	}
	end = port_now_ms() + 500;
	elect_until(gone_for_good, &end, 2000);
	ok(elect_is_unfenced(NULL), "three programs live");
	kill(child, SIGSTOP);
	ok(elect_until(fenced, NULL, 6000), "one is stopped: fenced");
	p = meta_partition(topic("first"), 2);
	ok(p->leader == -1 && p->leader_epoch == 1 && p->isr_n == 1, "no leader, the ISR stays");
	is_int(elect_create("meanwhile", 1, 1, false), WIRE_INVALID_REPLICATION_FACTOR,
	       "no topic meanwhile");
	kill(child, SIGCONT);
	ok(elect_until(elect_is_unfenced, NULL, 6000), "it goes on: unfenced");
	ok(elect_until(leads, NULL, 1000) && meta_partition(topic("first"), 2)->leader_epoch == 2,
	   "and leads again");
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	ok(elect_until(fenced, NULL, 6000), "one is gone: fenced");
}

static bool new_epoch(void *arg)
{
	return meta_broker(meta_follow_image(elect_serve_follow), 1)->epoch > *(int64_t *)arg;
}

static void test_restarts(void)
{
	int64_t epoch = meta_broker(meta_follow_image(elect_serve_follow), 1)->epoch;
	int32_t leader_epoch;

	is_int(elect_end(SIGTERM), 0, "a clean end");
	ok(elect_spawn(), "starts again");
	ok(elect_until(elect_is_unfenced, NULL, 5000), "logserve is not missed any more: unfenced");
	leader_epoch = meta_partition(topic("first"), 0)->leader_epoch;
	is_int(meta_broker(meta_follow_image(elect_serve_follow), 1)->epoch, epoch,
	       "the same incarnation, the same epoch");
	elect_end(SIGKILL);
	ok(elect_spawn(), "starts after kill -9");
	is_int(elect_create("after", 1, 1, false), 0, "and serves at once");
	is_int(meta_partition(topic("first"), 0)->leader_epoch, leader_epoch, "no leader changed");
	elect_end(SIGKILL);
	unlink("run/incarnation");
	ok(elect_spawn(), "as another incarnation");
	ok(elect_until(new_epoch, &epoch, 3000), "registers anew");
	ok(elect_until(elect_is_unfenced, NULL, 3000), "unfenced");
	ok(elect_until(leads, NULL, 1000), "it leads");
	is_int(meta_partition(topic("first"), 0)->leader_epoch, leader_epoch + 2,
	       "in another leader epoch");
}

/* The log as another controller or broker would fetch it: by id or by name, in every version. */
static void test_fetch(void)
{
	struct fetch_request q;
	struct fetch_request_fetch_topic t;
	struct fetch_request_fetch_partition p;
	struct fetch_response r;
	bool good = true;

	for (int version = 4; version <= 17; version++) {
		wire_init(&wire_fetch_request, &q);
		wire_init(&wire_fetch_request_fetch_topic, &t);
		wire_init(&wire_fetch_request_fetch_partition, &p);
		q.topics = &t;
		q.topics_n = 1;
		t.partitions = &p;
		t.partitions_n = 1;
		if (version >= 13)
			t.topic_id = uuid_metadata;
		else
			t.topic = span_of("__cluster_metadata");
		p.partition_max_bytes = 1 << 20;
		p.current_leader_epoch = -1;
		p.last_fetched_epoch = -1;
		if (elect_call_on(WIRE_CONTROLLER, 1, version, &q, &r, 3000) != 0 || r.error_code
		    || r.responses_n != 1 || r.responses[0].partitions[0].error_code
		    || r.responses[0].partitions[0].records.n < 100)
			good = false;
	}
	ok(good, "Fetch on the controllers' listener, versions 4 to 17");
	p.fetch_offset = 3;
	p.last_fetched_epoch = 77;
	is_int(elect_call_on(WIRE_CONTROLLER, 1, 17, &q, &r, 3000), 0,
	       "from an epoch that never was");
	ok(r.responses[0].partitions[0].diverging_epoch.end_offset >= 0
		   && r.responses[0].partitions[0].records.n <= 0,
	   "it is told where it diverges");
	p.last_fetched_epoch = 1;
	p.current_leader_epoch = 99;
	is_int(elect_call_on(WIRE_CONTROLLER, 1, 17, &q, &r, 3000), 0, "of a leader of tomorrow");
	is_int(r.responses[0].partitions[0].error_code, WIRE_UNKNOWN_LEADER_EPOCH, "unknown");
	p.current_leader_epoch = -1;
	q.cluster_id = span_of("another");
	is_int(elect_call_on(WIRE_CONTROLLER, 1, 17, &q, &r, 3000), 0, "of another cluster");
	is_int(r.error_code, WIRE_INCONSISTENT_CLUSTER_ID, "refused");
	is_int(elect_call_on(WIRE_BROKER, 1, 17, &q, &r, 3000), 1, "no Fetch for clients");
}

int main(void)
{

	elect_directory("5600-elect", 20540);
	ok(elect_spawn(), "elect starts on an empty directory");
	elect_connect(true);
	ok(elect_until(elect_is_unfenced, NULL, 3000),
	   "the broker is unfenced when both programs have caught up");
	test_topics();
	test_leaders();
	test_fetch();
	test_leases();
	test_restarts();
	is_int(elect_end(SIGTERM), 0, "a clean end");
	return done_testing();
}
