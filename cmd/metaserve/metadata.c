/* Metadata (3). */
#include "metaserve.h"

#include <string.h>

typedef struct metadata_response_metadata_response_topic answer_topic;
typedef struct metadata_response_metadata_response_partition answer_partition;

struct wanted {                 /* one topic to answer: known, or a name or an id that is not */
	struct meta_topic *topic;
	struct span name;
	struct uuid id;
};

static int list_brokers(struct request *r, struct metadata_response *out)
{
	int n;
	struct meta_broker **v = cluster_brokers(r, &n);
	out->brokers = v ? request_take(r, (size_t)n, sizeof *out->brokers) : 0;
	if (!out->brokers)
		return -1;
	for (int i = 0; i < n; i++) {
		const struct meta_endpoint *e = meta_broker_endpoint(v[i], request_listener(r));
		if (!v[i]->fenced)
			out->brokers[out->brokers_n++] = (struct metadata_response_metadata_response_broker){
				.node_id = v[i]->id, .host = span_of(e->host), .port = e->port,
				.rack = span_of(v[i]->rack),
			};
	}
	return 0;
}

/* Version 0 has no list of offline replicas: it names those that can be reached, and an error where
 * any cannot. */
static int narrow(struct request *r, const struct meta_partition *p, answer_partition *a)
{
	a->replica_nodes = cluster_alive(r, p->replicas, p->replicas_n, &a->replica_nodes_n);
	a->isr_nodes = a->replica_nodes ? cluster_alive(r, p->isr, p->isr_n, &a->isr_nodes_n) : 0;
	if (!a->isr_nodes)
		return -1;
	if (!a->error_code && (a->replica_nodes_n < p->replicas_n || a->isr_nodes_n < p->isr_n))
		a->error_code = WIRE_REPLICA_NOT_AVAILABLE;
	return 0;
}

static int fill_partition(struct request *r, const struct meta_partition *p, answer_partition *a)
{
	bool listed;
	*a = (answer_partition){
		.partition_index = p->id, .leader_id = cluster_leader(r, p, &listed),
		.leader_epoch = p->leader_epoch,
		.replica_nodes = p->replicas, .replica_nodes_n = p->replicas_n,
		.isr_nodes = p->isr, .isr_nodes_n = p->isr_n,
	};
	if (a->leader_id < 0)
		a->error_code = listed && r->head.version >= 6 ? WIRE_LISTENER_NOT_FOUND
		                                               : WIRE_LEADER_NOT_AVAILABLE;
	a->offline_replicas = cluster_offline(r, p, &a->offline_replicas_n);
	if (!a->offline_replicas)
		return -1;
	return r->head.version == 0 ? narrow(r, p, a) : 0;
}

static void fill_missing(struct request *r, const struct wanted *w, answer_topic *a)
{
	const char *why;
	struct creation *c = create_status(r->server, w->name);
	if (!uuid_is_zero(&w->id)) {
		a->error_code = WIRE_UNKNOWN_TOPIC_ID;
		a->name = r->head.version >= 12 ? SPAN_NULL : span_of("");
		a->topic_id = w->id;
		return;
	}
	a->name = w->name;
	a->is_internal = topic_is_internal(w->name);
	if (!topic_name_ok(w->name, &why))
		a->error_code = WIRE_INVALID_TOPIC_EXCEPTION;
	else if (c)
		a->error_code = c->error ? (int16_t)c->error : WIRE_LEADER_NOT_AVAILABLE;
	else
		a->error_code = WIRE_UNKNOWN_TOPIC_OR_PARTITION;
}

static int fill_topic(struct request *r, const struct wanted *w, bool operations, answer_topic *a)
{
	const struct meta_topic *t = w->topic;
	wire_init(&wire_metadata_response_metadata_response_topic, a);
	if (t) {
		a->name = span_of(t->name);
		a->topic_id = t->id;
		a->is_internal = topic_is_internal(a->name);
		a->partitions = request_take(r, (size_t)t->partitions_n, sizeof *a->partitions);
		if (!a->partitions)
			return -1;
		for (int i = 0; i < t->partitions_n; i++)
			if (meta_partition(t, i) &&
			    fill_partition(r, &t->partitions[i], &a->partitions[a->partitions_n++]))
				return -1;
	} else {
		fill_missing(r, w, a);
	}
	if (operations && uuid_is_zero(&w->id))
		a->topic_authorized_operations = topic_operations();
	return 0;
}

static bool wants_all(const struct request *r, const struct metadata_request *in)
{
	return in->topics_n < 0 || (r->head.version == 0 && in->topics_n == 0);
}

/* Ids are taken from version 12 on, and then names beside them are ignored, as Kafka does. */
static bool by_id(const struct metadata_request *in)
{
	for (int i = 0; i < in->topics_n; i++)
		if (!uuid_is_zero(&in->topics[i].topic_id))
			return true;
	return false;
}

static bool request_ok(const struct request *r, const struct metadata_request *in)
{
	bool ids = by_id(in);
	if (ids && r->head.version < 12)
		return false;
	for (int i = 0; !ids && i < in->topics_n; i++)
		if (in->topics[i].name.n < 0)
			return false;
	return true;
}

/* Each topic once: names and ids borrow the request. */
static struct wanted *pick(struct request *r, const struct metadata_request *in, int *n)
{
	bool all = wants_all(r, in), ids = by_id(in);
	size_t most = all ? r->image->topics_by_name.n : (size_t)in->topics_n, at = 0;
	struct wanted *v = request_take(r, most, sizeof *v);
	struct map seen = {0};
	*n = 0;
	for (size_t i = 0; v && all && i < most; i++)
		v[(*n)++].topic = map_next(&r->image->topics_by_name, &at);
	for (size_t i = 0; v && !all && i < most; i++) {
		const struct metadata_request_metadata_request_topic *q = &in->topics[i];
		struct span id = {(const char *)q->topic_id.b, sizeof q->topic_id};
		struct span key = ids ? id : q->name;
		if ((ids && uuid_is_zero(&q->topic_id)) || map_get(&seen, key.p, (size_t)key.n))
			continue;
		struct wanted *w = &v[(*n)++];
		w->topic = ids ? meta_topic_with_id(r->image, &q->topic_id)
		               : meta_topic_named(r->image, q->name);
		if (!w->topic && ids)
			w->id = q->topic_id;
		else if (!w->topic)
			w->name = q->name;
		if (map_put(&seen, key.p, (size_t)key.n, w)) {
			request_close(r);
			v = 0;
		}
	}
	map_free(&seen);
	return v;
}

/* Starts making what is missing. true: the answer waits for it. */
static bool make_missing(struct request *r, const struct wanted *v, int n)
{
	struct span *names = request_take(r, (size_t)n, sizeof *names);
	const char *why;
	int missing = 0;
	bool waiting = false;
	for (int i = 0; names && i < n; i++) {
		struct creation *c = create_status(r->server, v[i].name);
		/* In the image, but logappend may not have its partitions yet: elect's answer tells. */
		if (v[i].topic)
			waiting |= c && !c->error;
		if (v[i].topic || !topic_name_ok(v[i].name, &why))
			continue;
		if (!c)
			names[missing++] = v[i].name;
		waiting |= !c || !c->error;
	}
	if (missing)
		create_topics(r->server, names, missing);
	return names && waiting && create_park(r);
}

static void refuse(struct request *r, const struct metadata_request *in, int error)
{
	struct metadata_response out;
	wire_init(&wire_metadata_response, &out);
	out.error_code = (int16_t)error;
	out.topics_n = in->topics_n < 0 ? 0 : in->topics_n;
	out.topics = request_take(r, (size_t)out.topics_n, sizeof *out.topics);
	if (!out.topics)
		return;
	for (int i = 0; i < out.topics_n; i++) {
		wire_init(&wire_metadata_response_metadata_response_topic, &out.topics[i]);
		out.topics[i].error_code = (int16_t)error;
		out.topics[i].name = in->topics[i].name.n < 0 ? span_of("") : in->topics[i].name;
		out.topics[i].topic_id = in->topics[i].topic_id;
	}
	request_answer(r, &wire_metadata_response, &out);
}

static void answer(struct request *r, const struct metadata_request *in, const struct wanted *v,
                   int n)
{
	struct metadata_response out;
	wire_init(&wire_metadata_response, &out);
	if (list_brokers(r, &out))
		return;
	out.cluster_id = span_of(r->server->node.cluster_id);
	out.controller_id = cluster_controller(r);
	if (in->include_cluster_authorized_operations)
		out.cluster_authorized_operations = cluster_operations();
	out.topics = request_take(r, (size_t)n, sizeof *out.topics);
	if (!out.topics)
		return;
	out.topics_n = n;
	for (int i = 0; i < n; i++)
		if (fill_topic(r, &v[i], in->include_topic_authorized_operations, &out.topics[i]))
			return;
	request_answer(r, &wire_metadata_response, &out);
}

static void run(struct request *r, bool late)
{
	struct metadata_request in;
	int n;
	if (request_body(r, &wire_metadata_request, &in))
		return;
	if (!request_ok(r, &in)) {
		refuse(r, &in, WIRE_INVALID_REQUEST);
		return;
	}
	struct wanted *v = pick(r, &in, &n);
	if (!v)
		return;
	bool make = !late && !wants_all(r, &in) && !by_id(&in) && in.allow_auto_topic_creation &&
	            meta_config_bool(r->image, r->server->node.id, 0, "auto.create.topics.enable");
	if (!make || !make_missing(r, v, n))
		answer(r, &in, v, n);
}

void metadata(struct request *r)
{
	run(r, false);
}

void metadata_late(struct request *r)
{
	run(r, true);
}
