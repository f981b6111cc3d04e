/* logwarm: reads what logserve does not want to wait for. Takes tickets on descriptor 0, brings
 * what they name into the page cache, answers them. */
#include "logwarm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#define USAGE "logwarm (started by logserve with a socket as descriptor 0)"

enum { TOGETHER = 64, CHUNK = 256 << 10 };

char const *PROG = "logwarm";

struct wish {
	struct logwarm_ticket ticket;
	int fd;
};

/* 1 a ticket; 0 none now, or the owner is gone. */
static int receive(struct wish *w, int flags)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec v = {&w->ticket, sizeof w->ticket};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control,
	                   .msg_controllen = sizeof control};
	ssize_t n;
	do
		n = recvmsg(0, &m, MSG_CMSG_CLOEXEC | flags);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != ECONNRESET && errno != EAGAIN)
		strerr_diefusys(111, "receive a ticket");
	if (n <= 0)
		return 0;
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (n != sizeof w->ticket || !c || c->cmsg_type != SCM_RIGHTS || m.msg_flags & MSG_CTRUNC)
		strerr_dief(111, "a ticket came without its descriptor");
	memcpy(&w->fd, CMSG_DATA(c), sizeof w->fd);
	return 1;
}

static int32_t read_all(const struct wish *w)
{
	static char chunk[CHUNK];
	int64_t at = w->ticket.at, end = at + w->ticket.n;
	while (at < end) {
		ssize_t r = pread(w->fd, chunk, end - at < CHUNK ? (size_t)(end - at) : CHUNK, at);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return errno;
		if (r == 0)
			break;
		at += r;
	}
	/* Who reads that will read on. */
	posix_fadvise(w->fd, end, w->ticket.n, POSIX_FADV_WILLNEED);
	return 0;
}

static void answer(int32_t error)
{
	struct logwarm_answer a = {error};
	if (send(0, &a, sizeof a, MSG_NOSIGNAL) < 0 && errno != EPIPE)
		strerr_diefusys(111, "answer");
}

/* The disk hears of all that is wanted before any of it is waited for. */
int main(int argc, char const *const *argv)
{
	struct wish w[TOGETHER];
	if (argc != 1) strerr_dieusage(100, USAGE);
	signal(SIGINT, SIG_IGN);    /* a terminal's, for the owner */
	for (int n; (n = receive(&w[0], 0)) > 0;) {
		while (n < TOGETHER && receive(&w[n], MSG_DONTWAIT) > 0)
			n++;
		for (int i = 0; i < n; i++)
			posix_fadvise(w[i].fd, w[i].ticket.at, w[i].ticket.n, POSIX_FADV_WILLNEED);
		for (int i = 0; i < n; i++) {
			answer(read_all(&w[i]));
			close(w[i].fd);
		}
	}
	return 0;
}
