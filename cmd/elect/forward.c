/* Requests for the active controller, where this node is not it: they go by dial to the leader of
 * the quorum as they came, and its answer goes back as it came (ForwardingManager,
 * NodeToControllerChannelManager). As in Kafka, one whose connection is lost goes again, to
 * whoever leads then. */
#include <stdlib.h>
#include <string.h>

#include "elect.h"
#include "members.h"
#include "voters.h"
#include "wire/codes.h"

enum {
	DESCRIBE_QUORUM = 55, DESCRIBE_VERSION = 0, WAIT_MS = 30000, RETRY_MS = 20,
	DECODE_MAX = 64 << 20, BYTES_MAX = 64 << 20,
};

struct forward {
	struct forward *next, **before;
	struct elect *e;
	struct port_from from;     /* who asked, */
	enum wire_listener listener;
	forward_fn *fn;            /* or, not NULL, what to call */
	int16_t key, version;
	int64_t deadline_ms, retry_ms;
	struct attempt *attempt;   /* NULL: none under way */
	int32_t leader, epoch;     /* of the attempt */
	struct buf answer;         /* it came; when it counts here is still asked */
	size_t frame_n;
	uint8_t frame[];
};
struct attempt {
	struct forward *f; /* NULL: not waited for any more */
};

static void abandon(struct forward *f)
{
	if (f->attempt)
		f->attempt->f = NULL;
	f->attempt = NULL;
}

static void forward_free(struct forward *f)
{
	abandon(f);
	*f->before = f->next;
	if (f->next)
		f->next->before = f->before;
	f->e->forwards_bytes -= f->frame_n;
	buf_free(&f->answer);
	free(f);
}

static void answer(struct forward *f, struct span bytes)
{
	if (f->fn)
		f->fn(f->e, f->key, f->version, bytes);
	else if (bytes.n < 0)
		port_answer(f->e->loop, f->from, PORT_CLOSE, 0, NULL, 0);
	else
		port_answer_bytes(f->e->loop, f->from, bytes.p, (size_t)bytes.n);
	forward_free(f);
}

static struct span bytes_of(const struct buf *b)
{
	return (struct span){ (const char *)b->p, (int32_t)b->n };
}

static struct port_call call_of(const struct forward *f)
{
	return (struct port_call){ .from = f->from,
				   .listener = f->listener,
				   .deadline_ms = f->deadline_ms,
				   .body = { (const char *)f->frame, (int32_t)f->frame_n } };
}

static void give_up(struct forward *f)
{
	struct port_call c = call_of(f);
	struct wire_request q;

	if (f->answer.n > 0)
		answer(f, bytes_of(&f->answer));
	else if (!f->fn && controller_has(f->key)
		 && wire_request_parse(&q, f->frame, f->frame_n) == 0
		 && elect_refuse(f->e, &c, &q) == 0)
		forward_free(f);
	else
		answer(f, SPAN_NULL);
}

/* --- answers --- */

/* The body of an answer; NULL: it is none. */
static void *decode(int key, int version, struct span bytes, struct arena *a)
{
	const struct wire_type *t = wire_api(key)->response;
	int32_t id;
	int head = wire_response_parse(key, version, bytes.p, (size_t)bytes.n, &id);
	void *out = arena_get(a, wire_type_size(t));

	if (head < 0 || !out
	    || wire_decode(t, version, bytes.p + head, (size_t)(bytes.n - head), a, out) < 0)
		return NULL;
	return out;
}

/* Did it come to somebody who is not the leader, or not any more? */
static bool missed(int key, int version, struct span bytes)
{
	const struct wire_type *t = wire_api(key)->response;
	struct arena a = { .limit = DECODE_MAX };
	void *r = decode(key, version, bytes, &a);
	bool yes = r && (wire_has_error(t, r, WIRE_NOT_CONTROLLER)
			 || ((key == DESCRIBE_QUORUM || members_have(key))
			     && wire_has_error(t, r, WIRE_NOT_LEADER_OR_FOLLOWER)));

	arena_free(&a);
	return yes;
}

/* Who changed metadata reads it next, here: the answer must not come before the records. */
static bool is_read_back(int key)
{
	switch (key) {
	case 19: case 20: case 30: case 31: case 33: case 37: case 43: case 44: case 45: case 49:
	case 51: case 57: case 64: return true;
	default: return false;
	}
}

static int64_t committed(struct span bytes)
{
	struct arena a = { .limit = DECODE_MAX };
	struct describe_quorum_response *r = decode(DESCRIBE_QUORUM, DESCRIBE_VERSION, bytes, &a);
	int64_t hw = -1;

	if (r && r->topics_n == 1 && r->topics[0].partitions_n == 1)
		hw = r->topics[0].partitions[0].high_watermark;
	arena_free(&a);
	return hw;
}

/* All of it is committed where the leader is, below its high watermark of now. */
static void answer_when_here(struct forward *f, int64_t end)
{
	if (end < 0) {
		answer(f, bytes_of(&f->answer));
		return;
	}
	elect_answer_at(f->e, f->from, &f->answer, end, f->deadline_ms);
	forward_free(f);
}

static void try(struct forward *f, int64_t now_ms);

static void on_reply(void *arg, const struct port_reply *reply)
{
	struct attempt *a = arg;
	struct forward *f = a->f;
	bool good = !reply->failed && reply->kind == PORT_BYTES;

	free(a);
	if (!f)
		return;
	f->attempt = NULL;
	if (f->answer.n > 0) {
		answer_when_here(f, good ? committed(reply->bytes) : -1);
	} else if (!good || missed(f->key, f->version, reply->bytes)) {
		f->retry_ms = port_now_ms() + RETRY_MS;
	} else if (f->fn || !is_read_back(f->key)
		   || buf_add(&f->answer, reply->bytes.p, (size_t)reply->bytes.n) < 0) {
		answer(f, reply->bytes);
	} else {
		try(f, port_now_ms());
		if (!f->attempt)
			answer(f, bytes_of(&f->answer));
	}
}

/* --- asking --- */

static int describe_request(struct buf *b)
{
	struct describe_quorum_request r;
	struct describe_quorum_request_topic_data t;
	struct describe_quorum_request_partition_data p;

	wire_init(&wire_describe_quorum_request, &r);
	wire_init(&wire_describe_quorum_request_topic_data, &t);
	wire_init(&wire_describe_quorum_request_partition_data, &p);
	r.topics = &t;
	r.topics_n = 1;
	t.topic_name = span_of("__cluster_metadata");
	t.partitions = &p;
	t.partitions_n = 1;
	if (wire_request_header(b, DESCRIBE_QUORUM, DESCRIBE_VERSION, 0, span_of("elect")) < 0)
		return -1;
	return wire_encode(&wire_describe_quorum_request, DESCRIBE_VERSION, &r, b, NULL);
}

/* Sends it to the leader, or, when its answer is here, the question how far the leader is. */
static void try(struct forward *f, int64_t now_ms)
{
	struct elect *e = f->e;
	struct attempt *a = malloc(sizeof *a);
	struct buf b = { 0 };
	char address[VOTER_ADDRESS];
	bool second = f->answer.n > 0, sent = false;

	f->retry_ms = now_ms + RETRY_MS;
	if (a && voters_address(e, e->quorum.leader, address)
	    && (!second || describe_request(&b) == 0))
		sent = port_ask(e->dial, WIRE_CONTROLLER, SPAN_NULL, span_of(address),
				second ? b.p : f->frame, second ? b.n : f->frame_n,
				f->deadline_ms, on_reply, a)
		       == 0;
	buf_free(&b);
	if (!sent) {
		free(a);
		return;
	}
	a->f = f;
	f->attempt = a;
	f->leader = e->quorum.leader;
	f->epoch = e->quorum.epoch;
}

static struct forward *forward_new(struct elect *e, const void *frame, size_t n,
				   int64_t deadline_ms)
{
	struct forward *f = e->forwards_bytes + n > BYTES_MAX ? NULL : calloc(1, sizeof *f + n);

	if (!f)
		return NULL;
	f->e = e;
	f->deadline_ms = deadline_ms;
	f->frame_n = n;
	memcpy(f->frame, frame, n);
	f->before = &e->forwards;
	f->next = e->forwards;
	if (f->next)
		f->next->before = &f->next;
	e->forwards = f;
	e->forwards_bytes += n;
	return f;
}

int forward_call(struct elect *e, const struct port_call *c, const struct wire_request *q)
{
	int64_t now = port_now_ms();
	struct forward *f;

	f = forward_new(e, c->body.p, (size_t)c->body.n,
			c->deadline_ms > 0 ? c->deadline_ms : now + WAIT_MS);
	if (!f)
		return -1;
	f->from = c->from;
	f->listener = (enum wire_listener)c->listener;
	f->key = q->key;
	f->version = q->version;
	try(f, now);
	return 0;
}

int forward_ask(struct elect *e, int key, int version, const void *request, int64_t deadline_ms,
		forward_fn *fn)
{
	struct buf b = { 0 };
	struct forward *f = NULL;

	if (wire_request_header(&b, key, version, 0, span_of("elect")) == 0
	    && wire_encode(wire_api(key)->request, version, request, &b, NULL) == 0)
		f = forward_new(e, b.p, b.n, deadline_ms);
	buf_free(&b);
	if (!f)
		return -1;
	f->fn = fn;
	f->key = (int16_t)key;
	f->version = (int16_t)version;
	try(f, port_now_ms());
	return 0;
}

void forward_forget(struct elect *e, struct port_from from)
{
	for (struct forward *f = e->forwards; f; f = f->next)
		if (!f->fn && f->from.place == from.place && f->from.generation == from.generation
		    && f->from.tag == from.tag) {
			forward_free(f);
			return;
		}
}

/* --- time --- */

/* This node leads now: what waits here is answered here. */
static void take_back(struct forward *f)
{
	struct elect *e = f->e;
	struct port_call c = call_of(f);

	if (f->answer.n > 0) {
		answer_when_here(f, log_end(e->store.log));
	} else if (f->fn) {
		answer(f, SPAN_NULL);
	} else {
		elect_call(e, &c);
		forward_free(f);
	}
}

static bool leader_changed(const struct forward *f)
{
	const struct quorum *q = &f->e->quorum;

	return q->leader >= 0 && (q->leader != f->leader || q->epoch != f->epoch);
}

int64_t forward_turn(struct elect *e, int64_t now_ms)
{
	int64_t at = INT64_MAX;

	for (struct forward *f = e->forwards, *next; f; f = next) {
		next = f->next;
		if (leads(e)) {
			take_back(f);
			continue;
		}
		if (now_ms >= f->deadline_ms) {
			give_up(f);
			continue;
		}
		if (f->attempt && f->answer.n == 0 && leader_changed(f)) {
			abandon(f);
			f->retry_ms = now_ms;
		}
		if (!f->attempt && now_ms >= f->retry_ms)
			try(f, now_ms);
		if (!f->attempt && f->retry_ms < at)
			at = f->retry_ms;
		if (f->deadline_ms < at)
			at = f->deadline_ms;
	}
	return at;
}
