/* Records into the image: one function a record type (Kafka's *Delta.replay,
 * PartitionRegistration.merge). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meta/image.h"
#include "meta/parts.h"
#include "meta/record.h"
#include "wire/api.h"
#include "wire/wire.h"

enum { HOLES_MAX = 10000 }; /* a batch of Kafka's makes at most so many partitions */

static int refuse(int e)
{
	errno = e;
	return -1;
}

/* Strings of the image end in NUL: one that holds a NUL is no name or value of Kafka's. */
static char *copy_z(struct span s)
{
	char *z;

	if (s.n > 0 && memchr(s.p, 0, (size_t)s.n)) {
		errno = EBADMSG;
		return NULL;
	}
	z = malloc((size_t)(s.n < 0 ? 0 : s.n) + 1);
	if (z)
		span_z(s, z, (size_t)(s.n < 0 ? 0 : s.n) + 1);
	return z;
}

/* Replaces an owned array by a copy of n members (null: none). The new array is never NULL. */
static int copy_array(void *old, int32_t *old_n, const void *v, int32_t n, size_t size)
{
	void **at = old, *p = calloc((size_t)(n < 0 ? 0 : n) + 1, size);

	if (!p)
		return -1;
	if (n > 0)
		memcpy(p, v, (size_t)n * size);
	free(*at);
	*at = p;
	*old_n = n < 0 ? 0 : n;
	return 0;
}
#define COPY(p, n, v, vn) copy_array(&(p), &(n), (v), (vn), sizeof *(p))

/* --- topics --- */

static int apply_topic(struct meta_image *m, const struct topic_record *r)
{
	struct meta_topic *t;

	if (meta_topic_named(m, r->name) || meta_topic_with_id(m, &r->topic_id))
		return refuse(EINVAL);
	t = calloc(1, sizeof *t);
	if (!t || !(t->name = copy_z(r->name)))
		goto fail;
	t->id = r->topic_id;
	if (map_put(&m->topics_by_name, t->name, (size_t)r->name.n, t) < 0)
		goto fail;
	if (map_put(&m->topics_by_id, t->id.b, sizeof t->id.b, t) < 0) {
		map_del(&m->topics_by_name, t->name, (size_t)r->name.n);
		goto fail;
	}
	return 0;
fail:
	meta_topic_free(t);
	return -1;
}

/* Directories are as many as replicas, MIGRATING (all zero) where none were given. */
static int set_directories(struct meta_partition *p, const struct uuid *v, int32_t n)
{
	if (n > 0 && n != p->replicas_n)
		return refuse(EBADMSG);
	if (n > 0)
		return COPY(p->directories, p->directories_n, v, n);
	free(p->directories);
	p->directories = calloc((size_t)p->replicas_n + 1, sizeof *p->directories);
	p->directories_n = p->directories ? p->replicas_n : 0;
	return p->directories ? 0 : -1;
}

static int apply_partition(struct meta_image *m, const struct partition_record *r)
{
	struct meta_topic *t = meta_topic_with_id(m, &r->topic_id);
	struct meta_partition *p;

	if (!t)
		return refuse(EINVAL);
	if (r->partition_id < 0 || r->partition_id >= t->partitions_n + HOLES_MAX)
		return refuse(EBADMSG);
	if (r->partition_id >= t->partitions_n) {
		int32_t n = r->partition_id + 1;

		p = realloc(t->partitions, (size_t)n * sizeof *p);
		if (!p)
			return -1;
		memset(p + t->partitions_n, 0, (size_t)(n - t->partitions_n) * sizeof *p);
		t->partitions = p;
		t->partitions_n = n;
	}
	p = &t->partitions[r->partition_id];
	p->id = r->partition_id;
	p->leader = r->leader;
	p->leader_epoch = r->leader_epoch;
	p->partition_epoch = r->partition_epoch;
	p->leader_recovery_state = r->leader_recovery_state;
	if (COPY(p->replicas, p->replicas_n, r->replicas, r->replicas_n) < 0
	    || COPY(p->isr, p->isr_n, r->isr, r->isr_n) < 0
	    || COPY(p->removing, p->removing_n, r->removing_replicas, r->removing_replicas_n) < 0
	    || COPY(p->adding, p->adding_n, r->adding_replicas, r->adding_replicas_n) < 0
	    || COPY(p->elr, p->elr_n, r->eligible_leader_replicas, r->eligible_leader_replicas_n)
		       < 0
	    || COPY(p->last_known_elr, p->last_known_elr_n, r->last_known_elr, r->last_known_elr_n)
		       < 0)
		return -1;
	return set_directories(p, r->directories, r->directories_n);
}

static int apply_partition_change(struct meta_image *m, const struct partition_change_record *r)
{
	struct meta_topic *t = meta_topic_with_id(m, &r->topic_id);
	struct meta_partition *p = t ? meta_partition(t, r->partition_id) : NULL;

	if (!p)
		return refuse(EINVAL);
#define MERGE(field, from)                                                                         \
	(r->from##_n >= 0 && COPY(p->field, p->field##_n, r->from, r->from##_n) < 0)
	if (MERGE(replicas, replicas) || MERGE(isr, isr) || MERGE(removing, removing_replicas)
	    || MERGE(adding, adding_replicas) || MERGE(elr, eligible_leader_replicas)
	    || MERGE(last_known_elr, last_known_elr))
		return -1;
#undef MERGE
	if (r->directories_n >= 0
		    ? set_directories(p, r->directories, r->directories_n) < 0
		    : p->directories_n != p->replicas_n && set_directories(p, NULL, 0) < 0)
		return -1;
	if (r->leader != -2) {
		p->leader = r->leader;
		p->leader_epoch++;
	}
	if (r->leader_recovery_state != -1)
		p->leader_recovery_state = r->leader_recovery_state;
	p->partition_epoch++;
	return 0;
}

static void drop_configs(struct meta_image *m, struct meta_configs *c)
{
	map_del(&m->configs, c->map_key, 1 + strlen(c->name));
	meta_configs_free(c);
}

static int apply_remove_topic(struct meta_image *m, const struct remove_topic_record *r)
{
	struct meta_topic *t = meta_topic_with_id(m, &r->topic_id);
	struct meta_configs *c;

	if (!t)
		return refuse(EINVAL);
	c = meta_configs_of(m, META_TOPIC, span_of(t->name));
	if (c)
		drop_configs(m, c);
	map_del(&m->topics_by_id, t->id.b, sizeof t->id.b);
	map_del(&m->topics_by_name, t->name, strlen(t->name));
	meta_topic_free(t);
	return 0;
}

static void clear_elr(struct meta_topic *t)
{
	for (int32_t i = 0; i < t->partitions_n; i++) {
		struct meta_partition *p = &t->partitions[i];

		if (p->elr_n + p->last_known_elr_n > 0)
			p->partition_epoch++;
		p->elr_n = p->last_known_elr_n = 0;
	}
}

static int apply_clear_elr(struct meta_image *m, const struct clear_elr_record *r)
{
	struct meta_topic *t;
	size_t at = 0;

	if (r->topic_name.n > 0) {
		t = meta_topic_named(m, r->topic_name);
		if (!t)
			return refuse(EINVAL);
		clear_elr(t);
		return 0;
	}
	while ((t = map_next(&m->topics_by_id, &at)))
		clear_elr(t);
	return 0;
}

/* --- configs and features --- */

static struct meta_configs *configs_for(struct meta_image *m, int8_t type, struct span name)
{
	struct meta_configs *c = meta_configs_of(m, type, name);

	if (c)
		return c;
	c = calloc(1, sizeof *c);
	if (!c || !(c->name = copy_z(name)) || !(c->map_key = malloc((size_t)name.n + 1)))
		goto fail;
	c->type = type;
	c->map_key[0] = type;
	memcpy(c->map_key + 1, name.p, (size_t)name.n);
	if (map_put(&m->configs, c->map_key, (size_t)name.n + 1, c) < 0)
		goto fail;
	return c;
fail:
	meta_configs_free(c);
	return NULL;
}

static int config_set(struct meta_configs *c, struct span key, struct span value)
{
	bool found;
	int32_t at = meta_config_place(c, key, &found);
	struct meta_config_entry e = { NULL, copy_z(value) }, *v;

	if (!e.value)
		return -1;
	if (found) {
		free(c->v[at].value);
		c->v[at].value = e.value;
		return 0;
	}
	e.key = copy_z(key);
	v = e.key ? realloc(c->v, ((size_t)c->n + 1) * sizeof *v) : NULL;
	if (!v) {
		free(e.key);
		free(e.value);
		return -1;
	}
	memmove(v + at + 1, v + at, (size_t)(c->n - at) * sizeof *v);
	v[at] = e;
	c->v = v;
	c->n++;
	return 0;
}

static int apply_config(struct meta_image *m, const struct config_record *r)
{
	struct meta_configs *c = meta_configs_of(m, r->resource_type, r->resource_name);
	bool found;
	int32_t at;

	if (r->value.n >= 0) {
		c = configs_for(m, r->resource_type, r->resource_name);
		return c ? config_set(c, r->name, r->value) : -1;
	}
	if (!c)
		return 0;
	at = meta_config_place(c, r->name, &found);
	if (!found)
		return 0;
	free(c->v[at].key);
	free(c->v[at].value);
	c->n--;
	memmove(c->v + at, c->v + at + 1, (size_t)(c->n - at) * sizeof *c->v);
	if (c->n == 0)
		drop_configs(m, c);
	return 0;
}

int meta_image_feature(struct meta_image *m, struct span name, int16_t level)
{
	struct meta_feature *f = map_get(&m->features, name.p, (size_t)name.n);

	if (f && level == 0) {
		map_del(&m->features, f->name, (size_t)name.n);
		free(f->name);
		free(f);
		return 0;
	}
	if (!f) {
		if (level == 0)
			return 0;
		f = calloc(1, sizeof *f);
		if (!f || !(f->name = copy_z(name))
		    || map_put(&m->features, f->name, (size_t)name.n, f) < 0) {
			free(f ? f->name : NULL);
			free(f);
			return -1;
		}
	}
	f->level = level;
	return 0;
}

/* --- brokers and controllers --- */

static int endpoint_set(struct meta_endpoint *e, struct span name, struct span host, uint16_t port,
			int16_t protocol)
{
	e->name = copy_z(name);
	e->host = copy_z(host);
	e->port = port;
	e->security_protocol = protocol;
	return e->name && e->host ? 0 : -1;
}

static int range_set(struct meta_feature_range *f, struct span name, int16_t min, int16_t max)
{
	f->name = copy_z(name);
	f->min = min;
	f->max = max;
	return f->name ? 0 : -1;
}

/* Fills b's endpoints and features from r, a broker's or a controller's registration. */
#define FILL(b, r)                                                                                 \
	do {                                                                                       \
		b->endpoints = calloc((size_t)r->end_points_n + 1, sizeof *b->endpoints);          \
		b->features = calloc((size_t)r->features_n + 1, sizeof *b->features);              \
		if (!b->endpoints || !b->features)                                                 \
			goto fail;                                                                 \
		b->endpoints_n = r->end_points_n;                                                  \
		b->features_n = r->features_n;                                                     \
		for (int32_t i = 0; i < r->end_points_n; i++)                                      \
			if (endpoint_set(&b->endpoints[i], r->end_points[i].name,                  \
					 r->end_points[i].host, r->end_points[i].port,             \
					 r->end_points[i].security_protocol)                       \
			    < 0)                                                                   \
				goto fail;                                                         \
		for (int32_t i = 0; i < r->features_n; i++)                                        \
			if (range_set(&b->features[i], r->features[i].name,                        \
				      r->features[i].min_supported_version,                        \
				      r->features[i].max_supported_version)                        \
			    < 0)                                                                   \
				goto fail;                                                         \
	} while (0)

static int put_broker(struct map *into, struct meta_broker *b)
{
	struct meta_broker *old = map_get(into, &b->id, sizeof b->id);

	if (map_put(into, &b->id, sizeof b->id, b) < 0) {
		meta_broker_free(b);
		return -1;
	}
	meta_broker_free(old);
	return 0;
}

static int apply_register_broker(struct meta_image *m, const struct register_broker_record *r)
{
	struct meta_broker *b = calloc(1, sizeof *b);

	if (!b)
		return -1;
	b->id = r->broker_id;
	b->incarnation = r->incarnation_id;
	b->epoch = r->broker_epoch;
	b->fenced = r->fenced;
	b->in_controlled_shutdown = r->in_controlled_shutdown;
	FILL(b, r);
	if (r->rack.n >= 0 && !(b->rack = copy_z(r->rack)))
		goto fail;
	if (COPY(b->log_dirs, b->log_dirs_n, r->log_dirs, r->log_dirs_n) < 0
	    || COPY(b->cordoned, b->cordoned_n, r->cordoned_log_dirs, r->cordoned_log_dirs_n) < 0)
		goto fail;
	if (r->cordoned_log_dirs_n < 0)
		b->cordoned_n = -1;
	return put_broker(&m->brokers, b);
fail:
	meta_broker_free(b);
	return -1;
}

static int apply_register_controller(struct meta_image *m,
				     const struct register_controller_record *r)
{
	struct meta_broker *b = calloc(1, sizeof *b);

	if (!b)
		return -1;
	b->id = r->controller_id;
	b->incarnation = r->incarnation_id;
	b->cordoned_n = -1;
	FILL(b, r);
	return put_broker(&m->controllers, b);
fail:
	meta_broker_free(b);
	return -1;
}

static int remove_broker(struct map *from, int32_t id)
{
	struct meta_broker *b = map_del(from, &id, sizeof id);

	if (!b)
		return refuse(EINVAL);
	meta_broker_free(b);
	return 0;
}

static int apply_fence(struct meta_image *m, int32_t id, int64_t epoch, bool fenced)
{
	struct meta_broker *b = meta_broker(m, id);

	if (!b || b->epoch != epoch)
		return refuse(EINVAL);
	b->fenced = fenced;
	return 0;
}

static int apply_broker_change(struct meta_image *m,
			       const struct broker_registration_change_record *r)
{
	struct meta_broker *b = meta_broker(m, r->broker_id);

	if (!b || b->epoch != r->broker_epoch || r->fenced < -1 || r->fenced > 1)
		return refuse(EINVAL);
	if (r->fenced)
		b->fenced = r->fenced > 0;
	if (r->in_controlled_shutdown)
		b->in_controlled_shutdown = true;
	if (r->log_dirs_n > 0 && COPY(b->log_dirs, b->log_dirs_n, r->log_dirs, r->log_dirs_n) < 0)
		return -1;
	if (r->cordoned_log_dirs_n >= 0
	    && COPY(b->cordoned, b->cordoned_n, r->cordoned_log_dirs, r->cordoned_log_dirs_n) < 0)
		return -1;
	return 0;
}

/* --- what is only kept --- */

static int other_drop(struct meta_image *m, const struct buf *key)
{
	meta_other_free(map_del(&m->others, key->p, key->n));
	return 0;
}

static int other_put(struct meta_image *m, const struct buf *key, struct span value)
{
	struct meta_other *o = calloc(1, sizeof *o);

	if (!o || !(o->key = malloc(key->n + 1)) || !(o->value = malloc((size_t)value.n + 1)))
		goto fail;
	memcpy(o->key, key->p, key->n);
	memcpy(o->value, value.p, (size_t)value.n);
	o->key_n = (int32_t)key->n;
	o->value_n = value.n;
	other_drop(m, key);
	if (map_put(&m->others, o->key, key->n, o) < 0)
		goto fail;
	return 0;
fail:
	meta_other_free(o);
	return -1;
}

static int add_span(struct buf *b, struct span s)
{
	return buf_add32(b, (uint32_t)s.n) < 0 || (s.n > 0 && buf_add(b, s.p, (size_t)s.n) < 0) ? -1
												: 0;
}

/* What identifies a record among those of its kind: the type that adds it, then its key fields. */
static int other_key(struct buf *key, int type, const void *record, bool *removes)
{
	const struct access_control_entry_record *acl = record;
	const struct remove_access_control_entry_record *no_acl = record;
	const struct user_scram_credential_record *scram = record;
	const struct remove_user_scram_credential_record *no_scram = record;
	const struct delegation_token_record *token = record;
	const struct remove_delegation_token_record *no_token = record;
	const struct client_quota_record *quota = record;
	int bad = 0;

	*removes = type == META_REMOVE_ACL || type == META_REMOVE_SCRAM
		   || type == META_REMOVE_DELEGATION_TOKEN;
	switch (type) {
	case META_ACL:
	case META_REMOVE_ACL:
		bad |= buf_add8(key, META_ACL);
		return bad | buf_add(key, *removes ? no_acl->id.b : acl->id.b, 16);
	case META_SCRAM:
	case META_REMOVE_SCRAM:
		bad |= buf_add8(key, META_SCRAM);
		bad |= buf_add8(key, (uint8_t)(*removes ? no_scram->mechanism : scram->mechanism));
		return bad | add_span(key, *removes ? no_scram->name : scram->name);
	case META_DELEGATION_TOKEN:
	case META_REMOVE_DELEGATION_TOKEN:
		bad |= buf_add8(key, META_DELEGATION_TOKEN);
		return bad | add_span(key, *removes ? no_token->token_id : token->token_id);
	default:
		*removes = quota->remove;
		bad |= buf_add8(key, META_CLIENT_QUOTA);
		bad |= add_span(key, quota->key);
		for (int32_t i = 0; i < quota->entity_n; i++) {
			bad |= add_span(key, quota->entity[i].entity_type);
			bad |= add_span(key, quota->entity[i].entity_name);
		}
		return bad;
	}
}

static int apply_other(struct meta_image *m, int type, const void *record, struct span value)
{
	struct buf key = { 0 };
	bool removes;
	int r = other_key(&key, type, record, &removes);

	if (r == 0)
		r = removes ? other_drop(m, &key) : other_put(m, &key, value);
	buf_free(&key);
	return r;
}

static int apply(struct meta_image *m, int type, const void *record, struct span value)
{
	const struct fence_broker_record *fence = record;
	const struct unfence_broker_record *unfence = record;
	const struct feature_level_record *feature = record;
	const struct unregister_broker_record *gone = record;
	const struct unregister_controller_record *gone_controller = record;
	const struct producer_ids_record *ids = record;

	switch (type) {
	case META_REGISTER_BROKER: return apply_register_broker(m, record);
	case META_UNREGISTER_BROKER: return remove_broker(&m->brokers, gone->broker_id);
	case META_TOPIC_RECORD: return apply_topic(m, record);
	case META_PARTITION: return apply_partition(m, record);
	case META_PARTITION_CHANGE: return apply_partition_change(m, record);
	case META_REMOVE_TOPIC: return apply_remove_topic(m, record);
	case META_CLEAR_ELR: return apply_clear_elr(m, record);
	case META_CONFIG: return apply_config(m, record);
	case META_FENCE_BROKER: return apply_fence(m, fence->id, fence->epoch, true);
	case META_UNFENCE_BROKER: return apply_fence(m, unfence->id, unfence->epoch, false);
	case META_BROKER_CHANGE: return apply_broker_change(m, record);
	case META_FEATURE_LEVEL:
		return meta_image_feature(m, feature->name, feature->feature_level);
	case META_PRODUCER_IDS: m->next_producer_id = ids->next_producer_id; return 0;
	case META_REGISTER_CONTROLLER: return apply_register_controller(m, record);
	case META_UNREGISTER_CONTROLLER:
		return remove_broker(&m->controllers, gone_controller->controller_id);
	case META_ACL:
	case META_REMOVE_ACL:
	case META_SCRAM:
	case META_REMOVE_SCRAM:
	case META_DELEGATION_TOKEN:
	case META_REMOVE_DELEGATION_TOKEN:
	case META_CLIENT_QUOTA: return apply_other(m, type, record, value);
	default:
		return 0; /* NoOp, ZkMigration, and the bounds of transactions, which the caller
			     minds */
	}
}

int meta_apply_decoded(struct meta_image *m, struct span value, int64_t offset, int32_t epoch,
		       int *type, const void **record)
{
	void *decoded;
	int r;

	arena_reset(&m->scratch);
	*record = NULL;
	r = meta_record_decode(value, &m->scratch, type, &decoded);
	if (r < 0)
		return -1;
	if (r == 0 && apply(m, *type, decoded, value) < 0)
		return -1;
	*record = decoded;
	m->offset = offset;
	m->epoch = epoch;
	return r;
}

int meta_apply(struct meta_image *m, struct span value, int64_t offset, int32_t epoch)
{
	const void *record;
	int type;

	return meta_apply_decoded(m, value, offset, epoch, &type, &record);
}
