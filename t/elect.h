/* For tests of elect: a node directory, elect as a child on it, followers that hold its leases, and
 * calls over its port. */
#ifndef T_ELECT_H
#define T_ELECT_H
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
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

static char elect_top[PATH_MAX], elect_dir[PATH_MAX];
static pid_t elect_pid;
static struct port_loop *elect_loop;
static struct meta_follow *elect_append_follow, *elect_serve_follow;
static struct port_peer *elect_client;
static struct arena elect_arena;

TAP_FN void must(bool good, const char *what)
{
	if (good)
		return;
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

TAP_FN void write_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	must(f && fputs(text, f) >= 0 && fclose(f) == 0, name);
}

static int elect_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static pid_t elect_owner;
static void elect_clean(void)
{
	if (getpid() == elect_owner && !getenv("ELECT_DIR") && !getenv("KEEP"))
		nftw(elect_dir, elect_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* Makes build/tmp/NAME.PID, or uses $ELECT_DIR, as a node's directory and goes there. port: of the
 * listener for clients. */
TAP_FN void elect_directory(const char *name, int port)
{
	char text[512], cluster[UUID_TEXT], directory[UUID_TEXT];
	struct uuid a, b;

	must(getcwd(elect_top, sizeof elect_top), "getcwd");
	if (getenv("ELECT_DIR"))
		snprintf(elect_dir, sizeof elect_dir, "%s", getenv("ELECT_DIR"));
	else
		snprintf(elect_dir, sizeof elect_dir, "build/tmp/%s.%d", name, (int)getpid());
	mkdir("build/tmp", 0777);
	mkdir(elect_dir, 0777);
	must(chdir(elect_dir) == 0 && getcwd(elect_dir, sizeof elect_dir), elect_dir);
	elect_owner = getpid();
	atexit(elect_clean);
	mkdir("log", 0777);
	mkdir("run", 0777);
	if (access("log/meta.properties", F_OK) < 0) {
		must(uuid_random(&a) == 0 && uuid_random(&b) == 0, "uuid");
		snprintf(text, sizeof text,
			 "version=1\ncluster.id=%s\nnode.id=1\ndirectory.id=%s\n",
			 uuid_text(&a, cluster), uuid_text(&b, directory));
		write_file("log/meta.properties", text);
	}
	setenv("node.id", "1", 1);
	setenv("controller.listener.names", "CONTROLLER", 1);
	snprintf(text, sizeof text, "PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", port,
		 port + 1);
	setenv("listeners", text, 1);
	snprintf(text, sizeof text, "PLAINTEXT://127.0.0.1:%d", port);
	setenv("advertised.listeners", text, 1);
	snprintf(text, sizeof text, "1@127.0.0.1:%d", port + 1);
	setenv("controller.quorum.voters", text, 1);
}

/* Starts elect and waits until it is ready. false: it ended before. */
TAP_FN bool elect_spawn(void)
{
	int fd[2];
	char path[PATH_MAX + 32], c;
	bool ready;

	must(pipe(fd) == 0, "pipe");
	fflush(stdout);
	elect_pid = fork();
	must(elect_pid >= 0, "fork");
	if (elect_pid == 0) {
		prctl(PR_SET_PDEATHSIG,
		      SIGKILL); /* else what outlives a failed test holds its output open */
		snprintf(path, sizeof path, "%s/build/bin/elect", elect_top);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (fd[1] != 3)
			dup2(fd[1], 3);
		if (fd[0] != 3)
			close(fd[0]);
		if (fd[1] != 3)
			close(fd[1]);
		execl(path, "elect", (char *)NULL);
		_exit(127);
	}
	close(fd[1]);
	ready = read(fd[0], &c, 1) == 1;
	close(fd[0]);
	return ready;
}

TAP_FN bool elect_is_down(void *arg)
{
	return !port_is_up(elect_client);
}

/* Followers and a client; they stay through restarts of elect. */
TAP_FN void elect_connect(bool leases)
{
	static const struct meta_follow_ops ops;
	static const struct port_peer_ops none;

	elect_loop = port_loop_new();
	if (leases) {
		elect_append_follow =
			meta_follow_new(elect_loop, "run/elect", "logappend", &ops, NULL);
		elect_serve_follow =
			meta_follow_new(elect_loop, "run/elect", "metaserve", &ops, NULL);
	}
	elect_client = port_dial(elect_loop, "run/elect", "test", -1, &none, NULL);
	must(elect_client, "port_dial");
}

TAP_FN void tick(void *arg)
{
}

/* Turns the loop until done(arg), or ms have passed. */
TAP_FN bool elect_until(bool (*done)(void *arg), void *arg, int ms)
{
	struct port_timer timer = { .fn = tick };
	int64_t end = port_now_ms() + ms;
	bool is_done;

	while (!(is_done = done(arg)) && port_now_ms() < end) {
		port_timer_set(elect_loop, &timer,
			       port_now_ms() + 20 < end ? port_now_ms() + 20 : end);
		must(port_turn(elect_loop) == 0, "port_turn");
	}
	port_timer_stop(elect_loop, &timer);
	return is_done;
}

/* Ends elect; returns its status once the client has noticed. */
TAP_FN int elect_end(int signal)
{
	int status = -1;

	kill(elect_pid, signal);
	waitpid(elect_pid, &status, 0);
	elect_pid = 0;
	must(elect_until(elect_is_down, NULL, 5000), "the connection stays");
	return status;
}

struct elect_reply {
	bool there, failed;
	enum port_kind kind;
	struct buf bytes;
};

TAP_FN void elect_on_reply(void *arg, const struct port_reply *r)
{
	struct elect_reply *to = arg;

	to->there = true;
	to->failed = r->failed;
	to->kind = r->kind;
	if (!r->failed && r->bytes.n > 0)
		buf_add(&to->bytes, r->bytes.p, (size_t)r->bytes.n);
}

TAP_FN bool elect_replied(void *arg)
{
	return ((struct elect_reply *)arg)->there;
}

/* One call. 0 and *response (in elect_arena, valid until the next call); 1 closed; -1 failed. */
TAP_FN int elect_call_on(int listener, int key, int version, const void *request, void *response,
			 int ms)
{
	static struct buf kept;
	const struct wire_api *api = wire_api(key);
	struct elect_reply r = { 0 };
	struct buf b = { 0 };
	int32_t id;
	int head;

	must(wire_request_header(&b, key, version, 77, span_of("test")) == 0, "header");
	must(wire_encode(api->request, version, request, &b, NULL) == 0, "encode");
	must(port_ask(elect_client, (uint8_t)listener, span_of(""), span_of(""), b.p, b.n,
		      port_now_ms() + ms, elect_on_reply, &r)
		     == 0,
	     "port_ask");
	buf_free(&b);
	must(elect_until(elect_replied, &r, ms + 5000), "no reply");
	buf_free(&kept);
	kept = r.bytes;
	if (r.failed)
		return -1;
	if (r.kind != PORT_BYTES)
		return 1;
	head = wire_response_parse(key, version, kept.p, kept.n, &id);
	must(head > 0 && id == 77, "response header");
	arena_reset(&elect_arena);
	must(wire_decode(api->response, version, kept.p + head, kept.n - (size_t)head, &elect_arena,
			 response)
		     == (int64_t)(kept.n - (size_t)head),
	     "decode");
	return 0;
}

TAP_FN int elect_call(int key, int version, const void *request, void *response)
{
	return elect_call_on(WIRE_BROKER, key, version, request, response, 10000);
}

TAP_FN bool elect_is_unfenced(void *arg)
{
	struct meta_broker *b = meta_broker(meta_follow_image(elect_serve_follow), 1);

	return b && !b->fenced;
}

/* CreateTopics of one topic: its error code, -100 when the call failed. */
TAP_FN int elect_create(const char *name, int partitions, int factor, bool validate_only)
{
	struct create_topics_request q;
	struct create_topics_request_creatable_topic t;
	struct create_topics_response r;

	wire_init(&wire_create_topics_request, &q);
	wire_init(&wire_create_topics_request_creatable_topic, &t);
	q.topics = &t;
	q.topics_n = 1;
	q.timeout_ms = 5000;
	q.validate_only = validate_only;
	t.name = span_of(name);
	t.num_partitions = partitions;
	t.replication_factor = (int16_t)factor;
	if (elect_call(19, 7, &q, &r) != 0 || r.topics_n != 1)
		return -100;
	return r.topics[0].error_code;
}
#endif
