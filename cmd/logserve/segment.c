/* Descriptors of segment files, handed to a caller with the first range that it is sent and named
 * (slot, base offset, generation) from then on. A generation stands for one file for ever. */
#include "logserve.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct holder {
	uint32_t place, generation;      /* of a connection */
};
struct segment {
	struct segment *next;
	int64_t base;
	dev_t dev;
	ino_t ino;
	uint32_t generation;
	bool checked;                    /* since the layout last changed */
	struct holder *holders;
	int holders_n;
};

static void tell_forget(struct server *s, const struct partition *p, const struct segment *g)
{
	for (int i = 0; i < g->holders_n; i++) {
		struct port_from to = {g->holders[i].place, g->holders[i].generation, 0};
		struct port_message m = {
			.type = PORT_TFORGET, .fd = -1, .slot = p->slot, .base = (uint64_t)g->base,
			.generation = g->generation,
		};
		port_tell(s->loop, to, &m);
	}
}

static void unlink_segment(struct server *s, struct partition *p, struct segment **at)
{
	struct segment *g = *at;
	*at = g->next;
	tell_forget(s, p, g);
	free(g->holders);
	free(g);
}

void segments_forget(struct server *s, struct partition *p)
{
	while (p->segments)
		unlink_segment(s, p, &p->segments);
}

void segments_refresh(struct server *s, struct partition *p)
{
	char path[PAGE_NAME + 32];
	struct stat st;
	for (struct segment **at = &p->segments; *at;) {
		struct segment *g = *at;
		snprintf(path, sizeof path, "%s/%020lld.log", p->entry.name, (long long)g->base);
		if (fstatat(s->dirfd, path, &st, 0) || st.st_ino != g->ino || st.st_dev != g->dev) {
			unlink_segment(s, p, at);
			continue;
		}
		g->checked = false;
		at = &g->next;
	}
}

/* The segment that this descriptor is of. */
static struct segment *find(struct server *s, struct partition *p, const struct log_range *r)
{
	struct stat st;
	struct segment **at = &p->segments;
	while (*at && (*at)->base != r->base)
		at = &(*at)->next;
	if (*at && (*at)->checked)
		return *at;
	if (fstat(r->fd, &st))
		return 0;
	if (*at && ((*at)->ino != st.st_ino || (*at)->dev != st.st_dev))
		unlink_segment(s, p, at);
	else if (*at) {
		(*at)->checked = true;
		return *at;
	}
	struct segment *g = calloc(1, sizeof *g);
	if (!g)
		return 0;
	*g = (struct segment){
		.next = p->segments, .base = r->base, .dev = st.st_dev, .ino = st.st_ino,
		.generation = ++s->generation, .checked = true,
	};
	p->segments = g;
	return g;
}

static bool holds(const struct segment *g, struct port_from who)
{
	for (int i = 0; i < g->holders_n; i++)
		if (g->holders[i].place == who.place && g->holders[i].generation == who.generation)
			return true;
	return false;
}

static int hand_over(struct segment *g, struct port_from to)
{
	struct holder *v = realloc(g->holders, (size_t)(g->holders_n + 1) * sizeof *v);
	if (!v)
		return -1;
	v[g->holders_n++] = (struct holder){to.place, to.generation};
	g->holders = v;
	return 0;
}

int segment_piece(struct server *s, struct partition *p, struct port_from to,
                  const struct log_range *r, struct port_piece *piece)
{
	struct segment *g = find(s, p, r);
	if (!g)
		return -1;
	*piece = (struct port_piece){
		.slot = p->slot, .generation = g->generation, .base = (uint64_t)g->base,
		.offset = (uint64_t)r->position, .n = (uint32_t)r->bytes, .fd = -1,
	};
	if (holds(g, to))
		return 0;
	piece->fd = r->fd;
	return hand_over(g, to);
}

static void let_go(struct segment *g, struct port_from who)
{
	for (int i = 0; i < g->holders_n; i++)
		if (g->holders[i].place == who.place && g->holders[i].generation == who.generation)
			g->holders[i--] = g->holders[--g->holders_n];
}

void segment_closed(struct server *s, struct port_from who, uint32_t slot, int64_t base,
                    uint32_t generation)
{
	struct partition *p = slot < s->slots_n ? s->slots[slot] : 0;
	for (struct segment *g = p ? p->segments : 0; g; g = g->next)
		if (g->base == base && g->generation == generation)
			let_go(g, who);
}

void segments_left(struct server *s, struct port_from who)
{
	for (uint32_t i = 0; i < s->slots_n; i++)
		for (struct segment *g = s->slots[i] ? s->slots[i]->segments : 0; g; g = g->next)
			let_go(g, who);
}
