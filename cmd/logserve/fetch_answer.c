/* The bytes of a Fetch answer: what the codec makes, with ranges of files between. */
#include "logserve.h"

#include <stdlib.h>
#include <string.h>

enum { LEADER_HINT_VERSION = 16, STORAGE_ERROR_VERSION = 6 };

typedef struct fetch_response_partition_data answer_partition;
typedef struct fetch_response_fetchable_topic_response answer_topic;
typedef struct fetch_response_node_endpoint answer_node;

/* KIP-951: who leads now, and where to find it. */
static void hint_leader(struct fetch *f, const struct result *r, answer_partition *a,
                        struct fetch_response *out)
{
	struct meta_image *m = meta_follow_image(f->server->follow);
	struct meta_topic *t = meta_topic_named(m, r->topic);
	struct meta_partition *p = t ? meta_partition(t, r->part->partition) : 0;
	struct meta_broker *b = p ? meta_broker(m, p->leader) : 0;
	if (!p)
		return;
	a->current_leader.leader_id = p->leader;
	a->current_leader.leader_epoch = p->leader_epoch;
	const struct meta_endpoint *e = b ? meta_broker_endpoint(b, f->server->node.broker) : 0;
	for (int i = 0; e && i < out->node_endpoints_n; i++)
		if (out->node_endpoints[i].node_id == b->id)
			return;
	if (e)
		out->node_endpoints[out->node_endpoints_n++] = (answer_node){
			.node_id = b->id, .host = span_of(e->host), .port = e->port, .rack = span_of(b->rack),
		};
}

static int fill_aborted(struct fetch *f, const struct result *r, answer_partition *a)
{
	a->aborted_transactions_n = r->aborted_n;
	if (r->aborted_n <= 0)
		return 0;
	a->aborted_transactions = request_take(&f->request, (size_t)r->aborted_n,
	                                       sizeof *a->aborted_transactions);
	for (int i = 0; a->aborted_transactions && i < r->aborted_n; i++) {
		a->aborted_transactions[i].producer_id = r->aborted[i].producer_id;
		a->aborted_transactions[i].first_offset = r->aborted[i].first_offset;
	}
	return a->aborted_transactions ? 0 : -1;
}

static int fill(struct fetch *f, const struct result *r, answer_partition *a,
                struct fetch_response *out)
{
	wire_init(&wire_fetch_response_partition_data, a);
	a->partition_index = r->part->partition;
	a->error_code = (int16_t)r->found.error;
	a->high_watermark = r->found.high_watermark;
	a->last_stable_offset = r->found.last_stable;
	a->log_start_offset = r->found.log_start;
	a->preferred_read_replica = r->nearest;
	a->records = r->found.range.bytes ? (struct span){0, (int32_t)r->found.range.bytes} : span_of("");
	if (r->found.diverging_epoch >= 0) {
		a->diverging_epoch.epoch = r->found.diverging_epoch;
		a->diverging_epoch.end_offset = r->found.diverging_end;
	}
	/* clients as old as that do not know a storage error and would not try again */
	if (f->request.version < STORAGE_ERROR_VERSION && a->error_code == WIRE_KAFKA_STORAGE_ERROR)
		a->error_code = WIRE_NOT_LEADER_OR_FOLLOWER;
	if (f->request.version >= LEADER_HINT_VERSION && (a->error_code == WIRE_NOT_LEADER_OR_FOLLOWER ||
	                                                  a->error_code == WIRE_FENCED_LEADER_EPOCH))
		hint_leader(f, r, a, out);
	return fill_aborted(f, r, a);
}

static bool same_topic(const answer_topic *t, const struct fetch *f, const struct result *r)
{
	return f->set->by_id ? uuid_same(&t->topic_id, &r->topic_id) : span_same(t->topic, r->topic);
}

/* Those of v that the answer mentions, in order; the array is cut down to them. */
static int choose(struct fetch *f, struct result *v, int n)
{
	int kept = 0;
	for (int i = 0; i < n; i++) {
		const struct fetch_found *d = &v[i].found;
		bool must = fetch_tell(v[i].part, d->error, d->high_watermark, d->log_start,
		                       d->diverging_epoch >= 0, d->range.bytes > 0);
		if (must || v[i].nearest >= 0 || f->kind != FETCH_INCREMENTAL)
			v[kept++] = v[i];
	}
	for (int i = 0; f->kind == FETCH_INCREMENTAL && i < kept; i++)
		if (v[i].found.range.bytes)
			fetch_to_end(f->set, v[i].part);
	return kept;
}

static int fill_all(struct fetch *f, struct result *v, int n, struct fetch_response *out)
{
	answer_partition *a = request_take(&f->request, (size_t)n, sizeof *a);
	out->responses = a ? request_take(&f->request, (size_t)n, sizeof *out->responses) : 0;
	out->node_endpoints =
		out->responses ? request_take(&f->request, (size_t)n, sizeof *out->node_endpoints)
			       : 0;
	if (!out->node_endpoints)
		return -1;
	for (int i = 0; i < n; i++) {
		answer_topic *t = out->responses_n ? &out->responses[out->responses_n - 1] : 0;
		if (!t || !same_topic(t, f, &v[i])) {
			t = &out->responses[out->responses_n++];
			wire_init(&wire_fetch_response_fetchable_topic_response, t);
			t->topic = v[i].topic;
			t->topic_id = v[i].topic_id;
			t->partitions = &a[i];
		}
		t->partitions_n++;
		if (fill(f, &v[i], &a[i], out))
			return -1;
	}
	return 0;
}

/* Sends what was encoded: its gaps are filled, in order, by the ranges of those that have any. */
static void send(struct fetch *f, struct result *v, int n)
{
	struct server *s = f->server;
	struct port_piece *pieces = request_take(&f->request, 2 * s->gaps.n + 1, sizeof *pieces);
	uint16_t k = 0;
	size_t at = 0, gap = 0;
	if (!pieces)
		return;
	for (int i = 0; i < n; i++) {
		if (!v[i].found.range.bytes)
			continue;
		size_t to = s->gaps.v[gap++].at;
		if (to > at)
			pieces[k++] = (struct port_piece){
				.bytes = {(const char *)s->out.p + at, (int32_t)(to - at)}, .fd = -1,
			};
		at = to;
		if (segment_piece(s, v[i].partition, f->request.from, &v[i].found.range, &pieces[k++])) {
			request_close(&f->request);
			return;
		}
	}
	if (s->out.n > at)
		pieces[k++] = (struct port_piece){
			.bytes = {(const char *)s->out.p + at, (int32_t)(s->out.n - at)}, .fd = -1,
		};
	if (port_answer(s->loop, f->request.from, PORT_BYTES, 0, pieces, k))
		request_close(&f->request);
}

void fetch_error(struct request *r, int error, int32_t session_id)
{
	struct fetch_response out;
	wire_init(&wire_fetch_response, &out);
	out.error_code = (int16_t)error;
	out.session_id = session_id;
	request_answer(r, &wire_fetch_response, &out);
}

void fetch_answer(struct fetch *f, struct result *v, int n)
{
	struct fetch_response out;
	int32_t id;
	wire_init(&wire_fetch_response, &out);
	int error = fetch_end(f->server->sessions, f->set, f->kind, f->request_epoch, port_now_ms(), &id);
	if (error) {
		fetch_error(&f->request, error, id);
		return;
	}
	out.session_id = id;
	n = choose(f, v, n);
	if (!fill_all(f, v, n, &out) && !request_encode(&f->request, &wire_fetch_response, &out))
		send(f, v, n);
}
