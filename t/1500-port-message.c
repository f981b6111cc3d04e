/* The port's messages: what is packed comes back, as the table says; damage is refused. */
#include <errno.h>

#include "port/message.h"
#include "tap.h"

static struct port_piece room[PORT_PIECES_MAX];

static struct span random_span(char *store, size_t max)
{
	int32_t n = (int32_t)tap_random(max + 1);
	for (int32_t i = 0; i < n; i++)
		store[i] = (char)tap_random(256);
	return (struct span){store, n};
}

static void random_message(struct port_message *m, struct port_piece *pieces)
{
	static char name[255], host[255], body[3000], bytes[64][80];
	static uint8_t list[12 * 300];
	*m = (struct port_message){
		.type = (enum port_type)(1 + tap_random(15)), .fd = tap_random(2) ? -1 : -2,
		.shard = (uint16_t)tap_random(65536), .tag = (uint32_t)tap_random(1ULL << 32),
		.version = (uint16_t)tap_random(65536), .generation = tap_random(1ULL << 32),
		.listener = (uint8_t)tap_random(3), .deadline_ms = tap_random(1ULL << 50),
		.kind = (enum port_kind)tap_random(3), .mute_ms = (uint32_t)tap_random(100000),
		.slot = (uint32_t)tap_random(65536), .base = tap_random(1ULL << 53),
		.offset = tap_random(1ULL << 53), .error = (uint16_t)tap_random(65536),
		.epoch = (int32_t)tap_random(1ULL << 32), .start = (int64_t)tap_random(1ULL << 53),
		.end = (int64_t)tap_random(1ULL << 53),
		.arena_at = (uint32_t)tap_random(1ULL << 32), .arena_n = (uint32_t)tap_random(1ULL << 32),
		.pieces = pieces, .pieces_n = (uint16_t)tap_random(64), .list = list,
		.list_n = (uint16_t)tap_random(300),
	};
	m->arena = tap_random(2) && (m->type == PORT_TCALL || m->type == PORT_TCOPY
	                             || (m->type == PORT_THELLO && m->fd != -1));
	m->name = random_span(name, sizeof name);
	m->principal = m->name;
	m->host = random_span(host, sizeof host);
	m->body = random_span(body, sizeof body);
	for (size_t i = 0; i < sizeof list; i++)
		list[i] = (uint8_t)tap_random(256);
	for (unsigned i = 0; i < m->pieces_n; i++) {
		struct port_piece *p = &pieces[i];
		*p = (struct port_piece){SPAN_NULL, (uint32_t)tap_random(9), (uint32_t)tap_random(9),
		                         tap_random(1ULL << 40), tap_random(1ULL << 40),
		                         (uint32_t)tap_random(1ULL << 32), tap_random(2) ? -1 : -2};
		if (tap_random(2))
			*p = (struct port_piece){.bytes = random_span(bytes[i], 80), .fd = -1};
	}
}

static bool same_pieces(const struct port_message *a, const struct port_message *b)
{
	if (a->kind != b->kind || a->mute_ms != b->mute_ms || a->pieces_n != b->pieces_n)
		return false;
	for (unsigned i = 0; i < a->pieces_n; i++) {
		const struct port_piece *x = &a->pieces[i], *y = &b->pieces[i];
		if (!x->bytes.p != !y->bytes.p || x->fd != y->fd)
			return false;
		if (x->bytes.p ? !span_same(x->bytes, y->bytes)
		               : x->slot != y->slot || x->base != y->base || x->n != y->n ||
		                     x->generation != y->generation || x->offset != y->offset)
			return false;
	}
	return true;
}

static bool same_body(const struct port_message *a, const struct port_message *b)
{
	return a->arena == b->arena
	       && (a->arena ? a->arena_at == b->arena_at && a->arena_n == b->arena_n
	                    : span_same(a->body, b->body));
}

static size_t each_of(enum port_type type)
{
	return type == PORT_TSWAP ? 8 : type == PORT_TCOPY ? 12 : type == PORT_RCOPY ? 2 : 4;
}

static bool same(const struct port_message *a, const struct port_message *b)
{
	bool list = a->list && b->list && a->list_n == b->list_n &&
	            !memcmp(a->list, b->list, each_of(a->type) * a->list_n);
	if (a->type != b->type || a->shard != b->shard || a->tag != b->tag)
		return false;
	switch (a->type) {
	case PORT_THELLO:
		return a->version == b->version && span_same(a->name, b->name) && a->fd == b->fd &&
		       a->arena == b->arena;
	case PORT_RHELLO:
		return a->version == b->version && a->generation == b->generation && a->fd == b->fd;
	case PORT_TCALL:
		return a->listener == b->listener && span_same(a->principal, b->principal) &&
		       span_same(a->host, b->host) && a->deadline_ms == b->deadline_ms &&
		       same_body(a, b);
	case PORT_RCALL: return same_pieces(a, b);
	case PORT_RTAKEN:
	case PORT_TWAKE: return list;
	case PORT_TFLUSH: return true;
	case PORT_TFORGET:
		return a->slot == b->slot && a->base == b->base && a->generation == b->generation;
	case PORT_TDROP: return a->slot == b->slot && a->offset == b->offset;
	case PORT_TSWAP: return a->slot == b->slot && a->generation == b->generation && list;
	case PORT_RDROP:
	case PORT_RSWAP: return a->error == b->error;
	case PORT_TCOPY: return a->version == b->version && list && same_body(a, b);
	case PORT_RCOPY: return list;
	case PORT_TBOUNDS:
		return a->slot == b->slot && a->epoch == b->epoch && a->offset == b->offset
		       && a->start == b->start && a->end == b->end;
	}
	return false;
}

static void test_round_trip(void)
{
	static struct port_piece pieces[64];
	struct port_message m, back;
	struct buf b = {0}, text = {0};
	int bad = 0, seen[16] = {0};
	for (int i = 0; i < 5000; i++) {
		random_message(&m, pieces);
		seen[m.type]++;
		b.n = text.n = 0;
		bad += port_pack(&b, &m) != 0 || port_unpack(&back, b.p, b.n, room) != 0 ||
		       !same(&m, &back) || port_print(&back, &text) != 0 || text.n == 0;
	}
	is_int(bad, 0, "5000 random messages come back as they were");
	int types = 0;
	for (int i = 1; i <= 15; i++)
		types += seen[i] > 0;
	is_int(types, 15, "of every type");
	buf_free(&b);
	buf_free(&text);
}

static void test_damage(void)
{
	static struct port_piece pieces[64];
	struct port_message m, back;
	struct buf b = {0}, text = {0};
	int cut = 0, parsed = 0;
	for (int i = 0; i < 3000; i++) {
		random_message(&m, pieces);
		b.n = text.n = 0;
		port_pack(&b, &m);
		size_t n = tap_random(b.n);
		uint8_t *copy = malloc(b.n);    /* exactly so large: ASan sees every byte beyond */
		memcpy(copy, b.p, b.n);
		uint8_t *less = malloc(n ? n : 1);
		memcpy(less, b.p, n);
		if (n >= 4)
			put32(less, (uint32_t)n - 4);
		cut += port_unpack(&back, less, n, room) == 0 && m.type != PORT_TCALL
		       && m.type != PORT_TCOPY;
		for (size_t k = 1 + tap_random(4); k; k--)
			copy[tap_random(b.n)] = (uint8_t)tap_random(256);
		if (port_unpack(&back, copy, b.n, room) == 0) {
			parsed++;
			port_print(&back, &text);
		}
		free(copy);
		free(less);
	}
	is_int(cut, 0, "a message that is cut short is refused");
	ok(parsed > 0, "%d of 3000 mutated ones parse, and nothing is read outside", parsed);
	buf_free(&b);
	buf_free(&text);
}

static void test_bytes(void)
{
	static const uint8_t want[] = {
		0, 0, 0, 40, 3, 0, 0, 0, 1, 2, 3, 4, 0, 6, 'U', 's', 'e', 'r', ':', 'A', 10, '/', '1',
		'2', '7', '.', '0', '.', '0', '.', '1', 0, 0, 0, 0, 0, 0, 0, 9, 0, 18, 0, 3, 1,
	};
	struct port_message m = {
		.type = PORT_TCALL, .tag = 0x01020304, .fd = -1, .principal = span_of("User:A"),
		.host = span_of("/127.0.0.1"), .deadline_ms = 9, .body = {"\0\22\0\3\1", 5},
	};
	struct buf b = {0}, text = {0};
	is_int(port_pack(&b, &m), 0, "a call is packed");
	is_mem(b.p, b.n, want, sizeof want, "into the bytes of the table");
	m.body = (struct span){"\0\22\0\2\0\0\0\7\377\377", 10};
	port_print(&m, &text);
	buf_add8(&text, 0);
	is_str((char *)text.p, "Tcall tag 16909060 listener 0 principal User:A host /127.0.0.1 "
	       "deadline 9 ApiVersions version 2 correlation 7 10 bytes", "and printed");
	buf_free(&b);
	buf_free(&text);
}

static void test_limits(void)
{
	struct buf b = {0};
	struct port_message m = {.type = PORT_TCALL, .fd = -1, .principal = SPAN_NULL,
	                         .host = SPAN_NULL, .body = {"", PORT_MESSAGE_MAX}};
	is_int(port_pack(&b, &m), -1, "a body that is too long is refused");
	is_int(errno, EMSGSIZE, "with EMSGSIZE");
	char name[256] = {0};
	m = (struct port_message){.type = PORT_THELLO, .fd = -1, .name = {name, 256}};
	ok(port_pack(&b, &m) == -1 && errno == EMSGSIZE, "a name that is too long as well");
	is_int(b.n, 0, "nothing was added");
	static const uint8_t head[] = {0, 0, 0, 7, 6, 0, 0, 0, 0, 0, 0};
	is_int(port_unpack(&m, head, sizeof head, room), -1, "less than a head is refused");
	buf_free(&b);
}

int main(void)
{
	tap_seed();
	test_bytes();
	test_round_trip();
	test_damage();
	test_limits();
	return done_testing();
}
