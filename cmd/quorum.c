/* quorum: who keeps the metadata of a cluster, how far each has come, and who is to keep it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "cli/table.h"
#include "cli/words.h"
#include "net/net.h"
#include "wire/api.h"

#define USAGE      "quorum [-b brokers] [-HJ] show | add id@host:port[:directory] | " \
		   "remove id[:directory]"
#define dieusage() strerr_die(100, "quorum: usage: " USAGE)

enum { DESCRIBE_QUORUM = 55, ADD_VOTER = 80, REMOVE_VOTER = 81, WAIT_MS = 30000 };

const char *PROG = "quorum";

typedef struct describe_quorum_response_partition_data quorum;
typedef struct describe_quorum_response_replica_state replica;

static void check(const char *what, int code, struct span message)
{
	struct buf b = {0};
	if (code)
		strerr_die(1, PROG, ": ", cli_kafka_words(&b, what, code, message));
}

static void call(struct net *net, int key, const void *request, struct arena *mem, void *response)
{
	if (net_call(net, NET_ANY, key, -1, request, mem, response, net_now() + WAIT_MS) < 0)
		strerr_die(errno == EPROTONOSUPPORT || errno == EBADMSG ? 1 : 111, PROG, ": ",
			   net_why(net));
}

static int64_t leader_end(const quorum *q)
{
	for (int32_t i = 0; i < q->current_voters_n; i++)
		if (q->current_voters[i].replica_id == q->leader_id)
			return q->current_voters[i].log_end_offset;
	return q->high_watermark;
}

static void row(struct table *t, const quorum *q, const replica *r, const char *role)
{
	char id[UUID_TEXT];
	int64_t lag = leader_end(q) - r->log_end_offset;
	table_int(t, r->replica_id);
	table_z(t, r->replica_id == q->leader_id ? "leader" : role);
	table_int(t, q->leader_epoch);
	table_intnull(t, q->high_watermark);
	table_intnull(t, r->log_end_offset);
	table_intnull(t, r->log_end_offset < 0 ? -1 : lag > 0 ? lag : 0);
	table_intnull(t, r->last_fetch_timestamp);
	table_intnull(t, r->last_caught_up_timestamp);
	table_z(t, uuid_is_zero(&r->replica_directory_id) ?
			   NULL :
			   uuid_text(&r->replica_directory_id, id));
}

/* The quorum of the metadata log. */
static const quorum *ask(struct net *net, const char *what, struct arena *mem,
			 struct describe_quorum_response *r)
{
	struct describe_quorum_request_partition_data partition = {.partition_index = 0};
	struct describe_quorum_request_topic_data one = {
		.topic_name = span_of("__cluster_metadata"),
		.partitions = &partition,
		.partitions_n = 1,
	};
	struct describe_quorum_request q;
	wire_init(&wire_describe_quorum_request, &q);
	q.topics = &one;
	q.topics_n = 1;
	call(net, DESCRIBE_QUORUM, &q, mem, r);
	check(what, r->error_code, r->error_message);
	if (r->topics_n != 1 || r->topics[0].partitions_n != 1)
		strerr_die(1, PROG, ": ", what, ": the answer has no quorum in it");
	const quorum *p = r->topics[0].partitions;
	check(what, p->error_code, p->error_message);
	return p;
}

static void show(struct net *net, struct table *t)
{
	struct describe_quorum_response r;
	struct arena mem = {0};
	const quorum *p = ask(net, "show", &mem, &r);
	for (int32_t v = 0; v < p->current_voters_n; v++)
		row(t, p, &p->current_voters[v], "voter");
	for (int32_t v = 0; v < p->observers_n; v++)
		row(t, p, &p->observers[v], "observer");
	arena_free(&mem);
}

/* --- voters: ID[:DIRECTORY], or ID@HOST:PORT[:DIRECTORY] --- */

struct voter {
	int32_t id;
	struct uuid directory; /* zero: not said */
	struct span host;
	uint16_t port;
};

static bool take_id(const char *z, const char *end, int32_t *id)
{
	char text[16], *rest;
	if (end == z || end - z > 9 || strspn(z, "0123456789") < (size_t)(end - z))
		return false;
	span_z((struct span){z, (int32_t)(end - z)}, text, sizeof text);
	*id = (int32_t)strtol(text, &rest, 10);
	return !*rest;
}

static bool take_directory(const char **end, const char *begin, struct uuid *directory)
{
	const char *colon = memrchr(begin, ':', (size_t)(*end - begin));
	if (!colon || uuid_parse(directory, (struct span){colon + 1, (int32_t)(*end - colon - 1)}) < 0)
		return false;
	*end = colon;
	return true;
}

static bool parse_new(const char *z, struct voter *v)
{
	const char *at = strchr(z, '@'), *end = z + strlen(z), *colon;
	int64_t port;
	char text[8];
	if (!at || !take_id(z, at, &v->id))
		return false;
	take_directory(&end, ++at, &v->directory);
	colon = memrchr(at, ':', (size_t)(end - at));
	if (!colon || end - colon > 6)
		return false;
	span_z((struct span){colon + 1, (int32_t)(end - colon - 1)}, text, sizeof text);
	if (!cli_int(text, 1, 65535, &port))
		return false;
	v->port = (uint16_t)port;
	v->host = (struct span){at, (int32_t)(colon - at)};
	if (v->host.n > 2 && at[0] == '[' && colon[-1] == ']')
		v->host = (struct span){at + 1, v->host.n - 2};
	return v->host.n > 0;
}

static bool parse_old(const char *z, struct voter *v)
{
	const char *end = z + strlen(z);
	take_directory(&end, z, &v->directory);
	return take_id(z, end, &v->id);
}

/* The directory of the only one with this id. */
static void find_directory(struct voter *v, const replica *r, int32_t n, const char *what)
{
	int found = 0;
	if (!uuid_is_zero(&v->directory))
		return;
	for (int32_t i = 0; i < n; i++)
		if (r[i].replica_id == v->id) {
			v->directory = r[i].replica_directory_id;
			found++;
		}
	if (found != 1 || uuid_is_zero(&v->directory))
		strerr_die(1, PROG, ": ", what, found > 1 ? ": several have this id; say which directory" :
				    ": nobody has this id, and a directory that is known");
}

static void add(struct net *net, const char *arg)
{
	struct describe_quorum_response r;
	struct add_raft_voter_request q;
	struct add_raft_voter_request_listener l;
	struct add_raft_voter_response a;
	struct arena mem = {0};
	struct voter v = {0};
	if (!parse_new(arg, &v))
		dieusage();
	const quorum *p = ask(net, "add", &mem, &r);
	find_directory(&v, p->observers, p->observers_n, "add");
	wire_init(&wire_add_raft_voter_request, &q);
	wire_init(&wire_add_raft_voter_request_listener, &l);
	q.cluster_id = SPAN_NULL;
	q.timeout_ms = WAIT_MS;
	q.voter_id = v.id;
	q.voter_directory_id = v.directory;
	q.listeners = &l;
	q.listeners_n = 1;
	l.name = r.nodes_n > 0 && r.nodes[0].listeners_n > 0 ? r.nodes[0].listeners[0].name :
							      span_of("CONTROLLER");
	l.host = v.host;
	l.port = v.port;
	call(net, ADD_VOTER, &q, &mem, &a);
	check(arg, a.error_code, a.error_message);
	arena_free(&mem);
}

static void take_away(struct net *net, const char *arg)
{
	struct describe_quorum_response r;
	struct remove_raft_voter_request q;
	struct remove_raft_voter_response a;
	struct arena mem = {0};
	struct voter v = {0};
	if (!parse_old(arg, &v))
		dieusage();
	const quorum *p = ask(net, "remove", &mem, &r);
	find_directory(&v, p->current_voters, p->current_voters_n, "remove");
	wire_init(&wire_remove_raft_voter_request, &q);
	q.cluster_id = SPAN_NULL;
	q.voter_id = v.id;
	q.voter_directory_id = v.directory;
	call(net, REMOVE_VOTER, &q, &mem, &a);
	check(arg, a.error_code, a.error_message);
	arena_free(&mem);
}

int main(int argc, const char *const *argv)
{
	static const char *const columns[] = {"node", "role",    "epoch",    "committed", "end",
					      "lag",  "fetched", "caughtup", "directory", NULL};
	subgetopt g = SUBGETOPT_ZERO;
	const char *brokers = NULL;
	bool header = false, json = false;
	struct table t;
	for (int c; (c = subgetopt_r(argc, argv, "HJb:", &g)) != -1;) {
		switch (c) {
		case 'H': header = true; break;
		case 'J': json = true; break;
		case 'b': brokers = g.arg; break;
		default: dieusage();
		}
	}
	argc -= g.ind;
	argv += g.ind;
	if (argc < 1 || argc != (strcmp(argv[0], "show") ? 2 : 1))
		dieusage();
	struct net *net = net_new(cli_brokers(brokers), "odradek-quorum");
	if (!net)
		strerr_die(100, PROG, ": usage: not a list of HOST:PORT: ", cli_brokers(brokers));
	table_begin(&t, table_style(json, header, isatty(1)), columns);
	if (!strcmp(argv[0], "show"))
		show(net, &t);
	else if (!strcmp(argv[0], "add"))
		add(net, argv[1]);
	else if (!strcmp(argv[0], "remove"))
		take_away(net, argv[1]);
	else
		dieusage();
	if (table_end(&t) < 0)
		strerr_diefsys(111, "out of memory");
	if (allwrite(1, (const char *)t.out.p, t.out.n) < t.out.n)
		strerr_diefusys(111, "write to standard output");
	net_free(net);
	return 0;
}
