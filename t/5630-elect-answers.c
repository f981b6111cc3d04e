/* Requests that the controller refuses or takes, and what it says: one line each. With
 * $APACHE=HOST:PORT they go to a Kafka broker there instead, with $ANSWERS the lines go to that
 * file: 5631-elect-answers.t compares the two. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "elect.h"

static FILE *out;
static int apache = -1;
static char long_name[300];

/* --- one call, to elect or over TCP --- */

static void connect_apache(const char *where)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	const char *colon = strchr(where, ':');

	must(colon != NULL, "APACHE");
	a.sin_port = htons((uint16_t)atoi(colon + 1));
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	apache = socket(AF_INET, SOCK_STREAM, 0);
	must(apache >= 0 && connect(apache, (struct sockaddr *)&a, sizeof a) == 0, "connect");
}

static void read_all(void *p, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t r = read(apache, (char *)p + done, n - done);

		must(r > 0, "read");
		done += (size_t)r;
	}
}

static void ask(int key, int version, const void *request, void *response)
{
	static struct buf kept;
	const struct wire_api *api = wire_api(key);
	struct buf b = { 0 };
	uint8_t size[4];
	int32_t id;
	int head;

	if (apache < 0) {
		must(elect_call(key, version, request, response) == 0, "call");
		return;
	}
	must(buf_add32(&b, 0) == 0 && wire_request_header(&b, key, version, 5, span_of("test")) == 0
		     && wire_encode(api->request, version, request, &b, NULL) == 0,
	     "encode");
	put32(b.p, (uint32_t)b.n - 4);
	must(write(apache, b.p, b.n) == (ssize_t)b.n, "write");
	buf_free(&b);
	read_all(size, 4);
	kept.n = 0;
	must(buf_need(&kept, get32(size)) == 0, "memory");
	read_all(kept.p, get32(size));
	kept.n = get32(size);
	head = wire_response_parse(key, version, kept.p, kept.n, &id);
	arena_reset(&elect_arena);
	must(head > 0
		     && wire_decode(api->response, version, kept.p + head, kept.n - (size_t)head,
				    &elect_arena, response)
				> 0,
	     "decode");
}

static void say(const char *what, int code, struct span message)
{
	fprintf(out, "%s: %s: %.*s\n", what, wire_error_name(code), message.n < 0 ? 1 : message.n,
		message.n < 0 ? "-" : message.p);
}

/* --- CreateTopics --- */

struct assignment {
	int32_t index, brokers[3], n;
};
static void create(const char *what, const char *name, int partitions, int factor,
		   const struct assignment *as, int as_n, const char *key, const char *value)
{
	struct create_topics_request q;
	struct create_topics_request_creatable_topic t;
	struct create_topics_request_creatable_replica_assignment a[4];
	struct create_topics_request_creatable_topic_config c;
	struct create_topics_response r;

	wire_init(&wire_create_topics_request, &q);
	wire_init(&wire_create_topics_request_creatable_topic, &t);
	wire_init(&wire_create_topics_request_creatable_topic_config, &c);
	q.topics = &t;
	q.topics_n = 1;
	q.timeout_ms = 10000;
	t.name = span_of(name);
	t.num_partitions = partitions;
	t.replication_factor = (int16_t)factor;
	t.assignments = a;
	t.assignments_n = as_n;
	for (int i = 0; i < as_n; i++) {
		wire_init(&wire_create_topics_request_creatable_replica_assignment, &a[i]);
		a[i].partition_index = as[i].index;
		a[i].broker_ids = (int32_t *)as[i].brokers;
		a[i].broker_ids_n = as[i].n;
	}
	if (key) {
		c.name = span_of(key);
		c.value = span_of(value);
		t.configs = &c;
		t.configs_n = 1;
	}
	ask(19, 7, &q, &r);
	say(what, r.topics[0].error_code, r.topics[0].error_message);
	if (!r.topics[0].error_code) {
		fprintf(out, "  partitions %d, replicas %d\n", r.topics[0].num_partitions,
			r.topics[0].replication_factor);
		for (int i = 0; i < r.topics[0].configs_n; i++)
			fprintf(out, "  %.*s=%.*s source %d%s%s\n", r.topics[0].configs[i].name.n,
				r.topics[0].configs[i].name.p, r.topics[0].configs[i].value.n,
				r.topics[0].configs[i].value.p,
				r.topics[0].configs[i].config_source,
				r.topics[0].configs[i].read_only ? " read-only" : "",
				r.topics[0].configs[i].is_sensitive ? " sensitive" : "");
	}
}

static void create_cases(void)
{
	create("plain", "plain", 2, 1, NULL, 0, NULL, NULL);
	create("again", "plain", 2, 1, NULL, 0, NULL, NULL);
	create("defaults", "defaults", -1, -1, NULL, 0, "retention.ms", "1000");
	create("empty name", "", 1, 1, NULL, 0, NULL, NULL);
	create("dot", ".", 1, 1, NULL, 0, NULL, NULL);
	create("dots", "..", 1, 1, NULL, 0, NULL, NULL);
	create("slash", "a/b", 1, 1, NULL, 0, NULL, NULL);
	create("long", long_name, 1, 1, NULL, 0, NULL, NULL);
	create("longest", long_name + 51, 1, 1, NULL, 0, NULL, NULL);
	create("with dot", "with.dot", 1, 1, NULL, 0, NULL, NULL);
	create("collision", "with_dot", 1, 1, NULL, 0, NULL, NULL);
	create("metadata topic", "__cluster_metadata", 1, 1, NULL, 0, NULL, NULL);
	create("no partitions", "p0", 0, 1, NULL, 0, NULL, NULL);
	create("negative partitions", "p0", -2, 1, NULL, 0, NULL, NULL);
	create("no replicas", "p0", 1, 0, NULL, 0, NULL, NULL);
	create("negative replicas", "p0", 1, -2, NULL, 0, NULL, NULL);
	create("too many replicas", "p0", 1, 2, NULL, 0, NULL, NULL);
	create("too many partitions", "p0", 10001, 1, NULL, 0, NULL, NULL);
	create("by hand", "hand", -1, -1, (struct assignment[]){ { 0, { 1 }, 1 }, { 1, { 1 }, 1 } },
	       2, NULL, NULL);
	create("by hand out of order", "order", -1, -1,
	       (struct assignment[]){ { 1, { 1 }, 1 }, { 0, { 1 }, 1 } }, 2, NULL, NULL);
	create("by hand and factor", "h", -1, 1, (struct assignment[]){ { 0, { 1 }, 1 } }, 1, NULL,
	       NULL);
	create("by hand and partitions", "h", 1, -1, (struct assignment[]){ { 0, { 1 }, 1 } }, 1,
	       NULL, NULL);
	create("twice", "h", -1, -1, (struct assignment[]){ { 0, { 1 }, 1 }, { 0, { 1 }, 1 } }, 2,
	       NULL, NULL);
	create("hole", "h", -1, -1, (struct assignment[]){ { 0, { 1 }, 1 }, { 2, { 1 }, 1 } }, 2,
	       NULL, NULL);
	create("no broker", "h", -1, -1, (struct assignment[]){ { 0, { 1 }, 0 } }, 1, NULL, NULL);
	create("unknown broker", "h", -1, -1, (struct assignment[]){ { 0, { 9 }, 1 } }, 1, NULL,
	       NULL);
	create("broker twice", "h", -1, -1, (struct assignment[]){ { 0, { 1, 1 }, 2 } }, 1, NULL,
	       NULL);
	create("unknown config", "c", 1, 1, NULL, 0, "no.such", "1");
	create("null config", "c", 1, 1, NULL, 0, "retention.ms", NULL);
	create("not a number", "c", 1, 1, NULL, 0, "retention.ms", "x");
	create("too small", "c", 1, 1, NULL, 0, "segment.bytes", "10");
	create("too large", "c", 1, 1, NULL, 0, "segment.bytes", "99999999999");
	create("bad word", "c", 1, 1, NULL, 0, "compression.type", "brotli");
	create("bad list", "c", 1, 1, NULL, 0, "cleanup.policy", "compact,shred");
	create("list twice", "c1", 1, 1, NULL, 0, "cleanup.policy", "delete,delete");
	create("bad boolean", "c", 1, 1, NULL, 0, "preallocate", "yes");
	create("bad ratio", "c", 1, 1, NULL, 0, "min.cleanable.dirty.ratio", "1.5");
	create("bad throttle", "c", 1, 1, NULL, 0, "leader.replication.throttled.replicas", "1-2");
	create("gzip level", "c", 1, 1, NULL, 0, "compression.gzip.level", "0");
	create("tiered", "c", 1, 1, NULL, 0, "remote.storage.enable", "true");
	create("lag", "c2", 1, 1, NULL, 0, "max.compaction.lag.ms", "1");
	create("lag conflict", "c3", 1, 1, NULL, 0, "min.compaction.lag.ms", "9223372036854775807");
}

/* --- CreatePartitions --- */

static void grow(const char *what, const char *name, int count, int assignments)
{
	struct create_partitions_request q;
	struct create_partitions_request_create_partitions_topic t;
	struct create_partitions_request_create_partitions_assignment a[4];
	struct create_partitions_response r;
	int32_t one = 1;

	wire_init(&wire_create_partitions_request, &q);
	wire_init(&wire_create_partitions_request_create_partitions_topic, &t);
	q.topics = &t;
	q.topics_n = 1;
	q.timeout_ms = 10000;
	t.name = span_of(name);
	t.count = count;
	t.assignments = a;
	t.assignments_n = assignments;
	for (int i = 0; i < assignments; i++) {
		wire_init(&wire_create_partitions_request_create_partitions_assignment, &a[i]);
		a[i].broker_ids = &one;
		a[i].broker_ids_n = 1;
	}
	ask(37, 3, &q, &r);
	say(what, r.results[0].error_code, r.results[0].error_message);
}

static void grow_cases(void)
{
	grow("grow nothing", "nothing", 2, -1);
	grow("grow to the same", "plain", 2, -1);
	grow("grow to fewer", "plain", 1, -1);
	grow("grow to none", "plain", 0, -1);
	grow("grow", "plain", 3, -1);
	grow("grow by hand", "plain", 5, 2);
	grow("grow by hand, too few", "plain", 8, 2);
}

/* --- configs --- */

static void alter(const char *what, int type, const char *name, int op, const char *key,
		  const char *value)
{
	struct incremental_alter_configs_request q;
	struct incremental_alter_configs_request_alter_configs_resource t;
	struct incremental_alter_configs_request_alterable_config c;
	struct incremental_alter_configs_response r;

	wire_init(&wire_incremental_alter_configs_request, &q);
	wire_init(&wire_incremental_alter_configs_request_alter_configs_resource, &t);
	wire_init(&wire_incremental_alter_configs_request_alterable_config, &c);
	q.resources = &t;
	q.resources_n = 1;
	t.resource_type = (int8_t)type;
	t.resource_name = span_of(name);
	t.configs = &c;
	t.configs_n = 1;
	c.name = span_of(key);
	c.config_operation = (int8_t)op;
	c.value = span_of(value);
	ask(44, 1, &q, &r);
	say(what, r.responses[0].error_code, r.responses[0].error_message);
}

static void alter_legacy(const char *what, int type, const char *name, const char *key,
			 const char *value)
{
	struct alter_configs_request q;
	struct alter_configs_request_alter_configs_resource t;
	struct alter_configs_request_alterable_config c;
	struct alter_configs_response r;

	wire_init(&wire_alter_configs_request, &q);
	wire_init(&wire_alter_configs_request_alter_configs_resource, &t);
	wire_init(&wire_alter_configs_request_alterable_config, &c);
	q.resources = &t;
	q.resources_n = 1;
	t.resource_type = (int8_t)type;
	t.resource_name = span_of(name);
	t.configs = &c;
	t.configs_n = 1;
	c.name = span_of(key);
	c.value = span_of(value);
	ask(33, 2, &q, &r);
	say(what, r.responses[0].error_code, r.responses[0].error_message);
}

static void config_cases(void)
{
	alter("set", 2, "plain", 0, "retention.ms", "5");
	alter("set wrong", 2, "plain", 0, "retention.ms", "-7");
	alter("set unknown", 2, "plain", 0, "no.such", "5");
	alter("set null", 2, "plain", 0, "retention.ms", NULL);
	alter("delete", 2, "plain", 1, "retention.ms", NULL);
	alter("delete what is not set", 2, "plain", 1, "segment.ms", NULL);
	alter("delete unknown", 2, "plain", 1, "no.such", NULL);
	alter("append", 2, "plain", 2, "cleanup.policy", "compact");
	alter("append wrong", 2, "plain", 2, "cleanup.policy", "shred");
	alter("append to a number", 2, "plain", 2, "retention.ms", "5");
	alter("subtract", 2, "plain", 3, "cleanup.policy", "delete");
	alter("no such topic", 2, "nothing", 0, "retention.ms", "5");
	alter("no topic name", 2, "", 0, "retention.ms", "5");
	alter("bad topic name", 2, "a/b", 0, "retention.ms", "5");
	alter("unknown resource", 77, "plain", 0, "retention.ms", "5");
	alter("broker", 4, "1", 0, "log.retention.ms", "5000");
	alter("all brokers", 4, "", 0, "log.retention.ms", "6000");
	alter("another broker", 4, "2", 0, "log.retention.ms", "5");
	alter("no broker", 4, "x", 0, "log.retention.ms", "5");
	alter("static broker config", 4, "1", 0, "num.partitions", "5");
	alter("broker delete", 4, "1", 1, "log.retention.ms", NULL);
	alter("all brokers delete", 4, "", 1, "log.retention.ms", NULL);
	alter_legacy("legacy", 2, "plain", "segment.ms", "100000");
	alter_legacy("legacy wrong", 2, "plain", "segment.ms", "-5");
	alter_legacy("legacy null", 2, "plain", "segment.ms", NULL);
	alter_legacy("legacy no such topic", 2, "nothing", "segment.ms", "100000");
}

/* --- DeleteTopics --- */

static void delete (const char *what, const char *name, const struct uuid *id)
{
	struct delete_topics_request q;
	struct delete_topics_request_delete_topic_state t;
	struct delete_topics_response r;

	wire_init(&wire_delete_topics_request, &q);
	wire_init(&wire_delete_topics_request_delete_topic_state, &t);
	q.topics = &t;
	q.topics_n = 1;
	q.timeout_ms = 10000;
	t.name = span_of(name);
	t.topic_id = *id;
	ask(20, 6, &q, &r);
	say(what, r.responses[0].error_code, r.responses[0].error_message);
}

static void delete_cases(void)
{
	struct uuid some = { { 1, 2, 3 } };

	delete ("delete nothing", "nothing", &uuid_zero);
	delete ("delete an unknown id", NULL, &some);
	delete ("delete by both", "plain", &some);
	delete ("delete by neither", NULL, &uuid_zero);
	delete ("delete", "plain", &uuid_zero);
	delete ("delete again", "plain", &uuid_zero);
	create("the name again", "plain", 1, 1, NULL, 0, NULL, NULL);
}

/* --- UpdateFeatures --- */

static void elect(const char *what, const char *name, int partition, int type)
{
	struct elect_leaders_request q;
	struct elect_leaders_request_topic_partitions t;
	struct elect_leaders_response r;
	int32_t index = partition;

	wire_init(&wire_elect_leaders_request, &q);
	wire_init(&wire_elect_leaders_request_topic_partitions, &t);
	q.election_type = (int8_t)type;
	q.timeout_ms = 10000;
	q.topic_partitions = &t;
	q.topic_partitions_n = 1;
	t.topic = span_of(name);
	t.partitions = &index;
	t.partitions_n = 1;
	ask(43, 2, &q, &r);
	say("election", r.error_code, SPAN_NULL);
	if (r.replica_election_results_n == 1
	    && r.replica_election_results[0].partition_result_n == 1)
		say(what, r.replica_election_results[0].partition_result[0].error_code,
		    r.replica_election_results[0].partition_result[0].error_message);
}

/* n -1: cancelled. */
static void reassign(const char *what, const char *name, int partition, const int32_t *to, int n,
		     bool factor_may_change)
{
	struct alter_partition_reassignments_request q;
	struct alter_partition_reassignments_request_reassignable_topic t;
	struct alter_partition_reassignments_request_reassignable_partition p;
	struct alter_partition_reassignments_response r;

	wire_init(&wire_alter_partition_reassignments_request, &q);
	wire_init(&wire_alter_partition_reassignments_request_reassignable_topic, &t);
	wire_init(&wire_alter_partition_reassignments_request_reassignable_partition, &p);
	q.timeout_ms = 10000;
	q.allow_replication_factor_change = factor_may_change;
	q.topics = &t;
	q.topics_n = 1;
	t.name = span_of(name);
	t.partitions = &p;
	t.partitions_n = 1;
	p.partition_index = partition;
	p.replicas = (int32_t *)to;
	p.replicas_n = n;
	ask(45, 1, &q, &r);
	say("reassignment", r.error_code, r.error_message);
	if (r.responses_n == 1 && r.responses[0].partitions_n == 1)
		say(what, r.responses[0].partitions[0].error_code,
		    r.responses[0].partitions[0].error_message);
}

static void move_cases(void)
{
	struct list_partition_reassignments_request q;
	struct list_partition_reassignments_response r;
	struct unregister_broker_request u;
	struct unregister_broker_response gone;

	create("a topic to move", "moves", 2, 1, NULL, 0, NULL, NULL);
	elect("it leads", "moves", 0, 0);
	elect("there is a leader", "moves", 1, 1);
	elect("no such partition", "moves", 2, 0);
	elect("no such topic", "movies", 0, 0);
	elect("no such election", "moves", 0, 2);
	reassign("as it is", "moves", 0, (int32_t[]){ 1 }, 1, true);
	reassign("nobody", "moves", 0, (int32_t[]){ 1 }, 0, true);
	reassign("who is not there", "moves", 0, (int32_t[]){ 1, 7 }, 2, true);
	reassign("twice", "moves", 0, (int32_t[]){ 1, 1 }, 2, false);
	reassign("no such partition", "moves", 2, (int32_t[]){ 1 }, 1, true);
	reassign("no such topic", "movies", 0, (int32_t[]){ 1 }, 1, true);
	reassign("nothing to cancel", "moves", 0, NULL, -1, true);
	wire_init(&wire_list_partition_reassignments_request, &q);
	q.topics_n = -1;
	ask(46, 0, &q, &r);
	say("nothing is under way", r.error_code, r.error_message);
	fprintf(out, "topics %d\n", r.topics_n);
	wire_init(&wire_unregister_broker_request, &u);
	u.broker_id = 99;
	ask(64, 0, &u, &gone);
	say("no such broker", gone.error_code, gone.error_message);
}

static void feature(const char *what, const char *name, int level, int how)
{
	struct update_features_request q;
	struct update_features_request_feature_update_key f;
	struct update_features_response r;

	wire_init(&wire_update_features_request, &q);
	wire_init(&wire_update_features_request_feature_update_key, &f);
	q.feature_updates = &f;
	q.feature_updates_n = 1;
	q.timeout_ms = 10000;
	q.validate_only = true;
	f.feature = span_of(name);
	f.max_version_level = (int16_t)level;
	f.upgrade_type = (int8_t)how;
	ask(57, 2, &q, &r);
	say(what, r.error_code, r.error_message);
}

static void feature_cases(void)
{
	feature("the newest level", "metadata.version", 33, 1);
	feature("beyond it", "metadata.version", 34, 1);
	feature("before the oldest", "metadata.version", 6, 2);
	feature("unknown feature", "no.such", 1, 1);
	feature("unknown way", "metadata.version", 33, 9);
	feature("negative", "metadata.version", -1, 2);
}

int main(void)
{
	const char *answers = getenv("ANSWERS");

	memset(long_name, 'n', sizeof long_name - 1);
	if (getenv("APACHE")) {
		connect_apache(getenv("APACHE"));
	} else {
		elect_directory("5630-elect-answers", 20570);
		must(elect_spawn(), "elect does not start");
		elect_connect(true);
		must(elect_until(elect_is_unfenced, NULL, 5000), "not unfenced");
	}
	out = answers ? fopen(answers, "w") : fopen("/dev/null", "w");
	must(out != NULL, "ANSWERS");
	create_cases();
	grow_cases();
	config_cases();
	move_cases();
	delete_cases();
	feature_cases();
	must(fclose(out) == 0, "ANSWERS");
	ok(true, "every request was answered");
	if (!getenv("APACHE"))
		is_int(elect_end(SIGTERM), 0, "a clean end");
	return done_testing();
}
