/* Fuzzing the codec with what lies in logs: a byte says which message (below 64 a metadata record's
 * type, then all others that are of no API), a byte which version, then come its bytes. */
#include "../wire.h"
#include "seeds.h"
#include "wire/type.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static const struct wire_type *choice[256];

static bool is_elsewhere(const struct wire_type *t)
{
	for (const struct wire_api *a = wire_apis; a < wire_apis + wire_apis_n; a++)
		if (a->request == t || a->response == t)
			return true;
	for (int i = 0; i < wire_records_n; i++)
		if (wire_record(i) == t)
			return true;
	return false;
}

static void choices(void)
{
	int n = 64;
	assert(wire_records_n <= n);
	for (int i = 0; i < wire_records_n; i++)
		choice[i] = wire_record(i);
	for (const struct wire_type *const *t = wire_messages; *t; t++)
		if (!is_elsewhere(*t)) {
			assert(n < 256);
			choice[n++] = *t;
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static long long room[1024];
	static struct arena arena;
	static struct buf text;
	const struct wire_type *t = n < 2 ? 0 : choice[p[0]];
	if (!t || p[1] < wire_type_min(t) || p[1] > wire_type_max(t))
		return 0;
	assert(wire_type_size(t) <= sizeof room);
	if (must_hold(t, p[1], p + 2, n - 2, &arena, room) < 0)
		return 0;
	text.n = 0;
	assert(wire_json(t, p[1], room, &text) == 0);
	return 0;
}

static void seed(const struct vector *v)
{
	struct buf b = {0};
	for (int which = 0; which < 256; which++)
		if (choice[which] == v->type) {
			buf_add8(&b, (uint8_t)which);
			buf_add8(&b, (uint8_t)v->version);
			buf_add(&b, v->p, v->n);
			write_seed(v, b.p, b.n);
		}
	buf_free(&b);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	choices();
	write_seeds(seed);
	return 0;
}
