/* The subscription and assignment of a consumer inside the classic protocol (Kafka's
 * ConsumerProtocol). A version above the newest known is read as that. */
#include "migrate.h"

#include <stdlib.h>
#include <string.h>

enum { NEWEST = 3 };

static int version_of(struct span text)
{
	int v = text.n < 2 ? -1 : (int16_t)get16(text.p);
	return v > NEWEST ? NEWEST : v;
}

static int decode(struct step *s, struct span text, const struct wire_type *t, void *out)
{
	int version = version_of(text);
	if (version < 0 || wire_decode(t, version, text.p + 2, (size_t)text.n - 2, s->arena, out) < 0)
		return -1;
	return 0;
}

int migrate_subscription(struct step *s, struct span text, struct consumer_protocol_subscription *v)
{
	return decode(s, text, &wire_consumer_protocol_subscription, v);
}

int migrate_assignment(struct step *s, struct span text, struct consumer_protocol_assignment *v)
{
	return decode(s, text, &wire_consumer_protocol_assignment, v);
}

static void add(struct step *s, struct parts *p, struct span name, const int32_t *v, int32_t n,
                int32_t epoch)
{
	const struct meta_topic *t = meta_topic_named(s->image, name);
	for (int32_t i = 0; t && i < n; i++)
		p->v[p->n++] = (struct part){t->id, v[i], epoch};
}

struct parts migrate_parts(struct step *s, const struct consumer_protocol_assignment *v,
                           int32_t epoch)
{
	struct parts p = {0};
	size_t n = 0;
	for (int32_t i = 0; i < v->assigned_partitions_n; i++)
		n += (size_t)v->assigned_partitions[i].partitions_n;
	p.v = step_take(s, n, sizeof *p.v);
	for (int32_t i = 0; i < v->assigned_partitions_n; i++)
		add(s, &p, v->assigned_partitions[i].topic, v->assigned_partitions[i].partitions,
		    v->assigned_partitions[i].partitions_n, epoch);
	parts_sort(&p);
	return p;
}

struct parts migrate_owned(struct step *s, const struct consumer_protocol_subscription *v)
{
	struct parts p = {0};
	size_t n = 0;
	for (int32_t i = 0; i < v->owned_partitions_n; i++)
		n += (size_t)v->owned_partitions[i].partitions_n;
	p.v = step_take(s, n, sizeof *p.v);
	for (int32_t i = 0; i < v->owned_partitions_n; i++)
		add(s, &p, v->owned_partitions[i].topic, v->owned_partitions[i].partitions,
		    v->owned_partitions[i].partitions_n, 0);
	parts_sort(&p);
	return p;
}

struct span migrate_encode(struct step *s, const struct parts *p, struct span metadata)
{
	typedef struct consumer_protocol_assignment_topic_partition topic;
	struct consumer_protocol_assignment v;
	int version = version_of(metadata) < 0 ? 0 : version_of(metadata);
	int32_t *numbers = step_take(s, (size_t)p->n, sizeof *numbers), n;
	const struct part *first;
	struct buf b = {0};
	wire_init(&wire_consumer_protocol_assignment, &v);
	v.assigned_partitions = step_take(s, (size_t)parts_topics(p), sizeof(topic));
	for (int32_t at = 0; (first = parts_topic(p, &at, &n)); numbers += n) {
		const struct meta_topic *t = meta_topic_with_id(s->image, &first->topic);
		if (!t)
			continue;
		v.assigned_partitions[v.assigned_partitions_n++] = (topic){
			.topic = span_of(t->name), .partitions = numbers, .partitions_n = n};
		for (int32_t i = 0; i < n; i++)
			numbers[i] = first[i].partition;
	}
	if (buf_add16(&b, (uint16_t)version) < 0 ||
	    wire_encode(&wire_consumer_protocol_assignment, version, &v, &b, NULL) < 0)
		abort();
	struct span out = step_copy(s, (struct span){(char *)b.p, (int32_t)b.n});
	buf_free(&b);
	return out;
}
