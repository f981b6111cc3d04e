/* One end of a port. Bytes and descriptors come in two queues that messages are cut from; messages
 * leave in batches.
 *
 * The kernel hands over the descriptors of one sendmsg with its first byte, so they never come
 * after the message they belong to.
 */
#include "port/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BATCH = 64,             /* messages in one sendmsg */
	FDS_MAX = 253,          /* the kernel's limit for one sendmsg */
	FDS_WAITING = PORT_PIECES_MAX + FDS_MAX,
	READ_MIN = 16 << 10,    /* room for a read */
	READ_FIRST = 64 << 10,
	READ_TURN = 1 << 20,    /* bytes after which others have their turn */
	KEEP = 1 << 20,         /* an empty buffer larger than this is given back */
	TOGETHER = 32 << 10,    /* messages without descriptors share so many bytes */
};

struct message_out {                /* one, or several without descriptors */
	struct message_out *next;
	struct buf bytes;
	size_t sent;
	int *fds;
	size_t fds_n, fds_sent;
};

struct port_connection {
	int fd;
	struct buf in;
	size_t in_at;           /* messages before this have been handed out */
	int *fds;               /* came and wait for their message */
	size_t fds_n, fds_at, fds_cap;
	struct port_piece *pieces;
	size_t pieces_cap;
	struct message_out *first, **last, *newest;
	struct message_out *spare;      /* with its buffer; NULL none */
	size_t queued;
};

struct port_connection *port_connection_new(int fd)
{
	struct port_connection *c = calloc(1, sizeof *c);
	if (!c)
		return 0;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	c->fd = fd;
	c->last = &c->first;
	return c;
}

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

static void out_free(struct message_out *o)
{
	for (size_t i = o->fds_sent; i < o->fds_n; i++)
		close(o->fds[i]);
	free(o->fds);
	buf_free(&o->bytes);
	free(o);
}

void port_connection_free(struct port_connection *c)
{
	if (!c)
		return;
	for (struct message_out *o = c->first, *next; o; o = next) {
		next = o->next;
		out_free(o);
	}
	for (size_t i = c->fds_at; i < c->fds_n; i++)
		close(c->fds[i]);
	if (c->spare)
		out_free(c->spare);
	free(c->fds);
	free(c->pieces);
	buf_free(&c->in);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

int port_connection_leave(struct port_connection *c)
{
	int fd = c->fd;
	c->fd = -1;
	port_connection_free(c);
	return fd;
}

int port_connection_fd(const struct port_connection *c)
{
	return c->fd;
}

/* --- receiving -------------------------------------------------------------------------------- */

static int room_for_bytes(struct port_connection *c)
{
	if (c->in_at) {
		buf_take(&c->in, c->in_at);
		c->in_at = 0;
	}
	if (c->in.n == 0 && c->in.cap > KEEP)
		buf_free(&c->in);
	if (c->in.cap - c->in.n >= READ_MIN)
		return 0;
	return buf_need(&c->in, c->in.n ? READ_MIN : READ_FIRST);
}

static int room_for_fds(struct port_connection *c)
{
	if (c->fds_at == c->fds_n)
		c->fds_at = c->fds_n = 0;
	if (c->fds_cap - c->fds_n >= FDS_MAX)
		return 0;
	if (c->fds_at) {
		memmove(c->fds, c->fds + c->fds_at, (c->fds_n - c->fds_at) * sizeof *c->fds);
		c->fds_n -= c->fds_at;
		c->fds_at = 0;
	}
	size_t cap = c->fds_cap ? 2 * c->fds_cap : 2 * FDS_MAX;
	if (c->fds_cap - c->fds_n >= FDS_MAX)
		return 0;
	int *v = realloc(c->fds, cap * sizeof *v);
	if (!v)
		return -1;
	c->fds = v;
	c->fds_cap = cap;
	return 0;
}

static int keep_fds(struct port_connection *c, struct msghdr *h)
{
	int r = 0;
	for (struct cmsghdr *x = CMSG_FIRSTHDR(h); x; x = CMSG_NXTHDR(h, x)) {
		if (x->cmsg_level != SOL_SOCKET || x->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (x->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (room_for_fds(c) < 0 || c->fds_n - c->fds_at + n > FDS_WAITING) {
			int *fds = (int *)CMSG_DATA(x);
			close_all(fds, n);
			errno = EBADMSG;
			r = -1;
			continue;
		}
		memcpy(c->fds + c->fds_n, CMSG_DATA(x), n * sizeof(int));
		c->fds_n += n;
	}
	if (h->msg_flags & MSG_CTRUNC) {    /* no descriptor was free here: one is lost */
		errno = EMFILE;
		r = -1;
	}
	return r;
}

/* Bytes read, 0 nothing now, -1 error, EPIPE for the end. */
static ssize_t receive_some(struct port_connection *c)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	if (room_for_bytes(c) < 0)
		return -1;
	struct iovec v = {c->in.p + c->in.n, c->in.cap - c->in.n};
	struct msghdr h = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control,
	                   .msg_controllen = sizeof control};
	ssize_t n = recvmsg(c->fd, &h, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (keep_fds(c, &h) < 0)
		return -1;
	if (n == 0) {
		errno = EPIPE;
		return -1;
	}
	c->in.n += (size_t)n;
	return n;
}

int port_receive(struct port_connection *c)
{
	size_t got = 0;
	while (got < READ_TURN) {
		ssize_t n = receive_some(c);
		if (n < 0)
			return got && errno == EPIPE ? 1 : -1;    /* the end tells itself again */
		if (n == 0)
			break;
		got += (size_t)n;
		if (c->in.n < c->in.cap && c->fds_at == c->fds_n)
			break;    /* a short read: nothing more is there, or it tells itself again */
	}
	return got != 0;
}

/* Room for as many pieces as the bytes that came can hold. */
static int room_for_pieces(struct port_connection *c, const uint8_t *p, size_t n)
{
	size_t want = 0;
	if (n >= PORT_HEAD + 7 && p[4] == PORT_RCALL)
		want = get16(p + PORT_HEAD + 5);
	if (want > PORT_PIECES_MAX || want * 5 > n)
		want = 0;    /* port_unpack refuses it before it writes a piece */
	if (want <= c->pieces_cap)
		return 0;
	struct port_piece *v = realloc(c->pieces, want * sizeof *v);
	if (!v)
		return -1;
	c->pieces = v;
	c->pieces_cap = want;
	return 0;
}

static int take_fd(struct port_connection *c, int *fd)
{
	if (*fd != -2)
		return 0;
	if (c->fds_at == c->fds_n) {
		*fd = -1;
		return -1;
	}
	*fd = c->fds[c->fds_at++];
	return 0;
}

static int take_fds(struct port_connection *c, struct port_message *m)
{
	int r = take_fd(c, &m->fd);
	for (unsigned i = 0; i < m->pieces_n; i++)
		r |= take_fd(c, &m->pieces[i].fd);
	if (r == 0)
		return 0;
	if (m->fd >= 0)
		close(m->fd);
	for (unsigned i = 0; i < m->pieces_n; i++)
		if (m->pieces[i].fd >= 0)
			close(m->pieces[i].fd);
	errno = EBADMSG;
	return -1;
}

int port_next(struct port_connection *c, struct port_message *m)
{
	size_t have = c->in.n - c->in_at;
	if (have < 4)
		return 0;
	const uint8_t *p = c->in.p + c->in_at;
	size_t n = (size_t)get32(p) + 4;
	if (n < PORT_HEAD || n > PORT_MESSAGE_MAX) {
		errno = EBADMSG;
		return -1;
	}
	if (have < n)
		return 0;
	if (room_for_pieces(c, p, n) < 0 || port_unpack(m, p, n, c->pieces) < 0 || take_fds(c, m) < 0)
		return -1;
	c->in_at += n;
	return 1;
}

/* --- sending ---------------------------------------------------------------------------------- */

static size_t count_fds(const struct port_message *m)
{
	size_t n = (m->type == PORT_THELLO || m->type == PORT_RHELLO) && m->fd >= 0;
	for (unsigned i = 0; m->type == PORT_RCALL && i < m->pieces_n; i++)
		n += !m->pieces[i].bytes.p && m->pieces[i].fd >= 0;
	return n;
}

static int keep_one(struct message_out *o, int fd)
{
	int d = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (d < 0)
		return -1;
	o->fds[o->fds_n++] = d;
	return 0;
}

static int duplicate_fds(struct message_out *o, const struct port_message *m, size_t n)
{
	if (n == 0)
		return 0;
	o->fds = malloc(n * sizeof *o->fds);
	if (!o->fds)
		return -1;
	if (m->type != PORT_RCALL)
		return keep_one(o, m->fd);
	for (unsigned i = 0; i < m->pieces_n; i++)
		if (!m->pieces[i].bytes.p && m->pieces[i].fd >= 0 && keep_one(o, m->pieces[i].fd) < 0)
			return -1;
	return 0;
}

static struct message_out *out_new(struct port_connection *c)
{
	struct message_out *o = c->spare;
	c->spare = 0;
	return o ? o : calloc(1, sizeof *o);
}

static void out_done(struct port_connection *c, struct message_out *o)
{
	if (c->spare || o->bytes.cap > 2 * TOGETHER) {
		out_free(o);
		return;
	}
	free(o->fds);
	*o = (struct message_out){.bytes = {o->bytes.p, 0, o->bytes.cap}};
	c->spare = o;
}

static int send_with_newest(struct port_connection *c, const struct port_message *m)
{
	struct message_out *o = c->newest;
	size_t before = o->bytes.n;
	if (port_pack(&o->bytes, m) < 0)
		return -1;
	c->queued += o->bytes.n - before;
	return 0;
}

int port_send(struct port_connection *c, const struct port_message *m)
{
	size_t fds = count_fds(m);
	if (c->first && !c->newest->fds_n && !fds && c->newest->bytes.n < TOGETHER)
		return send_with_newest(c, m);
	struct message_out *o = out_new(c);
	if (!o)
		return -1;
	if (port_pack(&o->bytes, m) < 0 || duplicate_fds(o, m, fds) < 0) {
		int e = errno;
		out_free(o);
		errno = e;
		return -1;
	}
	*c->last = o;
	c->last = &o->next;
	c->newest = o;
	c->queued += o->bytes.n;
	return 0;
}

struct batch {
	struct iovec v[BATCH];
	size_t n, fds_n;
	int fds[FDS_MAX];
};

/* A message with more descriptors than one sendmsg takes goes out byte by byte, FDS_MAX of them
 * with each, until the rest fits. */
static void collect(const struct port_connection *c, struct batch *b)
{
	b->n = b->fds_n = 0;
	for (struct message_out *o = c->first; o && b->n < BATCH; o = o->next) {
		size_t fds = o->fds_n - o->fds_sent, bytes = o->bytes.n - o->sent;
		bool split = fds > FDS_MAX;
		if (b->n && fds > FDS_MAX - b->fds_n)
			return;
		if (split) {
			fds = FDS_MAX;
			bytes = 1;
		}
		if (fds)
			memcpy(b->fds + b->fds_n, o->fds + o->fds_sent, fds * sizeof *o->fds);
		b->fds_n += fds;
		b->v[b->n++] = (struct iovec){o->bytes.p + o->sent, bytes};
		if (split)
			return;
	}
}

static ssize_t send_batch(int fd, struct batch *b)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	struct msghdr h = {.msg_iov = b->v, .msg_iovlen = b->n};
	if (b->fds_n) {
		memset(&control, 0, sizeof control);
		h.msg_control = &control;
		h.msg_controllen = CMSG_SPACE(b->fds_n * sizeof(int));
		struct cmsghdr *x = CMSG_FIRSTHDR(&h);
		x->cmsg_level = SOL_SOCKET;
		x->cmsg_type = SCM_RIGHTS;
		x->cmsg_len = CMSG_LEN(b->fds_n * sizeof(int));
		memcpy(CMSG_DATA(x), b->fds, b->fds_n * sizeof(int));
	}
	return sendmsg(fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* All descriptors of the batch went with its first byte; the bytes may be fewer than were given. */
static void sent(struct port_connection *c, const struct batch *b, size_t n)
{
	size_t fds = b->fds_n;
	c->queued -= n;
	for (struct message_out *o = c->first; o && fds; o = o->next) {
		size_t k = o->fds_n - o->fds_sent;
		if (k > fds)
			k = fds;
		if (k)
			close_all(o->fds + o->fds_sent, k);
		o->fds_sent += k;
		fds -= k;
	}
	while (n) {
		struct message_out *o = c->first;
		size_t k = o->bytes.n - o->sent;
		if (k > n) {
			o->sent += n;
			return;
		}
		n -= k;
		c->first = o->next;
		if (!c->first)
			c->last = &c->first;
		out_done(c, o);
	}
}

int port_flush(struct port_connection *c)
{
	struct batch b;
	while (c->first) {
		collect(c, &b);
		ssize_t n = send_batch(c->fd, &b);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == ETOOMANYREFS ? 1 : -1;
		sent(c, &b, (size_t)n);
	}
	return 0;
}

bool port_pending(const struct port_connection *c)
{
	return c->first != 0;
}

size_t port_queued_bytes(const struct port_connection *c)
{
	return c->queued;
}
