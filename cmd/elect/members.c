/* Changes of the voters (AddVoterHandler, RemoveVoterHandler, UpdateVoterHandler): one at a time,
 * each a VotersRecord that counts from the moment on at which it is written. */
#include "members.h"

#include <stdlib.h>
#include <string.h>

#include <skalibs/strerr.h>

#include "hurt.h"
#include "others.h"
#include "voters.h"
#include "wire/codes.h"

enum { ADD = 80, REMOVE = 81, UPDATE = 82, DECODE_MOST = 1 << 20, WAIT_MS = 30000 };
enum { SEEN_MS = 5000, AGAIN_MS = 1000 };

struct change {
	struct elect *e;
	struct arena mem;
	struct voters_record r;
	int16_t error;
	const char *words;
	bool unacknowledged; /* who asked waits for no commit */
};

static int16_t fail(struct change *c, int error, const char *words)
{
	c->words = words;
	return c->error = (int16_t)error;
}

/* Is the leader in a state to change them? c->r: as they are. */
static int16_t begin(struct change *c, struct span cluster_id)
{
	struct elect *e = c->e;

	c->mem.limit = DECODE_MOST;
	if (cluster_fault(e, cluster_id))
		return fail(c, WIRE_INCONSISTENT_CLUSTER_ID, "This is another cluster.");
	if (!leads(e))
		return fail(c, WIRE_NOT_LEADER_OR_FOLLOWER, NULL);
	if (e->voters.n == 0)
		return fail(c, WIRE_UNSUPPORTED_VERSION,
			    "The voters of a cluster with kraft.version 0 cannot be changed.");
	if (e->quorum.high_watermark <= e->quorum.epoch_start
	    || e->quorum.high_watermark <= e->voters_offset)
		return fail(c, WIRE_REQUEST_TIMED_OUT,
			    "The last change of the voters is not committed yet.");
	voters_read(&e->voters, &c->mem, &c->r);
	return 0;
}

static struct voters_record_voter *voter_of(const struct change *c, int32_t id,
					    const struct uuid *directory)
{
	for (int32_t i = 0; i < c->r.voters_n; i++)
		if (c->r.voters[i].voter_id == id
		    && (!directory || uuid_same(&c->r.voters[i].voter_directory_id, directory)))
			return &c->r.voters[i];
	return NULL;
}

/* Into the log, and in force. */
static int16_t append(struct change *c)
{
	struct elect *e = c->e;
	struct buf b = { 0 }, voters = { 0 };

	voters_write(&c->r, &voters);
	if (buf_add32(&b, (uint32_t)voters.n + 2) < 0 || buf_add16(&b, META_KRAFT_VOTERS) < 0
	    || buf_add(&b, voters.p, voters.n) < 0)
		strerr_diefu1sys(111, "make a control record");
	if (elect_append_control(e, &b) < 0)
		fail(c, WIRE_KAFKA_STORAGE_ERROR, NULL);
	buf_free(&b);
	buf_free(&voters);
	if (!c->error)
		voters_look(e);
	return c->error;
}

/* --- add --- */

/* An observer that has all that is committed, and asked lately: with it a majority is found at
 * once. */
static bool caught_up(const struct elect *e, int32_t id, const struct uuid *directory)
{
	for (int i = 0; i < e->replicas_n; i++) {
		const struct replica *r = &e->replicas[i];

		if (r->key.id == id && uuid_same(&r->key.directory, directory))
			return port_now_ms() - r->fetched_ms < SEEN_MS
			       && r->end >= e->quorum.high_watermark;
	}
	return false;
}

static void copy_endpoints(struct change *c, struct voters_record_voter *v,
			   const struct add_raft_voter_request *in)
{
	v->endpoints = arena_get(&c->mem, ((size_t)in->listeners_n + 1) * sizeof *v->endpoints);
	if (!v->endpoints)
		strerr_diefu1sys(111, "make a voters record");
	v->endpoints_n = in->listeners_n;
	for (int32_t i = 0; i < in->listeners_n; i++) {
		wire_init(&wire_voters_record_endpoint, &v->endpoints[i]);
		v->endpoints[i].name = in->listeners[i].name;
		v->endpoints[i].host = in->listeners[i].host;
		v->endpoints[i].port = in->listeners[i].port;
	}
}

static int16_t add(struct change *c, const struct add_raft_voter_request *in)
{
	struct voters_record_voter *v;
	int32_t n;

	if (begin(c, in->cluster_id))
		return c->error;
	n = c->r.voters_n;
	if (in->voter_id < 0 || uuid_is_zero(&in->voter_directory_id) || in->listeners_n > 64)
		return fail(c, WIRE_INVALID_REQUEST, "Which voter, and in which directory?");
	if (voter_of(c, in->voter_id, NULL))
		return fail(c, WIRE_DUPLICATE_VOTER, "A voter has this id.");
	if (n >= QUORUM_VOTERS_MAX)
		return fail(c, WIRE_INVALID_REQUEST, "There are too many voters.");
	v = arena_get(&c->mem, ((size_t)n + 1) * sizeof *v);
	if (!v)
		strerr_diefu1sys(111, "make a voters record");
	memcpy(v, c->r.voters, (size_t)n * sizeof *v);
	wire_init(&wire_voters_record_voter, &v[n]);
	v[n].voter_id = in->voter_id;
	v[n].voter_directory_id = in->voter_directory_id;
	v[n].kraft_version_feature.max_supported_version = 1;
	copy_endpoints(c, &v[n], in);
	if (!voters_endpoint(c->e, &v[n]))
		return fail(c, WIRE_INVALID_REQUEST,
			    "No listener of controllers is among those of the new voter.");
	if (!caught_up(c->e, in->voter_id, &in->voter_directory_id))
		return fail(c, WIRE_REQUEST_TIMED_OUT,
			    "The new voter is not there, or has not fetched all yet.");
	c->r.voters = v;
	c->r.voters_n = n + 1;
	c->unacknowledged = !in->ack_when_committed;
	return append(c);
}

/* --- remove --- */

static int16_t take_away(struct change *c, const struct remove_raft_voter_request *in)
{
	struct voters_record_voter *v;

	if (begin(c, in->cluster_id))
		return c->error;
	if (in->voter_id < 0 || uuid_is_zero(&in->voter_directory_id))
		return fail(c, WIRE_INVALID_REQUEST, "Which voter, and in which directory?");
	v = voter_of(c, in->voter_id, &in->voter_directory_id);
	if (!v || c->r.voters_n == 1)
		return fail(c, WIRE_VOTER_NOT_FOUND,
			    v ? "The last voter cannot be removed." : "There is no such voter.");
	*v = c->r.voters[--c->r.voters_n];
	return append(c);
}

/* --- update --- */

static int16_t update(struct change *c, const struct update_raft_voter_request *in)
{
	struct elect *e = c->e;
	struct voters_record_voter *v;
	/* The listeners of both requests are alike. */
	struct add_raft_voter_request where = { .listeners = (void *)in->listeners,
						.listeners_n = in->listeners_n };

	if (begin(c, in->cluster_id))
		return c->error;
	if (in->current_leader_epoch != e->quorum.epoch)
		return fail(c, in->current_leader_epoch < e->quorum.epoch
				       ? WIRE_FENCED_LEADER_EPOCH
				       : WIRE_UNKNOWN_LEADER_EPOCH,
			    NULL);
	v = voter_of(c, in->voter_id, &in->voter_directory_id);
	if (!v)
		return fail(c, WIRE_VOTER_NOT_FOUND, NULL);
	if (in->kraft_version_feature.min_supported_version > 1
	    || in->kraft_version_feature.max_supported_version < 1 || in->listeners_n > 64)
		return fail(c, WIRE_INVALID_REQUEST, NULL);
	copy_endpoints(c, v, &where);
	v->kraft_version_feature.min_supported_version =
		in->kraft_version_feature.min_supported_version;
	v->kraft_version_feature.max_supported_version =
		in->kraft_version_feature.max_supported_version;
	if (!voters_endpoint(e, v))
		return fail(c, WIRE_INVALID_REQUEST, NULL);
	c->unacknowledged = true;
	return append(c);
}

/* --- calls --- */

static int put_update(struct elect *e, int version, int16_t error, struct buf *b)
{
	struct update_raft_voter_response out;
	struct voters_place at;

	wire_init(&wire_update_raft_voter_response, &out);
	out.error_code = error;
	if (voters_leader(e, &at)) {
		out.current_leader.leader_id = at.id;
		out.current_leader.leader_epoch = e->quorum.epoch;
		out.current_leader.host = span_of(at.host);
		out.current_leader.port = at.port;
	}
	return wire_encode(&wire_update_raft_voter_response, version, &out, b, NULL);
}

/* Those to Add and Remove are alike. */
static int put_answer(int version, const struct change *c, struct buf *b)
{
	struct add_raft_voter_response out;

	wire_init(&wire_add_raft_voter_response, &out);
	out.error_code = c->error;
	out.error_message = c->words ? span_of(c->words) : SPAN_NULL;
	return wire_encode(&wire_add_raft_voter_response, version, &out, b, NULL);
}

static int work(struct change *c, const struct wire_request *q, struct arena *a, struct buf *b)
{
	union {
		struct add_raft_voter_request add;
		struct remove_raft_voter_request remove;
		struct update_raft_voter_request update;
	} in;

	if (wire_response_header(b, q->key, q->version, q->correlation_id) < 0
	    || wire_decode(q->api->request, q->version, q->body, q->body_n, a, &in) < 0)
		return -1;
	if (q->key == UPDATE) {
		update(c, &in.update);
		return put_update(c->e, q->version, c->error, b);
	}
	if (q->key == ADD)
		add(c, &in.add);
	else
		take_away(c, &in.remove);
	return put_answer(q->version, c, b);
}

bool members_have(int key)
{
	return key >= ADD && key <= UPDATE;
}

int members_call(struct elect *e, const struct port_call *c, const struct wire_request *q)
{
	struct change change = { .e = e };
	struct arena a = { .limit = DECODE_MOST };
	struct buf b = { 0 };
	int r = work(&change, q, &a, &b);

	if (r == 0 && !change.error && !change.unacknowledged)
		elect_wait(e, c, q, &b, port_now_ms() + WAIT_MS);
	else if (r == 0)
		elect_send(e, c->from, b.p, b.n);
	arena_free(&change.mem);
	arena_free(&a);
	buf_free(&b);
	return r;
}

/* --- of its own accord --- */

static void on_answer(void *arg, const struct port_reply *reply)
{
	/* The log says what became of it. */
}

static void remove_old(struct elect *e, const char *leader, const struct voters_record_voter *v)
{
	struct remove_raft_voter_request r;

	wire_init(&wire_remove_raft_voter_request, &r);
	r.cluster_id = span_of(e->settings.node.cluster_id);
	r.voter_id = v->voter_id;
	r.voter_directory_id = v->voter_directory_id;
	e->rejoins = true;
	others_ask(e, leader, REMOVE, 0, &wire_remove_raft_voter_request, &r, AGAIN_MS, on_answer,
		   e);
}

static void add_self(struct elect *e, const char *leader)
{
	struct add_raft_voter_request r;
	struct add_raft_voter_request_listener l[ENDPOINTS_MAX];

	wire_init(&wire_add_raft_voter_request, &r);
	r.cluster_id = span_of(e->settings.node.cluster_id);
	r.timeout_ms = AGAIN_MS;
	r.voter_id = e->quorum.self.id;
	r.voter_directory_id = e->quorum.self.directory;
	r.ack_when_committed = false;
	r.listeners = l;
	r.listeners_n = e->settings.controller_n;
	for (int i = 0; i < r.listeners_n; i++) {
		wire_init(&wire_add_raft_voter_request_listener, &l[i]);
		l[i].name = span_of(e->settings.controller[i].name);
		l[i].host = span_of(e->settings.controller[i].host);
		l[i].port = e->settings.controller[i].port;
	}
	others_ask(e, leader, ADD, 1, &wire_add_raft_voter_request, &r, AGAIN_MS, on_answer, e);
}

static void update_self(struct elect *e, const char *leader)
{
	struct update_raft_voter_request r;
	struct update_raft_voter_request_listener l[ENDPOINTS_MAX];

	wire_init(&wire_update_raft_voter_request, &r);
	r.cluster_id = span_of(e->settings.node.cluster_id);
	r.current_leader_epoch = e->quorum.epoch;
	r.voter_id = e->quorum.self.id;
	r.voter_directory_id = e->quorum.self.directory;
	r.kraft_version_feature.max_supported_version = 1;
	r.listeners = l;
	r.listeners_n = e->settings.controller_n;
	for (int i = 0; i < r.listeners_n; i++) {
		wire_init(&wire_update_raft_voter_request_listener, &l[i]);
		l[i].name = span_of(e->settings.controller[i].name);
		l[i].host = span_of(e->settings.controller[i].host);
		l[i].port = e->settings.controller[i].port;
	}
	others_ask(e, leader, UPDATE, 0, &wire_update_raft_voter_request, &r, AGAIN_MS, on_answer,
		   e);
}

/* One step towards what the voters should say of this node. */
static void step(struct elect *e, const char *leader)
{
	struct change c = { .e = e };
	struct buf now = { 0 };
	const struct voters_record_voter *v;

	voters_read(&e->voters, &c.mem, &c.r);
	v = voter_of(&c, e->quorum.self.id, NULL);
	if (v && !uuid_same(&v->voter_directory_id, &e->quorum.self.directory)) {
		remove_old(e, leader, v);
	} else if (!v && e->rejoins) {
		add_self(e, leader);
	} else if (v) {
		e->rejoins = false;
		voters_with_self(e, &now);
		if (now.n != e->voters.n || memcmp(now.p, e->voters.p, now.n) != 0)
			update_self(e, leader);
	}
	buf_free(&now);
	arena_free(&c.mem);
}

int64_t members_turn(struct elect *e, int64_t now_ms)
{
	char leader[VOTER_ADDRESS];

	hurt_turn(e);
	if (e->quorum.role != QUORUM_FOLLOWER || e->settings.controller_n == 0 || e->voters.n == 0
	    || e->quorum.high_watermark < 0)
		return INT64_MAX;
	if (now_ms < e->members_ms)
		return e->members_ms;
	e->members_ms = now_ms + AGAIN_MS;
	if (voters_address(e, e->quorum.leader, leader))
		step(e, leader);
	return e->members_ms;
}
