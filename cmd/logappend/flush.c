/* Group commit: one ticket at a time to logsync; what is written meanwhile goes into the next
 * one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "../logsync.h"
#include "daemon.h"

/* What the ticket that is out promises: partition p will be on disk up to end. */
struct promise {
	struct partition *p;    /* NULL: deleted meanwhile */
	int64_t end;
};

static int sock = -1;
static pid_t child;
static bool out;                /* a ticket is */
static bool directory;          /* the next one is for log/ as well */
static bool all;                /* the next one is for everything */
static uint64_t ticket;
static struct promise *promises;
static size_t promises_n, promises_cap;

/* logsync is gone: 102 when it says that the disk failed, else a restart of both. */
static void child_gone(void)
{
	int status = 0;
	waitpid(child, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 102)
		die_sync("log (logsync)");
	strerr_dief(111, "logsync died");
}

static void synced(void)
{
	for (size_t i = 0; i < promises_n; i++) {
		struct partition *p = promises[i].p;
		if (!p || !p->log)
			continue;
		log_synced(p->log, promises[i].end);
		replica_flushed(&p->step, promises[i].end);
		partition_synced(p, ticket);
		follower_flushed(p);
		partition_touch(p);
	}
	promises_n = 0;
	out = false;
}

static void answered(void *arg)
{
	struct logsync_answer a;
	ssize_t n = recv(sock, &a, sizeof a, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof a)
		child_gone();
	if (a.error) {
		errno = a.error;
		die_sync("log");
	}
	if (a.ticket == ticket)
		synced();
}

void flush_start(void)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		strerr_diefusys(111, "make a socket pair");
	child = fork();
	if (child < 0)
		strerr_diefusys(111, "fork");
	if (!child)
		exec_coprocess(pair[1], "logsync", NULL);
	close(pair[1]);
	sock = pair[0];
	if (port_watch(node.loop, sock, answered, NULL) < 0)
		strerr_diefusys(111, "watch logsync");
}

void flush_dirty(struct partition *p)
{
	if (p->dirty)
		return;
	p->dirty = true;
	p->next_dirty = node.dirty;
	node.dirty = p;
}

void flush_forget(struct partition *p)
{
	for (size_t i = 0; i < promises_n; i++)
		if (promises[i].p == p)
			promises[i].p = NULL;
	for (struct partition **at = &node.dirty; *at; at = &(*at)->next_dirty) {
		if (*at != p)
			continue;
		*at = p->next_dirty;
		break;
	}
	p->dirty = false;
}

void flush_directory(void)
{
	directory = true;
}

static void promise(struct partition *p)
{
	if (promises_n == promises_cap) {
		size_t cap = promises_cap ? 2 * promises_cap : 64;
		struct promise *v = realloc(promises, cap * sizeof *v);
		if (!v)
			abort();    /* nothing that is parked could ever be answered */
		promises = v;
		promises_cap = cap;
	}
	promises[promises_n++] = (struct promise){p, log_end(p->log)};
}

static void send_ticket(const int *fds, uint32_t n)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(LOGSYNC_FDS * sizeof(int))];
	} control = {0};
	struct logsync_ticket t = {.ticket = ++ticket, .n = n};
	struct iovec v = {&t, sizeof t};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	if (n) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	ssize_t r;
	do
		r = sendmsg(sock, &m, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	if (r < 0 && (errno == EPIPE || errno == ECONNRESET))
		child_gone();
	if (r < 0)
		strerr_diefusys(111, "send logsync a ticket");
	out = true;
}

/* Everything that was written, by whomever: the files of a killed run are not open here. */
void flush_everything(void)
{
	size_t at = 0;
	for (struct partition *p; (p = map_next(&node.partitions, &at));)
		if (p->log && log_recovery_point(p->log) < log_end(p->log)) {
			flush_dirty(p);
			all = true;
		}
}

uint64_t flush_all_for(struct partition *p)
{
	flush_dirty(p);
	all = true;
	return ticket + 1;
}

bool flush_busy(void)
{
	return out || node.dirty;
}

/* Everything that is dirty now goes into one ticket. */
void flush_turn(void)
{
	int fds[LOGSYNC_FDS];
	if (out || (!node.dirty && !directory))
		return;
	int n = all ? LOGSYNC_FDS + 1 : 0;
	if (directory && !all)
		fds[n++] = node.dirfd;
	all = directory = false;
	for (struct partition *p; (p = node.dirty);) {
		node.dirty = p->next_dirty;
		p->dirty = false;
		if (!p->log)
			continue;
		promise(p);
		if (n <= LOGSYNC_FDS)
			n += log_dirty_fds(p->log, fds + n, LOGSYNC_FDS - n);
	}
	if (promises_n || n)
		send_ticket(fds, n <= LOGSYNC_FDS ? (uint32_t)n : 0);
	/* those whose files were asked for, which may have been opened for that */
	for (size_t i = 0; i < promises_n && i <= LOGSYNC_FDS; i++)
		files_note(promises[i].p);
}
