/* What a leader is asked: one Fetch at a time for all its lanes, in an incremental session
 * (KIP-227), and where its logs begin and end when it has nothing at an offset.
 *
 * A Fetch waits at the leader. When a lane comes that it does not cover, another follows at once: a
 * leader of ours answers the one before then. While logappend works on lanes of this leader none is
 * sent: they would be left out, and wait for the answer of the others. */
#include <stdlib.h>
#include <string.h>

#include <skalibs/strerr.h>

#include "daemon.h"
#include "wire/api.h"

enum { FETCH = 1, LIST_OFFSETS = 2, LATEST = -1, EARLIEST = -2, FORGET_MOST = 1000 };

static struct arena mem;

static void *get(size_t n)
{
	void *p = arena_get(&mem, n);
	if (!p)
		strerr_diefusys(111, "make a request");
	return p;
}

/* --- sessions --------------------------------------------------------------------------------- */

void leader_renew(struct leader *l)
{
	l->epoch = 0;
	l->forget.n = 0;
	if (l->fd < 0)
		l->session = 0;
	l->sessionless = l->sessionless && l->fd >= 0;
	for (struct lane *x = l->lanes; x; x = x->next)
		x->told = false;
}

void leader_forget(struct leader *l, struct lane *x)
{
	if (!x->told)
		return;
	x->told = false;
	if (!l->epoch)
		return;
	if (l->forget.n >= FORGET_MOST * FORGET_BYTES)
		leader_renew(l);
	else if (buf_add(&l->forget, &x->entry, FORGET_BYTES) < 0)
		strerr_diefusys(111, "forget a partition");
}

/* It is wanted again before that was said. */
static void remember(struct leader *l, const struct lane *x)
{
	for (size_t at = 0; at < l->forget.n; at += FORGET_BYTES) {
		uint8_t *p = l->forget.p + at;
		if (memcmp(p, &x->entry, FORGET_BYTES))
			continue;
		memcpy(p, l->forget.p + l->forget.n - FORGET_BYTES, FORGET_BYTES);
		l->forget.n -= FORGET_BYTES;
		return;
	}
}

/* --- versions (MetadataVersion.fetchRequestVersion, listOffsetRequestVersion) ----------------- */

static int fetch_version(void)
{
	int level = meta_feature_level(d.image, "metadata.version");
	return level >= 27 ? 18 : level >= 21 ? 17 : level >= 19 ? 16 : level >= 10 ? 15 :
	       level >= 9 ? 14 : 13;
}

static int list_offsets_version(void)
{
	int level = meta_feature_level(d.image, "metadata.version");
	return level >= 29 ? 11 : level >= 25 ? 10 : level >= 21 ? 9 : 8;
}

/* --- requests --------------------------------------------------------------------------------- */

static void queue(struct leader *l, enum asked_what what, int key, int version, bool full,
                  const struct wire_type *type, const void *request)
{
	size_t at = l->out.n;
	if (buf_add32(&l->out, 0) < 0
	    || wire_request_header(&l->out, key, version, ++l->correlation,
	                           span_of("odradek-replicate")) < 0
	    || wire_encode(type, version, request, &l->out, NULL) < 0)
		strerr_diefusys(111, "make a request");
	put32(l->out.p + at, (uint32_t)(l->out.n - at - 4));
	l->sent[l->sent_n++] = (struct sent){what, full, (int16_t)version, l->correlation};
	l->fetches += what == ASKED_FETCH;
}

typedef struct fetch_request_fetch_topic fetch_topic;
typedef struct fetch_request_fetch_partition fetch_partition;

static void put_lane(struct fetch_request *q, fetch_partition *v, struct lane *x)
{
	fetch_topic *t = q->topics_n ? &q->topics[q->topics_n - 1] : NULL;
	if (!t || !uuid_same(&t->topic_id, &x->entry.topic_id)) {
		t = &q->topics[q->topics_n++];
		wire_init(&wire_fetch_request_fetch_topic, t);
		t->topic_id = x->entry.topic_id;
		t->partitions = v;
	}
	t->partitions_n++;
	wire_init(&wire_fetch_request_fetch_partition, v);
	lane_asked(x);
	x->told = true;
	v->partition = x->entry.partition;
	v->current_leader_epoch = x->pull.epoch;
	v->fetch_offset = x->pull.asked.offset;
	v->last_fetched_epoch = x->pull.asked.last_epoch;
	v->log_start_offset = x->pull.asked.log_start;
	v->partition_max_bytes = d.partition_bytes;
}

static void put_room(struct fetch_request *q, fetch_partition **v, size_t n)
{
	q->topics = get(n * sizeof *q->topics + 1);
	q->topics_n = 0;
	*v = get(n * sizeof **v + 1);
}

static void put_all(struct leader *l, struct fetch_request *q)
{
	fetch_partition *v;
	size_t n = 0;
	for (struct lane *x = l->lanes; x; x = x->next)
		n++;
	put_room(q, &v, n);
	for (struct lane *x = l->lanes; x; x = x->next)
		if (x->pull.state == PULL_READY || x->pull.state == PULL_ASKED)
			put_lane(q, v++, x);
}

static void put_ready(struct leader *l, struct fetch_request *q)
{
	fetch_partition *v;
	size_t n = 0;
	for (struct lane *x = l->ready; x; x = x->next_ready)
		n++;
	put_room(q, &v, n);
	for (struct lane *x = l->ready; x; x = x->next_ready)
		if (x->pull.state == PULL_READY) {
			remember(l, x);
			put_lane(q, v++, x);
		}
}

static void put_forgotten(struct leader *l, struct fetch_request *q)
{
	size_t n = l->forget.n / FORGET_BYTES;
	q->forgotten_topics_data_n = (int32_t)n;
	q->forgotten_topics_data = get(n * sizeof *q->forgotten_topics_data + 1);
	int32_t *v = get(n * sizeof *v + 1);
	for (size_t i = 0; i < n; i++) {
		const uint8_t *p = l->forget.p + i * FORGET_BYTES;
		memcpy(&q->forgotten_topics_data[i].topic_id, p, sizeof(struct uuid));
		memcpy(&v[i], p + sizeof(struct uuid), sizeof v[i]);
		q->forgotten_topics_data[i].partitions = &v[i];
		q->forgotten_topics_data[i].partitions_n = 1;
	}
	l->forget.n = 0;
}

static void clear_ready(struct leader *l)
{
	for (struct lane *x; (x = l->ready);) {
		l->ready = x->next_ready;
		x->queued = false;
	}
}

static void fetch(struct leader *l)
{
	const struct meta_broker *me = meta_broker(d.image, d.me.id);
	int version = fetch_version();
	bool full = !l->epoch;
	struct fetch_request q;
	arena_reset(&mem);
	wire_init(&wire_fetch_request, &q);
	if (version < 15) {
		q.replica_id = d.me.id;
	} else {
		q.replica_state.replica_id = d.me.id;
		q.replica_state.replica_epoch = me ? me->epoch : -1;
	}
	q.min_bytes = d.min_bytes;
	q.max_bytes = d.max_bytes;
	/* Nothing can follow a request whose session is not known yet, so that one does not wait. */
	if (!full || l->sessionless)
		q.max_wait_ms = d.wait_ms;
	q.session_id = l->session;
	q.session_epoch = l->epoch;
	if (full) {
		l->forget.n = 0;
		put_all(l, &q);
	} else {
		put_ready(l, &q);
		put_forgotten(l, &q);
		l->epoch = l->epoch == INT32_MAX ? 1 : l->epoch + 1;
	}
	clear_ready(l);
	queue(l, ASKED_FETCH, FETCH, version, full, &wire_fetch_request, &q);
}

static void ask_bound(struct leader *l, const struct lane *x, enum asked_what what)
{
	const struct meta_topic *t = meta_topic_with_id(d.image, &x->entry.topic_id);
	struct list_offsets_request_list_offsets_partition p;
	struct list_offsets_request_list_offsets_topic topic = {
		.name = span_of(t ? t->name : ""), .partitions = &p, .partitions_n = 1};
	struct list_offsets_request q;
	wire_init(&wire_list_offsets_request_list_offsets_partition, &p);
	p.partition_index = x->entry.partition;
	p.current_leader_epoch = x->pull.epoch;
	p.timestamp = what == ASKED_END ? LATEST : EARLIEST;
	wire_init(&wire_list_offsets_request, &q);
	q.replica_id = d.me.id;
	q.topics = &topic;
	q.topics_n = 1;
	queue(l, what, LIST_OFFSETS, list_offsets_version(), false, &wire_list_offsets_request, &q);
}

/* One lane at a time: it is rare. */
static void ask_bounds(struct leader *l)
{
	struct lane *x = l->lanes;
	if (l->bounds.busy || l->sent_n > SENT_MOST - 2)
		return;
	while (x && x->pull.state != PULL_BOUNDS)
		x = x->next;
	if (!x)
		return;
	l->bounds = (struct bounds){
		.busy = true, .slot = x->slot, .epoch = x->pull.epoch,
		.offset = x->pull.asked.offset, .left = 2,
	};
	ask_bound(l, x, ASKED_END);
	ask_bound(l, x, ASKED_START);
}

static bool full_is_out(const struct leader *l)
{
	for (int i = 0; i < l->sent_n; i++)
		if (l->sent[i].full)
			return true;
	return false;
}

static bool something_ready(struct leader *l)
{
	while (l->ready && l->ready->pull.state != PULL_READY) {
		l->ready->queued = false;
		l->ready = l->ready->next_ready;
	}
	return l->ready;
}

void leader_ask(struct leader *l)
{
	if (!port_is_up(d.copier) || !d.mapped)
		return;
	if (l->out_of_range)
		ask_bounds(l);
	if (l->busy || l->fetches > 1 || l->sent_n == SENT_MOST)
		return;
	bool ready = something_ready(l);
	if (l->fetches ? ready && (l->sessionless || (l->epoch && !full_is_out(l)))
	               : ready || l->asked)
		fetch(l);
}
