/* The programs that answer: their ports in run/, tried again from 1 ms on while they are away, and
 * the calls that are open at each. */
#include <errno.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate.h"

enum { RETRY_FIRST_MS = 1, RETRY_MAX_MS = 100, OWNERS_MAX = 16, PRODUCE = 0 };

struct owner {
	enum thing thing;
	const char *name;
	char path[64];
	struct port_connection *c;    /* NULL: not connected */
	bool up;                      /* greeted */
	bool dirty, writing;
	bool wants_arena, arena;      /* arena: it was handed over */
	int retry_ms;
	struct timer retry;
	uint32_t next_tag;
	struct tagmap calls;          /* tag → struct call */
	struct call *first, *last;    /* in the order of sending */
	struct client *blocked;
	struct holder holder;
};

static struct owner owners[OWNERS_MAX];
static size_t owners_n;

static void owner_dirty(struct owner *o)
{
	o->dirty = true;
}

/* --- calls ------------------------------------------------------------------------------------ */

static void call_link(struct owner *o, struct call *k)
{
	k->owner_next = 0;
	k->owner_before = o->last;
	if (o->last)
		o->last->owner_next = k;
	else
		o->first = k;
	o->last = k;
}

static void call_unlink(struct owner *o, struct call *k)
{
	if (k->owner_before)
		k->owner_before->owner_next = k->owner_next;
	else
		o->first = k->owner_next;
	if (k->owner_next)
		k->owner_next->owner_before = k->owner_before;
	else
		o->last = k->owner_before;
}

static int call_send(struct owner *o, struct call *k, const void *frame, size_t n)
{
	static const char anonymous[] = "User:ANONYMOUS";
	struct port_message m = {
		.type = PORT_TCALL, .tag = k->tag, .fd = -1, .listener = k->client->listener,
		.principal = {anonymous, sizeof anonymous - 1}, .host = span_of(k->client->host),
		.body = {frame, (int32_t)n},
	};
	owner_dirty(o);
	if (!o->arena || !body_is_large(n))
		return port_send(o->c, &m);
	if (body_hold(&m) < 0)
		return -1;
	if (port_send(o->c, &m) < 0) {
		body_taken(k->tag);
		return -1;
	}
	k->client->in_arena += m.arena_n;
	return 0;
}

static void taken(struct owner *o, uint32_t tag)
{
	uint32_t n = o->arena ? body_taken(tag) : 0;
	struct call *k = n ? tagmap_get(&o->calls, tag) : 0;
	if (n)
		owner_dirty(o);    /* others may wait for room */
	if (!k)
		return;
	k->client->in_arena -= n;
	if (k->client->stuck)
		client_dirty(k->client);
}

int owner_call(struct call *k, const void *frame, size_t n)
{
	struct owner *o = k->owner;
	k->tag = o->next_tag++;
	if (tagmap_put(&o->calls, k->tag, k) < 0)
		return -1;
	if (call_send(o, k, frame, n) < 0) {
		tagmap_del(&o->calls, k->tag);
		return -1;
	}
	call_link(o, k);
	return 0;
}

void owner_done(struct call *k)
{
	tagmap_del(&k->owner->calls, k->tag);
	call_unlink(k->owner, k);
}

int owner_resend(struct call *k)
{
	struct owner *o = k->owner;
	owner_done(k);
	if (o->up && owner_call(k, k->frame, k->frame_n) == 0)
		return 0;
	tagmap_put(&o->calls, k->tag, k);    /* as it was: owner_done comes later */
	call_link(o, k);
	return -1;
}

void owner_flush_answered(struct owner *o, uint32_t tag)
{
	struct port_message m = {.type = PORT_TFLUSH, .tag = tag, .fd = -1};
	if (o->c && port_send(o->c, &m) == 0)
		owner_dirty(o);
}

void owner_flush_call(struct call *k)
{
	if (!k->waiting)
		owner_flush_answered(k->owner, k->tag);
	owner_done(k);
}

void owner_forgot(struct owner *o, uint32_t slot, uint32_t generation, uint64_t base)
{
	struct port_message m = {.type = PORT_TFORGET, .fd = -1, .slot = slot,
	                         .generation = generation, .base = base};
	if (port_send(o->c, &m) == 0)
		owner_dirty(o);
}

/* --- clients that wait ------------------------------------------------------------------------ */

bool owner_is_up(const struct owner *o)
{
	return o->up;
}

bool owner_has_arena(const struct owner *o)
{
	return o->arena;
}

bool owner_ready(const struct owner *o)
{
	return o->up && port_queued_bytes(o->c) < OWNER_FULL;
}

void owner_block(struct owner *o, struct client *c)
{
	c->blocked = o;
	c->blocked_next = o->blocked;
	c->blocked_before = &o->blocked;
	if (o->blocked)
		o->blocked->blocked_before = &c->blocked_next;
	o->blocked = c;
}

void owner_unblock(struct client *c)
{
	if (!c->blocked)
		return;
	*c->blocked_before = c->blocked_next;
	if (c->blocked_next)
		c->blocked_next->blocked_before = c->blocked_before;
	c->blocked = 0;
}

static void unblock_all(struct owner *o)
{
	while (o->blocked) {
		struct client *c = o->blocked;
		owner_unblock(c);
		client_dirty(c);
	}
}

/* --- the connection --------------------------------------------------------------------------- */

static void retry_later(struct owner *o)
{
	timer_set(&o->retry, gate.now + o->retry_ms);
	o->retry_ms = o->retry_ms * 2 < RETRY_MAX_MS ? o->retry_ms * 2 : RETRY_MAX_MS;
}

/* What was sent may have happened: only what changes nothing is sent again, and not for ever: it
 * may be what kills the owner. */
static void lost(struct owner *o)
{
	if (o->up)
		say("warning", "%s is away", o->name);
	o->up = o->writing = false;
	io_close(port_connection_leave(o->c));
	o->c = 0;
	file_forget_all(&o->holder);
	if (o->arena) {
		o->arena = false;
		clients_leave_arena();
		body_close();
	}
	for (struct call *k = o->first; k; k = k->owner_next) {
		if (!k->waiting)    /* a life that was not asked did not die of it */
			k->client->doomed |= !k->frame_n || ++k->tries == TRIES;
		k->waiting = true;
		client_waits(k->client);
		client_dirty(k->client);
	}
	for (struct client *c = o->blocked; c; c = c->blocked_next)
		client_waits(c);
	retry_later(o);
}

static void try_connect(void *arg)
{
	struct owner *o = arg;
	struct port_message m = {.type = PORT_THELLO, .version = PORT_VERSION,
	                         .name = {"gate", 4}, .fd = -1};
	int fd = port_connect(o->path);
	if (fd < 0) {
		retry_later(o);
		return;
	}
	o->c = port_connection_new(fd);
	if (o->wants_arena)
		m.fd = body_open();    /* without one all bodies go inline */
	o->arena = m.arena = m.fd >= 0;
	if (!o->c || !io_fd_flags(fd, IO_FD_NONBLOCK | IO_FD_CANWRITE) || port_send(o->c, &m) < 0)
		die(111, "unable to connect to %s: %s", o->path, strerror(errno));
	io_setcookie(fd, o);
	watch_read(fd);
	owner_dirty(o);
}

static int greeted(struct owner *o)
{
	if (o->up)
		return -1;
	o->up = true;
	o->retry_ms = RETRY_FIRST_MS;
	say("info", "%s is there", o->name);
	for (struct call *k = o->first; k; k = k->owner_next) {
		k->waiting = false;
		k->client->waiting_since = 0;
		if (call_send(o, k, k->frame, k->frame_n) < 0)
			return -1;
	}
	unblock_all(o);
	return 0;
}

static void answered(struct owner *o, const struct port_message *m)
{
	taken(o, m->tag);
	struct call *k = tagmap_get(&o->calls, m->tag);
	if (k && !k->waiting)
		client_answered(k, &o->holder, m);
	else
		file_take(&o->holder, m);    /* its client went away; the descriptors are kept */
}

static int message(struct owner *o, const struct port_message *m)
{
	switch (m->type) {
	case PORT_RHELLO:
		if (m->fd >= 0)
			close(m->fd);    /* the page: not read here, and nothing that libowfat knows */
		return greeted(o);
	case PORT_RCALL: answered(o, m); return 0;
	case PORT_TFORGET:
		file_forget(&o->holder, m->slot, (uint32_t)m->generation, m->base);
		return 0;
	case PORT_RTAKEN:
		for (unsigned i = 0; i < m->list_n; i++)
			taken(o, get32(m->list + 4 * i));
		return 0;
	case PORT_TWAKE: return 0;
	default: return -1;
	}
}

void owner_readable(struct owner *o)
{
	struct port_message m;
	int r = port_receive(o->c) < 0 ? -1 : 0;
	while (r == 0 && (r = port_next(o->c, &m)) == 1)
		r = message(o, &m);
	if (r < 0)
		lost(o);
}

void owner_writable(struct owner *o)
{
	owner_dirty(o);
}

static void owner_turn(struct owner *o)
{
	int fd = port_connection_fd(o->c);
	int r = port_flush(o->c);
	if (r < 0) {
		lost(o);
		return;
	}
	if (r == 1 && !o->writing)
		watch_write(fd);
	else if (r == 0 && o->writing)
		io_dontwantwrite(fd);
	o->writing = r == 1;
	if (o->up && port_queued_bytes(o->c) < OWNER_FULL / 2)
		unblock_all(o);
}

void owners_turn(void)
{
	for (size_t i = 0; i < owners_n; i++) {
		struct owner *o = &owners[i];
		bool work = o->dirty && o->c;
		o->dirty = false;
		if (work)
			owner_turn(o);
	}
}

/* --- which there are -------------------------------------------------------------------------- */

struct owner *owner_named(const char *name)
{
	for (size_t i = 0; i < owners_n; i++)
		if (owners[i].name == name || !strcmp(owners[i].name, name))
			return &owners[i];
	return 0;
}

static void owner_add(const char *name)
{
	if (!name || owner_named(name))
		return;
	if (owners_n == OWNERS_MAX)
		die(111, "more than %d owners in the API table", OWNERS_MAX);
	struct owner *o = &owners[owners_n++];
	*o = (struct owner){.thing = OWNER, .name = name, .retry_ms = RETRY_FIRST_MS};
	o->wants_arena = !strcmp(name, wire_api(PRODUCE)->owner[WIRE_BROKER]);
	snprintf(o->path, sizeof o->path, "run/%s", name);
	o->holder.owner = o;
	o->retry.fn = try_connect;
	o->retry.arg = o;
	try_connect(o);
}

void owners_start(void)
{
	for (size_t i = 0; i < wire_apis_n; i++) {
		if (gate.serves[WIRE_BROKER])
			owner_add(wire_apis[i].owner[WIRE_BROKER]);
		if (gate.serves[WIRE_CONTROLLER])
			owner_add(wire_apis[i].owner[WIRE_CONTROLLER]);
	}
}
