/* The commits of all groups since some time: a walk over __consumer_offsets. Its partitions have
 * the newest record of each key at least, and those of the last minutes all: the broker compacts
 * only segments that are full. */
#include <errno.h>
#include <stdlib.h>

#include <skalibs/strerr.h>

#include "cli/recoder.h"
#include "group.h"
#include "log/batch.h"
#include "wire/codes.h"

enum { FETCH = 1, FETCH_BYTES = 8 << 20, OFFSET_COMMIT_KEY = 1, VALUE_MOST = 4 };

typedef void each_commit(struct span group, const struct part *part, const struct commit *c,
			 void *arg);

static struct span topic = {"__consumer_offsets", 18};
static struct recoder recoder = {.fd = -1};
static struct arena answer_mem; /* of one answer of Fetch */

struct reading {
	int64_t from_ms;
	each_commit *each;
	void *arg;
	struct fetch_response_partition_data *data;
};

static void take_record(const struct reading *r, const struct record *record)
{
	struct offset_commit_key key;
	struct offset_commit_value value = {.offset = -1}; /* a tombstone */
	int version = record->value.n < 2 ? -1 : get16(record->value.p);
	if (record->key.n < 2 || get16(record->key.p) > OFFSET_COMMIT_KEY ||
	    version > VALUE_MOST || record->timestamp < r->from_ms ||
	    wire_decode(&wire_offset_commit_key, 0, record->key.p + 2, (size_t)record->key.n - 2,
			&answer_mem, &key) < 0)
		return;
	if (record->value.n >= 0 &&
	    (version < 0 || wire_decode(&wire_offset_commit_value, version, record->value.p + 2,
					(size_t)record->value.n - 2, &answer_mem, &value) < 0))
		return;
	struct part part = {key.topic, key.partition};
	struct commit c = {.at_ms = record->timestamp, .offset = value.offset};
	r->each(key.group, &part, &c, r->arg);
}

/* Of a transaction that was aborted: a list by first offset, each ending with its abort marker,
 * which this walk sees as a control batch. */
static bool is_aborted(struct reading *r, const struct batch *b)
{
	for (int32_t i = 0; i < r->data->aborted_transactions_n; i++) {
		struct fetch_response_aborted_transaction *a = &r->data->aborted_transactions[i];
		if (a->producer_id != b->producer_id || a->first_offset > b->base_offset)
			continue;
		if (b->attributes & BATCH_CONTROL)
			a->producer_id = -1;
		return true;
	}
	return false;
}

static void take_batch(struct reading *r, struct batch *b, const uint8_t *bytes)
{
	struct record record;
	size_t at = 0;
	if (b->attributes & BATCH_CODEC) {
		struct recode_request q = {
			.kind = RECODE_OPEN,
			.codec = RECODE_AS_IT_CAME,
			.most_bytes = RECODE_MOST,
			.batch = bytes,
			.batch_n = (size_t)batch_bytes(b),
		};
		struct recode_answer a;
		if (recoder_ask(&recoder, &q, &a) < 0)
			strerr_diesys(102, "group: unable to ask recode");
		if (a.verdict.error || batch_parse(b, a.batch, a.batch_n) < 0)
			return;
		bytes = a.batch;
	}
	while (record_next(b, bytes + BATCH_HEADER, (size_t)batch_bytes(b) - BATCH_HEADER, &at,
			   &record) == 1)
		take_record(r, &record);
}

/* Returns the offset after the whole batches of the answer. */
static int64_t take_batches(struct reading *r, int64_t next)
{
	const uint8_t *p = (const uint8_t *)r->data->records.p;
	size_t n = r->data->records.n > 0 ? (size_t)r->data->records.n : 0;
	struct batch b;
	while (n >= BATCH_HEADER && batch_parse(&b, p, n) == 0 && (size_t)batch_bytes(&b) <= n) {
		size_t size = (size_t)batch_bytes(&b);
		next = batch_last_offset(&b) + 1;
		bool aborted = b.attributes & BATCH_TRANSACTIONAL && is_aborted(r, &b);
		if (!aborted && !(b.attributes & BATCH_CONTROL) && batch_crc_ok(&b, p))
			take_batch(r, &b, p);
		p += size;
		n -= size;
	}
	return next;
}

static int64_t fetch(struct reading *r, const struct ask *from, const struct uuid *id,
		     int64_t next)
{
	struct fetch_request q;
	struct fetch_response answer;
	struct fetch_request_fetch_partition one = {
		.partition = from->part.partition,
		.current_leader_epoch = -1,
		.fetch_offset = next,
		.last_fetched_epoch = -1,
		.log_start_offset = -1,
		.partition_max_bytes = FETCH_BYTES,
		.high_watermark = INT64_MAX,
	};
	struct fetch_request_fetch_topic t = {
		.topic = topic, .topic_id = *id, .partitions = &one, .partitions_n = 1};
	wire_init(&wire_fetch_request, &q);
	q.max_wait_ms = 500;
	q.min_bytes = 1;
	q.max_bytes = FETCH_BYTES;
	q.isolation_level = 1;
	q.session_epoch = -1;
	q.topics = &t;
	q.topics_n = 1;
	arena_reset(&answer_mem);
	if (net_call(net, from->leader, FETCH, -1, &q, &answer_mem, &answer, deadline()) < 0)
		die_net();
	int error = answer.error_code;
	r->data = NULL;
	if (answer.responses_n == 1 && answer.responses[0].partitions_n == 1) {
		r->data = &answer.responses[0].partitions[0];
		error = r->data->error_code;
	}
	if (error)
		complain("lag", topic, error, SPAN_NULL);
	return error || !r->data ? next : take_batches(r, next);
}

void read_commits(int64_t from_ms, each_commit *each, void *arg)
{
	struct metadata_response *m = metadata(&topic, 1);
	struct reading r = {from_ms, each, arg, NULL};
	if (m->topics_n != 1 || m->topics[0].error_code) {
		if (m->topics_n == 1 &&
		    m->topics[0].error_code != WIRE_UNKNOWN_TOPIC_OR_PARTITION)
			complain("lag", topic, m->topics[0].error_code, SPAN_NULL);
		return;
	}
	int32_t n = m->topics[0].partitions_n;
	struct ask *from = room((size_t)n * sizeof *from), *end = room((size_t)n * sizeof *end);
	for (int32_t i = 0; i < n; i++) {
		struct part part = {topic, m->topics[0].partitions[i].partition_index};
		from[i] = (struct ask){.part = part, .timestamp = from_ms};
		end[i] = (struct ask){.part = part, .timestamp = LATEST};
	}
	ask_offsets(from, n);
	ask_offsets(end, n);
	for (int32_t i = 0; i < n; i++) {
		int64_t next = from[i].offset;
		if (from[i].error || end[i].error)
			complain("lag", topic, from[i].error ? from[i].error : end[i].error,
				 SPAN_NULL);
		while (next >= 0 && next < end[i].offset) {
			int64_t before = next;
			next = fetch(&r, &end[i], &m->topics[0].topic_id, next);
			if (next == before)
				break;
		}
	}
}
