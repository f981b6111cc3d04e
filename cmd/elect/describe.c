/* DescribeQuorum: who leads, who votes, who follows how far. */
#include <stdlib.h>
#include <string.h>

#include "elect.h"
#include "voters.h"
#include "wire/codes.h"

enum { DESCRIBE = 55, DECODE_MAX = 1 << 20, OBSERVER_MS = 300000 };

/* A time of the monotonic clock as clients know time; -1 never. */
static int64_t as_wall(int64_t at_ms)
{
	return at_ms > 0 ? wall_ms() - (port_now_ms() - at_ms) : -1;
}

static void fill_voters(struct elect *e, int version,
			struct describe_quorum_response_replica_state *v)
{
	for (int i = 0; i < e->quorum.voters_n; i++) {
		const struct quorum_voter *from = &e->quorum.voters[i];
		bool self = from->key.id == e->quorum.self.id;

		wire_init(&wire_describe_quorum_response_replica_state, &v[i]);
		v[i].replica_id = from->key.id;
		if (version >= 2)
			v[i].replica_directory_id = from->key.directory;
		v[i].log_end_offset = from->end;
		v[i].last_fetch_timestamp = self ? wall_ms() : as_wall(from->fetched_ms);
		v[i].last_caught_up_timestamp = v[i].last_fetch_timestamp;
	}
}

static int32_t fill_self(struct elect *e, struct arena *a, struct describe_quorum_response_node *v)
{
	struct describe_quorum_response_listener *l = arena_get(a, ENDPOINTS_MAX * sizeof *l);

	if (!l)
		return 0;
	wire_init(&wire_describe_quorum_response_node, v);
	v->node_id = e->quorum.self.id;
	v->listeners = l;
	v->listeners_n = e->settings.controller_n;
	for (int i = 0; i < e->settings.controller_n; i++) {
		wire_init(&wire_describe_quorum_response_listener, &l[i]);
		l[i].name = span_of(e->settings.controller[i].name);
		l[i].host = span_of(e->settings.controller[i].host);
		l[i].port = e->settings.controller[i].port;
	}
	return 1;
}

/* Who fetches and has no vote; not who has been silent for long (LeaderState.observerStates). */
static int32_t fill_observers(struct elect *e, int version,
			      struct describe_quorum_response_replica_state *v)
{
	int64_t since = port_now_ms() - OBSERVER_MS;
	int32_t n = 0;

	for (int i = 0; i < e->replicas_n; i++) {
		const struct replica *r = &e->replicas[i];

		if (r->fetched_ms < since || quorum_voter(&e->quorum, r->key))
			continue;
		wire_init(&wire_describe_quorum_response_replica_state, &v[n]);
		v[n].replica_id = r->key.id;
		if (version >= 2)
			v[n].replica_directory_id = r->key.directory;
		v[n].log_end_offset = r->end;
		v[n].last_fetch_timestamp = as_wall(r->fetched_ms);
		v[n].last_caught_up_timestamp =
			r->end >= e->quorum.high_watermark ? v[n].last_fetch_timestamp : -1;
		n++;
	}
	return n;
}

/* The voters' addresses: of the log, or with kraft.version 0 this node's. */
static int32_t fill_nodes(struct elect *e, struct arena *a, struct describe_quorum_response_node *v)
{
	struct voters_record r;

	voters_read(&e->voters, a, &r);
	if (e->voters.n == 0)
		return fill_self(e, a, v);
	for (int32_t i = 0; i < r.voters_n; i++) {
		const struct voters_record_voter *from = &r.voters[i];
		struct describe_quorum_response_listener *l =
			arena_get(a, ((size_t)from->endpoints_n + 1) * sizeof *l);

		if (!l)
			return 0;
		wire_init(&wire_describe_quorum_response_node, &v[i]);
		v[i].node_id = from->voter_id;
		v[i].listeners = l;
		v[i].listeners_n = from->endpoints_n;
		for (int32_t k = 0; k < from->endpoints_n; k++) {
			wire_init(&wire_describe_quorum_response_listener, &l[k]);
			l[k].name = from->endpoints[k].name;
			l[k].host = from->endpoints[k].host;
			l[k].port = from->endpoints[k].port;
		}
	}
	return r.voters_n;
}

static void fill(struct elect *e, int version, const struct describe_quorum_request *in,
		 struct arena *a, struct describe_quorum_response *out)
{
	struct describe_quorum_response_topic_data *t = arena_get(a, sizeof *t);
	struct describe_quorum_response_partition_data *p = arena_get(a, sizeof *p);
	struct describe_quorum_response_node *nodes =
		arena_get(a, QUORUM_VOTERS_MAX * sizeof *nodes);
	struct describe_quorum_response_replica_state
		*voters = arena_get(a, QUORUM_VOTERS_MAX * sizeof *voters),
		*observers = arena_get(a, REPLICAS_MAX * sizeof *observers);

	if (!t || !p || !nodes || !voters || !observers) {
		out->error_code = WIRE_UNKNOWN_SERVER_ERROR;
		return;
	}
	if (in->topics_n != 1 || in->topics[0].partitions_n != 1
	    || !span_is(in->topics[0].topic_name, "__cluster_metadata")
	    || in->topics[0].partitions[0].partition_index != 0) {
		out->error_code = WIRE_INVALID_REQUEST;
		return;
	}
	wire_init(&wire_describe_quorum_response_topic_data, t);
	wire_init(&wire_describe_quorum_response_partition_data, p);
	out->topics = t;
	out->topics_n = 1;
	t->topic_name = in->topics[0].topic_name;
	t->partitions = p;
	t->partitions_n = 1;
	if (!leads(e)) {
		p->error_code = WIRE_NOT_LEADER_OR_FOLLOWER;
		return;
	}
	p->leader_id = e->quorum.leader;
	p->leader_epoch = e->quorum.epoch;
	p->high_watermark = e->quorum.high_watermark;
	p->current_voters = voters;
	p->current_voters_n = e->quorum.voters_n;
	fill_voters(e, version, voters);
	p->observers = observers;
	p->observers_n = fill_observers(e, version, observers);
	out->nodes = nodes;
	out->nodes_n = fill_nodes(e, a, nodes);
}

int describe_quorum_call(struct elect *e, const struct port_call *c, const struct wire_request *q)
{
	struct arena a = { .limit = DECODE_MAX };
	struct describe_quorum_request in;
	struct describe_quorum_response out;
	struct buf b = { 0 };
	int r = wire_decode(&wire_describe_quorum_request, q->version, q->body, q->body_n, &a, &in)
				< 0
			? -1
			: 0;

	wire_init(&wire_describe_quorum_response, &out);
	if (r == 0) {
		fill(e, q->version, &in, &a, &out);
		if (q->version < 2)
			out.nodes_n = 0;
		r = wire_response_header(&b, DESCRIBE, q->version, q->correlation_id);
	}
	if (r == 0)
		r = wire_encode(&wire_describe_quorum_response, q->version, &out, &b, NULL);
	if (r == 0)
		elect_send(e, c->from, b.p, b.n);
	arena_free(&a);
	buf_free(&b);
	return r;
}
