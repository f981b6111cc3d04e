/* The text of a port message: one line for a person who watches a port. */
#include <errno.h>
#include <inttypes.h>

#include "port/message.h"
#include "wire/wire.h"

static const char *const names[] = {
	[PORT_THELLO] = "Thello", [PORT_RHELLO] = "Rhello", [PORT_TCALL] = "Tcall",
	[PORT_RCALL] = "Rcall", [PORT_RTAKEN] = "Rtaken", [PORT_TFLUSH] = "Tflush",
	[PORT_TWAKE] = "Twake", [PORT_TFORGET] = "Tforget", [PORT_TDROP] = "Tdrop",
	[PORT_RDROP] = "Rdrop", [PORT_TSWAP] = "Tswap", [PORT_RSWAP] = "Rswap",
	[PORT_TCOPY] = "Tcopy", [PORT_RCOPY] = "Rcopy", [PORT_TBOUNDS] = "Tbounds",
};
static const char *const kinds[] = {"bytes", "none", "close"};

/* A name or address came from outside: nothing that is not printable reaches a terminal. */
static int word(struct span s, struct buf *b)
{
	int r = 0;
	if (s.n <= 0)
		return buf_addz(b, "-");
	for (int32_t i = 0; i < s.n && r == 0; i++)
		r = buf_add8(b, s.p[i] > ' ' && s.p[i] < 127 ? (uint8_t)s.p[i] : '?');
	return r;
}

/* The request by the name of its API, as far as the header can be read. */
static int print_request(struct span body, struct buf *b)
{
	struct wire_request r;
	int bad = body.n < 8 || (wire_request_parse(&r, body.p, (size_t)body.n) < 0 &&
	                         errno != EPROTONOSUPPORT);
	if (bad)
		return buf_addz(b, " bad header");
	const struct wire_api *a = wire_api(r.key);
	int e = a ? buf_addf(b, " %s", a->name) : buf_addf(b, " key %d", r.key);
	return e < 0 ? -1 : buf_addf(b, " version %d correlation %" PRId32, r.version,
	                             r.correlation_id);
}

static int print_call(const struct port_message *m, struct buf *b)
{
	if (buf_addf(b, " listener %u principal ", m->listener) < 0 || word(m->principal, b) < 0 ||
	    buf_addz(b, " host ") < 0 || word(m->host, b) < 0)
		return -1;
	if (m->deadline_ms && buf_addf(b, " deadline %" PRIu64, m->deadline_ms) < 0)
		return -1;
	if (m->arena)
		return buf_addf(b, " [arena at %" PRIu32 " %" PRIu32 " bytes]", m->arena_at, m->arena_n);
	if (print_request(m->body, b) < 0)
		return -1;
	return buf_addf(b, " %" PRId32 " bytes", m->body.n < 0 ? 0 : m->body.n);
}

static int print_answer(const struct port_message *m, struct buf *b)
{
	if (buf_addf(b, " %s", m->kind <= PORT_CLOSE ? kinds[m->kind] : "?") < 0)
		return -1;
	if (m->mute_ms && buf_addf(b, " mute %" PRIu32 " ms", m->mute_ms) < 0)
		return -1;
	for (unsigned i = 0; i < m->pieces_n; i++) {
		const struct port_piece *p = &m->pieces[i];
		int r = p->bytes.p
		            ? buf_addf(b, " [%" PRId32 " bytes]", p->bytes.n)
		            : buf_addf(b, " [slot %" PRIu32 " base %" PRIu64 ".%" PRIu32 " at %" PRIu64
		                       " %" PRIu32 " bytes%s]", p->slot, p->base, p->generation,
		                       p->offset, p->n, p->fd != -1 ? " fd" : "");
		if (r < 0)
			return -1;
	}
	return 0;
}

static int print_list(const struct port_message *m, struct buf *b)
{
	for (unsigned i = 0; i < m->list_n; i++) {
		uint64_t v = m->type == PORT_TSWAP   ? get64(m->list + 8 * i)
		             : m->type == PORT_RCOPY ? get16(m->list + 2 * i)
		                                     : get32(m->list + 4 * i);
		if (buf_addf(b, " %" PRIu64, v) < 0)
			return -1;
	}
	return 0;
}

/* What was asked, and how long the answer is. */
static int print_copy(const struct port_message *m, struct buf *b)
{
	if (buf_addf(b, " version %u", m->version) < 0)
		return -1;
	for (unsigned i = 0; i < m->list_n; i++)
		if (buf_addf(b, " epoch %" PRId32 " at %" PRIu64, (int32_t)get32(m->list + 12 * i),
		             get64(m->list + 12 * i + 4)) < 0)
			return -1;
	if (m->arena)
		return buf_addf(b, " [arena at %" PRIu32 " %" PRIu32 " bytes]", m->arena_at, m->arena_n);
	return buf_addf(b, " %" PRId32 " bytes", m->body.n < 0 ? 0 : m->body.n);
}

int port_print(const struct port_message *m, struct buf *b)
{
	if (m->type < PORT_THELLO || m->type > PORT_TBOUNDS)
		return buf_addf(b, "type %d?", (int)m->type);
	if (buf_addf(b, "%s tag %" PRIu32, names[m->type], m->tag) < 0)
		return -1;
	switch (m->type) {
	case PORT_THELLO:
		return buf_addf(b, " version %u name ", m->version) < 0 || word(m->name, b) < 0 ||
		       buf_addz(b, m->fd == -1 ? "" : m->arena ? " arena" : " fd") < 0 ? -1 : 0;
	case PORT_RHELLO:
		return buf_addf(b, " version %u generation %" PRIu64 "%s", m->version, m->generation,
		                m->fd != -1 ? " fd" : "");
	case PORT_TCALL: return print_call(m, b);
	case PORT_RCALL: return print_answer(m, b);
	case PORT_RTAKEN: return buf_addz(b, " tags") < 0 ? -1 : print_list(m, b);
	case PORT_TFLUSH: return 0;
	case PORT_TWAKE: return buf_addz(b, " slots") < 0 ? -1 : print_list(m, b);
	case PORT_TFORGET:
		return buf_addf(b, " slot %" PRIu32 " base %" PRIu64 ".%" PRIu64, m->slot, m->base,
		                m->generation);
	case PORT_TDROP: return buf_addf(b, " slot %" PRIu32 " offset %" PRIu64, m->slot, m->offset);
	case PORT_TSWAP:
		return buf_addf(b, " slot %" PRIu32 " generation %" PRIu64 " bases", m->slot,
		                m->generation) < 0 ? -1 : print_list(m, b);
	case PORT_RDROP:
	case PORT_RSWAP: return buf_addf(b, " error %d", (int16_t)m->error);
	case PORT_TCOPY: return print_copy(m, b);
	case PORT_RCOPY: return buf_addz(b, " errors") < 0 ? -1 : print_list(m, b);
	case PORT_TBOUNDS:
		return buf_addf(b, " slot %" PRIu32 " epoch %" PRId32 " at %" PRIu64 " start %" PRId64
		                " end %" PRId64, m->slot, m->epoch, m->offset, m->start, m->end);
	}
	return 0;
}
