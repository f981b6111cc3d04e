/* DeleteRecords: the log start moves; files go when whole segments lie below it. */
#include <errno.h>

#include "daemon.h"
#include "wire/api.h"
#include "wire/codes.h"

enum { HIGH_WATERMARK = -1 };

typedef struct delete_records_response_delete_records_partition_result result;

struct trim {
	struct parked park;      /* first: until every replica's log start is there */
	struct request *q;
	struct partition *p;
	result *answer;
};

static void trimmed(struct parked *w)
{
	struct trim *t = (struct trim *)w;
	/* The checkpoint could not be written: the log start moved, but not for good. */
	if (!w->wait.error && node.log_starts_changed)
		w->wait.error = WIRE_KAFKA_STORAGE_ERROR;
	t->answer->error_code = (int16_t)w->wait.error;
	if (!w->wait.error || w->wait.error == WIRE_REQUEST_TIMED_OUT)
		t->answer->low_watermark = replica_low_watermark(&t->p->step);
	request_release(t->q);
}

static int move_start(struct partition *p, int64_t to)
{
	if (to <= p->step.log_start)
		return 0;
	if (log_set_start(p->log, to) < 0) {
		int e = errno;
		if (e != ENOSPC && e != EDQUOT)
			partition_offline(p, log_error(p->log));
		return WIRE_KAFKA_STORAGE_ERROR;
	}
	replica_log_start(&p->step, to);
	node.log_starts_changed = true;
	partition_touch(p);
	return 0;
}

/* Partition.deleteRecordsOnLeader. */
static int trim(struct partition *p, int64_t offset, int64_t *to)
{
	if (!p->log)
		return WIRE_KAFKA_STORAGE_ERROR;
	if (p->step.role != PAGE_LEADER)
		return WIRE_NOT_LEADER_OR_FOLLOWER;
	if (!p->plain_delete && p->rules.compact)
		return WIRE_POLICY_VIOLATION;
	*to = offset == HIGH_WATERMARK ? p->step.high_watermark : offset;
	if (*to < 0 || *to > p->step.high_watermark)
		return WIRE_OFFSET_OUT_OF_RANGE;
	return move_start(p, *to);
}

static void one(struct trim *t, const struct meta_topic *topic, struct span name, int64_t offset,
                int64_t deadline_ms)
{
	int64_t to;
	int error;
	t->p = topic ? partition_get(&topic->id, t->answer->partition_index) : NULL;
	if (!topic || !meta_partition(topic, t->answer->partition_index))
		error = WIRE_UNKNOWN_TOPIC_OR_PARTITION;
	else if (topic_is_internal(name))
		error = WIRE_INVALID_TOPIC_EXCEPTION;
	else
		error = t->p ? trim(t->p, offset, &to) : WIRE_NOT_LEADER_OR_FOLLOWER;
	t->answer->error_code = (int16_t)error;
	t->answer->low_watermark = -1;
	if (error)
		return;
	t->park.done = trimmed;
	if (replica_park(&t->p->step, &t->park.wait, REPLICA_TRIMMED, to, deadline_ms) < 0) {
		t->answer->error_code = WIRE_REQUEST_TIMED_OUT;
		return;
	}
	t->q->holds++;
	partition_watch(t->p);
	partition_touch(t->p);
}

void delete_records(const struct port_call *c, const struct wire_request *r)
{
	struct delete_records_request in;
	struct request *q = request_new(c, r);
	if (!q || request_decode(q, r, &in) < 0)
		return;
	struct delete_records_response *out = request_answer(q);
	int64_t deadline = port_now_ms() + in.timeout_ms;
	out->topics_n = in.topics_n;
	out->topics = request_get(q, (size_t)in.topics_n * sizeof *out->topics + 1);
	for (int32_t i = 0; i < in.topics_n; i++) {
		const struct meta_topic *topic = meta_topic_named(node.image, in.topics[i].name);
		size_t n = (size_t)in.topics[i].partitions_n;
		struct trim *t = request_get(q, n * sizeof *t + 1);
		out->topics[i].name = request_keep(q, in.topics[i].name);
		out->topics[i].partitions_n = (int32_t)n;
		out->topics[i].partitions = request_get(q, n * sizeof(result) + 1);
		for (size_t k = 0; k < n; k++) {
			t[k].q = q;
			t[k].answer = &out->topics[i].partitions[k];
			t[k].answer->partition_index = in.topics[i].partitions[k].partition_index;
			one(&t[k], topic, in.topics[i].name, in.topics[i].partitions[k].offset,
			    deadline);
		}
	}
	request_release(q);
}
