/* What a request names more than once, found in one pass: requests may name very many things. */
#include "base/map.h"
#include "controller.h"

uint8_t *keys_twice(struct operation *op, const struct span *keys, int32_t n)
{
	uint8_t *places = arena_get(&op->arena, (size_t)n + 1);
	struct map seen = { 0 };

	for (int32_t i = 0; places && i < n; i++) {
		const char *p = keys[i].n > 0 ? keys[i].p : "";
		size_t size = keys[i].n > 0 ? (size_t)keys[i].n : 0;
		uint8_t *first = map_get(&seen, p, size);

		if (first) {
			*first = TWICE_FIRST;
			places[i] = TWICE_AGAIN;
		} else if (map_put(&seen, p, size, &places[i]) < 0) {
			places = NULL;
		}
	}
	map_free(&seen);
	op->failed = op->failed || !places;
	return places;
}
