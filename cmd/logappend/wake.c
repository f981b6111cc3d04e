/* Readers that sleep: their bitmaps, and one Twake a turn to each that waits for a slot that
 * changed. */
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "daemon.h"

struct sleeper {
	struct sleeper *next;
	struct port_from from;
	struct page_sleep sleep;
};

static struct sleeper *sleepers;
static uint32_t *changed;       /* slots published in this turn, each once or more */
static uint32_t changed_n, changed_cap;

void wake_hello(void *ctx, struct port_from from, struct span name, int fd)
{
	struct page_sleep z;
	if (fd < 0 || page_sleep_map(&z, fd) < 0)
		return;    /* a caller that never sleeps */
	struct sleeper *s = malloc(sizeof *s);
	if (!s) {
		page_sleep_close(&z);
		return;
	}
	*s = (struct sleeper){sleepers, from, z};
	sleepers = s;
}

void wake_gone(void *ctx, struct port_from from, struct span name)
{
	for (struct sleeper **at = &sleepers, *s; (s = *at); at = &s->next) {
		if (s->from.place != from.place || s->from.generation != from.generation)
			continue;
		*at = s->next;
		page_sleep_close(&s->sleep);
		free(s);
		return;
	}
}

void wake_note(uint32_t slot)
{
	if (!sleepers)
		return;
	if (changed_n == changed_cap) {
		uint32_t cap = changed_cap ? 2 * changed_cap : 64;
		uint32_t *v = realloc(changed, cap * sizeof *v);
		if (!v)
			abort();    /* a sleeper that nobody wakes would be worse than a restart */
		changed = v;
		changed_cap = cap;
	}
	changed[changed_n++] = slot;
}

static void wake(struct sleeper *s)
{
	static struct buf list;
	list.n = 0;
	for (uint32_t i = 0; i < changed_n && list.n < 4 * UINT16_MAX; i++)
		if (page_sleep_is(&s->sleep, changed[i]) && buf_add32(&list, changed[i]) < 0)
			abort();
	if (!list.n)
		return;
	struct port_message m = {.type = PORT_TWAKE, .fd = -1, .list = list.p,
	                         .list_n = (uint16_t)(list.n / 4)};
	port_tell(node.loop, s->from, &m);
}

void wake_turn(void)
{
	if (!changed_n)
		return;
	for (struct sleeper *s = sleepers; s; s = s->next)
		wake(s);
	changed_n = 0;
}
