/* Every version of every API that elect answers, for a good and for a bad request: an answer comes,
 * and it decodes. */
#include "elect.h"

static int32_t one = 1;

/* Both cases of each API: which is the item that is right, or wrong. */
static int create(int version, bool good)
{
	struct create_topics_request q;
	struct create_topics_request_creatable_topic t;
	struct create_topics_response r;
	char name[32];

	wire_init(&wire_create_topics_request, &q);
	wire_init(&wire_create_topics_request_creatable_topic, &t);
	snprintf(name, sizeof name, good ? "v%d" : "no/%d", version);
	q.topics = &t;
	q.topics_n = 1;
	q.timeout_ms = 5000;
	t.name = span_of(name);
	t.num_partitions = 1;
	t.replication_factor = 1;
	if (elect_call(19, version, &q, &r) != 0 || r.topics_n != 1)
		return -100;
	return r.topics[0].error_code;
}

static int grow(int version, bool good)
{
	struct create_partitions_request q;
	struct create_partitions_request_create_partitions_topic t;
	struct create_partitions_request_create_partitions_assignment a;
	struct create_partitions_response r;

	wire_init(&wire_create_partitions_request, &q);
	wire_init(&wire_create_partitions_request_create_partitions_topic, &t);
	wire_init(&wire_create_partitions_request_create_partitions_assignment, &a);
	q.topics = &t;
	q.topics_n = 1;
	q.timeout_ms = 5000;
	t.name = span_of(good ? "v7" : "nothing");
	t.count = 2 + version;
	t.assignments = &a;
	t.assignments_n = 1;
	a.broker_ids = &one;
	a.broker_ids_n = 1;
	if (elect_call(37, version, &q, &r) != 0 || r.results_n != 1)
		return -100;
	return r.results[0].error_code;
}

static int drop(int version, bool good)
{
	struct delete_topics_request q;
	struct delete_topics_request_delete_topic_state t;
	struct delete_topics_response r;
	struct span name;
	char text[32];

	snprintf(text, sizeof text, good ? "v%d" : "nothing%d", version + 1); /* create's */
	name = span_of(text);
	wire_init(&wire_delete_topics_request, &q);
	wire_init(&wire_delete_topics_request_delete_topic_state, &t);
	q.timeout_ms = 5000;
	t.name = name;
	if (version >= 6) {
		q.topics = &t;
		q.topics_n = 1;
	} else {
		q.topic_names = &name;
		q.topic_names_n = 1;
	}
	if (elect_call(20, version, &q, &r) != 0 || r.responses_n != 1)
		return -100;
	return r.responses[0].error_code;
}

static int alter(int version, bool good)
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
	t.resource_type = 2;
	t.resource_name = span_of("v7");
	t.configs = &c;
	t.configs_n = 1;
	c.name = span_of("retention.ms");
	c.value = span_of(good ? "5" : "five");
	if (elect_call(33, version, &q, &r) != 0 || r.responses_n != 1)
		return -100;
	return r.responses[0].error_code;
}

static int alter_incrementally(int version, bool good)
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
	t.resource_type = 2;
	t.resource_name = span_of("v7");
	t.configs = &c;
	t.configs_n = 1;
	c.name = span_of("retention.ms");
	c.value = span_of(good ? "6" : "six");
	if (elect_call(44, version, &q, &r) != 0 || r.responses_n != 1)
		return -100;
	return r.responses[0].error_code;
}

static int feature(int version, bool good)
{
	struct update_features_request q;
	struct update_features_request_feature_update_key f;
	struct update_features_response r;

	wire_init(&wire_update_features_request, &q);
	wire_init(&wire_update_features_request_feature_update_key, &f);
	q.feature_updates = &f;
	q.feature_updates_n = 1;
	q.timeout_ms = 5000;
	f.feature = span_of("metadata.version");
	f.max_version_level = good ? 25 + (int16_t)version : 34;
	if (elect_call(57, version, &q, &r) != 0)
		return -100;
	return r.error_code;
}

static int64_t epoch;

static int join(int version, bool good)
{
	struct broker_registration_request q;
	struct broker_registration_request_feature f[2];
	struct broker_registration_response r;
	struct uuid dir = { { 1, 2, (uint8_t)version } };
	FILE *m = fopen("log/meta.properties", "r");
	char line[256], cluster[64] = "another";

	while (good && m && fgets(line, sizeof line, m))
		sscanf(line, "cluster.id=%63s", cluster);
	if (m)
		fclose(m);
	wire_init(&wire_broker_registration_request, &q);
	wire_init(&wire_broker_registration_request_feature, &f[0]);
	wire_init(&wire_broker_registration_request_feature, &f[1]);
	q.broker_id = 10 + version;
	q.cluster_id = span_of(cluster);
	q.incarnation_id = dir;
	q.features = f;
	q.features_n = 2;
	f[0].name = span_of("metadata.version");
	f[0].min_supported_version = 7;
	f[0].max_supported_version = 33;
	f[1].name = span_of("group.version");
	f[1].max_supported_version = 1;
	if (version >= 2) {
		q.log_dirs = &dir;
		q.log_dirs_n = 1;
	}
	if (elect_call_on(WIRE_CONTROLLER, 62, version, &q, &r, 5000) != 0)
		return -100;
	if (good)
		epoch = r.broker_epoch;
	return r.error_code;
}

static int beat(int version, bool good)
{
	struct broker_heartbeat_request q;
	struct broker_heartbeat_response r;

	wire_init(&wire_broker_heartbeat_request, &q);
	q.broker_id = 14;
	q.broker_epoch = good ? epoch : epoch + 1;
	q.current_metadata_offset = epoch;
	if (elect_call_on(WIRE_CONTROLLER, 63, version, &q, &r, 5000) != 0)
		return -100;
	return r.error_code;
}

static int ids(int version, bool good)
{
	struct allocate_producer_ids_request q;
	struct allocate_producer_ids_response r;

	wire_init(&wire_allocate_producer_ids_request, &q);
	q.broker_id = 14;
	q.broker_epoch = good ? epoch : epoch + 1;
	if (elect_call_on(WIRE_LOCAL, 67, version, &q, &r, 5000) != 0)
		return -100;
	return r.error_code;
}

static int snapshot(int version, bool good)
{
	struct fetch_snapshot_request q;
	struct fetch_snapshot_request_topic_snapshot t;
	struct fetch_snapshot_request_partition_snapshot p;
	struct fetch_snapshot_response r;

	wire_init(&wire_fetch_snapshot_request, &q);
	wire_init(&wire_fetch_snapshot_request_topic_snapshot, &t);
	wire_init(&wire_fetch_snapshot_request_partition_snapshot, &p);
	q.topics = &t;
	q.topics_n = good ? 1 : 0;
	t.name = span_of("__cluster_metadata");
	t.partitions = &p;
	t.partitions_n = 1;
	p.current_leader_epoch = 1;
	p.snapshot_id.end_offset = 1;
	if (elect_call_on(WIRE_CONTROLLER, 59, version, &q, &r, 5000) != 0)
		return -100;
	/* There is none yet, which is the good answer. */
	return good ? r.topics[0].partitions[0].error_code - WIRE_SNAPSHOT_NOT_FOUND : r.error_code;
}

static const struct {
	int key;
	int (*ask)(int version, bool good);
	int bad;
} apis[] = {
	{ 19, create, WIRE_INVALID_TOPIC_EXCEPTION },
	{ 37, grow, WIRE_UNKNOWN_TOPIC_OR_PARTITION },
	{ 33, alter, WIRE_INVALID_CONFIG },
	{ 44, alter_incrementally, WIRE_INVALID_CONFIG },
	{ 59, snapshot, WIRE_INVALID_REQUEST },
	{ 20, drop, WIRE_UNKNOWN_TOPIC_OR_PARTITION },
	{ 62, join, WIRE_INCONSISTENT_CLUSTER_ID },
	{ 63, beat, WIRE_STALE_BROKER_EPOCH },
	{ 67, ids, WIRE_STALE_BROKER_EPOCH },
	{ 57, feature, WIRE_INVALID_UPDATE_VERSION },
};

int main(void)
{
	elect_directory("5650-elect-versions", 20584);
	must(elect_spawn(), "elect does not start");
	elect_connect(true);
	must(elect_until(elect_is_unfenced, NULL, 5000), "not unfenced");
	for (size_t i = 0; i < sizeof apis / sizeof *apis; i++) {
		const struct wire_api *a = wire_api(apis[i].key);

		for (int v = a->min; v <= a->max; v++) {
			/* A registration before version 2 cannot name directories. */
			int want = a->key == 62 && v < 2 ? WIRE_INVALID_REGISTRATION : 0;

			is_int(apis[i].ask(v, true), want, "%s %d", a->name, v);
			is_int(apis[i].ask(v, false), apis[i].bad, "%s %d, refused", a->name, v);
		}
	}
	is_int(elect_end(SIGTERM), 0, "a clean end");
	return done_testing();
}
