/* Fetch and FetchSnapshot of the metadata log: long polls, of the programs here, who see what is
 * committed whoever leads, and of other nodes, who get all of it from the leader
 * (KafkaRaftClient.handleFetchRequest). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "elect.h"
#include "others.h"
#include "voters.h"
#include "wire/codes.h"

enum { FETCH = 1, SNAPSHOT = 59, BYTES_MAX = 8 << 20, DECODE_MAX = 1 << 20, WAIT_MAX_MS = 60000 };

/* --- the nodes that fetch --- */

static struct replica *replica_of(struct elect *e, const struct quorum_key *k)
{
	struct replica *oldest = e->replicas;

	for (int i = 0; i < e->replicas_n; i++) {
		struct replica *r = &e->replicas[i];

		if (r->key.id == k->id && uuid_same(&r->key.directory, &k->directory))
			return r;
		if (r->fetched_ms < oldest->fetched_ms)
			oldest = r;
	}
	if (e->replicas_n < REPLICAS_MAX)
		oldest = &e->replicas[e->replicas_n++];
	*oldest = (struct replica){ .key = *k, .end = -1, .fetched_ms = INT64_MIN, .told = -1 };
	return oldest;
}

/* --- one partition in, one partition out --- */

struct answer {
	int16_t error;
	struct snapshot_id snapshot; /* offset -1: none */
	int32_t diverging_epoch;     /* -1: it does not */
	int64_t diverging_end;
	struct span records;
};

static void send_fetch(struct elect *e, const struct poll *p, const struct answer *a)
{
	struct fetch_response r;
	struct fetch_response_fetchable_topic_response t;
	struct fetch_response_partition_data d;
	struct fetch_response_node_endpoint node;
	struct voters_place at;
	struct buf b = { 0 };

	wire_init(&wire_fetch_response, &r);
	wire_init(&wire_fetch_response_fetchable_topic_response, &t);
	wire_init(&wire_fetch_response_partition_data, &d);
	wire_init(&wire_fetch_response_node_endpoint, &node);
	r.responses = &t;
	r.responses_n = 1;
	if (p->version >= 13)
		t.topic_id = uuid_metadata;
	else
		t.topic = span_of("__cluster_metadata");
	t.partitions = &d;
	t.partitions_n = 1;
	d.error_code = a->error;
	d.high_watermark = e->quorum.high_watermark;
	d.last_stable_offset = -1;
	d.log_start_offset = log_start(e->store.log);
	if (p->version >= 12) {
		d.current_leader.leader_id = e->quorum.leader;
		d.current_leader.leader_epoch = e->quorum.epoch;
		d.snapshot_id.end_offset = a->snapshot.offset;
		d.snapshot_id.epoch = a->snapshot.epoch;
		d.diverging_epoch.epoch = a->diverging_epoch;
		d.diverging_epoch.end_offset = a->diverging_end;
	}
	d.records = a->records;
	if (p->version >= 17 && p->remote && voters_leader(e, &at)) {
		node.node_id = at.id;
		node.host = span_of(at.host);
		node.port = at.port;
		r.node_endpoints = &node;
		r.node_endpoints_n = 1;
	}
	if (p->replica.id >= 0 && !a->error && a->diverging_epoch < 0 && a->snapshot.offset < 0)
		replica_of(e, &p->replica)->told = e->quorum.high_watermark;
	if (wire_response_header(&b, FETCH, p->version, p->correlation_id) < 0
	    || wire_encode(&wire_fetch_response, p->version, &r, &b, NULL) < 0)
		port_answer(e->loop, p->from, PORT_CLOSE, 0, NULL, 0);
	else
		port_answer_bytes(e->loop, p->from, b.p, b.n);
	buf_free(&b);
	if (p->lease)
		agent_answered(p->lease, port_now_ms());
}

/* Whole response with an error above the partitions. */
static void send_fetch_error(struct elect *e, const struct port_call *c,
			     const struct wire_request *q, int16_t error)
{
	struct fetch_response r;
	struct buf b = { 0 };

	wire_init(&wire_fetch_response, &r);
	r.error_code = error;
	if (wire_response_header(&b, FETCH, q->version, q->correlation_id) < 0
	    || wire_encode(&wire_fetch_response, q->version, &r, &b, NULL) < 0)
		port_answer(e->loop, c->from, PORT_CLOSE, 0, NULL, 0);
	else
		port_answer_bytes(e->loop, c->from, b.p, b.n);
	buf_free(&b);
}

/* Does (offset, epoch) lie on our log? (ReplicatedLog.validateOffsetAndEpoch) */
static bool on_our_log(struct elect *e, int64_t offset, int32_t epoch, struct answer *a)
{
	const struct store *s = &e->store;
	struct snapshot_id last = { 0, 0 }, first = { 0, 0 };
	int32_t own;
	int64_t end;

	if (s->snapshots_n > 0) {
		first = s->snapshots[0];
		last = s->snapshots[s->snapshots_n - 1];
	}
	if (last.offset > 0 && (offset == 0 || offset < log_start(s->log) || epoch < first.epoch)) {
		a->snapshot = last;
		return false;
	}
	if (offset == 0 || store_snapshot_has(s, (struct snapshot_id){ offset, epoch }))
		return true;
	log_epoch_end(s->log, epoch, &own, &end);
	if (own == epoch && end >= offset)
		return true;
	if (own < 0 && last.offset > 0) {
		a->snapshot = last;
		return false;
	}
	a->diverging_epoch = own < 0 ? 0 : own;
	a->diverging_end = own < 0 ? 0 : end;
	return false;
}

/* Below it is what this one may see. */
static int64_t limit(const struct elect *e, const struct poll *p)
{
	return p->replica.id >= 0 ? log_end(e->store.log) : e->quorum.high_watermark;
}

static void answer_records(struct elect *e, const struct poll *p, struct answer *a)
{
	struct buf b = { 0 };
	int64_t n = store_read(&e->store, p->offset, limit(e, p), p->max_bytes, &b);

	if (n < 0)
		a->error = WIRE_UNKNOWN_SERVER_ERROR;
	else
		a->records = (struct span){ b.n ? (const char *)b.p : "", (int32_t)b.n };
	send_fetch(e, p, a);
	buf_free(&b);
}

static int park(struct elect *e, const struct poll *p)
{
	if (e->polls_n == e->polls_cap) {
		int cap = e->polls_cap ? 2 * e->polls_cap : 16;
		struct poll *v = realloc(e->polls, (size_t)cap * sizeof *v);

		if (!v)
			return -1;
		e->polls = v;
		e->polls_cap = cap;
	}
	e->polls[e->polls_n++] = *p;
	return 0;
}

static int16_t leader_fault(const struct elect *e, const struct port_call *c, int32_t epoch)
{
	if (c->listener == WIRE_LOCAL)
		return 0;
	if (epoch >= 0 && epoch < e->quorum.epoch)
		return WIRE_FENCED_LEADER_EPOCH;
	if (epoch > e->quorum.epoch)
		return WIRE_UNKNOWN_LEADER_EPOCH;
	return leads(e) ? 0 : WIRE_NOT_LEADER_OR_FOLLOWER;
}

/* Its offset says what a replica has on disk. */
static void replica_fetched(struct elect *e, const struct poll *p)
{
	struct quorum_event ev = { .type = QUORUM_FETCH,
				   .from = p->replica,
				   .epoch = e->quorum.epoch,
				   .end = p->offset,
				   .valid = true,
				   .now_ms = port_now_ms() };
	struct replica *r;

	if (p->replica.id < 0)
		return;
	r = replica_of(e, &p->replica);
	r->end = p->offset;
	r->fetched_ms = ev.now_ms;
	elect_quorum(e, &ev, NULL);
}

static int fetch_partition(struct elect *e, const struct port_call *c, struct poll *p,
			   const struct fetch_request *in,
			   const struct fetch_request_fetch_partition *f)
{
	struct answer a = { .snapshot = { -1, -1 },
			    .diverging_epoch = -1,
			    .diverging_end = -1,
			    .records = { "", 0 } };
	int32_t max = f->partition_max_bytes > 0 ? f->partition_max_bytes : in->max_bytes;

	p->offset = f->fetch_offset;
	p->max_bytes = max < BYTES_MAX ? max : BYTES_MAX;
	p->deadline_ms =
		port_now_ms() + (in->max_wait_ms < WAIT_MAX_MS ? in->max_wait_ms : WAIT_MAX_MS);
	p->remote = c->listener != WIRE_LOCAL;
	p->replica.id = -1;
	if (p->remote)
		p->replica = (struct quorum_key){ in->replica_state.replica_id >= 0
							  ? in->replica_state.replica_id
							  : in->replica_id,
						  f->replica_directory_id };
	if (!p->remote && (p->lease = agent_lease(&e->agent, c->caller)))
		agent_polled(p->lease, p->offset, port_now_ms());
	a.error = f->fetch_offset < 0 ? WIRE_INVALID_REQUEST
				      : leader_fault(e, c, f->current_leader_epoch);
	/* What a program here has applied was committed; a log that was lost will have it again. */
	if (!p->remote && e->quorum.hurt)
		return park(e, p);
	if (a.error || !on_our_log(e, f->fetch_offset, f->last_fetched_epoch, &a)) {
		send_fetch(e, p, &a);
		return 0;
	}
	replica_fetched(e, p);
	if (park(e, p) == 0)
		return 0;
	if (p->lease)
		agent_answered(p->lease, port_now_ms());
	return -1;
}

static bool is_metadata(const struct wire_request *q, const struct fetch_request_fetch_topic *t)
{
	return q->version >= 13 ? uuid_same(&t->topic_id, &uuid_metadata)
				: span_is(t->topic, "__cluster_metadata");
}

int fetch_call(struct elect *e, const struct port_call *c, const struct wire_request *q)
{
	struct arena a = { .limit = DECODE_MAX };
	struct fetch_request in;
	struct poll p = { .from = c->from,
			  .correlation_id = q->correlation_id,
			  .version = q->version };
	int r = wire_decode(&wire_fetch_request, q->version, q->body, q->body_n, &a, &in) < 0 ? -1
											      : 0;

	if (r == 0 && cluster_fault(e, in.cluster_id))
		send_fetch_error(e, c, q, WIRE_INCONSISTENT_CLUSTER_ID);
	else if (r == 0
		 && (in.topics_n != 1 || in.topics[0].partitions_n != 1
		     || in.topics[0].partitions[0].partition != 0
		     || !is_metadata(q, &in.topics[0])))
		send_fetch_error(e, c, q, WIRE_INVALID_REQUEST);
	else if (r == 0)
		r = fetch_partition(e, c, &p, &in, &in.topics[0].partitions[0]);
	arena_free(&a);
	return r;
}

/* There is something to be said: records, or to a replica that more is committed now. */
static bool is_due(struct elect *e, const struct poll *p)
{
	return p->offset < limit(e, p)
	       || (p->replica.id >= 0
		   && replica_of(e, &p->replica)->told < e->quorum.high_watermark);
}

/* What a program of this node would take for the state of things may be as old as our sleep. */
static bool is_held(const struct elect *e, const struct poll *p, int64_t now_ms)
{
	return !p->remote && now_ms < e->hold_ms && !leads(e);
}

void fetch_turn(struct elect *e, int64_t now_ms)
{
	int kept = 0;

	for (int i = 0; i < e->polls_n; i++) {
		struct poll p = e->polls[i];
		struct answer a = { .snapshot = { -1, -1 },
				    .diverging_epoch = -1,
				    .diverging_end = -1,
				    .records = { "", 0 } };

		if ((now_ms < p.deadline_ms && !is_due(e, &p)) || is_held(e, &p, now_ms))
			e->polls[kept++] = p;
		else if (p.offset < limit(e, &p))
			answer_records(e, &p, &a);
		else
			send_fetch(e, &p, &a);
	}
	e->polls_n = kept;
}

void fetch_refuse(struct elect *e)
{
	int kept = 0;

	for (int i = 0; i < e->polls_n; i++) {
		struct poll p = e->polls[i];
		struct answer a = { .error = WIRE_NOT_LEADER_OR_FOLLOWER,
				    .snapshot = { -1, -1 },
				    .diverging_epoch = -1,
				    .diverging_end = -1,
				    .records = { "", 0 } };

		if (p.remote)
			send_fetch(e, &p, &a);
		else
			e->polls[kept++] = p;
	}
	e->polls_n = kept;
}

static bool same_call(struct port_from a, struct port_from b)
{
	return a.place == b.place && a.generation == b.generation && a.tag == b.tag;
}

void fetch_forget(struct elect *e, struct port_from from)
{
	for (int i = 0; i < e->polls_n; i++)
		if (same_call(e->polls[i].from, from)) {
			if (e->polls[i].lease)
				agent_answered(e->polls[i].lease, port_now_ms());
			e->polls[i] = e->polls[--e->polls_n];
			return;
		}
}

int64_t fetch_wake(const struct elect *e)
{
	int64_t at = INT64_MAX;

	for (int i = 0; i < e->polls_n; i++) {
		const struct poll *p = &e->polls[i];
		int64_t due = p->deadline_ms;

		if (due < e->hold_ms && is_held(e, p, due))
			due = e->hold_ms;
		if (due < at)
			at = due;
	}
	return at;
}

/* --- snapshots --- */

static int16_t read_part(struct elect *e, const struct port_call *c,
			 const struct fetch_snapshot_request *in,
			 const struct fetch_snapshot_request_partition_snapshot *f, struct buf *b,
			 int64_t *size)
{
	struct snapshot_id id = { f->snapshot_id.end_offset, f->snapshot_id.epoch };
	struct quorum_event ev = { .type = QUORUM_FETCH,
				   .from = { in->replica_id, f->replica_directory_id },
				   .epoch = e->quorum.epoch,
				   .end = -1,
				   .now_ms = port_now_ms() };
	int16_t error = leader_fault(e, c, f->current_leader_epoch);

	if (error)
		return error;
	if (c->listener != WIRE_LOCAL && in->replica_id >= 0)
		elect_quorum(e, &ev, NULL);
	if (id.offset == 0 || !store_snapshot_has(&e->store, id))
		return WIRE_SNAPSHOT_NOT_FOUND;
	if (f->position < 0 || in->max_bytes < 0)
		return WIRE_POSITION_OUT_OF_RANGE;
	if (store_snapshot_read(&e->store, id, f->position,
				(size_t)(in->max_bytes < BYTES_MAX ? in->max_bytes : BYTES_MAX), b,
				size)
	    < 0)
		return WIRE_UNKNOWN_SERVER_ERROR;
	return f->position >= *size ? WIRE_POSITION_OUT_OF_RANGE : 0;
}

static int send_snapshot(struct elect *e, const struct port_call *c, const struct wire_request *q,
			 const struct fetch_snapshot_request *in)
{
	const struct fetch_snapshot_request_partition_snapshot *f = &in->topics[0].partitions[0];
	struct fetch_snapshot_response r;
	struct fetch_snapshot_response_topic_snapshot t;
	struct fetch_snapshot_response_partition_snapshot p;
	struct fetch_snapshot_response_node_endpoint node;
	struct voters_place at;
	struct buf part = { 0 }, b = { 0 };
	int n;

	wire_init(&wire_fetch_snapshot_response, &r);
	wire_init(&wire_fetch_snapshot_response_topic_snapshot, &t);
	wire_init(&wire_fetch_snapshot_response_partition_snapshot, &p);
	wire_init(&wire_fetch_snapshot_response_node_endpoint, &node);
	if (q->version >= 1 && c->listener != WIRE_LOCAL && voters_leader(e, &at)) {
		node.node_id = at.id;
		node.host = span_of(at.host);
		node.port = at.port;
		r.node_endpoints = &node;
		r.node_endpoints_n = 1;
	}
	r.topics = &t;
	r.topics_n = 1;
	t.name = in->topics[0].name;
	t.partitions = &p;
	t.partitions_n = 1;
	p.snapshot_id.end_offset = f->snapshot_id.end_offset;
	p.snapshot_id.epoch = f->snapshot_id.epoch;
	p.current_leader.leader_id = e->quorum.leader;
	p.current_leader.leader_epoch = e->quorum.epoch;
	p.position = f->position;
	p.error_code = read_part(e, c, in, f, &part, &p.size);
	p.unaligned_records = (struct span){ part.n ? (const char *)part.p : "",
					     p.error_code ? 0 : (int32_t)part.n };
	n = wire_response_header(&b, SNAPSHOT, q->version, q->correlation_id) < 0
			    || wire_encode(&wire_fetch_snapshot_response, q->version, &r, &b, NULL)
				       < 0
		    ? -1
		    : 0;
	if (n == 0)
		port_answer_bytes(e->loop, c->from, b.p, b.n);
	buf_free(&part);
	buf_free(&b);
	return n;
}

int fetch_snapshot_call(struct elect *e, const struct port_call *c, const struct wire_request *q)
{
	struct arena a = { .limit = DECODE_MAX };
	struct fetch_snapshot_request in;
	struct fetch_snapshot_response out;
	struct buf b = { 0 };
	struct lease *l = c->listener == WIRE_LOCAL ? agent_lease(&e->agent, c->caller) : NULL;
	int r = wire_decode(&wire_fetch_snapshot_request, q->version, q->body, q->body_n, &a, &in)
				< 0
			? -1
			: 0;

	if (l)
		l->heard_ms = port_now_ms();
	wire_init(&wire_fetch_snapshot_response, &out);
	if (r == 0 && cluster_fault(e, in.cluster_id))
		out.error_code = WIRE_INCONSISTENT_CLUSTER_ID;
	else if (r == 0
		 && (in.topics_n != 1 || in.topics[0].partitions_n != 1
		     || !span_is(in.topics[0].name, "__cluster_metadata")))
		out.error_code = WIRE_INVALID_REQUEST;
	if (r == 0 && !out.error_code)
		r = send_snapshot(e, c, q, &in);
	else if (r == 0 && wire_response_header(&b, SNAPSHOT, q->version, q->correlation_id) == 0
		 && wire_encode(&wire_fetch_snapshot_response, q->version, &out, &b, NULL) == 0)
		port_answer_bytes(e->loop, c->from, b.p, b.n);
	else
		r = -1;
	arena_free(&a);
	buf_free(&b);
	return r;
}
