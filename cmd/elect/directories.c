/* Log directories of brokers: AssignReplicasToDirs, and what heartbeats say of those that failed or
 * take no new replicas (KIP-858, KIP-1066; ReplicationControlManager). */
#include "meta/record.h"
#include "partition_change.h"
#include "wire/codes.h"

typedef struct assign_replicas_to_dirs_request_topic_data asked_topic;
typedef struct assign_replicas_to_dirs_response_topic_data topic_answer;

enum { LEVEL_DIRECTORIES = 17, LEVEL_CORDONED = 30 }; /* of metadata.version */

static bool among(const struct uuid *v, int32_t n, const struct uuid *id)
{
	for (int32_t i = 0; i < n; i++)
		if (uuid_same(&v[i], id))
			return true;
	return false;
}

static int assign_one(struct operation *op, int32_t broker, const struct uuid *dir, bool online,
		      const struct meta_topic *t, int32_t index)
{
	const struct meta_partition *p = meta_partition(t, index);
	struct topic_rules rules;
	struct partition_change c;

	if (!p)
		return WIRE_UNKNOWN_TOPIC_OR_PARTITION;
	if (!ids_have((struct ids){ p->replicas, p->replicas_n }, broker))
		return WIRE_NOT_LEADER_OR_FOLLOWER;
	rules = topic_rules(op, t);
	partition_change_begin(&c, op, t, p, rules);
	c.election = ELECTION_ONLINE;
	c.moved = broker;
	c.directory = *dir;
	partition_change_end(&c);
	if (!online)
		partition_without(op, t, p, broker);
	return 0;
}

static void assign_topic(struct operation *op, int32_t broker, const struct uuid *dir, bool online,
			 const asked_topic *in, topic_answer *out)
{
	const struct meta_topic *t = meta_topic_with_id(op->c->image, &in->topic_id);

	wire_init(&wire_assign_replicas_to_dirs_response_topic_data, out);
	out->topic_id = in->topic_id;
	out->partitions =
		arena_get(&op->arena, (size_t)in->partitions_n * sizeof *out->partitions + 1);
	if (!out->partitions) {
		op->failed = true;
		return;
	}
	out->partitions_n = in->partitions_n;
	for (int32_t i = 0; i < in->partitions_n && !op->failed; i++) {
		int32_t index = in->partitions[i].partition_index;
		int code = t ? assign_one(op, broker, dir, online, t, index)
			     : WIRE_UNKNOWN_TOPIC_ID;

		wire_init(&wire_assign_replicas_to_dirs_response_partition_data,
			  &out->partitions[i]);
		out->partitions[i].partition_index = index;
		out->partitions[i].error_code = (int16_t)code;
	}
}

void assign_directories(struct operation *op, const struct wire_request *q, const void *request,
			void *response)
{
	const struct assign_replicas_to_dirs_request *in = request;
	struct assign_replicas_to_dirs_response *out = response;
	struct fault f = broker_epoch_fault(op, in->broker_id, in->broker_epoch);
	const struct meta_broker *b;

	op->timeout_ms = 0;
	out->error_code = operation_level(op) < LEVEL_DIRECTORIES ? WIRE_UNSUPPORTED_VERSION
								  : f.code;
	if (out->error_code)
		return;
	b = meta_broker(op->c->image, in->broker_id);
	out->directories =
		arena_get(&op->arena, (size_t)in->directories_n * sizeof *out->directories + 1);
	op->failed = op->failed || !out->directories;
	for (int32_t i = 0; i < in->directories_n && !op->failed; i++) {
		const struct assign_replicas_to_dirs_request_directory_data *d =
			&in->directories[i];
		struct assign_replicas_to_dirs_response_directory_data *r = &out->directories[i];

		wire_init(&wire_assign_replicas_to_dirs_response_directory_data, r);
		r->id = d->id;
		r->topics = arena_get(&op->arena, (size_t)d->topics_n * sizeof *r->topics + 1);
		op->failed = !r->topics;
		r->topics_n = r->topics ? d->topics_n : 0;
		for (int32_t j = 0; j < d->topics_n && !op->failed; j++)
			assign_topic(op, b->id, &d->id, directory_online(b, &d->id), &d->topics[j],
				     &r->topics[j]);
	}
	out->directories_n = in->directories_n;
}

/* --- heartbeats --- */

static bool in_one_of(const struct meta_partition *p, int32_t broker, const struct uuid *dirs,
		      int32_t n)
{
	for (int32_t i = 0; i < p->replicas_n && i < p->directories_n; i++)
		if (p->replicas[i] == broker)
			return among(dirs, n, &p->directories[i]);
	return false;
}

static void leave(struct operation *op, int32_t broker, const struct uuid *dirs, int32_t n)
{
	const struct meta_topic *t;
	size_t at = 0;

	while ((t = map_next(&op->c->image->topics_by_id, &at)))
		for (int32_t i = 0; i < t->partitions_n && !op->failed; i++)
			if (t->partitions[i].replicas
			    && in_one_of(&t->partitions[i], broker, dirs, n))
				partition_without(op, t, &t->partitions[i], broker);
}

static void change_begin(struct broker_registration_change_record *r, const struct meta_broker *b)
{
	wire_init(&wire_broker_registration_change_record, r);
	r->broker_id = b->id;
	r->broker_epoch = b->epoch;
}

void directories_offline(struct operation *op, const struct meta_broker *b,
			 const struct uuid *offline, int32_t n)
{
	struct uuid *v = arena_get(&op->arena, (size_t)b->log_dirs_n * sizeof *v + 1);
	int32_t gone = 0, left = b->log_dirs_n; /* v: first those that are gone, last the others */
	struct broker_registration_change_record r;

	op->failed = op->failed || !v;
	if (op->failed || operation_level(op) < LEVEL_DIRECTORIES)
		return;
	for (int32_t i = b->log_dirs_n - 1; i >= 0; i--)
		if (!among(offline, n, &b->log_dirs[i]))
			v[--left] = b->log_dirs[i];
	for (int32_t i = 0; i < b->log_dirs_n; i++)
		if (among(offline, n, &b->log_dirs[i]))
			v[gone++] = b->log_dirs[i];
	if (gone == 0)
		return;
	leave(op, b->id, v, gone);
	change_begin(&r, b);
	r.log_dirs = v + gone;
	r.log_dirs_n = b->log_dirs_n - gone;
	operation_record(op, META_BROKER_CHANGE, &r);
}

void directories_cordoned(struct operation *op, const struct meta_broker *b, struct uuid *cordoned,
			  int32_t n)
{
	struct broker_registration_change_record r;
	bool same = n == b->cordoned_n;

	/* A broker says nothing until it has caught up with the metadata. */
	if (n < 0 || operation_level(op) < LEVEL_CORDONED)
		return;
	for (int32_t i = 0; same && i < n; i++)
		same = among(b->cordoned, b->cordoned_n, &cordoned[i]);
	if (same)
		return;
	change_begin(&r, b);
	r.cordoned_log_dirs = cordoned;
	r.cordoned_log_dirs_n = n;
	operation_record(op, META_BROKER_CHANGE, &r);
}
