/* topic: list, show, make, remove, grow, configure and trim topics of a Kafka cluster. */
#include "topic.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>
#include <skalibs/allreadwrite.h>
#include <skalibs/strerr.h>

#include "cli/sibling.h"

#define USAGE \
	"topic [-b brokers] [-HJ] ls | show [-u] [name...] | " \
	"make [-en] [-p partitions] [-r replicas] [-c key=value]... name... | rm name... | " \
	"grow name partitions | conf name [key=value|key-]... | trim [-x] name partition|all " \
	"offset"
#define dieusage() strerr_die(100, "topic: usage: " USAGE)

const char *PROG = "topic";
struct options opt = {.partitions = -1, .replicas = -1};
struct net *net;
struct arena mem;
int status;

int64_t deadline(void)
{
	return net_now() + 30000;
}

static void die_net(void)
{
	strerr_die(errno == EPROTONOSUPPORT || errno == EBADMSG ? 1 : 111, PROG, ": ",
		   net_why(net));
}

void call(int key, const void *request, void *response)
{
	if (net_call(net, NET_ANY, key, -1, request, &mem, response, deadline()) < 0)
		die_net();
}

void *room(size_t n)
{
	void *p = arena_get(&mem, n ? n : 1);
	if (!p)
		strerr_diefsys(111, "out of memory");
	return p;
}

void complain(const char *verb, struct span name, int code, struct span message)
{
	static struct buf b;
	char what[300], topic[250];
	snprintf(what, sizeof what, "%s %s", verb, span_z(name, topic, sizeof topic));
	strerr_warn(PROG, ": ", cli_kafka_words(&b, what, code, message));
	status = 1;
}

void begin(struct table *t, const char *const *columns)
{
	table_begin(t, table_style(opt.json, opt.header, isatty(1)), columns);
}

void finish(struct table *t)
{
	if (table_end(t) < 0)
		strerr_diefsys(111, "out of memory");
	if (allwrite(1, (const char *)t->out.p, t->out.n) < t->out.n)
		strerr_diefusys(111, "write to stdout");
	buf_free(&t->out);
}

struct metadata_response *metadata(const char *const *names, int n)
{
	struct metadata_response *r = room(sizeof *r);
	struct metadata_request q;
	wire_init(&wire_metadata_request, &q);
	q.allow_auto_topic_creation = false;
	q.topics_n = n ? n : -1;
	q.topics = room((size_t)n * sizeof *q.topics);
	for (int i = 0; i < n; i++)
		q.topics[i].name = span_of(names[i]);
	call(3, &q, r);
	if (net_learn(net, r) < 0)
		strerr_diefsys(111, "out of memory");
	return r;
}

/* `conf` knows all about configs: become it, found beside this program or in PATH. */
static void become_conf(const char *const *argv, int n)
{
	const char *args[n + 8];
	char path[PATH_MAX];
	int a = 0;
	args[a++] = "conf";
	if (opt.json)
		args[a++] = "-J";
	if (opt.header)
		args[a++] = "-H";
	if (opt.brokers) {
		args[a++] = "-b";
		args[a++] = opt.brokers;
	}
	args[a++] = "topic";
	for (int i = 0; i < n; i++)
		args[a++] = argv[i];
	args[a] = NULL;
	execvp(cli_sibling("conf", path, sizeof path), (char *const *)args);
	strerr_diefusys(111, "run conf");
}

static int parse(int argc, const char *const *argv, const char *letters)
{
	subgetopt g = SUBGETOPT_ZERO;
	int64_t v;
	for (;;) {
		int c = subgetopt_r(argc, argv, letters, &g);
		if (c == -1)
			return g.ind;
		switch (c) {
		case 'b': opt.brokers = g.arg; break;
		case 'H': opt.header = true; break;
		case 'J': opt.json = true; break;
		case 'e': opt.exist_ok = true; break;
		case 'n': opt.validate = true; break;
		case 'u': opt.under_replicated = true; break;
		case 'x': opt.execute = true; break;
		case 'p':
			if (!cli_int(g.arg, 1, INT32_MAX, &v))
				dieusage();
			opt.partitions = (int32_t)v;
			break;
		case 'r':
			if (!cli_int(g.arg, 1, INT16_MAX, &v))
				dieusage();
			opt.replicas = (int32_t)v;
			break;
		case 'c':
			if (opt.configs_n == CONFIGS_MOST || !strchr(g.arg, '='))
				dieusage();
			opt.configs[opt.configs_n++] = g.arg;
			break;
		default: dieusage();
		}
	}
}

/* Options stand before names. A name may begin with '-' in Kafka, but here it is an option that
 * came too late, and topics named -p and 4 are not what was meant. */
static bool names(const char *const *argv, int argc)
{
	for (int i = 0; i < argc; i++)
		if (argv[i][0] == '-')
			return false;
	return argc > 0;
}

static void run(const char *verb, const char *const *argv, int argc)
{
	int64_t n;
	if (!strcmp(verb, "ls") && argc == 0)
		topic_ls();
	else if (!strcmp(verb, "show"))
		topic_show(argv, argc);
	else if (!strcmp(verb, "make") && names(argv, argc))
		topic_make(argv, argc);
	else if (!strcmp(verb, "rm") && argc > 0)
		topic_rm(argv, argc);
	else if (!strcmp(verb, "grow") && argc == 2 && cli_int(argv[1], 1, INT32_MAX, &n))
		topic_grow(argv[0], (int32_t)n);
	else if (!strcmp(verb, "trim") && argc == 3 && cli_int(argv[2], -1, INT64_MAX, &n) &&
		 (!strcmp(argv[1], "all") || cli_int(argv[1], 0, INT32_MAX, &(int64_t){0})))
		topic_trim(argv[0], argv[1], n);
	else
		dieusage();
}

static const char *letters_of(const char *verb)
{
	static const char *const table[][2] = {
		{"ls", "HJb:"},   {"show", "HJb:u"}, {"make", "HJb:enp:r:c:"}, {"rm", "HJb:"},
		{"grow", "HJb:"}, {"conf", "HJb:"},  {"trim", "HJb:x"},
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (!strcmp(verb, table[i][0]))
			return table[i][1];
	dieusage();
}

int main(int argc, const char *const *argv)
{
	int at = parse(argc, argv, "HJb:");
	if (at >= argc)
		dieusage();
	argv += at;
	argc -= at;
	const char *verb = argv[0];
	at = parse(argc, argv, letters_of(verb));
	argv += at;
	argc -= at;
	if (!strcmp(verb, "conf")) {
		if (argc < 1)
			dieusage();
		become_conf(argv, argc);
	}
	net = net_new(cli_brokers(opt.brokers), "odradek-topic");
	if (!net)
		strerr_die(100, PROG,
			   ": usage: not a list of HOST:PORT: ", cli_brokers(opt.brokers));
	run(verb, argv, argc);
	net_free(net);
	arena_free(&mem);
	return status;
}
