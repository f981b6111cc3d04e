/* A client's connection: frames come in, become calls at one owner at a time, and their answers
 * leave in request order. What cannot go on yet stays in the socket: back-pressure is TCP's. */
#include <errno.h>
#include <io.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gate.h"
#include "port/arena.h"

enum {
	READ_MAX = 1 << 20,       /* at once, into a frame that has grown so far */
	COPY_MAX = 64 << 10,      /* a request up to this is kept to send it again */
	CALLS_KEPT = 1024,        /* memory of calls that is used again */
};

static struct client *dirty;

void client_dirty(struct client *c)
{
	if (c->dirty)
		return;
	c->dirty = true;
	c->dirty_next = dirty;
	dirty = c;
}

bool clients_pending(void)
{
	return dirty != 0;
}

/* --- deadlines -------------------------------------------------------------------------------- */

static int64_t deadline(const struct client *c)
{
	int64_t at = INT64_MAX;
	if (c->out.first)
		at = c->progress_ms + STALL_MS;
	else if (!c->first)
		at = c->active_ms + gate.idle_ms;
	if (c->muted_until && c->muted_until < at)
		at = c->muted_until;
	if (c->waiting_since && c->waiting_since + OWNER_WAIT_MS < at)
		at = c->waiting_since + OWNER_WAIT_MS;
	return at;
}

/* A timer that fires too early looks again: it is only ever moved forward. */
static void arm(struct client *c)
{
	int64_t at = deadline(c);
	if (at != INT64_MAX && (!c->timer.node.place || at < c->timer.node.at))
		timer_set(&c->timer, at);
}

static void timed(void *arg)
{
	struct client *c = arg;
	if (c->muted_until && gate.now >= c->muted_until)
		c->muted_until = 0;
	if (c->waiting_since && gate.now >= c->waiting_since + OWNER_WAIT_MS)
		client_close(c, "the program that answers is away");
	else if (c->out.first && gate.now >= c->progress_ms + STALL_MS)
		client_close(c, "it reads nothing");
	else if (!c->out.first && !c->first && gate.now >= c->active_ms + gate.idle_ms)
		client_close(c, "idle");
	else
		client_dirty(c);
}

void client_waits(struct client *c)
{
	if (!c->waiting_since)
		c->waiting_since = gate.now;
	arm(c);
}

/* --- life ------------------------------------------------------------------------------------- */

struct client *client_new(int fd, uint8_t listener, const char *host)
{
	struct client *c = calloc(1, sizeof *c);
	if (!c || !io_fd_flags(fd, IO_FD_NONBLOCK | IO_FD_CANWRITE)) {
		free(c);
		return 0;
	}
	c->thing = CLIENT;
	c->fd = fd;
	c->listener = listener;
	strcpy(c->host, host);
	c->active_ms = gate.now;
	c->timer.fn = timed;
	c->timer.arg = c;
	c->next = gate.clients;
	c->before = &gate.clients;
	if (c->next)
		c->next->before = &c->next;
	gate.clients = c;
	gate.clients_n++;
	io_setcookie(fd, c);
	watch_read(fd);
	c->reading = true;
	arm(c);
	return c;
}

static struct call *spares;    /* without room for a frame */
static int spares_n;

static struct call *call_new(uint32_t copy)
{
	struct call *k = spares;
	if (copy || !k)
		return malloc(sizeof *k + copy);
	spares = k->next;
	spares_n--;
	return k;
}

static void call_free(struct call *k)
{
	output_free(&k->out);
	if (k->frame_n || spares_n == CALLS_KEPT) {
		free(k);
		return;
	}
	k->next = spares;
	spares = k;
	spares_n++;
}

/* The struct lives until the end of the turn: callers up the stack still hold it. */
void client_close(struct client *c, const char *why)
{
	if (c->dead)
		return;
	c->dead = true;
	if (why)
		say("info", "%s closed: %s", c->host, why);
	bool open = false;
	for (struct call *k = c->first, *next; k; k = next) {
		next = k->next;
		open |= !k->answered;
		if (!k->answered)
			owner_flush_call(k);
		call_free(k);
	}
	c->first = c->last = 0;
	if (c->told && !open)
		owner_flush_answered(c->told, c->told_tag);
	output_free(&c->out);
	buf_free(&c->in);
	if (c->large)
		body_leave(c->large);
	owner_unblock(c);
	heap_del(&gate.timers, &c->timer.node);
	io_close(c->fd);
	*c->before = c->next;
	if (c->next)
		c->next->before = c->before;
	gate.clients_n--;
	listeners_resume();
	client_dirty(c);
}

/* --- requests --------------------------------------------------------------------------------- */

static int call_start(struct client *c, const struct route *r, const uint8_t *frame, uint32_t n)
{
	uint32_t copy = r->resend && n <= COPY_MAX ? n : 0;
	struct call *k = call_new(copy);
	if (!k)
		return -1;
	*k = (struct call){.client = c, .owner = r->owner, .frame_n = copy};
	memcpy(k->frame, frame, copy);
	if (owner_call(k, frame, n) < 0) {
		call_free(k);
		return -1;
	}
	if (c->last)
		c->last->next = k;
	else
		c->first = k;
	c->last = k;
	c->in_flight++;
	if (c->listener == WIRE_CONTROLLER) {
		c->told = k->owner;
		c->told_tag = k->tag;
	}
	return 0;
}

/* false: it has to wait. */
static bool request(struct client *c, const uint8_t *frame, uint32_t n)
{
	struct route r = route_frame(c->listener, frame, n);
	if (!r.owner) {
		client_close(c, r.refusal);
		return true;
	}
	if (c->last && c->last->owner != r.owner)
		return false;
	if (owner_is_up(r.owner))
		c->waiting_since = 0;
	else
		client_waits(c);
	if (!owner_ready(r.owner)) {
		owner_block(r.owner, c);
		return false;
	}
	bool large = owner_has_arena(r.owner) && body_is_large(n);
	if (large && !(frame = body_place(frame, n))) {
		owner_block(r.owner, c);
		return false;
	}
	if (call_start(c, &r, frame, n) < 0)
		client_close(c, strerror(errno));
	if (large)
		body_leave(frame);
	return true;
}

static bool may_go_on(const struct client *c)
{
	return !gate.draining && !c->out.first && !c->muted_until && !c->blocked &&
	       c->in_flight < IN_FLIGHT && c->in_arena < ARENA_SHARE;
}

static const char *what_is_it(const uint8_t *p)
{
	if (!memcmp(p, "GET ", 4) || !memcmp(p, "POST", 4) || !memcmp(p, "HEAD", 4))
		return "it speaks HTTP";
	if (p[0] == 0x16 && p[1] == 3)
		return "it speaks TLS";
	return "a bad frame length";
}

/* Starts the whole frames at p while it may. Returns the bytes used. */
static size_t frames(struct client *c, const uint8_t *p, size_t n)
{
	size_t at = 0;
	c->stuck = false;
	while (!c->dead && !c->closing && n - at >= 4) {
		uint32_t length = get32(p + at);
		if (length == 0 || length > gate.frame_max) {
			client_close(c, what_is_it(p + at));
			return 0;
		}
		if (n - at - 4 < length)
			break;
		if (!may_go_on(c) || !request(c, p + at + 4, length)) {
			c->stuck = true;
			break;
		}
		at += 4 + (size_t)length;
	}
	return at;
}

/* What is left after a large frame does not keep that frame's memory. */
static int drop_used(struct buf *b, size_t used)
{
	struct buf rest = {0};
	if (used < b->n && (b->n - used) * 4 > b->cap) {
		buf_take(b, used);
		return 0;
	}
	if (buf_add(&rest, b->p + used, b->n - used) < 0)
		return -1;
	buf_free(b);
	*b = rest;
	return 0;
}

static void frames_kept(struct client *c)
{
	if (c->large) {
		if (c->large_n < c->large_size || !frames(c, c->large, c->large_n))
			return;
		body_leave(c->large);
		c->large = 0;
		return;
	}
	size_t used = frames(c, c->in.p, c->in.n);
	if (!c->dead && used && drop_used(&c->in, used) < 0)
		client_close(c, strerror(errno));
}

/* While requests wait a connection keeps READ bytes at most; else a frame under way doubles. */
static size_t room(const struct client *c)
{
	if (c->stuck)
		return c->in.n < READ ? READ - c->in.n : 0;
	return c->in.n < READ ? READ : c->in.n < READ_MAX ? c->in.n : READ_MAX;
}

static ssize_t read_more(struct client *c)
{
	size_t more = room(c);
	if (buf_need(&c->in, more) < 0)
		return -1;
	ssize_t n = read(c->fd, c->in.p + c->in.n, more);
	if (n > 0) {
		c->in.n += (size_t)n;
		frames_kept(c);
	}
	return n;
}

/* Bytes of the frame under way that are still to come. */
static size_t missing(const struct client *c)
{
	size_t whole = c->in.n < 4 ? 0 : 4 + (size_t)get32(c->in.p);
	return whole > c->in.n ? whole - c->in.n : 0;
}

static int keep_rest(struct client *c, const uint8_t *p, size_t n)
{
	if (c->in.cap > 4 * n)
		buf_free(&c->in);
	c->in.n = 0;
	return buf_add(&c->in, p, n);
}

/* Most reads bring whole requests, or the rest of one: they are handled where they are, which is in
 * the arena while it has room, and an idle client holds no memory. */
static ssize_t read_shared(struct client *c)
{
	static uint8_t shared[READ];
	size_t before = c->in.n, more = READ + missing(c);
	uint8_t *p = body_room(before + more);
	if (!p && before)
		return read_more(c);
	if (!p)
		p = shared;
	ssize_t n = read(c->fd, p + before, more);
	if (n <= 0)
		return n;
	if (before)
		memcpy(p, c->in.p, before);
	size_t all = before + (size_t)n, used = frames(c, p, all);
	if (!c->dead && keep_rest(c, p + used, all - used) < 0)
		return -1;
	return n;
}

static ssize_t read_large(struct client *c)
{
	ssize_t n = read(c->fd, c->large + c->large_n, c->large_size - c->large_n);
	if (n > 0) {
		c->large_n += (uint32_t)n;
		frames_kept(c);
	}
	return n;
}

/* A frame that leaves no room to read beside it gets chunks of its own, once some of it is here. */
static void begin_large(struct client *c)
{
	size_t whole = c->in.n + missing(c);
	if (c->stuck || c->in.n < READ / 2 || whole <= PORT_CHUNK - READ || !body_is_large(whole - 4))
		return;
	struct route r = route_frame(c->listener, c->in.p + 4, c->in.n - 4);
	c->large = r.owner && owner_has_arena(r.owner) ? body_large(whole) : 0;
	if (!c->large)
		return;
	memcpy(c->large, c->in.p, c->in.n);
	c->large_n = (uint32_t)c->in.n;
	c->large_size = (uint32_t)whole;
	buf_free(&c->in);
}

static ssize_t read_some(struct client *c)
{
	if (!c->large)
		begin_large(c);
	if (c->large)
		return read_large(c);
	return c->stuck || c->in.n > READ ? read_more(c) : read_shared(c);
}

/* A little is read even when a request waits: to see that its client went away, and because to ask
 * for events and not to ask costs system calls. */
static void want_read(struct client *c)
{
	bool want = !c->closing && !c->ended && !c->muted_until && !gate.draining &&
	            (!c->stuck || (!c->large && c->in.n < READ / 2));
	if (want == c->reading)
		return;
	c->reading = want;
	if (want)
		watch_read(c->fd);
	else
		io_dontwantread(c->fd);
}

void client_readable(struct client *c)
{
	if (!c->reading)
		return;
	ssize_t n = read_some(c);
	if (c->dead)
		return;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == 0 && c->stuck) {
		/* Requests that were sent before the end are worked on, as Kafka does: with acks=0 a
		 * producer that flushes and leaves has nothing else to go by. */
		c->ended = true;
		want_read(c);
		return;
	}
	if (n <= 0) {
		client_close(c, n < 0 && errno != ECONNRESET ? strerror(errno) : 0);
		return;
	}
	c->active_ms = gate.now;
	want_read(c);
	arm(c);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void answers_move(struct client *c)
{
	while (c->first && c->first->answered && !c->closing) {
		struct call *k = c->first;
		c->first = k->next;
		if (!c->first)
			c->last = 0;
		c->in_flight--;
		c->closing = k->close;
		if (!c->out.first)
			c->progress_ms = gate.now;
		output_move(&c->out, &k->out);
		call_free(k);
	}
}

static int take_pieces(struct call *k, struct holder *h, const struct port_message *m)
{
	if (m->kind != PORT_BYTES) {
		file_take(h, m);
		return 0;
	}
	if (output_answer(&k->out, h, m) == 0)
		return 0;
	if (errno == ESTALE && k->frame_n && ++k->tries < TRIES && owner_resend(k) == 0)
		return 1;
	say("warning", "%s: an answer is unusable: %s", k->client->host, strerror(errno));
	return -1;
}

void client_answered(struct call *k, struct holder *h, const struct port_message *m)
{
	struct client *c = k->client;
	int r = take_pieces(k, h, m);
	if (r > 0)
		return;
	owner_done(k);
	k->answered = true;
	k->close = m->kind == PORT_CLOSE || r < 0;
	if (m->mute_ms && c->muted_until < gate.now + m->mute_ms)
		c->muted_until = gate.now + m->mute_ms;
	answers_move(c);
	client_dirty(c);
}

static void write_out(struct client *c)
{
	bool progress = false;
	enum written w = output_write(&c->out, c->fd, &progress);
	if (progress)
		c->progress_ms = c->active_ms = gate.now;
	if (w == FAILED) {
		client_close(c, errno == EIO ? "a segment ended early" : 0);
		return;
	}
	if (w == WRITTEN && c->writing)
		io_dontwantwrite(c->fd);
	else if (w != WRITTEN && !c->writing)
		watch_write(c->fd);
	c->writing = w != WRITTEN;
}

/* The client counts as dirty meanwhile, so that one which is closed here is freed here. */
static void client_turn(struct client *c)
{
	if (c->doomed)
		client_close(c, "the program that was to answer died");
	if (!c->dead && c->out.first)
		write_out(c);
	if (!c->dead && c->closing && !c->out.first)
		client_close(c, 0);
	if (!c->dead && c->stuck)
		frames_kept(c);
	if (!c->dead && c->ended && !c->stuck)
		client_close(c, 0);
	if (c->dead) {
		free(c);
		return;
	}
	c->dirty = false;
	want_read(c);
	arm(c);
}

void clients_turn(void)
{
	while (dirty) {
		struct client *c = dirty;
		dirty = c->dirty_next;
		client_turn(c);
	}
}

void clients_leave_arena(void)
{
	for (struct client *c = gate.clients; c; c = c->next) {
		c->in_arena = 0;
		if (!c->large)
			continue;
		c->doomed |= buf_add(&c->in, c->large, c->large_n) < 0;
		c->large = 0;
		client_dirty(c);
	}
}

void clients_drain(void)
{
	for (struct client *c = gate.clients; c; c = c->next)
		want_read(c);
}

bool clients_busy(void)
{
	for (struct client *c = gate.clients; c; c = c->next)
		if (c->first || c->out.first)
			return true;
	return false;
}
