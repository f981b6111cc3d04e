/* logget -g: a member of a group, in the classic protocol, with the range assignor that all clients
 * have.
 *
 * One loop: fetch while nothing waits to be written, write while there is room, heartbeats and
 * commits in between. Requests to the coordinator have a connection of their own and are waited
 * for: no reading meanwhile, but they take milliseconds, and only JoinGroup and SyncGroup wait for
 * others, when there is nothing to read anyway.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <skalibs/selfpipe.h>
#include <skalibs/sig.h>
#include <skalibs/strerr.h>

#include "cli/words.h"
#include "logget.h"
#include "wire/api.h"
#include "wire/codes.h"

enum {
	OFFSET_COMMIT = 8,
	OFFSET_FETCH = 9,
	FIND_COORDINATOR = 10,
	JOIN_GROUP = 11,
	HEARTBEAT = 12,
	LEAVE_GROUP = 13,
	SYNC_GROUP = 14,
};
enum {
	SESSION_MS = 10000,
	REBALANCE_MS = 60000,
	JOIN_MS = 310000, /* others may have five minutes to join */
	HEARTBEAT_MS = 1000,
	COMMIT_MS = 1000,
	TOPICS_MS = 30000, /* the leader looks whether topics have grown */
	CALL_MS = 10000,
	AWAY_MS = 60000,   /* how long the coordinator may be away */
	END_MS = 5000,     /* for the last words */
};

typedef struct offset_commit_request_offset_commit_request_topic commit_topic;
typedef struct offset_commit_request_offset_commit_request_partition commit_partition;
typedef struct offset_fetch_request_offset_fetch_request_topics fetch_topic;

static struct net_connection *coordinator;
static struct arena mem; /* of the request that is waited for */
static char *id;	 /* "": none yet */
static int32_t generation = -1;
static bool is_leader, is_stopped, is_ending;
static bool must_join = true; /* the group rebalances */
static bool is_lost;          /* and what we have may be others' by now */
static bool is_dying; /* perhaps within a callback of another connection */
static int64_t beat_at, commit_at, look_at;
static int signals; /* the self-pipe */
static struct net_topic *looked; /* topics that the leader knows */
static int looked_n;

static void die_group(int code)
{
	struct buf words = { 0 };
	member_end();
	strerr_die(1, "logget: ", cli_kafka_words(&words, opt.group, code, SPAN_NULL));
}

/* --- requests to the coordinator ---------------------------------------------------------- */

static int find_coordinator(int64_t until)
{
	struct find_coordinator_request q;
	struct find_coordinator_response r;
	struct net_topic some = { 0 };
	struct span key = span_of(opt.group);
	wire_init(&wire_find_coordinator_request, &q);
	q.coordinator_keys = &key;
	q.coordinator_keys_n = 1;
	arena_reset(&mem);
	if (net_call(net, NET_ANY, FIND_COORDINATOR, -1, &q, &mem, &r, until) < 0)
		return -1;
	int code = r.coordinators_n == 1 ? r.coordinators[0].error_code : WIRE_UNKNOWN_SERVER_ERROR;
	if (code && !wire_error_retriable(code))
		die_group(code);
	if (code) {
		errno = EAGAIN;
		return -1;
	}
	int32_t node = r.coordinators[0].node_id;
	int result = net_node(net, node) ? 0 : net_topic_ask(net, topics[0].name, false, &some, until);
	net_topic_free(&some);
	const struct net_node *v = net_node(net, node);
	if (result < 0 || !v) {
		errno = result < 0 ? errno : EAGAIN;
		return -1;
	}
	if (!coordinator) {
		coordinator = net_connect_more(net, node, until);
		return coordinator ? 0 : -1;
	}
	net_connection_close(coordinator);
	return net_connection_open(coordinator, v->host, v->port, "odradek-logget", until);
}

static void take_signals(void)
{
	for (int c; (c = selfpipe_read()) > 0;)
		is_stopped = true;
}

static bool reach_coordinator(void)
{
	int64_t until = net_now() + (is_ending ? END_MS : AWAY_MS);
	for (int attempt = 1; !coordinator || coordinator->fd < 0; attempt++) {
		if (is_dying)
			return false;
		if (find_coordinator(until) == 0)
			return true;
		take_signals();
		if (is_stopped || is_ending)
			return false;
		if (net_now() >= until)
			die_net();
		net_pause(net, attempt, until);
	}
	return true;
}

struct call {
	void *response;
	int error; /* errno; -1: not answered yet */
};
static void on_answer(void *arg, const struct net_answer *a)
{
	struct call *c = arg;
	struct net_answer kept = *a;
	c->error = a->error;
	if (a->error)
		return;
	kept.body = arena_copy(&mem, a->body, a->n ? a->n : 1);
	c->error = !kept.body ? ENOMEM :
		   net_answer_decode(&kept, &mem, c->response) < 0 ? errno : 0;
}

/* Only the coordinator's connection is served: the others' callbacks may be what called us. A
 * signal cuts the waiting short, and the connection with it. */
static int call(int key, const void *request, void *response, int ms)
{
	struct call c = { response, -1 };
	if (!reach_coordinator()) {
		errno = EINTR;
		return -1;
	}
	if (net_connection_send(coordinator, key, -1, request, ms, on_answer, &c) < 0) {
		if (errno == EPROTONOSUPPORT)
			strerr_die(1, "logget: the coordinator does not serve consumer groups");
		return -1;
	}
	net_connection_turn(coordinator, 0);
	while (c.error == -1) {
		struct pollfd p[] = { { coordinator->fd, net_connection_events(coordinator), 0 },
				      { signals, POLLIN, 0 } };
		int64_t left_ms = net_connection_deadline(coordinator) - net_now();
		int r = poll(p, 2, left_ms < 0 ? 0 : (int)left_ms);
		if (r > 0 && p[1].revents)
			take_signals();
		if (is_stopped && !is_ending)
			net_connection_close(coordinator);
		else
			net_connection_turn(coordinator, r > 0 ? p[0].revents : 0);
	}
	errno = c.error;
	return c.error ? -1 : 0;
}

/* What an error of the coordinator means for us. Returns true when the request may be sent again
 * in a while. */
static bool take_error(int code)
{
	switch (code) {
	case WIRE_NONE: return false;
	case WIRE_REBALANCE_IN_PROGRESS: must_join = true; return false;
	case WIRE_UNKNOWN_MEMBER_ID: id[0] = 0; /* fall through */
	case WIRE_ILLEGAL_GENERATION:
		must_join = is_lost = true;
		return false;
	case WIRE_NOT_COORDINATOR:
	case WIRE_COORDINATOR_NOT_AVAILABLE: net_connection_close(coordinator); return true;
	}
	if (!wire_error_retriable(code) && !is_ending)
		die_group(code);
	return true;
}

/* --- commits ------------------------------------------------------------------------------ */

static int64_t to_commit(const struct lane *l)
{
	return opt.at_most_once ? l->printed : l->written;
}

static bool has_commits(void)
{
	for (int i = 0; i < lanes_n; i++)
		if (to_commit(&lanes[i]) >= 0 && to_commit(&lanes[i]) != lanes[i].committed)
			return true;
	return false;
}

static int commit_once(void)
{
	struct offset_commit_request q;
	struct offset_commit_response r;
	struct net_topic *last = NULL;
	int code = 0;
	arena_reset(&mem);
	wire_init(&wire_offset_commit_request, &q);
	commit_partition *v = arena_get(&mem, (size_t)lanes_n * sizeof *v);
	q.topics = arena_get(&mem, (size_t)topics_n * sizeof *q.topics);
	if (!v || !q.topics)
		die_memory();
	q.group_id = span_of(opt.group);
	q.generation_id_or_member_epoch = generation;
	q.member_id = span_of(id);
	for (int i = 0; i < lanes_n; i++) {
		struct lane *l = &lanes[i];
		if (to_commit(l) < 0 || to_commit(l) == l->committed)
			continue;
		if (l->topic != last)
			q.topics[q.topics_n++] =
				(commit_topic){ .name = span_of(l->topic->name), .partitions = v };
		last = l->topic;
		q.topics[q.topics_n - 1].partitions_n++;
		*v++ = (commit_partition){ .partition_index = l->partition,
					   .committed_offset = to_commit(l),
					   .committed_leader_epoch = -1 };
	}
	if (call(OFFSET_COMMIT, &q, &r, CALL_MS) < 0)
		return is_stopped && !is_ending ? WIRE_NONE : WIRE_COORDINATOR_NOT_AVAILABLE;
	for (int32_t t = 0; t < r.topics_n; t++)
		for (int32_t i = 0; i < r.topics[t].partitions_n; i++) {
			struct lane *l = lane_of(r.topics[t].name, &uuid_zero,
						 r.topics[t].partitions[i].partition_index);
			if (r.topics[t].partitions[i].error_code)
				code = r.topics[t].partitions[i].error_code;
			else if (l)
				l->committed = to_commit(l);
		}
	return code;
}

static void commit(void)
{
	int64_t until = net_now() + (is_ending ? END_MS : AWAY_MS);
	for (int attempt = 1; has_commits() && !is_lost; attempt++) {
		if (!take_error(commit_once()) || net_now() >= until)
			break;
		if (is_dying || (is_ending && attempt > 1))
			break;
		net_pause(net, attempt, until);
	}
	commit_at = net_now() + COMMIT_MS;
	if (!has_commits())
		out_limit = out.n;
}

/* --- what is ours ------------------------------------------------------------------------- */

static struct net_topic *topic_named(struct span name)
{
	for (int i = 0; i < topics_n; i++)
		if (span_is(name, topics[i].name))
			return &topics[i];
	return NULL;
}

static void give_up_lanes(void)
{
	free(lanes);
	lanes = NULL;
	lanes_n = 0;
	feeds_forget();
}

static void refresh_topics(void)
{
	for (int i = 0; i < topics_n; i++)
		if (net_topic_wait(net, topics[i].name, false, &topics[i], net_now() + AWAY_MS) < 0)
			die_net();
}

static void take_assignment(struct span s)
{
	struct consumer_protocol_assignment a;
	int n = 0;
	wire_init(&wire_consumer_protocol_assignment, &a);
	if (s.n >= 2 && wire_decode(&wire_consumer_protocol_assignment, 0, s.p + 2, (size_t)s.n - 2,
				    &mem, &a) < 0)
		strerr_die(1, "logget: ", opt.group, ": the assignment makes no sense");
	for (int32_t t = 0; t < a.assigned_partitions_n; t++)
		n += a.assigned_partitions[t].partitions_n;
	lanes = calloc((size_t)n + 1, sizeof *lanes);
	if (!lanes)
		die_memory();
	for (int k = 0; k < topics_n; k++)
		for (int32_t t = 0; t < a.assigned_partitions_n; t++)
			for (int32_t i = 0; i < a.assigned_partitions[t].partitions_n; i++)
				if (topic_named(a.assigned_partitions[t].topic) == &topics[k])
					lanes[lanes_n++] = (struct lane){
						.topic = &topics[k],
						.partition = a.assigned_partitions[t].partitions[i],
						.next = -1,
						.printed = -1,
						.written = -1,
						.told = -1,
						.committed = -1,
					};
	refresh_topics();
	for (int i = 0; i < lanes_n; i++) {
		struct lane *l = &lanes[i];
		bool has = l->partition >= 0 && l->partition < l->topic->n;
		l->leader = has ? l->topic->partitions[l->partition].leader : -1;
		l->epoch = has ? l->topic->partitions[l->partition].epoch : -1;
		if (l->leader < 0)
			die_kafka(l, has ? WIRE_LEADER_NOT_AVAILABLE :
					   WIRE_UNKNOWN_TOPIC_OR_PARTITION);
	}
}

static int ask_committed(void)
{
	struct offset_fetch_request q;
	struct offset_fetch_response r;
	struct offset_fetch_request_offset_fetch_request_group one;
	struct net_topic *last = NULL;
	arena_reset(&mem);
	wire_init(&wire_offset_fetch_request, &q);
	wire_init(&wire_offset_fetch_request_offset_fetch_request_group, &one);
	int32_t *v = arena_get(&mem, (size_t)lanes_n * sizeof *v);
	one.topics = arena_get(&mem, (size_t)topics_n * sizeof *one.topics);
	if (!v || !one.topics)
		die_memory();
	one.group_id = span_of(opt.group);
	for (int i = 0; i < lanes_n; i++) {
		if (lanes[i].topic != last)
			one.topics[one.topics_n++] = (fetch_topic){
				.name = span_of(lanes[i].topic->name), .partition_indexes = v };
		last = lanes[i].topic;
		one.topics[one.topics_n - 1].partition_indexes_n++;
		*v++ = lanes[i].partition;
	}
	q.groups = &one;
	q.groups_n = 1;
	q.require_stable = true;
	if (call(OFFSET_FETCH, &q, &r, CALL_MS) < 0)
		return WIRE_COORDINATOR_NOT_AVAILABLE;
	int code = r.groups_n == 1 ? r.groups[0].error_code : WIRE_UNKNOWN_SERVER_ERROR;
	for (int32_t t = 0; !code && t < r.groups[0].topics_n; t++)
		for (int32_t i = 0; i < r.groups[0].topics[t].partitions_n; i++) {
			const struct offset_fetch_response_offset_fetch_response_partitions *p =
				&r.groups[0].topics[t].partitions[i];
			struct lane *l = lane_of(r.groups[0].topics[t].name, &uuid_zero,
						 p->partition_index);
			if (p->error_code)
				return p->error_code;
			if (l && p->committed_offset >= 0)
				l->next = l->printed = l->written = l->committed =
					p->committed_offset;
		}
	return code;
}

static void find_place(void)
{
	int64_t until = net_now() + AWAY_MS;
	for (int attempt = 1; lanes_n && take_error(ask_committed()) && !is_stopped; attempt++) {
		if (net_now() >= until)
			die_group(WIRE_COORDINATOR_NOT_AVAILABLE);
		net_pause(net, attempt, until);
	}
	if (lanes_n && !must_join && !is_stopped)
		lanes_place();
}

/* --- joining ------------------------------------------------------------------------------ */

static int32_t count_partitions(struct span name)
{
	char z[NET_TOPIC];
	looked = realloc(looked, (size_t)(looked_n + 1) * sizeof *looked);
	if (!looked)
		die_memory();
	struct net_topic *t = &looked[looked_n++];
	memset(t, 0, sizeof *t);
	if (net_topic_ask(net, span_z(name, z, sizeof z), false, t, net_now() + CALL_MS) < 0)
		die_net();
	return t->n;
}

static void forget_topics(void)
{
	for (int i = 0; i < looked_n; i++)
		net_topic_free(&looked[i]);
	looked_n = 0;
}

/* A topic that has grown has partitions that nobody reads: the group must rebalance. */
static void look_at_topics(void)
{
	look_at = net_now() + TOPICS_MS;
	for (int i = 0; i < looked_n; i++) {
		int32_t before = looked[i].n;
		if (net_topic_ask(net, looked[i].name, false, &looked[i], net_now() + CALL_MS) == 0
		    && looked[i].n != before && !looked[i].error)
			must_join = true;
	}
}

static int ask_to_join(struct join_group_response *r)
{
	struct join_group_request q;
	struct join_group_request_join_group_request_protocol range;
	struct consumer_protocol_subscription sub;
	struct buf b = { 0 };
	arena_reset(&mem);
	wire_init(&wire_join_group_request, &q);
	wire_init(&wire_join_group_request_join_group_request_protocol, &range);
	wire_init(&wire_consumer_protocol_subscription, &sub);
	sub.topics = arena_get(&mem, (size_t)topics_n * sizeof *sub.topics);
	if (!sub.topics)
		die_memory();
	for (int i = 0; i < topics_n; i++)
		sub.topics[sub.topics_n++] = span_of(topics[i].name);
	if (buf_add16(&b, 0) < 0
	    || wire_encode(&wire_consumer_protocol_subscription, 0, &sub, &b, NULL) < 0)
		die_memory();
	range.name = span_of("range");
	range.metadata = (struct span){ (const char *)b.p, (int32_t)b.n };
	q.group_id = span_of(opt.group);
	q.session_timeout_ms = SESSION_MS;
	q.rebalance_timeout_ms = REBALANCE_MS;
	q.member_id = span_of(id);
	q.protocol_type = span_of("consumer");
	q.protocols = &range;
	q.protocols_n = 1;
	int result = call(JOIN_GROUP, &q, r, JOIN_MS);
	buf_free(&b);
	return result < 0 ? WIRE_COORDINATOR_NOT_AVAILABLE : r->error_code;
}

static void keep_id(struct span s)
{
	char *z = malloc((size_t)s.n + 1);
	if (!z)
		die_memory();
	span_z(s, z, (size_t)s.n + 1);
	free(id);
	id = z;
}

static int ask_to_sync(const struct join_group_response *joined, struct sync_group_response *r)
{
	struct sync_group_request q;
	wire_init(&wire_sync_group_request, &q);
	forget_topics();
	if (is_leader && assign_range(joined, &q, &mem, count_partitions) < 0)
		die_memory();
	q.group_id = span_of(opt.group);
	q.generation_id = generation;
	q.member_id = span_of(id);
	q.protocol_type = span_of("consumer");
	q.protocol_name = span_of("range");
	return call(SYNC_GROUP, &q, r, JOIN_MS) < 0 ?
		       WIRE_COORDINATOR_NOT_AVAILABLE :
		       r->error_code;
}

/* One try; must_join stays when it was none. */
static bool try_to_join(void)
{
	struct join_group_response joined;
	struct sync_group_response synced;
	int code = ask_to_join(&joined);
	if (code == WIRE_MEMBER_ID_REQUIRED) {
		keep_id(joined.member_id);
		return false;
	}
	if (code)
		return take_error(code);
	keep_id(joined.member_id);
	generation = joined.generation_id;
	is_leader = span_same(joined.leader, joined.member_id);
	must_join = is_lost = false;
	code = ask_to_sync(&joined, &synced);
	if (code) {
		must_join = true;
		return take_error(code);
	}
	take_assignment(synced.assignment);
	find_place();
	return false;
}

static void join(void)
{
	int64_t until = net_now() + AWAY_MS;
	for (int attempt = 1; must_join && !is_stopped; attempt++) {
		give_up_lanes();
		if (try_to_join()) {
			if (net_now() >= until)
				die_group(WIRE_COORDINATOR_NOT_AVAILABLE);
			net_pause(net, attempt, until);
			take_signals();
		}
	}
	int64_t now = net_now();
	beat_at = now + HEARTBEAT_MS;
	commit_at = now + COMMIT_MS;
	look_at = now + TOPICS_MS;
}

/* --- the loop ----------------------------------------------------------------------------- */

static void heartbeat(void)
{
	struct heartbeat_request q;
	struct heartbeat_response r;
	arena_reset(&mem);
	wire_init(&wire_heartbeat_request, &q);
	q.group_id = span_of(opt.group);
	q.generation_id = generation;
	q.member_id = span_of(id);
	beat_at = net_now() + HEARTBEAT_MS;
	if (call(HEARTBEAT, &q, &r, CALL_MS) < 0 || take_error(r.error_code))
		beat_at = net_now() + 100;
}

static void do_what_is_due(void)
{
	int64_t now = net_now();
	if (beat_at <= now)
		heartbeat();
	if (commit_at <= now && !must_join)
		commit();
	if (is_leader && look_at <= now)
		look_at_topics();
	if (opt.at_most_once && out_pending() && has_commits() && !must_join)
		commit();
}

/* Until something comes, there is room to write, or something is due. */
static void turn(void)
{
	int64_t until = commit_at < beat_at && !must_join ? commit_at : beat_at;
	struct pollfd p[] = { { signals, POLLIN, 0 }, { 1, out_ready() ? POLLOUT : 0, 0 } };
	if (!out_pending() && feeds_due() < until)
		until = feeds_due();
	if (net_turn(net, p, 2, until) < 0 && errno != EINTR)
		die_memory();
	take_signals();
	if (p[1].revents & POLLERR)
		out_broken = true;
	else if (p[1].revents)
		out_drain();
}

static bool is_over(void)
{
	return is_stopped || out_broken
	       || (!out_pending() && !must_join && (left == 0 || (opt.exit_at_end && lanes_done())));
}

static void leave(void)
{
	struct leave_group_request q;
	struct leave_group_response r;
	struct leave_group_request_member_identity one;
	arena_reset(&mem);
	wire_init(&wire_leave_group_request, &q);
	wire_init(&wire_leave_group_request_member_identity, &one);
	one.member_id = span_of(id);
	q.group_id = span_of(opt.group);
	q.members = &one;
	q.members_n = 1;
	call(LEAVE_GROUP, &q, &r, END_MS);
}

/* With at-most-once all is written that is committed; else only the record that is begun. */
static void finish(void)
{
	int64_t until = net_now() + END_MS;
	if (is_ending)
		return;
	is_ending = true;
	if (!opt.at_most_once) {
		out_cut();
		commit();
	}
	while (out_ready() && !out_broken && net_now() < until) {
		struct pollfd p = { .fd = 1, .events = POLLOUT };
		poll(&p, 1, (int)(until - net_now()));
		out_drain();
	}
	if (!id || !id[0])
		return;
	if (!opt.at_most_once)
		commit();
	if (has_commits())
		strerr_warn("logget: ", opt.group,
			    ": the last records could not be committed: they come again");
	leave();
}

void member_end(void)
{
	is_dying = true;
	finish();
}

void member_run(void)
{
	id = calloc(1, 1);
	if (!id)
		die_memory();
	signals = selfpipe_init();
	if (signals < 0 || selfpipe_trap(SIGTERM) < 0 || selfpipe_trap(SIGINT) < 0
	    || selfpipe_trap(SIGHUP) < 0 || sig_ignore(SIGPIPE) < 0)
		strerr_diefusys(111, "catch signals");
	while (!is_over()) {
		if (must_join && !out_in_record()) {
			out_cut();
			commit();
			join();
			continue;
		}
		if (!out_pending() && !must_join && left)
			feeds_send();
		do_what_is_due();
		turn();
	}
	finish();
	if (out_broken) { /* as a program that ignores nothing */
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
	}
}
