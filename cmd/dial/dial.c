/* dial: the node's way to other nodes. It carries a request to the address that the caller names
 * and the answer back; it holds no file and keeps no state. See dial(8). */
#include "dial.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <skalibs/selfpipe.h>
#include <skalibs/sgetopt.h>
#include <skalibs/sig.h>
#include <skalibs/strerr.h>

#define USAGE "dial"
enum { READY_FD = 3 };

static struct dial dial;
static bool stop;

static void on_call(void *ctx, const struct port_call *c)
{
	link_call(ctx, c);
}

static void on_flush(void *ctx, struct port_from from)
{
	link_flush(ctx, from);
}

static void on_signal(void *arg)
{
	for (int c; (c = selfpipe_read()) > 0;)
		stop = stop || c == SIGTERM || c == SIGINT;
}

static void catch_signals(void)
{
	int fd = selfpipe_init();

	if (fd < 0 || sig_ignore(SIGPIPE) < 0 || selfpipe_trap(SIGTERM) < 0
	    || selfpipe_trap(SIGINT) < 0 || port_watch(dial.loop, fd, on_signal, 0) < 0)
		strerr_diefu1sys(111, "catch signals");
}

int main(int argc, char const *const *argv)
{
	static const struct port_service service = {
		.call = on_call, .flush = on_flush, .page_fd = -1,
	};
	subgetopt options = SUBGETOPT_ZERO;

	PROG = "dial";
	if (subgetopt_r(argc, argv, "", &options) != -1 || options.ind != argc)
		strerr_dieusage(100, USAGE);
	dial.loop = port_loop_new();
	if (!dial.loop)
		strerr_diefu1sys(111, "start");
	catch_signals();
	if (port_serve(dial.loop, "run/dial", &service, &dial) < 0)
		strerr_diefu1sys(111, "bind run/dial");
	if (write(READY_FD, "\n", 1) == 1 || errno == EBADF)
		close(READY_FD);
	while (!stop)
		if (port_turn(dial.loop) < 0)
			strerr_diefu1sys(111, "wait for events");
	return 0;
}
