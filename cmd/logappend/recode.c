/* The co-process that opens compressed batches: started when first needed, asked in order, never
 * waited for. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "base/buf.h"
#include "daemon.h"
#include "log/recode.h"
#include "wire/codes.h"

enum { READ_BYTES = 256 << 10, RETRY_MS = 1 };

static int sock = -1;
static pid_t child;
static struct recode_job *first, **last = &first;
static struct buf to, from;
static struct port_timer writer;    /* the socket was full: try again soon */

/* It died: what it was asked may be asked again, by the producer. */
static void lost(const char *why)
{
	struct log_verdict v = {.error = WIRE_KAFKA_STORAGE_ERROR};
	struct recode_job *j = first;
	say("recode: ", why, ": batches in work are refused");
	port_unwatch(node.loop, sock);
	close(sock);
	sock = -1;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	port_timer_stop(node.loop, &writer);
	to.n = from.n = 0;
	first = NULL;
	last = &first;
	for (struct recode_job *next; j; j = next) {
		next = j->next;
		j->done(j, &v, NULL, 0);
	}
}

static void push(void *arg)
{
	size_t done = 0;
	while (done < to.n) {
		ssize_t n = send(sock, to.p + done, to.n - done, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;    /* EPIPE shows when we read */
		done += (size_t)n;
	}
	buf_take(&to, done);
	if (to.n)
		port_timer_set(node.loop, &writer, port_now_ms() + RETRY_MS);
}

static bool answer(void)
{
	struct recode_answer a;
	int64_t n = recode_get_answer(&a, from.p, from.n);
	if (n == 0)
		return false;
	struct recode_job *j = first;
	if (n < 0 || !j) {
		lost("its answer makes no sense");
		return false;
	}
	first = j->next;
	if (!first)
		last = &first;
	j->done(j, &a.verdict, a.batch, a.batch_n);
	buf_take(&from, (size_t)n);
	return true;
}

static void readable(void *arg)
{
	if (buf_need(&from, READ_BYTES) < 0)
		abort();
	ssize_t n = recv(sock, from.p + from.n, from.cap - from.n, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		lost("it died");
		return;
	}
	from.n += (size_t)n;
	while (sock >= 0 && answer())
		continue;
}

static void start(void)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		strerr_diefusys(111, "make a socket pair");
	child = fork();
	if (child < 0)
		strerr_diefusys(111, "fork");
	if (!child)
		exec_coprocess(pair[1], "recode", "-s");
	close(pair[1]);
	sock = pair[0];
	writer.fn = push;
	if (port_watch(node.loop, sock, readable, NULL) < 0)
		strerr_diefusys(111, "watch recode");
}

int recode_ask(struct recode_job *j, const struct log_rules *rules, const void *batch, size_t n)
{
	struct recode_request q;
	if (sock < 0)
		start();
	recode_check(&q, rules, wall_ms(), batch, n);
	if (recode_put_request(&to, &q) < 0)
		return -1;
	j->next = NULL;
	*last = j;
	last = &j->next;
	push(NULL);
	return 0;
}
