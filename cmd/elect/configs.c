/* AlterConfigs, IncrementalAlterConfigs (ConfigAdminManager, ConfigurationControlManager,
 * LogConfig.validate). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "meta/config.h"
#include "meta/record.h"
#include "partition_change.h"
#include "wire/codes.h"

#define MIN_ISR "min.insync.replicas"
enum { OP_SET, OP_DELETE, OP_APPEND, OP_SUBTRACT };
enum { VALUE_MAX = 32767, KEYS_MAX = 1000 }; /* more keys than there are configs */

struct change {
	struct span key, value; /* value null: deleted */
};
struct target {
	int8_t type;
	struct span name;
	const struct meta_configs *now; /* NULL: none set */
	struct change *v;
	int32_t n;
	bool is_new; /* a topic that is being made */
};

static const char *current(const struct target *t, struct span key)
{
	for (int32_t i = 0; t->now && i < t->now->n; i++)
		if (span_is(key, t->now->v[i].key))
			return t->now->v[i].value;
	return NULL;
}

/* What key will be: changed, or as now; null when it will not be set. */
static struct span becoming(const struct target *t, const char *key)
{
	for (int32_t i = 0; i < t->n; i++)
		if (span_is(t->v[i].key, key))
			return t->v[i].value;
	return span_of(current(t, span_of(key)));
}

/* --- what may be set --- */

static int64_t effective(struct operation *op, const struct target *t, const char *key)
{
	static const struct meta_topic any = { .name = "" };
	struct span v = becoming(t, key);

	if (v.n >= 0)
		return strtoll(operation_z(op, v), NULL, 10);
	return meta_config_int(op->c->image, op->c->settings->node.id, &any, key);
}

static struct fault check_topic(struct operation *op, const struct target *t)
{
	char why[512];
	int64_t least, most;
	struct span remote;

	for (int32_t i = 0; i < t->n; i++) {
		const struct meta_config_def *d = meta_config_def(META_TOPIC, t->v[i].key);
		int code;

		if (t->v[i].value.n < 0)
			continue;
		if (!d)
			return fault(op, WIRE_INVALID_CONFIG, "Unknown topic config name: %.*s",
				     t->v[i].key.n, t->v[i].key.p);
		code = meta_config_check(d, t->v[i].value, why, sizeof why);
		if (code)
			return fault(op, code, "%s", why);
	}
	least = effective(op, t, "min.compaction.lag.ms");
	most = effective(op, t, "max.compaction.lag.ms");
	if (least > most)
		return fault(op, WIRE_INVALID_CONFIG,
			     "conflict topic config setting min.compaction.lag.ms (%lld) > "
			     "max.compaction.lag.ms (%lld)",
			     (long long)least, (long long)most);
	remote = becoming(t, "remote.storage.enable");
	if (remote.n == 4 && strncasecmp(remote.p, "true", 4) == 0)
		return fault(op, WIRE_INVALID_CONFIG,
			     "Tiered Storage functionality is disabled in the broker. "
			     "Topic cannot be configured with remote log storage.");
	return GOOD;
}

static struct fault check_broker(struct operation *op, const struct target *t)
{
	char why[512];

	for (int32_t i = 0; i < t->n; i++) {
		const struct change *c = &t->v[i];
		const struct meta_config_def *d = meta_config_def(META_BROKER, c->key);

		if (span_is(c->key, MIN_ISR) && elr_enabled(op) && t->name.n > 0)
			return fault(op, WIRE_INVALID_CONFIG,
				     "Broker-level " MIN_ISR " cannot be altered while ELR is "
				     "enabled.");
		if (span_is(c->key, MIN_ISR) && elr_enabled(op) && c->value.n < 0)
			return fault(op, WIRE_INVALID_CONFIG,
				     "Cluster-level " MIN_ISR " cannot be removed while ELR is "
				     "enabled.");
		if (!d && c->value.n >= 0)
			return fault(op, WIRE_INVALID_CONFIG, "Unknown broker config name: %.*s",
				     c->key.n, c->key.p);
		if (!d || c->value.n < 0)
			continue;
		if (d->mode == META_STATIC)
			return fault(op, WIRE_INVALID_REQUEST,
				     "Cannot update these configs dynamically: [%s]", d->name);
		if (d->mode == META_EACH && t->name.n == 0)
			return fault(op, WIRE_INVALID_REQUEST,
				     "Cannot update these configs at default cluster level, "
				     "broker id must be specified: [%s]",
				     d->name);
		if (meta_config_check(d, c->value, why, sizeof why))
			return fault(op, WIRE_INVALID_REQUEST, "%s", why);
	}
	return GOOD;
}

/* A group's value lies within group.consumer.{min,max}.* of its name. */
static struct fault check_range(struct operation *op, const struct change *c)
{
	static const char prefix[] = "consumer.";
	const char *name = operation_z(op, c->key) + sizeof prefix - 1;
	int64_t v = strtoll(operation_z(op, c->value), NULL, 10), limit[2];

	for (int i = 0; i < 2; i++) {
		char key[128];

		snprintf(key, sizeof key, "group.consumer.%s.%s", i ? "max" : "min", name);
		limit[i] = meta_config_int(op->c->image, op->c->settings->node.id, NULL, key);
	}
	if (v >= limit[0] && v <= limit[1])
		return GOOD;
	return fault(op, WIRE_INVALID_CONFIG, "%.*s must be in the range %lld to %lld inclusive.",
		     c->key.n, c->key.p, (long long)limit[0], (long long)limit[1]);
}

static struct fault check_group(struct operation *op, const struct target *t)
{
	char why[512];
	struct fault f = GOOD;

	if (t->name.n == 0)
		return fault(op, WIRE_INVALID_REQUEST, "Default group resources are not allowed.");
	for (int32_t i = 0; !f.code && i < t->n; i++) {
		const struct meta_config_def *d = meta_config_def(META_GROUP, t->v[i].key);

		if (t->v[i].value.n < 0)
			continue;
		if (!d)
			return fault(op, WIRE_INVALID_CONFIG, "Unknown group config name: %.*s",
				     t->v[i].key.n, t->v[i].key.p);
		if (meta_config_check(d, t->v[i].value, why, sizeof why))
			return fault(op, WIRE_INVALID_CONFIG, "%s", why);
		f = check_range(op, &t->v[i]);
	}
	return f;
}

/* A broker resource is all brokers (an empty name) or this one: a client asks the broker itself. */
static struct fault broker_name_fault(struct operation *op, struct span name)
{
	const char *z = operation_z(op, name);
	char *end;
	long id;

	if (name.n == 0)
		return GOOD;
	id = strtol(z, &end, 10);
	if (*end || name.n > 11)
		return fault(op, WIRE_INVALID_REQUEST, "Node id must be an integer, but it is: %s",
			     z);
	if (op->listener != WIRE_CONTROLLER && id != op->c->settings->node.id)
		return fault(op, WIRE_INVALID_REQUEST,
			     "Unexpected broker id, expected %d, but received %s",
			     op->c->settings->node.id, z);
	if (id < 0)
		return fault(op, WIRE_INVALID_REQUEST, "Invalid negative broker ID.");
	if (!meta_broker(op->c->image, (int32_t)id))
		return fault(op, WIRE_BROKER_ID_NOT_REGISTERED, "No broker with id %ld found.", id);
	return GOOD;
}

static struct fault check(struct operation *op, const struct target *t)
{
	struct fault f;

	for (int32_t i = 0; i < t->n; i++)
		if (t->v[i].value.n > VALUE_MAX)
			return fault(op, WIRE_INVALID_CONFIG,
				     "The configuration value cannot be added because it exceeds "
				     "the maximum value size of %d bytes.",
				     VALUE_MAX);
	if (t->type == META_BROKER)
		return check_broker(op, t);
	if (t->type == META_GROUP)
		return check_group(op, t);
	if (t->name.n == 0)
		return fault(op, WIRE_INVALID_REQUEST, "Default topic resources are not allowed.");
	if (topic_name_fault(op, t->name, &f))
		return f;
	f = check_topic(op, t);
	if (!f.code && !meta_topic_named(op->c->image, t->name))
		return fault(op, WIRE_UNKNOWN_TOPIC_OR_PARTITION,
			     "The topic '%.*s' does not exist.", t->name.n, t->name.p);
	return f;
}

/* Who was eligible by the old min.insync.replicas need not be by the new one: the lists begin anew
 * (ClearElrRecord). Where unclean elections are allowed now, they are held at once. */
static void what_follows(struct operation *op, const struct target *t, struct span key)
{
	struct clear_elr_record r;

	if (span_is(key, "unclean.leader.election.enable"))
		op->c->unclean_ms = 0;
	if (!span_is(key, MIN_ISR) || !elr_enabled(op) || t->is_new)
		return;
	wire_init(&wire_clear_elr_record, &r);
	r.topic_name = t->type == META_TOPIC ? t->name : span_of("");
	operation_record(op, META_CLEAR_ELR, &r);
}

/* Records for what really changes; of brokers every value is written again, which makes them read
 * it anew (KAFKA-14136). */
static void write_changes(struct operation *op, const struct target *t)
{
	for (int32_t i = 0; i < t->n; i++) {
		const char *now = current(t, t->v[i].key);
		struct config_record r;

		if (span_same(span_of(now), t->v[i].value) && (t->type != META_BROKER || !now))
			continue;
		wire_init(&wire_config_record, &r);
		r.resource_type = t->type;
		r.resource_name = t->name;
		r.name = t->v[i].key;
		r.value = t->v[i].value;
		operation_record(op, META_CONFIG, &r);
		what_follows(op, t, t->v[i].key);
	}
}

struct fault configs_of_new_topic(struct operation *op,
				  const struct create_topics_request_creatable_topic *t)
{
	struct target target = { .type = META_TOPIC, .name = t->name, .is_new = true };
	struct fault f;

	target.v = arena_get(&op->arena, (size_t)t->configs_n * sizeof *target.v + 1);
	if (!target.v) {
		op->failed = true;
		return GOOD;
	}
	for (int32_t i = 0; i < t->configs_n; i++) {
		if (t->configs[i].value.n < 0)
			return fault(op, WIRE_INVALID_CONFIG,
				     "Null value not supported for topic configs: %.*s",
				     t->configs[i].name.n, t->configs[i].name.p);
		target.v[target.n++] = (struct change){ t->configs[i].name, t->configs[i].value };
	}
	f = check_topic(op, &target);
	if (!f.code)
		write_changes(op, &target);
	return f;
}

/* --- APPEND and SUBTRACT --- */

static bool list_has(const struct buf *b, const char *p, size_t n)
{
	for (size_t at = 0; at < b->n;) {
		const char *q = (const char *)b->p + at, *end = memchr(q, ',', b->n - at);
		size_t len = end ? (size_t)(end - q) : b->n - at;

		if (len == n && memcmp(q, p, n) == 0)
			return true;
		at += len + 1;
	}
	return false;
}

static void list_add(struct operation *op, struct buf *b, const char *p, size_t n)
{
	if ((b->n && buf_add8(b, ',') < 0) || buf_add(b, p, n) < 0)
		op->failed = true;
}

/* The members of `from`, without those of `without`, at the end of b unless they are there. */
static void list_join(struct operation *op, struct buf *b, struct span from,
		      const struct buf *without)
{
	for (int32_t at = 0; at < from.n;) {
		const char *p = from.p + at, *end = memchr(p, ',', (size_t)(from.n - at));
		size_t n = end ? (size_t)(end - p) : (size_t)(from.n - at);

		if (n && !(without && list_has(without, p, n)) && !list_has(b, p, n))
			list_add(op, b, p, n);
		at += (int32_t)n + 1;
	}
}

static struct span change_list(struct operation *op, const struct target *t,
			       const struct meta_config_def *d, const struct change *c, bool append)
{
	const char *now = current(t, c->key);
	struct buf b = { 0 }, out = { 0 };
	struct span r = SPAN_NULL;

	list_join(op, &out, c->value, NULL);
	list_join(op, &b,
		  span_of(now		? now
			  : d->fallback ? d->fallback
					: ""),
		  append ? NULL : &out);
	if (append)
		list_join(op, &b, c->value, NULL);
	r.p = arena_copy(&op->arena, b.n ? (const char *)b.p : "", b.n + 1);
	r.n = (int32_t)b.n;
	op->failed = op->failed || !r.p;
	buf_free(&b);
	buf_free(&out);
	return r;
}

static struct fault apply_op(struct operation *op, const struct target *t, int how,
			     struct change *c)
{
	const struct meta_config_def *d;

	switch (how) {
	case OP_SET: return GOOD;
	case OP_DELETE: c->value = SPAN_NULL; return GOOD;
	case OP_APPEND:
	case OP_SUBTRACT:
		d = meta_config_def(t->type, c->key);
		if (!d || d->type != META_LIST)
			return fault(op, WIRE_INVALID_CONFIG,
				     "Can't %s to key %.*s because its type is not LIST.",
				     how == OP_APPEND ? "APPEND" : "SUBTRACT", c->key.n, c->key.p);
		c->value = change_list(op, t, d, c, how == OP_APPEND);
		return GOOD;
	default: return fault(op, WIRE_INVALID_REQUEST, "Unknown operations type %d", how);
	}
}

/* --- the two APIs --- */

static struct span resource_key(struct operation *op, int8_t type, struct span name)
{
	struct span key = { 0, name.n + 1 };
	char *p = arena_get(&op->arena, (size_t)key.n);

	if (p) {
		p[0] = (char)type;
		memcpy(p + 1, name.p, (size_t)name.n);
	}
	op->failed = op->failed || !p;
	key.p = p ? p : "";
	key.n = p ? key.n : 0;
	return key;
}

/* What both refuse before they look at values. */
static struct fault target_open(struct operation *op, struct target *t, int8_t type,
				struct span name, int32_t n)
{
	t->type = type;
	t->name = name;
	t->n = 0;
	t->v = arena_get(&op->arena, (size_t)n * sizeof *t->v + 1);
	if (!t->v) {
		op->failed = true;
		return GOOD;
	}
	if (type != META_TOPIC && type != META_BROKER && type != META_GROUP)
		return fault(op, WIRE_INVALID_REQUEST, "Unknown resource type %d", type);
	t->now = meta_configs_of(op->c->image, type, name);
	return type == META_BROKER ? broker_name_fault(op, name) : GOOD;
}

static struct fault target_add(struct operation *op, struct target *t, struct span key,
			       struct span value, bool null_ok)
{
	bool twice = t->n >= KEYS_MAX;

	for (int32_t i = 0; !twice && i < t->n; i++)
		twice = span_same(t->v[i].key, key);
	if (twice)
		return fault(op, WIRE_INVALID_REQUEST, "Error due to duplicate config keys");
	if (value.n < 0 && !null_ok)
		return fault(op, WIRE_INVALID_REQUEST, "Null value not supported for : %.*s", key.n,
			     key.p);
	t->v[t->n++] = (struct change){ key, value };
	return GOOD;
}

static struct fault alter_incrementally(
	struct operation *op,
	const struct incremental_alter_configs_request_alter_configs_resource *r)
{
	struct target t = { 0 };
	struct fault f = target_open(op, &t, r->resource_type, r->resource_name, r->configs_n);

	for (int32_t i = 0; !f.code && !op->failed && i < r->configs_n; i++)
		f = target_add(op, &t, r->configs[i].name, r->configs[i].value,
			       r->configs[i].config_operation == OP_DELETE);
	for (int32_t i = 0; !f.code && !op->failed && i < t.n; i++)
		f = apply_op(op, &t, r->configs[i].config_operation, &t.v[i]);
	if (!f.code && !op->failed)
		f = check(op, &t);
	if (!f.code && !op->failed)
		write_changes(op, &t);
	return f;
}

void incremental_alter_configs(struct operation *op, const struct wire_request *q,
			       const void *request, void *response)
{
	const struct incremental_alter_configs_request *in = request;
	struct incremental_alter_configs_response *out = response;
	struct span *keys = arena_get(&op->arena, (size_t)in->resources_n * sizeof *keys + 1);
	const uint8_t *twice;

	out->responses =
		arena_get(&op->arena, (size_t)in->resources_n * sizeof *out->responses + 1);
	if (!out->responses || !keys) {
		op->failed = true;
		return;
	}
	for (int32_t i = 0; i < in->resources_n; i++)
		keys[i] = resource_key(op, in->resources[i].resource_type,
				       in->resources[i].resource_name);
	twice = keys_twice(op, keys, in->resources_n);
	out->responses_n = in->resources_n;
	for (int32_t i = 0; i < in->resources_n && !op->failed; i++) {
		struct fault f = twice[i] ? fault(op, WIRE_INVALID_REQUEST,
						  "Each resource must appear at most once.")
					  : alter_incrementally(op, &in->resources[i]);

		wire_init(&wire_incremental_alter_configs_response_alter_configs_resource_response,
			  &out->responses[i]);
		out->responses[i].error_code = f.code;
		out->responses[i].error_message = f.message;
		out->responses[i].resource_type = in->resources[i].resource_type;
		out->responses[i].resource_name = in->resources[i].resource_name;
	}
	if (in->validate_only)
		operation_undo(op, (struct mark){ 0, 0 });
}

/* The legacy API names all that is to be set: the rest is deleted. */
static struct fault alter_all(struct operation *op,
			      const struct alter_configs_request_alter_configs_resource *r)
{
	struct target t = { 0 };
	struct fault f = target_open(op, &t, r->resource_type, r->resource_name, 0);
	int32_t now_n = t.now ? t.now->n : 0;
	struct change *v = arena_get(&op->arena, (size_t)(r->configs_n + now_n) * sizeof *v + 1);

	if (!v) {
		op->failed = true;
		return GOOD;
	}
	t.v = v;
	for (int32_t i = 0; !f.code && i < r->configs_n; i++)
		f = target_add(op, &t, r->configs[i].name, r->configs[i].value, false);
	for (int32_t i = 0; !f.code && i < now_n; i++) {
		struct span key = span_of(t.now->v[i].key);
		bool kept = false;

		for (int32_t j = 0; j < r->configs_n; j++)
			kept = kept || span_same(key, r->configs[j].name);
		if (!kept)
			t.v[t.n++] = (struct change){ key, SPAN_NULL };
	}
	if (!f.code && !op->failed)
		f = check(op, &t);
	if (!f.code && !op->failed)
		write_changes(op, &t);
	return f;
}

void alter_configs(struct operation *op, const struct wire_request *q, const void *request,
		   void *response)
{
	const struct alter_configs_request *in = request;
	struct alter_configs_response *out = response;
	struct span *keys = arena_get(&op->arena, (size_t)in->resources_n * sizeof *keys + 1);
	const uint8_t *twice;

	out->responses =
		arena_get(&op->arena, (size_t)in->resources_n * sizeof *out->responses + 1);
	if (!out->responses || !keys) {
		op->failed = true;
		return;
	}
	for (int32_t i = 0; i < in->resources_n; i++)
		keys[i] = resource_key(op, in->resources[i].resource_type,
				       in->resources[i].resource_name);
	twice = keys_twice(op, keys, in->resources_n);
	out->responses_n = in->resources_n;
	for (int32_t i = 0; i < in->resources_n && !op->failed; i++) {
		struct fault f = twice[i] ? fault(op, WIRE_INVALID_REQUEST,
						  "Each resource must appear at most once.")
					  : alter_all(op, &in->resources[i]);

		wire_init(&wire_alter_configs_response_alter_configs_resource_response,
			  &out->responses[i]);
		out->responses[i].error_code = f.code;
		out->responses[i].error_message = f.message;
		out->responses[i].resource_type = in->resources[i].resource_type;
		out->responses[i].resource_name = in->resources[i].resource_name;
	}
	if (in->validate_only)
		operation_undo(op, (struct mark){ 0, 0 });
}
