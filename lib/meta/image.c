/* The image: finding things in it, and taking it down. */
#include "meta/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/parts.h"

void meta_image_init(struct meta_image *m)
{
	memset(m, 0, sizeof *m);
	m->offset = -1;
	m->next_producer_id = -1;
}

void meta_partition_clear(struct meta_partition *p)
{
	free(p->replicas);
	free(p->isr);
	free(p->removing);
	free(p->adding);
	free(p->elr);
	free(p->last_known_elr);
	free(p->directories);
	memset(p, 0, sizeof *p);
}

void meta_topic_free(struct meta_topic *t)
{
	if (!t)
		return;
	for (int32_t i = 0; i < t->partitions_n; i++)
		meta_partition_clear(&t->partitions[i]);
	free(t->partitions);
	free(t->name);
	free(t);
}

void meta_broker_free(struct meta_broker *b)
{
	if (!b)
		return;
	for (int32_t i = 0; i < b->endpoints_n; i++) {
		free(b->endpoints[i].name);
		free(b->endpoints[i].host);
	}
	for (int32_t i = 0; i < b->features_n; i++)
		free(b->features[i].name);
	free(b->endpoints);
	free(b->features);
	free(b->rack);
	free(b->log_dirs);
	free(b->cordoned);
	free(b);
}

void meta_configs_free(struct meta_configs *c)
{
	if (!c)
		return;
	for (int32_t i = 0; i < c->n; i++) {
		free(c->v[i].key);
		free(c->v[i].value);
	}
	free(c->v);
	free(c->name);
	free(c->map_key);
	free(c);
}

void meta_other_free(struct meta_other *o)
{
	if (!o)
		return;
	free(o->key);
	free(o->value);
	free(o);
}

void meta_image_free(struct meta_image *m)
{
	void *v;
	size_t at;

	for (at = 0; (v = map_next(&m->topics_by_id, &at));)
		meta_topic_free(v);
	for (at = 0; (v = map_next(&m->brokers, &at));)
		meta_broker_free(v);
	for (at = 0; (v = map_next(&m->controllers, &at));)
		meta_broker_free(v);
	for (at = 0; (v = map_next(&m->configs, &at));)
		meta_configs_free(v);
	for (at = 0; (v = map_next(&m->others, &at));)
		meta_other_free(v);
	for (at = 0; (v = map_next(&m->features, &at));) {
		free(((struct meta_feature *)v)->name);
		free(v);
	}
	map_free(&m->topics_by_id);
	map_free(&m->topics_by_name);
	map_free(&m->brokers);
	map_free(&m->controllers);
	map_free(&m->configs);
	map_free(&m->others);
	map_free(&m->features);
	arena_free(&m->scratch);
	meta_image_init(m);
}

struct meta_topic *meta_topic_named(const struct meta_image *m, struct span name)
{
	return name.n < 0 ? NULL : map_get(&m->topics_by_name, name.p, (size_t)name.n);
}

struct meta_topic *meta_topic_with_id(const struct meta_image *m, const struct uuid *id)
{
	return map_get(&m->topics_by_id, id->b, sizeof id->b);
}

struct meta_partition *meta_partition(const struct meta_topic *t, int32_t partition)
{
	if (partition < 0 || partition >= t->partitions_n || !t->partitions[partition].replicas)
		return NULL;
	return &t->partitions[partition];
}

struct meta_broker *meta_broker(const struct meta_image *m, int32_t id)
{
	return map_get(&m->brokers, &id, sizeof id);
}

const struct meta_endpoint *meta_broker_endpoint(const struct meta_broker *b, const char *listener)
{
	for (int32_t i = 0; i < b->endpoints_n; i++)
		if (strcmp(b->endpoints[i].name, listener) == 0)
			return &b->endpoints[i];
	return NULL;
}

struct meta_configs *meta_configs_of(const struct meta_image *m, int type, struct span name)
{
	char key[1 + 32768];

	if (name.n < 0 || (size_t)name.n >= sizeof key)
		return NULL;
	key[0] = (char)type;
	memcpy(key + 1, name.p, (size_t)name.n);
	return map_get(&m->configs, key, 1 + (size_t)name.n);
}

/* The place of key in c->v, or where it would go. */
int32_t meta_config_place(const struct meta_configs *c, struct span key, bool *found)
{
	int32_t lo = 0, hi = c->n;

	while (lo < hi) {
		int32_t mid = lo + (hi - lo) / 2;
		size_t have = strlen(c->v[mid].key),
		       n = have < (size_t)key.n ? have : (size_t)key.n;
		int cmp = memcmp(c->v[mid].key, key.p, n);

		if (cmp == 0)
			cmp = (have > n) - ((size_t)key.n > n);
		if (cmp == 0) {
			*found = true;
			return mid;
		}
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*found = false;
	return lo;
}

const char *meta_config_value(const struct meta_configs *c, const char *key)
{
	bool found;
	int32_t at;

	if (!c)
		return NULL;
	at = meta_config_place(c, span_of(key), &found);
	return found ? c->v[at].value : NULL;
}

int16_t meta_feature_level(const struct meta_image *m, const char *name)
{
	const struct meta_feature *f = map_get(&m->features, name, strlen(name));

	return f ? f->level : 0;
}
