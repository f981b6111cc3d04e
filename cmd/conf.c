/* conf: show and change the configs of topics, brokers and the cluster. */
#include <errno.h>
#include <stdio.h>
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

#define USAGE \
	"conf [-b brokers] [-HJ] [-adn] topic name | broker id | cluster " \
	"[key=value | key+=value | key-=value | key-]..."
#define dieusage() strerr_die(100, "conf: usage: " USAGE)

enum { METADATA = 3, DESCRIBE_CONFIGS = 32, INCREMENTAL_ALTER_CONFIGS = 44 };
enum { TOPIC = 2, BROKER = 4, SOURCE_DEFAULT = 5, CHANGES_MOST = 256, WAIT_MS = 30000 };
enum { SET, DELETE, APPEND, SUBTRACT };

const char *PROG = "conf";
static struct {
	const char *brokers;
	bool header, json, all, words, validate;
	int8_t type;
	const char *name; /* of the resource; "" the brokers of the whole cluster */
	int32_t node;     /* that answers; NET_ANY */
} opt = {.node = NET_ANY};
static struct net *net;
static struct arena mem;

typedef struct describe_configs_response_describe_configs_resource_result config;

static void call(int32_t node, int key, const void *request, void *response)
{
	if (net_call(net, node, key, -1, request, &mem, response, net_now() + WAIT_MS) < 0)
		strerr_die(errno == EPROTONOSUPPORT || errno == EBADMSG || errno == ESRCH ? 1 : 111,
			   PROG, ": ", net_why(net));
}

/* The error of a resource ends the program: there is one only. */
static void check(int code, struct span message)
{
	struct buf b = {0};
	char what[300];
	if (!code)
		return;
	snprintf(what, sizeof what, "%s%s",
		 opt.type == TOPIC ? "topic " :
		 *opt.name         ? "broker " :
				     "cluster",
		 opt.name);
	strerr_die(1, PROG, ": ", cli_kafka_words(&b, what, code, message));
}

/* A broker answers for itself: to ask it, its address must be known. */
static void learn_nodes(void)
{
	struct metadata_request q;
	struct metadata_response r;
	if (opt.node == NET_ANY)
		return;
	wire_init(&wire_metadata_request, &q);
	call(NET_ANY, METADATA, &q, &r);
	if (net_learn(net, &r) < 0)
		strerr_diefsys(111, "out of memory");
}

static const char *source_word(int source)
{
	static const char *const words[] = {NULL,      "topic",  "broker",  "cluster", "static",
					    "default", "logger", "metrics", "group"};
	return source > 0 && source < (int)(sizeof words / sizeof *words) ? words[source] : NULL;
}

static const char *type_word(int type)
{
	static const char *const words[] = {NULL,   "boolean", "string", "int",   "short",
					    "long", "double",  "list",   "class", "password"};
	return type > 0 && type < (int)(sizeof words / sizeof *words) ? words[type] : NULL;
}

static int by_key(const void *a, const void *b)
{
	const struct span *x = &((const config *)a)->name, *y = &((const config *)b)->name;
	int n = x->n < y->n ? x->n : y->n, r = n > 0 ? memcmp(x->p, y->p, (size_t)n) : 0;
	return r ? r : x->n - y->n;
}

static void rows(struct table *t, const struct describe_configs_response_describe_configs_result *r)
{
	if (r->configs_n > 0)
		qsort(r->configs, (size_t)r->configs_n, sizeof(config), by_key);
	for (int32_t i = 0; i < r->configs_n; i++) {
		const config *c = &r->configs[i];
		bool ours = c->name.n > 8 && !memcmp(c->name.p, "odradek.", 8);
		if (!opt.all && !ours && c->config_source == SOURCE_DEFAULT)
			continue;
		table_text(t, c->name);
		table_text(t, c->value);
		table_z(t, source_word(c->config_source));
		table_z(t, type_word(c->config_type));
		table_bool(t, c->read_only);
		if (opt.words)
			table_text(t, c->documentation);
	}
}

static void show(void)
{
	static const char *const columns[] = {"key", "value", "source", "type", "readonly", NULL};
	static const char *const with_words[] = {"key",      "value", "source", "type",
						 "readonly", "words", NULL};
	struct describe_configs_request_describe_configs_resource one = {
		.resource_type = opt.type,
		.resource_name = span_of(opt.name),
		.configuration_keys_n = -1,
	};
	struct describe_configs_request q;
	struct describe_configs_response r;
	struct table t;
	wire_init(&wire_describe_configs_request, &q);
	q.resources = &one;
	q.resources_n = 1;
	q.include_documentation = opt.words;
	call(opt.node, DESCRIBE_CONFIGS, &q, &r);
	table_begin(&t, table_style(opt.json, opt.header, isatty(1)),
		    opt.words ? with_words : columns);
	for (int32_t i = 0; i < r.results_n; i++) {
		check(r.results[i].error_code, r.results[i].error_message);
		rows(&t, &r.results[i]);
	}
	if (table_end(&t) < 0)
		strerr_diefsys(111, "out of memory");
	if (allwrite(1, (const char *)t.out.p, t.out.n) < t.out.n)
		strerr_diefusys(111, "write to standard output");
}

typedef struct incremental_alter_configs_request_alterable_config change;

static change parse_change(const char *z)
{
	const char *equals = strchr(z, '=');
	size_t n = equals ? (size_t)(equals - z) : strlen(z);
	change c = {.value = equals ? span_of(equals + 1) : SPAN_NULL};
	c.config_operation = equals ? SET : DELETE;
	if (equals && n > 1 && (z[n - 1] == '+' || z[n - 1] == '-'))
		c.config_operation = z[--n] == '+' ? APPEND : SUBTRACT;
	else if (!equals && (n < 2 || z[--n] != '-'))
		dieusage();
	c.name = (struct span){z, (int32_t)n};
	return c;
}

static void alter(const char *const *argv, int n)
{
	change changes[CHANGES_MOST];
	struct incremental_alter_configs_request_alter_configs_resource one = {
		.resource_type = opt.type,
		.resource_name = span_of(opt.name),
		.configs = changes,
		.configs_n = n,
	};
	struct incremental_alter_configs_request q;
	struct incremental_alter_configs_response r;
	for (int i = 0; i < n; i++)
		changes[i] = parse_change(argv[i]);
	learn_nodes();
	wire_init(&wire_incremental_alter_configs_request, &q);
	q.resources = &one;
	q.resources_n = 1;
	q.validate_only = opt.validate;
	call(opt.node, INCREMENTAL_ALTER_CONFIGS, &q, &r);
	for (int32_t i = 0; i < r.responses_n; i++)
		check(r.responses[i].error_code, r.responses[i].error_message);
}

/* Which resource; returns how many words named it. */
static int resource(const char *const *argv, int argc)
{
	int64_t id;
	if (argc < 1)
		dieusage();
	opt.type = BROKER;
	opt.name = "";
	if (!strcmp(argv[0], "cluster"))
		return 1;
	if (argc < 2)
		dieusage();
	opt.name = argv[1];
	if (!strcmp(argv[0], "topic"))
		opt.type = TOPIC;
	else if (strcmp(argv[0], "broker") || !cli_int(argv[1], 0, INT32_MAX, &id))
		dieusage();
	else
		opt.node = (int32_t)id;
	return 2;
}

int main(int argc, const char *const *argv)
{
	subgetopt g = SUBGETOPT_ZERO;
	for (int c; (c = subgetopt_r(argc, argv, "HJadnb:", &g)) != -1;) {
		switch (c) {
		case 'H': opt.header = true; break;
		case 'J': opt.json = true; break;
		case 'a': opt.all = true; break;
		case 'b': opt.brokers = g.arg; break;
		case 'd': opt.words = true; break;
		case 'n': opt.validate = true; break;
		default: dieusage();
		}
	}
	argv += g.ind;
	argc -= g.ind;
	int words = resource(argv, argc);
	argv += words;
	argc -= words;
	if (argc > CHANGES_MOST)
		dieusage();
	net = net_new(cli_brokers(opt.brokers), "odradek-conf");
	if (!net)
		strerr_die(100, PROG,
			   ": usage: not a list of HOST:PORT: ", cli_brokers(opt.brokers));
	if (argc) {
		alter(argv, argc);
		return 0;
	}
	learn_nodes();
	show();
	return 0;
}
