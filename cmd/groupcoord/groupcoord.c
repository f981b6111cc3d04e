/* groupcoord: the coordinator of the groups whose partitions of __consumer_offsets this node leads.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <skalibs/selfpipe.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "meta/follow.h"
#include "meta/node.h"

#define USAGE "groupcoord"

enum { READY_FD = 3 };

static struct meta_node node;
static struct port_loop *loop;
static bool tell_ready, stop;

static void on_call(void *ctx, const struct port_call *c)
{
	port_answer(loop, c->from, PORT_CLOSE, 0, NULL, 0);
}

static void on_flush(void *ctx, struct port_from from)
{
}

static void on_caught_up(void *ctx, struct meta_image *m)
{
	if (tell_ready && (write(READY_FD, "\n", 1) != 1 || close(READY_FD)))
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

static void catch_signals(void)
{
	int fd = selfpipe_init();
	if (fd < 0 || !selfpipe_trap(SIGTERM) || !selfpipe_trap(SIGINT) ||
	    port_watch(loop, fd, on_signal, NULL))
		strerr_diefu1sys(111, "catch signals");
	signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char const *const *argv)
{
	static const struct port_service service = {
		.call = on_call, .flush = on_flush, .page_fd = -1,
	};
	static const struct meta_follow_ops ops = {.caught_up = on_caught_up, .broken = on_broken};
	subgetopt options = SUBGETOPT_ZERO;
	PROG = "groupcoord";
	if (subgetopt_r(argc, argv, "", &options) != -1 || options.ind != argc)
		strerr_dieusage(100, USAGE);
	tell_ready = fcntl(READY_FD, F_GETFD) != -1;
	if (meta_node_read(&node, "log")) {
		if (errno != EINVAL)
			strerr_diefu1sys(111, "read log/meta.properties");
		strerr_dief1x(100, "node.id and listeners must be in the environment");
	}
	loop = port_loop_new();
	if (!loop)
		strerr_diefu1sys(111, "start");
	catch_signals();
	if (!meta_follow_new(loop, "run/elect", "groupcoord", &ops, NULL))
		strerr_diefu1sys(111, "start");
	if (port_serve(loop, "run/groupcoord", &service, NULL))
		strerr_diefu1sys(111, "bind run/groupcoord");
	while (!stop)
		if (port_turn(loop))
			strerr_diefu1sys(111, "wait for events");
	return 0;
}
