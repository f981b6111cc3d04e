/* metaserve: answers ApiVersions, Metadata, FindCoordinator and the describes of metadata on
 * run/metaserve. */
#include "metaserve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <skalibs/selfpipe.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#define USAGE "metaserve"

static struct server server;
static bool tell_ready, stop;

static void on_call(void *ctx, const struct port_call *c)
{
	request_handle(ctx, c);
}

static void on_flush(void *ctx, struct port_from from)
{
	create_flush(ctx, from);
}

static const struct port_service service = {
	.call = on_call, .flush = on_flush, .page_fd = -1,
};

/* From an image that is not whole a topic would look as if it had never been. */
static void on_caught_up(void *ctx, struct meta_image *m)
{
	struct server *s = ctx;
	if (port_serve(s->loop, "run/metaserve", &service, s))
		strerr_diefu1sys(111, "bind run/metaserve");
	if (tell_ready && (write(3, "\n", 1) != 1 || close(3)))
		strerr_warnwu1sys("tell that it is ready");
	tell_ready = false;
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

static const struct meta_follow_ops follow_ops = {
	.caught_up = on_caught_up, .broken = on_broken,
};

int main(int argc, char const *const *argv)
{
	struct server *s = &server;
	subgetopt options = SUBGETOPT_ZERO;
	PROG = "metaserve";
	if (subgetopt_r(argc, argv, "", &options) != -1 || options.ind != argc)
		strerr_dieusage(100, USAGE);
	tell_ready = fcntl(3, F_GETFD) != -1;
	if (meta_node_read(&s->node, "log")) {
		if (errno != EINVAL)
			strerr_diefu1sys(111, "read log/meta.properties");
		strerr_dief1x(100, "node.id and listeners must be in the environment");
	}
	s->arena.limit = 64 << 20;
	s->loop = port_loop_new();
	if (!s->loop)
		strerr_diefu1sys(111, "start");
	catch_signals(s);
	s->follow = meta_follow_new(s->loop, "run/elect", "metaserve", &follow_ops, s);
	if (!s->follow)
		strerr_diefu1sys(111, "start");
	while (!stop)
		if (port_turn(s->loop))
			strerr_diefu1sys(111, "wait for events");
	return 0;
}
