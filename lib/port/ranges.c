#include "port/ranges.h"

#include <errno.h>
#include <unistd.h>

enum { RANGE_MAX = 64 << 20 };

static struct port_range_file *find(struct port_ranges *r, uint32_t slot, uint32_t generation,
                                    uint64_t base)
{
	for (int i = 0; i < r->n; i++)
		if (r->files[i].slot == slot && r->files[i].generation == generation &&
		    r->files[i].base == base)
			return &r->files[i];
	return 0;
}

static void tell(struct port_connection *c, uint32_t slot, uint32_t generation, uint64_t base)
{
	struct port_message m = {.type = PORT_TFORGET, .fd = -1, .slot = slot,
	                         .generation = generation, .base = base};
	port_send(c, &m);
}

static void keep(struct port_ranges *r, const struct port_piece *p, struct port_connection *c)
{
	struct port_range_file *f = find(r, p->slot, p->generation, p->base);
	if (f) {
		close(p->fd);
		return;
	}
	if (r->n < PORT_RANGES_MAX) {
		f = &r->files[r->n++];
	} else {
		f = &r->files[r->next++ % PORT_RANGES_MAX];
		close(f->fd);
		tell(c, f->slot, f->generation, f->base);
	}
	*f = (struct port_range_file){p->slot, p->generation, p->base, p->fd};
}

void port_ranges_take(struct port_ranges *r, const struct port_message *m,
                      struct port_connection *c)
{
	for (unsigned i = 0; i < m->pieces_n; i++)
		if (m->pieces[i].fd >= 0)
			keep(r, &m->pieces[i], c);
}

int port_ranges_read(struct port_ranges *r, const struct port_piece *p, struct buf *out,
                     struct port_connection *c)
{
	struct port_range_file *f = find(r, p->slot, p->generation, p->base);
	if (!f) {
		tell(c, p->slot, p->generation, p->base);
		errno = EBADF;
		return -1;
	}
	if (p->n > RANGE_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	if (buf_need(out, p->n))
		return -1;
	for (uint32_t got = 0; got < p->n;) {
		ssize_t n = pread(f->fd, out->p + out->n, p->n - got, (off_t)(p->offset + got));
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;
		if (n <= 0)
			return -1;
		got += (uint32_t)n;
		out->n += (size_t)n;
	}
	return 0;
}

void port_ranges_forget(struct port_ranges *r, const struct port_message *m)
{
	struct port_range_file *f = find(r, m->slot, (uint32_t)m->generation, m->base);
	if (!f)
		return;
	close(f->fd);
	*f = r->files[--r->n];
}

void port_ranges_close(struct port_ranges *r)
{
	while (r->n)
		close(r->files[--r->n].fd);
}
