/* Records as text: kcat's -f and -J. */
#include <stdlib.h>
#include <string.h>

#include <skalibs/strerr.h>

#include "cli/table.h"
#include "cli/text.h"
#include "logget.h"

enum { FLUSH_BYTES = 256 << 10 };

static struct {
	char kind; /* a letter of the format; 0: literal */
	struct buf literal;
} * steps;
static int steps_n;

static void add_step(char kind, uint8_t c)
{
	if (kind || steps_n == 0 || steps[steps_n - 1].kind) {
		steps = realloc(steps, (size_t)(steps_n + 1) * sizeof *steps);
		if (!steps)
			die_memory();
		memset(&steps[steps_n], 0, sizeof *steps);
		steps[steps_n++].kind = kind;
	}
	if (!kind && buf_add8(&steps[steps_n - 1].literal, c) < 0)
		die_memory();
}

void print_begin(void)
{
	for (const char *z = opt.format; *z;) {
		uint8_t c = (uint8_t)*z;
		if (c == '%' && z[1] == '%') {
			add_step(0, c);
			z += 2;
		} else if (c == '%') {
			if (!z[1] || !strchr("sSRkKThtpo", z[1]))
				strerr_die(100, "logget: usage: no such format: ", z);
			add_step(z[1], 0);
			z += 2;
		} else {
			z += c == '\\' ? cli_escape(z, &c) : 1;
			add_step(0, c);
		}
	}
}

static int add_span(struct span s)
{
	if (s.n >= 0)
		return buf_add(&out, s.p, (size_t)s.n);
	return opt.null_word ? buf_addz(&out, "NULL") : 0;
}

static int add_number(int64_t v)
{
	char text[24], *p = text + sizeof text;
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	do
		*--p = (char)('0' + u % 10);
	while (u /= 10);
	if (v < 0)
		*--p = '-';
	return buf_add(&out, p, (size_t)(text + sizeof text - p));
}

static int add_headers(const struct record *r)
{
	size_t at = 0;
	struct span key, value;
	int bad = 0;
	for (int i = 0; record_header_next(r, &at, &key, &value) == 1; i++) {
		bad |= i ? buf_add8(&out, ',') : 0;
		bad |= buf_add(&out, key.p, (size_t)key.n) | buf_add8(&out, '=');
		bad |= value.n < 0 ? buf_addz(&out, "NULL")
				   : buf_add(&out, value.p, (size_t)value.n);
	}
	return bad;
}

static int add_format(const struct lane *l, const struct record *r)
{
	int bad = 0;
	for (int i = 0; i < steps_n; i++) {
		switch (steps[i].kind) {
		case 0: bad |= buf_add(&out, steps[i].literal.p, steps[i].literal.n); break;
		case 's': bad |= add_span(r->value); break;
		case 'S': bad |= add_number(r->value.n); break;
		case 'R': bad |= buf_add32(&out, (uint32_t)r->value.n); break;
		case 'k': bad |= add_span(r->key); break;
		case 'K': bad |= add_number(r->key.n); break;
		case 'T': bad |= add_number(r->timestamp); break;
		case 'h': bad |= add_headers(r); break;
		case 't': bad |= buf_addz(&out, l->topic->name); break;
		case 'p': bad |= add_number(l->partition); break;
		case 'o': bad |= add_number(r->offset); break;
		}
	}
	return bad;
}

static int add_json_or_null(struct span s)
{
	return s.n < 0 ? buf_addz(&out, "null") : json_text(&out, s);
}

static int add_json(const struct lane *l, const struct batch *b, const struct record *r)
{
	size_t at = 0;
	struct span key, value;
	int bad = buf_addz(&out, "{\"topic\":") | json_text(&out, span_of(l->topic->name));
	bad |= buf_addf(
		&out,
		",\"partition\":%d,\"offset\":%lld,\"tstype\":\"%s\",\"ts\":%lld,\"broker\":%d",
		l->partition, (long long)r->offset,
		b->attributes & BATCH_LOG_APPEND_TIME ? "logappend" : "create",
		(long long)r->timestamp, l->leader);
	for (int i = 0; record_header_next(r, &at, &key, &value) == 1; i++) {
		bad |= buf_addz(&out, i ? "," : ",\"headers\":[") | json_text(&out, key)
		       | buf_add8(&out, ',');
		bad |= add_json_or_null(value);
	}
	bad |= r->headers_n > 0 ? buf_add8(&out, ']') : 0;
	bad |= buf_addz(&out, ",\"key\":") | add_json_or_null(r->key);
	bad |= buf_addz(&out, ",\"payload\":") | add_json_or_null(r->value);
	return bad | buf_addz(&out, "}\n");
}

void print_batch(struct lane *l, int64_t from, const struct batch *b, const uint8_t *bytes)
{
	struct batch head = *b;
	struct record r;
	size_t at = 0;
	int got;
	if (batch_last_offset(b) < from)
		return;
	if (b->attributes & BATCH_CODEC && !(bytes = batch_open(&head, bytes)))
		die_bad(l, b->base_offset, "compressed records are damaged");
	size_t n = (size_t)batch_bytes(&head) - BATCH_HEADER;
	while (left && (got = record_next(&head, bytes + BATCH_HEADER, n, &at, &r)) != 0) {
		if (got < 0)
			die_bad(l, b->base_offset, "bad record");
		if (r.offset < from)
			continue;
		if (r.offset >= l->stop)
			break;
		if ((opt.json ? add_json(l, &head, &r) : add_format(l, &r)) != 0)
			die_memory();
		left -= left > 0;
		l->printed = r.offset + 1;
		if (opt.group)
			out_mark(l);
		else if (out.n >= FLUSH_BYTES)
			flush_out();
	}
}
