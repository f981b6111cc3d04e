/* The turn: wait, let every ready handle read and work, run timers and hooks, then send one batch
 * a line. */
#include "port/loop.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "port/inside.h"

enum {
	EVENTS = 512,
	QUEUE_FULL = 16 << 20,    /* a caller with so many bytes unsent is not read from */
};

int64_t port_now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct port_loop *port_loop_new(void)
{
	struct port_loop *l = calloc(1, sizeof *l);
	if (!l)
		return 0;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0) {
		free(l);
		return 0;
	}
	return l;
}

void port_loop_free(struct port_loop *l)
{
	if (!l)
		return;
	for (struct handle *h = l->handles, *next; h; h = next) {
		next = h->next;
		h->free(h);
	}
	heap_free(&l->timers);
	free(l->places);
	free(l->hooks);
	buf_free(&l->scratch);
	close(l->epoll);
	free(l);
}

/* --- handles ---------------------------------------------------------------------------------- */

void handle_add(struct port_loop *l, struct handle *h)
{
	h->next = l->handles;
	h->before = &l->handles;
	if (h->next)
		h->next->before = &h->next;
	l->handles = h;
}

void handle_bury(struct port_loop *l, struct handle *h)
{
	h->dead = true;
	l->dead = true;
}

int handle_watch(struct port_loop *l, struct handle *h, int fd, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = h};
	return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e);
}

static void free_the_dead(struct port_loop *l)
{
	for (struct handle *h = l->handles, *next; h && l->dead; h = next) {
		next = h->next;
		if (!h->dead)
			continue;
		*h->before = next;
		if (next)
			next->before = h->before;
		h->free(h);
	}
	l->dead = false;
}

/* --- lines ------------------------------------------------------------------------------------ */

int line_open(struct port_loop *l, struct line *line, int fd)
{
	line->c = port_connection_new(fd);
	if (!line->c) {
		close(fd);
		return -1;
	}
	line->events = EPOLLIN;
	if (handle_watch(l, &line->h, fd, line->events) == 0)
		return 0;
	line_close(line);
	return -1;
}

void line_close(struct line *line)
{
	port_connection_free(line->c);
	line->c = 0;
}

void line_touch(struct port_loop *l, struct line *line)
{
	if (line->dirty)
		return;
	line->dirty = true;
	line->next_dirty = l->dirty;
	l->dirty = line;
}

bool line_read(struct line *line, uint32_t events)
{
	if (!(line->events & EPOLLIN))
		return !(events & (EPOLLHUP | EPOLLERR));
	return !(events & ~(uint32_t)EPOLLOUT) || port_receive(line->c) >= 0;
}

static void line_send(struct port_loop *l, struct line *line)
{
	int r = port_flush(line->c);
	if (r < 0) {
		l->again = true;
		line->broken(l, line);
		return;
	}
	uint32_t want = r ? EPOLLOUT : 0;    /* one end must go on reading, else two full ends wait */
	if (!line->patient || port_queued_bytes(line->c) < QUEUE_FULL)
		want |= EPOLLIN;
	struct epoll_event e = {.events = want, .data.ptr = &line->h};
	if (want != line->events) {
		epoll_ctl(l->epoll, EPOLL_CTL_MOD, port_connection_fd(line->c), &e);
		line->events = want;
	}
}

static void send_all(struct port_loop *l)
{
	while (l->dirty) {
		struct line *line = l->dirty;
		l->dirty = line->next_dirty;
		line->dirty = false;
		if (line->c && !line->h.dead)
			line_send(l, line);
	}
}

/* --- foreign descriptors ---------------------------------------------------------------------- */

struct watch {
	struct handle h;
	int fd;
	void (*fn)(void *arg);
	void *arg;
};

static void watch_ready(struct port_loop *l, struct handle *h, uint32_t events)
{
	struct watch *w = (struct watch *)h;
	w->fn(w->arg);
}

static void watch_free(struct handle *h)
{
	free(h);
}

int port_watch(struct port_loop *l, int fd, void (*fn)(void *arg), void *arg)
{
	struct watch *w = calloc(1, sizeof *w);
	if (!w)
		return -1;
	*w = (struct watch){{.ready = watch_ready, .free = watch_free}, fd, fn, arg};
	if (handle_watch(l, &w->h, fd, EPOLLIN) < 0) {
		int e = errno;
		free(w);
		errno = e;
		return -1;
	}
	handle_add(l, &w->h);
	return 0;
}

static struct watch *watch_of(struct port_loop *l, int fd)
{
	for (struct handle *h = l->handles; h; h = h->next) {
		struct watch *w = (struct watch *)h;
		if (h->ready == watch_ready && !h->dead && w->fd == fd)
			return w;
	}
	return 0;
}

int port_watch_writable(struct port_loop *l, int fd, bool want)
{
	struct watch *w = watch_of(l, fd);
	struct epoll_event e = {.events = EPOLLIN | (want ? EPOLLOUT : 0), .data.ptr = w};
	return w ? epoll_ctl(l->epoll, EPOLL_CTL_MOD, fd, &e) : -1;
}

void port_unwatch(struct port_loop *l, int fd)
{
	struct watch *w = watch_of(l, fd);
	if (!w)
		return;
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, fd, 0);
	handle_bury(l, &w->h);
}

/* --- timers, hooks, turns --------------------------------------------------------------------- */

int port_timer_set(struct port_loop *l, struct port_timer *t, int64_t at_ms)
{
	return heap_set(&l->timers, &t->node, at_ms);
}

void port_timer_stop(struct port_loop *l, struct port_timer *t)
{
	heap_del(&l->timers, &t->node);
}

/* As many as there were: one that sets itself again for now waits for the next turn. */
static void run_timers(struct port_loop *l)
{
	int64_t now = port_now_ms();
	for (size_t n = l->timers.n; n; n--) {
		struct port_timer *t = (struct port_timer *)heap_first(&l->timers);
		if (!t || t->node.at > now)
			return;
		heap_del(&l->timers, &t->node);
		t->fn(t->arg);
	}
}

void port_at_end_of_turn(struct port_loop *l, void (*fn)(void *ctx), void *ctx)
{
	struct hook *v = realloc(l->hooks, (l->hooks_n + 1) * sizeof *v);
	if (!v)
		abort();    /* a daemon at its start: nothing to go on with */
	l->hooks = v;
	l->hooks[l->hooks_n++] = (struct hook){fn, ctx};
}

static int time_to_sleep(const struct port_loop *l)
{
	struct heap_node *first = heap_first(&l->timers);
	if (l->again || l->dirty)
		return 0;
	if (!first)
		return -1;
	int64_t ms = first->at - port_now_ms();
	return ms <= 0 ? 0 : ms > INT_MAX ? INT_MAX : (int)ms;
}

int port_turn(struct port_loop *l)
{
	struct epoll_event e[EVENTS];
	int n = epoll_wait(l->epoll, e, EVENTS, time_to_sleep(l));
	if (n < 0 && errno != EINTR)
		return -1;
	l->again = false;
	for (int i = 0; i < n; i++) {
		struct handle *h = e[i].data.ptr;
		if (!h->dead)
			h->ready(l, h, e[i].events);
	}
	run_timers(l);
	for (size_t i = 0; i < l->hooks_n; i++)
		l->hooks[i].fn(l->hooks[i].ctx);
	send_all(l);
	free_the_dead(l);
	return 0;
}
