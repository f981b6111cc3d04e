/* DescribeProducers: the producers that a partition remembers. */
#include <string.h>

#include "daemon.h"
#include "wire/api.h"
#include "wire/codes.h"

typedef struct describe_producers_response_partition_response answer;
typedef struct describe_producers_response_producer_state state;

/* Topic.validate. */
static bool good_name(struct span name)
{
	if (name.n <= 0 || name.n > 249 || span_is(name, ".") || span_is(name, ".."))
		return false;
	for (int32_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9')
		    && !strchr("._-", c))
			return false;
	}
	return true;
}

static void fill(struct request *q, struct partition *p, answer *out)
{
	int n = log_producers(p->log, NULL, 0);
	struct log_producer *v = request_get(q, (size_t)n * sizeof *v + 1);
	state *s = request_get(q, (size_t)n * sizeof *s + 1);
	log_producers(p->log, v, n);
	for (int i = 0; i < n; i++)
		s[i] = (state){
			.producer_id = v[i].id, .producer_epoch = v[i].epoch,
			.last_sequence = v[i].last_sequence, .last_timestamp = v[i].last_timestamp,
			.coordinator_epoch = v[i].coordinator_epoch,
			.current_txn_start_offset = v[i].txn_first_offset,
		};
	out->active_producers = s;
	out->active_producers_n = n;
}

static int check(const struct meta_topic *t, struct span name, int32_t index, struct partition **p)
{
	*p = t ? partition_get(&t->id, index) : NULL;
	if (!good_name(name))
		return WIRE_INVALID_TOPIC_EXCEPTION;
	if (!t || !meta_partition(t, index))
		return WIRE_UNKNOWN_TOPIC_OR_PARTITION;
	if (!*p)
		return WIRE_NOT_LEADER_OR_FOLLOWER;
	return (*p)->log ? 0 : WIRE_KAFKA_STORAGE_ERROR;
}

void describe_producers(const struct port_call *c, const struct wire_request *r)
{
	struct describe_producers_request in;
	struct request *q = request_new(c, r);
	if (!q || request_decode(q, r, &in) < 0)
		return;
	struct describe_producers_response *out = request_answer(q);
	out->topics_n = in.topics_n;
	out->topics = request_get(q, (size_t)in.topics_n * sizeof *out->topics + 1);
	for (int32_t i = 0; i < in.topics_n; i++) {
		struct span name = in.topics[i].name;
		const struct meta_topic *t = meta_topic_named(node.image, name);
		int32_t n = in.topics[i].partition_indexes_n;
		answer *v = request_get(q, (size_t)n * sizeof *v + 1);
		out->topics[i].name = name;
		out->topics[i].partitions_n = n;
		out->topics[i].partitions = v;
		for (int32_t k = 0; k < n; k++) {
			struct partition *p;
			v[k].partition_index = in.topics[i].partition_indexes[k];
			v[k].error_message = SPAN_NULL;
			int error = check(t, name, v[k].partition_index, &p);
			v[k].error_code = (int16_t)error;
			if (!error)
				fill(q, p, &v[k]);
			else if (!t)
				v[k].error_message = span_of("There is no such topic.");
		}
	}
	request_release(q);
}
