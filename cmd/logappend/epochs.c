/* OffsetForLeaderEpoch: where an epoch ends here, so that who read more than that knows
 * (KIP-101). */
#include "daemon.h"
#include "wire/api.h"
#include "wire/codes.h"

typedef struct offset_for_leader_epoch_request_offset_for_leader_partition ask;
typedef struct offset_for_leader_epoch_response_epoch_end_offset end_offset;

/* ReplicaManager.lastOffsetForLeaderEpoch, Partition.getLocalLog. */
static int check(const struct meta_topic *t, const ask *in, struct partition **found)
{
	struct partition *p = *found = t ? partition_get(&t->id, in->partition) : NULL;
	if (!t || !meta_partition(t, in->partition))
		return WIRE_UNKNOWN_TOPIC_OR_PARTITION;
	if (!p)
		return WIRE_NOT_LEADER_OR_FOLLOWER;
	if (!p->log)
		return WIRE_KAFKA_STORAGE_ERROR;
	if (in->current_leader_epoch != -1 && in->current_leader_epoch < p->step.epoch)
		return WIRE_FENCED_LEADER_EPOCH;
	if (in->current_leader_epoch > p->step.epoch)
		return WIRE_UNKNOWN_LEADER_EPOCH;
	return p->step.role == PAGE_LEADER ? 0 : WIRE_NOT_LEADER_OR_FOLLOWER;
}

static void one(const struct meta_topic *t, const ask *in, end_offset *out)
{
	struct partition *p;
	*out = (end_offset){.partition = in->partition, .leader_epoch = -1, .end_offset = -1};
	out->error_code = (int16_t)check(t, in, &p);
	if (out->error_code)
		return;
	/* The epoch in force has no entry before its first record. */
	if (in->leader_epoch == p->step.epoch) {
		out->leader_epoch = p->step.epoch;
		out->end_offset = p->step.log_end;
		return;
	}
	log_epoch_end(p->log, in->leader_epoch, &out->leader_epoch, &out->end_offset);
}

void offset_for_leader_epoch(const struct port_call *c, const struct wire_request *r)
{
	struct offset_for_leader_epoch_request in;
	struct request *q = request_new(c, r);
	if (!q || request_decode(q, r, &in) < 0)
		return;
	struct offset_for_leader_epoch_response *out = request_answer(q);
	out->topics_n = in.topics_n;
	out->topics = request_get(q, (size_t)in.topics_n * sizeof *out->topics + 1);
	for (int32_t i = 0; i < in.topics_n; i++) {
		const struct meta_topic *t = meta_topic_named(node.image, in.topics[i].topic);
		int32_t n = in.topics[i].partitions_n;
		out->topics[i].topic = in.topics[i].topic;
		out->topics[i].partitions_n = n;
		out->topics[i].partitions = request_get(q, (size_t)n * sizeof(end_offset) + 1);
		for (int32_t k = 0; k < n; k++)
			one(t, &in.topics[i].partitions[k], &out->topics[i].partitions[k]);
	}
	request_release(q);
}
