/* Brokers and replicas as the asking listener sees them (Kafka's KRaftMetadataCache). */
#include "metaserve.h"

#include <stdlib.h>
#include <string.h>

static int by_id(const void *a, const void *b)
{
	int32_t x = (*(struct meta_broker *const *)a)->id, y = (*(struct meta_broker *const *)b)->id;
	return (x > y) - (x < y);
}

struct meta_broker **cluster_brokers(struct request *r, int *n)
{
	const struct map *m = r->listener == WIRE_CONTROLLER ? &r->image->controllers : &r->image->brokers;
	struct meta_broker **v = request_take(r, m->n, sizeof *v), *b;
	*n = 0;
	for (size_t at = 0; v && (b = map_next(m, &at));)
		if (meta_broker_endpoint(b, request_listener(r)))
			v[(*n)++] = b;
	if (v)
		qsort(v, (size_t)*n, sizeof *v, by_id);
	return v;
}

int32_t cluster_controller(const struct request *r)
{
	struct meta_broker *b;
	int32_t id = -1;
	for (size_t at = 0; (b = map_next(&r->image->brokers, &at));)
		if (!b->fenced && (id < 0 || b->id < id))
			id = b->id;
	return id;
}

/* The leader when its endpoint is known, else -1; *listed: its broker is registered at least. */
int32_t cluster_leader(const struct request *r, const struct meta_partition *p, bool *listed)
{
	struct meta_broker *b = p->leader < 0 ? 0 : meta_broker(r->image, p->leader);
	*listed = b;
	return b && meta_broker_endpoint(b, request_listener(r)) ? p->leader : -1;
}

static bool alive(const struct request *r, int32_t id)
{
	struct meta_broker *b = meta_broker(r->image, id);
	return b && !b->fenced && meta_broker_endpoint(b, request_listener(r));
}

/* Ids 0 and 1 are a directory not known yet, 2 is one that was lost (Kafka's DirectoryId). */
static bool directory_online(const struct meta_broker *b, const struct uuid *directory)
{
	static const struct uuid zero;
	if (!memcmp(directory->b, zero.b, 15) && directory->b[15] <= 2)
		return directory->b[15] != 2;
	for (int i = 0; i < b->log_dirs_n; i++)
		if (uuid_same(&b->log_dirs[i], directory))
			return true;
	return b->log_dirs_n == 0;
}

int32_t *cluster_offline(struct request *r, const struct meta_partition *p, int32_t *n)
{
	int32_t *v = request_take(r, (size_t)p->replicas_n, sizeof *v);
	*n = 0;
	for (int i = 0; v && i < p->replicas_n; i++) {
		bool on = alive(r, p->replicas[i]);
		if (on && i < p->directories_n)
			on = directory_online(meta_broker(r->image, p->replicas[i]), &p->directories[i]);
		if (!on)
			v[(*n)++] = p->replicas[i];
	}
	return v;
}

int32_t *cluster_alive(struct request *r, const int32_t *ids, int32_t ids_n, int32_t *n)
{
	int32_t *v = request_take(r, (size_t)ids_n, sizeof *v);
	*n = 0;
	for (int i = 0; v && i < ids_n; i++)
		if (alive(r, ids[i]))
			v[(*n)++] = ids[i];
	return v;
}
