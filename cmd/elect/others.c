/* What voters say to each other: Vote, BeginQuorumEpoch, EndQuorumEpoch, both ways. The answers to
 * the last two are alike, field for field. */
#include "others.h"

#include <stdlib.h>
#include <string.h>

#include "voters.h"
#include "wire/codes.h"

enum { VOTE = 52, BEGIN = 53, END = 54, VOTE_VERSION = 2, BEGIN_VERSION = 1 };
enum { DECODE_MOST = 1 << 20 };
#define TOPIC "__cluster_metadata"

/* --- asking --- */

int others_ask(struct elect *e, const char *address, int key, int version,
	       const struct wire_type *type, const void *request, int64_t wait_ms,
	       void (*reply)(void *arg, const struct port_reply *r), void *arg)
{
	struct buf b = { 0 };
	int r = -1;

	if (wire_request_header(&b, key, version, 0, span_of("elect")) == 0
	    && wire_encode(type, version, request, &b, NULL) == 0)
		r = port_ask(e->dial, WIRE_CONTROLLER, span_of(""), span_of(address), b.p, b.n,
			     port_now_ms() + wait_ms, reply, arg);
	buf_free(&b);
	return r;
}

int others_answer(const struct port_reply *reply, int key, int version, struct arena *a, void *out)
{
	int32_t id;
	int at;

	if (reply->failed || reply->kind != PORT_BYTES)
		return -1;
	at = wire_response_parse(key, version, reply->bytes.p, (size_t)reply->bytes.n, &id);
	if (at < 0)
		return -1;
	return wire_decode(wire_api(key)->response, version, reply->bytes.p + at,
			   (size_t)(reply->bytes.n - at), a, out)
			       < 0
		       ? -1
		       : 0;
}

struct asked {
	struct elect *e;
	int32_t id; /* whom */
	int key, version;
	bool pre;
};

static int read_vote(const struct asked *a, const struct port_reply *reply, struct arena *mem,
		     struct quorum_event *ev)
{
	struct vote_response r;
	const struct vote_response_partition_data *p;

	if (others_answer(reply, a->key, a->version, mem, &r) < 0 || r.topics_n != 1
	    || r.topics[0].partitions_n != 1)
		return -1;
	p = r.topics[0].partitions;
	*ev = (struct quorum_event){ .type = QUORUM_VOTED, .error = p->error_code,
				     .epoch = p->leader_epoch, .leader = p->leader_id,
				     .granted = p->vote_granted, .pre = a->pre };
	if (r.node_endpoints_n == 1 && r.node_endpoints[0].node_id == p->leader_id)
		voters_learn(a->e, p->leader_id, r.node_endpoints[0].host,
			     r.node_endpoints[0].port);
	return 0;
}

static int read_other(const struct asked *a, const struct port_reply *reply, struct arena *mem,
		      struct quorum_event *ev)
{
	struct begin_quorum_epoch_response r;
	const struct begin_quorum_epoch_response_partition_data *p;

	if (others_answer(reply, a->key, a->version, mem, &r) < 0 || r.topics_n != 1
	    || r.topics[0].partitions_n != 1)
		return -1;
	p = r.topics[0].partitions;
	*ev = (struct quorum_event){ .type = a->key == BEGIN ? QUORUM_BEGUN : QUORUM_ENDED,
				     .error = p->error_code, .epoch = p->leader_epoch,
				     .leader = p->leader_id };
	return 0;
}

static void on_answer(void *arg, const struct port_reply *reply)
{
	struct asked *a = arg;
	struct arena mem = { .limit = DECODE_MOST };
	struct quorum_event ev = { .type = QUORUM_LOST };
	int r = a->key == VOTE ? read_vote(a, reply, &mem, &ev) : read_other(a, reply, &mem, &ev);

	ev.now_ms = port_now_ms();
	ev.from.id = a->id;
	ev.to.id = -1;
	if (r == 0)
		elect_quorum(a->e, &ev, NULL);
	arena_free(&mem);
	free(a);
}

static void make_vote(struct elect *e, const struct quorum_message *m, struct vote_request *r,
		      struct vote_request_topic_data *t, struct vote_request_partition_data *p)
{
	wire_init(&wire_vote_request, r);
	wire_init(&wire_vote_request_topic_data, t);
	wire_init(&wire_vote_request_partition_data, p);
	r->cluster_id = span_of(e->settings.node.cluster_id);
	r->voter_id = m->to.id;
	r->topics = t;
	r->topics_n = 1;
	t->topic_name = span_of(TOPIC);
	t->partitions = p;
	t->partitions_n = 1;
	p->replica_epoch = e->quorum.epoch;
	p->replica_id = e->quorum.self.id;
	p->replica_directory_id = e->quorum.self.directory;
	p->voter_directory_id = m->to.directory;
	p->last_offset_epoch = e->quorum.log_epoch;
	p->last_offset = e->quorum.log_end;
	p->pre_vote = e->quorum.role == QUORUM_PROSPECTIVE;
}

static int ask_vote(struct elect *e, const struct quorum_message *m, const char *address,
		    struct asked *a)
{
	struct vote_request r;
	struct vote_request_topic_data t;
	struct vote_request_partition_data p;

	make_vote(e, m, &r, &t, &p);
	a->pre = p.pre_vote;
	return others_ask(e, address, VOTE, a->version, &wire_vote_request, &r,
			  e->quorum.timeouts.election_ms, on_answer, a);
}

static int tell_begin(struct elect *e, const struct quorum_message *m, const char *address,
		      struct asked *a)
{
	struct begin_quorum_epoch_request r;
	struct begin_quorum_epoch_request_topic_data t;
	struct begin_quorum_epoch_request_partition_data p;
	struct begin_quorum_epoch_request_leader_endpoint ends[ENDPOINTS_MAX];

	wire_init(&wire_begin_quorum_epoch_request, &r);
	wire_init(&wire_begin_quorum_epoch_request_topic_data, &t);
	wire_init(&wire_begin_quorum_epoch_request_partition_data, &p);
	r.cluster_id = span_of(e->settings.node.cluster_id);
	r.voter_id = m->to.id;
	r.topics = &t;
	r.topics_n = 1;
	r.leader_endpoints = ends;
	r.leader_endpoints_n = e->settings.controller_n;
	for (int i = 0; i < e->settings.controller_n; i++) {
		wire_init(&wire_begin_quorum_epoch_request_leader_endpoint, &ends[i]);
		ends[i].name = span_of(e->settings.controller[i].name);
		ends[i].host = span_of(e->settings.controller[i].host);
		ends[i].port = e->settings.controller[i].port;
	}
	t.topic_name = span_of(TOPIC);
	t.partitions = &p;
	t.partitions_n = 1;
	p.voter_directory_id = m->to.directory;
	p.leader_id = e->quorum.self.id;
	p.leader_epoch = e->quorum.epoch;
	return others_ask(e, address, BEGIN, a->version, &wire_begin_quorum_epoch_request, &r,
			  e->quorum.timeouts.election_ms, on_answer, a);
}

static int tell_end(struct elect *e, const char *address, struct asked *a)
{
	struct end_quorum_epoch_request r;
	struct end_quorum_epoch_request_topic_data t;
	struct end_quorum_epoch_request_partition_data p;
	struct end_quorum_epoch_request_replica_info next[QUORUM_VOTERS_MAX];
	struct quorum_key keys[QUORUM_VOTERS_MAX];

	wire_init(&wire_end_quorum_epoch_request, &r);
	wire_init(&wire_end_quorum_epoch_request_topic_data, &t);
	wire_init(&wire_end_quorum_epoch_request_partition_data, &p);
	r.cluster_id = span_of(e->settings.node.cluster_id);
	r.topics = &t;
	r.topics_n = 1;
	t.topic_name = span_of(TOPIC);
	t.partitions = &p;
	t.partitions_n = 1;
	p.leader_id = e->quorum.self.id;
	p.leader_epoch = e->quorum.epoch;
	p.preferred_candidates = next;
	p.preferred_candidates_n = quorum_successors(&e->quorum, keys);
	for (int i = 0; i < p.preferred_candidates_n; i++) {
		wire_init(&wire_end_quorum_epoch_request_replica_info, &next[i]);
		next[i].candidate_id = keys[i].id;
		next[i].candidate_directory_id = keys[i].directory;
	}
	return others_ask(e, address, END, a->version, &wire_end_quorum_epoch_request, &r,
			  e->quorum.timeouts.election_ms, on_answer, a);
}

static void tell(struct elect *e, const struct quorum_message *m)
{
	struct asked *a = malloc(sizeof *a);
	char address[VOTER_ADDRESS];
	int r = -1;

	if (!a || !voters_address(e, m->to.id, address)) {
		free(a);
		return;
	}
	*a = (struct asked){ e, m->to.id, VOTE, VOTE_VERSION, false };
	if (m->type == QUORUM_VOTE) {
		r = ask_vote(e, m, address, a);
	} else {
		a->key = m->type == QUORUM_BEGIN ? BEGIN : END;
		a->version = BEGIN_VERSION;
		r = a->key == BEGIN ? tell_begin(e, m, address, a) : tell_end(e, address, a);
	}
	if (r < 0)
		free(a);
}

void others_tell(struct elect *e, const struct quorum_todo *todo)
{
	for (int i = 0; i < todo->messages_n; i++)
		tell(e, &todo->messages[i]);
}

/* --- being asked --- */

int16_t cluster_fault(const struct elect *e, struct span id)
{
	return id.n >= 0 && !span_is(id, e->settings.node.cluster_id) ? WIRE_INCONSISTENT_CLUSTER_ID
								      : 0;
}

/* What any of these requests must look like. */
#define REQUEST_FAULT(e, in)                                                                  \
	(cluster_fault(e, (in).cluster_id)                                                    \
		 ? cluster_fault(e, (in).cluster_id)                                          \
	 : (in).topics_n != 1 || !span_is((in).topics[0].topic_name, TOPIC)                   \
			 || (in).topics[0].partitions_n != 1                                  \
			 || (in).topics[0].partitions[0].partition_index != 0                 \
		 ? WIRE_INVALID_REQUEST                                                       \
		 : 0)

static int vote_call(struct elect *e, const struct wire_request *q, struct arena *a, struct buf *b)
{
	struct vote_request in;
	struct vote_response out;
	struct vote_response_topic_data t;
	struct vote_response_partition_data p;
	struct vote_response_node_endpoint node;
	struct quorum_event ev = { .type = QUORUM_VOTE, .now_ms = port_now_ms() };
	struct quorum_todo todo;
	struct voters_place at;

	if (wire_decode(&wire_vote_request, q->version, q->body, q->body_n, a, &in) < 0)
		return -1;
	wire_init(&wire_vote_response, &out);
	wire_init(&wire_vote_response_topic_data, &t);
	wire_init(&wire_vote_response_partition_data, &p);
	wire_init(&wire_vote_response_node_endpoint, &node);
	out.error_code = REQUEST_FAULT(e, in);
	if (out.error_code)
		return wire_encode(&wire_vote_response, q->version, &out, b, NULL);
	const struct vote_request_partition_data *f = in.topics[0].partitions;
	ev.from = (struct quorum_key){ f->replica_id, f->replica_directory_id };
	ev.to = (struct quorum_key){ in.voter_id, f->voter_directory_id };
	ev.epoch = f->replica_epoch;
	ev.end = f->last_offset;
	ev.log_epoch = f->last_offset_epoch;
	ev.pre = f->pre_vote;
	elect_quorum(e, &ev, &todo);
	out.topics = &t;
	out.topics_n = 1;
	t.topic_name = span_of(TOPIC);
	t.partitions = &p;
	t.partitions_n = 1;
	p.error_code = todo.error;
	p.leader_id = e->quorum.leader;
	p.leader_epoch = e->quorum.epoch;
	p.vote_granted = todo.granted;
	if (q->version >= 1 && voters_leader(e, &at)) {
		node.node_id = at.id;
		node.host = span_of(at.host);
		node.port = at.port;
		out.node_endpoints = &node;
		out.node_endpoints_n = 1;
	}
	return wire_encode(&wire_vote_response, q->version, &out, b, NULL);
}

/* The answer to BeginQuorumEpoch and EndQuorumEpoch: the event's, or a refusal of the whole. */
static int put_answer(struct elect *e, int version, int16_t refusal, const struct quorum_event *ev,
		      struct buf *b)
{
	struct begin_quorum_epoch_response out;
	struct begin_quorum_epoch_response_topic_data t;
	struct begin_quorum_epoch_response_partition_data p;
	struct begin_quorum_epoch_response_node_endpoint node;
	struct quorum_todo todo;
	struct voters_place at;

	wire_init(&wire_begin_quorum_epoch_response, &out);
	wire_init(&wire_begin_quorum_epoch_response_topic_data, &t);
	wire_init(&wire_begin_quorum_epoch_response_partition_data, &p);
	wire_init(&wire_begin_quorum_epoch_response_node_endpoint, &node);
	out.error_code = refusal;
	if (refusal)
		return wire_encode(&wire_begin_quorum_epoch_response, version, &out, b, NULL);
	elect_quorum(e, ev, &todo);
	out.topics = &t;
	out.topics_n = 1;
	t.topic_name = span_of(TOPIC);
	t.partitions = &p;
	t.partitions_n = 1;
	p.error_code = todo.error;
	p.leader_id = e->quorum.leader;
	p.leader_epoch = e->quorum.epoch;
	if (version >= 1 && voters_leader(e, &at)) {
		node.node_id = at.id;
		node.host = span_of(at.host);
		node.port = at.port;
		out.node_endpoints = &node;
		out.node_endpoints_n = 1;
	}
	return wire_encode(&wire_begin_quorum_epoch_response, version, &out, b, NULL);
}

static int begin_call(struct elect *e, const struct wire_request *q, struct arena *a, struct buf *b)
{
	struct begin_quorum_epoch_request in;
	struct quorum_event ev = { .type = QUORUM_BEGIN, .now_ms = port_now_ms() };
	int16_t error;

	if (wire_decode(&wire_begin_quorum_epoch_request, q->version, q->body, q->body_n, a, &in)
	    < 0)
		return -1;
	error = REQUEST_FAULT(e, in);
	if (!error) {
		const struct begin_quorum_epoch_request_partition_data *f =
			in.topics[0].partitions;

		ev.from.id = f->leader_id;
		ev.to = (struct quorum_key){ in.voter_id, f->voter_directory_id };
		ev.epoch = f->leader_epoch;
		for (int32_t i = 0; i < in.leader_endpoints_n && ev.epoch >= e->quorum.epoch; i++)
			if (span_is(in.leader_endpoints[i].name, e->settings.node.controller))
				voters_learn(e, f->leader_id, in.leader_endpoints[i].host,
					     in.leader_endpoints[i].port);
	}
	return put_answer(e, q->version, error, &ev, b);
}

static int end_call(struct elect *e, const struct wire_request *q, struct arena *a, struct buf *b)
{
	struct end_quorum_epoch_request in;
	struct quorum_event ev = { .type = QUORUM_END, .now_ms = port_now_ms(), .to.id = -1 };
	struct quorum_key keys[QUORUM_VOTERS_MAX];
	int16_t error;

	if (wire_decode(&wire_end_quorum_epoch_request, q->version, q->body, q->body_n, a, &in) < 0)
		return -1;
	error = REQUEST_FAULT(e, in);
	if (!error) {
		const struct end_quorum_epoch_request_partition_data *f = in.topics[0].partitions;
		int32_t n = q->version >= 1 ? f->preferred_candidates_n : f->preferred_successors_n;

		ev.from.id = f->leader_id;
		ev.epoch = f->leader_epoch;
		ev.keys = keys;
		for (int32_t i = 0; i < n && i < QUORUM_VOTERS_MAX; i++) {
			keys[i] = (struct quorum_key){ .id = -1 };
			if (q->version == 0)
				keys[i].id = f->preferred_successors[i];
			else
				keys[i] = (struct quorum_key){
					f->preferred_candidates[i].candidate_id,
					f->preferred_candidates[i].candidate_directory_id
				};
			ev.keys_n++;
		}
	}
	return put_answer(e, q->version, error, &ev, b);
}

bool others_have(int key)
{
	return key >= VOTE && key <= END;
}

int others_call(struct elect *e, const struct port_call *c, const struct wire_request *q)
{
	struct arena a = { .limit = DECODE_MOST };
	struct buf b = { 0 };
	int r = wire_response_header(&b, q->key, q->version, q->correlation_id);

	if (r == 0)
		r = q->key == VOTE    ? vote_call(e, q, &a, &b)
		    : q->key == BEGIN ? begin_call(e, q, &a, &b)
				      : end_call(e, q, &a, &b);
	if (r == 0)
		port_answer_bytes(e->loop, c->from, b.p, b.n);
	arena_free(&a);
	buf_free(&b);
	return r;
}
