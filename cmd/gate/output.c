/* What is on its way to a client: bytes that leave by one sendmsg, file ranges that leave by
 * sendfile. Small ranges are read into bytes, which is cheaper than a system call of their own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "gate.h"

enum {
	SMALL = 8 << 10,      /* a range up to this is read, above it is sendfile's */
	VECTORS = 64,
	ROOM = 256,           /* bytes of a segment that is used again, */
	SPARES = 1024,        /* and how many of these are kept */
	SHARE = 1 << 20,      /* bytes to one client before others have their turn */
	FEW = 8,              /* pieces whose files need no memory of their own */
};

static struct segment *spares;
static int spares_n;

static struct segment *segment_new(size_t n)
{
	struct segment *s = spares;
	if (n > ROOM)
		return malloc(sizeof *s + n);
	if (!s)
		return malloc(sizeof *s + ROOM);
	spares = s->next;
	spares_n--;
	return s;
}

static void append(struct output *o, struct segment *s)
{
	if (o->last)
		o->last->next = s;
	else
		o->first = s;
	o->last = s;
}

static void segment_free(struct segment *s)
{
	if (s->file)
		file_release(s->file);
	if (s->n > ROOM || s->file || spares_n == SPARES) {
		free(s);
		return;
	}
	s->next = spares;
	spares = s;
	spares_n++;
}

void output_free(struct output *o)
{
	for (struct segment *s = o->first, *next; s; s = next) {
		next = s->next;
		segment_free(s);
	}
	*o = (struct output){0};
}

void output_move(struct output *to, struct output *from)
{
	if (!from->first)
		return;
	if (to->last)
		to->last->next = from->first;
	else
		to->first = from->first;
	to->last = from->last;
	*from = (struct output){0};
}

/* --- an answer's pieces ----------------------------------------------------------------------- */

static bool is_small(const struct port_piece *p)
{
	return p->bytes.p || p->n <= SMALL;
}

static uint32_t piece_size(const struct port_piece *p)
{
	return p->bytes.p ? (uint32_t)p->bytes.n : p->n;
}

/* The size of the pieces from i on that go into one segment of bytes; *end is behind them. */
static size_t run_of(const struct port_message *m, unsigned i, unsigned *end)
{
	size_t n = 0;
	for (; i < m->pieces_n && is_small(&m->pieces[i]); i++)
		n += piece_size(&m->pieces[i]);
	*end = i;
	return n;
}

static int read_range(const struct file *f, uint8_t *to, const struct port_piece *p)
{
	for (uint32_t got = 0; got < p->n;) {
		ssize_t r = pread(f->fd, to + got, p->n - got, (off_t)(p->offset + got));
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			errno = EIO;
			return -1;
		}
		got += (uint32_t)r;
	}
	return 0;
}

static int put_bytes(struct output *o, struct file **files, const struct port_message *m,
                     unsigned i, unsigned end, size_t n, const uint8_t *head, size_t head_n)
{
	struct segment *s = segment_new(head_n + n);
	if (!s)
		return -1;
	*s = (struct segment){.n = (uint32_t)(head_n + n)};
	uint8_t *to = s->bytes;
	memcpy(to, head, head_n);
	append(o, s);
	for (to += head_n; i < end; i++) {
		const struct port_piece *p = &m->pieces[i];
		if (p->bytes.p)
			memcpy(to, p->bytes.p, (size_t)p->bytes.n);
		else if (read_range(files[i], to, p) < 0)
			return -1;
		to += piece_size(p);
	}
	return 0;
}

static int put_range(struct output *o, struct file *f, const struct port_piece *p)
{
	struct segment *s = malloc(sizeof *s);
	if (!s)
		return -1;
	*s = (struct segment){.file = f, .offset = p->offset, .n = p->n};
	f->refs++;
	append(o, s);
	return 0;
}

static int put_pieces(struct output *o, struct file **files, const struct port_message *m)
{
	uint8_t head[4];
	uint64_t total = 0;
	for (unsigned i = 0; i < m->pieces_n; i++)
		total += piece_size(&m->pieces[i]);
	if (total > INT32_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	put32(head, (uint32_t)total);
	size_t head_n = sizeof head;
	for (unsigned i = 0, end; i < m->pieces_n || head_n; i = end) {
		size_t n = run_of(m, i, &end);
		if ((n || head_n) && put_bytes(o, files, m, i, end, n, head, head_n) < 0)
			return -1;
		head_n = 0;
		if (end < m->pieces_n && put_range(o, files[end], &m->pieces[end]) < 0)
			return -1;
		end += end < m->pieces_n;
	}
	return 0;
}

/* Every descriptor is taken before anything can fail: the owner believes that they are here now.
 * While the pieces are used each file is held once more, so that making room cannot close it. */
int output_answer(struct output *o, struct holder *h, const struct port_message *m)
{
	struct file *few[FEW] = {0};
	struct file **files = m->pieces_n <= FEW ? few : calloc(m->pieces_n, sizeof *files);
	int missing = 0, r = -1, e;
	for (unsigned i = 0; i < m->pieces_n; i++) {
		const struct port_piece *p = &m->pieces[i];
		if (p->bytes.p)
			continue;
		struct file *f = file_for(h, p);
		missing |= !f;
		if (f && files) {
			f->refs++;
			files[i] = f;
		}
	}
	errno = missing ? ESTALE : ENOMEM;
	if (files && !missing)
		r = put_pieces(o, files, m);
	e = errno;
	for (unsigned i = 0; files && i < m->pieces_n; i++)
		if (files[i])
			file_release(files[i]);
	if (files != few)
		free(files);
	if (r < 0)
		output_free(o);
	errno = e;
	return r;
}

/* --- writing ---------------------------------------------------------------------------------- */

static ssize_t write_bytes(const struct output *o, int fd)
{
	struct iovec v[VECTORS];
	struct msghdr h = {.msg_iov = v};
	struct segment *s = o->first;
	for (; s && !s->file && h.msg_iovlen < VECTORS; s = s->next)
		v[h.msg_iovlen++] = (struct iovec){s->bytes + s->sent, s->n - s->sent};
	return sendmsg(fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT | (s ? MSG_MORE : 0));
}

/* 0: the file ended before the range did, so that the rest of the frame cannot be told. */
static ssize_t write_range(const struct segment *s, int fd)
{
	off_t at = (off_t)(s->offset + s->sent);
	size_t n = s->n - s->sent;
	ssize_t r = sendfile(fd, s->file->fd, &at, n < SHARE ? n : SHARE);
	if (r == 0)
		errno = EIO;
	return r ? r : -1;
}

static void advance(struct output *o, size_t n)
{
	while (o->first && (n || o->first->sent == o->first->n)) {
		struct segment *s = o->first;
		size_t k = s->n - s->sent;
		if (k > n) {
			s->sent += (uint32_t)n;
			return;
		}
		n -= k;
		o->first = s->next;
		if (!o->first)
			o->last = 0;
		segment_free(s);
	}
}

enum written output_write(struct output *o, int fd, bool *progress)
{
	size_t done = 0;
	while (o->first) {
		if (done >= SHARE)
			return SHARE_USED;
		ssize_t n = o->first->file ? write_range(o->first, fd) : write_bytes(o, fd);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? FULL : FAILED;
		*progress = true;
		done += (size_t)n;
		advance(o, (size_t)n);
	}
	return WRITTEN;
}
