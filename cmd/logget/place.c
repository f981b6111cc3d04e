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

typedef struct list_offsets_request_list_offsets_topic topic_of_request;

struct lane *lane_of(struct span topic, const struct uuid *id, int32_t partition)
{
	for (int i = 0; i < lanes_n; i++)
		if (lanes[i].partition == partition
		    && (topic.n > 0 ? span_is(topic, lanes[i].topic->name)
				    : uuid_same(id, &lanes[i].topic->id)))
			return &lanes[i];
	return NULL;
}

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
	for (int32_t t = 0; t < r->topics_n; t++)
		for (int32_t i = 0; i < r->topics[t].partitions_n; i++) {
			const struct list_offsets_response_list_offsets_partition_response *p =
				&r->topics[t].partitions[i];
			struct lane *l =
				lane_of(r->topics[t].name, &uuid_zero, p->partition_index);
			if (!l)
				continue;
			if (wire_error_retriable(p->error_code) && net_now() < until)
				return false;
			if (p->error_code)
				die_kafka(l, p->error_code);
			offsets[l - lanes] = p->offset;
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
	struct net_topic *last = NULL;
	int n = 0;
	wire_init(&wire_list_offsets_request, &q);
	q.topics = calloc((size_t)topics_n, sizeof *q.topics);
	if (!v || !q.topics)
		die_memory();
	q.replica_id = -1;
	q.isolation_level = opt.committed;
	q.timeout_ms = WAIT_MS;
	for (int i = 0; i < lanes_n; i++) {
		if (lanes[i].leader != leader)
			continue;
		if (lanes[i].topic != last)
			q.topics[q.topics_n++] = (topic_of_request){
				.name = span_of(lanes[i].topic->name),
				.partitions = v + n,
			};
		last = lanes[i].topic;
		q.topics[q.topics_n - 1].partitions_n++;
		v[n++] = (struct list_offsets_request_list_offsets_partition){
			.partition_index = lanes[i].partition,
			.current_leader_epoch = -1,
			.timestamp = timestamp,
			.max_num_offsets = 1,
		};
	}
	for (int attempt = 1;; attempt++) {
		if (net_call(net, leader, LIST_OFFSETS, -1, &q, &mem, &r, until) < 0)
			die_net();
		if (take(&r, offsets, until))
			break;
		net_pause(net, attempt, until);
	}
	arena_free(&mem);
	free(q.topics);
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
		if (l->next >= 0)
			continue;
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
		l->printed = l->written = l->next;
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

static void choose(struct net_topic *t, int32_t partition)
{
	struct lane *l = &lanes[lanes_n++];
	*l = (struct lane){ .topic = t, .partition = partition, .next = -1, .told = -1 };
	if (partition >= t->n)
		strerr_die(1, "logget: ", t->name, ": no such partition");
	l->leader = t->partitions[partition].leader;
	l->epoch = t->partitions[partition].epoch;
	if (l->leader < 0)
		die_kafka(l, WIRE_LEADER_NOT_AVAILABLE);
}

void lanes_choose(void)
{
	int n = 0;
	for (int t = 0; t < topics_n; t++)
		n += opt.partitions ? opt.partitions_n : topics[t].n;
	lanes = calloc((size_t)n, sizeof *lanes);
	if (!lanes)
		die_memory();
	for (int t = 0; t < topics_n; t++)
		for (int i = 0; i < (opt.partitions ? opt.partitions_n : topics[t].n); i++)
			choose(&topics[t], opt.partitions ? opt.partitions[i] : i);
}

void lanes_place(void)
{
	int64_t *start = offsets_at(EARLIEST), *end = offsets_at(LATEST);
	place_from(start, end);
	place_until(end);
	free(start);
	free(end);
}
