/* replica: options and what all verbs need. */
#include "replica.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#define USAGE \
	"replica [-b brokers] [-HJ] ls [topic...] | plan [-x] [-d broker]... [-r replicas] " \
	"[topic...] | apply [-n] [file] | cancel [topic...] | elect [-u] [topic [partition...]]"
#define dieusage() strerr_die(100, "replica: usage: " USAGE)

const char *PROG = "replica";
struct options opt;
struct net *net;
struct arena mem;
int status;

int64_t deadline(void)
{
	return net_now() + 30000;
}

void call(int key, const void *request, void *response)
{
	call_version(key, -1, request, response);
}

void call_version(int key, int version, const void *request, void *response)
{
	if (net_call(net, NET_ANY, key, version, request, &mem, response, deadline()) < 0)
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

void complain(const char *verb, struct span topic, int32_t partition, int code,
	      struct span message)
{
	static struct buf b;
	char what[320], name[250];
	snprintf(what, sizeof what, "%s %s %d", verb, span_z(topic, name, sizeof name), partition);
	strerr_warn(PROG, ": ", cli_kafka_words(&b, what, code, message));
	status = 1;
}

void die_kafka(const char *verb, int code, struct span message)
{
	struct buf b = {0};
	strerr_die(1, PROG, ": ", cli_kafka_words(&b, verb, code, message));
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
		strerr_diefusys(111, "write to standard output");
	buf_free(&t->out);
}

struct metadata_response *metadata(void)
{
	struct metadata_response *r = room(sizeof *r);
	struct metadata_request q;
	wire_init(&wire_metadata_request, &q);
	q.topics_n = -1;
	q.allow_auto_topic_creation = false;
	call(3, &q, r);
	return r;
}

void wish_add(struct wishes *w, const char *topic, int32_t partition, const int32_t *then,
	      int32_t n)
{
	if (w->n == w->cap) {
		int cap = w->cap ? 2 * w->cap : 64;
		struct wish *v = room((size_t)cap * sizeof *v);
		if (w->n)
			memcpy(v, w->v, (size_t)w->n * sizeof *v);
		w->v = v;
		w->cap = cap;
	}
	struct wish *to = &w->v[w->n++];
	*to = (struct wish){.topic = topic, .partition = partition, .then_n = n};
	to->then = room((size_t)n * sizeof *to->then);
	if (n)
		memcpy(to->then, then, (size_t)n * sizeof *to->then);
}

static int32_t number(const char *z, int64_t least, int64_t most)
{
	int64_t v;
	if (!cli_int(z, least, most, &v))
		dieusage();
	return (int32_t)v;
}

static int parse(int argc, const char *const *argv, const char *letters)
{
	subgetopt g = SUBGETOPT_ZERO;
	for (int c; (c = subgetopt_r(argc, argv, letters, &g)) != -1;) {
		switch (c) {
		case 'b': opt.brokers = g.arg; break;
		case 'H': opt.header = true; break;
		case 'J': opt.json = true; break;
		case 'x': opt.execute = true; break;
		case 'n': opt.dry = true; break;
		case 'u': opt.unclean = true; break;
		case 'r': opt.factor = number(g.arg, 1, INT16_MAX); break;
		case 'd':
			if (opt.leaving_n == LEAVING_MOST)
				dieusage();
			opt.leaving[opt.leaving_n++] = number(g.arg, 0, INT32_MAX);
			break;
		default: dieusage();
		}
	}
	return g.ind;
}

static void run(const char *verb, const char *const *argv, int argc)
{
	for (int i = 0; i < argc; i++)
		if (argv[i][0] == '-' && argv[i][1])
			dieusage();
	if (!strcmp(verb, "ls"))
		replica_ls(argv, argc);
	else if (!strcmp(verb, "cancel"))
		replica_cancel(argv, argc);
	else if (!strcmp(verb, "plan"))
		replica_plan(argv, argc);
	else if (!strcmp(verb, "apply") && argc <= 1)
		replica_apply(argc && strcmp(argv[0], "-") ? argv[0] : NULL);
	else if (!strcmp(verb, "elect")) {
		for (int i = 1; i < argc; i++)
			number(argv[i], 0, INT32_MAX);
		replica_elect(argv, argc);
	} else
		dieusage();
}

static const char *letters_of(const char *verb)
{
	static const char *const table[][2] = {
		{"ls", "HJb:"},	    {"plan", "HJb:xd:r:"}, {"apply", "HJb:n"},
		{"cancel", "HJb:"}, {"elect", "HJb:u"},
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
	net = net_new(cli_brokers(opt.brokers), "odradek-replica");
	if (!net)
		strerr_die(100, PROG,
			   ": usage: not a list of HOST:PORT: ", cli_brokers(opt.brokers));
	run(verb, argv + at, argc - at);
	net_free(net);
	arena_free(&mem);
	return status;
}
