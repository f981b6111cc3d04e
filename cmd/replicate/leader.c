/* Leaders: a TCP connection to each node of which something is wanted, and the bytes on it. Answers
 * are read into the arena that logappend maps, so that records are copied once on their way. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "daemon.h"

enum { ANSWER_MOST = 256 << 20, BODY_KEPT = 4 << 20, READS = 16 };

static void on_timer(void *arg);

/* --- which leaders there are ------------------------------------------------------------------ */

static const char *listener(void)
{
	const char *z = getenv("inter.broker.listener.name");
	return z && *z ? z : d.me.broker;
}

/* True: it is elsewhere than it was. */
static bool find(struct leader *l)
{
	const struct meta_broker *b = meta_broker(d.image, l->id);
	const struct meta_endpoint *e = b ? meta_broker_endpoint(b, listener()) : NULL;
	uint16_t port = e ? e->port : 0;
	if (port == l->port && (!e || !strcmp(e->host, l->host)))
		return false;
	l->port = port;
	snprintf(l->host, sizeof l->host, "%s", e ? e->host : "");
	return true;
}

struct leader *leader_of(int32_t id)
{
	struct leader *l = d.leaders;
	while (l && l->id != id)
		l = l->next;
	if (l || !(l = calloc(1, sizeof *l)))
		return l;
	l->id = id;
	l->fd = l->chunk = -1;
	l->timer.fn = on_timer;
	l->timer.arg = l;
	l->next = d.leaders;
	d.leaders = l;
	find(l);
	return l;
}

/* --- the connection --------------------------------------------------------------------------- */

static void timer_in(struct leader *l, int64_t ms)
{
	if (port_timer_set(d.loop, &l->timer, port_now_ms() + ms) < 0)
		strerr_diefusys(111, "set a timer");
}

static void drop_answer(struct leader *l)
{
	if (l->chunk >= 0)
		port_arena_drop(&d.arena, l->chunk);
	l->chunk = -1;
	l->need = l->have = 0;
	l->body.n = 0;
	if (l->body.cap > BODY_KEPT)
		buf_free(&l->body);
}

static void say_away(struct leader *l, const char *why)
{
	char who[320];
	if (l->silent || !why)
		return;
	l->silent = true;
	snprintf(who, sizeof who, "node %d at %s:%u: ", l->id, l->host, l->port);
	strerr_warnw(who, why);
}

void leader_close(struct leader *l, const char *why)
{
	if (l->fd >= 0) {
		port_unwatch(d.loop, l->fd);
		close(l->fd);
	}
	l->fd = -1;
	l->connected = l->writing = false;
	l->head_n = l->out.n = l->out_at = 0;
	l->sent_n = l->fetches = 0;
	l->bounds.busy = false;
	l->silent = l->silent && why;
	drop_answer(l);
	leader_renew(l);
	for (struct lane *x = l->lanes; x; x = x->next)
		if (x->pull.state != PULL_HANDED)
			lane_lost(x);
	say_away(l, why);
	int most = d.backoff_ms;
	l->pause_ms = !why ? 0 : l->pause_ms ? 2 * l->pause_ms : PAUSE_LEAST_MS;
	if (l->pause_ms > most)
		l->pause_ms = most;
	timer_in(l, l->pause_ms);
}

static void on_ready(void *arg);

/* A host is an address nearly always; a name is looked up, and waited for. */
static int start_connect(struct leader *l)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *a;
	char port[8];
	int on = 1;
	snprintf(port, sizeof port, "%u", l->port);
	if (getaddrinfo(l->host, port, &hints, &a) != 0) {
		errno = ENOENT;
		return -1;
	}
	l->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r = l->fd < 0 ? -1 : connect(l->fd, a->ai_addr, a->ai_addrlen);
	freeaddrinfo(a);
	if (l->fd < 0 || (r < 0 && errno != EINPROGRESS))
		return -1;
	setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (port_watch(d.loop, l->fd, on_ready, l) < 0
	    || port_watch_writable(d.loop, l->fd, true) < 0)
		return -1;
	l->writing = true;
	return 0;
}

static void try_connect(struct leader *l)
{
	if (start_connect(l) < 0) {
		int e = errno;
		leader_close(l, strerror(e));
		return;
	}
	timer_in(l, CONNECT_MS);
}

/* Either a pause is over, or the other side has said nothing for too long. */
static void on_timer(void *arg)
{
	struct leader *l = arg;
	if (l->fd >= 0 && (!l->connected || l->sent_n))
		leader_close(l, strerror(ETIMEDOUT));
}

static void write_out(struct leader *l)
{
	while (l->out_at < l->out.n) {
		ssize_t r = send(l->fd, l->out.p + l->out_at, l->out.n - l->out_at, MSG_NOSIGNAL);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno == EAGAIN)
			break;
		if (r < 0) {
			int e = errno;
			leader_close(l, strerror(e));
			return;
		}
		l->out_at += (size_t)r;
	}
	bool more = l->out_at < l->out.n;
	if (!more)
		l->out_at = l->out.n = 0;
	if (more != l->writing)
		port_watch_writable(d.loop, l->fd, more);
	l->writing = more;
}

/* --- answers ---------------------------------------------------------------------------------- */

uint8_t *leader_answer_at(struct leader *l)
{
	if (l->chunk >= 0)
		return d.arena.at + (size_t)l->chunk * PORT_CHUNK;
	return l->need + 4 <= sizeof l->head ? l->head + 4 : l->body.p;
}

/* The length has come: a place for what does not fit into head. -1: it cannot be. */
static int place(struct leader *l)
{
	l->need = get32(l->head);
	if (l->need < 4 || l->need > ANSWER_MOST) {
		errno = EBADMSG;
		return -1;
	}
	if (l->need + 4 <= sizeof l->head)
		return 0;
	l->chunk = l->need <= PORT_ARENA ? port_arena_take(&d.arena, l->need) : -1;
	l->have = l->head_n - 4;
	l->head_n = 0;
	if (l->chunk >= 0)
		memcpy(leader_answer_at(l), l->head + 4, l->have);
	else
		return buf_add(&l->body, l->head + 4, l->have);
	return 0;
}

static bool is_short(const struct leader *l)
{
	return l->need + 4 <= sizeof l->head;
}

/* 1: an answer is whole; 0: not yet; -1. */
static int take_head(struct leader *l)
{
	if (!l->need && l->head_n < 4)
		return 0;
	if (!l->need && place(l) < 0)
		return -1;
	return is_short(l) ? l->head_n >= l->need + 4 : l->have == l->need;
}

static ssize_t receive(struct leader *l)
{
	ssize_t r;
	if (!l->need || is_short(l)) {
		r = recv(l->fd, l->head + l->head_n, sizeof l->head - l->head_n, 0);
		if (r > 0)
			l->head_n += (size_t)r;
		return r;
	}
	size_t room = l->need - l->have;
	if (l->chunk < 0) {    /* memory grows with what has come */
		room = room < l->have + ANSWER_FIRST ? room : l->have + ANSWER_FIRST;
		if (buf_need(&l->body, room) < 0)
			return -1;
	}
	r = recv(l->fd, leader_answer_at(l) + l->have, room, 0);
	if (r > 0) {
		l->have += (size_t)r;
		l->body.n = l->chunk < 0 ? l->have : 0;
	}
	return r;
}

/* What stands behind a short answer is the next one's. */
static void next_answer(struct leader *l)
{
	size_t used = is_short(l) ? l->need + 4 : 0;
	memmove(l->head, l->head + used, l->head_n - used);
	l->head_n -= used;
	drop_answer(l);
}

static int take_answers(struct leader *l)
{
	int r;
	while ((r = take_head(l)) > 0) {
		if (leader_answer(l) < 0) {
			errno = EBADMSG;
			return -1;
		}
		if (l->fd < 0)
			return 0;    /* what it said was the end of it */
		next_answer(l);
		if (l->sent_n)
			timer_in(l, d.timeout_ms);
	}
	return r;
}

static void read_in(struct leader *l)
{
	for (int i = 0; i < READS && l->fd >= 0; i++) {
		size_t asked = l->need && !is_short(l) ? l->need - l->have :
		               sizeof l->head - l->head_n;
		ssize_t r = receive(l);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno == EAGAIN)
			return;
		if (r == 0)
			errno = ECONNRESET;
		if (r <= 0 || take_answers(l) < 0) {
			int e = errno;
			leader_close(l, strerror(e));
			return;
		}
		if ((size_t)r < asked)
			return;
	}
}

static void on_ready(void *arg)
{
	struct leader *l = arg;
	int error = 0;
	socklen_t n = sizeof error;
	if (!l->connected) {
		if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
			error = errno;
		struct sockaddr_storage peer;
		n = sizeof peer;
		if (!error && getpeername(l->fd, (struct sockaddr *)&peer, &n) < 0)
			return;    /* not yet */
		if (error) {
			leader_close(l, strerror(error));
			return;
		}
		l->connected = true;
		port_timer_stop(d.loop, &l->timer);
	}
	if (l->writing)
		write_out(l);
	if (l->fd >= 0)
		read_in(l);
}

/* --- turns ------------------------------------------------------------------------------------ */

void leaders_moved(void)
{
	for (struct leader *l = d.leaders; l; l = l->next)
		if (find(l) && l->fd >= 0)
			leader_close(l, NULL);
}

void leaders_turn(void)
{
	for (struct leader *l = d.leaders; l; l = l->next) {
		if (!l->lanes && l->fd >= 0)
			leader_close(l, NULL);
		else if (l->lanes && l->fd < 0 && l->port && !l->timer.node.place)
			try_connect(l);
		if (!l->connected)
			continue;
		int before = l->sent_n;
		leader_ask(l);
		if (l->sent_n && !before)
			timer_in(l, d.timeout_ms);
		if (!l->writing)
			write_out(l);
	}
}
