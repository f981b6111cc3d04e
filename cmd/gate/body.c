/* Large request bodies, in the arena that gate shares with the program that Produce goes to: frames
 * are read there from TCP, and their calls name the place. A chunk is held by each call in it until
 * the owner has taken its body, and by gate while it is the one that is read into.
 *
 * The arena lives as long as the connection over which the owner got it: bytes of a call that was
 * sent may be read until that connection is gone at both ends. */
#include <stdlib.h>
#include <string.h>

#include "gate.h"
#include "port/arena.h"

enum { ALIGN = 64 };

struct held {
	uint32_t n;
	int chunk;
};

static struct port_arena arena = {.fd = -1};
static struct tagmap held;            /* tag → struct held: sent, not taken */
static int hot = -1;               /* the chunk that is read into */
static size_t fill;                /* its bytes that calls hold */

int body_open(void)
{
	return port_arena_make(&arena) < 0 ? -1 : arena.fd;
}

void body_close(void)
{
	size_t at = 0;
	for (const struct tagmap_slot *x; (x = tagmap_next(&held, &at));)
		free(x->value);
	tagmap_free(&held);
	hot = -1;
	port_arena_close(&arena);
}

uint8_t *body_room(size_t n)
{
	if (!arena.at || n > PORT_CHUNK)
		return 0;
	if (hot >= 0 && arena.holds[hot] == 1)
		fill = 0;
	if (hot < 0 || PORT_CHUNK - fill < n) {
		int chunk = port_arena_take(&arena, PORT_CHUNK);
		if (chunk < 0)
			return 0;
		if (hot >= 0)
			port_arena_drop(&arena, hot);
		hot = chunk;
		fill = 0;
	}
	return arena.at + (size_t)hot * PORT_CHUNK + fill;
}

/* What is half there must not keep the arena from what is whole. */
uint8_t *body_large(size_t n)
{
	bool scarce = __builtin_popcountll(arena.free) < PORT_CHUNKS / 2;
	int chunk = arena.at && !scarce ? port_arena_take(&arena, n) : -1;
	return chunk < 0 ? 0 : arena.at + (size_t)chunk * PORT_CHUNK;
}

static int chunk_of(const uint8_t *p)
{
	return (int)((size_t)(p - arena.at) / PORT_CHUNK);
}

void body_leave(const uint8_t *p)
{
	port_arena_drop(&arena, chunk_of(p));
}

static bool is_here(const uint8_t *p)
{
	return arena.at && p >= arena.at && p < arena.at + PORT_ARENA;
}

bool body_is_large(size_t n)
{
	return arena.at && n >= PORT_BODY_MIN && n <= PORT_BODY_MAX;
}

const uint8_t *body_place(const uint8_t *p, size_t n)
{
	uint8_t *to;
	if (is_here(p)) {
		port_arena_hold(&arena, chunk_of(p));
		return p;
	}
	if (n > PORT_CHUNK) {
		int chunk = port_arena_take(&arena, n);
		to = chunk < 0 ? 0 : arena.at + (size_t)chunk * PORT_CHUNK;
	} else {
		to = body_room(n);
		if (to)
			port_arena_hold(&arena, hot);
	}
	return to ? memcpy(to, p, n) : 0;
}

int body_hold(struct port_message *m)
{
	const uint8_t *p = (const uint8_t *)m->body.p;
	if (!is_here(p))
		return 0;
	struct held *x = malloc(sizeof *x);
	if (!x)
		return -1;
	*x = (struct held){(uint32_t)m->body.n, chunk_of(p)};
	if (tagmap_put(&held, m->tag, x) < 0) {
		free(x);
		return -1;
	}
	port_arena_hold(&arena, x->chunk);
	m->arena = true;
	m->arena_at = (uint32_t)(p - arena.at);
	m->arena_n = x->n;
	if (x->chunk == hot)
		fill = (m->arena_at % PORT_CHUNK + x->n + ALIGN - 1) / ALIGN * ALIGN;
	return 0;
}

uint32_t body_taken(uint32_t tag)
{
	struct held *x = tagmap_del(&held, tag);
	if (!x)
		return 0;
	uint32_t n = x->n;
	port_arena_drop(&arena, x->chunk);
	free(x);
	return n;
}
