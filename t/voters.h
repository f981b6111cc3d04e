/* For tests of elect among others: nodes of elect, dial and gate on loopback, a register that is
 * written through whoever leads, and what each node's programs see of it. */
#ifndef T_VOTERS_H
#define T_VOTERS_H
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "meta/follow.h"
#include "port/loop.h"
#include "tap.h"
#include "wire/api.h"
#include "wire/codes.h"
#include "wire/wire.h"

enum { NODES = 6, ELECT = 0, DIAL, GATE, PROGRAMS, SEEN = 20000 };
#define REGISTER "message.max.bytes"
struct node {
	int id, port; /* port: of its controller */
	char dir[PATH_MAX];
	struct uuid directory;
	bool observer;
	pid_t pid[PROGRAMS];
	struct port_peer *peer;
	struct meta_follow *follow;
	int64_t seen[SEEN]; /* values of the register, in the order of the log */
	int seen_n;
	bool reset;	    /* a snapshot stood for some of them */
};
static struct node nodes[NODES];
static int nodes_n, voters_n;
static char top[PATH_MAX], place[PATH_MAX], initial[4096], cluster[UUID_TEXT];
static struct port_loop *loop;
static struct arena memory;
static pid_t owner;

TAP_FN void must(bool good, const char *what)
{
	if (good)
		return;
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void clean(void)
{
	if (getpid() != owner)
		return;
	for (int i = 0; i < nodes_n; i++)
		for (int p = 0; p < PROGRAMS; p++)
			if (nodes[i].pid[p] > 0)
				kill(nodes[i].pid[p], SIGKILL);
	if (!getenv("KEEP"))
		nftw(place, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TAP_FN void write_file(const char *dir, const char *name, const char *text)
{
	char path[PATH_MAX + 256];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "w");
	must(f && fputs(text, f) >= 0 && fclose(f) == 0, path);
}

/* --- programs --- */

static const char *const programs[] = { "elect", "dial", "gate" };
static char extra[16][128]; /* NAME=VALUE for all nodes */
static int extra_n;

static void environment(const struct node *n)
{
	char text[512];

	snprintf(text, sizeof text, "%d", n->id);
	setenv("node.id", text, 1);
	setenv("process.roles", n->observer ? "broker" : "broker,controller", 1);
	setenv("controller.listener.names", "CONTROLLER", 1);
	snprintf(text, sizeof text, "PLAINTEXT://127.0.0.1:%d%s%.0d", n->port - 10,
		 n->observer ? "" : ",CONTROLLER://127.0.0.1:", 0);
	if (!n->observer)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%d", n->port);
	setenv("listeners", text, 1);
	snprintf(text, sizeof text, "PLAINTEXT://127.0.0.1:%d", n->port - 10);
	setenv("advertised.listeners", text, 1);
	setenv("odradek.initial.controllers", initial, 1);
	for (int i = 0; i < extra_n; i++)
		putenv(extra[i]);
}

static int step_at; /* elect dies before its system call of this number that changes files */

TAP_FN void start(struct node *n, int program)
{
	char path[PATH_MAX + 32], step[PATH_MAX + 32], at[16];
	int fd;

	fflush(stdout);
	n->pid[program] = fork();
	must(n->pid[program] >= 0, "fork");
	if (n->pid[program])
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (chdir(n->dir) < 0)
		_exit(127);
	environment(n);
	fd = open(programs[program], O_WRONLY | O_CREAT | O_APPEND, 0666);
	dup2(fd, 2);
	for (fd = 3; fd < 64; fd++)
		close(fd);
	snprintf(path, sizeof path, "%s/build/bin/%s", top, programs[program]);
	snprintf(step, sizeof step, "%s/build/crash/step", top);
	snprintf(at, sizeof at, "%d", step_at);
	if (step_at && program == ELECT)
		execl(step, "step", at, "step", path, (char *)NULL);
	else
		execl(path, programs[program], (char *)NULL);
	_exit(127);
}

/* Its status. */
TAP_FN int end(struct node *n, int program, int signal)
{
	int status = -1;

	if (n->pid[program] <= 0)
		return -1;
	kill(n->pid[program], signal);
	kill(n->pid[program], SIGCONT);
	waitpid(n->pid[program], &status, 0);
	n->pid[program] = 0;
	return status;
}

TAP_FN void node_start(struct node *n)
{
	for (int p = 0; p < PROGRAMS; p++)
		if (n->pid[p] <= 0)
			start(n, p);
}

TAP_FN void node_kill(struct node *n)
{
	for (int p = 0; p < PROGRAMS; p++)
		if (n->pid[p] > 0)
			kill(n->pid[p], SIGKILL);
	for (int p = 0; p < PROGRAMS; p++)
		end(n, p, SIGKILL);
}

TAP_FN void node_signal(struct node *n, int signal)
{
	for (int p = 0; p < PROGRAMS; p++)
		if (n->pid[p] > 0)
			kill(n->pid[p], signal);
}

/* --- what a program of the node sees --- */

static void on_record(void *ctx, struct meta_image *m, int type, const void *record)
{
	struct node *n = ctx;
	const struct config_record *r = record;

	if (type != 4 || !span_is(r->name, REGISTER) || n->seen_n == SEEN)
		return;
	n->seen[n->seen_n++] = strtoll(r->value.p, NULL, 10);
}

static void on_reset(void *ctx, struct meta_image *m)
{
	((struct node *)ctx)->reset = true;
}

static void on_broken(void *ctx, const char *why)
{
	must(false, why);
}

TAP_FN void node_follow(struct node *n)
{
	static const struct meta_follow_ops ops = { .record = on_record, .reset = on_reset,
						    .broken = on_broken };
	static const struct port_peer_ops none;
	char path[PATH_MAX + 16];

	snprintf(path, sizeof path, "%s/run/elect", n->dir);
	n->follow = meta_follow_new(loop, path, "watch", &ops, n);
	n->peer = port_dial(loop, path, "test", -1, &none, NULL);
	must(n->follow && n->peer, "port_dial");
}

/* The value of the register there; -1: never set. */
TAP_FN int64_t node_value(const struct node *n)
{
	const struct meta_configs *c =
		meta_configs_of(meta_follow_image(n->follow), META_BROKER, span_of(""));
	const char *v = c ? meta_config_value(c, REGISTER) : NULL;

	return v ? strtoll(v, NULL, 10) : -1;
}

static void nothing(void *arg)
{
}

TAP_FN bool until(bool (*done)(void *arg), void *arg, int ms)
{
	struct port_timer timer = { .fn = nothing };
	int64_t last = port_now_ms() + ms;
	bool is_done;

	while (!(is_done = done(arg)) && port_now_ms() < last) {
		port_timer_set(loop, &timer, port_now_ms() + 10);
		must(port_turn(loop) == 0, "port_turn");
	}
	port_timer_stop(loop, &timer);
	return is_done;
}

/* --- nodes --- */

/* Node number i; its directory is made when it is not there. */
TAP_FN struct node *node_make(int i, int port, bool observer)
{
	struct node *n = &nodes[i];
	char text[512], id[UUID_TEXT], path[PATH_MAX + 16];

	n->id = i + 1;
	n->port = port + 10 + i;
	n->observer = observer;
	must((size_t)snprintf(n->dir, sizeof n->dir, "%.4000s/%d", place, n->id) < sizeof n->dir,
	     "path");
	must(mkdir(n->dir, 0777) == 0, n->dir);
	must(uuid_random(&n->directory) == 0, "uuid");
	for (int k = 0; k < 3; k++) {
		static const char *const names[] = { "log", "run", "scratch" };

		snprintf(path, sizeof path, "%s/%s", n->dir, names[k]);
		must(mkdir(path, 0777) == 0, path);
	}
	snprintf(text, sizeof text, "version=1\ncluster.id=%s\nnode.id=%d\ndirectory.id=%s\n",
		 cluster, n->id, uuid_text(&n->directory, id));
	snprintf(path, sizeof path, "%s/log", n->dir);
	write_file(path, "meta.properties", text);
	if (i >= nodes_n)
		nodes_n = i + 1;
	return n;
}

static const char *setup_name;
static int setup_port;

/* The first `voters` nodes found the cluster; nothing is started. */
TAP_FN void setup(const char *name, int port, int voters)
{
	struct uuid u;
	char id[UUID_TEXT];

	if (!loop) {
		must(getcwd(top, sizeof top), "getcwd");
		mkdir("build/tmp", 0777);
		owner = getpid();
		loop = port_loop_new();
		atexit(clean);
		snprintf(place, sizeof place, "%.3000s/build/tmp/%s.%d", top, name, (int)owner);
		must(mkdir(place, 0777) == 0, place);
		must(uuid_random(&u) == 0, "uuid");
		uuid_text(&u, cluster);
	}
	setup_name = name;
	setup_port = port;
	voters_n = voters;
	for (int i = 0; i < voters; i++) {
		struct node *n = node_make(i, port, false);

		snprintf(initial + strlen(initial), sizeof initial - strlen(initial),
			 "%s%d@127.0.0.1:%d:%s", i ? "," : "", n->id, n->port,
			 uuid_text(&n->directory, id));
	}
}

/* --- calls --- */

struct reply {
	bool there, failed;
	enum port_kind kind;
	struct buf bytes;
};

static void on_reply(void *arg, const struct port_reply *r)
{
	struct reply *to = arg;

	to->there = true;
	to->failed = r->failed;
	to->kind = r->kind;
	if (!r->failed && r->bytes.n > 0)
		buf_add(&to->bytes, r->bytes.p, (size_t)r->bytes.n);
}

static bool replied(void *arg)
{
	return ((struct reply *)arg)->there;
}

/* 0 and *response (valid until the next call); 1 closed; -1 failed. */
TAP_FN int call_bytes(struct node *n, int key, int version, const struct buf *request,
		      void *response, int ms)
{
	static struct buf kept;
	const struct wire_api *api = wire_api(key);
	struct reply r = { 0 };
	int32_t id;
	int head;

	must(port_ask(n->peer, WIRE_CONTROLLER, span_of(""), span_of(""), request->p, request->n,
		      port_now_ms() + ms, on_reply, &r)
		     == 0,
	     "port_ask");
	must(until(replied, &r, ms + 5000), "no reply");
	buf_free(&kept);
	kept = r.bytes;
	if (r.failed)
		return -1;
	if (r.kind != PORT_BYTES)
		return 1;
	head = wire_response_parse(key, version, kept.p, kept.n, &id);
	must(head > 0 && id == 77, "response header");
	arena_reset(&memory);
	must(wire_decode(api->response, version, kept.p + head, kept.n - (size_t)head, &memory,
			 response)
		     == (int64_t)(kept.n - (size_t)head),
	     "decode");
	return 0;
}

TAP_FN int call(struct node *n, int key, int version, const void *request, void *response, int ms)
{
	struct buf b = { 0 };
	int r;

	must(wire_request_header(&b, key, version, 77, span_of("test")) == 0
		     && wire_encode(wire_api(key)->request, version, request, &b, NULL) == 0,
	     "encode");
	r = call_bytes(n, key, version, &b, response, ms);
	buf_free(&b);
	return r;
}

/* DescribeQuorum: 0 when this node leads. */
TAP_FN int describe(struct node *n, struct describe_quorum_response *r, int ms)
{
	struct describe_quorum_request q;
	struct describe_quorum_request_topic_data t;
	struct describe_quorum_request_partition_data p;

	wire_init(&wire_describe_quorum_request, &q);
	wire_init(&wire_describe_quorum_request_topic_data, &t);
	wire_init(&wire_describe_quorum_request_partition_data, &p);
	q.topics = &t;
	q.topics_n = 1;
	t.topic_name = span_of("__cluster_metadata");
	t.partitions = &p;
	t.partitions_n = 1;
	if (call(n, 55, 2, &q, r, ms) != 0 || r->error_code || r->topics_n != 1)
		return -1;
	return r->topics[0].partitions[0].error_code;
}

/* Who says that it leads; NULL: nobody. */
TAP_FN struct node *leader(void)
{
	struct describe_quorum_response r;
	struct node *best = NULL;
	int32_t epoch = -1;

	for (int i = 0; i < nodes_n; i++) {
		if (nodes[i].pid[ELECT] <= 0 || nodes[i].observer
		    || describe(&nodes[i], &r, 300) != 0)
			continue;
		if (r.topics[0].partitions[0].leader_epoch > epoch) {
			epoch = r.topics[0].partitions[0].leader_epoch;
			best = &nodes[i];
		}
	}
	return best;
}

TAP_FN struct node *leader_within(int ms)
{
	int64_t last = port_now_ms() + ms;
	struct node *n;

	while (!(n = leader()) && port_now_ms() < last)
		;
	return n;
}

/* The request that sets the register, whole. */
TAP_FN void put_request(struct buf *b, int64_t value)
{
	struct incremental_alter_configs_request q;
	struct incremental_alter_configs_request_alter_configs_resource t;
	struct incremental_alter_configs_request_alterable_config c;
	char text[32];

	snprintf(text, sizeof text, "%lld", (long long)value);
	wire_init(&wire_incremental_alter_configs_request, &q);
	wire_init(&wire_incremental_alter_configs_request_alter_configs_resource, &t);
	wire_init(&wire_incremental_alter_configs_request_alterable_config, &c);
	q.resources = &t;
	q.resources_n = 1;
	t.resource_type = META_BROKER;
	t.resource_name = span_of("");
	t.configs = &c;
	t.configs_n = 1;
	c.name = span_of(REGISTER);
	c.value = span_of(text);
	must(wire_request_header(b, 44, 1, 77, span_of("test")) == 0
		     && wire_encode(&wire_incremental_alter_configs_request, 1, &q, b, NULL) == 0,
	     "encode");
}

/* Writes the register at n: 0 acknowledged, an error code, -1 failed. */
TAP_FN int put_at(struct node *n, int64_t value, int ms)
{
	struct incremental_alter_configs_response r;
	struct buf b = { 0 };
	int e;

	put_request(&b, value);
	e = call_bytes(n, 44, 1, &b, &r, ms) != 0 || r.responses_n != 1 ? -1
									: r.responses[0].error_code;
	buf_free(&b);
	return e;
}

static struct node *last_leader;

/* Writes it through whoever leads, within that time. */
TAP_FN bool put(int64_t value, int ms)
{
	int64_t last = port_now_ms() + ms;

	do {
		if (!last_leader || last_leader->pid[ELECT] <= 0)
			last_leader = leader();
		if (last_leader && put_at(last_leader, value, 1000) == 0)
			return true;
		last_leader = NULL;
	} while (port_now_ms() < last);
	return false;
}

static bool is_everywhere(void *arg)
{
	for (int i = 0; i < nodes_n; i++)
		if (nodes[i].pid[ELECT] > 0 && node_value(&nodes[i]) != *(int64_t *)arg)
			return false;
	return true;
}

/* All nodes that run see this value last. */
TAP_FN bool everywhere(int64_t value, int ms)
{
	return until(is_everywhere, &value, ms);
}

/* What two nodes have seen of the log is the same, one being behind, or begun later. */
TAP_FN bool agree(void)
{
	for (int i = 1; i < nodes_n; i++) {
		struct node *a = &nodes[0], *b = &nodes[i];
		int n = a->seen_n < b->seen_n ? a->seen_n : b->seen_n;

		if (a->reset || b->reset)
			continue;
		if (memcmp(a->seen, b->seen, (size_t)n * sizeof *a->seen) != 0)
			return false;
	}
	return true;
}
#endif
