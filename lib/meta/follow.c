/* One poll at a time: the answer is applied, then the next poll says how far we are. */
#include "meta/follow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/load.h"
#include "wire/api.h"
#include "wire/codes.h"
#include "wire/wire.h"

enum {
	FETCH = 1,
	FETCH_VERSION = 17,
	SNAPSHOT = 59,
	SNAPSHOT_VERSION = 1,
	POLL_MS = 1000, /* a poll that is answered late is no sign of life: well below a third of a
			   session */
	ASK_MS = 10000,
	RETRY_MS = 50,
	CHUNK = 1 << 20,
	DECODE_MAX = 1 << 20,
};

struct meta_follow {
	struct port_loop *loop;
	struct port_peer *peer;
	const struct meta_follow_ops *ops;
	void *ctx;
	struct meta_image image;
	struct meta_load load;
	int64_t next;  /* fetch offset: everything below is applied */
	int32_t epoch; /* of the record before it; -1 nothing yet */
	int64_t goal;  /* the end that elect named first; -1 unknown */
	bool caught_up;
	struct meta_load_at snapshot; /* being fetched */
	struct buf bytes;	      /* of it, so far */
	struct port_timer retry;
	int32_t correlation;
	int64_t asked_ms, heard_ms; /* of the last poll; of the last one that was answered */
};

static void poll_log(void *arg);
static void ask_snapshot(struct meta_follow *f);

static void stop(struct meta_follow *f, const char *why)
{
	if (f->ops->broken)
		f->ops->broken(f->ctx, why);
}

static void later(struct meta_follow *f)
{
	port_timer_set(f->loop, &f->retry, port_now_ms() + RETRY_MS);
}

static void ask(struct meta_follow *f, int key, int version, const struct wire_type *t,
		const void *request, void (*reply)(void *arg, const struct port_reply *r))
{
	struct buf b = { 0 };

	if (wire_request_header(&b, key, version, f->correlation++, SPAN_NULL) < 0
	    || wire_encode(t, version, request, &b, NULL) < 0
	    || port_ask(f->peer, WIRE_LOCAL, span_of(""), span_of(""), b.p, b.n,
			port_now_ms() + ASK_MS, reply, f)
		       < 0)
		later(f);
	buf_free(&b);
}

static void caught_up(struct meta_follow *f)
{
	if (f->caught_up || f->goal < 0 || f->next < f->goal)
		return;
	f->caught_up = true;
	if (f->ops->caught_up)
		f->ops->caught_up(f->ctx, &f->image);
}

/* --- snapshots --- */

static int load_snapshot(struct meta_follow *f)
{
	struct meta_image m;
	struct meta_load l;
	int64_t n;

	meta_image_init(&m);
	meta_load_init(&l, &m);
	n = meta_load(&l, f->bytes.p, f->bytes.n, 0, &f->snapshot);
	meta_load_free(&l);
	if (n != (int64_t)f->bytes.n) {
		if (n >= 0)
			errno = EBADMSG;
		meta_image_free(&m);
		return -1;
	}
	meta_image_free(&f->image);
	f->image = m;
	f->image.offset = f->snapshot.offset - 1;
	f->image.epoch = f->snapshot.epoch;
	f->load.in_transaction = false;
	f->load.held.n = 0;
	f->next = f->snapshot.offset;
	f->epoch = f->snapshot.epoch;
	buf_free(&f->bytes);
	return 0;
}

static void snapshot_part(struct meta_follow *f,
			  const struct fetch_snapshot_response_partition_snapshot *p)
{
	if (p->error_code || p->position != (int64_t)f->bytes.n || p->unaligned_records.n < 0
	    || (p->unaligned_records.n == 0 && p->size > p->position)) {
		later(f);
		return;
	}
	if (buf_add(&f->bytes, p->unaligned_records.p, (size_t)p->unaligned_records.n) < 0) {
		later(f);
		return;
	}
	if ((int64_t)f->bytes.n < p->size) {
		ask_snapshot(f);
		return;
	}
	if (load_snapshot(f) < 0) {
		stop(f, "snapshot");
		return;
	}
	if (f->ops->reset)
		f->ops->reset(f->ctx, &f->image);
	f->heard_ms = f->asked_ms;
	caught_up(f);
	poll_log(f);
}

static void on_snapshot(void *arg, const struct port_reply *r)
{
	struct meta_follow *f = arg;
	struct arena a = { .limit = DECODE_MAX };
	struct fetch_snapshot_response s;
	int32_t id;
	int head;

	if (r->failed || r->kind != PORT_BYTES) {
		later(f);
		return;
	}
	head = wire_response_parse(SNAPSHOT, SNAPSHOT_VERSION, r->bytes.p, (size_t)r->bytes.n, &id);
	if (head < 0
	    || wire_decode(&wire_fetch_snapshot_response, SNAPSHOT_VERSION, r->bytes.p + head,
			   (size_t)(r->bytes.n - head), &a, &s)
		       < 0
	    || s.error_code || s.topics_n != 1 || s.topics[0].partitions_n != 1)
		later(f);
	else
		snapshot_part(f, &s.topics[0].partitions[0]);
	arena_free(&a);
}

static void ask_snapshot(struct meta_follow *f)
{
	struct fetch_snapshot_request q;
	struct fetch_snapshot_request_topic_snapshot t;
	struct fetch_snapshot_request_partition_snapshot p;

	wire_init(&wire_fetch_snapshot_request, &q);
	wire_init(&wire_fetch_snapshot_request_topic_snapshot, &t);
	wire_init(&wire_fetch_snapshot_request_partition_snapshot, &p);
	q.max_bytes = CHUNK;
	q.topics = &t;
	q.topics_n = 1;
	t.name = span_of("__cluster_metadata");
	t.partitions = &p;
	t.partitions_n = 1;
	p.current_leader_epoch = -1;
	p.snapshot_id.end_offset = f->snapshot.offset;
	p.snapshot_id.epoch = f->snapshot.epoch;
	p.position = (int64_t)f->bytes.n;
	ask(f, SNAPSHOT, SNAPSHOT_VERSION, &wire_fetch_snapshot_request, &q, on_snapshot);
}

/* --- the log --- */

static void apply_answer(struct meta_follow *f, const struct fetch_response_partition_data *p)
{
	if (p->snapshot_id.end_offset >= 0) {
		f->snapshot =
			(struct meta_load_at){ p->snapshot_id.end_offset, p->snapshot_id.epoch };
		buf_free(&f->bytes);
		ask_snapshot(f);
		return;
	}
	if (p->error_code || p->diverging_epoch.epoch >= 0 || p->diverging_epoch.end_offset >= 0) {
		if (p->error_code == WIRE_OFFSET_OUT_OF_RANGE || !p->error_code) {
			f->next = 0;
			f->epoch = -1;
		}
		later(f);
		return;
	}
	if (f->goal < 0)
		f->goal = p->high_watermark;
	if (p->records.n > 0) {
		if (meta_load(&f->load, p->records.p, (size_t)p->records.n, f->next, NULL) < 0) {
			stop(f, "record");
			return;
		}
		if (f->load.end > f->next) {
			f->next = f->load.end;
			f->epoch = f->load.epoch;
		}
	}
	f->heard_ms = f->asked_ms;
	caught_up(f);
	poll_log(f);
}

static void on_fetch(void *arg, const struct port_reply *r)
{
	struct meta_follow *f = arg;
	struct arena a = { .limit = DECODE_MAX };
	struct fetch_response s;
	int32_t id;
	int head;

	if (r->failed || r->kind != PORT_BYTES) {
		later(f);
		return;
	}
	head = wire_response_parse(FETCH, FETCH_VERSION, r->bytes.p, (size_t)r->bytes.n, &id);
	if (head < 0
	    || wire_decode(&wire_fetch_response, FETCH_VERSION, r->bytes.p + head,
			   (size_t)(r->bytes.n - head), &a, &s)
		       < 0
	    || s.error_code || s.responses_n != 1 || s.responses[0].partitions_n != 1)
		later(f);
	else
		apply_answer(f, &s.responses[0].partitions[0]);
	arena_free(&a);
}

static void poll_log(void *arg)
{
	struct meta_follow *f = arg;
	struct fetch_request q;
	struct fetch_request_fetch_topic t;
	struct fetch_request_fetch_partition p;

	wire_init(&wire_fetch_request, &q);
	wire_init(&wire_fetch_request_fetch_topic, &t);
	wire_init(&wire_fetch_request_fetch_partition, &p);
	q.max_wait_ms = POLL_MS;
	q.min_bytes = 1;
	q.topics = &t;
	q.topics_n = 1;
	t.topic_id = uuid_metadata;
	t.partitions = &p;
	t.partitions_n = 1;
	p.fetch_offset = f->next;
	p.last_fetched_epoch = f->epoch;
	p.partition_max_bytes = CHUNK;
	f->asked_ms = port_now_ms();
	ask(f, FETCH, FETCH_VERSION, &wire_fetch_request, &q, on_fetch);
}

static void on_record(void *ctx, struct meta_image *m, int type, const void *record)
{
	struct meta_follow *f = ctx;

	if (f->ops->record)
		f->ops->record(f->ctx, m, type, record);
}

static void on_batch(void *ctx, struct meta_image *m)
{
	struct meta_follow *f = ctx;

	if (f->ops->batch)
		f->ops->batch(f->ctx, m);
}

struct meta_follow *meta_follow_new(struct port_loop *l, const char *elect, const char *name,
				    const struct meta_follow_ops *ops, void *ctx)
{
	static const struct port_peer_ops none;
	struct meta_follow *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	f->loop = l;
	f->ops = ops;
	f->ctx = ctx;
	f->epoch = -1;
	f->goal = -1;
	f->retry.fn = poll_log;
	f->retry.arg = f;
	meta_image_init(&f->image);
	meta_load_init(&f->load, &f->image);
	f->load.record = on_record;
	f->load.batch = on_batch;
	f->load.ctx = f;
	f->peer = port_dial(l, elect, name, -1, &none, f);
	if (!f->peer) {
		free(f);
		return NULL;
	}
	poll_log(f);
	return f;
}

struct meta_image *meta_follow_image(struct meta_follow *f)
{
	return &f->image;
}

struct port_peer *meta_follow_peer(struct meta_follow *f)
{
	return f->peer;
}

int64_t meta_follow_applied(const struct meta_follow *f)
{
	return f->next;
}

int64_t meta_follow_heard(const struct meta_follow *f)
{
	return f->heard_ms;
}
