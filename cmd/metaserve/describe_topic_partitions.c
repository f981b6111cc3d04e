/* DescribeTopicPartitions (75): topics by name, a page at a time (KIP-966; Kafka's
 * DescribeTopicPartitionsRequestHandler). */
#include "metaserve.h"

#include <stdlib.h>
#include <string.h>

typedef struct describe_topic_partitions_response_describe_topic_partitions_response_topic
	answer_topic;
typedef struct describe_topic_partitions_response_describe_topic_partitions_response_partition
	answer_partition;

static int span_order(struct span a, struct span b)
{
	int c = memcmp(a.p, b.p, (size_t)(a.n < b.n ? a.n : b.n));
	return c ? c : a.n - b.n;
}

static int by_name(const void *a, const void *b)
{
	return span_order(*(const struct span *)a, *(const struct span *)b);
}

/* The names to describe, sorted, each once, none before the cursor's. */
static struct span *pick_names(struct request *r,
                               const struct describe_topic_partitions_request *in, int *n)
{
	bool all = in->topics_n == 0;
	struct span from = in->cursor ? in->cursor->topic_name : span_of("");
	size_t most = all ? r->image->topics_by_name.n : (size_t)in->topics_n, at = 0;
	struct span *v = request_take(r, most, sizeof *v);
	*n = 0;
	for (size_t i = 0; v && i < most; i++) {
		struct meta_topic *t = all ? map_next(&r->image->topics_by_name, &at) : 0;
		struct span name = all ? span_of(t->name) : in->topics[i].name;
		if (span_order(name, from) >= 0)
			v[(*n)++] = name;
	}
	if (!v)
		return 0;
	qsort(v, (size_t)*n, sizeof *v, by_name);
	int kept = 0;
	for (int i = 0; i < *n; i++)
		if (!kept || !span_same(v[i], v[kept - 1]))
			v[kept++] = v[i];
	*n = kept;
	return v;
}

static int fill_partitions(struct request *r, const struct meta_topic *t, int from, int to,
                           answer_topic *out)
{
	out->partitions = request_take(r, (size_t)(to > from ? to - from : 0), sizeof *out->partitions);
	if (!out->partitions)
		return -1;
	for (int i = from; i < to; i++) {
		const struct meta_partition *p = meta_partition(t, i);
		if (!p)
			continue;
		answer_partition *a = &out->partitions[out->partitions_n++];
		bool listed;
		*a = (answer_partition){
			.partition_index = p->id,
			.leader_id = cluster_leader(r, p, &listed),
			.leader_epoch = p->leader_epoch,
			.replica_nodes = p->replicas,
			.replica_nodes_n = p->replicas_n,
			.isr_nodes = p->isr,
			.isr_nodes_n = p->isr_n,
			.eligible_leader_replicas = p->elr,
			.eligible_leader_replicas_n = p->elr_n,
			.last_known_elr = p->last_known_elr,
			.last_known_elr_n = p->last_known_elr_n,
		};
		a->offline_replicas = cluster_offline(r, p, &a->offline_replicas_n);
		if (!a->offline_replicas)
			return -1;
	}
	return 0;
}

static void fill_missing(struct span name, answer_topic *out)
{
	const char *why;
	out->error_code = topic_name_ok(name, &why) ? WIRE_UNKNOWN_TOPIC_OR_PARTITION
	                                            : WIRE_INVALID_TOPIC_EXCEPTION;
}

static int fill(struct request *r, const struct describe_topic_partitions_request *in,
                struct span *names, int n, struct describe_topic_partitions_response *out)
{
	static struct describe_topic_partitions_response_cursor next;
	int limit = (int)request_config(r, "max.request.partition.size.limit", 2000);
	if (in->response_partition_limit < limit)
		limit = in->response_partition_limit;
	int left = limit < 1 ? 1 : limit;
	for (int i = 0; i < n; i++) {
		answer_topic *a = &out->topics[out->topics_n];
		struct meta_topic *t = meta_topic_named(r->image, names[i]);
		int from = in->cursor && span_same(in->cursor->topic_name, names[i])
		                   ? in->cursor->partition_index
		                   : 0;
		if (!left) {
			next = (struct describe_topic_partitions_response_cursor){.topic_name = names[i]};
			out->next_cursor = &next;
			return 0;
		}
		wire_init(&wire_describe_topic_partitions_response_describe_topic_partitions_response_topic, a);
		a->name = names[i];
		a->is_internal = topic_is_internal(names[i]);
		a->topic_authorized_operations = topic_operations();
		out->topics_n++;
		if (!t) {
			fill_missing(names[i], a);
			continue;
		}
		int to = from < t->partitions_n && left < t->partitions_n - from ? from + left : t->partitions_n;
		a->topic_id = t->id;
		if (fill_partitions(r, t, from, to, a))
			return -1;
		left -= a->partitions_n;
		if (to < t->partitions_n) {
			next = (struct describe_topic_partitions_response_cursor){
				.topic_name = names[i], .partition_index = to};
			out->next_cursor = &next;
			return 0;
		}
	}
	return 0;
}

static bool cursor_ok(const struct describe_topic_partitions_request *in)
{
	if (!in->cursor)
		return true;
	bool found = in->topics_n == 0;
	for (int i = 0; !found && i < in->topics_n; i++)
		found = span_same(in->topics[i].name, in->cursor->topic_name);
	return found && in->cursor->partition_index >= 0;
}

static void refuse(struct request *r, const struct describe_topic_partitions_request *in)
{
	struct describe_topic_partitions_response out;
	wire_init(&wire_describe_topic_partitions_response, &out);
	out.topics_n = in->topics_n;
	out.topics = request_take(r, (size_t)in->topics_n, sizeof *out.topics);
	if (!out.topics)
		return;
	for (int i = 0; i < in->topics_n; i++) {
		wire_init(
			&wire_describe_topic_partitions_response_describe_topic_partitions_response_topic,
			&out.topics[i]);
		out.topics[i].name = in->topics[i].name;
		out.topics[i].error_code = WIRE_INVALID_REQUEST;
	}
	request_answer(r, &wire_describe_topic_partitions_response, &out);
}

void describe_topic_partitions(struct request *r)
{
	struct describe_topic_partitions_request in;
	struct describe_topic_partitions_response out;
	int n;
	if (request_body(r, &wire_describe_topic_partitions_request, &in))
		return;
	if (!cursor_ok(&in)) {
		refuse(r, &in);
		return;
	}
	wire_init(&wire_describe_topic_partitions_response, &out);
	struct span *names = pick_names(r, &in, &n);
	out.topics = names ? request_take(r, (size_t)n, sizeof *out.topics) : 0;
	if (out.topics && !fill(r, &in, names, n, &out))
		request_answer(r, &wire_describe_topic_partitions_response, &out);
}
