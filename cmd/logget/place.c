/* Where lanes begin and end: ListOffsets. */
#include <errno.h>
#include <stdlib.h>

#include <skalibs/strerr.h>

#include "logget.h"
#include "wire/api.h"
#include "wire/codes.h"

enum { LIST_OFFSETS = 2, LATEST = -1, EARLIEST = -2, WAIT_MS = 30000 };

struct lane *lanes;
int lanes_n;

bool lanes_done(void)
{
	for (int i = 0; i < lanes_n; i++)
		if (!lanes[i].done)
			return false;
	return true;
}

/* A leader may have just become it: such errors are asked again. Returns false then. */
static bool take(const struct list_offsets_response *r, int64_t *offsets, int64_t until)
{
	for (int32_t i = 0; r->topics_n == 1 && i < r->topics[0].partitions_n; i++) {
		const struct list_offsets_response_list_offsets_partition_response *p =
			&r->topics[0].partitions[i];
		for (int k = 0; k < lanes_n; k++) {
			if (lanes[k].partition != p->partition_index)
				continue;
			if (wire_error_retriable(p->error_code) && net_now() < until)
				return false;
			if (p->error_code)
				die_kafka(p->partition_index, p->error_code);
			offsets[k] = p->offset;
		}
	}
	return true;
}

static void ask_leader(int32_t leader, int64_t timestamp, int64_t *offsets)
{
	struct list_offsets_request q;
	struct list_offsets_response r;
	struct arena mem = { 0 };
	int64_t until = net_now() + WAIT_MS;
	struct list_offsets_request_list_offsets_partition *v = calloc((size_t)lanes_n, sizeof *v);
	struct list_offsets_request_list_offsets_topic one = { .name = span_of(opt.topic),
							       .partitions = v };
	if (!v)
		die_memory();
	wire_init(&wire_list_offsets_request, &q);
	q.replica_id = -1;
	q.isolation_level = opt.committed;
	q.timeout_ms = WAIT_MS;
	q.topics = &one;
	q.topics_n = 1;
	for (int i = 0; i < lanes_n; i++)
		if (lanes[i].leader == leader)
			v[one.partitions_n++] =
				(struct list_offsets_request_list_offsets_partition){
					.partition_index = lanes[i].partition,
					.current_leader_epoch = -1,
					.timestamp = timestamp,
					.max_num_offsets = 1,
				};
	for (int attempt = 1;; attempt++) {
		if (net_call(net, leader, LIST_OFFSETS, -1, &q, &mem, &r, until) < 0)
			die_net();
		if (take(&r, offsets, until))
			break;
		net_pause(net, attempt, until);
	}
	arena_free(&mem);
	free(v);
}

/* The offset of each lane at a time or at one of the two ends. */
static int64_t *offsets_at(int64_t timestamp)
{
	int64_t *offsets = malloc((size_t)lanes_n * sizeof *offsets);
	if (!offsets)
		die_memory();
	for (int i = 0; i < lanes_n; i++)
		offsets[i] = -1;
	for (int i = 0; i < lanes_n; i++) {
		bool seen = false;
		for (int k = 0; k < i && !seen; k++)
			seen = lanes[k].leader == lanes[i].leader;
		if (!seen)
			ask_leader(lanes[i].leader, timestamp, offsets);
	}
	return offsets;
}

static void place_from(const int64_t *start, const int64_t *end)
{
	int64_t *at = opt.from_ms >= 0 ? offsets_at(opt.from_ms) : NULL;
	for (int i = 0; i < lanes_n; i++) {
		struct lane *l = &lanes[i];
		if (at)
			l->next = at[i] < 0 ? end[i] : at[i];
		else if (opt.from == FROM_BEGINNING)
			l->next = start[i];
		else if (opt.from == FROM_END)
			l->next = end[i];
		else if (opt.from < 0)
			l->next = end[i] + opt.from > start[i] ? end[i] + opt.from : start[i];
		else
			l->next = opt.from;
	}
	free(at);
}

static void place_until(const int64_t *end)
{
	int64_t *at = opt.until_ms >= 0 ? offsets_at(opt.until_ms) : NULL;
	for (int i = 0; i < lanes_n; i++) {
		struct lane *l = &lanes[i];
		l->stop = opt.exit_at_end ? end[i] : INT64_MAX;
		if (at && at[i] >= 0)
			l->stop = at[i];
		else if (at)
			l->stop = end[i];
		l->done = l->next >= l->stop;
	}
	free(at);
}

static void choose(int32_t partition)
{
	if (partition >= topic.n)
		strerr_die(1, "logget: ", opt.topic, ": no such partition");
	if (topic.partitions[partition].leader < 0)
		die_kafka(partition, WIRE_LEADER_NOT_AVAILABLE);
	lanes[lanes_n++] = (struct lane){
		.partition = partition,
		.leader = topic.partitions[partition].leader,
		.epoch = topic.partitions[partition].epoch,
		.told = -1,
	};
}

void lanes_place(void)
{
	int n = opt.partitions ? opt.partitions_n : topic.n;
	lanes = calloc((size_t)n, sizeof *lanes);
	if (!lanes)
		die_memory();
	for (int i = 0; i < n; i++)
		choose(opt.partitions ? opt.partitions[i] : i);
	int64_t *start = offsets_at(EARLIEST), *end = offsets_at(LATEST);
	place_from(start, end);
	place_until(end);
	free(start);
	free(end);
}
