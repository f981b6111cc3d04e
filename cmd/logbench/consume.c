/* logbench consume: every connection reads one partition from its beginning to where it ended at
 * the start. */
#include <errno.h>
#include <stdlib.h>

#include "log/batch.h"
#include "logbench.h"
#include "wire/api.h"

enum { FETCH = 1, LIST_OFFSETS = 2, REQUEST_MS = 60000, WAIT_MS = 500 };

struct reader {
	struct net_connection *connection;
	int32_t partition;
	int64_t next, end, sent_us;
	struct arena mem;
};
static int waiting;

int64_t offset_of(int32_t partition, int64_t timestamp)
{
	struct list_offsets_request_list_offsets_partition part = {
		.partition_index = partition,
		.current_leader_epoch = -1,
		.timestamp = timestamp,
		.max_num_offsets = 1,
	};
	struct list_offsets_request_list_offsets_topic one = {
		.name = span_of(opt.topic),
		.partitions = &part,
		.partitions_n = 1,
	};
	struct list_offsets_request q;
	struct list_offsets_response r;
	struct arena mem = {0};
	wire_init(&wire_list_offsets_request, &q);
	q.replica_id = -1;
	q.topics = &one;
	q.topics_n = 1;
	if (net_call(net, topic.partitions[partition].leader, LIST_OFFSETS, -1, &q, &mem, &r,
		     net_now() + 10000) < 0)
		die_net();
	if (r.topics_n != 1 || r.topics[0].partitions_n != 1)
		die_lost(EBADMSG);
	int64_t offset = r.topics[0].partitions[0].offset;
	result.error = result.error ? result.error : r.topics[0].partitions[0].error_code;
	arena_free(&mem);
	return offset;
}

static void take(struct reader *v, const uint8_t *p, size_t n)
{
	struct batch b;
	result.bytes += (int64_t)n;
	while (n >= BATCH_HEADER && batch_parse(&b, p, n) == 0 && (size_t)batch_bytes(&b) <= n) {
		result.records += b.count;
		v->next = batch_last_offset(&b) + 1;
		p += batch_bytes(&b);
		n -= (size_t)batch_bytes(&b);
	}
}

static void fetch(struct reader *v);

void send_fetch(struct net_connection *c, int32_t partition, int64_t offset, net_done *done,
		void *arg)
{
	struct fetch_request_fetch_partition part = {
		.partition = partition,
		.current_leader_epoch = -1,
		.fetch_offset = offset,
		.last_fetched_epoch = -1,
		.log_start_offset = -1,
		.partition_max_bytes = (int32_t)opt.fetch_bytes,
		.high_watermark = INT64_MAX,
	};
	struct fetch_request_fetch_topic one = {
		.topic = span_of(opt.topic),
		.topic_id = topic.id,
		.partitions = &part,
		.partitions_n = 1,
	};
	struct fetch_request q;
	wire_init(&wire_fetch_request, &q);
	q.max_wait_ms = WAIT_MS;
	q.min_bytes = 1;
	q.max_bytes = (int32_t)opt.fetch_bytes;
	q.topics = &one;
	q.topics_n = 1;
	if (net_connection_send(c, FETCH, -1, &q, REQUEST_MS, done, arg) < 0)
		die_lost(errno == ENOTCONN ? c->error : errno);
}

struct span fetched(const struct net_answer *a, struct arena *mem)
{
	struct fetch_response r;
	arena_reset(mem);
	if (a->error || net_answer_decode(a, mem, &r) < 0)
		die_lost(a->error ? a->error : errno);
	int code = r.error_code;
	struct span records = {NULL, 0};
	if (!code && r.responses_n == 1 && r.responses[0].partitions_n == 1) {
		code = r.responses[0].partitions[0].error_code;
		records = r.responses[0].partitions[0].records;
	}
	if (code) {
		result.errors++;
		result.error = result.error ? result.error : code;
		return SPAN_NULL;
	}
	return records.n < 0 ? (struct span){NULL, 0} : records;
}

static void on_fetched(void *arg, const struct net_answer *a)
{
	struct reader *v = arg;
	struct span records = fetched(a, &v->mem);
	result.end_us = now_us();
	latency_add(result.end_us - v->sent_us);
	result.requests++;
	waiting--;
	if (records.n < 0)
		return;
	take(v, (const uint8_t *)records.p, (size_t)records.n);
	if (v->next < v->end && !(opt.records ? result.records >= opt.records : time_over()))
		fetch(v);
}

static void fetch(struct reader *v)
{
	v->sent_us = now_us();
	send_fetch(v->connection, v->partition, v->next, on_fetched, v);
	waiting++;
}

void bench_consume(void)
{
	int n = (int)opt.connections;
	struct reader *readers = calloc((size_t)n, sizeof *readers);
	if (!readers)
		die_memory();
	for (int i = 0; i < n; i++) {
		struct reader *v = &readers[i];
		v->partition = i % bench_partitions();
		v->next = offset_of(v->partition, -2);
		v->end = offset_of(v->partition, -1);
		v->connection = net_connect_more(net, topic.partitions[v->partition].leader,
						 net_now() + 10000);
		if (!v->connection)
			die_net();
	}
	start_us = result.end_us = now_us();
	for (int i = 0; i < n; i++)
		if (readers[i].next < readers[i].end)
			fetch(&readers[i]);
	while (waiting)
		if (net_turn(net, NULL, 0, INT64_MAX) < 0 && errno != EINTR)
			die_memory();
	for (int i = 0; i < n; i++)
		arena_free(&readers[i].mem);
	free(readers);
}
