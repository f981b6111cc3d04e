/* For tests of elect's controller step: one controller and its image, in which everything is
 * committed at once. */
#ifndef T_CONTROLLER_H
#define T_CONTROLLER_H
#include "../cmd/elect/controller.h"
#include "tap.h"
#include "wire/codes.h"

static struct meta_image image;
static struct controller controller;
static struct settings settings = { .node = { .id = 1, .cluster_id = "cluster" } };
static int64_t offset, now = 100000;
static struct operation op;
static const char *join_rack; /* of brokers that join; NULL none */

TAP_FN void begin(void)
{
	operation_free(&op);
	op = (struct operation){
		.c = &controller, .offset = offset, .now_ms = now, .listener = WIRE_CONTROLLER
	};
}

/* Applies what the operation made; how many records. */
TAP_FN int finish(void)
{
	int n = 0;

	for (size_t at = 0; at < op.values.n; n++) {
		int32_t size = (int32_t)get32(op.values.p + at);
		struct span value = { (const char *)op.values.p + at + 4, size };

		if (meta_apply(&image, value, offset++, 1) != 0)
			ok(false, "record %d applies", n);
		at += 4 + (size_t)size;
	}
	return n;
}

TAP_FN int join(int32_t id, uint8_t incarnation, uint8_t dir, int64_t *epoch)
{
	struct broker_registration_request in;
	struct broker_registration_response out;
	struct broker_registration_request_feature f;
	struct uuid directory = { { dir, 7 } };

	begin();
	wire_init(&wire_broker_registration_request, &in);
	wire_init(&wire_broker_registration_response, &out);
	wire_init(&wire_broker_registration_request_feature, &f);
	in.broker_id = id;
	in.cluster_id = span_of("cluster");
	in.incarnation_id = (struct uuid){ { incarnation } };
	in.rack = span_of(join_rack);
	in.features = &f;
	in.features_n = 1;
	f.name = span_of("metadata.version");
	f.min_supported_version = 7;
	f.max_supported_version = 33;
	in.log_dirs = &directory;
	in.log_dirs_n = dir ? 1 : 0;
	register_broker(&op, NULL, &in, &out);
	*epoch = out.broker_epoch;
	finish();
	return out.error_code;
}

TAP_FN struct broker_heartbeat_response beat(int32_t id, int64_t epoch, bool want_fence,
					     bool want_shut_down)
{
	struct broker_heartbeat_request in;
	struct broker_heartbeat_response out;

	begin();
	wire_init(&wire_broker_heartbeat_request, &in);
	wire_init(&wire_broker_heartbeat_response, &out);
	in.broker_id = id;
	in.broker_epoch = epoch;
	in.current_metadata_offset = offset - 1;
	in.want_fence = want_fence;
	in.want_shut_down = want_shut_down;
	broker_heartbeat(&op, NULL, &in, &out);
	finish();
	return out;
}

TAP_FN int make_topic(const char *name, int32_t partitions, int16_t factor)
{
	struct create_topics_request in;
	struct create_topics_response out;
	struct create_topics_request_creatable_topic t;

	begin();
	wire_init(&wire_create_topics_request, &in);
	wire_init(&wire_create_topics_response, &out);
	wire_init(&wire_create_topics_request_creatable_topic, &t);
	in.topics = &t;
	in.topics_n = 1;
	t.name = span_of(name);
	t.num_partitions = partitions;
	t.replication_factor = factor;
	create_topics(&op, NULL, &in, &out);
	finish();
	return out.topics[0].error_code;
}

TAP_FN const struct meta_partition *part(const char *name, int32_t p)
{
	return meta_partition(meta_topic_named(&image, span_of(name)), p);
}
#endif
