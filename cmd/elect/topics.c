/* CreateTopics, DeleteTopics, CreatePartitions (ControllerApis, ReplicationControlManager). */
#include <stdlib.h>
#include <string.h>

#include "controller.h"
#include "meta/config.h"
#include "meta/record.h"
#include "placement.h"
#include "wire/codes.h"

enum { NAME_MAX_BYTES = 249, PARTITIONS_MAX = 10000 };

typedef struct create_topics_request_creatable_topic new_topic;
typedef struct create_topics_response_creatable_topic_result new_topic_result;

/* --- names --- */

static const char *name_wrong(struct span name)
{
	static const char legal[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	if (name.n <= 0)
		return "the empty string is not allowed";
	if (span_is(name, "."))
		return "'.' is not allowed";
	if (span_is(name, ".."))
		return "'..' is not allowed";
	for (int32_t i = 0; i < name.n; i++)
		if (!name.p[i] || !strchr(legal, name.p[i]))
			return "";
	return NULL;
}

bool topic_name_fault(struct operation *op, struct span name, struct fault *f)
{
	const char *why = name_wrong(name);

	if (why && *why)
		*f = fault(op, WIRE_INVALID_TOPIC_EXCEPTION, "Topic name is invalid: %s", why);
	else if (name.n > NAME_MAX_BYTES)
		*f = fault(op, WIRE_INVALID_TOPIC_EXCEPTION,
			   "Topic name is invalid: the length of '%.*s' is longer "
			   "than the max allowed length %d",
			   name.n, name.p, NAME_MAX_BYTES);
	else if (why)
		*f = fault(op, WIRE_INVALID_TOPIC_EXCEPTION,
			   "Topic name is invalid: '%.*s' contains one or more "
			   "characters other than ASCII alphanumerics, '.', '_' and '-'",
			   name.n, name.p);
	else
		return false;
	return true;
}

static bool collide(const char *a, struct span b)
{
	if (strlen(a) != (size_t)b.n)
		return false;
	for (int32_t i = 0; i < b.n; i++)
		if ((a[i] == '.' ? '_' : a[i]) != (b.p[i] == '.' ? '_' : b.p[i]))
			return false;
	return true;
}

/* Two names that differ in '.' and '_' alone would be one in the names of metrics. */
static const struct meta_topic *colliding(const struct meta_image *m, struct span name)
{
	const struct meta_topic *t;
	size_t at = 0;

	if (!memchr(name.p, '.', (size_t)name.n) && !memchr(name.p, '_', (size_t)name.n))
		return NULL;
	while ((t = map_next(&m->topics_by_name, &at)))
		if (collide(t->name, name))
			return t;
	return NULL;
}

static struct fault name_fault(struct operation *op, struct span name)
{
	const struct meta_topic *other;
	struct fault f;

	if (meta_topic_named(op->c->image, name))
		return fault(op, WIRE_TOPIC_ALREADY_EXISTS, "Topic '%.*s' already exists.", name.n,
			     name.p);
	if (topic_name_fault(op, name, &f))
		return f;
	other = colliding(op->c->image, name);
	if (other)
		return fault(op, WIRE_INVALID_TOPIC_EXCEPTION,
			     "Topic '%.*s' collides with existing topic: %s", name.n, name.p,
			     other->name);
	return GOOD;
}

/* --- making a topic --- */

/* The configs in force of a topic that is being made: what was asked for, else what every topic
 * gets. */
static void answer_configs(struct operation *op, const new_topic *t, new_topic_result *r)
{
	static const struct meta_topic any = { .name = "" };
	int n;
	const struct meta_config_def *d = meta_config_defs(META_TOPIC, &n);

	r->configs = arena_get(&op->arena, (size_t)n * sizeof *r->configs);
	if (!r->configs) {
		op->failed = true;
		return;
	}
	r->configs_n = n;
	for (int i = 0; i < n; i++) {
		enum meta_config_source source;

		wire_init(&wire_create_topics_response_creatable_topic_configs, &r->configs[i]);
		r->configs[i].name = span_of(d[i].name);
		r->configs[i].value = span_of(meta_config(op->c->image, op->c->settings->node.id,
							  &any, d[i].name, &source));
		r->configs[i].config_source = (int8_t)source;
		for (int32_t j = 0; j < t->configs_n; j++)
			if (span_is(t->configs[j].name, d[i].name)) {
				r->configs[i].value = t->configs[j].value;
				r->configs[i].config_source = META_SOURCE_TOPIC;
			}
	}
}

static struct fault manual_placement(struct operation *op, const new_topic *t, struct placement *p)
{
	bool *seen = arena_get(&op->arena, (size_t)t->assignments_n);

	if (t->replication_factor != -1)
		return fault(op, WIRE_INVALID_REQUEST,
			     "A manual partition assignment was specified, but replication "
			     "factor was not set to -1.");
	if (t->num_partitions != -1)
		return fault(op, WIRE_INVALID_REQUEST,
			     "A manual partition assignment was specified, but numPartitions "
			     "was not set to -1.");
	if (!seen || placement_room(op, p, t->assignments_n) < 0) {
		op->failed = true;
		return GOOD;
	}
	for (int32_t i = 0; i < t->assignments_n; i++) {
		int32_t index = t->assignments[i].partition_index;
		struct fault f;

		if (index >= 0 && index < t->assignments_n && seen[index])
			return fault(op, WIRE_INVALID_REPLICA_ASSIGNMENT,
				     "Found multiple manual partition assignments "
				     "for partition %d",
				     index);
		if (index < 0 || index >= t->assignments_n)
			return fault(op, WIRE_INVALID_REPLICA_ASSIGNMENT,
				     "partitions should be a consecutive 0-based integer sequence");
		seen[index] = true;
		f = placement_manual(op, p, index, index, t->assignments[i].broker_ids,
				     t->assignments[i].broker_ids_n,
				     i ? p->replicas_n[t->assignments[0].partition_index] : -1);
		if (f.code)
			return f;
	}
	return GOOD;
}

static struct fault auto_placement(struct operation *op, const new_topic *t, struct placement *p)
{
	const struct meta_image *m = op->c->image;
	int32_t node = op->c->settings->node.id, n = t->num_partitions,
		factor = t->replication_factor;
	struct fault f;

	if (factor < -1 || factor == 0)
		return fault(op, WIRE_INVALID_REPLICATION_FACTOR,
			     "Replication factor must be larger than 0, or -1 to use the default "
			     "value.");
	if (n < -1 || n == 0)
		return fault(op, WIRE_INVALID_PARTITIONS,
			     "Number of partitions was set to an invalid non-positive value.");
	if (n == -1)
		n = (int32_t)meta_config_int(m, node, NULL, "num.partitions");
	if (factor == -1)
		factor = (int32_t)meta_config_int(m, node, NULL, "default.replication.factor");
	if (placement_room(op, p, n) < 0) {
		op->failed = true;
		return GOOD;
	}
	f = placement_auto(op, p, factor);
	if (f.code && f.message.n >= 0)
		return fault(op, f.code, "Unable to replicate the partition %d time(s): %.*s",
			     factor, f.message.n, f.message.p);
	return f;
}

static struct fault create_topic(struct operation *op, const new_topic *t, new_topic_result *r)
{
	struct placement p = { 0 };
	struct topic_record record;
	struct mark mark = operation_mark(op);
	struct fault f = name_fault(op, t->name);

	if (f.code)
		return f;
	wire_init(&wire_topic_record, &record);
	record.name = t->name;
	if (uuid_random(&record.topic_id) < 0)
		return fault(op, WIRE_UNKNOWN_SERVER_ERROR, "no random number");
	operation_record(op, META_TOPIC_RECORD, &record);
	f = configs_of_new_topic(op, t);
	if (!f.code)
		f = t->assignments_n > 0 ? manual_placement(op, t, &p) : auto_placement(op, t, &p);
	if (f.code || op->failed) {
		operation_undo(op, mark);
		return f;
	}
	placement_records(op, &p, &record.topic_id, 0);
	r->topic_id = record.topic_id;
	r->num_partitions = p.n;
	r->replication_factor = (int16_t)p.replicas_n[0];
	answer_configs(op, t, r);
	return GOOD;
}

static int64_t partitions_asked(const struct operation *op, const struct create_topics_request *q)
{
	int64_t n = 0;

	for (int32_t i = 0; i < q->topics_n; i++)
		if (q->topics[i].assignments_n > 0)
			n += q->topics[i].assignments_n;
		else if (q->topics[i].num_partitions == -1)
			n += meta_config_int(op->c->image, op->c->settings->node.id, NULL,
					     "num.partitions");
		else if (q->topics[i].num_partitions > 0)
			n += q->topics[i].num_partitions;
	return n;
}

void create_topics(struct operation *op, const struct wire_request *q, const void *request,
		   void *response)
{
	const struct create_topics_request *in = request;
	struct create_topics_response *out = response;
	bool too_many = partitions_asked(op, in) > PARTITIONS_MAX;
	struct span *names = arena_get(&op->arena, (size_t)in->topics_n * sizeof *names + 1);
	const uint8_t *twice;

	op->timeout_ms = in->timeout_ms;
	out->topics = arena_get(&op->arena, (size_t)in->topics_n * sizeof *out->topics + 1);
	if (!out->topics || !names) {
		op->failed = true;
		return;
	}
	for (int32_t i = 0; i < in->topics_n; i++)
		names[i] = in->topics[i].name;
	twice = keys_twice(op, names, in->topics_n);
	for (int32_t i = 0; i < in->topics_n && !op->failed; i++) {
		new_topic_result *r = &out->topics[out->topics_n];
		struct fault f;

		if (twice[i] == TWICE_AGAIN)
			continue;
		out->topics_n++;
		wire_init(&wire_create_topics_response_creatable_topic_result, r);
		r->name = in->topics[i].name;
		if (too_many)
			f = fault(op, WIRE_POLICY_VIOLATION,
				  "Excessively large number of partitions per request.");
		else if (twice[i])
			f = fault(op, WIRE_INVALID_REQUEST, "Duplicate topic name.");
		else if (span_is(r->name, "__cluster_metadata"))
			f = fault(op, WIRE_INVALID_REQUEST,
				  "Creation of internal topic __cluster_metadata is prohibited.");
		else
			f = create_topic(op, &in->topics[i], r);
		r->error_code = f.code;
		r->error_message = f.message;
	}
	if (in->validate_only)
		operation_undo(op, (struct mark){ 0, 0 });
}

/* --- deleting --- */

struct victim {		  /* a topic to delete as the request names it */
	struct span name; /* null: by id */
	struct uuid id;
};

static const struct meta_topic *victim_topic(struct operation *op, const struct victim *v)
{
	return v->name.n >= 0 ? meta_topic_named(op->c->image, v->name)
			      : meta_topic_with_id(op->c->image, &v->id);
}

static void delete_one(struct operation *op, const struct victim *v, int32_t i, int32_t n,
		       bool twice, struct delete_topics_response_deletable_topic_result *r)
{
	struct remove_topic_record record;
	const struct meta_topic *t;
	struct fault f = GOOD;

	r->name = v[i].name;
	r->topic_id = v[i].id;
	if (v[i].name.n >= 0 && !uuid_is_zero(&v[i].id)) {
		f = fault(op, WIRE_INVALID_REQUEST,
			  "You may not specify both topic name and topic id.");
		goto done;
	}
	if (v[i].name.n < 0 && uuid_is_zero(&v[i].id)) {
		f = fault(op, WIRE_INVALID_REQUEST, "Neither topic name nor id were specified.");
		goto done;
	}
	t = victim_topic(op, &v[i]);
	if (!t) {
		int code =
			v[i].name.n >= 0 ? WIRE_UNKNOWN_TOPIC_OR_PARTITION : WIRE_UNKNOWN_TOPIC_ID;

		f = fault(op, code, "%s", wire_error_text(code));
		goto done;
	}
	for (int32_t j = 0; twice && j < n; j++) {
		if (j == i)
			continue;
		if (v[i].name.n >= 0 ? span_same(v[i].name, v[j].name)
				     : v[j].name.n < 0 && uuid_same(&v[i].id, &v[j].id))
			f = fault(op, WIRE_INVALID_REQUEST, "Duplicate topic %s.",
				  v[i].name.n >= 0 ? "name" : "id");
		else if (v[i].name.n >= 0 && v[j].name.n < 0 && uuid_same(&v[j].id, &t->id))
			f = fault(
				op, WIRE_INVALID_REQUEST,
				"The provided topic name maps to an ID that was already supplied.");
		if (f.code)
			goto done;
	}
	r->name = span_of(operation_z(op, span_of(t->name)));
	r->topic_id = t->id;
	wire_init(&wire_remove_topic_record, &record);
	record.topic_id = t->id;
	operation_record(op, META_REMOVE_TOPIC, &record);
done:
	r->error_code = f.code;
	r->error_message = f.message;
}

void delete_topics(struct operation *op, const struct wire_request *q, const void *request,
		   void *response)
{
	const struct delete_topics_request *in = request;
	struct delete_topics_response *out = response;
	bool enabled = meta_config_bool(op->c->image, op->c->settings->node.id, NULL,
					"delete.topic.enable");
	int32_t names = in->topic_names_n > 0 ? in->topic_names_n : 0,
		n = names + (in->topics_n > 0 ? in->topics_n : 0);
	struct victim *v = arena_get(&op->arena, (size_t)n * sizeof *v + 1);
	struct span *ids = arena_get(&op->arena, (size_t)n * sizeof *ids + 1);
	const uint8_t *twice;

	op->timeout_ms = in->timeout_ms;
	out->responses = arena_get(&op->arena, (size_t)n * sizeof *out->responses + 1);
	if (!v || !ids || !out->responses) {
		op->failed = true;
		return;
	}
	for (int32_t i = 0; i < n; i++) {
		const struct meta_topic *t;

		v[i] = i < names ? (struct victim){ in->topic_names[i], uuid_zero }
				 : (struct victim){ in->topics[i - names].name,
						    in->topics[i - names].topic_id };
		t = victim_topic(op, &v[i]);
		ids[i] = t ? (struct span){ (const char *)t->id.b, sizeof t->id.b } : SPAN_NULL;
	}
	twice = keys_twice(op, ids, n);
	out->responses_n = n;
	for (int32_t i = 0; i < n && !op->failed; i++) {
		wire_init(&wire_delete_topics_response_deletable_topic_result, &out->responses[i]);
		if (enabled) {
			delete_one(op, v, i, n, twice[i], &out->responses[i]);
			continue;
		}
		out->responses[i].name = v[i].name;
		out->responses[i].topic_id = v[i].id;
		out->responses[i].error_code =
			q->version < 3 ? WIRE_INVALID_REQUEST : WIRE_TOPIC_DELETION_DISABLED;
	}
}

/* --- growing --- */

static struct fault grow(struct operation *op,
			 const struct create_partitions_request_create_partitions_topic *t)
{
	const struct meta_topic *topic = meta_topic_named(op->c->image, t->name);
	const struct meta_partition *first;
	struct placement p = { 0 };
	int32_t more;
	struct fault f = GOOD;

	if (!topic)
		return (struct fault){ WIRE_UNKNOWN_TOPIC_OR_PARTITION, SPAN_NULL };
	if (t->count == topic->partitions_n)
		return fault(op, WIRE_INVALID_PARTITIONS, "Topic already has %d partition(s).",
			     topic->partitions_n);
	if (t->count < topic->partitions_n)
		return fault(op, WIRE_INVALID_PARTITIONS,
			     "The topic %s currently has %d partition(s); %d would not be an "
			     "increase.",
			     topic->name, topic->partitions_n, t->count);
	more = t->count - topic->partitions_n;
	if (more > PARTITIONS_MAX)
		return fault(op, WIRE_POLICY_VIOLATION,
			     "Excessively large number of partitions per request.");
	if (t->assignments_n >= 0 && t->assignments_n != more)
		return fault(op, WIRE_INVALID_REPLICA_ASSIGNMENT,
			     "Attempted to add %d additional partition(s), but only %d "
			     "assignment(s) were specified.",
			     more, t->assignments_n);
	first = meta_partition(topic, 0);
	if (!first || placement_room(op, &p, more) < 0) {
		op->failed = true;
		return GOOD;
	}
	for (int32_t i = 0; !f.code && i < t->assignments_n; i++)
		f = placement_manual(op, &p, i, topic->partitions_n + i,
				     t->assignments[i].broker_ids, t->assignments[i].broker_ids_n,
				     first->replicas_n);
	if (t->assignments_n < 0)
		f = placement_auto(op, &p, first->replicas_n);
	if (!f.code)
		placement_records(op, &p, &topic->id, topic->partitions_n);
	return f;
}

void create_partitions(struct operation *op, const struct wire_request *q, const void *request,
		       void *response)
{
	const struct create_partitions_request *in = request;
	struct create_partitions_response *out = response;
	struct span *names = arena_get(&op->arena, (size_t)in->topics_n * sizeof *names + 1);
	const uint8_t *twice;

	op->timeout_ms = in->timeout_ms;
	out->results = arena_get(&op->arena, (size_t)in->topics_n * sizeof *out->results + 1);
	if (!out->results || !names) {
		op->failed = true;
		return;
	}
	for (int32_t i = 0; i < in->topics_n; i++)
		names[i] = in->topics[i].name;
	twice = keys_twice(op, names, in->topics_n);
	for (int32_t i = 0; i < in->topics_n && !op->failed; i++) {
		struct create_partitions_response_create_partitions_topic_result *r =
			&out->results[out->results_n];
		struct fault f;

		if (twice[i] == TWICE_AGAIN)
			continue;
		if (twice[i])
			f = fault(op, WIRE_INVALID_REQUEST, "Duplicate topic name.");
		else
			f = grow(op, &in->topics[i]);
		out->results_n++;
		wire_init(&wire_create_partitions_response_create_partitions_topic_result, r);
		r->name = in->topics[i].name;
		r->error_code = f.code;
		r->error_message = f.message;
	}
	if (in->validate_only)
		operation_undo(op, (struct mark){ 0, 0 });
}
