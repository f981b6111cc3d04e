/* Rules of the consumer protocol that lives of groups do not show: expressions, which Kafka
 * resolves later than we do, what is refused, offsets, settings, and the hash of metadata
 * (vectors/hash.tsv.gz).
 */
#include "../cmd/groupcoord/consumer.h"
#include "../cmd/groupcoord/migrate.h"
#include "../cmd/groupcoord/offsets.h"
#include "groups.h"
#include "meta/record.h"

static struct world w;
static int64_t image_offset;
static struct consumer_group_heartbeat_response last;
static char last_words[400], last_assignment[400];
static int records[RECORD_TYPES], tombstones[RECORD_TYPES];

static void put(int type, const void *record)
{
	struct buf b = {0};
	if (meta_record_encode(&b, type, 0, record) < 0 ||
	    meta_apply(&w.image, (struct span){(char *)b.p, (int32_t)b.n}, image_offset++, 1))
		abort();
	buf_free(&b);
}

static struct uuid topic_id(const char *name)
{
	struct uuid id = {{0}};
	memcpy(id.b, name, strlen(name) > 16 ? 16 : strlen(name));
	return id;
}

static void changed(void)
{
	w.step.partition = -1;
	groups_image_changed(&w.groups, &w.step);
}

static void topic(const char *name, int32_t partitions)
{
	struct topic_record t;
	struct partition_record p;
	int32_t self = 1;
	wire_init(&wire_topic_record, &t);
	wire_init(&wire_partition_record, &p);
	t.name = span_of(name);
	t.topic_id = p.topic_id = topic_id(name);
	put(2, &t);
	p.replicas = p.isr = &self;
	p.replicas_n = p.isr_n = 1;
	p.leader = 1;
	for (p.partition_id = 0; p.partition_id < partitions; p.partition_id++)
		put(3, &p);
	changed();
}

static void on_record(struct world *world, const struct kept_record *r)
{
	(r->tombstone ? tombstones : records)[r->type]++;
}

static void on_answer(struct world *world, const struct asker *to, const struct wire_type *t,
                      const void *r)
{
	struct buf b = {0};
	if (t != &wire_consumer_group_heartbeat_response)
		return;
	last = *(const struct consumer_group_heartbeat_response *)r;
	span_z(last.error_message, last_words, sizeof last_words);
	buf_addz(&b, last.assignment ? "" : "-");
	for (int32_t i = 0; last.assignment && i < last.assignment->topic_partitions_n; i++) {
		const struct consumer_group_heartbeat_response_topic_partitions *p =
			last.assignment->topic_partitions + i;
		buf_addf(&b, "%s%s:%d", i ? " " : "",
		         meta_topic_with_id(&w.image, &p->topic_id)->name, p->partitions_n);
	}
	buf_add8(&b, 0);
	snprintf(last_assignment, sizeof last_assignment, "%s", (char *)b.p);
	buf_free(&b);
}

static void begin(void)
{
	world_init(&w);
	meta_image_init(&w.image);
	meta_image_feature(&w.image, span_of("group.version"), 1);
	image_offset = 0;
	w.answer = on_answer;
	w.record = on_record;
	memset(records, 0, sizeof records);
	memset(tombstones, 0, sizeof tombstones);
}

static void end(void)
{
	world_free(&w);
	meta_image_free(&w.image);
}

static void reload(void)
{
	world_unload(&w);
	world_load(&w);
}

static struct group *group(void)
{
	return groups_find(&w.groups, span_of("g"));
}

/* --- requests --- */

static struct consumer_group_heartbeat_request in;
static int16_t version = 1;

static void fresh(const char *member, int32_t epoch)
{
	wire_init(&wire_consumer_group_heartbeat_request, &in);
	in.group_id = span_of("g");
	in.member_id = span_of(member);
	in.member_epoch = epoch;
	if (epoch == 0) {
		in.rebalance_timeout_ms = 60000;
		in.topic_partitions_n = 0;
		in.subscribed_topic_names_n = 0;
	}
}

static int send(void)
{
	struct asker a = {.key = 68, .version = version, .client_id = span_of("client"),
	                  .host = span_of("/10.0.0.1"), .principal = span_of("User:ANONYMOUS")};
	world_run(&w, consumer_heartbeat, &a, &in);
	return last.error_code;
}

static int join(const char *member, const char *name, const char *regex)
{
	static struct span names[1];
	fresh(member, 0);
	names[0] = span_of(name);
	in.subscribed_topic_names = names;
	in.subscribed_topic_names_n = name ? 1 : regex ? -1 : 0;
	in.subscribed_topic_regex = span_of(regex);
	return send();
}

static int beat(const char *member, int32_t epoch)
{
	fresh(member, epoch);
	return send();
}

/* --- expressions --- */

static void test_expressions(void)
{
	begin();
	topic("orders", 4);
	topic("other", 2);
	is_int(join("a", NULL, "o(r.*|x)"), 0, "a member that subscribes by an expression");
	is_str(last_assignment, "orders:4", "its first answer has partitions");
	is_int(records[RECORD_CONSUMER_REGEX], 1, "what it means is recorded");
	is_int(consumer_of(group())->epoch, 2, "epoch");
	is_int(join("b", NULL, "o(r.*"), WIRE_INVALID_REGULAR_EXPRESSION, "no expression");
	is_str(last_words, "SubscribedTopicRegex `o(r.*` is not a valid regular expression: "
	       "missing ): o(r.*.", "in words");
	is_int((long long)consumer_of(group())->members.n, 1, "it made no member");
	topic("orange", 3);
	beat("a", 2);
	is_str(last_assignment, "-", "a new topic is not looked for at once");
	world_sleep(&w, 10001);
	beat("a", 2);
	is_str(last_assignment, "orange:3 orders:4", "but ten seconds after the last time");
	is_int(last.member_epoch, 3, "in a new epoch");
	reload();
	beat("a", 3);
	is_int(last.error_code, 0, "all of it is loaded");
	world_sleep(&w, 20000);
	fresh("a", 3);
	in.subscribed_topic_regex = span_of("oth.*");
	in.topic_partitions_n = 0;
	send();
	is_int(tombstones[RECORD_CONSUMER_REGEX], 1, "one that nobody has any more is gone");
	is_str(last_assignment, "other:2", "another expression");
	is_int((long long)consumer_of(group())->regexes.n, 1, "one is left");
	end();
}

static void test_expression_shared(void)
{
	static struct span names[1];
	begin();
	topic("ta", 2);
	topic("tb", 2);
	topic("u", 1);
	join("a", NULL, "t.");
	join("b", NULL, "t.");
	is_int(consumer_regex_of(consumer_of(group()), span_of("t."))->members, 2, "two have it");
	is_int(records[RECORD_CONSUMER_REGEX], 1, "it is resolved once");
	join("c", NULL, "u|t.");
	is_int(consumer_regex_of(consumer_of(group()), span_of("u|t."))->resolved, 0,
	       "another so soon waits");
	world_sleep(&w, 10001);
	beat("c", last.member_epoch);
	is_int(consumer_regex_of(consumer_of(group()), span_of("u|t."))->resolved, 1, "for its turn");
	const struct parts *c = consumer_target_of(consumer_of(group()), span_of("c"));
	ok(c->n > 0, "and then has a share: %d", c->n);
	world_sleep(&w, 2000);
	fresh("c", 0);
	names[0] = span_of("u");
	in.subscribed_topic_names = names;
	in.subscribed_topic_names_n = 1;
	in.subscribed_topic_regex = span_of("tb");
	is_int(send(), 0, "names and an expression together");
	fresh("a", -1);
	send();
	fresh("b", -1);
	send();
	fresh("c", -1);
	send();
	is_int(tombstones[RECORD_CONSUMER_REGEX], 2,
	       "expressions that were resolved go with their members");
	reload();
	is_str(group()->kind->state(group()), "Empty", "the group is loaded empty");
	is_int((long long)consumer_of(group())->topics.n, 0, "subscribed to nothing");
	end();
}

/* --- what is refused --- */

static void refused(int error, const char *words, const char *what)
{
	is_int(send(), error, "%s", what);
	if (words)
		is_str(last_words, words, "%s: in words", what);
	ok(!group() || consumer_of(group())->members.n <= 1, "%s: nothing is made", what);
}

static void test_refusals(void)
{
	begin();
	meta_image_feature(&w.image, span_of("group.version"), 0);
	fresh("b", 0);
	refused(WIRE_UNSUPPORTED_VERSION, NULL, "a cluster that has not turned it on");
	meta_image_feature(&w.image, span_of("group.version"), 1);
	topic("t", 2);
	version = 0;
	fresh("", 0);
	is_int(send(), 0, "version 0: the coordinator gives an id");
	ok(last.member_id.n == 22, "of 22 characters");
	version = 1;
	fresh("", 0);
	refused(WIRE_INVALID_REQUEST, "MemberId can't be empty.", "version 1 without an id");
	fresh("b", 0);
	in.group_id = span_of(" ");
	refused(WIRE_INVALID_REQUEST, "GroupId can't be empty.", "a blank group");
	fresh("b", 0);
	in.instance_id = span_of("");
	refused(WIRE_INVALID_REQUEST, "InstanceId can't be empty.", "an empty instance");
	fresh("b", 0);
	in.rack_id = span_of("");
	refused(WIRE_INVALID_REQUEST, "RackId can't be empty.", "an empty rack");
	fresh("b", 0);
	in.rebalance_timeout_ms = -1;
	refused(WIRE_INVALID_REQUEST, "RebalanceTimeoutMs must be provided in first request.",
	        "no rebalance timeout");
	fresh("b", 0);
	in.topic_partitions_n = -1;
	refused(WIRE_INVALID_REQUEST, "TopicPartitions must be empty when (re-)joining.",
	        "partitions not said");
	fresh("b", 0);
	in.subscribed_topic_names_n = -1;
	refused(WIRE_INVALID_REQUEST, NULL, "no subscription");
	fresh("b", -2);
	refused(WIRE_INVALID_REQUEST, "InstanceId can't be null.", "leaving for now, not static");
	fresh("b", -3);
	refused(WIRE_INVALID_REQUEST, "MemberEpoch is invalid.", "an epoch of -3");
	fresh("b", 0);
	in.server_assignor = span_of("mine");
	refused(WIRE_UNSUPPORTED_ASSIGNOR,
	        "ServerAssignor mine is not supported. Supported assignors: uniform,range.",
	        "an assignor of its own");
	fresh("b", 5);
	refused(WIRE_UNKNOWN_MEMBER_ID, "Member b is not a member of group g.", "no member");
	w.settings.consumer_max_size = 1;
	fresh("b", 0);
	refused(WIRE_GROUP_MAX_SIZE_REACHED,
	        "The consumer group has reached its maximum capacity of 1 members.", "a full group");
	fresh("b", 5);
	in.group_id = span_of("h");
	refused(WIRE_GROUP_ID_NOT_FOUND, "Consumer group h not found.", "no group");
	fresh("b", -1);
	in.group_id = span_of("h");
	refused(WIRE_GROUP_ID_NOT_FOUND, "Group h not found.", "none to leave");
	end();
}

/* --- offsets --- */

static int commit(const char *member, int32_t epoch, int16_t v, int32_t partition)
{
	struct commit_claim c = {.member = span_of(member), .instance = SPAN_NULL,
	                         .generation = epoch, .version = v};
	struct uuid t = topic_id("t");
	int error = group()->kind->commit_allowed(&w.groups, &w.step, group(), &c);
	return error ? error : group()->kind->partition_allowed(group(), &c, &t, partition);
}

static int fetch(const char *member, int32_t epoch)
{
	struct commit_claim c = {.member = span_of(member), .instance = SPAN_NULL,
	                         .generation = epoch, .version = 9};
	return group()->kind->fetch_allowed(&w.step, group(), &c);
}

static void test_offsets(void)
{
	begin();
	topic("t", 2);
	topic("v", 1);
	join("a", "t", NULL);
	int32_t first = last.member_epoch;
	is_int(commit("a", first, 9, 0), 0, "a member commits in its epoch");
	is_int(commit("a", first, 8, 0), WIRE_UNSUPPORTED_VERSION, "but not in version 8");
	is_int(commit("b", first, 9, 0), WIRE_UNKNOWN_MEMBER_ID, "nobody else does");
	is_int(commit("", -1, 9, 0), WIRE_UNKNOWN_MEMBER_ID, "nor an admin while it has members");
	is_int(commit("a", first + 1, 9, 0), WIRE_STALE_MEMBER_EPOCH, "not in an epoch to come");
	is_int(fetch("a", first), 0, "it reads in its epoch");
	is_int(fetch("a", first - 1), WIRE_STALE_MEMBER_EPOCH, "but in no other");
	is_int(fetch(NULL, -1), 0, "everybody may who does not say who it is");
	world_sleep(&w, 2000);
	join("b", "v", NULL);
	beat("a", first);
	is_int(last.member_epoch, first + 1, "a new epoch");
	is_int(commit("a", first, 9, 0), 0, "what it had before it commits with the old one");
	is_int(commit("a", first, 9, 7), WIRE_STALE_MEMBER_EPOCH, "what it has not, not");
	is_int(commit("a", first - 1, 9, 0), WIRE_STALE_MEMBER_EPOCH,
	       "nor with an epoch in which it did not have it");
	ok(group()->kind->subscribed(group(), span_of("t")), "subscribed");
	ok(!group()->kind->subscribed(group(), span_of("x")), "not subscribed");
	is_int(group()->kind->delete_allowed(group()), WIRE_NON_EMPTY_GROUP, "it has members");
	world_sleep(&w, 46000);
	is_str(group()->kind->state(group()), "Empty", "their sessions are over");
	is_int(commit("", -1, 9, 0), 0, "an admin commits for an empty group");
	is_int(group()->kind->delete_allowed(group()), 0, "which may be deleted");
	group()->kind->tombstones(&w.step, group());
	reload();
	ok(!group(), "and then it is not there");
	end();
}

/* --- settings, and others --- */

static void config(const char *key, const char *value)
{
	struct config_record r;
	wire_init(&wire_config_record, &r);
	r.resource_type = 32;
	r.resource_name = span_of("g");
	r.name = span_of(key);
	r.value = span_of(value);
	put(4, &r);
}

static void test_settings(void)
{
	begin();
	topic("t", 4);
	w.settings.consumer_assignors = "range,uniform";
	config("consumer.heartbeat.interval.ms", "7000");
	config("consumer.session.timeout.ms", "50000");
	join("a", "t", NULL);
	is_int(last.heartbeat_interval_ms, 7000, "a group's own heartbeat interval");
	is_str(consumer_assignor(&w.step, consumer_of(group())), "range", "the first assignor");
	world_sleep(&w, 49000);
	is_int((long long)consumer_of(group())->members.n, 1, "its own session timeout");
	fresh("a", last.member_epoch);
	in.server_assignor = span_of("uniform");
	int32_t epoch = consumer_of(group())->epoch;
	send();
	is_int(consumer_of(group())->epoch, epoch + 1, "another assignor raises the epoch");
	is_str(consumer_assignor(&w.step, consumer_of(group())), "uniform", "what a member wants");
	world_sleep(&w, 51000);
	is_int((long long)consumer_of(group())->members.n, 0, "silent for longer");
	end();
}

static void test_rebalance_timeout(void)
{
	begin();
	topic("t", 4);
	join("a", "t", NULL);
	int32_t epoch = last.member_epoch;
	world_sleep(&w, 2000);
	join("b", "t", NULL);
	beat("a", epoch);
	is_str(last_assignment, "t:2", "a is to give back");
	for (int i = 0; i < 5; i++) {
		world_sleep(&w, 11000);
		beat("a", epoch);
		beat("b", epoch + 1);
	}
	is_int(last.error_code, 0, "heartbeats go on");
	is_str(last_assignment, "-", "b waits");
	world_sleep(&w, 6000);
	is_int(beat("a", epoch), WIRE_UNKNOWN_MEMBER_ID, "a did not in its rebalance timeout");
	beat("b", epoch + 1);
	is_str(last_assignment, "t:4", "all is b's");
	end();
}

static void test_policy(void)
{
	begin();
	const char *const policies[] = {"bidirectional", "UPGRADE", "downgrade", "disabled"};
	const bool up[] = {true, true, false, false}, down[] = {true, false, true, false};
	for (int i = 0; i < 4; i++) {
		w.settings.consumer_migration_policy = policies[i];
		ok(migrate_up_allowed(&w.step) == up[i] && migrate_down_allowed(&w.step) == down[i],
		   "group.consumer.migration.policy %s", policies[i]);
	}
	end();
}

static void test_describe(void)
{
	struct consumer_group_describe_response_described_group d;
	begin();
	wire_init(&wire_consumer_group_describe_response_described_group, &d);
	d.group_id = span_of("g");
	is_int(consumer_describe(&w.step, NULL, &d), WIRE_GROUP_ID_NOT_FOUND, "no group");
	topic("t", 2);
	join("a", "t", NULL);
	fresh("s", 0);
	in.instance_id = span_of("one");
	in.rack_id = span_of("r");
	in.subscribed_topic_regex = span_of("t+");
	world_sleep(&w, 1000);
	send();
	is_int(consumer_describe(&w.step, group(), &d), 0, "described");
	ok(span_is(d.group_state, "Reconciling") && d.members_n == 2 &&
	   span_is(d.assignor_name, "uniform"), "the group");
	ok(span_is(d.members[1].instance_id, "one") && span_is(d.members[1].rack_id, "r") &&
	   span_is(d.members[1].client_host, "/10.0.0.1") && d.members[1].member_type == 1 &&
	   span_is(d.members[1].subscribed_topic_regex, "t+"), "a member");
	is_int(d.members[0].assignment.topic_partitions[0].partitions_n, 2, "a has both");
	is_int(d.members[1].target_assignment.topic_partitions[0].partitions_n, 1,
	       "s is to have one");
	end();
}

/* --- the hash --- */

static void brokers(void)
{
	static const char *const racks[] = {"rack-b", "rack-a", NULL, "rack-a", "r"};
	for (int i = 0; i < 5; i++) {
		struct register_broker_record r;
		wire_init(&wire_register_broker_record, &r);
		r.broker_id = i;
		r.rack = span_of(racks[i]);
		put(0, &r);
	}
}

static const struct meta_topic *hashed(char **f)
{
	struct topic_record t;
	struct partition_record p;
	wire_init(&wire_topic_record, &t);
	wire_init(&wire_partition_record, &p);
	t.name = span_of(f[1]);
	uuid_parse(&t.topic_id, span_of(f[2]));
	p.topic_id = t.topic_id;
	p.partition_id = 0;
	put(2, &t);
	for (char *r; (r = strsep(&f[3], ";")); p.partition_id++) {
		int32_t replicas[5], n = 0;
		for (char *id; (id = strsep(&r, ","));)
			replicas[n++] = atoi(id);
		p.replicas = p.isr = replicas;
		p.replicas_n = p.isr_n = n;
		p.leader = replicas[0];
		put(3, &p);
	}
	return meta_topic_named(&w.image, t.name);
}

static void test_hash(void)
{
	static char text[65536];
	FILE *lines = popen("gzip -dc t/vectors/hash.tsv.gz", "r");
	struct span names[8];
	int n = 0, good = 0, all = 0;
	begin();
	brokers();
	while (fgets(text, sizeof text, lines)) {
		char *f[5] = {0}, *rest = text;
		text[strcspn(text, "\n")] = 0;
		for (int i = 0; i < 5 && (f[i] = strsep(&rest, "\t")); i++)
			;
		all++;
		if (!strcmp(f[0], "topic")) {
			const struct meta_topic *t = hashed(f);
			good += consumer_topic_hash(&w.step, t) == strtoll(f[4], NULL, 10);
			names[n++] = span_of(t->name);
			continue;
		}
		fresh("m", 0);
		in.subscribed_topic_names = names;
		in.subscribed_topic_names_n = n;
		send();
		good += consumer_of(group())->hash == strtoll(f[1], NULL, 10);
		n = 0;
	}
	is_int(pclose(lines), 0, "the vectors are read");
	ok(all > 20, "%d hashes", all);
	is_int(good, all, "are Kafka's");
	end();
}

int main(void)
{
	test_expressions();
	test_expression_shared();
	test_refusals();
	test_offsets();
	test_settings();
	test_rebalance_timeout();
	test_policy();
	test_describe();
	test_hash();
	return done_testing();
}
