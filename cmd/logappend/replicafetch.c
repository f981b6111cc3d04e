/* Fetch from replicas: everything to the log end, as ranges of the files; a replica's offset is
 * what it has on disk. */
#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "daemon.h"
#include "fetch/read.h"
#include "wire/api.h"
#include "wire/codes.h"

enum { PIECES = 2 * 1024 };     /* for each partition with records: a range, what lies before it */

typedef struct fetch_request_fetch_partition ask;
typedef struct fetch_response_partition_data answer;

struct range {
	struct partition *p;
	uint32_t slot, layout;
	struct log_range at;
};

struct reading {
	struct request *q;
	int32_t replica;
	int64_t bytes_left;
	struct range ranges[PIECES / 2];
	int ranges_n;
};

static struct reading now;
static struct buf out;

static int open_reader(struct partition *p)
{
	if (!p->reader) {
		if (!(p->reader = log_reader_new(node.dirfd, p->name)))
			return -1;
		log_reader_trust(p->reader, p->opened_end);
	}
	if (p->reader_known && p->reader_layout == p->layout)
		return 0;
	if (log_reader_layout(p->reader, p->layout) < 0)
		return -1;
	p->reader_known = true;
	p->reader_layout = p->layout;
	return 0;
}

static bool is_replica(const struct partition *p, int32_t id)
{
	for (int i = 0; i < p->step.members_n; i++)
		if (p->step.members[i].id == id)
			return true;
	return false;
}

static void failed(answer *a, int error)
{
	a->error_code = (int16_t)error;
	a->high_watermark = a->last_stable_offset = a->log_start_offset = -1;
}

static void found(struct partition *p, const struct fetch_found *f, answer *a)
{
	a->high_watermark = p->step.high_watermark;
	a->last_stable_offset = p->step.last_stable;
	a->log_start_offset = p->step.log_start;
	if (f->diverging_epoch >= 0) {
		a->diverging_epoch.epoch = f->diverging_epoch;
		a->diverging_epoch.end_offset = f->diverging_end;
	}
	if (f->range.bytes <= 0)
		return;
	a->records = (struct span){NULL, (int32_t)f->range.bytes};
	now.bytes_left -= f->range.bytes;
	now.ranges[now.ranges_n++] = (struct range){p, p->slot, p->layout, f->range};
}

/* Partition.fetchRecords of a follower: it must be a replica of this epoch's leader. */
static void one(struct partition *p, const ask *in, answer *a)
{
	struct page_slot s;
	struct fetch_found f;
	struct fetch_ask want = {
		.offset = in->fetch_offset, .current_leader_epoch = in->current_leader_epoch,
		.last_fetched_epoch = in->last_fetched_epoch, .max_bytes = in->partition_max_bytes,
		.leader_only = true,
	};
	replica_slot(&p->step, &s);
	int error = fetch_check(&s, in->current_leader_epoch, true);
	if (!error && !is_replica(p, now.replica))
		error = WIRE_UNKNOWN_LEADER_EPOCH;
	if (!error && open_reader(p) < 0)
		error = WIRE_KAFKA_STORAGE_ERROR;
	if (error) {
		failed(a, error);
		return;
	}
	/* A replica reads what is not committed yet: to the log end. */
	s.high_watermark = s.last_stable = s.log_end;
	bool room = now.ranges_n < PIECES / 2 && now.ranges_n < files_most_ranges();
	fetch_read(p->reader, &s, &want, room ? now.bytes_left : 0, room && !now.ranges_n, &f);
	if (f.error) {
		failed(a, f.error);
		return;
	}
	found(p, &f, a);
	if (f.diverging_epoch < 0) {
		replica_progress(&p->step, now.replica, in->fetch_offset, in->log_start_offset);
		partition_touch(p);
	}
}

static void one_topic(const struct fetch_request_fetch_topic *in,
                      struct fetch_response_fetchable_topic_response *to, int version)
{
	const struct meta_topic *t = version < 13 ? meta_topic_named(node.image, in->topic)
	                                          : meta_topic_with_id(node.image, &in->topic_id);
	int unknown = version < 13 ? WIRE_UNKNOWN_TOPIC_OR_PARTITION : WIRE_UNKNOWN_TOPIC_ID;
	to->topic = in->topic;
	to->topic_id = in->topic_id;
	to->partitions_n = in->partitions_n;
	to->partitions = request_get(now.q, (size_t)in->partitions_n * sizeof(answer) + 1);
	for (int32_t i = 0; i < in->partitions_n; i++) {
		answer *a = &to->partitions[i];
		int32_t index = in->partitions[i].partition;
		struct partition *p = t ? partition_get(&t->id, index) : NULL;
		*a = (answer){
			.partition_index = index, .preferred_read_replica = -1,
			.diverging_epoch = {.epoch = -1, .end_offset = -1},
			.current_leader = {.leader_id = -1, .leader_epoch = -1},
			.snapshot_id = {.end_offset = -1, .epoch = -1},
		};
		if (!t)
			failed(a, unknown);
		else if (!p)
			failed(a, meta_partition(t, index) ? WIRE_NOT_LEADER_OR_FOLLOWER
			                                   : WIRE_UNKNOWN_TOPIC_OR_PARTITION);
		else
			one(p, &in->partitions[i], a);
	}
}

/* The encoded answer with the ranges in its gaps. */
static void send(struct request *q, const struct wire_gaps *gaps)
{
	static struct port_piece pieces[PIECES + 1];
	size_t from = 0;
	uint16_t n = 0;
	for (size_t i = 0; i < gaps->n; i++) {
		const struct range *r = &now.ranges[i];
		pieces[n++] = (struct port_piece){
			.bytes = {(char *)out.p + from, (int32_t)(gaps->v[i].at - from)}, .fd = -1};
		pieces[n++] = (struct port_piece){
			.slot = r->slot, .base = (uint64_t)r->at.base, .generation = r->layout,
			.offset = (uint64_t)r->at.position, .n = (uint32_t)r->at.bytes,
			.fd = r->at.fd};
		from = gaps->v[i].at;
	}
	pieces[n++] = (struct port_piece){
		.bytes = {(char *)out.p + from, (int32_t)(out.n - from)}, .fd = -1};
	port_answer(node.loop, q->from, PORT_BYTES, 0, pieces, n);
}

void replica_fetch(const struct port_call *c, const struct wire_request *r)
{
	static struct wire_gaps gaps;
	struct fetch_request in;
	struct request *q = request_new(c, r);
	if (!q || request_decode(q, r, &in) < 0)
		return;
	struct fetch_response *to = request_answer(q);
	now.q = q;
	now.replica = r->version < 15 ? in.replica_id : in.replica_state.replica_id;
	now.bytes_left = in.max_bytes;
	now.ranges_n = 0;
	to->responses_n = in.topics_n;
	to->responses = request_get(q, (size_t)in.topics_n * sizeof *to->responses + 1);
	for (int32_t i = 0; i < in.topics_n; i++)
		one_topic(&in.topics[i], &to->responses[i], r->version);
	out.n = 0;
	gaps.n = 0;
	if (wire_response_header(&out, q->key, q->version, q->correlation) < 0
	    || wire_encode(q->type, q->version, to, &out, &gaps) < 0
	    || gaps.n != (size_t)now.ranges_n)
		port_answer(node.loop, q->from, PORT_CLOSE, 0, NULL, 0);
	else
		send(q, &gaps);
	for (int i = 0; i < now.ranges_n; i++)
		files_note(now.ranges[i].p);
	request_drop(q);
}
