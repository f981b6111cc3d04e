/* broker: the brokers of a cluster, and their log directories. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "cli/sibling.h"
#include "cli/table.h"
#include "cli/words.h"
#include "net/net.h"
#include "wire/api.h"

#define USAGE \
	"broker [-b brokers] [-HJ] ls | show [id...] | drain [-x] id | unregister id"
#define dieusage() strerr_die(100, "broker: usage: " USAGE)

enum {
	METADATA = 3,
	DESCRIBE_CONFIGS = 32,
	DESCRIBE_LOG_DIRS = 35,
	DESCRIBE_CLUSTER = 60,
	UNREGISTER_BROKER = 64,
	BROKER = 4,
	WAIT_MS = 30000
};

const char *PROG = "broker";
static const char *brokers;
static bool header, json;
static struct net *net;
static struct arena mem;
static struct table table;
static int status;

typedef struct describe_cluster_response_describe_cluster_broker broker;

static void die_net(void)
{
	strerr_die(errno == EPROTONOSUPPORT || errno == EBADMSG ? 1 : 111, PROG, ": ",
		   net_why(net));
}

static void complain(int32_t id, int code, struct span message)
{
	struct buf b = { 0 };
	char what[32];
	snprintf(what, sizeof what, "show %d", id);
	strerr_warn(PROG, ": ", cli_kafka_words(&b, what, code, message));
	buf_free(&b);
	status = 1;
}

static int by_id(const void *a, const void *b)
{
	const broker *x = a, *y = b;
	return (x->broker_id > y->broker_id) - (x->broker_id < y->broker_id);
}

/* All brokers, fenced ones where the node can tell them (version 2, KIP-1073); *fenced says whether
 * it could. */
static void describe(struct describe_cluster_response *r, bool *fenced)
{
	struct describe_cluster_request q;
	wire_init(&wire_describe_cluster_request, &q);
	q.include_fenced_brokers = *fenced = true;
	if (net_call(net, NET_ANY, DESCRIBE_CLUSTER, 2, &q, &mem, r, net_now() + WAIT_MS) < 0) {
		if (errno != EPROTONOSUPPORT)
			die_net();
		q.include_fenced_brokers = *fenced = false;
		if (net_call(net, NET_ANY, DESCRIBE_CLUSTER, -1, &q, &mem, r, net_now() + WAIT_MS)
		    < 0)
			die_net();
	}
	if (r->error_code) {
		struct buf b = { 0 };
		strerr_die(1, PROG, ": ",
			   cli_kafka_words(&b, "ls", r->error_code, r->error_message));
	}
	if (r->brokers_n > 0)
		qsort(r->brokers, (size_t)r->brokers_n, sizeof *r->brokers, by_id);
}

static void broker_cells(const broker *b, bool fenced)
{
	table_int(&table, b->broker_id);
	table_text(&table, b->host);
	table_int(&table, b->port);
	table_text(&table, b->rack);
	table_z(&table, !fenced ? NULL : b->is_fenced ? "fenced" : "serving");
}

static void ls(void)
{
	static const char *const columns[] = { "broker", "host", "port", "rack", "state", NULL };
	struct describe_cluster_response r;
	bool fenced;
	describe(&r, &fenced);
	table_begin(&table, table_style(json, header, isatty(1)), columns);
	for (int32_t i = 0; i < r.brokers_n; i++)
		broker_cells(&r.brokers[i], fenced);
}

/* What the broker says of itself where clients are to find it: NAME://HOST:PORT,... */
static struct span listeners(int32_t id)
{
	char name[12];
	struct span keys[] = { span_of("advertised.listeners"), span_of("listeners") },
		    found = SPAN_NULL;
	struct describe_configs_request_describe_configs_resource one = {
		.resource_type = BROKER,
		.configuration_keys = keys,
		.configuration_keys_n = 2,
	};
	struct describe_configs_request q;
	struct describe_configs_response r;
	snprintf(name, sizeof name, "%d", id);
	one.resource_name = span_of(name);
	wire_init(&wire_describe_configs_request, &q);
	q.resources = &one;
	q.resources_n = 1;
	if (net_call(net, id, DESCRIBE_CONFIGS, -1, &q, &mem, &r, net_now() + WAIT_MS) < 0
	    || r.results_n != 1)
		return found;
	for (int32_t i = 0; i < r.results[0].configs_n; i++) {
		const struct describe_configs_response_describe_configs_resource_result *c =
			&r.results[0].configs[i];
		if (c->value.n > 0 && (found.n <= 0 || span_is(c->name, "advertised.listeners")))
			found = c->value;
	}
	return found;
}

static void dir_cells(const struct describe_log_dirs_response_describe_log_dirs_result *d,
		      struct span places)
{
	int64_t partitions = 0, bytes = 0;
	for (int32_t i = 0; i < d->topics_n; i++)
		for (int32_t k = 0; k < d->topics[i].partitions_n; k++) {
			partitions++;
			bytes += d->topics[i].partitions[k].partition_size;
		}
	table_text(&table, d->log_dir);
	table_int(&table, partitions);
	table_int(&table, bytes);
	table_intnull(&table, d->total_bytes);
	table_intnull(&table, d->usable_bytes);
	table_z(&table, d->error_code ? wire_error_name(d->error_code) : NULL);
	table_text(&table, places);
}

static void no_dirs(struct span places)
{
	for (int i = 0; i < 6; i++)
		table_z(&table, NULL);
	table_text(&table, places);
}

static void show_broker(const broker *b, bool fenced)
{
	struct describe_log_dirs_request q;
	struct describe_log_dirs_response r = { 0 };
	wire_init(&wire_describe_log_dirs_request, &q);
	q.topics_n = -1;
	if (fenced && b->is_fenced) {
		broker_cells(b, fenced);
		no_dirs(SPAN_NULL);
		return;
	}
	struct span places = listeners(b->broker_id);
	if (net_call(net, b->broker_id, DESCRIBE_LOG_DIRS, -1, &q, &mem, &r, net_now() + WAIT_MS)
	    < 0) {
		strerr_warn(PROG, ": ", net_why(net));
		status = 1;
	} else if (r.error_code) {
		complain(b->broker_id, r.error_code, SPAN_NULL);
	}
	for (int32_t i = 0; i < r.results_n; i++) {
		broker_cells(b, fenced);
		dir_cells(&r.results[i], places);
		if (r.results[i].error_code)
			complain(b->broker_id, r.results[i].error_code, SPAN_NULL);
	}
	if (r.results_n <= 0) {
		broker_cells(b, fenced);
		no_dirs(places);
	}
}

static bool wanted(int32_t id, const char *const *ids, int n)
{
	for (int i = 0; i < n; i++)
		if (atoi(ids[i]) == id)
			return true;
	return n == 0;
}

static void show(const char *const *ids, int n)
{
	static const char *const columns[] = { "broker", "host",       "port",	"rack",	 "state",
					       "dir",	 "partitions", "bytes", "total", "usable",
					       "error",	 "listeners",  NULL };
	struct describe_cluster_response r;
	struct metadata_request q;
	struct metadata_response m;
	bool fenced;
	int found = 0;
	describe(&r, &fenced);
	wire_init(&wire_metadata_request, &q);
	if (net_call(net, NET_ANY, METADATA, -1, &q, &mem, &m, net_now() + WAIT_MS) < 0
	    || net_learn(net, &m) < 0)
		die_net();
	table_begin(&table, table_style(json, header, isatty(1)), columns);
	for (int32_t i = 0; i < r.brokers_n; i++) {
		if (!wanted(r.brokers[i].broker_id, ids, n))
			continue;
		show_broker(&r.brokers[i], fenced);
		found++;
	}
	if (n && found < n) {
		strerr_warn(PROG, ": show: there is no such broker");
		status = 1;
	}
}

static void unregister(int32_t id)
{
	struct unregister_broker_request q;
	struct unregister_broker_response r;
	struct buf b = { 0 };
	char what[32];
	wire_init(&wire_unregister_broker_request, &q);
	q.broker_id = id;
	snprintf(what, sizeof what, "unregister %d", id);
	if (net_call(net, NET_ANY, UNREGISTER_BROKER, -1, &q, &mem, &r, net_now() + WAIT_MS) < 0)
		die_net();
	if (r.error_code)
		strerr_die(1, PROG, ": ",
			   cli_kafka_words(&b, what, r.error_code, r.error_message));
}

/* `replica` knows how to move partitions: become it, found beside this program or in PATH. */
static void become_replica(int argc, const char *const *argv)
{
	const char *args[12];
	char path[PATH_MAX];
	subgetopt g = SUBGETOPT_ZERO;
	bool execute = false;
	int n = 0;
	while (subgetopt_r(argc, argv, "x", &g) == 'x')
		execute = true;
	if (argc - g.ind != 1 || !cli_int(argv[g.ind], 0, INT32_MAX, &(int64_t){ 0 }))
		dieusage();
	args[n++] = "replica";
	if (json)
		args[n++] = "-J";
	if (header)
		args[n++] = "-H";
	if (brokers) {
		args[n++] = "-b";
		args[n++] = brokers;
	}
	args[n++] = "plan";
	if (execute)
		args[n++] = "-x";
	args[n++] = "-d";
	args[n++] = argv[g.ind];
	args[n] = NULL;
	execvp(cli_sibling("replica", path, sizeof path), (char *const *)args);
	strerr_diefusys(111, "run replica");
}

int main(int argc, const char *const *argv)
{
	subgetopt g = SUBGETOPT_ZERO;
	for (int c; (c = subgetopt_r(argc, argv, "HJb:", &g)) != -1;) {
		switch (c) {
		case 'H': header = true; break;
		case 'J': json = true; break;
		case 'b': brokers = g.arg; break;
		default: dieusage();
		}
	}
	argv += g.ind;
	argc -= g.ind;
	if (argc > 0 && !strcmp(argv[0], "drain"))
		become_replica(argc, argv);
	for (int i = 1; i < argc; i++)
		if (!cli_int(argv[i], 0, INT32_MAX, &(int64_t){ 0 }))
			dieusage();
	if (argc < 1
	    || (strcmp(argv[0], "show") && (argc > 1 || strcmp(argv[0], "ls"))
		&& (argc != 2 || strcmp(argv[0], "unregister"))))
		dieusage();
	net = net_new(cli_brokers(brokers), "odradek-broker");
	if (!net)
		strerr_die(100, PROG, ": usage: not a list of HOST:PORT: ", cli_brokers(brokers));
	if (!strcmp(argv[0], "unregister")) {
		unregister(atoi(argv[1]));
		return status;
	}
	if (!strcmp(argv[0], "ls"))
		ls();
	else
		show(argv + 1, argc - 1);
	if (table_end(&table) < 0)
		strerr_diefsys(111, "out of memory");
	if (allwrite(1, (const char *)table.out.p, table.out.n) < table.out.n)
		strerr_diefusys(111, "write to standard output");
	return status;
}
