/* Calling: another program's port, connected when it can be, and the questions asked of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "port/inside.h"
#include "port/ranges.h"

enum { RETRY_FIRST_MS = 1, RETRY_MAX_MS = 100 };

struct ask {
	struct port_timer deadline;
	struct port_peer *peer;
	struct ask *next, **before;  /* of the peer, in the order of asking */
	uint32_t tag;
	bool sent;
	void (*reply)(void *arg, const struct port_reply *r);
	void *arg;
	int64_t deadline_ms;
	uint8_t listener;
	struct span principal, host, frame;    /* while not sent: copies behind this struct */
	char bytes[];
};

struct port_peer {
	struct line line;
	struct port_loop *loop;
	char *path, *name;
	int hello_fd;
	bool arena;                     /* hello_fd is one */
	const struct port_peer_ops *ops;
	void *ctx;
	bool up;
	int retry_ms;
	struct port_timer retry;
	uint32_t next_tag;
	struct tagmap asks;             /* tag → struct ask */
	struct port_ranges ranges;
	struct ask *first, **last;
};

static const struct port_peer_ops no_ops;

/* --- questions -------------------------------------------------------------------------------- */

static void ask_unlink(struct ask *a)
{
	*a->before = a->next;
	if (a->next)
		a->next->before = a->before;
	else
		a->peer->last = a->before;
	tagmap_del(&a->peer->asks, a->tag);
	port_timer_stop(a->peer->loop, &a->deadline);
}

static void ask_end(struct ask *a, const struct port_reply *r)
{
	ask_unlink(a);
	if (a->reply)
		a->reply(a->arg, r);
	free(a);
}

static void ask_fail(struct ask *a)
{
	ask_end(a, &(struct port_reply){.kind = PORT_CLOSE, .failed = true, .bytes = SPAN_NULL});
}

static void ask_late(void *arg)
{
	struct ask *a = arg;
	struct port_peer *p = a->peer;
	struct port_message m = {.type = PORT_TFLUSH, .tag = a->tag, .fd = -1};
	if (a->sent && port_send(p->line.c, &m) == 0)
		line_touch(p->loop, &p->line);
	ask_fail(a);
}

static int ask_send(struct ask *a, struct span principal, struct span host, struct span frame)
{
	struct port_message m = {
		.type = PORT_TCALL, .tag = a->tag, .fd = -1, .listener = a->listener,
		.principal = principal, .host = host, .deadline_ms = (uint64_t)a->deadline_ms,
		.body = frame,
	};
	if (port_send(a->peer->line.c, &m) < 0)
		return -1;
	a->sent = true;
	line_touch(a->peer->loop, &a->peer->line);
	return 0;
}

static struct span keep(char **at, struct span s)
{
	struct span copy = {*at, s.n};
	if (s.n > 0) {
		memcpy(*at, s.p, (size_t)s.n);
		*at += s.n;
	}
	return copy;
}

static struct ask *ask_new(struct port_peer *p, struct span principal, struct span host,
                           struct span frame)
{
	size_t more = 0;
	if (!p->up)
		more = (size_t)(principal.n > 0 ? principal.n : 0) +
		       (size_t)(host.n > 0 ? host.n : 0) + (size_t)frame.n;
	struct ask *a = calloc(1, sizeof *a + more);
	if (!a)
		return 0;
	char *at = a->bytes;
	if (!p->up) {
		a->principal = keep(&at, principal);
		a->host = keep(&at, host);
		a->frame = keep(&at, frame);
	}
	a->peer = p;
	a->tag = p->next_tag++;
	a->deadline.fn = ask_late;
	a->deadline.arg = a;
	return a;
}

static int ask_start(struct ask *a, struct span principal, struct span host, struct span frame)
{
	struct port_peer *p = a->peer;
	if (tagmap_put(&p->asks, a->tag, a) < 0)
		return -1;
	if ((a->deadline_ms > 0 && port_timer_set(p->loop, &a->deadline, a->deadline_ms) < 0) ||
	    (p->up && ask_send(a, principal, host, frame) < 0)) {
		tagmap_del(&p->asks, a->tag);
		port_timer_stop(p->loop, &a->deadline);
		return -1;
	}
	a->before = p->last;
	*p->last = a;
	p->last = &a->next;
	return 0;
}

int port_ask(struct port_peer *p, uint8_t listener, struct span principal, struct span host,
             const void *frame, size_t n, int64_t deadline_ms,
             void (*reply)(void *arg, const struct port_reply *r), void *arg)
{
	if (n > PORT_MESSAGE_MAX || principal.n > 255 || host.n > 255) {
		errno = EMSGSIZE;
		return -1;
	}
	struct span body = {frame, (int32_t)n};
	struct ask *a = ask_new(p, principal, host, body);
	if (!a)
		return -1;
	a->listener = listener;
	a->deadline_ms = deadline_ms;
	a->reply = reply;
	a->arg = arg;
	if (ask_start(a, principal, host, body) == 0)
		return 0;
	int e = errno;
	free(a);
	errno = e;
	return -1;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* The pieces as one range of bytes. */
static int join(struct port_peer *p, const struct port_message *m, struct span *out)
{
	struct buf *b = &p->loop->scratch;
	*out = (struct span){"", 0};
	if (m->pieces_n == 0)
		return 0;
	if (m->pieces_n == 1 && m->pieces[0].bytes.p) {
		*out = m->pieces[0].bytes;
		return 0;
	}
	b->n = 0;
	for (unsigned i = 0; i < m->pieces_n; i++) {
		const struct port_piece *piece = &m->pieces[i];
		if (piece->bytes.p ? buf_add(b, piece->bytes.p, (size_t)piece->bytes.n)
		                   : port_ranges_read(&p->ranges, piece, b, p->line.c))
			return -1;
	}
	*out = (struct span){(const char *)b->p, (int32_t)b->n};
	return 0;
}

static int answered(struct port_peer *p, const struct port_message *m)
{
	port_ranges_take(&p->ranges, m, p->line.c);
	line_touch(p->loop, &p->line);    /* the owner may have to be told of a descriptor */
	struct ask *a = tagmap_get(&p->asks, m->tag);
	struct port_reply r = {.kind = m->kind};
	if (!a || !a->sent)
		return 0;    /* given up meanwhile */
	if (join(p, m, &r.bytes) < 0) {
		if (errno == ENOMEM)
			return -1;
		ask_fail(a);
		return 0;
	}
	ask_end(a, &r);
	return 0;
}

/* --- the connection --------------------------------------------------------------------------- */

static void retry_later(struct port_peer *p)
{
	port_timer_set(p->loop, &p->retry, port_now_ms() + p->retry_ms);
	p->retry_ms = p->retry_ms * 2 < RETRY_MAX_MS ? p->retry_ms * 2 : RETRY_MAX_MS;
}

/* What was sent may or may not have happened: its askers are told, and may ask again at once. */
static void peer_broken(struct port_loop *l, struct line *line)
{
	struct port_peer *p = (struct port_peer *)line;
	bool was_up = p->up;
	line_close(line);
	port_ranges_close(&p->ranges);
	p->up = false;
	retry_later(p);
	if (was_up && p->ops->down)
		p->ops->down(p->ctx);
	for (;;) {
		struct ask *a = p->first;
		while (a && !a->sent)
			a = a->next;
		if (!a)
			return;
		ask_fail(a);
	}
}

static void try_connect(void *arg)
{
	struct port_peer *p = arg;
	struct port_message m = {.type = PORT_THELLO, .version = PORT_VERSION,
	                         .name = span_of(p->name), .fd = p->hello_fd,
	                         .arena = p->arena};
	int fd = port_connect(p->path);
	if (fd < 0 || line_open(p->loop, &p->line, fd) < 0) {
		retry_later(p);
		return;
	}
	if (port_send(p->line.c, &m) < 0)
		peer_broken(p->loop, &p->line);
	else
		line_touch(p->loop, &p->line);
}

static int greeted(struct port_peer *p, const struct port_message *m)
{
	if (p->up || m->version < 1)
		return -1;
	p->up = true;
	p->retry_ms = RETRY_FIRST_MS;
	for (struct ask *a = p->first; a; a = a->next)
		if (!a->sent && ask_send(a, a->principal, a->host, a->frame) < 0)
			return -1;
	if (p->ops->up)
		p->ops->up(p->ctx, m->fd, m->generation);
	else if (m->fd >= 0)
		close(m->fd);
	return 0;
}

static int peer_message(struct port_peer *p, const struct port_message *m)
{
	switch (m->type) {
	case PORT_RHELLO: return greeted(p, m);
	case PORT_RCALL: return answered(p, m);
	case PORT_RTAKEN: return 0;
	case PORT_TFORGET:
		port_ranges_forget(&p->ranges, m);
		/* fall through */
	case PORT_TWAKE:
	case PORT_RCOPY:
		if (p->ops->message)
			p->ops->message(p->ctx, m);
		return 0;
	default: return -1;
	}
}

static void peer_ready(struct port_loop *l, struct handle *h, uint32_t events)
{
	struct port_peer *p = (struct port_peer *)h;
	struct port_message m;
	if (!p->line.c)
		return;
	int r = line_read(&p->line, events) ? 0 : -1;
	while (r == 0 && (r = port_next(p->line.c, &m)) == 1) {
		r = peer_message(p, &m);
		if (r < 0 && (m.type == PORT_THELLO || m.type == PORT_RHELLO) && m.fd >= 0)
			close(m.fd);
	}
	if (r < 0)
		peer_broken(l, &p->line);
	else if (events & EPOLLOUT)
		line_touch(l, &p->line);
}

static void peer_free(struct handle *h)
{
	struct port_peer *p = (struct port_peer *)h;
	for (struct ask *a = p->first, *next; a; a = next) {
		next = a->next;
		free(a);
	}
	tagmap_free(&p->asks);
	port_ranges_close(&p->ranges);
	line_close(&p->line);
	free(p->path);
	free(p->name);
	free(p);
}

static struct port_peer *dial(struct port_loop *l, const char *path, const char *name, int hello_fd,
                              bool arena, const struct port_peer_ops *ops, void *ctx)
{
	struct port_peer *p = calloc(1, sizeof *p);
	if (!p)
		return 0;
	p->line = (struct line){.h = {.ready = peer_ready, .free = peer_free},
	                        .broken = peer_broken};
	p->loop = l;
	p->path = strdup(path);
	p->name = strdup(name);
	p->hello_fd = hello_fd;
	p->arena = arena;
	p->ops = ops ? ops : &no_ops;
	p->ctx = ctx;
	p->retry_ms = RETRY_FIRST_MS;
	p->retry.fn = try_connect;
	p->retry.arg = p;
	p->last = &p->first;
	if (!p->path || !p->name) {
		peer_free(&p->line.h);
		return 0;
	}
	handle_add(l, &p->line.h);
	try_connect(p);
	return p;
}

struct port_peer *port_dial(struct port_loop *l, const char *path, const char *name, int hello_fd,
                            const struct port_peer_ops *ops, void *ctx)
{
	return dial(l, path, name, hello_fd, false, ops, ctx);
}

struct port_peer *port_dial_arena(struct port_loop *l, const char *path, const char *name,
                                  int arena_fd, const struct port_peer_ops *ops, void *ctx)
{
	return dial(l, path, name, arena_fd, true, ops, ctx);
}

int port_say(struct port_peer *p, const struct port_message *m)
{
	if (!p->up) {
		errno = ENOTCONN;
		return -1;
	}
	line_touch(p->loop, &p->line);
	return port_send(p->line.c, m);
}

bool port_is_up(const struct port_peer *p)
{
	return p->up;
}
