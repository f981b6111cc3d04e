/* Fuzzing the codec with a frame as it comes from TCP: a request; or, after a byte 255, a response:
 * its key, its version, then its bytes. */
#include "../wire.h"
#include "seeds.h"
#include "wire/api.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static long long room[1024];
static struct arena arena;
static struct buf text;

static void message(const struct wire_type *t, int version, const void *p, size_t n)
{
	assert(wire_type_size(t) <= sizeof room);
	if (must_hold(t, version, p, n, &arena, room) < 0)
		return;
	text.n = 0;
	assert(wire_json(t, version, room, &text) == 0);
}

static void fetch(const struct wire_request *r)
{
	int is = wire_fetch_is_replica(r);
	struct fetch_request f;
	if (wire_decode(&wire_fetch_request, r->version, r->body, r->body_n, &arena, &f) < 0)
		return;
	assert(is == ((r->version < 15 ? f.replica_id : f.replica_state.replica_id) >= 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct wire_request r;
	int32_t id;
	if (n >= 3 && p[0] == 255) {
		const struct wire_api *a = wire_api(p[1]);
		if (!a || !wire_api_serves(a, p[2]))
			return 0;
		wire_response_parse(p[1], p[2], p + 3, n - 3, &id);
		message(a->response, p[2], p + 3, n - 3);
	} else if (wire_request_parse(&r, p, n) == 0) {
		assert(r.body_n <= n && r.client_id.n <= (int64_t)n);
		message(r.api->request, r.version, r.body, r.body_n);
		if (r.key == 1)
			fetch(&r);
	}
	return 0;
}

static void seed(const struct vector *v)
{
	struct buf b = {0};
	for (const struct wire_api *a = wire_apis; a < wire_apis + wire_apis_n; a++) {
		if (a->request == v->type)
			wire_request_header(&b, a->key, v->version, 1, span_of("c"));
		if (a->response != v->type)
			continue;
		buf_add8(&b, 255);
		buf_add8(&b, (uint8_t)a->key);
		buf_add8(&b, (uint8_t)v->version);
	}
	if (b.n) {
		buf_add(&b, v->p, v->n);
		write_seed(v, b.p, b.n);
	}
	buf_free(&b);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	write_seeds(seed);
	return 0;
}
