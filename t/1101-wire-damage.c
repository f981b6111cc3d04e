/* Every vector cut at every byte, and damaged at every byte as lengths and counts of each width
 * would be (-2, -1, 0, the largest): refused or read, in bounded memory; with sanitizers too. */
#include "tap.h"
#include "wire.h"

static long cuts, refused, damaged;
static struct arena arena;
static long long room[1024];

static bool refuses(const struct vector *v, const uint8_t *p, size_t n)
{
	return must_hold(v->type, v->version, p, n, &arena, room) < 0;
}

static void cut(const struct vector *v)
{
	for (size_t n = 0; n < v->n; n++) {
		uint8_t *exact = malloc(n ? n : 1);
		memcpy(exact, v->p, n);
		cuts++;
		refused += refuses(v, exact, n);
		free(exact);
	}
}

static void damage(const struct vector *v)
{
	static const uint32_t values[] = {0xfffffffe, 0xffffffff, 0, 0x7fffffff};
	for (size_t at = 0; at < v->n; at++)
		for (size_t width = 1; width <= 4 && at + width <= v->n; width *= 2)
			for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
				uint8_t was[4], to[4];
				memcpy(was, v->p + at, width);
				put32(to, values[i]);
				if (values[i] == 0x7fffffff)
					to[4 - width] = 0x7f;
				memcpy(v->p + at, to + 4 - width, width);
				damaged++;
				refuses(v, v->p, v->n);
				memcpy(v->p + at, was, width);
			}
}

/* A varint that claims the most that one can: five bytes put in the place of one. */
static void inflate(const struct vector *v)
{
	static const uint8_t claims[2][5] = {
		{0xff, 0xff, 0xff, 0xff, 0x07}, {0xff, 0xff, 0xff, 0xff, 0x0f}
	};
	uint8_t *grown = malloc(v->n + 4);
	for (size_t at = 0; at < v->n; at++)
		for (int i = 0; i < 2; i++) {
			memcpy(grown, v->p, at);
			memcpy(grown + at, claims[i], 5);
			memcpy(grown + at + 5, v->p + at + 1, v->n - at - 1);
			damaged++;
			refuses(v, grown, v->n + 4);
		}
	free(grown);
}

int main(void)
{
	struct vectors all;
	struct vector v;
	if (vectors_open(&all) < 0) {
		perror("popen");
		return 111;
	}
	while (vectors_next(&all, &v) > 0) {
		assert(wire_type_size(v.type) <= sizeof room);
		cut(&v);
		damage(&v);
		inflate(&v);
	}
	vectors_close(&all);
	arena_free(&arena);
	is_int(refused, cuts, "%ld messages cut short are refused", cuts);
	ok(damaged > 1000000, "%ld damaged messages are refused or read", damaged);
	return done_testing();
}
