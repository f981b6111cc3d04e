/* logbench produce, tiny: the same batch again and again, a fixed number of requests in flight on
 * each connection. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <skalibs/strerr.h>

#include "log/batch.h"
#include "logbench.h"
#include "wire/api.h"

enum {
	PRODUCE = 0,
	API_VERSIONS = 18,
	REQUEST_MS = 60000,
	UNSENT_MOST = 1 << 20
};

struct sender {
	struct net_connection *connection;
	int32_t partition;
	int64_t sent_us[IN_FLIGHT_MOST]; /* a ring: answers come in order */
	unsigned first, next;
};
static struct buf batch;
static struct buf *requests; /* by partition: what was sent once is sent again */
static int64_t batch_records, issued;
static int waiting;

char *random_value(void)
{
	char *value = malloc((size_t)opt.record_bytes + 1);
	if (!value)
		die_memory();
	for (int64_t i = 0; i < opt.record_bytes; i++)
		value[i] = (char)(' ' + rand() % 95);
	return value;
}

/* Random values differ, so that nothing on the way gains by their sameness. */
static void make_batch(void)
{
	struct batch_builder w;
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	int64_t ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
	if (batch_begin(&w, &batch, 0, -1, 0, -1, -1, -1) < 0)
		die_memory();
	do {
		char *value = random_value();
		if (batch_add(&w, ms, SPAN_NULL, (struct span){value, (int32_t)opt.record_bytes},
			      NULL, 0) < 0)
			die_memory();
		free(value);
		batch_records++;
	} while (!opt.tiny && batch_has_room(batch.n));
	batch_end(&w);
}

bool batch_has_room(size_t n)
{
	return (int64_t)n + opt.record_bytes + 40 < opt.batch_bytes;
}

void count_answer(int code, int64_t records)
{
	result.requests++;
	if (code) {
		result.errors += records;
		result.error = result.error ? result.error : code;
		return;
	}
	result.records += records;
	result.bytes += records * opt.record_bytes;
}

static bool enough(int64_t now)
{
	return opt.records ? issued >= opt.records : now - start_us >= opt.seconds * 1000000;
}

static void produce(struct sender *s, int64_t now);

int answer_code(const struct net_answer *a)
{
	static struct arena mem;
	struct produce_response r;
	arena_reset(&mem);
	if (a->error || net_answer_decode(a, &mem, &r) < 0)
		die_lost(a->error ? a->error : errno);
	if (r.responses_n != 1 || r.responses[0].partition_responses_n != 1)
		die_lost(EBADMSG);
	return r.responses[0].partition_responses[0].error_code;
}

static void on_produced(void *arg, const struct net_answer *a)
{
	struct sender *s = arg;
	int code = answer_code(a);
	result.end_us = a->at_us;
	latency_add(result.end_us - s->sent_us[s->first++ % IN_FLIGHT_MOST]);
	count_answer(code, batch_records);
	waiting--;
	if (!enough(a->at_us))
		produce(s, a->at_us);
}

void send_batch(struct net_connection *c, int32_t partition, const struct buf *b, net_done *done,
		void *arg)
{
	struct produce_request_partition_produce_data data = {
		.index = partition,
		.records = {(const char *)b->p, (int32_t)b->n},
	};
	struct produce_request_topic_produce_data one = {
		.name = span_of(opt.topic),
		.topic_id = topic.id,
		.partition_data = &data,
		.partition_data_n = 1,
	};
	struct produce_request q;
	wire_init(&wire_produce_request, &q);
	q.acks = (int16_t)opt.acks;
	q.timeout_ms = REQUEST_MS;
	q.topic_data = &one;
	q.topic_data_n = 1;
	if (net_connection_send(c, PRODUCE, -1, &q, REQUEST_MS, done, arg) < 0)
		die_lost(errno == ENOTCONN ? c->error : errno);
}

static void send_again(struct sender *s, net_done *done)
{
	struct net_connection *c = s->connection;
	struct buf *request = &requests[s->partition];
	if (request->n) {
		if (net_connection_repeat(c, request->p, request->n, REQUEST_MS, done, s) < 0)
			die_lost(errno == ENOTCONN ? c->error : errno);
		return;
	}
	size_t before = net_connection_unsent(c);
	send_batch(c, s->partition, &batch, done, s);
	size_t n = net_connection_unsent(c) - before;
	if (buf_add(request, c->out.p + c->out.n - n, n) < 0)
		die_memory();
}

static void produce(struct sender *s, int64_t now)
{
	send_again(s, opt.acks ? on_produced : NULL);
	issued += batch_records;
	if (opt.acks) {
		s->sent_us[s->next++ % IN_FLIGHT_MOST] = now;
		waiting++;
	} else {
		count_answer(0, batch_records);
	}
}

static void on_barrier(void *arg, const struct net_answer *a)
{
	if (a->error)
		die_lost(a->error);
	result.end_us = now_us();
	waiting--;
}

/* acks 0: all was read when a later request is answered. */
static void barrier(struct sender *s, int n)
{
	struct api_versions_request q;
	wire_init(&wire_api_versions_request, &q);
	q.client_software_name = span_of("odradek");
	q.client_software_version = span_of("1");
	for (int i = 0; i < n; i++) {
		if (net_connection_send(s[i].connection, API_VERSIONS, -1, &q, REQUEST_MS,
					on_barrier, NULL) < 0)
			die_lost(errno == ENOTCONN ? s[i].connection->error : errno);
		waiting++;
	}
}

static void turn(int64_t until)
{
	if (net_turn(net, NULL, 0, until) < 0 && errno != EINTR)
		die_memory();
}

void bench_produce(void)
{
	int n = (int)opt.connections;
	struct sender *senders = calloc((size_t)n, sizeof *senders);
	requests = calloc((size_t)topic.n, sizeof *requests);
	if (!senders || !requests)
		die_memory();
	make_batch();
	for (int i = 0; i < n; i++) {
		struct sender *s = &senders[i];
		s->partition = i % bench_partitions();
		s->connection = net_connect_more(net, topic.partitions[s->partition].leader,
						 net_now() + 10000);
		if (!s->connection)
			die_net();
	}
	start_us = now_us();
	for (int i = 0; i < n && opt.acks; i++)
		for (int64_t k = 0; k < opt.in_flight && !enough(now_us()); k++)
			produce(&senders[i], now_us());
	while (!opt.acks && !enough(now_us())) {
		for (int i = 0; i < n; i++)
			while (!enough(now_us()) &&
			       net_connection_unsent(senders[i].connection) < UNSENT_MOST)
				produce(&senders[i], 0);
		turn(net_now() + 1000);
	}
	if (!opt.acks)
		barrier(senders, n);
	while (waiting)
		turn(INT64_MAX);
	free(senders);
}
