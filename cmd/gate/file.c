/* The descriptors of segments, by owner, slot, generation and base. An owner hands one over with
 * the first range it names; the least recently used are let go beyond a limit, their owner told. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate.h"

static void key_of(uint8_t key[16], uint32_t slot, uint32_t generation, uint64_t base)
{
	put32(key, slot);
	put32(key + 4, generation);
	put64(key + 8, base);
}

void file_release(struct file *f)
{
	if (--f->refs)
		return;
	close(f->fd);
	free(f);
}

static void unlink_file(struct holder *h, struct file *f)
{
	if (f->older)
		f->older->newer = f->newer;
	else
		h->oldest = f->newer;
	if (f->newer)
		f->newer->older = f->older;
	else
		h->newest = f->older;
	f->older = f->newer = 0;
}

static void link_newest(struct holder *h, struct file *f)
{
	f->older = h->newest;
	if (h->newest)
		h->newest->newer = f;
	else
		h->oldest = f;
	h->newest = f;
}

static void drop(struct holder *h, struct file *f)
{
	map_del(&h->files, f->key, sizeof f->key);
	unlink_file(h, f);
	h->n--;
	f->holder = 0;
	file_release(f);
}

static void let_go(struct holder *h, struct file *f)
{
	owner_forgot(h->owner, get32(f->key), get32(f->key + 4), get64(f->key + 8));
	drop(h, f);
}

static struct file *keep(struct holder *h, const uint8_t key[16], int fd)
{
	struct file *f = calloc(1, sizeof *f);
	if (!f)
		return 0;
	memcpy(f->key, key, sizeof f->key);
	f->fd = fd;
	f->refs = 1;
	f->holder = h;
	if (map_put(&h->files, f->key, sizeof f->key, f) < 0) {
		free(f);
		return 0;
	}
	link_newest(h, f);
	h->n++;
	while (h->n > gate.files_max)
		let_go(h, h->oldest);
	return f;
}

struct file *file_for(struct holder *h, const struct port_piece *p)
{
	uint8_t key[16];
	key_of(key, p->slot, p->generation, p->base);
	struct file *f = map_get(&h->files, key, sizeof key);
	if (f && p->fd >= 0) {    /* it was let go there as well: the new one is as good */
		close(p->fd);
	} else if (p->fd >= 0) {
		f = keep(h, key, p->fd);
		if (!f)
			close(p->fd);
	}
	if (!f) {    /* it is to come with the next range */
		owner_forgot(h->owner, p->slot, p->generation, p->base);
	} else {
		unlink_file(h, f);
		link_newest(h, f);
	}
	return f;
}

void file_take(struct holder *h, const struct port_message *m)
{
	for (unsigned i = 0; i < m->pieces_n; i++)
		if (m->pieces[i].fd >= 0)
			file_for(h, &m->pieces[i]);
}

void file_forget(struct holder *h, uint32_t slot, uint32_t generation, uint64_t base)
{
	uint8_t key[16];
	key_of(key, slot, generation, base);
	struct file *f = map_get(&h->files, key, sizeof key);
	if (f)
		drop(h, f);
}

void file_forget_all(struct holder *h)
{
	while (h->oldest)
		drop(h, h->oldest);
	map_free(&h->files);
}
