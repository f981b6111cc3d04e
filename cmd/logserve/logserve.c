/* logserve: answers consumers' Fetch, ListOffsets and DescribeLogDirs on run/logserve. */
#include "logserve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <skalibs/selfpipe.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#define USAGE "logserve"

enum { SWEEP_MS = 1000 };

static struct server server;
static struct port_timer sweep;
static bool tell_ready, caught_up, serving, stop;

static void on_call(void *ctx, const struct port_call *c)
{
	request_handle(ctx, c);
}

static void on_flush(void *ctx, struct port_from from)
{
	sleep_flush(ctx, from);
}

static void on_gone(void *ctx, struct port_from from, struct span name)
{
	segments_left(ctx, from);
}

static void on_other(void *ctx, struct port_from from, const struct port_message *m)
{
	if (m->type == PORT_TFORGET)
		segment_closed(ctx, from, m->slot, (int64_t)m->base, (uint32_t)m->generation);
}

static const struct port_service service = {
	.call = on_call, .flush = on_flush, .gone = on_gone, .other = on_other, .page_fd = -1,
};

/* Until it knows all topics and partitions they would look as if they had never been. */
static void ready(struct server *s)
{
	if (serving || !caught_up || !s->mapped)
		return;
	if (port_serve(s->loop, "run/logserve", &service, s))
		strerr_diefu1sys(111, "bind run/logserve");
	serving = true;
	if (tell_ready && (write(3, "\n", 1) != 1 || close(3)))
		strerr_warnwu1sys("tell that it is ready");
}

static void on_caught_up(void *ctx, struct meta_image *m)
{
	caught_up = true;
	ready(ctx);
}

static void on_owner_up(void *ctx, int page_fd, uint64_t generation)
{
	if (page_fd >= 0)
		partitions_map(ctx, page_fd);
	sleep_wake_all(ctx);
	ready(ctx);
}

static void on_owner_message(void *ctx, const struct port_message *m)
{
	if (m->type == PORT_TWAKE)
		for (int i = 0; i < m->list_n; i++)
			sleep_wake(ctx, get32(m->list + 4 * i));
}

static void on_sweep(void *arg)
{
	struct server *s = arg;
	partitions_sweep(s);
	port_timer_set(s->loop, &sweep, port_now_ms() + SWEEP_MS);
}

static void on_end_of_turn(void *ctx)
{
	sleep_work(ctx);
}

static void on_broken(void *ctx, const char *why)
{
	strerr_diefu2sys(111, "follow the metadata log: ", why);
}

static void on_signal(void *arg)
{
	for (int c; (c = selfpipe_read()) > 0;)
		stop = stop || c == SIGTERM || c == SIGINT;
}

static void catch_signals(struct server *s)
{
	int fd = selfpipe_init();
	if (fd < 0 || !selfpipe_trap(SIGTERM) || !selfpipe_trap(SIGINT) ||
	    port_watch(s->loop, fd, on_signal, 0))
		strerr_diefu1sys(111, "catch signals");
	signal(SIGPIPE, SIG_IGN);
}

static const struct meta_follow_ops follow_ops = {.caught_up = on_caught_up, .broken = on_broken};
static const struct port_peer_ops owner_ops = {.up = on_owner_up, .message = on_owner_message};

static void start(struct server *s)
{
	files_start(s);
	s->dirfd = open("log", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dirfd < 0)
		strerr_diefu1sys(111, "open log");
	if (page_sleep_make(&s->sleep))
		strerr_diefu1sys(111, "make a bitmap");
	s->arena.limit = 256 << 20;
	s->loop = port_loop_new();
	if (!s->loop)
		strerr_diefu1sys(111, "start");
	catch_signals(s);
	const char *slots = getenv("max.incremental.fetch.session.cache.slots");
	s->sessions = fetch_sessions_new(slots ? atoi(slots) : 1000);
	s->recode = recode_new(s);
	s->warm = warm_new(s);
	s->follow = meta_follow_new(s->loop, "run/elect", "logserve", &follow_ops, s);
	s->owner = port_dial(s->loop, "run/logappend", "logserve", s->sleep.fd, &owner_ops, s);
	if (!s->sessions || !s->recode || !s->warm || !s->follow || !s->owner)
		strerr_diefu1sys(111, "start");
	port_at_end_of_turn(s->loop, on_end_of_turn, s);
	sweep = (struct port_timer){.fn = on_sweep, .arg = s};
	if (port_timer_set(s->loop, &sweep, port_now_ms() + SWEEP_MS))
		strerr_diefu1sys(111, "start");
}

int main(int argc, char const *const *argv)
{
	struct server *s = &server;
	subgetopt options = SUBGETOPT_ZERO;
	PROG = "logserve";
	if (subgetopt_r(argc, argv, "", &options) != -1 || options.ind != argc)
		strerr_dieusage(100, USAGE);
	tell_ready = fcntl(3, F_GETFD) != -1;
	if (meta_node_read(&s->node, "log")) {
		if (errno != EINVAL)
			strerr_diefu1sys(111, "read log/meta.properties");
		strerr_dief1x(100, "node.id and listeners must be in the environment");
	}
	start(s);
	while (!stop)
		if (port_turn(s->loop))
			strerr_diefu1sys(111, "wait for events");
	return 0;
}
