/* logget: records of topics to standard output. */
#include "logget.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "cli/text.h"
#include "cli/words.h"

#define USAGE                                                                                      \
	"logget [-b brokers] [-g group [-m] | -p partition,...] [-o offset] [-n count] "           \
	"[-c count] [-eCZ] [-f format | -J] [-D delimiter | -0] [-K separator] topic..."
#define dieusage() strerr_die(100, "logget: usage: " USAGE)

enum { START_MS = 15000 };

const char *PROG = "logget";
struct options opt = { .from = FROM_BEGINNING, .from_ms = -1, .until_ms = -1, .count = -1 };
struct net *net;
struct net_topic *topics;
int topics_n;
struct buf out;
int64_t left;

void die_net(void)
{
	strerr_die(errno == EPROTONOSUPPORT || errno == EBADMSG ? 1 : 111, PROG, ": ",
		   net_why(net));
}

void die_memory(void)
{
	errno = ENOMEM;
	strerr_diefsys(111, "out of memory");
}

static void end(void)
{
	if (opt.group)
		member_end();
	else
		flush_out();
}

void die_kafka(const struct lane *l, int code)
{
	struct buf words = { 0 };
	char what[NET_TOPIC + 16];
	end();
	snprintf(what, sizeof what, "%s %d", l->topic->name, l->partition);
	strerr_die(1, PROG, ": ", cli_kafka_words(&words, what, code, SPAN_NULL));
}

void die_bad(const struct lane *l, int64_t offset, const char *why)
{
	char what[NET_TOPIC + 48];
	end();
	snprintf(what, sizeof what, "%s %d: offset %lld: ", l->topic->name, l->partition,
		 (long long)offset);
	strerr_die(1, PROG, ": ", what, why);
}

void flush_out(void)
{
	if (allwrite(1, (const char *)out.p, out.n) < out.n)
		strerr_diefusys(111, "write to standard output");
	out.n = 0;
}

static void parse_offset(const char *z)
{
	int64_t v;
	if (!strcmp(z, "beginning"))
		opt.from = FROM_BEGINNING;
	else if (!strcmp(z, "end"))
		opt.from = FROM_END;
	else if (!strncmp(z, "s@", 2) && cli_int(z + 2, 0, INT64_MAX, &v))
		opt.from_ms = v;
	else if (!strncmp(z, "e@", 2) && cli_int(z + 2, 0, INT64_MAX, &v))
		opt.until_ms = v;
	else if (cli_int(z, FROM_LEAST, INT64_MAX, &v))
		opt.from = v;
	else
		dieusage();
}

static void parse_partitions(const char *z)
{
	int64_t v;
	while (*z) {
		char number[12] = "";
		size_t n = strcspn(z, ",");
		memcpy(number, z, n < sizeof number ? n : 0);
		if (!cli_int(number, 0, INT32_MAX, &v))
			dieusage();
		opt.partitions = realloc(opt.partitions,
					 (size_t)(opt.partitions_n + 1) * sizeof *opt.partitions);
		if (!opt.partitions)
			die_memory();
		for (int i = 0; i < opt.partitions_n; i++)
			if (opt.partitions[i] == v)
				dieusage();
		opt.partitions[opt.partitions_n++] = (int32_t)v;
		z += n + (z[n] == ',');
	}
}

static int64_t parse_count(const char *z)
{
	int64_t v;
	if (!cli_int(z, 0, INT64_MAX / 4, &v))
		dieusage();
	return v;
}

/* kcat's rule: -f wins over -D and -K. */
static void make_format(const char *delimiter, const char *separator)
{
	static struct buf b;
	const char *parts[] = { separator ? "%k" : "", separator ? separator : "", "%s",
				delimiter };
	if (opt.format)
		return;
	for (int i = 0; i < 4; i++)
		if (buf_addz(&b, parts[i]) < 0)
			die_memory();
	if (buf_add8(&b, 0) < 0)
		die_memory();
	opt.format = (const char *)b.p;
}

static int parse(int argc, const char *const *argv)
{
	subgetopt g = SUBGETOPT_ZERO;
	const char *delimiter = "\\n", *separator = NULL;
	for (int c; (c = subgetopt_r(argc, argv, "0b:g:mp:o:n:c:eCZf:JD:K:", &g)) != -1;) {
		switch (c) {
		case '0': delimiter = "\\x00"; break;
		case 'b': opt.brokers = g.arg; break;
		case 'g': opt.group = g.arg; break;
		case 'm': opt.at_most_once = true; break;
		case 'p': parse_partitions(g.arg); break;
		case 'o': parse_offset(g.arg); break;
		case 'n': opt.from = -parse_count(g.arg); break;
		case 'c': opt.count = parse_count(g.arg); break;
		case 'e': opt.exit_at_end = true; break;
		case 'C': opt.committed = true; break;
		case 'Z': opt.null_word = true; break;
		case 'f': opt.format = g.arg; break;
		case 'J': opt.json = true; break;
		case 'D': delimiter = g.arg; break;
		case 'K': separator = g.arg; break;
		default: dieusage();
		}
		if (c == 'n' && opt.from == 0)
			opt.from = FROM_END;
	}
	/* A member goes on where its group has been: -o says only where there is nothing. */
	if (opt.group ? opt.partitions || opt.from_ms >= 0 || opt.until_ms >= 0
				|| (opt.from != FROM_BEGINNING && opt.from != FROM_END)
		      : opt.at_most_once)
		dieusage();
	if (g.ind >= argc)
		dieusage();
	make_format(delimiter, separator);
	return g.ind;
}

static void find_topics(const char *const *names, int n)
{
	struct buf words = { 0 };
	topics = calloc((size_t)n, sizeof *topics);
	if (!topics)
		die_memory();
	for (int i = 0; i < n; i++) {
		struct net_topic *t = &topics[topics_n];
		if (strlen(names[i]) >= NET_TOPIC)
			dieusage();
		for (int k = 0; k < i; k++)
			if (!strcmp(names[k], names[i]))
				dieusage();
		if (net_topic_wait(net, names[i], false, t, net_now() + START_MS) < 0)
			die_net();
		if (t->error || t->n == 0)
			strerr_die(1, PROG, ": ",
				   cli_kafka_words(&words, names[i], t->error, SPAN_NULL));
		topics_n++;
	}
}

int main(int argc, const char *const *argv)
{
	int at = parse(argc, argv);
	print_begin();
	left = opt.count;
	net = net_new(cli_brokers(opt.brokers), "odradek-logget");
	if (!net)
		strerr_die(100, PROG,
			   ": usage: not a list of HOST:PORT: ", cli_brokers(opt.brokers));
	find_topics(argv + at, argc - at);
	if (opt.group) {
		member_run();
		return 0;
	}
	lanes_choose();
	lanes_place();
	feeds_run();
	flush_out();
	return 0;
}
