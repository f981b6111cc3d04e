/* gate: Kafka's protocol over TCP, handed to the programs of the node over their ports.
 *
 * A turn drains every ready descriptor, lets requests become calls and answers become output, then
 * sends one batch to each owner and each client.
 */
#include "gate.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "port/loop.h"

enum {
	READY_FD = 3, EVENTS = 256, FRAME_MAX = 100 << 20,
	FILES_MAX = 4096,       /* descriptors of one owner */
	OWN_FILES = 64,         /* listeners, owners, ... */
	CLIENTS_MIN = 8,
};
#define NEVER_MS (INT64_MAX / 4)

struct gate gate;

static struct {
	enum thing thing;
	int fd[2];
} signals = {.thing = SIGNALS};

void timer_set(struct timer *t, int64_t at_ms)
{
	if (heap_set(&gate.timers, &t->node, at_ms) < 0)
		die(111, "out of memory");
}

/* libowfat remembers what it believes to be ready and then asks the kernel nothing: a wait could
 * sleep on that belief. It is made to forget first. */
void watch_read(int fd)
{
	io_eagain_read(fd);
	io_wantread(fd);
}

void watch_write(int fd)
{
	io_eagain_write(fd);
	io_wantwrite(fd);
}

/* --- settings --------------------------------------------------------------------------------- */

static int64_t number(const char *name, int64_t otherwise, int64_t least)
{
	const char *s = getenv(name);
	char *end;
	if (!s || !*s)
		return otherwise;
	errno = 0;
	long long v = strtoll(s, &end, 10);
	end += strspn(end, " \n");
	if (errno || *end || v < least)
		die(100, "%s: %s is not a number of %d or more", name, s, (int)least);
	return v;
}

static void settings(void)
{
	int64_t frame_max = number("socket.request.max.bytes", FRAME_MAX, 1);
	if (frame_max > FRAME_MAX)
		say("warning", "socket.request.max.bytes: %d is the most", FRAME_MAX);
	gate.frame_max = frame_max < FRAME_MAX ? (size_t)frame_max : FRAME_MAX;
	gate.clients_max = (size_t)number("max.connections", INT_MAX, 1);
	gate.idle_ms = number("connections.max.idle.ms", 600000, -1);
	if (gate.idle_ms < 0 || gate.idle_ms > NEVER_MS)
		gate.idle_ms = NEVER_MS;
}

/* Buffers of a turn stay with the allocator, large ones go back to the system at once. */
static void tune_memory(void)
{
	mallopt(M_TRIM_THRESHOLD, 8 << 20);
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
}

/* Clients leave descriptors free for those that owners hand over: with none free an owner's
 * connection breaks, and every client of it. Two owners hand them over, logserve and logappend. */
static void share_descriptors(void)
{
	struct rlimit r;
	size_t all = 1024, clients;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
		all = r.rlim_max < INT_MAX ? (size_t)r.rlim_max : INT_MAX;
	}
	gate.files_max = all / 8 < FILES_MAX ? all / 8 : FILES_MAX;
	clients = all - 2 * gate.files_max;
	clients = clients > OWN_FILES + CLIENTS_MIN ? clients - OWN_FILES : CLIENTS_MIN;
	if (gate.clients_max > clients)
		gate.clients_max = clients;
}

/* --- signals ---------------------------------------------------------------------------------- */

static void on_signal(int number)
{
	int e = errno;
	if (write(signals.fd[1], "t", 1) < 0) {
		/* the pipe is full: it has been told */
	}
	errno = e;
}

static void catch_signals(void)
{
	struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	if (pipe2(signals.fd, O_NONBLOCK | O_CLOEXEC) < 0 || !io_fd(signals.fd[0]))
		die(111, "unable to make a pipe: %s", strerror(errno));
	io_setcookie(signals.fd[0], &signals);
	/* libowfat's list of descriptors to be closed begins as 0 and not as empty: its first wait
	 * runs in a circle when it knows a descriptor 0, 16, 32 ... by then. */
	io_waituntil2(0);
	watch_read(signals.fd[0]);
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGTERM, &a, 0);
	sigaction(SIGINT, &a, 0);
}

static void too_late(void *arg)
{
	exit(0);
}

static void drain(void)
{
	static struct timer end = {.fn = too_late};
	char c[16];
	if (read(signals.fd[0], c, sizeof c) <= 0 || gate.draining)
		return;
	say("info", "stopping");
	gate.draining = true;
	listeners_close();
	clients_drain();
	timer_set(&end, gate.now + DRAIN_MS);
}

/* --- turns ------------------------------------------------------------------------------------ */

static void readable(int fd)
{
	enum thing *t = io_getcookie(fd);
	if (!t)
		return;    /* closed earlier in this turn */
	switch (*t) {
	case LISTENER: listener_readable((struct listener *)t); break;
	case CLIENT: client_readable((struct client *)t); break;
	case OWNER: owner_readable((struct owner *)t); break;
	case SIGNALS: drain(); break;
	}
}

static void writable(int fd)
{
	enum thing *t = io_getcookie(fd);
	if (t && *t == CLIENT)
		client_dirty((struct client *)t);
	else if (t && *t == OWNER)
		owner_writable((struct owner *)t);
}

/* libowfat's lists of ready descriptors are emptied before anything is opened or closed: they run
 * through its table of descriptors, where a number that is used anew cuts them. Without io_eagain_
 * a descriptor goes into yet another list, and io_close leaves open what is in one. */
static void events(void)
{
	int in[EVENTS], out[EVENTS], in_n = 0, out_n = 0;
	int64_t fd;
	while (in_n < EVENTS && (fd = io_canread()) != -1) {
		in[in_n++] = (int)fd;
		io_eagain_read(fd);
	}
	while (out_n < EVENTS && (fd = io_canwrite()) != -1) {
		out[out_n++] = (int)fd;
		io_eagain_write(fd);
	}
	for (int i = 0; i < in_n; i++)
		readable(in[i]);
	for (int i = 0; i < out_n; i++)
		writable(out[i]);
}

static int64_t time_to_sleep(void)
{
	struct heap_node *first = heap_first(&gate.timers);
	if (clients_pending())
		return 0;
	if (!first)
		return -1;
	int64_t ms = first->at - port_now_ms();
	return ms <= 0 ? 0 : ms > INT_MAX ? INT_MAX : ms;
}

static void run_timers(void)
{
	for (size_t n = gate.timers.n; n; n--) {
		struct timer *t = (struct timer *)heap_first(&gate.timers);
		if (!t || t->node.at > gate.now)
			return;
		heap_del(&gate.timers, &t->node);
		t->fn(t->arg);
	}
}

static void turn(void)
{
	if (io_waituntil2(time_to_sleep()) < 0 && errno != EINTR)
		die(111, "unable to wait for events: %s", strerror(errno));
	gate.now = port_now_ms();
	events();
	run_timers();
	clients_turn();
	owners_turn();
}

static void tell_ready(bool given)
{
	if (given && write(READY_FD, "\n", 1) == 1)
		close(READY_FD);
}

int main(int argc, char **argv)
{
	bool ready_given = fcntl(READY_FD, F_GETFD) >= 0;
	const char *listeners = getenv("listeners");
	gate.now = port_now_ms();
	bool brokers = argc == 2 && !strcmp(argv[1], "-b");
	bool controllers = argc == 2 && !strcmp(argv[1], "-c");
	if (argc != 1 && !brokers && !controllers)
		die(100, "usage: gate [ -b | -c ] (settings come from the environment)");
	gate.serves[WIRE_BROKER] = !controllers;
	gate.serves[WIRE_CONTROLLER] = !brokers;
	if (!listeners)
		die(100, "listeners is not set");
	settings();
	share_descriptors();
	tune_memory();
	catch_signals();
	listeners_open(listeners, getenv("controller.listener.names"),
	               getenv("listener.security.protocol.map"));
	owners_start();
	owners_turn();    /* they are greeted before the first wait */
	tell_ready(ready_given);
	while (!gate.draining || clients_busy())
		turn();
	return 0;
}
