/* Where partitions begin and end: ListOffsets to their leaders. */
#include <errno.h>

#include <skalibs/strerr.h>

#include "topic.h"
#include "wire/codes.h"

enum { LIST_OFFSETS = 2 };

static void take(struct place *v, int n, int32_t leader, const struct list_offsets_response *r)
{
	if (r->topics_n != 1)
		return;
	for (int32_t i = 0; i < r->topics[0].partitions_n; i++) {
		const struct list_offsets_response_list_offsets_partition_response *p =
			&r->topics[0].partitions[i];
		for (int k = 0; k < n; k++)
			if (v[k].partition == p->partition_index && v[k].leader == leader) {
				v[k].error = p->error_code;
				v[k].offset = p->error_code ? -1 : p->offset;
				break;
			}
	}
}

static void ask(struct span topic, struct place *v, int n, int32_t leader, int64_t timestamp)
{
	struct list_offsets_request q;
	struct list_offsets_request_list_offsets_topic one;
	struct list_offsets_response r;
	wire_init(&wire_list_offsets_request, &q);
	q.replica_id = -1;
	q.timeout_ms = 30000;
	q.topics = &one;
	q.topics_n = 1;
	one = (struct list_offsets_request_list_offsets_topic){.name = topic};
	one.partitions = room((size_t)n * sizeof *one.partitions);
	for (int k = 0; k < n; k++)
		if (v[k].leader == leader)
			one.partitions[one.partitions_n++] =
				(struct list_offsets_request_list_offsets_partition){
					.partition_index = v[k].partition,
					.current_leader_epoch = v[k].epoch,
					.timestamp = timestamp,
					.max_num_offsets = 1,
				};
	if (net_call(net, leader, LIST_OFFSETS, -1, &q, &mem, &r, deadline()) < 0) {
		strerr_warn("topic: ", net_why(net));
		status = 1;
		return;
	}
	take(v, n, leader, &r);
}

void offsets(struct span topic, struct place *v, int n, int64_t timestamp)
{
	for (int i = 0; i < n; i++)
		v[i].offset = -1;
	for (int i = 0; i < n; i++) {
		int seen = 0;
		for (int k = 0; k < i && !seen; k++)
			seen = v[k].leader == v[i].leader;
		if (v[i].leader < 0)
			v[i].error = WIRE_LEADER_NOT_AVAILABLE;
		else if (!seen)
			ask(topic, v, n, v[i].leader, timestamp);
	}
}
