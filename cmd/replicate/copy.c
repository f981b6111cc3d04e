/* replicate TOPIC PARTITION: the record batches of a partition of any Kafka to standard output, as
 * its leader has them, up to the high watermark. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/strerr.h>

#include "cli/words.h"
#include "log/batch.h"
#include "net/net.h"
#include "replicate.h"
#include "wire/api.h"
#include "wire/codes.h"

enum {
	FETCH = 1, LIST_OFFSETS = 2,
	LATEST = -1, EARLIEST = -2,
	FETCH_BYTES = 8 << 20,
	WAIT_MS = 500,          /* for records to come */
	START_MS = 15000,
	ANSWER_MS = 30000,
	PATIENCE_MS = 30000,    /* without a leader */
};

static const struct copy *copy;
static struct net *net;
static struct net_topic topic;
static int64_t next, stop = INT64_MAX;
static int32_t epoch = -1;       /* leader epoch of the batch before next; -1 not known */
static bool waiting;             /* a Fetch is on its way */
static bool done;
static int attempt;              /* failures in a row */
static int64_t good_ms;          /* when something went right last */

static void die_net(void)
{
	strerr_die(errno == EPROTONOSUPPORT || errno == EBADMSG ? 1 : 111, PROG, ": ",
	           net_why(net));
}

static void die_kafka(int code)
{
	struct buf words = {0};
	char what[NET_TOPIC + 16];
	snprintf(what, sizeof what, "%s %d", copy->topic, copy->partition);
	strerr_die(1, PROG, ": ", cli_kafka_words(&words, what, code, SPAN_NULL));
}

static void die_at(int64_t offset, const char *why)
{
	char what[NET_TOPIC + 64];
	snprintf(what, sizeof what, "%s %d: offset %lld: ", copy->topic, copy->partition,
	         (long long)offset);
	strerr_die(1, PROG, ": ", what, why);
}

/* Something that may pass: tries again later, in patience. code: Kafka's, or 0: the net's. */
static void again(int code)
{
	if (code && !wire_error_retriable(code))
		die_kafka(code);
	if (!copy->follow && net_now() - good_ms > PATIENCE_MS) {
		if (code)
			die_kafka(code);
		die_net();
	}
	attempt++;
}

static void went_well(void)
{
	attempt = 0;
	good_ms = net_now();
}

static int32_t leader(void)
{
	return topic.n > copy->partition ? topic.partitions[copy->partition].leader : -1;
}

static int32_t leader_epoch(void)
{
	return topic.partitions[copy->partition].epoch;
}

/* --- where it begins and ends ----------------------------------------------------------------- */

/* A Kafka error code, 0, or -1: the net's. */
static int list_offsets(int64_t timestamp, int64_t *offset)
{
	struct list_offsets_request q;
	struct list_offsets_response r;
	struct list_offsets_request_list_offsets_partition p;
	struct list_offsets_request_list_offsets_topic t = {
		.name = span_of(topic.name), .partitions = &p, .partitions_n = 1};
	struct arena mem = {.limit = 1 << 20};
	wire_init(&wire_list_offsets_request_list_offsets_partition, &p);
	p.partition_index = copy->partition;
	p.current_leader_epoch = leader_epoch();
	p.timestamp = timestamp;
	wire_init(&wire_list_offsets_request, &q);
	q.replica_id = -1;
	q.timeout_ms = ANSWER_MS;
	q.topics = &t;
	q.topics_n = 1;
	int code = net_call(net, leader(), LIST_OFFSETS, -1, &q, &mem, &r, net_now() + ANSWER_MS);
	if (code == 0 && (r.topics_n != 1 || r.topics[0].partitions_n != 1)) {
		errno = EBADMSG;
		code = -1;
	} else if (code == 0) {
		code = r.topics[0].partitions[0].error_code;
		*offset = r.topics[0].partitions[0].offset;
	}
	arena_free(&mem);
	return code;
}

static void find_leader(void)
{
	if (net_topic_ask(net, copy->topic, false, &topic, net_now() + ANSWER_MS) < 0)
		again(0);
	else if (topic.error)
		again(topic.error);
	else if (copy->partition >= topic.n)
		die_kafka(WIRE_UNKNOWN_TOPIC_OR_PARTITION);
	else if (leader() < 0)
		again(WIRE_LEADER_NOT_AVAILABLE);
}

static int64_t bound(int64_t timestamp)
{
	int64_t offset;
	for (;;) {
		int code = leader() < 0 ? WIRE_LEADER_NOT_AVAILABLE : list_offsets(timestamp, &offset);
		if (code == 0)
			break;
		again(code < 0 ? 0 : code);
		net_pause(net, attempt, INT64_MAX);
		find_leader();
	}
	went_well();
	return offset;
}

static void begin(void)
{
	if (net_topic_wait(net, copy->topic, false, &topic, net_now() + START_MS) < 0)
		die_net();
	if (topic.error)
		die_kafka(topic.error);
	if (copy->partition >= topic.n)
		die_kafka(WIRE_UNKNOWN_TOPIC_OR_PARTITION);
	good_ms = net_now();
	next = copy->from;
	if (copy->behind && copy_end(copy->behind, &next, &epoch) < 0)
		strerr_diefusys(111, "read ", copy->behind);
	int64_t start = next > 0 ? 0 : bound(EARLIEST);
	if (next < start)
		next = start;
	if (!copy->follow)
		stop = bound(LATEST);
	if (next > stop)
		die_at(next, "the log ends before");
	done = next == stop;
}

/* --- records ---------------------------------------------------------------------------------- */

/* The whole batches at the front; moves on behind them. */
static size_t whole_batches(const uint8_t *p, size_t n)
{
	struct batch b;
	size_t at = 0;
	while (n - at >= BATCH_HEADER) {
		if (batch_parse(&b, p + at, n - at) < 0)
			die_at(next, "not a record batch of magic 2");
		if ((size_t)batch_bytes(&b) > n - at)
			break;
		at += (size_t)batch_bytes(&b);
		next = batch_last_offset(&b) + 1;
		epoch = b.epoch;
	}
	return at;
}

/* The log has lost its front meanwhile: the copy goes on where it begins now. */
static void out_of_range(void)
{
	char from[32], to[32];
	int64_t start = bound(EARLIEST);
	if (start <= next)
		die_at(next, "the log ends before");
	snprintf(from, sizeof from, "%lld", (long long)next);
	snprintf(to, sizeof to, "%lld", (long long)start);
	strerr_warnw(copy->topic, ": offset ", from, " is gone: going on at ", to);
	next = start;
	epoch = -1;
}

static void send_fetch(void);

static void take(const struct fetch_response *r)
{
	if (r->responses_n != 1 || r->responses[0].partitions_n != 1)
		die_at(next, "an answer that makes no sense");
	const struct fetch_response_partition_data *d = &r->responses[0].partitions[0];
	if (d->diverging_epoch.epoch >= 0 || d->diverging_epoch.end_offset >= 0)
		die_at(next, "the leader's log has no such end: what was copied is no part of it");
	if (d->error_code == WIRE_OFFSET_OUT_OF_RANGE) {
		out_of_range();
		return;
	}
	if (d->error_code) {
		again(d->error_code);
		return;
	}
	went_well();
	size_t n = d->records.n > 0 ? whole_batches((const uint8_t *)d->records.p,
	                                            (size_t)d->records.n) : 0;
	/* offsets up to the end may be missing */
	done = next >= stop || (!n && d->high_watermark >= stop && !r->throttle_time_ms);
	if (!done)
		send_fetch();
	if (n && allwrite(1, d->records.p, n) < n)
		strerr_diefusys(111, "write to standard output");
}

static void on_fetched(void *arg, const struct net_answer *a)
{
	static struct arena mem = {.limit = 1 << 20};
	struct fetch_response r;
	waiting = false;
	arena_reset(&mem);
	errno = a->error;
	if (a->error || net_answer_decode(a, &mem, &r) < 0)
		again(0);
	else if (r.error_code)
		again(r.error_code);
	else
		take(&r);
}

static void send_fetch(void)
{
	struct fetch_request q;
	struct fetch_request_fetch_partition p;
	struct fetch_request_fetch_topic t = {
		.topic = span_of(topic.name), .topic_id = topic.id, .partitions = &p,
		.partitions_n = 1};
	struct net_connection *c = net_connect(net, leader(), net_now() + ANSWER_MS);
	if (!c) {
		again(0);
		return;
	}
	wire_init(&wire_fetch_request_fetch_partition, &p);
	p.partition = copy->partition;
	p.current_leader_epoch = leader_epoch();
	p.fetch_offset = next;
	p.last_fetched_epoch = c->versions[FETCH] < 12 ? -1 : epoch;
	p.partition_max_bytes = FETCH_BYTES;
	wire_init(&wire_fetch_request, &q);
	q.max_wait_ms = WAIT_MS;
	q.min_bytes = 1;
	q.max_bytes = FETCH_BYTES;
	q.topics = &t;
	q.topics_n = 1;
	waiting = true;
	if (net_connection_send(c, FETCH, -1, &q, ANSWER_MS, on_fetched, NULL) < 0) {
		waiting = false;
		again(0);
	}
	net_connection_turn(c, 0);
}

int copy_run(const struct copy *o)
{
	copy = o;
	net = net_new(cli_brokers(o->brokers), "odradek-replicate");
	if (!net)
		strerr_die(100, PROG, ": usage: not a list of HOST:PORT: ", cli_brokers(o->brokers));
	begin();
	while (!done) {
		if (attempt) {
			net_pause(net, attempt, INT64_MAX);
			find_leader();
		}
		if (!waiting && leader() >= 0)
			send_fetch();
		if (waiting && net_turn(net, NULL, 0, INT64_MAX) < 0 && errno != EINTR)
			strerr_diefusys(111, "wait for the leader");
	}
	net_free(net);
	return 0;
}
