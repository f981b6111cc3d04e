/* Request and response headers, and who sends a Fetch. */
#include <errno.h>

#include "tap.h"
#include "wire.h"
#include "wire/api.h"

static struct buf b;

static int parse(struct wire_request *r, const void *p, size_t n)
{
	errno = 0;
	return wire_request_parse(r, p, n);
}

static void requests(void)
{
	struct wire_request r;
	b.n = 0;
	wire_request_header(&b, 0, 8, 7, span_of("me"));
	is_mem(b.p, b.n, "\0\0\0\10\0\0\0\7\0\2me", 12, "a header of a version before tagged fields");
	ok(parse(&r, b.p, b.n) == 0 && span_is(r.client_id, "me") && r.body_n == 0, "and back");
	b.n = 0;
	wire_request_header(&b, 0, 9, -1, SPAN_NULL);
	is_mem(b.p, b.n, "\0\0\0\11\377\377\377\377\377\377\0", 11, "a flexible one, no client id");
	ok(parse(&r, b.p, b.n) == 0 && r.client_id.n == -1 && r.correlation_id == -1, "and back");
	const char tagged[] = "\0\22\0\3\0\0\0\1\0\0\2\0\1x\5\2yzBODY";
	ok(parse(&r, tagged, sizeof tagged - 1) == 0 && r.body_n == 4 && !memcmp(r.body, "BODY", 4),
		"tagged fields of a header are stepped over");
	int refused = 0;
	for (size_t n = 0; n < sizeof tagged - 5; n++)
		refused += parse(&r, tagged, n) < 0 && errno == EBADMSG;
	is_int(refused, sizeof tagged - 5, "a header cut short is EBADMSG");
	ok(parse(&r, "\0\0\0\10\0\0\0\7\177\377me", 12) < 0 && errno == EBADMSG, "a long client id too");
	ok(parse(&r, "\0\0\0\11\0\0\0\7\0\0\377\377\377\377\17", 15) < 0 && errno == EBADMSG,
		"and four billion tagged fields");
	ok(parse(&r, "\0\0\0\11\0\0\0\7\0\0\1\0\377\377\377\377\17", 17) < 0 && errno == EBADMSG,
		"and one of four billion bytes");
	ok(parse(&r, "\0\22\0\143\0\0\0\7", 8) < 0 && errno == EPROTONOSUPPORT && r.key == 18 &&
		r.version == 99 && r.correlation_id == 7 && r.client_id.n == -1 && r.api,
		"ApiVersions 99: the answer needs only what is there");
	ok(parse(&r, "\0\0\0\2\0\0\0\7\0\0", 10) < 0 && errno == EPROTONOSUPPORT, "Produce 2");
	ok(parse(&r, "\3\350\0\0\0\0\0\7\0\0", 10) < 0 && errno == EPROTONOSUPPORT && !r.api,
		"an unknown key");
	ok(parse(&r, "GET / HTTP/1.1\r\n", 16) < 0 && errno == EPROTONOSUPPORT, "an HTTP request");
}

static void responses(void)
{
	int32_t id = 0;
	b.n = 0;
	wire_response_header(&b, 3, 8, 5);
	is_int(b.n, 4, "a response header before tagged fields");
	wire_response_header(&b, 3, 9, 5);
	is_int(b.n, 9, "a flexible one");
	is_int(wire_response_parse(3, 9, b.p + 4, 5, &id), 5, "and back");
	is_int(id, 5, "its correlation id");
	b.n = 0;
	wire_response_header(&b, 18, 4, 6);
	is_int(b.n, 4, "ApiVersions never has tagged fields there");
	is_int(wire_response_parse(18, 4, b.p, 4, &id), 4, "and back");
	ok(wire_response_parse(3, 9, b.p, 4, &id) < 0 && errno == EBADMSG, "one cut short");
}

/* Vectors have replica ids of all signs: what decoding says is what the skip must say. */
static void fetches(void)
{
	struct vectors all;
	struct vector v;
	struct arena a = {0};
	int same = 0, total = 0, replicas = 0, cut = 0, cuts = 0;
	if (vectors_open(&all) < 0)
		return;
	while (vectors_next(&all, &v) > 0) {
		if (v.type != &wire_fetch_request)
			continue;
		struct fetch_request f;
		struct wire_request r = {
			.key = 1, .version = (int16_t)v.version, .body = (char *)v.p, .body_n = v.n
		};
		wire_decode(v.type, v.version, v.p, v.n, &a, &f);
		int want = (v.version < 15 ? f.replica_id : f.replica_state.replica_id) >= 0;
		same += wire_fetch_is_replica(&r) == want;
		replicas += want;
		total++;
		for (r.body_n = v.version < 15 ? 3 : v.n - 1; r.body_n > 0; r.body_n--, cuts++) {
			errno = 0;
			cut += wire_fetch_is_replica(&r) == -1 && errno == EBADMSG;
		}
	}
	vectors_close(&all);
	arena_free(&a);
	int consumers = total - replicas;
	ok(replicas > 20 && consumers > 20, "%d replicas, %d consumers", replicas, consumers);
	is_int(same, total, "who sends a Fetch is told without decoding it");
	is_int(cut, cuts, "unless it is cut short");
}

int main(void)
{
	requests();
	responses();
	fetches();
	buf_free(&b);
	return done_testing();
}
