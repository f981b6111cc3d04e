/* Cold files: what is not in the page cache is read by a co-process, so that the loop never waits
 * for a disk, and nobody waits for what somebody else reads. */
#include "logserve.h"

#include <errno.h>
#include <fcntl.h>
#include <skalibs/strerr.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../logwarm.h"

enum { OUT_MOST = 64, LEAST = 256 << 10 };

struct wish {
	struct wish *next;
	int fd;                      /* -1: the co-process has it */
	struct logwarm_ticket ticket;
	uint8_t key[12];             /* of the Fetch that waits for it */
};
struct warm {
	struct server *server;
	int sock;                    /* -1: not started */
	struct wish *first, **last;  /* in the order of the answers */
	struct wish *unsent;
	int out;
};

static void on_answers(void *arg);

static int spawn(struct warm *w)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		if (dup2(pair[1], 0) == 0)
			execlp("logwarm", "logwarm", (char *)0);
		_exit(111);
	}
	close(pair[1]);
	if (pid < 0 || port_watch(w->server->loop, pair[0], on_answers, w)) {
		close(pair[0]);
		return -1;
	}
	w->sock = pair[0];
	return 0;
}

/* 1 it was sent, 0 there is no room, -1. */
static int send_wish(struct warm *w, struct wish *x)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec v = {&x->ticket, sizeof x->ticket};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control,
	                   .msg_controllen = sizeof control};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &x->fd, sizeof x->fd);
	if (sendmsg(w->sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return errno == EAGAIN || errno == EINTR || errno == ETOOMANYREFS ? 0 : -1;
	close(x->fd);
	x->fd = -1;
	return 1;
}

static void send_some(struct warm *w)
{
	while (w->unsent && w->out < OUT_MOST) {
		int r = send_wish(w, w->unsent);
		if (r < 0)
			strerr_diefusys(111, "send logwarm a ticket");
		if (r == 0)
			return;
		w->unsent = w->unsent->next;
		w->out++;
	}
}

static void answered(struct warm *w, int32_t error)
{
	struct wish *x = w->first;
	if (!x || x->fd >= 0)
		strerr_dief1x(111, "logwarm answers what was not asked");
	w->first = x->next;
	if (!w->first)
		w->last = &w->first;
	w->out--;
	fetch_warmed(w->server, x->key, error);
	free(x);
}

static void on_answers(void *arg)
{
	struct warm *w = arg;
	struct logwarm_answer a;
	ssize_t n;
	while ((n = recv(w->sock, &a, sizeof a, MSG_DONTWAIT)) == sizeof a)
		answered(w, a.error);
	if (n >= 0 || (errno != EAGAIN && errno != EINTR))
		strerr_dief1x(111, "logwarm is gone");
	send_some(w);
}

struct warm *warm_new(struct server *s)
{
	struct warm *w = calloc(1, sizeof *w);
	if (!w)
		return 0;
	w->server = s;
	w->sock = -1;
	w->last = &w->first;
	return w;
}

/* Files are read in pieces that a disk likes. */
bool warm_ask(struct warm *w, const struct cold_miss *m, const uint8_t key[12])
{
	struct wish *x = calloc(1, sizeof *x);
	if (!x)
		return false;
	x->fd = fcntl(m->fd, F_DUPFD_CLOEXEC, 0);
	if (x->fd < 0 || (w->sock < 0 && spawn(w))) {
		if (x->fd >= 0)
			close(x->fd);
		free(x);
		return false;
	}
	int64_t end = m->at + m->n, at = m->at / LEAST * LEAST;
	x->ticket = (struct logwarm_ticket){at, end - at < LEAST ? LEAST : end - at};
	memcpy(x->key, key, sizeof x->key);
	*w->last = x;
	w->last = &x->next;
	if (!w->unsent)
		w->unsent = x;
	send_some(w);
	return true;
}
