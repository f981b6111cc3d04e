/* logsync: the flusher of logappend. Takes tickets on descriptor 0, syncs what they name, answers
 * them. */
#include "logsync.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
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

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* syncfs writes what others left on the file system as well: on a quiet one it is cheaper from the
 * second file on, on a busy one it may take a second. Which of the two is learnt: how long a file
 * and how long all took lately. A price that is never asked falls, so that it is asked again. */
static bool all_is_cheaper(uint32_t files, int64_t file_ns, int64_t *all_ns)
{
	if (files < 2)
		return files == 0;
	if (files * file_ns >= *all_ns)
		return true;
	*all_ns -= *all_ns / 64;
	return false;
}

static void learn(int64_t *price, int64_t ns)
{
	*price += (ns - *price) / 8;
}

/* syncfs says each error once, to descriptors that are older than the error: root lives as long
 * as we do. */
static int sync_all(const struct logsync_ticket *t, const int *fds, int root)
{
	static int64_t file_ns, all_ns;
	int e = 0;
	int64_t from = now_ns();
	bool all = all_is_cheaper(t->n, file_ns, &all_ns);
	if (all && syncfs(root) < 0) e = errno;
	for (uint32_t i = 0; i < t->n; i++) {
		/* A directory has no data of its own for fdatasync to leave out. */
		if (!all && !e && fdatasync(fds[i]) < 0) e = errno;
		close(fds[i]);
	}
	learn(all ? &all_ns : &file_ns, (now_ns() - from) / (all ? 1 : t->n));
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
