/* Standing between an owner and its callers: the owner's socket gets another name, ours takes its
 * place, and every message is printed and passed on with its descriptors. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "port/connection.h"
#include "portdump.h"

enum { PAIRS = 64, PATH = 108, QUEUE_FULL = 16 << 20 };

struct pair {
	unsigned number;                 /* 0: free */
	struct port_connection *end[2];  /* the caller, the owner */
};

static struct pair pairs[PAIRS];
static char aside[PATH];
static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	stop = 1;
}

static void pair_close(struct pair *p)
{
	port_connection_free(p->end[0]);
	port_connection_free(p->end[1]);
	*p = (struct pair){0};
}

static void pair_open(int listener)
{
	static unsigned count;
	int caller = accept4(listener, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (caller < 0)
		return;
	for (struct pair *p = pairs; p < pairs + PAIRS; p++) {
		if (p->number)
			continue;
		int owner = port_connect(aside);
		if (owner < 0)
			break;
		p->end[0] = port_connection_new(caller);
		p->end[1] = port_connection_new(owner);
		if (!p->end[0] || !p->end[1])
			strerr_diefu1sys(111, "take a connection");
		p->number = ++count;
		return;
	}
	close(caller);
}

static void close_fds(const struct port_message *m)
{
	if (m->fd >= 0)
		close(m->fd);
	for (unsigned i = 0; i < m->pieces_n; i++)
		if (m->pieces[i].fd >= 0)
			close(m->pieces[i].fd);
}

/* What came at one end goes out at the other. -1: that end is done. */
static int pass(struct pair *p, int from)
{
	struct port_message m;
	int r = port_receive(p->end[from]), n;
	while ((n = port_next(p->end[from], &m)) == 1) {
		dump(&m, p->number, from == 0 ? '>' : '<');
		int sent = port_send(p->end[!from], &m);
		close_fds(&m);
		if (sent < 0)
			return -1;
	}
	if (n < 0)
		strerr_warnwu1sys("read a message");
	return r < 0 || n < 0 ? -1 : 0;
}

static short events(const struct pair *p, int end)
{
	short e = port_pending(p->end[end]) ? POLLOUT : 0;
	if (port_queued_bytes(p->end[!end]) < QUEUE_FULL)
		e |= POLLIN;
	return e;
}

static void pair_turn(struct pair *p, const struct pollfd *f)
{
	int r = 0;
	for (int end = 0; end < 2; end++)
		if (f[end].revents & (POLLIN | POLLHUP | POLLERR))
			r |= pass(p, end);
	r |= port_flush(p->end[0]) < 0 || port_flush(p->end[1]) < 0 ? -1 : 0;
	if (r < 0)
		pair_close(p);
}

static void turn(int listener)
{
	struct pollfd f[1 + 2 * PAIRS] = {{listener, POLLIN, 0}};
	for (int i = 0; i < PAIRS; i++)
		for (int end = 0; end < 2; end++) {
			f[1 + 2 * i + end].fd = -1;
			if (!pairs[i].number)
				continue;
			f[1 + 2 * i + end].fd = port_connection_fd(pairs[i].end[end]);
			f[1 + 2 * i + end].events = events(&pairs[i], end);
		}
	if (poll(f, 1 + 2 * PAIRS, -1) < 0)
		return;
	for (int i = 0; i < PAIRS; i++)
		if (pairs[i].number)
			pair_turn(&pairs[i], f + 1 + 2 * i);
	if (f[0].revents)
		pair_open(listener);
}

/* Signals come only while poll sleeps: a message is never cut. */
static void catch_signals(void)
{
	struct sigaction a = {.sa_handler = on_signal};
	sigaction(SIGINT, &a, 0);
	sigaction(SIGTERM, &a, 0);
	sigaction(SIGHUP, &a, 0);
	signal(SIGPIPE, SIG_IGN);
}

void relay(const char *path)
{
	if (snprintf(aside, sizeof aside, "%s.real", path) >= (int)sizeof aside)
		strerr_dief2x(100, path, ": the path is too long");
	if (access(aside, F_OK) == 0)
		strerr_dief4x(111, aside, " is there already: mv it back to ", path, " first");
	int owner = port_connect(path);
	if (owner < 0)
		strerr_diefu2sys(111, "connect to ", path);
	close(owner);
	catch_signals();
	if (rename(path, aside) < 0)
		strerr_diefu2sys(111, "rename ", path);
	int listener = port_bind(path);
	if (listener < 0) {
		int e = errno;
		rename(aside, path);
		errno = e;
		strerr_diefu2sys(111, "bind ", path);
	}
	while (!stop)
		turn(listener);
	if (rename(aside, path) < 0)
		strerr_diefu2sys(111, "rename ", aside);
}
