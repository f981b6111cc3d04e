/* The hash of the metadata that a consumer group depends on, kept in its record: XXH3 of 64 bits
 * over, for each topic, a zero byte, its id, its name and its partitions with the racks of their
 * replicas, and then over the hashes of all topics by name. Numbers are little-endian, an id is two
 * of them, text is UTF-16 followed by its length (Kafka's Utils, hash4j). Names of topics are
 * ASCII; a rack that is not has another hash than Kafka's, which costs one rebalance where groups
 * move between the two.
 */
#include "consumer.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "consumer_said.h"

static void add32(XXH3_state_t *h, int32_t v)
{
	uint32_t le = htole32((uint32_t)v);
	XXH3_64bits_update(h, &le, sizeof le);
}

static void add64(XXH3_state_t *h, uint64_t v)
{
	uint64_t le = htole64(v);
	XXH3_64bits_update(h, &le, sizeof le);
}

static void add_text(XXH3_state_t *h, struct span text)
{
	for (int32_t i = 0; i < text.n; i++) {
		uint16_t le = htole16((uint8_t)text.p[i]);
		XXH3_64bits_update(h, &le, sizeof le);
	}
	add32(h, text.n);
}

static int text_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_racks(XXH3_state_t *h, const struct meta_image *image,
                      const struct meta_partition *p, char **racks)
{
	size_t n = 0;
	for (int32_t i = 0; i < p->replicas_n; i++) {
		const struct meta_broker *b = meta_broker(image, p->replicas[i]);
		if (b && b->rack)
			racks[n++] = b->rack;
	}
	if (n > 1)
		qsort(racks, n, sizeof *racks, text_order);
	for (size_t i = 0; i < n; i++) {
		add32(h, (int32_t)strlen(racks[i]));
		add_text(h, span_of(racks[i]));
	}
}

int64_t consumer_topic_hash(struct step *s, const struct meta_topic *t)
{
	XXH3_state_t h;
	int32_t most = 0;
	for (int32_t i = 0; i < t->partitions_n; i++)
		if (t->partitions[i].replicas_n > most)
			most = t->partitions[i].replicas_n;
	char **racks = step_take(s, (size_t)most, sizeof *racks);
	XXH3_64bits_reset(&h);
	XXH3_64bits_update(&h, "", 1);
	add64(&h, get64(t->id.b));
	add64(&h, get64(t->id.b + 8));
	add_text(&h, span_of(t->name));
	add32(&h, t->partitions_n);
	for (int32_t i = 0; i < t->partitions_n; i++) {
		add32(&h, i);
		add_racks(&h, s->image, t->partitions + i, racks);
	}
	return (int64_t)XXH3_64bits_digest(&h);
}

int64_t consumer_hash(struct step *s, const struct consumer *c)
{
	struct span *names = step_take(s, c->topics.n, sizeof *names);
	const struct consumer_topic *t;
	int32_t n = 0;
	XXH3_state_t h;
	for (size_t at = 0; (t = map_next(&c->topics, &at));)
		if (meta_topic_named(s->image, t->name))
			names[n++] = t->name;
	if (n == 0)
		return 0;
	n = consumer_names_sort(names, n);
	XXH3_64bits_reset(&h);
	for (int32_t i = 0; i < n; i++)
		add64(&h, (uint64_t)consumer_topic_hash(s, meta_topic_named(s->image, names[i])));
	return (int64_t)XXH3_64bits_digest(&h);
}
