/* What logappend is handed, and what it says when it is done. Which answers it has at work is known
 * by their tags; when it dies they are nobody's, and are asked for again. */
#include <errno.h>
#include <stdlib.h>

#include <skalibs/strerr.h>

#include "base/tagmap.h"
#include "daemon.h"

struct handed {
	int chunk;              /* of the arena; -1: none */
	int n;
	struct {
		uint32_t slot;  /* PAGE_CAPACITY: of nobody */
		int32_t epoch;
	} lanes[];
};

static struct tagmap handed;
static uint32_t next_tag;
static struct buf asked;

static struct handed *hand(const struct port_message *m, int n)
{
	struct handed *h = malloc(sizeof *h + (size_t)n * sizeof *h->lanes);
	if (!h)
		return NULL;
	h->chunk = -1;
	h->n = n;
	if (port_say(d.copier, m) == 0 && tagmap_put(&handed, m->tag, h) == 0)
		return h;
	free(h);
	return NULL;
}

static void note_asked(const struct lane *x)
{
	if (buf_add32(&asked, x ? (uint32_t)x->pull.epoch : UINT32_MAX) < 0
	    || buf_add64(&asked, x ? (uint64_t)x->pull.asked.offset : 0) < 0)
		strerr_diefusys(111, "hand an answer over");
}

int owner_copy(struct leader *l, int16_t version, size_t header, struct lane *const *lanes, int n)
{
	struct port_message m = {
		.type = PORT_TCOPY, .tag = next_tag++, .fd = -1, .version = (uint16_t)version,
		.list_n = (uint16_t)n, .arena = l->chunk >= 0,
	};
	asked.n = 0;
	for (int i = 0; i < n; i++)
		note_asked(lanes[i]);
	m.list = asked.p;
	if (m.arena) {
		m.arena_at = (uint32_t)(l->chunk * PORT_CHUNK + (int)header);
		m.arena_n = (uint32_t)(l->need - header);
	} else {
		m.body = (struct span){(const char *)leader_answer_at(l) + header,
		                       (int32_t)(l->need - header)};
	}
	struct handed *h = hand(&m, n);
	if (!h)
		return -1;
	h->chunk = l->chunk;
	l->chunk = -1;
	for (int i = 0; i < n; i++) {
		h->lanes[i].slot = lanes[i] ? lanes[i]->slot : PAGE_CAPACITY;
		h->lanes[i].epoch = lanes[i] ? lanes[i]->pull.epoch : -1;
	}
	return 0;
}

int owner_bounds(const struct leader *l)
{
	const struct bounds *b = &l->bounds;
	struct port_message m = {
		.type = PORT_TBOUNDS, .tag = next_tag++, .fd = -1, .slot = b->slot,
		.epoch = b->epoch, .offset = (uint64_t)b->offset, .start = b->start, .end = b->end,
	};
	struct handed *h = hand(&m, 1);
	if (!h)
		return -1;
	h->lanes[0].slot = b->slot;
	h->lanes[0].epoch = b->epoch;
	return 0;
}

static struct lane *lane_at(const struct handed *h, int i)
{
	struct lane *x = h->lanes[i].slot < PAGE_CAPACITY ? d.slots[h->lanes[i].slot] : NULL;
	return x && x->pull.epoch == h->lanes[i].epoch ? x : NULL;
}

static void let_go(struct handed *h)
{
	if (h->chunk >= 0)
		port_arena_drop(&d.arena, h->chunk);
	free(h);
}

void owner_message(void *ctx, const struct port_message *m)
{
	struct handed *h = m->type == PORT_RCOPY ? tagmap_del(&handed, m->tag) : NULL;
	if (!h)
		return;
	for (int i = 0; i < h->n && i < m->list_n; i++) {
		struct lane *x = lane_at(h, i);
		if (x)
			lane_done(x, (int16_t)get16(m->list + 2 * i));
	}
	let_go(h);
}

void owner_down(void *ctx)
{
	size_t at = 0;
	for (const struct tagmap_slot *s; (s = tagmap_next(&handed, &at));) {
		struct handed *h = s->value;
		for (int i = 0; i < h->n; i++) {
			struct lane *x = lane_at(h, i);
			if (x)
				lane_lost(x);
		}
		let_go(h);
	}
	tagmap_free(&handed);
}
