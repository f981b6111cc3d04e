/* Directories of topics that are gone, and segments that are, removed after a delay by a child: to
 * free a large file takes the kernel long, and nobody waits for that. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon.h"

struct deletion {
	struct port_timer timer;
	struct deletion *next;     /* due as well */
	int64_t before_ms;         /* only what was renamed in it before then; 0: the directory */
	char name[];
};

static struct deletion *due;
static pid_t child;                /* 0: none is at work */
static int end = -1;               /* a pipe that closes with it */

static void remove_all(const struct deletion *d)
{
	for (; d; d = d->next) {
		int r = d->before_ms ? log_reap_dir(node.dirfd, d->name, d->before_ms)
			: log_remove_dir(node.dirfd, d->name);
		if (r < 0 && !(d->before_ms && errno == ENOENT))    /* else its topic is gone */
			say(d->name, ": cannot remove: ", strerror(errno));
	}
}

static void free_all(struct deletion *d)
{
	for (struct deletion *next; d; d = next) {
		next = d->next;
		free(d);
	}
}

/* Nothing else of ours stays open in the child: its end is not to be waited for by anybody. */
static void close_others(int a, int b)
{
	int low = a < b ? a : b, high = a < b ? b : a;
	close_range(3, (unsigned)low - 1, 0);
	if (low + 1 < high)
		close_range((unsigned)low + 1, (unsigned)high - 1, 0);
	close_range((unsigned)high + 1, ~0U, 0);
}

static void ended(void *arg)
{
	port_unwatch(node.loop, end);
	close(end);
	waitpid(child, NULL, 0);
	child = 0;
}

/* -1: no child can be had. */
static int begin_child(void)
{
	int fd[2];
	if (pipe2(fd, O_CLOEXEC) < 0)
		return -1;
	child = fork();
	if (!child) {
		close_others(node.dirfd, fd[1]);
		remove_all(due);
		_exit(0);
	}
	close(fd[1]);
	end = fd[0];
	if (child > 0 && port_watch(node.loop, end, ended, NULL) == 0)
		return 0;
	if (child > 0)
		waitpid(child, NULL, 0);
	close(end);
	child = 0;
	return -1;
}

static void is_due(void *arg)
{
	struct deletion *d = arg;
	d->next = due;
	due = d;
}

void deleted_turn(void)
{
	if (child || !due)
		return;
	if (begin_child() < 0)
		remove_all(due);
	free_all(due);
	due = NULL;
}

static void later(const char *name, int64_t before_ms, int64_t delay_ms)
{
	struct deletion *d = calloc(1, sizeof *d + strlen(name) + 1);
	if (!d)
		return;    /* the next start finds it */
	strcpy(d->name, name);
	d->before_ms = before_ms;
	d->timer.fn = is_due;
	d->timer.arg = d;
	if (port_timer_set(node.loop, &d->timer, port_now_ms() + delay_ms) < 0)
		free(d);
}

void deleted_later(const char *renamed, int64_t delay_ms)
{
	later(renamed, 0, delay_ms);
}

void deleted_files_later(const struct partition *p)
{
	later(p->name, wall_ms() + 1, p->delete_delay_ms);
}
