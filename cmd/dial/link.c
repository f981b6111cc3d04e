/* Connections, what is sent on them, what comes back. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "dial.h"

enum {
	LINKS_MAX = 1024, WAITING_MAX = 1000,
	OUT_MAX = 16 << 20,     /* unsent bytes of one link */
	IN_MAX = 32 << 20,      /* an answer: a claim beyond closes the link */
	HELD_MAX = 128 << 20,   /* both, of all links */
	READ_BYTES = 64 << 10,
	READ_TURN = 1 << 20,    /* bytes after which others have their turn */
	KEEP = 1 << 20,         /* an empty buffer larger than this is given back */
	CONNECT_MS = 2000, IDLE_MS = 600000,
	PAUSE_MIN_MS = 10, PAUSE_MAX_MS = 100,
};

static void on_ready(void *arg);

static void refuse(struct dial *d, struct port_from from)
{
	port_answer(d->loop, from, PORT_CLOSE, 0, NULL, 0);
}

/* --- buffers: what all of them hold is bounded --- */

static int need(struct link *l, struct buf *b, size_t more)
{
	size_t before = b->cap;

	if (b->cap - b->n < more && l->dial->held + more > HELD_MAX) {
		errno = ENOMEM;
		return -1;
	}
	if (buf_need(b, more) < 0)
		return -1;
	l->dial->held += b->cap - before;
	return 0;
}

static void let_go(struct link *l, struct buf *b)
{
	l->dial->held -= b->cap;
	buf_free(b);
}

/* --- the end of a connection --- */

static void wake(struct link *l)
{
	int64_t at = l->first ? l->first->deadline_ms : l->used_ms + IDLE_MS;

	if (port_timer_set(l->dial->loop, &l->timer, at) < 0)
		abort(); /* its place in the heap was there before */
}

static void hang_up(struct link *l)
{
	if (l->fd >= 0) {
		port_unwatch(l->dial->loop, l->fd);
		close(l->fd);
		l->fd = -1;
	}
	l->writing = false;
	l->state = LINK_IDLE;
	if (l->names)
		names_end(l->names);
	l->names = NULL;
}

/* Every caller hears that its request may or may not have been worked on. A name that is being
 * looked up cannot be called off. */
static void break_off(struct link *l)
{
	if (l->state != LINK_NAMING)
		hang_up(l);
	let_go(l, &l->in);
	let_go(l, &l->out);
	l->out_at = 0;
	while (l->first) {
		struct sent *s = l->first;

		l->first = s->next;
		refuse(l->dial, s->from);
		free(s);
	}
	l->last = &l->first;
	l->n = 0;
	wake(l);
}

/* A node that was there and is gone may be back at once; one that cannot be reached is asked after
 * longer and longer pauses. */
static void failed(struct link *l)
{
	l->retry_ms = port_now_ms() + l->pause_ms;
	l->pause_ms = l->pause_ms ? 2 * l->pause_ms : PAUSE_MIN_MS;
	if (l->pause_ms > PAUSE_MAX_MS)
		l->pause_ms = PAUSE_MAX_MS;
	break_off(l);
}

static void link_free(struct link *l)
{
	hang_up(l);
	port_timer_stop(l->dial->loop, &l->timer);
	map_del(&l->dial->links, l->key, strlen(l->key));
	let_go(l, &l->out);
	let_go(l, &l->in);
	free(l);
}

/* Answers come in order, so the first that waits is the one to be late: without it none comes. */
static void on_time(void *arg)
{
	struct link *l = arg;
	int64_t now = port_now_ms();

	if (l->first && now >= l->first->deadline_ms)
		failed(l);
	else if (!l->first && now - l->used_ms >= IDLE_MS && l->state != LINK_NAMING)
		link_free(l);
	else
		wake(l);
}

/* --- connecting --- */

static int split(const char *key, char host[ADDRESS], char port[PORT_TEXT])
{
	const char *end = strchr(key, ' '), *colon = end ? memrchr(key, ':', (size_t)(end - key)) : NULL;
	size_t n = colon ? (size_t)(colon - key) : 0;
	size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;

	if (n == 0 || digits == 0 || digits > 5 || colon + 1 + digits != end)
		return -1;
	snprintf(port, PORT_TEXT, "%.*s", (int)digits, colon + 1);
	if (n > 2 && key[0] == '[' && key[n - 1] == ']')
		snprintf(host, ADDRESS, "%.*s", (int)n - 2, key + 1);
	else
		snprintf(host, ADDRESS, "%.*s", (int)n, key);
	return 0;
}

static int want_write(struct link *l, bool want)
{
	if (l->writing == want)
		return 0;
	l->writing = want;
	return port_watch_writable(l->dial->loop, l->fd, want);
}

static int start(struct link *l, const struct addrinfo *a)
{
	int one = 1;

	l->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return -1;
	setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if ((connect(l->fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS)
	    || port_watch(l->dial->loop, l->fd, on_ready, l) < 0) {
		close(l->fd);
		l->fd = -1;
		return -1;
	}
	l->state = LINK_CONNECTING;
	return want_write(l, true);
}

/* A name may have several addresses, of which one answers. */
static int start_next(struct link *l)
{
	while (l->next) {
		const struct addrinfo *a = l->next;

		l->next = a->ai_next;
		if (start(l, a) == 0)
			return 0;
	}
	return -1;
}

static int open_link(struct link *l)
{
	char host[ADDRESS], port[PORT_TEXT];
	int fd;

	if (split(l->key, host, port) < 0)
		return -1;
	l->names = names_ask(host, port, &fd);
	if (!l->names)
		return -1;
	if (fd < 0) {
		l->next = names_found(l->names);
		return start_next(l);
	}
	l->state = LINK_NAMING;
	l->fd = fd;
	if (port_watch(l->dial->loop, fd, on_ready, l) < 0)
		strerr_diefu1sys(111, "wait for a name");
	return 0;
}

static int named(struct link *l)
{
	port_unwatch(l->dial->loop, l->fd);
	l->fd = -1;
	l->state = LINK_IDLE;
	l->next = names_found(l->names);
	return start_next(l);
}

static int connected(struct link *l)
{
	int error = 0;
	socklen_t n = sizeof error;

	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
		return -1;
	if (error) {
		port_unwatch(l->dial->loop, l->fd);
		close(l->fd);
		l->fd = -1;
		l->writing = false;
		return start_next(l);
	}
	l->state = LINK_OPEN;
	names_end(l->names);
	l->names = NULL;
	return 0;
}

/* --- sending and reading --- */

static int flush(struct link *l)
{
	while (l->out_at < l->out.n) {
		ssize_t n = send(l->fd, l->out.p + l->out_at, l->out.n - l->out_at, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? want_write(l, true) : -1;
		l->out_at += (size_t)n;
	}
	l->out.n = l->out_at = 0;
	if (l->out.cap > KEEP)
		let_go(l, &l->out);
	return want_write(l, false);
}

/* One answer without its length, for the one who waits longest. */
static int answer(struct link *l, uint8_t *p, size_t n)
{
	struct sent *s = l->first;

	if (!s || n < 4 || get32(p) != l->correlation - l->n)
		return -1;
	put32(p, (uint32_t)s->correlation);
	port_answer_bytes(l->dial->loop, s->from, p, n);
	l->first = s->next;
	if (!l->first)
		l->last = &l->first;
	l->n--;
	l->pause_ms = 0;
	free(s);
	return 0;
}

static int answers(struct link *l)
{
	size_t at = 0;

	while (l->in.n - at >= 4) {
		uint32_t n = get32(l->in.p + at);

		if (n > IN_MAX)
			return -1;
		if (l->in.n - at - 4 < n)
			break;
		if (answer(l, l->in.p + at + 4, n) < 0)
			return -1;
		at += 4 + n;
	}
	buf_take(&l->in, at);
	if (l->in.n == 0 && l->in.cap > KEEP)
		let_go(l, &l->in);
	return 0;
}

static int receive(struct link *l)
{
	for (size_t got = 0; got < READ_TURN;) {
		ssize_t n;

		if (need(l, &l->in, READ_BYTES) < 0)
			return -1;
		n = recv(l->fd, l->in.p + l->in.n, READ_BYTES, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0)
			return -1;
		l->in.n += (size_t)n;
		got += (size_t)n;
		if (answers(l) < 0)
			return -1;
		if (n < READ_BYTES)
			return 0;
	}
	return 0;
}

static void on_ready(void *arg)
{
	struct link *l = arg;
	int r = 0;

	if (l->state == LINK_NAMING)
		r = named(l);
	else if (l->state == LINK_CONNECTING)
		r = connected(l);
	if (r == 0 && l->state == LINK_OPEN && (receive(l) < 0 || flush(l) < 0))
		r = -1;
	if (r < 0)
		failed(l);
	else
		wake(l);
}

/* --- requests --- */

/* What may wait long for its answer, or must not wait behind anything, has a connection of its own:
 * a Kafka node answers one connection in order. */
static char lane_of(int key)
{
	switch (key) {
	case 1: case 59: return 'f';           /* Fetch, FetchSnapshot */
	case 52: case 53: case 54: return 'v'; /* Vote, BeginQuorumEpoch, EndQuorumEpoch */
	case 62: case 63: return 'b';          /* BrokerRegistration, BrokerHeartbeat */
	case 56: return 'p';                   /* AlterPartition */
	default: return '-';
	}
}

static struct link *link_of(struct dial *d, struct span address, int key)
{
	char name[ADDRESS + 2];
	struct link *l;

	if (address.n <= 0 || address.n >= ADDRESS - 2 || memchr(address.p, ' ', (size_t)address.n))
		return NULL;
	snprintf(name, sizeof name, "%.*s %c", address.n, address.p, lane_of(key));
	l = map_get(&d->links, name, strlen(name));
	if (l || d->links.n >= LINKS_MAX)
		return l;
	l = calloc(1, sizeof *l);
	if (!l)
		return NULL;
	l->dial = d;
	strcpy(l->key, name);
	l->fd = -1;
	l->last = &l->first;
	l->used_ms = port_now_ms();
	l->timer = (struct port_timer){ .fn = on_time, .arg = l };
	if (port_timer_set(d->loop, &l->timer, l->used_ms + IDLE_MS) < 0
	    || map_put(&d->links, l->key, strlen(l->key), l) < 0) {
		port_timer_stop(d->loop, &l->timer);
		free(l);
		return NULL;
	}
	return l;
}

static int enqueue(struct link *l, const struct port_call *c, int64_t now)
{
	size_t n = (size_t)c->body.n, at;
	struct sent *s;

	if (l->out_at > l->out.n / 2) {
		buf_take(&l->out, l->out_at);
		l->out_at = 0;
	}
	at = l->out.n;
	if (at - l->out_at + n > OUT_MAX || need(l, &l->out, n + 4) < 0)
		return -1;
	s = malloc(sizeof *s);
	if (!s)
		return -1;
	*s = (struct sent){ .from = c->from,
			    .wanted = true,
			    .correlation = (int32_t)get32(c->body.p + 4),
			    .deadline_ms = c->deadline_ms > 0 ? c->deadline_ms : INT64_MAX };
	if (l->state != LINK_OPEN && s->deadline_ms > now + CONNECT_MS)
		s->deadline_ms = now + CONNECT_MS;
	put32(l->out.p + at, (uint32_t)n);
	memcpy(l->out.p + at + 4, c->body.p, n);
	put32(l->out.p + at + 8, l->correlation++);
	l->out.n += n + 4;
	*l->last = s;
	l->last = &s->next;
	l->n++;
	l->used_ms = now;
	return 0;
}

void link_call(struct dial *d, const struct port_call *c)
{
	struct link *l = c->body.n < 8 ? NULL : link_of(d, c->host, (int16_t)get16(c->body.p));
	int64_t now = port_now_ms();

	if (!l || l->n == WAITING_MAX || (l->state == LINK_IDLE && now < l->retry_ms)
	    || enqueue(l, c, now) < 0) {
		refuse(d, c->from);
		return;
	}
	if ((l->state == LINK_IDLE && open_link(l) < 0)
	    || (l->state == LINK_OPEN && flush(l) < 0))
		failed(l);
	else
		wake(l);
}

/* An answer that nobody wants still comes, in its place; a connection on which all are such is
 * closed, which tells the peer. */
static bool forget(struct link *l, struct port_from from)
{
	bool found = false, wanted = false;

	for (struct sent *s = l->first; s; s = s->next) {
		if (s->from.place == from.place && s->from.generation == from.generation
		    && s->from.tag == from.tag) {
			found = true;
			s->wanted = false;
		}
		wanted = wanted || s->wanted;
	}
	if (found && !wanted)
		break_off(l);
	return found;
}

void link_flush(struct dial *d, struct port_from from)
{
	struct link *l;
	size_t at = 0;

	while ((l = map_next(&d->links, &at)))
		if (forget(l, from))
			return;
}
