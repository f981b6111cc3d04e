/* Fetch from replicas: everything to the log end, as ranges of the files; a replica's offset is
 * what it has on disk. With nothing to read a request waits, and is answered in the turn in which
 * something is appended. */
#include <stdlib.h>

#include "base/buf.h"
#include "feed.h"
#include "wire/codes.h"

enum {
	PIECES = 2 * 1024,       /* for each partition with records: a range, what lies before it */
	SESSIONS = 1000,         /* max.incremental.fetch.session.cache.slots */
	REFRESH_MS = 500,
};

typedef struct fetch_response_partition_data answer;
typedef struct fetch_response_fetchable_topic_response topic_answer;

static struct fetch_sessions *sessions;
static struct buf out;
static struct found *found;      /* of the request at hand */
static int found_n, found_cap;

/* --- what there is ---------------------------------------------------------------------------- */

static struct found *add_found(void)
{
	if (found_n == found_cap) {
		int cap = found_cap ? 2 * found_cap : 64;
		struct found *v = realloc(found, (size_t)cap * sizeof *v);
		if (!v)
			abort();    /* what the replica's session counts as told would not be */
		found = v;
		found_cap = cap;
	}
	return &found[found_n++];
}

/* An incremental request asks for those of which the replica does not know everything, a full one
 * for all. */
static struct feed *first_feed(const struct fetch *f)
{
	struct session *s = f->set->owner;
	if (f->kind == FETCH_INCREMENTAL)
		return s ? s->first : NULL;
	return f->set->first ? f->set->first->owner : NULL;
}

static struct feed *next_feed(const struct fetch *f, const struct feed *e)
{
	if (f->kind == FETCH_INCREMENTAL)
		return e->after;
	return e->part->next ? e->part->next->owner : NULL;
}

/* Bytes in all, or -1: there is something that cannot wait. */
static int64_t look(const struct fetch *f)
{
	int64_t bytes = 0, now = port_now_ms();
	int ranges = 0;
	bool urgent = false;
	found_n = 0;
	for (struct feed *e = first_feed(f); e; e = next_feed(f, e)) {
		struct found *x = add_found();
		bool room = ranges < PIECES / 2 && ranges < files_most_ranges();
		if (e->early)
			feed_progress(f, e, now);
		feed_check(f, e, x);
		if (!x->error && x->diverging_epoch < 0)
			feed_read(f, e, room ? f->max_bytes - bytes : 0, room && !ranges, x);
		urgent |= (x->error && !x->early) || x->diverging_epoch >= 0;
		bytes += x->range.bytes;
		ranges += x->range.bytes > 0;
	}
	return urgent ? -1 : bytes;
}

/* --- the answer ------------------------------------------------------------------------------- */

static void fill(const struct found *x, answer *a)
{
	const struct feed *e = x->feed;
	*a = (answer){
		.partition_index = e->part->partition, .preferred_read_replica = -1,
		.error_code = (int16_t)x->error,
		.high_watermark = -1, .last_stable_offset = -1, .log_start_offset = -1,
		.diverging_epoch = {x->diverging_epoch, x->diverging_end},
		.current_leader = {.leader_id = -1, .leader_epoch = -1},
		.snapshot_id = {.end_offset = -1, .epoch = -1},
	};
	if (x->error)
		return;
	a->high_watermark = e->p->step.high_watermark;
	a->last_stable_offset = e->p->step.last_stable;
	a->log_start_offset = e->p->step.log_start;
	if (x->range.bytes > 0)
		a->records = (struct span){NULL, (int32_t)x->range.bytes};
}

/* What the replica knows after this answer. A partition that had records, or has more, or an error,
 * comes again unless its next request says that it went on. */
static bool tell(const struct found *x)
{
	struct feed *e = x->feed;
	int64_t hw = x->error ? -1 : e->p->step.high_watermark;
	int64_t start = x->error ? -1 : e->p->step.log_start;
	bool data = x->range.bytes > 0, diverging = x->diverging_epoch >= 0;
	bool must = fetch_tell(e->part, x->error, hw, start, diverging, data);
	if (data || diverging || x->error || x->more)
		feed_ready(e);
	else
		feed_done(e);
	return must;
}

static bool same_topic(const topic_answer *t, const struct feed *e)
{
	return e->set->by_id ? uuid_same(&t->topic_id, &e->part->topic_id)
	                     : span_same(t->topic, e->part->topic);
}

/* Who is early is told so only when it has waited long enough. */
static bool is_told(const struct fetch *f, const struct found *x, int64_t now)
{
	if (f->kind != FETCH_INCREMENTAL) {
		tell(x);
		return true;
	}
	return !(x->early && now < f->deadline_ms) && tell(x);
}

/* Those that are not in the answer leave `found`: its ranges fill the gaps in order. */
static void fill_all(const struct fetch *f, struct fetch_response *to)
{
	size_t n = (size_t)found_n;
	answer *a = request_get(f->q, n * sizeof *a + 1);
	int kept = 0;
	int64_t now = port_now_ms();
	to->responses = request_get(f->q, n * sizeof *to->responses + 1);
	for (int i = 0; i < found_n; i++) {
		struct feed *e = found[i].feed;
		topic_answer *t = to->responses_n ? &to->responses[to->responses_n - 1] : NULL;
		if (!is_told(f, &found[i], now))
			continue;
		if (!t || !same_topic(t, e)) {
			t = &to->responses[to->responses_n++];
			t->topic = e->part->topic;
			t->topic_id = e->part->topic_id;
			t->partitions = &a[kept];
		}
		t->partitions_n++;
		fill(&found[i], &a[kept]);
		found[kept++] = found[i];
	}
	found_n = kept;
}

/* The encoded answer with the ranges in its gaps. */
static void send(const struct request *q, const struct wire_gaps *gaps)
{
	static struct port_piece pieces[PIECES + 1];
	size_t from = 0, gap = 0;
	uint16_t n = 0;
	for (int i = 0; i < found_n; i++) {
		const struct log_range *r = &found[i].range;
		const struct partition *p = found[i].feed->p;
		if (r->bytes <= 0)
			continue;
		size_t to = gaps->v[gap++].at;
		pieces[n++] = (struct port_piece){
			.bytes = {(char *)out.p + from, (int32_t)(to - from)}, .fd = -1};
		pieces[n++] = (struct port_piece){
			.slot = p->slot, .base = (uint64_t)r->base, .generation = p->layout,
			.offset = (uint64_t)r->position, .n = (uint32_t)r->bytes, .fd = r->fd};
		from = to;
	}
	pieces[n++] = (struct port_piece){
		.bytes = {(char *)out.p + from, (int32_t)(out.n - from)}, .fd = -1};
	port_answer(node.loop, q->from, PORT_BYTES, 0, pieces, n);
}

static void encode_and_send(struct request *q, const struct fetch_response *to)
{
	static struct wire_gaps gaps;
	out.n = 0;
	gaps.n = 0;
	if (wire_response_header(&out, q->key, q->version, q->correlation) < 0
	    || wire_encode(q->type, q->version, to, &out, &gaps) < 0)
		port_answer(node.loop, q->from, PORT_CLOSE, 0, NULL, 0);
	else
		send(q, &gaps);
}

static void answer_now(struct fetch *f)
{
	struct fetch_response *to = request_answer(f->q);
	int error = fetch_end(sessions, f->set, f->kind, f->request_epoch, port_now_ms(),
	                      &to->session_id);
	to->error_code = (int16_t)error;
	if (error)
		found_n = 0;
	else
		fill_all(f, to);
	encode_and_send(f->q, to);
	for (int i = 0; i < found_n; i++)
		if (found[i].range.bytes > 0) {
			throttle_note(f, found[i].feed->p, found[i].range.bytes);
			files_note(found[i].feed->p);
		}
}

static void end(struct fetch *f)
{
	fetch_unpark(f);
	fetch_set_drop(f->set);
	request_drop(f->q);
}

/* What has nothing new is not looked at again before it changes. */
static void rest(void)
{
	for (int i = 0; i < found_n; i++) {
		struct feed *e = found[i].feed;
		if (!found[i].error && !found[i].range.bytes && !found[i].more
		    && e->part->high_watermark == e->p->step.high_watermark
		    && e->part->log_start == e->p->step.log_start)
			feed_done(e);
	}
}

static bool answered(struct fetch *f)
{
	int64_t bytes = look(f);
	if (bytes >= 0 && bytes < f->min_bytes && port_now_ms() < f->deadline_ms && f->set->first) {
		rest();
		return false;
	}
	answer_now(f);
	end(f);
	return true;
}

void replica_fetch_turn(void)
{
	for (struct fetch *f; (f = fetch_woken());)
		answered(f);
	partitions_publish();    /* of those that were made on the way */
}

void replica_fetch_flush(struct port_from from)
{
	struct fetch *f = fetch_parked_by(from);
	if (f)
		end(f);
}

/* --- the request ------------------------------------------------------------------------------ */

/* Those that the request names say where the replica is; the others are where they were, which
 * counts as a sign of life now and then. */
static void progress(struct fetch *f)
{
	struct session *s = f->set->owner;
	int64_t now = port_now_ms();
	bool all = s && now - s->refreshed_ms >= REFRESH_MS;
	if (all)
		s->refreshed_ms = now;
	for (struct fetch_part *p = all ? f->set->first : NULL; p; p = p->next)
		feed_progress(f, p->owner, now);
	for (struct feed *e = !all && s ? s->first : NULL; e; e = e->after)
		feed_progress(f, e, now);
}

static void refuse(struct request *q, int error)
{
	struct fetch_response *to = request_answer(q);
	to->error_code = (int16_t)error;
	found_n = 0;
	encode_and_send(q, to);
	request_drop(q);
}

/* A replica that has more to say does not wait for the answer to what it said before; it gets that
 * now. */
static void answer_before(const struct fetch_request *in)
{
	const struct fetch_set *set = fetch_sessions_next(sessions, in);
	const struct session *s = set ? set->owner : NULL;
	struct fetch *f = s ? s->waiting : NULL;
	if (!f)
		return;
	look(f);
	answer_now(f);
	end(f);
}

static int begin(struct fetch *f, const struct fetch_request *in)
{
	int version = f->q->version;
	int64_t now = port_now_ms();
	if (!sessions && (sessions = fetch_sessions_new(SESSIONS)))
		fetch_sessions_hook(sessions, &feed_hooks);
	if (!sessions)
		return -1;
	if (in->session_epoch == 0)
		fetch_sessions_expire(sessions, now);
	f->request_epoch = in->session_epoch;
	f->replica = version < 15 ? in->replica_id : in->replica_state.replica_id;
	f->broker_epoch = version < 15 ? REPLICA_EPOCH_NOT_GIVEN : in->replica_state.replica_epoch;
	f->max_bytes = in->max_bytes;
	f->min_bytes = in->min_bytes < in->max_bytes ? in->min_bytes : in->max_bytes;
	f->deadline_ms = now + in->max_wait_ms;
	answer_before(in);
	return fetch_begin(sessions, in, version, now, &f->set, &f->kind);
}

void replica_fetch(const struct port_call *c, const struct wire_request *r)
{
	struct fetch_request in;
	struct request *q = request_new(c, r);
	if (!q || request_decode(q, r, &in) < 0)
		return;
	struct fetch *f = request_get(q, sizeof *f);
	f->q = q;
	int error = begin(f, &in);
	if (error) {
		if (error > 0) {
			refuse(q, error);
			return;
		}
		port_answer(node.loop, q->from, PORT_CLOSE, 0, NULL, 0);
		request_drop(q);
		return;
	}
	progress(f);
	if (!answered(f))
		fetch_park(f);
}
