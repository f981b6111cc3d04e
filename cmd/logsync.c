/* logsync: the flusher of logappend. Takes tickets on descriptor 0, syncs what they name, answers
 * them. */
#include "logsync.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#define USAGE "logsync (started by logappend with a socket as descriptor 0)"

char const *PROG = "logsync";

/* 1 a ticket, 0 the owner is gone. */
static int receive(struct logsync_ticket *t, int fds[LOGSYNC_FDS])
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(LOGSYNC_FDS * sizeof(int))];
	} control;
	struct iovec v = {t, sizeof *t};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control,
	                   .msg_controllen = sizeof control};
	ssize_t n;
	do
		n = recvmsg(0, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != ECONNRESET)
		strerr_diefusys(111, "receive a ticket");
	if (n <= 0)
		return 0;
	uint32_t got = 0;
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		got = (uint32_t)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), got * sizeof(int));
	}
	if (n != sizeof *t || got != t->n || m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		strerr_dief(111, "a ticket came without its descriptors");
	return 1;
}

/* syncfs says each error once, to descriptors that are older than the error: root lives as long
 * as we do. */
static int sync_all(const struct logsync_ticket *t, const int *fds, int root)
{
	int e = 0;
	if (!t->n && syncfs(root) < 0) e = errno;
	for (uint32_t i = 0; i < t->n; i++) {
		/* A directory has no data of its own for fdatasync to leave out. */
		if (!e && fdatasync(fds[i]) < 0) e = errno;
		close(fds[i]);
	}
	return e;
}

int main(int argc, char const *const *argv)
{
	struct logsync_ticket t;
	int fds[LOGSYNC_FDS];
	if (argc != 1) strerr_dieusage(100, USAGE);
	int root = open("log", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0) strerr_diefusys(111, "open log");
	signal(SIGINT, SIG_IGN);    /* a terminal's, for the owner: it lets us go when it is done */
	while (receive(&t, fds)) {
		struct logsync_answer a = {.ticket = t.ticket, .error = sync_all(&t, fds, root)};
		ssize_t n = send(0, &a, sizeof a, MSG_NOSIGNAL);
		if (a.error) {
			errno = a.error;
			strerr_diefusys(102, "sync log");
		}
		if (n < 0 && errno == EPIPE) return 0;
		if (n < 0) strerr_diefusys(111, "answer");
	}
	return 0;
}
