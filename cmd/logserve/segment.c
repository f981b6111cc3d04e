/* Descriptors of segment files, handed to a caller with the first range that it is sent and named
 * (slot, base offset, generation) from then on. A generation stands for one file for ever. */
#include "logserve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct holder {
	uint32_t place, generation;      /* of a connection */
};
struct segment {
	int64_t base;
	dev_t dev;
	ino_t ino;
	uint32_t generation;
	bool checked;                    /* since the directory was last listed */
	struct holder *holders;
	int holders_n;
};

/* Of the first that is not below base. */
static int place(const struct partition *p, int64_t base)
{
	int lo = 0, hi = p->segments_n;
	while (lo < hi) {
		int mid = (lo + hi) / 2;
		if (p->segments[mid].base < base)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

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

static void let_all_go(struct server *s, const struct partition *p, struct segment *g)
{
	tell_forget(s, p, g);
	free(g->holders);
}

static void take_out(struct partition *p, int i, int n)
{
	p->segments_n -= n;
	if (n)
		memmove(p->segments + i, p->segments + i + n,
		        (size_t)(p->segments_n - i) * sizeof *p->segments);
}

void segments_drop(struct server *s, struct partition *p, int64_t first)
{
	int n = place(p, first);
	for (int i = 0; i < n; i++)
		let_all_go(s, p, p->segments + i);
	take_out(p, 0, n);
}

void segments_forget(struct server *s, struct partition *p)
{
	segments_drop(s, p, INT64_MAX);
	free(p->segments);
	p->segments = 0;
	p->segments_cap = 0;
}

void segments_refresh(struct server *s, struct partition *p)
{
	char path[PAGE_NAME + 32];
	struct stat st;
	int kept = 0;
	for (int i = 0; i < p->segments_n; i++) {
		struct segment *g = p->segments + i;
		snprintf(path, sizeof path, "%s/%020lld.log", p->entry.name, (long long)g->base);
		if (fstatat(s->dirfd, path, &st, 0) || st.st_ino != g->ino || st.st_dev != g->dev) {
			let_all_go(s, p, g);
			continue;
		}
		g->checked = false;
		p->segments[kept++] = *g;
	}
	p->segments_n = kept;
}

static struct segment *make(struct server *s, struct partition *p, int i, int64_t base,
                            const struct stat *st)
{
	if (p->segments_n == p->segments_cap) {
		int cap = p->segments_cap ? 2 * p->segments_cap : 1;
		struct segment *v = realloc(p->segments, (size_t)cap * sizeof *v);
		if (!v)
			return 0;
		p->segments = v;
		p->segments_cap = cap;
	}
	struct segment *g = p->segments + i;
	memmove(g + 1, g, (size_t)(p->segments_n++ - i) * sizeof *g);
	*g = (struct segment){
		.base = base, .dev = st->st_dev, .ino = st->st_ino, .generation = ++s->generation,
		.checked = true,
	};
	return g;
}

/* The segment that this descriptor is of. */
static struct segment *find(struct server *s, struct partition *p, const struct log_range *r)
{
	struct stat st;
	int i = place(p, r->base);
	struct segment *g = i < p->segments_n && p->segments[i].base == r->base ? p->segments + i : 0;
	if (g && g->checked)
		return g;
	if (fstat(r->fd, &st))
		return 0;
	if (g && (g->ino != st.st_ino || g->dev != st.st_dev)) {
		let_all_go(s, p, g);
		take_out(p, i, 1);
	} else if (g) {
		g->checked = true;
		return g;
	}
	return make(s, p, i, r->base, &st);
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
	int i = p ? place(p, base) : 0;
	if (p && i < p->segments_n && p->segments[i].base == base &&
	    p->segments[i].generation == generation)
		let_go(p->segments + i, who);
}

void segments_left(struct server *s, struct port_from who)
{
	for (uint32_t i = 0; i < s->slots_n; i++)
		for (int k = 0; s->slots[i] && k < s->slots[i]->segments_n; k++)
			let_go(s->slots[i]->segments + k, who);
}
