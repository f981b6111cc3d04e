/* lib/meta: the table of configs, checks of values, and which layer is in force. */
#include "meta/config.h"
#include "meta/record.h"
#include "tap.h"
#include "wire/api.h"
#include "wire/wire.h"

static void test_tables(void)
{
	int n, topics;
	char why[512];
	bool sorted = true, found = true, good = true, behind = true;

	static const int resources[] = { META_TOPIC, META_BROKER, META_GROUP };

	for (int r = 0; r < 3; r++) {
		int resource = resources[r];
		const struct meta_config_def *v = meta_config_defs(resource, &n);

		for (int i = 0; i < n; i++) {
			if (i > 0 && strcmp(v[i - 1].name, v[i].name) >= 0)
				sorted = false;
			if (meta_config_def(resource, span_of(v[i].name)) != &v[i])
				found = false;
			if (v[i].fallback
			    && meta_config_check(&v[i], span_of(v[i].fallback), why, sizeof why)) {
				diag("%s", why);
				good = false;
			}
			if (v[i].broker_name
			    && !meta_config_def(META_BROKER, span_of(v[i].broker_name)))
				behind = false;
		}
	}
	ok(sorted, "names are sorted");
	ok(found, "each is found by its name");
	ok(good, "every default is legal");
	ok(behind, "every broker config behind a topic config is there");
	meta_config_defs(META_TOPIC, &topics);
	is_int(topics, 37, "as many topic configs as Kafka 4.4 has");
	ok(!meta_config_def(META_TOPIC, span_of("retention")), "no prefix of a name");
	ok(!meta_config_def(META_TOPIC, span_of("retention.mss")), "nothing longer");
	ok(!meta_config_def(META_TOPIC, span_of("num.partitions")), "no broker config");
	ok(!meta_config_def(META_TOPIC, SPAN_NULL), "no null");
}

static void test_check(void)
{
	static const struct {
		const char *name, *value, *why;
	} cases[] = {
		{ "retention.ms", "5", NULL },
		{ "retention.ms", " 5 ", NULL },
		{ "retention.ms", "-1", NULL },
		{ "retention.ms", "-2",
		  "Invalid value -2 for configuration retention.ms: Value must be at least -1" },
		{ "retention.ms", "x",
		  "Invalid value x for configuration retention.ms: Not a number of type LONG" },
		{ "retention.ms", "",
		  "Invalid value  for configuration retention.ms: Not a number of type LONG" },
		{ "retention.ms", "9223372036854775807", NULL },
		{ "retention.ms", "9223372036854775808",
		  "Invalid value 9223372036854775808 for configuration retention.ms: Not a number "
		  "of type LONG" },
		{ "segment.bytes", "2147483648",
		  "Invalid value 2147483648 for configuration segment.bytes: Not a number of type "
		  "INT" },
		{ "segment.bytes", "1048576", NULL },
		{ "segment.bytes", "1048575",
		  "Invalid value 1048575 for configuration segment.bytes: Value must be at least "
		  "1048576" },
		{ "compression.zstd.level", "23",
		  "Invalid value 23 for configuration compression.zstd.level: Value must be no "
		  "more than 22" },
		{ "compression.gzip.level", "-1", NULL },
		{ "compression.gzip.level", "9", NULL },
		{ "compression.type", "zstd", NULL },
		{ "compression.type", "brotli",
		  "Invalid value brotli for configuration compression.type: String must be one of: "
		  "uncompressed, zstd, "
		  "lz4, snappy, gzip, producer" },
		{ "cleanup.policy", "compact,delete", NULL },
		{ "cleanup.policy", "compact, delete", NULL },
		{ "cleanup.policy", "", NULL },
		{ "cleanup.policy", "delete,delete", NULL },
		{ "cleanup.policy", "compact,shred",
		  "Invalid value shred for configuration cleanup.policy: String must be one of: "
		  "compact, delete" },
		{ "preallocate", "TRUE", NULL },
		{ "preallocate", "yes",
		  "Invalid value yes for configuration preallocate: Expected value to be either "
		  "true or false" },
		{ "min.cleanable.dirty.ratio", "0.25", NULL },
		{ "min.cleanable.dirty.ratio", "1.5",
		  "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no "
		  "more than 1" },
		{ "leader.replication.throttled.replicas", "*", NULL },
		{ "leader.replication.throttled.replicas", "0:1,1:2", NULL },
		{ "leader.replication.throttled.replicas", "0:", "" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct meta_config_def *d =
			meta_config_def(META_TOPIC, span_of(cases[i].name));
		char why[512] = "";
		int e = meta_config_check(d, span_of(cases[i].value), why, sizeof why);

		is_int(e, cases[i].why ? 40 : 0, "%s = '%s'", cases[i].name, cases[i].value);
		if (cases[i].why && *cases[i].why)
			is_str(why, cases[i].why, "its words");
	}
}

static void set(struct meta_image *m, int8_t type, const char *name, const char *key,
		const char *value)
{
	struct config_record r;
	struct buf b = { 0 };

	wire_init(&wire_config_record, &r);
	r.resource_type = type;
	r.resource_name = span_of(name);
	r.name = span_of(key);
	r.value = span_of(value);
	meta_record_encode(&b, META_CONFIG, 0, &r);
	ok(meta_apply(m, (struct span){ (const char *)b.p, (int32_t)b.n }, 0, 0) == 0, "set %s",
	   key);
	buf_free(&b);
}

static void test_layers(void)
{
	struct meta_image m;
	struct meta_topic t = { .name = "t" };
	struct meta_config_layer v[META_LAYERS];
	enum meta_config_source s;
	const struct meta_config_def *d = meta_config_def(META_TOPIC, span_of("retention.ms"));
	int n;

	meta_image_init(&m);
	is_str(meta_config(&m, 1, &t, "retention.ms", &s), "604800000", "default, from hours");
	is_int(s, META_SOURCE_DEFAULT, "source");
	n = meta_config_layers(&m, 1, &t, d, v);
	ok(n == 1 && strcmp(v[0].name, "log.retention.hours") == 0
		   && strcmp(v[0].value, "168") == 0,
	   "synonyms");
	setenv("log.retention.hours", "2", 1);
	is_str(meta_config(&m, 1, &t, "retention.ms", &s), "7200000", "static hours");
	is_int(s, META_SOURCE_STATIC_BROKER, "source");
	setenv("log.retention.minutes", "3", 1);
	is_int(meta_config_int(&m, 1, &t, "retention.ms"), 180000, "minutes come before hours");
	set(&m, META_BROKER, "", "log.retention.ms", "4");
	is_str(meta_config(&m, 1, &t, "retention.ms", &s), "4", "cluster-wide");
	is_int(s, META_SOURCE_DYNAMIC_DEFAULT_BROKER, "source");
	set(&m, META_BROKER, "1", "log.retention.ms", "5");
	is_str(meta_config(&m, 1, &t, "retention.ms", &s), "5", "this broker");
	is_str(meta_config(&m, 2, &t, "retention.ms", &s), "4", "not another");
	is_str(meta_config(&m, 1, NULL, "log.retention.ms", &s), "5", "as a broker config");
	set(&m, META_TOPIC, "t", "retention.ms", "6");
	is_str(meta_config(&m, 1, &t, "retention.ms", &s), "6", "topic");
	is_int(s, META_SOURCE_TOPIC, "source");
	n = meta_config_layers(&m, 1, &t, d, v);
	is_int(n, 6, "all layers: topic, broker, cluster, minutes, hours, default");
	is_int(meta_config_int(&m, 1, &t, "max.message.bytes"), 1048588, "number");
	ok(!meta_config_bool(&m, 1, &t, "preallocate"), "boolean");
	ok(meta_config_bool(&m, 1, NULL, "auto.create.topics.enable"), "boolean of a broker");
	setenv("num.partitions", "many", 1);
	is_int(meta_config_int(&m, 1, NULL, "num.partitions"), 1,
	       "a static value that does not parse");
	is_int(meta_config_int(&m, 1, NULL, "no.such.config"), 0, "no such config");
	meta_image_free(&m);
}

int main(void)
{
	test_tables();
	test_check();
	test_layers();
	return done_testing();
}
