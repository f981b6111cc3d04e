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

void partition_keys_begin(struct partition_keys *k, struct operation *op, int64_t n)
{
	*k = (struct partition_keys){ .op = op };
	k->bytes = arena_get(&op->arena, (size_t)n * sizeof *k->bytes + 1);
	k->spans = arena_get(&op->arena, (size_t)n * sizeof *k->spans + 1);
	op->failed = op->failed || !k->bytes || !k->spans;
}

void partition_keys_add(struct partition_keys *k, struct span topic, int32_t partition)
{
	const struct meta_topic *t = meta_topic_named(k->op->c->image, topic);
	struct partition_key *key = &k->bytes[k->n];

	if (k->op->failed)
		return;
	key->topic = t ? t->id : uuid_zero;
	key->partition = partition;
	k->spans[k->n++] = (struct span){ (const char *)key, sizeof *key };
}

const uint8_t *partition_keys_twice(struct partition_keys *k)
{
	return k->op->failed ? NULL : keys_twice(k->op, k->spans, k->n);
}
