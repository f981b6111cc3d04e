/* The co-process that looks into compressed batches: spawned when it is first needed, on a
 * socketpair; one job at a time. When it dies its job is tried once more, then done without it. */
#include "logserve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <skalibs/strerr.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log/recode.h"

enum { AGAIN_MS = 1, CHUNK = 65536 };

struct recode {
	struct server *server;
	int fd;                          /* -1: not running */
	pid_t pid;
	struct recode_job *first, *last; /* the first one is under way when `asked` */
	bool asked, asked_twice;
	struct buf out, in;
	struct port_timer again;         /* its socket was full */
};

static void start_next(struct recode *r);

static void finish_first(struct recode *r, bool found, int64_t offset, int64_t timestamp)
{
	struct recode_job *j = r->first;
	r->first = j->next;
	r->asked = r->asked_twice = false;
	j->done(j, found, offset, timestamp);
}

static void stop(struct recode *r)
{
	port_unwatch(r->server->loop, r->fd);
	port_timer_stop(r->server->loop, &r->again);
	close(r->fd);
	kill(r->pid, SIGKILL);
	waitpid(r->pid, 0, 0);
	r->fd = -1;
	r->out.n = r->in.n = 0;
	strerr_warnw1x("recode has gone");
	if (r->asked && r->asked_twice)
		finish_first(r, false, 0, 0);
	r->asked_twice = r->asked;
	r->asked = false;
}

static void push(struct recode *r)
{
	while (r->out.n) {
		ssize_t n = send(r->fd, r->out.p, r->out.n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0) {
			buf_take(&r->out, (size_t)n);
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return;          /* the end is seen when reading */
		port_timer_set(r->server->loop, &r->again, port_now_ms() + AGAIN_MS);
		return;
	}
}

static void on_again(void *arg)
{
	push(arg);
}

static void on_readable(void *arg)
{
	struct recode *r = arg;
	struct recode_answer a;
	for (;;) {
		if (buf_need(&r->in, CHUNK))
			break;
		ssize_t n = recv(r->fd, r->in.p + r->in.n, CHUNK, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0) {
			stop(r);
			start_next(r);
			return;
		}
		r->in.n += (size_t)n;
	}
	int64_t n = recode_get_answer(&a, r->in.p, r->in.n);
	if (n == 0)
		return;
	if (n < 0 || !r->asked) {
		stop(r);
	} else {
		bool found = !a.verdict.error && a.offset >= 0;
		int64_t offset = a.offset, timestamp = a.timestamp;
		buf_take(&r->in, (size_t)n);
		finish_first(r, found, offset, timestamp);
	}
	start_next(r);
}

static int spawn(struct recode *r)
{
	int fd[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
		return -1;
	r->pid = fork();
	if (r->pid == 0) {
		dup2(fd[1], 0);
		dup2(fd[1], 1);
		execlp("recode", "recode", (char *)0);
		_exit(errno == ENOENT ? 127 : 126);
	}
	close(fd[1]);
	if (r->pid < 0 || port_watch(r->server->loop, fd[0], on_readable, r)) {
		close(fd[0]);
		if (r->pid > 0)
			waitpid(r->pid, 0, 0);
		return -1;
	}
	r->fd = fd[0];
	return 0;
}

static void start_next(struct recode *r)
{
	while (r->first && !r->asked) {
		r->out.n = 0;
		if ((r->fd < 0 && spawn(r)) || r->first->prepare(r->first, &r->out)) {
			finish_first(r, false, 0, 0);
			continue;
		}
		r->asked = true;
		push(r);
	}
}

struct recode *recode_new(struct server *s)
{
	struct recode *r = calloc(1, sizeof *r);
	if (r) {
		r->server = s;
		r->fd = -1;
		r->again = (struct port_timer){.fn = on_again, .arg = r};
	}
	return r;
}

void recode_ask(struct recode *r, struct recode_job *j)
{
	j->next = 0;
	*(r->first ? &r->last->next : &r->first) = j;
	r->last = j;
	start_next(r);
}
