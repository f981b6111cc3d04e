/* Produce: finds the partitions of a request, hands each its batch, and says who leads what does
 * not live here. */
#include "produce.h"

#include "wire/codes.h"
#include "wire/produce_one.h"

enum { ZSTD_SINCE = 7, HINTS_SINCE = 10, ATTRIBUTES = 21 };

static int attributes(struct span records)
{
	return records.n < BATCH_HEADER ? 0 : get16(records.p + ATTRIBUTES);
}

static bool has_transactional(const struct produce_request *in)
{
	for (int32_t t = 0; t < in->topic_data_n; t++) {
		const struct produce_request_topic_produce_data *topic = &in->topic_data[t];
		for (int32_t i = 0; i < topic->partition_data_n; i++)
			if (attributes(topic->partition_data[i].records) & BATCH_TRANSACTIONAL)
				return true;
	}
	return false;
}

/* An error that the whole request has: KafkaApis.handleProduceRequest. */
static int refused(const struct produce_request *in)
{
	if (has_transactional(in) && in->transactional_id.n < 0)
		return WIRE_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
	if (in->acks < -1 || in->acks > 1)
		return WIRE_INVALID_REQUIRED_ACKS;
	return 0;
}

static bool internal_allowed(const struct wire_request *r, const struct request *q)
{
	return q->listener == WIRE_LOCAL || span_is(r->client_id, "__admin_client");
}

/* The leader epoch that a coordinator, on this node, has loaded the partition under. */
static int32_t coordinator_epoch(const struct request *q, const struct wire_tags *tags)
{
	struct span v = wire_tag_value(tags, WIRE_TAG_LEADER_EPOCH);
	return q->listener == WIRE_LOCAL && v.n == 4 ? (int32_t)get32(v.p) : -1;
}

/* The checks before a log is asked, in Kafka's order. */
static void one(struct part *a, const struct meta_topic *t, struct span name, int32_t index,
                const struct wire_request *r)
{
	int flags = attributes(a->records);
	a->p = t ? partition_get(&t->id, index) : NULL;
	if (!t || !meta_partition(t, index))
		part_fail(a, WIRE_UNKNOWN_TOPIC_OR_PARTITION, NULL);
	else if (a->records.n <= 0)
		part_fail(a, WIRE_INVALID_RECORD,
		          "Produce requests must have at least one record batch per partition");
	else if (r->version < ZSTD_SINCE && (flags & BATCH_CODEC) == CODEC_ZSTD)
		part_fail(a, WIRE_UNSUPPORTED_COMPRESSION_TYPE,
		          "Zstandard needs version 7 of Produce");
	else if (topic_is_internal(name) && !internal_allowed(r, a->in->q))
		part_fail(a, WIRE_INVALID_TOPIC_EXCEPTION, "An internal topic");
	else if (flags & BATCH_TRANSACTIONAL && a->in->q->listener != WIRE_LOCAL)
		part_fail(a, WIRE_INVALID_TXN_STATE, "No transaction is open");
	else if (!a->p || node.stopping)
		part_fail(a, WIRE_NOT_LEADER_OR_FOLLOWER, NULL);
	else
		part_append(a);
}

/* --- leader hints (KIP-951)
 * --------------------------------------------------------------------- */

static void add_endpoint(struct request *q, struct produce_response *out, int32_t id)
{
	const struct meta_broker *b = meta_broker(node.image, id);
	const struct meta_endpoint *e = b ? meta_broker_endpoint(b, node.me.broker) : NULL;
	struct produce_response_node_endpoint *v;
	for (int32_t i = 0; i < out->node_endpoints_n; i++)
		if (out->node_endpoints[i].node_id == id)
			return;
	if (!e)
		return;
	v = request_get(q, (size_t)(out->node_endpoints_n + 1) * sizeof *v);
	for (int32_t i = 0; i < out->node_endpoints_n; i++)
		v[i] = out->node_endpoints[i];
	v[out->node_endpoints_n++] = (struct produce_response_node_endpoint){
		.node_id = id, .host = span_of(e->host), .port = e->port, .rack = span_of(b->rack),
	};
	out->node_endpoints = v;
}

static void hint(struct request *q, struct produce_response *out, const struct meta_topic *t,
                 struct produce_response_partition_produce_response *p)
{
	const struct meta_partition *m = t ? meta_partition(t, p->index) : NULL;
	if (!m || p->error_code != WIRE_NOT_LEADER_OR_FOLLOWER)
		return;
	p->current_leader.leader_id = m->leader;
	p->current_leader.leader_epoch = m->leader_epoch;
	add_endpoint(q, out, m->leader);
}

static void finish(struct request *q)
{
	struct produce_response *out = q->answer;
	if (!q->failed || q->version < HINTS_SINCE)
		return;
	for (int32_t t = 0; t < out->responses_n; t++) {
		struct produce_response_topic_produce_response *topic = &out->responses[t];
		const struct meta_topic *m = meta_topic_named(node.image, topic->name);
		for (int32_t i = 0; i < topic->partition_responses_n; i++)
			hint(q, out, m, &topic->partition_responses[i]);
	}
}

/* --- the request
 * -------------------------------------------------------------------------------- */

static void one_topic(struct produce *in, const struct produce_request_topic_produce_data *from,
                      struct produce_response_topic_produce_response *to, int error,
                      const struct wire_request *r)
{
	const struct meta_topic *t = meta_topic_named(node.image, from->name);
	size_t n = (size_t)from->partition_data_n;
	struct part *parts = request_get(in->q, n * sizeof *parts + 1);
	to->name = from->name;
	to->partition_responses = request_get(in->q, n * sizeof *to->partition_responses + 1);
	to->partition_responses_n = from->partition_data_n;
	for (size_t i = 0; i < n; i++) {
		struct part *a = &parts[i];
		a->in = in;
		a->records = from->partition_data[i].records;
		a->epoch = coordinator_epoch(in->q, &from->partition_data[i].tags);
		a->answer = &to->partition_responses[i];
		*a->answer = (struct produce_response_partition_produce_response){
			.index = from->partition_data[i].index, .base_offset = -1,
			.log_append_time_ms = -1, .log_start_offset = -1,
			.error_message = SPAN_NULL,
			.current_leader = {.leader_id = -1, .leader_epoch = -1},
		};
		if (error)
			part_fail(a, error, NULL);
		else
			one(a, t, from->name, a->answer->index, r);
	}
}

/* What waits outlives the caller's bytes. */
static void keep_names(struct request *q, struct produce_response *out)
{
	for (int32_t t = 0; t < out->responses_n; t++)
		out->responses[t].name = request_keep(q, out->responses[t].name);
}

void produce(const struct port_call *c, const struct wire_request *r)
{
	struct produce_request in;
	struct produce_request_topic_produce_data topic;
	struct produce_request_partition_produce_data partition;
	struct request *q = request_new(c, r);
	if (!q || (!wire_produce_one(r, &in, &topic, &partition) && request_decode(q, r, &in) < 0))
		return;
	struct produce_response *out = request_answer(q);
	struct produce *p = request_get(q, sizeof *p);
	int error = refused(&in);
	*p = (struct produce){q, in.acks, port_now_ms() + in.timeout_ms};
	q->silent = in.acks == 0;
	q->finish = finish;
	out->responses_n = in.topic_data_n;
	out->responses = request_get(q, (size_t)in.topic_data_n * sizeof *out->responses + 1);
	for (int32_t t = 0; t < in.topic_data_n; t++)
		one_topic(p, &in.topic_data[t], &out->responses[t], error, r);
	if (q->holds > 1)
		keep_names(q, out);
	request_release(q);
}
