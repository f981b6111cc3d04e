/* Packing and unpacking of the port's messages: message.h has the table of bytes. */
#include "port/message.h"

#include <errno.h>
#include <string.h>

enum { PIECE_BYTES, PIECE_RANGE, PIECE_RANGE_FD, RANGE_SIZE = 4 + 8 + 4 + 8 + 4 };
enum { ASKED_SIZE = 4 + 8 };

/* --- packing ---------------------------------------------------------------------------------- */

static size_t pieces_size(const struct port_message *m)
{
	size_t n = 0;
	for (unsigned i = 0; i < m->pieces_n; i++) {
		const struct port_piece *p = &m->pieces[i];
		n += p->bytes.p ? 5 + (size_t)p->bytes.n : 1 + RANGE_SIZE;
	}
	return n;
}

static size_t str8_size(struct span s)
{
	return 1 + (s.n > 0 ? (size_t)s.n : 0);
}

/* A body inline, or where it lies in the arena. */
static size_t request_size(const struct port_message *m)
{
	return m->arena ? 8 : m->body.n > 0 ? (size_t)m->body.n : 0;
}

static size_t body_size(const struct port_message *m)
{
	switch (m->type) {
	case PORT_THELLO: return 2 + str8_size(m->name);
	case PORT_RHELLO: return 2 + 8;
	case PORT_TCALL:
		return 1 + str8_size(m->principal) + str8_size(m->host) + 8 + request_size(m);
	case PORT_RCALL: return 1 + 4 + 2 + pieces_size(m);
	case PORT_RTAKEN:
	case PORT_TWAKE: return 2 + 4 * (size_t)m->list_n;
	case PORT_TFLUSH: return 0;
	case PORT_TFORGET: return 4 + 8 + 4;
	case PORT_TDROP: return 4 + 8;
	case PORT_TSWAP: return 4 + 4 + 2 + 8 * (size_t)m->list_n;
	case PORT_RDROP:
	case PORT_RSWAP: return 2;
	case PORT_TCOPY: return 2 + 2 + ASKED_SIZE * (size_t)m->list_n + request_size(m);
	case PORT_RCOPY: return 2 + 2 * (size_t)m->list_n;
	case PORT_TBOUNDS: return 4 + 4 + 3 * 8;
	}
	return PORT_MESSAGE_MAX;
}

/* The room was taken before: these cannot fail. */
static void put_bytes(struct buf *b, const void *p, size_t n)
{
	buf_add(b, p, n);
}

static void put_str8(struct buf *b, struct span s)
{
	size_t n = s.n > 0 ? (size_t)s.n : 0;
	buf_add8(b, (uint8_t)n);
	put_bytes(b, s.p, n);
}

static void put_pieces(struct buf *b, const struct port_message *m)
{
	buf_add8(b, (uint8_t)m->kind);
	buf_add32(b, m->mute_ms);
	buf_add16(b, m->pieces_n);
	for (unsigned i = 0; i < m->pieces_n; i++) {
		const struct port_piece *p = &m->pieces[i];
		if (p->bytes.p) {
			buf_add8(b, PIECE_BYTES);
			buf_add32(b, (uint32_t)p->bytes.n);
			put_bytes(b, p->bytes.p, (size_t)p->bytes.n);
			continue;
		}
		buf_add8(b, p->fd == -1 ? PIECE_RANGE : PIECE_RANGE_FD);
		buf_add32(b, p->slot);
		buf_add64(b, p->base);
		buf_add32(b, p->generation);
		buf_add64(b, p->offset);
		buf_add32(b, p->n);
	}
}

static void put_request(struct buf *b, const struct port_message *m)
{
	if (m->arena) {
		buf_add32(b, m->arena_at);
		buf_add32(b, m->arena_n);
	} else if (m->body.n > 0) {
		put_bytes(b, m->body.p, (size_t)m->body.n);
	}
}

static void put_list(struct buf *b, const struct port_message *m, size_t each)
{
	buf_add16(b, m->list_n);
	put_bytes(b, m->list, each * m->list_n);
}

static void put_body(struct buf *b, const struct port_message *m)
{
	switch (m->type) {
	case PORT_THELLO:
		buf_add16(b, m->version);
		put_str8(b, m->name);
		break;
	case PORT_RHELLO:
		buf_add16(b, m->version);
		buf_add64(b, m->generation);
		break;
	case PORT_TCALL:
		buf_add8(b, m->listener);
		put_str8(b, m->principal);
		put_str8(b, m->host);
		buf_add64(b, m->deadline_ms);
		put_request(b, m);
		break;
	case PORT_RCALL: put_pieces(b, m); break;
	case PORT_RTAKEN:
	case PORT_TWAKE: put_list(b, m, 4); break;
	case PORT_TFLUSH: break;
	case PORT_TFORGET:
		buf_add32(b, m->slot);
		buf_add64(b, m->base);
		buf_add32(b, (uint32_t)m->generation);
		break;
	case PORT_TDROP:
		buf_add32(b, m->slot);
		buf_add64(b, m->offset);
		break;
	case PORT_TSWAP:
		buf_add32(b, m->slot);
		buf_add32(b, (uint32_t)m->generation);
		put_list(b, m, 8);
		break;
	case PORT_RDROP:
	case PORT_RSWAP: buf_add16(b, m->error); break;
	case PORT_TCOPY:
		buf_add16(b, m->version);
		put_list(b, m, ASKED_SIZE);
		put_request(b, m);
		break;
	case PORT_RCOPY: put_list(b, m, 2); break;
	case PORT_TBOUNDS:
		buf_add32(b, m->slot);
		buf_add32(b, (uint32_t)m->epoch);
		buf_add64(b, m->offset);
		buf_add64(b, (uint64_t)m->start);
		buf_add64(b, (uint64_t)m->end);
		break;
	}
}

static int sane(const struct port_message *m)
{
	if (m->type < PORT_THELLO || m->type > PORT_TBOUNDS || m->pieces_n > PORT_PIECES_MAX)
		return 0;
	if (m->type == PORT_THELLO && m->name.n > 255)
		return 0;
	if (m->type == PORT_TCALL && (m->principal.n > 255 || m->host.n > 255))
		return 0;
	for (unsigned i = 0; m->type == PORT_RCALL && i < m->pieces_n; i++)
		if (m->pieces[i].bytes.p && m->pieces[i].bytes.n < 0)
			return 0;
	return 1;
}

static bool may_lie_in_arena(enum port_type type)
{
	return type == PORT_TCALL || type == PORT_TCOPY;
}

static uint8_t flags_of(const struct port_message *m)
{
	bool fd = (m->type == PORT_THELLO || m->type == PORT_RHELLO) && m->fd != -1;
	if (m->arena && ((m->type == PORT_THELLO && fd) || may_lie_in_arena(m->type)))
		return PORT_FLAG_ARENA;
	return fd ? PORT_FLAG_FD : 0;
}

int port_pack(struct buf *b, const struct port_message *m)
{
	size_t n = sane(m) ? PORT_HEAD + body_size(m) : SIZE_MAX;
	if (n > PORT_MESSAGE_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	if (buf_need(b, n) < 0)
		return -1;
	buf_add32(b, (uint32_t)(n - 4));
	buf_add8(b, (uint8_t)m->type);
	buf_add8(b, flags_of(m));
	buf_add16(b, m->shard);
	buf_add32(b, m->tag);
	put_body(b, m);
	return 0;
}

/* --- unpacking -------------------------------------------------------------------------------- */

struct reader {
	const uint8_t *p;
	size_t n;
	int bad;
};

static const uint8_t *take(struct reader *r, size_t n)
{
	static const uint8_t nothing[8];
	if (n > r->n) {
		r->bad = 1;
		r->n = 0;
		return nothing;
	}
	const uint8_t *p = r->p;
	r->p += n;
	r->n -= n;
	return p;
}

static uint8_t take8(struct reader *r) { return *take(r, 1); }
static uint16_t take16(struct reader *r) { return get16(take(r, 2)); }
static uint32_t take32(struct reader *r) { return get32(take(r, 4)); }
static uint64_t take64(struct reader *r) { return get64(take(r, 8)); }

static struct span take_span(struct reader *r, size_t n)
{
	const uint8_t *p = take(r, n);
	return (struct span){(const char *)p, r->bad ? 0 : (int32_t)n};
}

static void take_list(struct reader *r, struct port_message *m, size_t each)
{
	m->list_n = take16(r);
	m->list = take(r, m->list_n * each);
}

static void take_request(struct reader *r, struct port_message *m)
{
	if (m->arena) {
		m->arena_at = take32(r);
		m->arena_n = take32(r);
	} else {
		m->body = take_span(r, r->n);
	}
}

static void take_piece(struct reader *r, struct port_piece *p)
{
	*p = (struct port_piece){.bytes = SPAN_NULL, .fd = -1};
	uint8_t kind = take8(r);
	if (kind == PIECE_BYTES) {
		p->bytes = take_span(r, take32(r));
		return;
	}
	if (kind > PIECE_RANGE_FD)
		r->bad = 1;
	p->slot = take32(r);
	p->base = take64(r);
	p->generation = take32(r);
	p->offset = take64(r);
	p->n = take32(r);
	if (kind == PIECE_RANGE_FD)
		p->fd = -2;
}

static void take_rcall(struct reader *r, struct port_message *m, struct port_piece *pieces)
{
	uint8_t kind = take8(r);
	if (kind > PORT_CLOSE)
		r->bad = 1;
	m->kind = kind;
	m->mute_ms = take32(r);
	uint16_t n = take16(r);
	if (n > PORT_PIECES_MAX || n * (size_t)5 > r->n)
		r->bad = 1;
	m->pieces = pieces;
	while (!r->bad && m->pieces_n < n)
		take_piece(r, &pieces[m->pieces_n++]);
}

static void take_body(struct reader *r, struct port_message *m, struct port_piece *pieces)
{
	switch (m->type) {
	case PORT_THELLO:
		m->version = take16(r);
		m->name = take_span(r, take8(r));
		break;
	case PORT_RHELLO:
		m->version = take16(r);
		m->generation = take64(r);
		break;
	case PORT_TCALL:
		m->listener = take8(r);
		m->principal = take_span(r, take8(r));
		m->host = take_span(r, take8(r));
		m->deadline_ms = take64(r);
		take_request(r, m);
		break;
	case PORT_RCALL: take_rcall(r, m, pieces); break;
	case PORT_RTAKEN:
	case PORT_TWAKE: take_list(r, m, 4); break;
	case PORT_TFLUSH: break;
	case PORT_TFORGET:
		m->slot = take32(r);
		m->base = take64(r);
		m->generation = take32(r);
		break;
	case PORT_TDROP:
		m->slot = take32(r);
		m->offset = take64(r);
		break;
	case PORT_TSWAP:
		m->slot = take32(r);
		m->generation = take32(r);
		take_list(r, m, 8);
		break;
	case PORT_RDROP:
	case PORT_RSWAP: m->error = take16(r); break;
	case PORT_TCOPY:
		m->version = take16(r);
		take_list(r, m, ASKED_SIZE);
		take_request(r, m);
		break;
	case PORT_RCOPY: take_list(r, m, 2); break;
	case PORT_TBOUNDS:
		m->slot = take32(r);
		m->epoch = (int32_t)take32(r);
		m->offset = take64(r);
		m->start = (int64_t)take64(r);
		m->end = (int64_t)take64(r);
		break;
	default: r->bad = 1;
	}
}

static void take_flags(struct reader *r, struct port_message *m, uint8_t flags)
{
	bool hello = m->type == PORT_THELLO || m->type == PORT_RHELLO;
	if (flags == PORT_FLAG_FD && hello)
		m->fd = -2;
	else if (flags == PORT_FLAG_ARENA && m->type == PORT_THELLO)
		m->fd = -2;
	else if (flags && !(flags == PORT_FLAG_ARENA && may_lie_in_arena(m->type)))
		r->bad = 1;
	m->arena = flags == PORT_FLAG_ARENA;
}

int port_unpack(struct port_message *m, const void *p, size_t n, struct port_piece *pieces)
{
	struct reader r = {p, n, 0};
	*m = (struct port_message){.fd = -1, .name = SPAN_NULL, .principal = SPAN_NULL,
	                           .host = SPAN_NULL, .body = SPAN_NULL};
	uint32_t length = take32(&r);
	uint8_t type = take8(&r), flags = take8(&r);
	m->type = type;
	m->shard = take16(&r);
	m->tag = take32(&r);
	take_flags(&r, m, flags);
	if (n > PORT_MESSAGE_MAX || length != n - 4)
		r.bad = 1;
	if (!r.bad)
		take_body(&r, m, pieces);
	if (!r.bad && r.n == 0)
		return 0;
	errno = EBADMSG;
	return -1;
}
