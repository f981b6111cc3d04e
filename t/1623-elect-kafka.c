/* Random lives of a cluster's brokers and partitions: the controller step makes of each event what
 * Apache Kafka's controller does (vectors/cluster.tsv.gz, which vectors/MakeCluster.java
 * explains). */
#include "controller.h"

enum { FIELDS_MAX = 12, IDS_MAX = 16 };

static char *field[FIELDS_MAX];
static int fields;
static char answer[512], cluster[1 << 16];

/* --- fields --- */

static void split(char *line)
{
	fields = 0;
	for (char *p = line; p && fields < FIELDS_MAX; fields++) {
		field[fields] = p;
		p = strchr(p, '\t');
		if (p)
			*p++ = 0;
	}
}

static int number(int i)
{
	return atoi(field[i]);
}

/* "1,2!": ids, and whether each has its mark; "-" none. */
static int32_t list(const char *s, int32_t v[IDS_MAX], bool marked[IDS_MAX])
{
	int32_t n = 0;

	while (*s && *s != '-' && n < IDS_MAX) {
		char *end;

		v[n] = (int32_t)strtol(s, &end, 10);
		marked[n++] = *end == '!';
		s = end + (*end == '!');
		s += *s == ',';
	}
	return n;
}

static struct uuid uuid_made(uint64_t most, uint64_t least)
{
	struct uuid u;

	put64(u.b, most);
	put64(u.b + 8, least);
	return u;
}

static struct uuid directory(int broker, int which)
{
	return uuid_made((uint64_t)(broker * 256 + which), (uint64_t)7 << 32);
}

static int level(void)
{
	return meta_feature_level(&image, "metadata.version");
}

/* --- events --- */

static void life(void)
{
	meta_image_free(&image);
	meta_image_init(&image);
	meta_image_feature(&image, span_of("metadata.version"), (int16_t)number(2));
	meta_image_feature(&image, span_of("eligible.leader.replicas.version"),
			   (int16_t)number(3));
	settings.node.id = 999;
	controller_init(&controller, &image, &settings);
	offset = 0;
	now = 1000000;
}

static void on_topic(void)
{
	struct create_topics_request in;
	struct create_topics_response out;
	struct create_topics_request_creatable_topic t;
	struct create_topics_request_creatable_replica_assignment a[FIELDS_MAX];
	struct create_topics_request_creatable_topic_config c[2];
	int32_t ids[FIELDS_MAX][IDS_MAX];
	bool marked[IDS_MAX];

	wire_init(&wire_create_topics_request, &in);
	wire_init(&wire_create_topics_response, &out);
	wire_init(&wire_create_topics_request_creatable_topic, &t);
	in.topics = &t;
	in.topics_n = 1;
	t.name = span_of(field[1]);
	t.num_partitions = t.replication_factor = -1;
	t.configs = c;
	t.configs_n = 2;
	for (int i = 0; i < 2; i++) {
		wire_init(&wire_create_topics_request_creatable_topic_config, &c[i]);
		c[i].name = span_of(i ? "unclean.leader.election.enable" : "min.insync.replicas");
		c[i].value = span_of(field[2 + i]);
	}
	t.assignments = a;
	for (int i = 4; i < fields; i++) {
		int32_t k = t.assignments_n++;

		wire_init(&wire_create_topics_request_creatable_replica_assignment, &a[k]);
		a[k].partition_index = k;
		a[k].broker_ids = ids[k];
		a[k].broker_ids_n = list(field[i], ids[k], marked);
	}
	create_topics(&op, NULL, &in, &out);
	snprintf(answer, sizeof answer, "%d", out.topics[0].error_code);
}

static void on_register(void)
{
	struct broker_registration_request in;
	struct broker_registration_response out;
	struct broker_registration_request_feature f[2];
	struct uuid dirs[2] = { directory(number(1), 0), directory(number(1), 1) };
	const struct meta_broker *b = meta_broker(&image, number(1));

	wire_init(&wire_broker_registration_request, &in);
	wire_init(&wire_broker_registration_response, &out);
	in.broker_id = number(1);
	in.cluster_id = span_of("cluster");
	in.incarnation_id = uuid_made((uint64_t)number(1), (uint64_t)number(2));
	in.rack = SPAN_NULL;
	in.previous_broker_epoch = number(3) && b ? b->epoch : -1;
	in.features = f;
	in.features_n = 2;
	for (int i = 0; i < 2; i++)
		wire_init(&wire_broker_registration_request_feature, &f[i]);
	f[0].name = span_of("metadata.version");
	f[0].min_supported_version = 7;
	f[0].max_supported_version = 33;
	f[1].name = span_of("eligible.leader.replicas.version");
	f[1].max_supported_version = 1;
	in.log_dirs = dirs;
	in.log_dirs_n = level() >= 17 ? 2 : 0;
	register_broker(&op, NULL, &in, &out);
	snprintf(answer, sizeof answer, "%d", out.error_code);
}

static void on_beat(void)
{
	struct broker_heartbeat_request in;
	struct broker_heartbeat_response out;
	const struct meta_broker *b = meta_broker(&image, number(1));
	struct uuid second = directory(number(1), 1);

	wire_init(&wire_broker_heartbeat_request, &in);
	wire_init(&wire_broker_heartbeat_response, &out);
	in.broker_id = number(1);
	in.broker_epoch = (b ? b->epoch : 0) - number(2);
	in.current_metadata_offset = number(3) ? (b ? b->epoch : 0) - 1 : offset - 1;
	in.want_fence = number(4);
	in.want_shut_down = number(5);
	in.offline_log_dirs = &second;
	in.offline_log_dirs_n = number(6);
	broker_heartbeat(&op, NULL, &in, &out);
	if (out.error_code)
		snprintf(answer, sizeof answer, "!%d", out.error_code);
	else
		snprintf(answer, sizeof answer, "%d %d %d", out.is_caught_up, out.is_fenced,
			 out.should_shut_down);
}

static void on_expire(void)
{
	while (brokers_expire(&op, 9000), op.values_n > 0) {
		finish();
		begin();
	}
}

static int say_ids(char *to, size_t room, const int32_t *v, int32_t n)
{
	int at = snprintf(to, room, "%s", n ? "" : "-");

	for (int32_t i = 0; i < n; i++)
		at += snprintf(to + at, room - (size_t)at, "%s%d", i ? "," : "", v[i]);
	return at;
}

static void on_alter(void)
{
	struct alter_partition_request in;
	struct alter_partition_response out;
	struct alter_partition_request_topic_data t;
	struct alter_partition_request_partition_data p;
	struct alter_partition_request_broker_state members[IDS_MAX];
	const struct alter_partition_response_partition_data *a;
	const struct meta_partition *is = part(field[3], number(4));
	struct wire_request q = { .version = 3 };
	int32_t ids[IDS_MAX];
	bool wrong[IDS_MAX];
	int n;

	wire_init(&wire_alter_partition_request, &in);
	wire_init(&wire_alter_partition_response, &out);
	wire_init(&wire_alter_partition_request_topic_data, &t);
	wire_init(&wire_alter_partition_request_partition_data, &p);
	in.broker_id = number(1);
	in.broker_epoch = meta_broker(&image, number(1))->epoch - number(2);
	in.topics = &t;
	in.topics_n = 1;
	t.topic_id = meta_topic_named(&image, span_of(field[3]))->id;
	t.partitions = &p;
	t.partitions_n = 1;
	p.partition_index = number(4);
	p.leader_epoch = is->leader_epoch + number(5);
	p.partition_epoch = is->partition_epoch + number(6);
	p.new_isr_with_epochs = members;
	p.new_isr_with_epochs_n = list(field[7], ids, wrong);
	p.leader_recovery_state = (int8_t)number(8);
	for (int32_t i = 0; i < p.new_isr_with_epochs_n; i++) {
		const struct meta_broker *b = meta_broker(&image, ids[i]);

		wire_init(&wire_alter_partition_request_broker_state, &members[i]);
		members[i].broker_id = ids[i];
		members[i].broker_epoch = b ? b->epoch + wrong[i] : 0;
	}
	alter_partition(&op, &q, &in, &out);
	a = out.error_code ? NULL : &out.topics[0].partitions[0];
	if (!a || a->error_code) {
		snprintf(answer, sizeof answer, a ? "%d" : "!%d",
			 a ? a->error_code : out.error_code);
		return;
	}
	n = snprintf(answer, sizeof answer, "0 %d %d %d %d ", a->leader_id, a->leader_epoch,
		     a->partition_epoch, a->leader_recovery_state);
	say_ids(answer + n, sizeof answer - (size_t)n, a->isr, a->isr_n);
}

static void on_elect(void)
{
	struct elect_leaders_request in;
	struct elect_leaders_response out;
	struct elect_leaders_request_topic_partitions t;
	struct wire_request q = { .version = 2 };
	int32_t index = number(3);

	wire_init(&wire_elect_leaders_request, &in);
	wire_init(&wire_elect_leaders_response, &out);
	wire_init(&wire_elect_leaders_request_topic_partitions, &t);
	in.election_type = (int8_t)number(1);
	in.topic_partitions = &t;
	in.topic_partitions_n = 1;
	t.topic = span_of(field[2]);
	t.partitions = &index;
	t.partitions_n = 1;
	elect_leaders(&op, &q, &in, &out);
	snprintf(answer, sizeof answer, "%d",
		 out.replica_election_results[0].partition_result[0].error_code);
}

static void on_reassign(void)
{
	struct alter_partition_reassignments_request in;
	struct alter_partition_reassignments_response out;
	struct alter_partition_reassignments_request_reassignable_topic t;
	struct alter_partition_reassignments_request_reassignable_partition p;
	int32_t ids[IDS_MAX];
	bool marked[IDS_MAX];

	wire_init(&wire_alter_partition_reassignments_request, &in);
	wire_init(&wire_alter_partition_reassignments_response, &out);
	wire_init(&wire_alter_partition_reassignments_request_reassignable_topic, &t);
	wire_init(&wire_alter_partition_reassignments_request_reassignable_partition, &p);
	in.allow_replication_factor_change = number(4);
	in.topics = &t;
	in.topics_n = 1;
	t.name = span_of(field[1]);
	t.partitions = &p;
	t.partitions_n = 1;
	p.partition_index = number(2);
	p.replicas = ids;
	p.replicas_n = strcmp(field[3], "-") ? list(field[3], ids, marked) : -1;
	alter_reassignments(&op, NULL, &in, &out);
	snprintf(answer, sizeof answer, "%d", out.responses[0].partitions[0].error_code);
}

static void on_assign(void)
{
	struct assign_replicas_to_dirs_request in;
	struct assign_replicas_to_dirs_response out;
	struct assign_replicas_to_dirs_request_directory_data d;
	struct assign_replicas_to_dirs_request_topic_data t;
	struct assign_replicas_to_dirs_request_partition_data p;

	wire_init(&wire_assign_replicas_to_dirs_request, &in);
	wire_init(&wire_assign_replicas_to_dirs_response, &out);
	wire_init(&wire_assign_replicas_to_dirs_request_directory_data, &d);
	wire_init(&wire_assign_replicas_to_dirs_request_topic_data, &t);
	wire_init(&wire_assign_replicas_to_dirs_request_partition_data, &p);
	in.broker_id = number(1);
	in.broker_epoch = meta_broker(&image, number(1))->epoch;
	in.directories = &d;
	in.directories_n = 1;
	d.id = directory(number(1), number(2));
	d.topics = &t;
	d.topics_n = 1;
	t.topic_id = meta_topic_named(&image, span_of(field[3]))->id;
	t.partitions = &p;
	t.partitions_n = 1;
	p.partition_index = number(4);
	assign_directories(&op, NULL, &in, &out);
	snprintf(answer, sizeof answer, "%d",
		 out.directories[0].topics[0].partitions[0].error_code);
}

static void on_config(void)
{
	struct incremental_alter_configs_request in;
	struct incremental_alter_configs_response out;
	struct incremental_alter_configs_request_alter_configs_resource r;
	struct incremental_alter_configs_request_alterable_config c;

	wire_init(&wire_incremental_alter_configs_request, &in);
	wire_init(&wire_incremental_alter_configs_response, &out);
	wire_init(&wire_incremental_alter_configs_request_alter_configs_resource, &r);
	wire_init(&wire_incremental_alter_configs_request_alterable_config, &c);
	in.resources = &r;
	in.resources_n = 1;
	r.resource_type = META_TOPIC;
	r.resource_name = span_of(field[1]);
	r.configs = &c;
	r.configs_n = 1;
	c.name = span_of(field[2]);
	c.value = span_of(field[3]);
	incremental_alter_configs(&op, NULL, &in, &out);
	snprintf(answer, sizeof answer, "%d", out.responses[0].error_code);
}

static void on_unregister(void)
{
	struct unregister_broker_request in;
	struct unregister_broker_response out;

	wire_init(&wire_unregister_broker_request, &in);
	wire_init(&wire_unregister_broker_response, &out);
	in.broker_id = number(1);
	unregister_broker(&op, NULL, &in, &out);
	snprintf(answer, sizeof answer, "%d", out.error_code);
}

static void on_preferred(void)
{
	controller.preferred_ms = now;
	controller.unclean_ms = INT64_MAX;
	elections_turn(&op);
}

static void on_unclean(void)
{
	controller.preferred_ms = INT64_MAX;
	controller.unclean_ms = now;
	elections_turn(&op);
}

/* --- the cluster --- */

static void say_directories(char *to, size_t room, const struct meta_partition *p)
{
	static const struct uuid unassigned = { { [15] = 1 } };
	int at = 0;

	for (int32_t i = 0; i < p->directories_n; i++) {
		const struct uuid *d = &p->directories[i], own[2] = {
			directory(p->replicas[i], 0), directory(p->replicas[i], 1)
		};

		at += snprintf(to + at, room - (size_t)at, "%s%s", i ? "," : "",
			       uuid_is_zero(d)		    ? "m"
			       : uuid_same(d, &unassigned) ? "u"
			       : uuid_same(d, &own[0])	    ? "0"
			       : uuid_same(d, &own[1])	    ? "1"
							    : "x");
	}
}

static void say_partition(char *to, size_t room, const char *topic, const struct meta_partition *p)
{
	const struct {
		const int32_t *v;
		int32_t n;
	} lists[] = { { p->isr, p->isr_n },	      { p->replicas, p->replicas_n },
		      { p->removing, p->removing_n }, { p->adding, p->adding_n },
		      { p->elr, p->elr_n },	      { p->last_known_elr, p->last_known_elr_n } };
	int n = snprintf(to, room, " %s-%d:%d/%d/%d/%d", topic, p->id, p->leader, p->leader_epoch,
			 p->partition_epoch, p->leader_recovery_state);

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		n += snprintf(to + n, room - (size_t)n, ":");
		n += say_ids(to + n, room - (size_t)n, lists[i].v, lists[i].n);
	}
	n += snprintf(to + n, room - (size_t)n, ":");
	say_directories(to + n, room - (size_t)n, p);
}

static void say_cluster(void)
{
	size_t n = (size_t)snprintf(cluster, sizeof cluster, "@");

	for (int32_t id = 0; id < IDS_MAX; id++) {
		const struct meta_broker *b = meta_broker(&image, id);

		if (b)
			n += (size_t)snprintf(cluster + n, sizeof cluster - n, " %d:%s%s:%d", id,
					      b->fenced ? "fenced" : "up",
					      b->in_controlled_shutdown ? "-leaving" : "",
					      b->log_dirs_n);
	}
	for (int i = 0; i < 10; i++) {
		const char name[] = { 't', (char)('0' + i), 0 };
		const struct meta_topic *t = meta_topic_named(&image, span_of(name));

		for (int32_t k = 0; t && k < t->partitions_n; k++) {
			say_partition(cluster + n, sizeof cluster - n, name, &t->partitions[k]);
			n += strlen(cluster + n);
		}
	}
}

/* What must hold whatever Kafka says. */
static const char *broken(void)
{
	const struct meta_topic *t;
	size_t at = 0;

	while ((t = map_next(&image.topics_by_id, &at)))
		for (int32_t i = 0; i < t->partitions_n; i++) {
			const struct meta_partition *p = &t->partitions[i];
			bool in_sync = p->leader < 0;

			for (int32_t k = 0; k < p->isr_n; k++) {
				bool replica = false;

				in_sync = in_sync || p->isr[k] == p->leader;
				for (int32_t j = 0; j < p->replicas_n; j++)
					replica = replica || p->replicas[j] == p->isr[k];
				if (!replica)
					return "an ISR member that is no replica";
			}
			if (!in_sync)
				return "a leader that is not in sync";
			if (p->leader >= 0 && meta_broker(&image, p->leader)->fenced)
				return "a leader that is fenced";
		}
	return NULL;
}

static const struct {
	const char *name;
	void (*fn)(void);
} events[] = {
	{ "topic", on_topic },	       { "register", on_register }, { "beat", on_beat },
	{ "expire", on_expire },       { "alter", on_alter },	    { "elect", on_elect },
	{ "reassign", on_reassign },   { "assign", on_assign },	    { "config", on_config },
	{ "unregister", on_unregister }, { "preferred", on_preferred }, { "unclean", on_unclean },
};

static void happen(void)
{
	snprintf(answer, sizeof answer, "0");
	begin();
	for (size_t i = 0; i < sizeof events / sizeof *events; i++)
		if (!strcmp(events[i].name, field[0]))
			events[i].fn();
	finish();
}

int main(void)
{
	FILE *f = popen("gzip -dc t/vectors/cluster.tsv.gz", "r");
	char line[1 << 15], event[1 << 15] = "", *what = NULL;
	int lives = 0, n = 0;
	bool same = true;

	while (f && fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		if (!strncmp(line, "life\t", 5)) {
			if (lives++)
				ok(same, "life %d: as in Apache Kafka", lives - 2);
			same = true;
			split(line);
			life();
		} else if (!strncmp(line, "time\t", 5)) {
			now += atoi(line + 5);
		} else if (!same) {
			continue;
		} else if (*line != '=' && *line != '@') {
			snprintf(event, sizeof event, "%s", line);
			split(line);
			happen();
			n++;
		} else if (*line == '=') {
			same = strcmp(line + 2, answer) == 0;
			what = answer;
		} else {
			say_cluster();
			same = strcmp(line, cluster) == 0 && !broken();
			what = cluster;
		}
		if (!same && what && (*line == '=' || *line == '@'))
			diag("life %d: %s\n# ours   %s\n# theirs %s%s", lives - 1, event, what, line,
			     broken() ? broken() : "");
	}
	ok(same, "life %d: as in Apache Kafka", lives - 1);
	ok(f && pclose(f) == 0 && n > 1000, "%d events", n);
	operation_free(&op);
	meta_image_free(&image);
	return done_testing();
}
