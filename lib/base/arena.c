#include "base/arena.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { block_bytes = 16384 };

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	alignas(max_align_t) char data[];
};

void *arena_get(struct arena *a, size_t n)
{
	size_t align = alignof(max_align_t);
	n = (n + align - 1) & ~(align - 1);
	if (a->limit && (n > a->limit || a->used > a->limit - n)) {
		errno = ENOMEM;
		return 0;
	}
	struct arena_block *b = a->blocks;
	if (!b || b->size - b->used < n) {
		size_t size = n > block_bytes ? n : block_bytes;
		b = malloc(sizeof *b + size);
		if (!b)
			return 0;
		b->used = 0;
		b->size = size;
		b->next = a->blocks;
		a->blocks = b;
	}
	void *p = b->data + b->used;
	b->used += n;
	a->used += n;
	return memset(p, 0, n);
}

void *arena_copy(struct arena *a, const void *p, size_t n)
{
	void *q = arena_get(a, n ? n : 1);
	if (q && n)
		memcpy(q, p, n);
	return q;
}

void arena_reset(struct arena *a)
{
	struct arena_block *keep = 0;
	for (struct arena_block *b = a->blocks, *next; b; b = next) {
		next = b->next;
		if (!keep && b->size == block_bytes)
			keep = b;
		else
			free(b);
	}
	if (keep) {
		keep->next = 0;
		keep->used = 0;
	}
	a->blocks = keep;
	a->used = 0;
}

void arena_free(struct arena *a)
{
	arena_reset(a);
	free(a->blocks);
	a->blocks = 0;
}
