/* Answering: the listening socket, the callers on it and the calls each has open. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "port/arena.h"
#include "port/inside.h"

enum { ACCEPT_TURN = 64, ACCEPT_PAUSE_MS = 100 };

struct server {
	struct handle h;
	struct port_loop *loop;
	int fd;
	const struct port_service *service;
	void *ctx;
	struct port_timer resume;    /* set when descriptors ran out */
};

struct link {                        /* one caller */
	struct line line;
	const struct port_service *service;
	void *ctx;
	bool greeted;
	char name[256];
	uint8_t name_n;
	uint32_t place;
	struct tagmap calls;         /* called and not yet answered */
	const uint8_t *arena;        /* the caller's; NULL none */
	struct buf taken;            /* u32 tags of calls with bodies there, since the last drained */
};

/* --- places ----------------------------------------------------------------------------------- */

static int place_take(struct port_loop *l, struct link *k)
{
	if (!l->places_free) {
		if (l->places_n == l->places_cap) {
			uint32_t cap = l->places_cap ? 2 * l->places_cap : 16;
			struct place *v = realloc(l->places, cap * sizeof *v);
			if (!v)
				return -1;
			l->places = v;
			l->places_cap = cap;
		}
		l->places[l->places_n] = (struct place){0};
		l->places_free = ++l->places_n;
	}
	k->place = l->places_free - 1;
	struct place *p = &l->places[k->place];
	l->places_free = p->next_free;
	p->link = k;
	p->generation++;
	return 0;
}

static void place_leave(struct port_loop *l, uint32_t i)
{
	l->places[i].link = 0;
	l->places[i].next_free = l->places_free;
	l->places_free = i + 1;
}

static struct link *find(struct port_loop *l, struct port_from from)
{
	if (from.place >= l->places_n || l->places[from.place].generation != from.generation)
		return 0;
	return l->places[from.place].link;
}

static struct port_from from(struct port_loop *l, const struct link *k, uint32_t tag)
{
	return (struct port_from){k->place, l->places[k->place].generation, tag};
}

static struct span name_of(const struct link *k)
{
	return (struct span){k->name, k->name_n};
}

/* --- a caller --------------------------------------------------------------------------------- */

static void link_free(struct handle *h)
{
	struct link *k = (struct link *)h;
	tagmap_free(&k->calls);
	line_close(&k->line);
	port_arena_unmap(k->arena);
	buf_free(&k->taken);
	free(k);
}

/* Its place is left first: what the service answers from here on is dropped. */
static void link_broken(struct port_loop *l, struct line *line)
{
	struct link *k = (struct link *)line;
	struct port_from who = from(l, k, 0);
	place_leave(l, k->place);
	line_close(line);
	handle_bury(l, &line->h);
	size_t at = 0;
	for (const struct tagmap_slot *o; (o = tagmap_next(&k->calls, &at));)
		if (k->service->flush)
			k->service->flush(k->ctx, (struct port_from){who.place, who.generation, o->tag});
	if (k->greeted && k->service->gone)
		k->service->gone(k->ctx, who, name_of(k));
}

static int greet(struct port_loop *l, struct link *k, const struct port_message *m)
{
	if (k->greeted || m->version < 1)
		return -1;
	k->greeted = true;
	k->name_n = (uint8_t)m->name.n;
	memcpy(k->name, m->name.p, k->name_n);
	struct port_message r = {.type = PORT_RHELLO, .tag = m->tag, .version = PORT_VERSION,
	                         .generation = k->service->generation, .fd = k->service->page_fd};
	if (port_send(k->line.c, &r) < 0)
		return -1;
	line_touch(l, &k->line);
	if (m->arena)
		k->arena = port_arena_map(m->fd);    /* without it the first call there ends all */
	if (k->service->hello)
		k->service->hello(k->ctx, from(l, k, m->tag), name_of(k), m->arena ? -1 : m->fd);
	else if (m->fd >= 0 && !m->arena)
		close(m->fd);
	return 0;
}

/* The request; null when it is not where the caller says. */
static struct span body_of(const struct link *k, const struct port_message *m, uint32_t most)
{
	if (!m->arena)
		return m->body;
	if (!k->arena || m->arena_n > most || m->arena_at > PORT_ARENA - m->arena_n)
		return SPAN_NULL;
	return (struct span){(const char *)k->arena + m->arena_at, (int32_t)m->arena_n};
}

static int call(struct port_loop *l, struct link *k, const struct port_message *m)
{
	struct span body = body_of(k, m, PORT_BODY_MAX);
	if (body.n < 0 || tagmap_get(&k->calls, m->tag) || tagmap_put(&k->calls, m->tag, k) < 0)
		return -1;
	struct port_call c = {
		.from = from(l, k, m->tag), .listener = m->listener, .principal = m->principal,
		.host = m->host, .deadline_ms = (int64_t)m->deadline_ms, .body = body,
		.caller = name_of(k),
	};
	k->service->call(k->ctx, &c);
	return m->arena ? buf_add32(&k->taken, m->tag) : 0;
}

/* An answer says by itself that the body is no longer needed. */
static void keep_unanswered(struct link *k)
{
	size_t n = 0;
	for (size_t at = 0; at < k->taken.n; at += 4) {
		uint32_t tag = get32(k->taken.p + at);
		if (!tagmap_get(&k->calls, tag))
			continue;
		put32(k->taken.p + n, tag);
		n += 4;
	}
	k->taken.n = n;
}

/* Bodies are taken long before what is parked is answered. */
static int say_taken(struct link *k)
{
	keep_unanswered(k);
	while (k->taken.n) {
		size_t n = k->taken.n / 4 < UINT16_MAX ? k->taken.n / 4 : UINT16_MAX;
		struct port_message m = {.type = PORT_RTAKEN, .fd = -1, .list = k->taken.p,
		                         .list_n = (uint16_t)n};
		if (port_send(k->line.c, &m) < 0)
			return -1;
		buf_take(&k->taken, 4 * n);
	}
	return 0;
}

/* An answer of a leader, wherever it lies. */
static int copy(struct port_loop *l, struct link *k, const struct port_message *m)
{
	struct port_message with = *m;
	with.body = body_of(k, m, PORT_ARENA);
	if (!k->service->other || with.body.n < 0)
		return -1;
	k->service->other(k->ctx, from(l, k, m->tag), &with);
	return 0;
}

static int handle_message(struct port_loop *l, struct link *k, const struct port_message *m)
{
	if (m->type == PORT_THELLO)
		return greet(l, k, m);
	if (!k->greeted)
		return -1;
	switch (m->type) {
	case PORT_TCALL: return call(l, k, m);
	case PORT_TFLUSH:
		if (tagmap_del(&k->calls, m->tag)) {
			if (k->service->flush)
				k->service->flush(k->ctx, from(l, k, m->tag));
		} else if (k->service->late) {
			k->service->late(k->ctx, from(l, k, m->tag));
		}
		return 0;
	case PORT_TFORGET:
		if (k->service->other)
			k->service->other(k->ctx, from(l, k, m->tag), m);
		return 0;
	case PORT_TCOPY: return copy(l, k, m);
	case PORT_TDROP:
	case PORT_TSWAP:
	case PORT_TBOUNDS:
		if (!k->service->other)
			return -1;
		k->service->other(k->ctx, from(l, k, m->tag), m);
		return 0;
	default: return -1;
	}
}

/* A message that has no place here may carry descriptors, which nobody takes. */
static void refuse(struct port_message *m)
{
	if (m->type == PORT_RCALL)
		for (unsigned i = 0; i < m->pieces_n; i++)
			if (m->pieces[i].fd >= 0)
				close(m->pieces[i].fd);
	if (m->type == PORT_RHELLO && m->fd >= 0)
		close(m->fd);
}

static void link_ready(struct port_loop *l, struct handle *h, uint32_t events)
{
	struct link *k = (struct link *)h;
	struct port_message m;
	int r = line_read(&k->line, events) ? 0 : -1;
	while (r == 0 && (r = port_next(k->line.c, &m)) == 1) {
		r = handle_message(l, k, &m);
		if (r < 0)
			refuse(&m);
	}
	if (k->service->drained)
		k->service->drained(k->ctx);
	bool taken = k->taken.n;
	if (r < 0 || say_taken(k) < 0)
		link_broken(l, &k->line);
	else if (taken || events & EPOLLOUT)
		line_touch(l, &k->line);
}

/* --- the listening socket --------------------------------------------------------------------- */

static void server_free(struct handle *h)
{
	struct server *s = (struct server *)h;
	close(s->fd);
	free(s);
}

static void server_take(struct port_loop *l, struct server *s, int fd)
{
	struct link *k = calloc(1, sizeof *k);
	if (!k) {
		close(fd);
		return;
	}
	k->line = (struct line){.h = {.ready = link_ready, .free = link_free},
	                        .broken = link_broken, .patient = true};
	k->service = s->service;
	k->ctx = s->ctx;
	if (line_open(l, &k->line, fd) < 0 || place_take(l, k) < 0) {
		link_free(&k->line.h);
		return;
	}
	handle_add(l, &k->line.h);
}

static void server_listen(struct server *s, bool yes)
{
	struct epoll_event e = {.events = yes ? EPOLLIN : 0, .data.ptr = &s->h};
	epoll_ctl(s->loop->epoll, EPOLL_CTL_MOD, s->fd, &e);
}

static void server_resume(void *arg)
{
	server_listen(arg, true);
}

static void server_ready(struct port_loop *l, struct handle *h, uint32_t events)
{
	struct server *s = (struct server *)h;
	for (int i = 0; i < ACCEPT_TURN; i++) {
		int fd = accept4(s->fd, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			server_take(l, s, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			server_listen(s, false);
			port_timer_set(l, &s->resume, port_now_ms() + ACCEPT_PAUSE_MS);
		}
		return;
	}
}

int port_serve(struct port_loop *l, const char *path, const struct port_service *service, void *ctx)
{
	struct server *s = calloc(1, sizeof *s);
	if (!s)
		return -1;
	*s = (struct server){.h = {.ready = server_ready, .free = server_free}, .loop = l,
	                     .service = service, .ctx = ctx};
	s->resume.fn = server_resume;
	s->resume.arg = s;
	s->fd = port_bind(path);
	if (s->fd < 0 || handle_watch(l, &s->h, s->fd, EPOLLIN) < 0) {
		int e = errno;
		if (s->fd >= 0)
			close(s->fd);
		free(s);
		errno = e;
		return -1;
	}
	handle_add(l, &s->h);
	return 0;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* A call that cannot be answered (no memory, no descriptor free) is answered with close, so that it
 * never stays open for ever; when even that fails the caller is let go, which says the same. */
static int answer_close(struct port_loop *l, struct link *k, uint32_t tag)
{
	int e = errno;
	struct port_message m = {.type = PORT_RCALL, .tag = tag, .fd = -1, .kind = PORT_CLOSE};
	if (port_send(k->line.c, &m) < 0)
		shutdown(port_connection_fd(k->line.c), SHUT_RDWR);
	errno = e;
	return -1;
}

int port_answer(struct port_loop *l, struct port_from to, enum port_kind kind, uint32_t mute_ms,
                struct port_piece *pieces, uint16_t n)
{
	struct link *k = find(l, to);
	if (!k || !tagmap_del(&k->calls, to.tag))
		return 0;
	struct port_message m = {.type = PORT_RCALL, .tag = to.tag, .fd = -1, .kind = kind,
	                         .mute_ms = mute_ms, .pieces = pieces, .pieces_n = n};
	int r = port_send(k->line.c, &m);
	if (r < 0)
		r = answer_close(l, k, to.tag);
	line_touch(l, &k->line);
	return r;
}

int port_answer_bytes(struct port_loop *l, struct port_from to, const void *p, size_t n)
{
	struct port_piece piece = {.bytes = {p, (int32_t)n}, .fd = -1};
	return port_answer(l, to, PORT_BYTES, 0, &piece, 1);
}

int port_tell(struct port_loop *l, struct port_from to, const struct port_message *m)
{
	struct link *k = find(l, to);
	if (!k)
		return 0;
	line_touch(l, &k->line);
	return port_send(k->line.c, m);
}
