/* lib/meta: records into the image, the image into records, batches and transactions. */
#include <errno.h>

#include "log/batch.h"
#include "meta/load.h"
#include "meta/record.h"
#include "tap.h"
#include "wire/api.h"
#include "wire/wire.h"

static struct meta_image image;
static int64_t offset;

static int put(int type, int version, const void *record)
{
	struct buf b = { 0 };
	int r;

	if (meta_record_encode(&b, type, version, record) < 0)
		return -2;
	r = meta_apply(&image, (struct span){ (const char *)b.p, (int32_t)b.n }, offset++, 1);
	buf_free(&b);
	return r;
}

static struct uuid id_of(uint8_t n)
{
	struct uuid u = { { 9, 9, 9 } };

	u.b[15] = n;
	return u;
}

static int feature(const char *name, int16_t level)
{
	struct feature_level_record r;

	wire_init(&wire_feature_level_record, &r);
	r.name = span_of(name);
	r.feature_level = level;
	return put(META_FEATURE_LEVEL, 0, &r);
}

static int topic(const char *name, uint8_t n)
{
	struct topic_record r;

	wire_init(&wire_topic_record, &r);
	r.name = span_of(name);
	r.topic_id = id_of(n);
	return put(META_TOPIC_RECORD, 0, &r);
}

static int partition(uint8_t n, int32_t p)
{
	struct partition_record r;
	int32_t replicas[2] = { 1, 2 }, isr[1] = { 1 };
	struct uuid dirs[2] = { id_of(100), id_of(101) };

	wire_init(&wire_partition_record, &r);
	r.topic_id = id_of(n);
	r.partition_id = p;
	r.replicas = replicas;
	r.replicas_n = 2;
	r.isr = isr;
	r.isr_n = 1;
	r.leader = 1;
	r.leader_epoch = 0;
	r.partition_epoch = 0;
	r.directories = dirs;
	r.directories_n = 2;
	return put(META_PARTITION, 1, &r);
}

static int config(int8_t type, const char *name, const char *key, const char *value)
{
	struct config_record r;

	wire_init(&wire_config_record, &r);
	r.resource_type = type;
	r.resource_name = span_of(name);
	r.name = span_of(key);
	r.value = span_of(value);
	return put(META_CONFIG, 0, &r);
}

static int broker(int32_t id, int64_t epoch)
{
	struct register_broker_record r;
	struct register_broker_record_broker_endpoint e;
	struct register_broker_record_broker_feature f;
	struct uuid dir = id_of(100);

	wire_init(&wire_register_broker_record, &r);
	wire_init(&wire_register_broker_record_broker_endpoint, &e);
	wire_init(&wire_register_broker_record_broker_feature, &f);
	r.broker_id = id;
	r.broker_epoch = epoch;
	r.incarnation_id = id_of(50);
	e.name = span_of("PLAINTEXT");
	e.host = span_of("localhost");
	e.port = 9092;
	r.end_points = &e;
	r.end_points_n = 1;
	f.name = span_of("metadata.version");
	f.min_supported_version = 7;
	f.max_supported_version = 33;
	r.features = &f;
	r.features_n = 1;
	r.rack = span_of("r1");
	r.log_dirs = &dir;
	r.log_dirs_n = 1;
	return put(META_REGISTER_BROKER, 3, &r);
}

/* All records of an image as sorted text would be: a sum over their bytes that no order changes,
 * and their number. */
struct sum {
	uint64_t sum;
	int n;
	struct meta_image *into;
};
static int add(void *arg, struct span value)
{
	struct sum *s = arg;
	uint64_t h = 14695981039346656037u;

	for (int32_t i = 0; i < value.n; i++)
		h = (h ^ (uint8_t)value.p[i]) * 1099511628211u;
	s->sum += h;
	s->n++;
	return s->into ? meta_apply(s->into, value, offset, 1) : 0;
}

static void test_apply(void)
{
	struct partition_change_record c;
	struct meta_partition *p;
	struct fence_broker_record fence;
	int32_t isr[2] = { 2, 1 };

	is_int(feature("metadata.version", 25), 0, "feature");
	is_int(meta_feature_level(&image, "metadata.version"), 25, "level");
	is_int(broker(1, 7), 0, "broker");
	ok(meta_broker(&image, 1)->fenced, "a broker begins fenced");
	is_str(meta_broker_endpoint(meta_broker(&image, 1), "PLAINTEXT")->host, "localhost",
	       "endpoint");
	wire_init(&wire_fence_broker_record, &fence);
	fence.id = 1;
	fence.epoch = 6;
	is_int(put(META_UNFENCE_BROKER, 0, &fence), -1, "another epoch is refused");
	fence.epoch = 7;
	is_int(put(META_UNFENCE_BROKER, 0, &fence), 0, "unfence");
	ok(!meta_broker(&image, 1)->fenced, "unfenced");
	is_int(topic("orders", 1), 0, "topic");
	is_int(topic("orders", 2), -1, "the same name again is refused");
	is_int(partition(1, 0), 0, "partition 0");
	is_int(partition(1, 2), 0, "partition 2 before 1");
	ok(meta_partition(meta_topic_named(&image, span_of("orders")), 1) == NULL, "1 is a hole");
	is_int(partition(1, 1), 0, "partition 1");
	is_int(partition(3, 0), -1, "a topic that is not there");
	is_int(partition(1, 2000000000), -1, "a partition far out");
	wire_init(&wire_partition_change_record, &c);
	c.topic_id = id_of(1);
	c.partition_id = 1;
	c.isr = isr;
	c.isr_n = 2;
	is_int(put(META_PARTITION_CHANGE, 1, &c), 0, "change of the ISR");
	p = meta_partition(meta_topic_named(&image, span_of("orders")), 1);
	ok(p->isr_n == 2 && p->isr[0] == 2 && p->leader == 1 && p->leader_epoch == 0
		   && p->partition_epoch == 1,
	   "the ISR alone changed");
	c.isr_n = -1;
	c.leader = -1;
	is_int(put(META_PARTITION_CHANGE, 1, &c), 0, "no leader");
	ok(p->leader == -1 && p->leader_epoch == 1 && p->partition_epoch == 2,
	   "the leader epoch rose");
	is_int(config(2, "orders", "retention.ms", "5"), 0, "config");
	is_int(config(2, "orders", "a", "b"), 0, "config");
	is_int(config(2, "orders", "cleanup.policy", ""), 0, "config");
	is_str(meta_config_value(meta_configs_of(&image, META_TOPIC, span_of("orders")),
				 "retention.ms"),
	       "5", "get");
	is_int(config(2, "orders", "a", NULL), 0, "config removed");
	ok(!meta_config_value(meta_configs_of(&image, META_TOPIC, span_of("orders")), "a"),
	   "it is gone");
	is_int(config(4, "", "message.max.bytes", "77"), 0, "cluster-wide config");
}

static void test_others(void)
{
	struct access_control_entry_record a;
	struct client_quota_record q;
	struct client_quota_record_entity_data e;
	struct remove_access_control_entry_record x;
	struct producer_ids_record ids;
	struct register_controller_record ctl;

	wire_init(&wire_access_control_entry_record, &a);
	a.id = id_of(60);
	a.resource_name = span_of("orders");
	is_int(put(META_ACL, 0, &a), 0, "acl");
	a.id = id_of(61);
	is_int(put(META_ACL, 0, &a), 0, "acl");
	wire_init(&wire_remove_access_control_entry_record, &x);
	x.id = id_of(60);
	is_int(put(META_REMOVE_ACL, 0, &x), 0, "acl removed");
	wire_init(&wire_client_quota_record, &q);
	e.entity_type = span_of("user");
	e.entity_name = SPAN_NULL;
	e.tags = (struct wire_tags){ 0 };
	q.entity = &e;
	q.entity_n = 1;
	q.key = span_of("producer_byte_rate");
	q.value = 10;
	is_int(put(META_CLIENT_QUOTA, 0, &q), 0, "quota");
	q.value = 11;
	is_int(put(META_CLIENT_QUOTA, 0, &q), 0, "quota again");
	is_int(image.others.n, 2, "one acl and one quota are kept");
	wire_init(&wire_producer_ids_record, &ids);
	ids.next_producer_id = 3000;
	is_int(put(META_PRODUCER_IDS, 0, &ids), 0, "producer ids");
	wire_init(&wire_register_controller_record, &ctl);
	ctl.controller_id = 1;
	is_int(put(META_REGISTER_CONTROLLER, 0, &ctl), 0, "controller");
	is_int(put(META_NO_OP, 0, &ctl), 0, "no op");
	is_int(meta_apply(&image, (struct span){ "\1\176\0", 3 }, offset++, 1), 1,
	       "an unknown type is passed over");
	is_int(meta_apply(&image, (struct span){ "\2\2\0", 3 }, offset++, 1), -1,
	       "a bad frame version");
}

static void test_round_trip(void)
{
	struct meta_image copy;
	struct sum a = { 0 }, b = { 0 };
	struct remove_topic_record r;

	meta_image_init(&copy);
	a.into = &copy;
	is_int(meta_image_records(&image, add, &a), 0, "records of the image");
	is_int(meta_image_records(&copy, add, &b), 0, "records of the copy");
	ok(a.n == 13 && b.n == a.n && a.sum == b.sum, "%d records, %d of the copy, the same", a.n,
	   b.n);
	meta_image_free(&copy);
	wire_init(&wire_remove_topic_record, &r);
	r.topic_id = id_of(1);
	is_int(put(META_REMOVE_TOPIC, 0, &r), 0, "topic removed");
	ok(!meta_topic_named(&image, span_of("orders"))
		   && !meta_configs_of(&image, META_TOPIC, span_of("orders")),
	   "its configs too");
}

/* A batch of the log holding these records of no fields, by type; 100 + n is a topic of its own. */
static void batch(struct buf *b, int64_t base, const int *types, int n)
{
	struct batch_builder w;
	struct buf value = { 0 };

	batch_begin(&w, b, base, 3, 0, -1, -1, -1);
	for (int i = 0; i < n; i++) {
		struct topic_record t;
		char name[8];

		value.n = 0;
		wire_init(&wire_topic_record, &t);
		snprintf(name, sizeof name, "t%d", types[i] % 100);
		t.name = span_of(name);
		t.topic_id = id_of((uint8_t)types[i]);
		if (types[i] >= 100) {
			meta_record_encode(&value, META_TOPIC_RECORD, 0, &t);
		} else {
			struct begin_transaction_record none; /* the largest of the three */

			wire_init(meta_record_wire(types[i]), &none);
			meta_record_encode(&value, types[i], 0, &none);
		}
		batch_add(&w, 1000, SPAN_NULL,
			  (struct span){ (const char *)value.p, (int32_t)value.n }, NULL, 0);
	}
	batch_end(&w);
	buf_free(&value);
}

static int batches_seen;
static void seen(void *ctx, struct meta_image *m)
{
	batches_seen++;
}

static void test_transactions(void)
{
	struct meta_image m;
	struct meta_load l;
	struct buf b = { 0 };

	meta_image_init(&m);
	meta_load_init(&l, &m);
	l.batch = seen;
	batch(&b, 0, (int[]){ 101, 102 }, 2);
	batch(&b, 2, (int[]){ META_BEGIN_TRANSACTION, 103 }, 2);
	batch(&b, 4, (int[]){ 104 }, 1);
	is_int(meta_load(&l, b.p, b.n, 0, NULL), b.n, "three batches");
	is_int(batches_seen, 1, "one took effect");
	ok(meta_topic_named(&m, span_of("t2")) && !meta_topic_named(&m, span_of("t3")),
	   "a transaction waits");
	is_int(m.offset, 1, "applied up to before it");
	is_int(l.end, 5, "read up to here");
	b.n = 0;
	batch(&b, 5, (int[]){ META_END_TRANSACTION, 105 }, 2);
	is_int(meta_load(&l, b.p, b.n, 5, NULL), b.n, "its end");
	ok(meta_topic_named(&m, span_of("t3")) && meta_topic_named(&m, span_of("t4"))
		   && meta_topic_named(&m, span_of("t5")),
	   "all of it took effect");
	is_int(m.offset, 6, "applied up to here");
	b.n = 0;
	batch(&b, 7, (int[]){ META_BEGIN_TRANSACTION, 106, META_ABORT_TRANSACTION, 107 }, 4);
	is_int(meta_load(&l, b.p, b.n, 5, NULL), b.n, "an aborted one");
	ok(!meta_topic_named(&m, span_of("t6")) && meta_topic_named(&m, span_of("t7")),
	   "none of it took effect");
	is_int(meta_load(&l, b.p, b.n - 1, 7, NULL), 0, "a batch cut short is left");
	b.p[b.n - 1] ^= 1;
	is_int(meta_load(&l, b.p, b.n, 7, NULL), -1, "a bad crc");
	meta_load_free(&l);
	meta_image_free(&m);
	buf_free(&b);
}

int main(void)
{
	meta_image_init(&image);
	test_apply();
	test_others();
	test_round_trip();
	test_transactions();
	meta_image_free(&image);
	return done_testing();
}
