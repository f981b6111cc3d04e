/* Fetching: a request on its way to every leader, answers to batches. */
#include <errno.h>
#include <stdlib.h>

#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include "logget.h"
#include "wire/api.h"
#include "wire/codes.h"

enum {
	FETCH = 1,
	FETCH_BYTES = 16 << 20,
	MEMBER_BYTES = 1 << 20, /* what is fetched and not written is fetched again by others */
	PARTITION_BYTES = 4 << 20,
	WAIT_MS = 500,
	BACKOFF_MS = 100,
	GONE_MS = 10000
};

struct feed {
	struct feed *next;
	int32_t node;
	int32_t session, epoch; /* of the fetch session; session 0: none yet */
	bool waiting;		/* a request is on its way */
	bool stale;		/* for lanes that are no more */
	struct arena mem;	/* of the answer */
};
static struct feed *feeds;
static int64_t again_at = INT64_MAX; /* ask where the partitions are */
static void send_fetch(struct feed *f);

static void try_later(void)
{
	if (again_at == INT64_MAX)
		again_at = net_now() + BACKOFF_MS;
}

static void forget_session(struct feed *f)
{
	f->session = f->epoch = 0;
	for (int i = 0; i < lanes_n; i++)
		if (lanes[i].leader == f->node)
			lanes[i].told = -1;
}

/* The log has lost its front while we read: go on where it begins now. What lies beyond its end is
 * an error; but a group may have committed it before the topic was made anew. */
static void out_of_range(struct lane *l, int64_t log_start)
{
	char text[64], start[24];
	bool beyond = log_start <= l->next;
	if (beyond && !opt.group)
		die_kafka(l, WIRE_OFFSET_OUT_OF_RANGE);
	text[int64_fmt(text, l->next)] = 0;
	start[int64_fmt(start, log_start)] = 0;
	strerr_warn("logget: ", l->topic->name, ": offset ", text, " is gone: going on at ",
		    beyond ? "what -o says" : start);
	l->next = beyond ? -1 : log_start;
	l->printed = l->written = l->next;
	l->done = !beyond && l->next >= l->stop;
}

static void fetch_error(struct feed *f, struct lane *l, int code)
{
	if (!wire_error_retriable(code))
		die_kafka(l, code);
	forget_session(f);
	try_later();
}

/* Moves the lane behind the whole batches of p[0..n). */
static void advance(struct lane *l, const uint8_t *p, size_t n)
{
	struct batch b;
	while (n >= BATCH_HEADER && batch_parse(&b, p, n) == 0 && (size_t)batch_bytes(&b) <= n) {
		if (batch_last_offset(&b) >= l->next)
			l->next = batch_last_offset(&b) + 1;
		p += batch_bytes(&b);
		n -= (size_t)batch_bytes(&b);
	}
	if (l->next >= l->stop)
		l->done = true;
}

struct aborted { /* producers whose records are dropped from here on (KIP-98) */
	const struct fetch_response_aborted_transaction *list;
	int32_t n, at;
	int64_t *active;
	int active_n;
};

/* The transactions of the answer, by first offset, that have begun when this batch comes; an abort
 * marker ends one. */
static bool is_aborted(struct aborted *a, const struct batch *b, const uint8_t *bytes)
{
	while (a->at < a->n && a->list[a->at].first_offset <= batch_last_offset(b))
		a->active[a->active_n++] = a->list[a->at++].producer_id;
	for (int i = 0; i < a->active_n; i++) {
		if (a->active[i] != b->producer_id || !(b->attributes & BATCH_TRANSACTIONAL))
			continue;
		struct record r;
		size_t at = 0;
		if (b->attributes & BATCH_CONTROL
		    && record_next(b, bytes + BATCH_HEADER, (size_t)batch_bytes(b) - BATCH_HEADER,
				   &at, &r)
			       == 1
		    && r.key.n >= 4 && get16(r.key.p + 2) == 0)
			a->active[i] = a->active[--a->active_n];
		return true;
	}
	return false;
}

static int by_first(const void *x, const void *y)
{
	const struct fetch_response_aborted_transaction *a = x, *b = y;
	return (a->first_offset > b->first_offset) - (a->first_offset < b->first_offset);
}

static void print_records(struct lane *l, int64_t from,
			  struct fetch_response_partition_data *d, struct arena *mem)
{
	const uint8_t *p = (const uint8_t *)d->records.p;
	size_t n = d->records.n > 0 ? (size_t)d->records.n : 0;
	struct aborted a = { .list = d->aborted_transactions };
	struct batch b;
	if (opt.committed && d->aborted_transactions_n > 0) {
		a.n = d->aborted_transactions_n;
		a.active = arena_get(mem, (size_t)a.n * sizeof *a.active);
		if (!a.active)
			die_memory();
		qsort(d->aborted_transactions, (size_t)a.n, sizeof *a.list, by_first);
	}
	for (; n >= BATCH_HEADER && left; p += batch_bytes(&b), n -= (size_t)batch_bytes(&b)) {
		if (batch_parse(&b, p, n) < 0)
			die_bad(l, from, "not a record batch");
		if ((size_t)batch_bytes(&b) > n)
			break;
		if (!batch_crc_ok(&b, p))
			die_bad(l, b.base_offset, "bad CRC");
		bool drop = is_aborted(&a, &b, p);
		if (!drop && !(b.attributes & BATCH_CONTROL))
			print_batch(l, from, &b, p);
	}
}

struct part {
	struct lane *lane;
	int64_t from;
	struct fetch_response_partition_data *data;
};

static void take_partition(struct feed *f, const struct fetch_response_fetchable_topic_response *t,
			   struct fetch_response_partition_data *d, struct part *part)
{
	struct lane *l = lane_of(t->topic, &t->topic_id, d->partition_index);
	part->lane = NULL;
	if (!l || l->leader != f->node || l->done)
		return;
	if (d->error_code == WIRE_OFFSET_OUT_OF_RANGE) {
		out_of_range(l, d->log_start_offset);
	} else if (d->error_code) {
		fetch_error(f, l, d->error_code);
	} else if (d->records.n > 0) {
		*part = (struct part){ l, l->next, d };
		advance(l, (const uint8_t *)d->records.p, (size_t)d->records.n);
	}
}

static void take_answer(struct feed *f, struct fetch_response *r)
{
	int n = 0, most = 0;
	for (int32_t t = 0; t < r->responses_n; t++)
		most += r->responses[t].partitions_n;
	struct part *parts = arena_get(&f->mem, (size_t)(most ? most : 1) * sizeof *parts);
	if (!parts)
		die_memory();
	for (int32_t t = 0; t < r->responses_n; t++)
		for (int32_t i = 0; i < r->responses[t].partitions_n; i++)
			take_partition(f, &r->responses[t], &r->responses[t].partitions[i],
				       &parts[n++]);
	if (f->session != r->session_id)
		f->epoch = 0;
	f->session = r->session_id;
	f->epoch = f->session ? f->epoch == INT32_MAX ? 1 : f->epoch + 1 : 0;
	if (!opt.group)
		send_fetch(f);
	for (int i = 0; i < n && left; i++) {
		if (!parts[i].lane)
			continue;
		print_records(parts[i].lane, parts[i].from, parts[i].data, &f->mem);
		if (!left)
			break;
		parts[i].lane->printed = parts[i].lane->next;
		if (opt.group)
			out_mark(parts[i].lane);
	}
	if (!opt.group)
		flush_out();
}

static struct lane *first_lane(const struct feed *f)
{
	for (int i = 0; i < lanes_n; i++)
		if (lanes[i].leader == f->node)
			return &lanes[i];
	return &lanes[0];
}

static void on_fetched(void *arg, const struct net_answer *a)
{
	struct feed *f = arg;
	struct fetch_response r;
	f->waiting = false;
	arena_reset(&f->mem);
	if (left == 0)
		return;
	if (f->stale) {
		f->stale = false;
		return;
	}
	if (a->error || net_answer_decode(a, &f->mem, &r) < 0) {
		forget_session(f);
		try_later();
	} else if (r.error_code == WIRE_FETCH_SESSION_ID_NOT_FOUND
		   || r.error_code == WIRE_INVALID_FETCH_SESSION_EPOCH) {
		forget_session(f);
	} else if (r.error_code) {
		fetch_error(f, first_lane(f), r.error_code);
	} else {
		take_answer(f, &r);
	}
}

/* In a session only what changed is said; a lane that is done or has gone elsewhere makes a new
 * one. Returns the number of topics. */
static int list_partitions(struct feed *f, struct fetch_request_fetch_topic *t,
			   struct fetch_request_fetch_partition *v)
{
	struct net_topic *last = NULL;
	int n = 0;
	for (int i = 0; i < lanes_n; i++)
		if (f->session && lanes[i].told >= 0
		    && (lanes[i].done || lanes[i].leader != f->node)) {
			lanes[i].told = -1;
			f->epoch = 0;
		}
	for (int i = 0; i < lanes_n; i++) {
		struct lane *l = &lanes[i];
		if (l->leader != f->node || l->done || (f->epoch && l->told == l->next))
			continue;
		if (l->topic != last)
			t[n++] = (struct fetch_request_fetch_topic){
				.topic = span_of(l->topic->name),
				.topic_id = l->topic->id,
				.partitions = v,
			};
		last = l->topic;
		t[n - 1].partitions_n++;
		*v++ = (struct fetch_request_fetch_partition){
			.partition = l->partition,
			.current_leader_epoch = l->epoch,
			.fetch_offset = l->next,
			.last_fetched_epoch = -1,
			.log_start_offset = -1,
			.partition_max_bytes = PARTITION_BYTES,
			.high_watermark = INT64_MAX,
		};
		l->told = l->next;
	}
	return n;
}

static bool has_lanes(const struct feed *f)
{
	for (int i = 0; i < lanes_n; i++)
		if (lanes[i].leader == f->node && !lanes[i].done)
			return true;
	return false;
}

static void send_fetch(struct feed *f)
{
	struct fetch_request q;
	if (f->waiting || !has_lanes(f) || again_at != INT64_MAX)
		return;
	struct net_connection *c = net_connect(net, f->node, net_now() + 5000);
	if (!c) {
		try_later();
		return;
	}
	struct fetch_request_fetch_partition *v = calloc((size_t)lanes_n, sizeof *v);
	wire_init(&wire_fetch_request, &q);
	q.topics = calloc((size_t)topics_n, sizeof *q.topics);
	if (!v || !q.topics)
		die_memory();
	q.topics_n = list_partitions(f, q.topics, v);
	q.max_wait_ms = WAIT_MS;
	q.min_bytes = 1;
	q.max_bytes = opt.group ? MEMBER_BYTES : FETCH_BYTES;
	q.isolation_level = opt.committed;
	q.session_id = f->session;
	q.session_epoch = f->epoch;
	f->waiting = true;
	if (net_connection_send(c, FETCH, -1, &q, WAIT_MS + 30000, on_fetched, f) < 0) {
		f->waiting = false;
		if (errno != ENOTCONN)
			strerr_diesys(1, "logget: unable to ask for records");
		forget_session(f);
		try_later();
	}
	free(q.topics);
	free(v);
	net_connection_turn(c, 0);
}

static struct feed *feed_for(int32_t node)
{
	for (struct feed *f = feeds; f; f = f->next)
		if (f->node == node)
			return f;
	struct feed *f = calloc(1, sizeof *f);
	if (!f)
		die_memory();
	f->node = node;
	f->next = feeds;
	feeds = f;
	return f;
}

/* Nodes that have just started may not know the topic yet. */
static void still_there(const struct lane *l)
{
	static int64_t gone_since;
	if (!l->topic->error) {
		gone_since = 0;
		return;
	}
	if (!gone_since)
		gone_since = net_now();
	if (!wire_error_retriable(l->topic->error) || net_now() - gone_since > GONE_MS)
		die_kafka(l, l->topic->error);
}

static void find_leaders(void)
{
	again_at = INT64_MAX;
	for (int i = 0; i < lanes_n; i++) {
		struct lane *l = &lanes[i];
		if ((i == 0 || l[-1].topic != l->topic)
		    && net_topic_ask(net, l->topic->name, false, l->topic, net_now() + 5000) < 0) {
			try_later();
			return;
		}
		still_there(l);
		struct net_partition none = { .leader = -1 },
				     *p = l->partition < l->topic->n
						  ? &l->topic->partitions[l->partition]
						  : &none;
		if (l->leader != p->leader)
			l->told = -1;
		l->leader = p->leader;
		l->epoch = p->epoch;
		if (l->leader < 0 && !l->done)
			try_later();
	}
}

void feeds_send(void)
{
	if (again_at <= net_now())
		find_leaders();
	for (int i = 0; i < lanes_n; i++)
		if (lanes[i].next < 0 && lanes[i].leader >= 0) {
			lanes_place();
			break;
		}
	for (int i = 0; i < lanes_n; i++)
		if (!lanes[i].done && lanes[i].leader >= 0)
			send_fetch(feed_for(lanes[i].leader));
}

void feeds_forget(void)
{
	for (struct feed *f = feeds; f; f = f->next) {
		f->stale = f->waiting;
		forget_session(f);
	}
}

int64_t feeds_due(void)
{
	return again_at;
}

void feeds_run(void)
{
	while (left && !lanes_done()) {
		feeds_send();
		if (net_turn(net, NULL, 0, again_at) < 0 && errno != EINTR)
			die_memory();
	}
}
