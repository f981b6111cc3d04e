/* groups: what consumer groups cost a broker, without the clients' own time.
 *
 * groups BROKER members classic|consumer TOPIC PARTITIONS MEMBERS SESSION_MS
 *     so many members, each with a connection of its own, join one group; when each partition has
 *     a reader one of them dies. Prints, TSV: ms from the first join to the last assignment; ms
 *     from the last join to it; ms from the end of the dead one's session to the last assignment;
 *     partitions that were taken from members that live.
 * groups BROKER commit PREFIX TOPIC GROUPS
 *     commits one offset in each of so many groups, a hundred in flight; prints ms.
 * groups BROKER fetch PREFIX TOPIC GROUPS
 *     asks until the offsets of all are there; prints ms. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "net/net.h"
#include "wire/api.h"
#include "wire/codes.h"

enum {
	OFFSET_COMMIT = 8, OFFSET_FETCH = 9, FIND_COORDINATOR = 10, JOIN_GROUP = 11, HEARTBEAT = 12,
	SYNC_GROUP = 14, CONSUMER_GROUP_HEARTBEAT = 68,
};
enum { HEARTBEAT_MS = 50, LONG_MS = 120000, IN_FLIGHT = 100, AT_ONCE = 500 };

struct member {
	struct net_connection *c;
	char id[64];
	int32_t epoch;          /* or generation; -1 none yet */
	bool joined, waits;     /* has an assignment; a request is on its way */
	bool must_join, is_leader;
	int32_t interval_ms;
	int64_t beat_at, heard_of; /* when the last heartbeat that was answered had been sent */
	bool *has;
	int has_n;
};
static struct net *net;
static const char *topic, *group;
static struct net_topic about;
static struct member *members;
static int members_n, partitions, session_ms, taken;
static bool young, is_dead_row; /* the consumer protocol; the first member is dead */
static struct arena mem;
static int64_t first_join, last_join;

static void fail(const char *what)
{
	fprintf(stderr, "groups: %s: %s\n", what, errno ? strerror(errno) : net_why(net));
	exit(111);
}

static void fail_kafka(const char *what, int code)
{
	fprintf(stderr, "groups: %s: %s\n", what, wire_error_name(code));
	exit(1);
}

/* A coordinator that was just made may not have loaded its partition yet. */
static bool has_loaded(int32_t node, const char *name)
{
	struct offset_fetch_request q;
	struct offset_fetch_response r;
	struct offset_fetch_request_offset_fetch_request_group one;
	wire_init(&wire_offset_fetch_request, &q);
	wire_init(&wire_offset_fetch_request_offset_fetch_request_group, &one);
	one.group_id = span_of(name);
	one.topics_n = -1;
	q.groups = &one;
	q.groups_n = 1;
	if (!net_node(net, node) &&
	    net_topic_ask(net, topic, false, &about, net_now() + LONG_MS) < 0)
		return false;
	return net_call(net, node, OFFSET_FETCH, -1, &q, &mem, &r, net_now() + LONG_MS) == 0 &&
	       r.groups_n == 1 && !r.groups[0].error_code;
}

static int32_t coordinator(const char *name)
{
	struct find_coordinator_request q;
	struct find_coordinator_response r;
	struct span key = span_of(name);
	int64_t until = net_now() + LONG_MS;
	wire_init(&wire_find_coordinator_request, &q);
	q.coordinator_keys = &key;
	q.coordinator_keys_n = 1;
	for (int attempt = 1; net_now() < until; attempt++) {
		arena_reset(&mem);
		if (net_call(net, NET_ANY, FIND_COORDINATOR, -1, &q, &mem, &r, until) == 0 &&
		    r.coordinators_n == 1 && !r.coordinators[0].error_code &&
		    has_loaded(r.coordinators[0].node_id, name))
			return r.coordinators[0].node_id;
		net_pause(net, attempt, until);
	}
	fail("no coordinator");
	return -1;
}

/* --- what a member has --- */

static void clear_had(struct member *m)
{
	memset(m->has, 0, (size_t)partitions);
	m->has_n = 0;
}

static void give(struct member *m, int32_t p)
{
	if (p < 0 || p >= partitions)
		fail_kafka("a partition that there is not", 0);
	m->has_n += !m->has[p];
	m->has[p] = true;
}

/* Each has its share: at first one may have all, and must give it up. */
static bool all_assigned(void)
{
	int n = 0, share = partitions / (members_n - is_dead_row);
	for (int i = is_dead_row; i < members_n; i++) {
		if (!members[i].joined || members[i].has_n < share ||
		    (!young && members[i].waits))
			return false;
		n += members[i].has_n;
	}
	return n == partitions;
}

/* --- classic --- */

static void join(struct member *m);

static void send_to(struct member *m, int key, const void *q, net_done *done)
{
	m->waits = true;
	if (net_connection_send(m->c, key, -1, q, LONG_MS, done, m) < 0)
		fail("send");
	net_connection_turn(m->c, 0);
}

static void open_answer(const struct net_answer *a, void *r)
{
	arena_reset(&mem);
	errno = a->error;
	if (a->error || net_answer_decode(a, &mem, r) < 0)
		fail("answer");
}

static void on_synced(void *arg, const struct net_answer *a)
{
	struct member *m = arg;
	struct sync_group_response r;
	struct consumer_protocol_assignment v;
	if (a->error == ECANCELED)
		return;
	open_answer(a, &r);
	m->waits = false;
	m->must_join = r.error_code == WIRE_REBALANCE_IN_PROGRESS;
	m->beat_at = net_now() + HEARTBEAT_MS;
	m->heard_of = net_now();
	if (m->must_join)
		return;
	if (r.error_code)
		fail_kafka("SyncGroup", r.error_code);
	clear_had(m);
	if (wire_decode(&wire_consumer_protocol_assignment, 0, r.assignment.p + 2,
			(size_t)r.assignment.n - 2, &mem, &v) < 0)
		fail("assignment");
	for (int32_t i = 0; i < v.assigned_partitions_n; i++)
		for (int32_t k = 0; k < v.assigned_partitions[i].partitions_n; k++)
			give(m, v.assigned_partitions[i].partitions[k]);
	m->joined = true;
}

static struct span runs(int from, int to)
{
	struct consumer_protocol_assignment v = {.user_data = SPAN_NULL};
	struct consumer_protocol_assignment_topic_partition one = {.topic = span_of(topic)};
	struct buf b = {0};
	one.partitions = arena_get(&mem, (size_t)(to - from + 1) * sizeof *one.partitions);
	for (int p = from; p < to; p++)
		one.partitions[one.partitions_n++] = p;
	v.assigned_partitions = &one;
	v.assigned_partitions_n = 1;
	if (buf_add16(&b, 0) < 0 ||
	    wire_encode(&wire_consumer_protocol_assignment, 0, &v, &b, NULL) < 0)
		fail("assign");
	struct span s = {arena_copy(&mem, b.p, b.n), (int32_t)b.n};
	buf_free(&b);
	return s;
}

static void on_joined(void *arg, const struct net_answer *a)
{
	struct member *m = arg;
	struct join_group_response r;
	struct sync_group_request q;
	if (a->error == ECANCELED)
		return;
	open_answer(a, &r);
	if (r.error_code && r.error_code != WIRE_MEMBER_ID_REQUIRED)
		fail_kafka("JoinGroup", r.error_code);
	span_z(r.member_id, m->id, sizeof m->id);
	if (r.error_code) {
		join(m);
		return;
	}
	m->epoch = r.generation_id;
	m->must_join = false;
	wire_init(&wire_sync_group_request, &q);
	q.group_id = span_of(group);
	q.generation_id = m->epoch;
	q.member_id = span_of(m->id);
	q.protocol_type = span_of("consumer");
	q.protocol_name = span_of("range");
	m->is_leader = span_same(r.leader, r.member_id);
	if (m->is_leader) {
		int n = r.members_n;
		q.assignments = arena_get(&mem, (size_t)n * sizeof *q.assignments);
		q.assignments_n = n;
		for (int i = 0; i < n; i++) {
			q.assignments[i].member_id = r.members[i].member_id;
			q.assignments[i].assignment =
				runs((int)((int64_t)partitions * i / n),
				     (int)((int64_t)partitions * (i + 1) / n));
		}
	}
	send_to(m, SYNC_GROUP, &q, on_synced);
}

static void join(struct member *m)
{
	struct join_group_request q;
	struct join_group_request_join_group_request_protocol range;
	struct consumer_protocol_subscription sub;
	struct span name = span_of(topic);
	struct buf b = {0};
	wire_init(&wire_join_group_request, &q);
	wire_init(&wire_join_group_request_join_group_request_protocol, &range);
	wire_init(&wire_consumer_protocol_subscription, &sub);
	sub.topics = &name;
	sub.topics_n = 1;
	if (buf_add16(&b, 0) < 0 ||
	    wire_encode(&wire_consumer_protocol_subscription, 0, &sub, &b, NULL) < 0)
		fail("subscription");
	range.name = span_of("range");
	range.metadata = (struct span){(const char *)b.p, (int32_t)b.n};
	q.group_id = span_of(group);
	q.session_timeout_ms = session_ms;
	q.rebalance_timeout_ms = LONG_MS;
	q.member_id = span_of(m->id);
	q.protocol_type = span_of("consumer");
	q.protocols = &range;
	q.protocols_n = 1;
	m->joined = false;
	last_join = net_now();
	if (!first_join)
		first_join = last_join;
	send_to(m, JOIN_GROUP, &q, on_joined);
	buf_free(&b);
}

static void on_beat(void *arg, const struct net_answer *a)
{
	struct member *m = arg;
	struct heartbeat_response r;
	if (a->error == ECANCELED)
		return;
	open_answer(a, &r);
	m->waits = false;
	m->heard_of = m->beat_at;
	m->beat_at = net_now() + HEARTBEAT_MS;
	if (r.error_code == WIRE_REBALANCE_IN_PROGRESS)
		m->must_join = true;
	else if (r.error_code)
		fail_kafka("Heartbeat", r.error_code);
}

static void beat_classic(struct member *m)
{
	struct heartbeat_request q;
	if (m->must_join) {
		join(m);
		return;
	}
	wire_init(&wire_heartbeat_request, &q);
	q.group_id = span_of(group);
	q.generation_id = m->epoch;
	q.member_id = span_of(m->id);
	m->beat_at = net_now();
	send_to(m, HEARTBEAT, &q, on_beat);
}

/* --- consumer protocol --- */

static void beat_young(struct member *m, bool acknowledge);

static void on_young(void *arg, const struct net_answer *a)
{
	struct member *m = arg;
	struct consumer_group_heartbeat_response r;
	bool change = false;
	if (a->error == ECANCELED)
		return;
	open_answer(a, &r);
	if (r.error_code)
		fail_kafka("ConsumerGroupHeartbeat", r.error_code);
	m->waits = false;
	m->epoch = r.member_epoch;
	m->interval_ms = r.heartbeat_interval_ms;
	m->heard_of = m->beat_at;
	m->beat_at = net_now() + m->interval_ms;
	if (!r.assignment)
		return;
	bool *had = arena_copy(&mem, m->has, (size_t)partitions);
	clear_had(m);
	for (int32_t i = 0; i < r.assignment->topic_partitions_n; i++)
		for (int32_t k = 0; k < r.assignment->topic_partitions[i].partitions_n; k++)
			give(m, r.assignment->topic_partitions[i].partitions[k]);
	for (int p = 0; p < partitions; p++) {
		change |= had[p] != m->has[p];
		taken += is_dead_row && had[p] && !m->has[p];
	}
	m->joined = true;
	if (change)
		beat_young(m, true);
}

static void beat_young(struct member *m, bool acknowledge)
{
	struct consumer_group_heartbeat_request q;
	struct consumer_group_heartbeat_request_topic_partitions one;
	struct span name = span_of(topic);
	wire_init(&wire_consumer_group_heartbeat_request, &q);
	wire_init(&wire_consumer_group_heartbeat_request_topic_partitions, &one);
	one.topic_id = about.id;
	one.partitions = malloc((size_t)partitions * sizeof *one.partitions);
	for (int32_t p = 0; p < partitions; p++)
		if (m->has[p])
			one.partitions[one.partitions_n++] = p;
	q.group_id = span_of(group);
	q.member_id = span_of(m->id);
	q.member_epoch = m->epoch;
	if (m->epoch == 0) {
		q.rebalance_timeout_ms = LONG_MS;
		q.subscribed_topic_names = &name;
		q.subscribed_topic_names_n = 1;
		last_join = net_now();
		if (!first_join)
			first_join = last_join;
	}
	if (acknowledge || m->epoch == 0) {
		q.topic_partitions = &one;
		q.topic_partitions_n = one.partitions_n > 0;
	}
	m->beat_at = net_now();
	send_to(m, CONSUMER_GROUP_HEARTBEAT, &q, on_young);
	free(one.partitions);
}

/* --- all of them --- */

static void beats(void)
{
	int64_t now = net_now();
	for (int i = is_dead_row; i < members_n; i++) {
		struct member *m = &members[i];
		if (m->waits || (m->beat_at > now && !m->must_join))
			continue;
		if (young)
			beat_young(m, false);
		else
			beat_classic(m);
	}
}

static void turn(void)
{
	int64_t until = net_now() + LONG_MS;
	beats();
	for (int i = is_dead_row; i < members_n; i++)
		if (!members[i].waits && members[i].beat_at < until)
			until = members[i].beat_at;
	if (net_turn(net, NULL, 0, until) < 0 && errno != EINTR)
		fail("poll");
}

static int64_t wait_for_all(void)
{
	int64_t until = net_now() + 2 * LONG_MS;
	while (!all_assigned()) {
		turn();
		if (net_now() > until)
			fail("no assignment in time");
	}
	return net_now();
}

static void begin(struct member *m, int32_t node)
{
	m->c = net_connect_more(net, node, net_now() + LONG_MS);
	if (!m->c)
		fail("connect");
	m->has = calloc((size_t)partitions, sizeof *m->has);
	m->beat_at = INT64_MAX;
}

static void run_members(void)
{
	char name[64];
	snprintf(name, sizeof name, "%s-group", topic);
	group = name;
	if (net_topic_wait(net, topic, false, &about, net_now() + LONG_MS) < 0 || about.error)
		fail("topic");
	int32_t node = coordinator(group);
	members = calloc((size_t)members_n, sizeof *members);
	for (int i = 0; i < members_n; i++)
		begin(&members[i], node);
	for (int i = 0; i < members_n; i++) {
		struct member *m = &members[i];
		m->epoch = young ? 0 : -1;
		if (young) {
			struct uuid id;
			uuid_random(&id);
			uuid_text(&id, m->id);
			beat_young(m, false);
		} else {
			join(m);
		}
	}
	int64_t last = 0, all = 0;
	all = wait_for_all();
	last = last_join;
	printf("%lld\t%lld", (long long)(all - first_join), (long long)(all - last));
	for (int64_t end = net_now() + 200; net_now() < end;)
		turn();
	wait_for_all();
	int64_t ends = members[0].heard_of + session_ms;
	is_dead_row = true;
	net_connection_close(members[0].c);
	all = wait_for_all();
	printf("\t%lld\t%d\n", (long long)(all - ends), taken);
}

/* --- many groups --- */

static int in_flight, committed;

static void on_commit(void *arg, const struct net_answer *a)
{
	struct offset_commit_response r;
	open_answer(a, &r);
	if (r.topics_n != 1 || r.topics[0].partitions[0].error_code)
		fail_kafka("OffsetCommit", r.topics_n == 1 ? r.topics[0].partitions[0].error_code : -1);
	in_flight--;
	committed++;
}

static void run_commit(const char *prefix, int n)
{
	char name[64];
	snprintf(name, sizeof name, "%s0", prefix);
	struct net_connection *c = NULL;
	if (net_topic_wait(net, topic, false, &about, net_now() + LONG_MS) < 0)
		fail("topic");
	c = net_connect_more(net, coordinator(name), net_now() + LONG_MS);
	if (!c)
		fail("connect");
	int64_t from = net_now();
	for (int i = 0; committed < n;) {
		for (; i < n && in_flight < IN_FLIGHT; i++, in_flight++) {
			struct offset_commit_request q;
			struct offset_commit_request_offset_commit_request_topic t = {
				.name = span_of(topic), .partitions_n = 1};
			struct offset_commit_request_offset_commit_request_partition p = {
				.committed_offset = 0, .committed_leader_epoch = -1};
			snprintf(name, sizeof name, "%s%d", prefix, i);
			wire_init(&wire_offset_commit_request, &q);
			t.partitions = &p;
			q.group_id = span_of(name);
			q.topics = &t;
			q.topics_n = 1;
			if (net_connection_send(c, OFFSET_COMMIT, -1, &q, LONG_MS, on_commit, NULL) < 0)
				fail("send");
		}
		if (net_turn(net, NULL, 0, net_now() + 1000) < 0 && errno != EINTR)
			fail("poll");
	}
	printf("%lld\n", (long long)(net_now() - from));
}

/* Groups [from, to): how many have their offset. */
static int fetch(int32_t node, const char *prefix, int from, int to)
{
	struct offset_fetch_request q;
	struct offset_fetch_response r;
	int good = 0;
	arena_reset(&mem);
	wire_init(&wire_offset_fetch_request, &q);
	q.groups = arena_get(&mem, (size_t)(to - from) * sizeof *q.groups);
	for (int i = from; i < to; i++) {
		char name[64];
		int n = snprintf(name, sizeof name, "%s%d", prefix, i);
		wire_init(&wire_offset_fetch_request_offset_fetch_request_group,
			  &q.groups[q.groups_n]);
		q.groups[q.groups_n].topics_n = -1;
		q.groups[q.groups_n++].group_id =
			(struct span){arena_copy(&mem, name, (size_t)n), n};
	}
	if (net_call(net, node, OFFSET_FETCH, -1, &q, &mem, &r, net_now() + LONG_MS) < 0)
		return 0;
	for (int32_t i = 0; i < r.groups_n; i++)
		good += !r.groups[i].error_code && r.groups[i].topics_n == 1;
	return good;
}

static void run_fetch(const char *prefix, int n)
{
	char name[64];
	int64_t from = net_now();
	snprintf(name, sizeof name, "%s0", prefix);
	if (net_topic_wait(net, topic, false, &about, net_now() + LONG_MS) < 0)
		fail("topic");
	for (int at = 0; at < n;) {
		int to = at + AT_ONCE < n ? at + AT_ONCE : n;
		if (fetch(coordinator(name), prefix, at, to) == to - at)
			at = to;
		else
			net_pause(net, 1, net_now() + 5);
		if (net_now() > from + LONG_MS)
			fail("offsets are missing");
	}
	printf("%lld\n", (long long)(net_now() - from));
}

int main(int argc, char **argv)
{
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (argc < 6 || !(net = net_new(argv[1], "groups"))) {
		fprintf(stderr, "usage: groups BROKER members|commit|fetch ...\n");
		return 100;
	}
	if (!strcmp(argv[2], "members") && argc == 8) {
		young = !strcmp(argv[3], "consumer");
		topic = argv[4];
		partitions = atoi(argv[5]);
		members_n = atoi(argv[6]);
		session_ms = atoi(argv[7]);
		run_members();
		return 0;
	}
	topic = argv[4];
	if (!strcmp(argv[2], "commit"))
		run_commit(argv[3], atoi(argv[5]));
	else
		run_fetch(argv[3], atoi(argv[5]));
	return 0;
}
