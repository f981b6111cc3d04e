/* Fuzzing elect's controller: the input is API, version and body of a request; what it makes of it
 * must apply to the metadata, and the answer must encode. */
#include <errno.h>
#include <stdlib.h>

#include "../../cmd/elect/controller.h"
#include "meta/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void apply(struct meta_image *m, const struct buf *values)
{
	static int64_t offset;

	for (size_t at = 0; at < values->n;) {
		int32_t size = (int32_t)get32(values->p + at);

		if (meta_apply(m, (struct span){ (const char *)values->p + at + 4, size }, offset++,
			       1) != 0)
			abort();
		at += 4 + (size_t)size;
	}
}

/* A broker that is up, and a topic with a config. */
static void settle(struct meta_image *m, struct controller *c)
{
	struct operation op = { .c = c };
	struct register_broker_record b;
	struct topic_record t;
	struct partition_record p;
	struct config_record k;
	int32_t one = 1;

	meta_image_feature(m, span_of("metadata.version"), META_LEVEL_NEW);
	wire_init(&wire_register_broker_record, &b);
	b.broker_id = 1;
	b.fenced = false;
	operation_record(&op, META_REGISTER_BROKER, &b);
	wire_init(&wire_topic_record, &t);
	t.name = span_of("t");
	t.topic_id.b[0] = 7;
	operation_record(&op, META_TOPIC_RECORD, &t);
	wire_init(&wire_partition_record, &p);
	p.topic_id = t.topic_id;
	p.partition_id = 0;
	p.replicas = p.isr = &one;
	p.replicas_n = p.isr_n = 1;
	p.leader = 1;
	operation_record(&op, META_PARTITION, &p);
	wire_init(&wire_config_record, &k);
	k.resource_type = META_TOPIC;
	k.resource_name = span_of("t");
	k.name = span_of("cleanup.policy");
	k.value = span_of("compact");
	operation_record(&op, META_CONFIG, &k);
	apply(m, &op.values);
	operation_free(&op);
}

static int16_t key(int nth)
{
	int16_t keys[128], n = 0;

	for (int16_t k = 0; k < 128; k++)
		if (controller_has(k))
			keys[n++] = k;
	return keys[nth % n];
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct controller controller;
	static const struct settings settings = { .node = { .id = 1, .cluster_id = "c" } };
	struct meta_image m;
	struct operation op = { .c = &controller, .listener = WIRE_LOCAL };
	struct wire_request q = { .client_id = SPAN_NULL };
	struct buf answer = { 0 };

	if (n < 2)
		return 0;
	meta_image_init(&m);
	controller_init(&controller, &m, &settings);
	settle(&m, &controller);
	q.key = key(p[0]);
	q.api = wire_api(q.key);
	q.version = (int16_t)(q.api->min + p[1] % (q.api->max - q.api->min + 1));
	q.body = (const char *)p + 2;
	q.body_n = n - 2;
	if (controller_call(&op, &q, &answer) == 0)
		apply(&m, &op.values);
	else if (errno != EBADMSG && errno != ENOMEM)
		abort();
	buf_free(&answer);
	operation_free(&op);
	meta_image_free(&m);
	return 0;
}
