/* The image as records that make it again (Kafka's MetadataImage.write): snapshots. */
#include <errno.h>
#include <string.h>

#include "meta/image.h"
#include "meta/record.h"
#include "wire/api.h"
#include "wire/wire.h"

struct out {
	int (*fn)(void *arg, struct span value);
	void *arg;
	int level;
	struct buf b;
	struct arena a;
};

static int emit(struct out *o, int type, const void *record)
{
	o->b.n = 0;
	if (meta_record_encode(&o->b, type, meta_record_version(type, o->level), record) < 0)
		return -1;
	return o->fn(o->arg, (struct span){ (const char *)o->b.p, (int32_t)o->b.n });
}

static int emit_feature(struct out *o, const char *name, int16_t level)
{
	struct feature_level_record r;

	wire_init(&wire_feature_level_record, &r);
	r.name = span_of(name);
	r.feature_level = level;
	return emit(o, META_FEATURE_LEVEL, &r);
}

static int emit_features(struct out *o, const struct meta_image *m)
{
	const struct meta_feature *f;
	size_t at = 0;
	int r = 0;

	if (o->level > 0)
		r = emit_feature(o, "metadata.version", (int16_t)o->level);
	while (r == 0 && (f = map_next(&m->features, &at)))
		if (strcmp(f->name, "metadata.version") != 0
		    && strcmp(f->name, "kraft.version") != 0)
			r = emit_feature(o, f->name, f->level);
	return r;
}

static int emit_broker(struct out *o, const struct meta_broker *b)
{
	struct register_broker_record r;

	wire_init(&wire_register_broker_record, &r);
	r.broker_id = b->id;
	r.incarnation_id = b->incarnation;
	r.broker_epoch = b->epoch;
	r.fenced = b->fenced;
	r.in_controlled_shutdown = b->in_controlled_shutdown;
	r.rack = span_of(b->rack);
	r.end_points = arena_get(&o->a, (size_t)b->endpoints_n * sizeof *r.end_points);
	r.features = arena_get(&o->a, (size_t)b->features_n * sizeof *r.features);
	if (!r.end_points || !r.features)
		return -1;
	for (int32_t i = 0; i < b->endpoints_n; i++) {
		wire_init(&wire_register_broker_record_broker_endpoint, &r.end_points[i]);
		r.end_points[i].name = span_of(b->endpoints[i].name);
		r.end_points[i].host = span_of(b->endpoints[i].host);
		r.end_points[i].port = b->endpoints[i].port;
		r.end_points[i].security_protocol = b->endpoints[i].security_protocol;
	}
	for (int32_t i = 0; i < b->features_n; i++) {
		wire_init(&wire_register_broker_record_broker_feature, &r.features[i]);
		r.features[i].name = span_of(b->features[i].name);
		r.features[i].min_supported_version = b->features[i].min;
		r.features[i].max_supported_version = b->features[i].max;
	}
	r.end_points_n = b->endpoints_n;
	r.features_n = b->features_n;
	if (o->level >= 17) {
		r.log_dirs = b->log_dirs;
		r.log_dirs_n = b->log_dirs_n;
	}
	if (o->level >= 30) {
		r.cordoned_log_dirs = b->cordoned;
		r.cordoned_log_dirs_n = b->cordoned_n;
	}
	return emit(o, META_REGISTER_BROKER, &r);
}

static int emit_controller(struct out *o, const struct meta_broker *b)
{
	struct register_controller_record r;

	wire_init(&wire_register_controller_record, &r);
	r.controller_id = b->id;
	r.incarnation_id = b->incarnation;
	r.end_points = arena_get(&o->a, (size_t)b->endpoints_n * sizeof *r.end_points);
	r.features = arena_get(&o->a, (size_t)b->features_n * sizeof *r.features);
	if (!r.end_points || !r.features)
		return -1;
	for (int32_t i = 0; i < b->endpoints_n; i++) {
		wire_init(&wire_register_controller_record_controller_endpoint, &r.end_points[i]);
		r.end_points[i].name = span_of(b->endpoints[i].name);
		r.end_points[i].host = span_of(b->endpoints[i].host);
		r.end_points[i].port = b->endpoints[i].port;
		r.end_points[i].security_protocol = b->endpoints[i].security_protocol;
	}
	for (int32_t i = 0; i < b->features_n; i++) {
		wire_init(&wire_register_controller_record_controller_feature, &r.features[i]);
		r.features[i].name = span_of(b->features[i].name);
		r.features[i].min_supported_version = b->features[i].min;
		r.features[i].max_supported_version = b->features[i].max;
	}
	r.end_points_n = b->endpoints_n;
	r.features_n = b->features_n;
	return emit(o, META_REGISTER_CONTROLLER, &r);
}

static int emit_partition(struct out *o, const struct meta_topic *t, const struct meta_partition *p)
{
	struct partition_record r;

	meta_partition_record(t, p, o->level, &r);
	return emit(o, META_PARTITION, &r);
}

static int emit_topic(struct out *o, const struct meta_topic *t)
{
	struct topic_record r;
	int e;

	wire_init(&wire_topic_record, &r);
	r.name = span_of(t->name);
	r.topic_id = t->id;
	e = emit(o, META_TOPIC_RECORD, &r);
	for (int32_t i = 0; e == 0 && i < t->partitions_n; i++)
		if (t->partitions[i].replicas)
			e = emit_partition(o, t, &t->partitions[i]);
	return e;
}

static int emit_configs(struct out *o, const struct meta_configs *c)
{
	struct config_record r;
	int e = 0;

	wire_init(&wire_config_record, &r);
	r.resource_type = c->type;
	r.resource_name = span_of(c->name);
	for (int32_t i = 0; e == 0 && i < c->n; i++) {
		r.name = span_of(c->v[i].key);
		r.value = span_of(c->v[i].value);
		e = emit(o, META_CONFIG, &r);
	}
	return e;
}

static int emit_producer_ids(struct out *o, int64_t next)
{
	struct producer_ids_record r;

	if (next < 0)
		return 0;
	wire_init(&wire_producer_ids_record, &r);
	r.broker_id = -1;
	r.next_producer_id = next;
	return emit(o, META_PRODUCER_IDS, &r);
}

void meta_partition_record(const struct meta_topic *t, const struct meta_partition *p, int level,
			   struct partition_record *r)
{
	wire_init(&wire_partition_record, r);
	r->partition_id = p->id;
	r->topic_id = t->id;
	r->replicas = p->replicas;
	r->replicas_n = p->replicas_n;
	r->isr = p->isr;
	r->isr_n = p->isr_n;
	r->removing_replicas = p->removing;
	r->removing_replicas_n = p->removing_n;
	r->adding_replicas = p->adding;
	r->adding_replicas_n = p->adding_n;
	r->leader = p->leader;
	r->leader_recovery_state = p->leader_recovery_state;
	r->leader_epoch = p->leader_epoch;
	r->partition_epoch = p->partition_epoch;
	if (level >= 17) {
		r->directories = p->directories;
		r->directories_n = p->directories_n;
	}
	if (level >= 23 && p->elr_n > 0) {
		r->eligible_leader_replicas = p->elr;
		r->eligible_leader_replicas_n = p->elr_n;
	}
	if (level >= 23 && p->last_known_elr_n > 0) {
		r->last_known_elr = p->last_known_elr;
		r->last_known_elr_n = p->last_known_elr_n;
	}
}

int meta_image_records(const struct meta_image *m, int (*fn)(void *arg, struct span value),
		       void *arg)
{
	struct out o = { .fn = fn, .arg = arg, .level = meta_feature_level(m, "metadata.version") };
	const void *v;
	size_t at;
	int r = emit_features(&o, m);

	for (at = 0; r == 0 && (v = map_next(&m->brokers, &at));)
		r = emit_broker(&o, v);
	for (at = 0; r == 0 && (v = map_next(&m->controllers, &at));)
		r = emit_controller(&o, v);
	for (at = 0; r == 0 && (v = map_next(&m->topics_by_id, &at));)
		r = emit_topic(&o, v);
	for (at = 0; r == 0 && (v = map_next(&m->configs, &at));)
		r = emit_configs(&o, v);
	if (r == 0)
		r = emit_producer_ids(&o, m->next_producer_id);
	for (at = 0; r == 0 && (v = map_next(&m->others, &at));) {
		const struct meta_other *other = v;

		r = fn(arg, (struct span){ other->value, other->value_n });
	}
	arena_free(&o.a);
	buf_free(&o.b);
	return r;
}
