/* The text of messages: a line each, as a person reads it or as JSON. */
#include <errno.h>
#include <inttypes.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/strerr.h>

#include "cli/table.h"
#include "portdump.h"
#include "wire/wire.h"

extern bool json;

static const char *const types[] = {
	"", "Thello", "Rhello", "Tcall", "Rcall", "Rtaken", "Tflush", "Twake", "Tforget", "Tdrop",
	"Rdrop", "Tswap", "Rswap", "Tcopy", "Rcopy", "Tbounds",
};
static const char *const kinds[] = {"bytes", "none", "close"};

static int text(struct buf *b, const char *name, struct span s)
{
	return buf_addf(b, ",\"%s\":", name) < 0 || json_text(b, s) < 0 ? -1 : 0;
}

static int number(struct buf *b, const char *name, int64_t v)
{
	return buf_addf(b, ",\"%s\":%" PRId64, name, v);
}

static int json_call(struct buf *b, const struct port_message *m)
{
	struct wire_request r;
	int e = number(b, "listener", m->listener) | text(b, "principal", m->principal) |
		text(b, "host", m->host) | number(b, "deadlineMs", (int64_t)m->deadline_ms) |
		number(b, "bytes", m->body.n);
	if (m->body.n < 8 || (wire_request_parse(&r, m->body.p, (size_t)m->body.n) < 0 &&
	                      errno != EPROTONOSUPPORT))
		return e;
	const struct wire_api *a = wire_api(r.key);
	return e | text(b, "api", span_of(a ? a->name : 0)) | number(b, "key", r.key) |
	       number(b, "version", r.version) | number(b, "correlation", r.correlation_id);
}

static int json_answer(struct buf *b, const struct port_message *m)
{
	int e = text(b, "kind", span_of(kinds[m->kind])) | number(b, "muteMs", m->mute_ms) |
		buf_addz(b, ",\"pieces\":[");
	for (unsigned i = 0; i < m->pieces_n; i++) {
		const struct port_piece *p = &m->pieces[i];
		uint32_t n = p->bytes.p ? (uint32_t)p->bytes.n : p->n;
		e |= buf_addf(b, "%s{\"bytes\":%" PRIu32, i ? "," : "", n);
		if (!p->bytes.p)
			e |= number(b, "slot", p->slot) | number(b, "base", (int64_t)p->base) |
			     number(b, "generation", p->generation) |
			     number(b, "offset", (int64_t)p->offset) |
			     buf_addf(b, ",\"descriptor\":%s", p->fd == -1 ? "false" : "true");
		e |= buf_addz(b, "}");
	}
	return e | buf_addz(b, "]");
}

static int json_list(struct buf *b, const char *name, const struct port_message *m)
{
	int e = buf_addf(b, ",\"%s\":[", name);
	for (unsigned i = 0; i < m->list_n; i++) {
		uint64_t v = m->type == PORT_TSWAP   ? get64(m->list + 8 * i)
		             : m->type == PORT_RCOPY ? get16(m->list + 2 * i)
		                                     : get32(m->list + 4 * i);
		e |= buf_addf(b, "%s%" PRIu64, i ? "," : "", v);
	}
	return e | buf_addz(b, "]");
}

/* What was asked of each partition. */
static int json_copy(struct buf *b, const struct port_message *m)
{
	int e = number(b, "version", m->version) | buf_addz(b, ",\"asked\":[");
	for (unsigned i = 0; i < m->list_n; i++)
		e |= buf_addf(b, "%s{\"epoch\":%" PRId32 ",\"offset\":%" PRIu64 "}", i ? "," : "",
		              (int32_t)get32(m->list + 12 * i), get64(m->list + 12 * i + 4));
	return e | buf_addz(b, "]") | number(b, "bytes", m->arena ? (int64_t)m->arena_n : m->body.n);
}

static int json_body(struct buf *b, const struct port_message *m)
{
	switch (m->type) {
	case PORT_THELLO:
		return number(b, "version", m->version) | text(b, "name", m->name) |
		       buf_addf(b, ",\"descriptor\":%s", m->fd == -1 ? "false" : "true");
	case PORT_RHELLO:
		return number(b, "version", m->version) |
		       buf_addf(b, ",\"generation\":%" PRIu64 ",\"descriptor\":%s", m->generation,
		                m->fd == -1 ? "false" : "true");
	case PORT_TCALL: return json_call(b, m);
	case PORT_RCALL: return json_answer(b, m);
	case PORT_RTAKEN: return json_list(b, "tags", m);
	case PORT_TFLUSH: return 0;
	case PORT_TWAKE: return json_list(b, "slots", m);
	case PORT_TFORGET:
		return number(b, "slot", m->slot) | number(b, "base", (int64_t)m->base) |
		       number(b, "generation", (int64_t)m->generation);
	case PORT_TDROP:
		return number(b, "slot", m->slot) | number(b, "offset", (int64_t)m->offset);
	case PORT_TSWAP:
		return number(b, "slot", m->slot) | number(b, "generation", (int64_t)m->generation) |
		       json_list(b, "bases", m);
	case PORT_RDROP:
	case PORT_RSWAP: return number(b, "error", (int16_t)m->error);
	case PORT_TCOPY: return json_copy(b, m);
	case PORT_RCOPY: return json_list(b, "errors", m);
	case PORT_TBOUNDS:
		return number(b, "slot", m->slot) | number(b, "epoch", m->epoch) |
		       number(b, "offset", (int64_t)m->offset) | number(b, "start", m->start) |
		       number(b, "end", m->end);
	}
	return 0;
}

static int json_line(struct buf *b, const struct port_message *m, unsigned connection, char way)
{
	int e = buf_addf(b, "{\"type\":\"%s\"", types[m->type]) | number(b, "tag", m->tag);
	if (connection)
		e |= number(b, "connection", connection) |
		     text(b, "from", span_of(way == '>' ? "caller" : "owner"));
	return e | json_body(b, m) | buf_addz(b, "}");
}

void dump(const struct port_message *m, unsigned connection, char way)
{
	static struct buf b;
	int e = 0;
	b.n = 0;
	if (json)
		e = json_line(&b, m, connection, way);
	else if (connection)
		e = buf_addf(&b, "%u %c ", connection, way);
	if (e < 0 || (!json && port_print(m, &b) < 0) || buf_addz(&b, "\n") < 0)
		strerr_diefu1sys(111, "print a message");
	if (allwrite(1, (char *)b.p, b.n) < b.n)
		strerr_diefu1sys(111, "write to standard output");
}
