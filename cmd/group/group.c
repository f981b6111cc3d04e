/* group: list, show, measure, reset and remove consumer groups of a Kafka cluster. */
#include "group.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#define USAGE \
	"group [-b brokers] [-HJ] ls | show [group...] | " \
	"lag [-s] [-l records] [-W seconds] [-w condition] [-t topic]... [group...] | " \
	"reset [-x] [-t topic]... group earliest|latest|offset N|shift N|time T | " \
	"reset [-x] - | rm [-t topic]... group..."
#define dieusage() strerr_die(100, "group: usage: " USAGE)

const char *PROG = "group";
struct options opt = {.threshold = 1000, .window_s = 300};
struct net *net;
struct arena mem;
int status;

int64_t deadline(void)
{
	return net_now() + 30000;
}

void die_net(void)
{
	strerr_die(errno == EPROTONOSUPPORT || errno == EBADMSG ? 1 : 111, PROG, ": ",
		   net_why(net));
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
	char what[300], text[250];
	snprintf(what, sizeof what, "%s %s", verb, span_z(name, text, sizeof text));
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

int span_order(struct span a, struct span b)
{
	int n = a.n < b.n ? a.n : b.n;
	int r = n > 0 ? memcmp(a.p, b.p, (size_t)n) : 0;
	return r ? r : a.n - b.n;
}

int part_order(const void *a, const void *b)
{
	const struct part *x = a, *y = b;
	int r = span_order(x->topic, y->topic);
	return r ? r : (x->partition > y->partition) - (x->partition < y->partition);
}

/* Z is TOPIC or TOPIC:P,P... */
static bool names_partition(const char *z, struct span topic, int32_t partition)
{
	const char *colon = strchr(z, ':');
	struct span name = {z, (int32_t)(colon ? colon - z : (long)strlen(z))};
	if (!span_same(name, topic))
		return false;
	for (const char *p = colon; p; p = strchr(p, ','))
		if (strtol(++p, NULL, 10) == partition)
			return true;
	return !colon;
}

bool chosen(struct span topic, int32_t partition)
{
	for (int i = 0; i < opt.topics_n; i++)
		if (names_partition(opt.topics[i], topic, partition))
			return true;
	return opt.topics_n == 0;
}

static bool topic_is_good(const char *z)
{
	const char *p = strchr(z, ':');
	if (!p)
		return *z;
	for (bool more = true; more;) {
		char number[12] = "";
		size_t n = strcspn(++p, ",");
		memcpy(number, p, n < sizeof number ? n : 0);
		if (!cli_int(number, 0, INT32_MAX, &(int64_t){0}))
			return false;
		more = p[n];
		p += n;
	}
	return *z != ':';
}

static void add_topic(const char *z)
{
	if (opt.topics_n == TOPICS_MOST || !topic_is_good(z))
		dieusage();
	opt.topics[opt.topics_n++] = z;
}

static bool condition_is_good(const char *z)
{
	size_t n = strspn(z, "<>=!");
	return n >= 1 && n <= 2 && cli_int(z + n, 0, INT64_MAX, &(int64_t){0}) &&
	       (z[0] != '!' || z[1] == '=') && (n == 1 || z[1] == '=') && !(n == 1 && z[0] == '!');
}

static int parse(int argc, const char *const *argv, const char *letters)
{
	subgetopt g = SUBGETOPT_ZERO;
	for (;;) {
		int c = subgetopt_r(argc, argv, letters, &g);
		if (c == -1)
			return g.ind;
		switch (c) {
		case 'b': opt.brokers = g.arg; break;
		case 'H': opt.header = true; break;
		case 'J': opt.json = true; break;
		case 'x': opt.execute = true; break;
		case 's': opt.judge = true; break;
		case 't': add_topic(g.arg); break;
		case 'l':
			if (!cli_int(g.arg, 0, INT64_MAX, &opt.threshold))
				dieusage();
			break;
		case 'W':
			if (!cli_int(g.arg, 1, 7 * 86400, &opt.window_s))
				dieusage();
			break;
		case 'w':
			if (!condition_is_good(g.arg))
				dieusage();
			opt.where = g.arg;
			break;
		default: dieusage();
		}
	}
}

static bool is_target(const char *to, const char *argument)
{
	int64_t least = !strcmp(to, "shift") ? INT64_MIN : 0;
	if (!strcmp(to, "earliest") || !strcmp(to, "latest"))
		return !argument;
	if (!strcmp(to, "offset") || !strcmp(to, "shift"))
		return argument && cli_int(argument, least, INT64_MAX, &(int64_t){0});
	return !strcmp(to, "time") && argument && time_ms(argument) >= 0;
}

static void run(const char *verb, const char *const *argv, int argc)
{
	if (!strcmp(verb, "ls") && argc == 0)
		group_ls();
	else if (!strcmp(verb, "show"))
		group_show(argv, argc);
	else if (!strcmp(verb, "lag"))
		group_lag(argv, argc);
	else if (!strcmp(verb, "rm") && argc > 0)
		group_rm(argv, argc);
	else if (!strcmp(verb, "reset") && argc == 1 && !strcmp(argv[0], "-"))
		group_apply();
	else if (!strcmp(verb, "reset") && (argc == 2 || argc == 3) &&
		 is_target(argv[1], argc == 3 ? argv[2] : NULL))
		group_reset(argv[0], argv[1], argc == 3 ? argv[2] : NULL);
	else
		dieusage();
}

static const char *letters_of(const char *verb)
{
	static const char *const table[][2] = {
		{"ls", "HJb:"},      {"show", "HJb:"}, {"lag", "HJb:sl:W:w:t:"},
		{"reset", "HJb:xt:"}, {"rm", "HJb:t:"},
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
	net = net_new(cli_brokers(opt.brokers), "odradek-group");
	if (!net)
		strerr_die(100, PROG,
			   ": usage: not a list of HOST:PORT: ", cli_brokers(opt.brokers));
	run(verb, argv + at, argc - at);
	net_free(net);
	arena_free(&mem);
	return status;
}
