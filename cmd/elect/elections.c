/* ElectLeaders, and the elections that the controller holds of itself from time to time
 * (ReplicationControlManager, QuorumController's electPreferred and electUnclean). */
#include "meta/config.h"
#include "partition_change.h"
#include "wire/codes.h"

typedef struct elect_leaders_request_topic_partitions asked;
typedef struct elect_leaders_response_replica_election_result topic_result;
typedef struct elect_leaders_response_partition_result partition_result;

enum { PREFERRED, UNCLEAN };						      /* ElectionType */
enum { ELECTIONS_MAX = 1000 /* at once */, UNCLEAN_EVERY_MS = 5 * 60 * 1000 }; /* as in Kafka */

static bool is_preferred(const struct meta_partition *p)
{
	return p->leader == (p->replicas_n > 0 ? p->replicas[0] : -1);
}

static bool hold(struct operation *op, const struct meta_topic *t, const struct meta_partition *p,
		 struct topic_rules rules, enum election how)
{
	struct partition_change c;

	partition_change_begin(&c, op, t, p, rules);
	c.election = how;
	return partition_change_end(&c);
}

static struct fault plain(int code)
{
	return (struct fault){ (int16_t)code, span_of(wire_error_text(code)) };
}

static struct fault elect_one(struct operation *op, const struct meta_topic *t,
			      const struct meta_partition *p, struct topic_rules rules, int type)
{
	if (type == PREFERRED ? is_preferred(p) : p->leader >= 0)
		return plain(WIRE_ELECTION_NOT_NEEDED);
	if (!hold(op, t, p, rules, type == PREFERRED ? ELECTION_PREFERRED : ELECTION_UNCLEAN))
		return plain(type == PREFERRED ? WIRE_PREFERRED_LEADER_NOT_AVAILABLE
					       : WIRE_ELIGIBLE_LEADERS_NOT_AVAILABLE);
	return GOOD;
}

static bool room(struct operation *op, topic_result *r, int32_t n)
{
	r->partition_result = arena_get(&op->arena, (size_t)n * sizeof *r->partition_result + 1);
	op->failed = op->failed || !r->partition_result;
	return !op->failed;
}

static void say(topic_result *r, int32_t partition, struct fault f)
{
	partition_result *p = &r->partition_result[r->partition_result_n++];

	wire_init(&wire_elect_leaders_response_partition_result, p);
	p->partition_id = partition;
	p->error_code = f.code;
	p->error_message = f.message;
}

/* Of every partition there is, those that have the leader they should have are left out. */
static void elect_all(struct operation *op, int type, struct elect_leaders_response *out)
{
	const struct meta_topic *t;
	size_t at = 0, n = op->c->image->topics_by_id.n;

	out->replica_election_results =
		arena_get(&op->arena, n * sizeof *out->replica_election_results + 1);
	if (!out->replica_election_results) {
		op->failed = true;
		return;
	}
	while ((t = map_next(&op->c->image->topics_by_id, &at))) {
		topic_result *r = &out->replica_election_results[out->replica_election_results_n++];
		struct topic_rules rules = topic_rules(op, t);

		wire_init(&wire_elect_leaders_response_replica_election_result, r);
		r->topic = span_of(operation_z(op, span_of(t->name)));
		if (!room(op, r, t->partitions_n))
			return;
		for (int32_t i = 0; i < t->partitions_n; i++) {
			struct fault f;

			if (!t->partitions[i].replicas)
				continue;
			f = elect_one(op, t, &t->partitions[i], rules, type);
			if (f.code != WIRE_ELECTION_NOT_NEEDED)
				say(r, i, f);
		}
	}
}

static void elect_topic(struct operation *op, const asked *in, int type, struct fault all,
			const uint8_t *twice, topic_result *r)
{
	const struct meta_topic *t = meta_topic_named(op->c->image, in->topic);
	struct topic_rules rules = { 0 };

	wire_init(&wire_elect_leaders_response_replica_election_result, r);
	r->topic = in->topic;
	if (!room(op, r, in->partitions_n))
		return;
	if (t)
		rules = topic_rules(op, t);
	for (int32_t i = 0; i < in->partitions_n; i++) {
		const struct meta_partition *p = t ? meta_partition(t, in->partitions[i]) : NULL;
		struct fault f = all;

		if (f.code == 0 && !t)
			f = fault(op, WIRE_UNKNOWN_TOPIC_OR_PARTITION, "No such topic as %.*s",
				  in->topic.n, in->topic.p);
		else if (f.code == 0 && !p)
			f = fault(op, WIRE_UNKNOWN_TOPIC_OR_PARTITION,
				  "No such partition as %.*s-%d", in->topic.n, in->topic.p,
				  in->partitions[i]);
		else if (f.code == 0 && twice[i] == TWICE_AGAIN)
			f = plain(WIRE_ELECTION_NOT_NEEDED); /* it was just held */
		else if (f.code == 0)
			f = elect_one(op, t, p, rules, type);
		say(r, in->partitions[i], f);
	}
}

void elect_leaders(struct operation *op, const struct wire_request *q, const void *request,
		   void *response)
{
	const struct elect_leaders_request *in = request;
	struct elect_leaders_response *out = response;
	int type = in->election_type;
	struct fault all = GOOD;
	struct partition_keys keys;
	const uint8_t *twice;
	int64_t n = 0;

	op->timeout_ms = in->timeout_ms;
	if (type != PREFERRED && type != UNCLEAN)
		all = fault(op, WIRE_INVALID_REQUEST, "Unknown election type %d", type);
	out->error_code = q->version >= 1 ? all.code : 0;
	if (in->topic_partitions_n < 0) {
		if (!all.code)
			elect_all(op, type, out);
		return;
	}
	out->replica_election_results =
		arena_get(&op->arena, (size_t)in->topic_partitions_n
						      * sizeof *out->replica_election_results
					      + 1);
	if (!out->replica_election_results) {
		op->failed = true;
		return;
	}
	for (int32_t i = 0; i < in->topic_partitions_n; i++)
		n += in->topic_partitions[i].partitions_n;
	partition_keys_begin(&keys, op, n);
	for (int32_t i = 0; i < in->topic_partitions_n; i++)
		for (int32_t j = 0; j < in->topic_partitions[i].partitions_n; j++)
			partition_keys_add(&keys, in->topic_partitions[i].topic,
					   in->topic_partitions[i].partitions[j]);
	twice = partition_keys_twice(&keys);
	for (int32_t i = 0; i < in->topic_partitions_n && !op->failed; i++) {
		elect_topic(op, &in->topic_partitions[i], type, all, twice,
			    &out->replica_election_results[i]);
		twice += in->topic_partitions[i].partitions_n;
	}
	out->replica_election_results_n = in->topic_partitions_n;
}

/* --- by the clock --- */

/* Holds elections of one kind; true: there may be more to do. */
static bool hold_all(struct operation *op, enum election how)
{
	int before = op->values_n;
	const struct meta_topic *t;
	size_t at = 0;

	while ((t = map_next(&op->c->image->topics_by_id, &at))) {
		struct topic_rules rules = topic_rules(op, t);

		if (how == ELECTION_UNCLEAN && !rules.unclean)
			continue;
		for (int32_t i = 0; i < t->partitions_n && !op->failed; i++) {
			const struct meta_partition *p = &t->partitions[i];

			if (!p->replicas
			    || (how == ELECTION_UNCLEAN ? p->leader >= 0 : is_preferred(p)))
				continue;
			if (op->values_n - before >= ELECTIONS_MAX)
				return true;
			hold(op, t, p, rules, how);
		}
	}
	return false;
}

static int64_t next_due(const struct controller *c)
{
	return c->preferred_ms < c->unclean_ms ? c->preferred_ms : c->unclean_ms;
}

int64_t elections_turn(struct operation *op)
{
	struct controller *c = op->c;
	int32_t node = c->settings->node.id;
	int64_t every;
	bool balance;

	if (op->now_ms < next_due(c))
		return next_due(c);
	balance = meta_config_bool(c->image, node, NULL, "auto.leader.rebalance.enable");
	every = 1000
		* meta_config_int(c->image, node, NULL, "leader.imbalance.check.interval.seconds");
	if (c->preferred_ms == 0)
		c->preferred_ms = op->now_ms + every;
	if (op->now_ms >= c->unclean_ms && !hold_all(op, ELECTION_UNCLEAN))
		c->unclean_ms = op->now_ms + UNCLEAN_EVERY_MS;
	if (op->values_n == 0 && op->now_ms >= c->preferred_ms
	    && !(balance && hold_all(op, ELECTION_PREFERRED)))
		c->preferred_ms = op->now_ms + every;
	return next_due(c);
}
