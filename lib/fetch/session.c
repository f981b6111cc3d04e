#include "fetch/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "wire/codes.h"

struct fetch_sessions {
	struct map by_id;      /* key: the set's id */
	int max;
	const struct fetch_hooks *hooks;
};

/* --- sets ------------------------------------------------------------------------------------- */

static struct fetch_set *set_new(bool by_id, int64_t now_ms)
{
	struct fetch_set *s = calloc(1, sizeof *s);
	if (s) {
		s->by_id = by_id;
		s->refs = 1;
		s->created_ms = s->used_ms = now_ms;
	}
	return s;
}

static void free_part(struct fetch_set *s, struct fetch_part *p)
{
	if (s->hooks)
		s->hooks->forgotten(s, p);
	free(p);
}

void fetch_set_drop(struct fetch_set *s)
{
	if (!s || --s->refs)
		return;
	for (struct fetch_part *p = s->first, *next; p; p = next) {
		next = p->next;
		free_part(s, p);
	}
	if (s->hooks)
		s->hooks->dropped(s);
	map_free(&s->parts);
	free(s);
}

static void unlink_part(struct fetch_set *s, struct fetch_part *p)
{
	*(p->prev ? &p->prev->next : &s->first) = p->next;
	*(p->next ? &p->next->prev : &s->last) = p->prev;
}

static void link_last(struct fetch_set *s, struct fetch_part *p)
{
	p->prev = s->last;
	p->next = 0;
	*(s->last ? &s->last->next : &s->first) = p;
	s->last = p;
}

void fetch_to_end(struct fetch_set *s, struct fetch_part *p)
{
	unlink_part(s, p);
	link_last(s, p);
}

static size_t key_size(const struct fetch_set *s, struct span topic)
{
	return (s->by_id ? sizeof(struct uuid) : (size_t)topic.n) + 4;
}

static void key_put(const struct fetch_set *s, uint8_t *key, struct span topic,
                    const struct uuid *id, int32_t partition)
{
	size_t n = key_size(s, topic) - 4;
	memcpy(key, s->by_id ? (const void *)id : topic.p, n);
	put32(key + n, (uint32_t)partition);
}

static struct fetch_part *part_for(struct fetch_set *s, struct span topic, const struct uuid *id,
                                   int32_t partition)
{
	size_t n = key_size(s, topic);
	struct fetch_part *p = calloc(1, sizeof *p + n), *found;
	if (!p)
		return 0;
	key_put(s, p->key, topic, id, partition);
	if ((found = map_get(&s->parts, p->key, n))) {
		free(p);
		return found;
	}
	p->topic_id = s->by_id ? *id : uuid_zero;
	p->topic = (struct span){(const char *)p->key, s->by_id ? 0 : topic.n};
	p->partition = partition;
	p->high_watermark = p->log_start = -1;
	if (map_put(&s->parts, p->key, n, p)) {
		free(p);
		return 0;
	}
	link_last(s, p);
	return p;
}

static int add_all(struct fetch_set *s, const struct fetch_request *in)
{
	for (int i = 0; i < in->topics_n; i++) {
		const struct fetch_request_fetch_topic *t = &in->topics[i];
		for (int k = 0; k < t->partitions_n; k++) {
			const struct fetch_request_fetch_partition *q = &t->partitions[k];
			struct fetch_part *p = part_for(s, t->topic, &t->topic_id, q->partition);
			if (!p)
				return -1;
			p->offset = q->fetch_offset;
			p->max_bytes = q->partition_max_bytes;
			p->current_leader_epoch = q->current_leader_epoch;
			p->last_fetched_epoch = q->last_fetched_epoch;
			p->replica_start = q->log_start_offset;
			if (s->hooks && s->hooks->named(s, p))
				return -1;
		}
	}
	return 0;
}

static int forget(struct fetch_set *s, const struct fetch_request *in)
{
	for (int i = 0; i < in->forgotten_topics_data_n; i++) {
		const struct fetch_request_forgotten_topic *t = &in->forgotten_topics_data[i];
		size_t n = key_size(s, t->topic);
		uint8_t *key = malloc(n);
		if (!key)
			return -1;
		for (int k = 0; k < t->partitions_n; k++) {
			key_put(s, key, t->topic, &t->topic_id, t->partitions[k]);
			struct fetch_part *p = map_del(&s->parts, key, n);
			if (p) {
				unlink_part(s, p);
				free_part(s, p);
			}
		}
		free(key);
	}
	return 0;
}

/* --- the cache -------------------------------------------------------------------------------- */

struct fetch_sessions *fetch_sessions_new(int max)
{
	struct fetch_sessions *c = calloc(1, sizeof *c);
	if (c)
		c->max = max;
	return c;
}

void fetch_sessions_hook(struct fetch_sessions *c, const struct fetch_hooks *h)
{
	c->hooks = h;
}

void fetch_sessions_free(struct fetch_sessions *c)
{
	struct fetch_set *s;
	if (!c)
		return;
	for (size_t at = 0; (s = map_next(&c->by_id, &at));)
		fetch_set_drop(s);
	map_free(&c->by_id);
	free(c);
}

int fetch_sessions_count(const struct fetch_sessions *c)
{
	return (int)c->by_id.n;
}

struct fetch_set *fetch_sessions_next(const struct fetch_sessions *c,
                                      const struct fetch_request *in)
{
	struct fetch_set *s = map_get(&c->by_id, &in->session_id, sizeof in->session_id);
	return s && in->session_epoch > 0 && s->epoch == in->session_epoch ? s : 0;
}

static void evict(struct fetch_sessions *c, int32_t id)
{
	fetch_set_drop(map_del(&c->by_id, &id, sizeof id));
}

void fetch_sessions_expire(struct fetch_sessions *c, int64_t now_ms)
{
	struct fetch_set *s, *stale;
	do {
		stale = 0;
		for (size_t at = 0; !stale && (s = map_next(&c->by_id, &at));)
			if (now_ms - s->used_ms > FETCH_EVICTION_MS)
				stale = s;
		if (stale)
			evict(c, stale->id);
	} while (stale);
}

/* Room for a session of n partitions: there is some, or one unused for long goes, or one that is no
 * longer young and has fewer partitions (FetchSessionCacheShard.tryEvict; consumers' sessions are
 * never privileged). */
static bool make_room(struct fetch_sessions *c, size_t n, int64_t now_ms)
{
	struct fetch_set *s, *stale = 0, *small = 0;
	if ((int)c->by_id.n < c->max)
		return true;
	for (size_t at = 0; (s = map_next(&c->by_id, &at));) {
		if (!stale || s->used_ms < stale->used_ms || (s->used_ms == stale->used_ms && s->id < stale->id))
			stale = s;
		if (s->used_ms - s->created_ms > FETCH_EVICTION_MS &&
		    (!small || s->parts.n < small->parts.n ||
		     (s->parts.n == small->parts.n && s->id < small->id)))
			small = s;
	}
	if (stale && now_ms - stale->used_ms > FETCH_EVICTION_MS)
		evict(c, stale->id);
	else if (small && small->parts.n < n)
		evict(c, small->id);
	else
		return false;
	return true;
}

static int new_id(const struct fetch_sessions *c, int32_t *id)
{
	do {
		if (getrandom(id, sizeof *id, 0) != sizeof *id)
			return -1;
		*id &= INT32_MAX;
	} while (!*id || map_get(&c->by_id, id, sizeof *id));
	return 0;
}

static int32_t next_epoch(int32_t epoch)
{
	return epoch < 0 ? -1 : epoch == INT32_MAX ? 1 : epoch + 1;
}

static int begin_own(const struct fetch_sessions *c, const struct fetch_request *in, int version,
                     int64_t now_ms, struct fetch_set **set)
{
	*set = set_new(version >= 13, now_ms);
	if (*set)
		(*set)->hooks = c->hooks;
	if (*set && !add_all(*set, in))
		return 0;
	fetch_set_drop(*set);
	*set = 0;
	errno = ENOMEM;
	return -1;
}

int fetch_begin(struct fetch_sessions *c, const struct fetch_request *in, int version,
                int64_t now_ms, struct fetch_set **set, enum fetch_kind *kind)
{
	*set = 0;
	if (in->session_epoch == 0 || in->session_epoch == -1) {
		if (in->session_id)
			evict(c, in->session_id);
		*kind = in->session_epoch ? FETCH_SESSIONLESS : FETCH_FULL;
		return begin_own(c, in, version, now_ms, set);
	}
	struct fetch_set *s = map_get(&c->by_id, &in->session_id, sizeof in->session_id);
	if (!s)
		return WIRE_FETCH_SESSION_ID_NOT_FOUND;
	if (s->epoch != in->session_epoch)
		return WIRE_INVALID_FETCH_SESSION_EPOCH;
	if (s->by_id != (version >= 13))
		return WIRE_FETCH_SESSION_TOPIC_ID_ERROR;
	if (add_all(s, in) || forget(s, in)) {
		errno = ENOMEM;
		return -1;
	}
	if (!s->first) {
		evict(c, s->id);
		*kind = FETCH_SESSIONLESS;
		return begin_own(c, in, version, now_ms, set);
	}
	s->used_ms = now_ms;
	s->epoch = next_epoch(s->epoch);
	s->refs++;
	*set = s;
	*kind = FETCH_INCREMENTAL;
	return 0;
}

int fetch_end(struct fetch_sessions *c, struct fetch_set *s, enum fetch_kind kind,
              int32_t request_epoch, int64_t now_ms, int32_t *session_id)
{
	*session_id = kind == FETCH_INCREMENTAL ? s->id : 0;
	if (kind == FETCH_INCREMENTAL && s->epoch != next_epoch(request_epoch))
		return WIRE_INVALID_FETCH_SESSION_EPOCH;
	if (kind != FETCH_FULL || s->parts.n > FETCH_PARTS_MAX ||
	    !make_room(c, s->parts.n, now_ms) || new_id(c, &s->id))
		return 0;
	if (map_put(&c->by_id, &s->id, sizeof s->id, s))
		return 0;
	s->created_ms = s->used_ms = now_ms;
	s->epoch = next_epoch(0);
	s->refs++;
	*session_id = s->id;
	return 0;
}

bool fetch_tell(struct fetch_part *p, int error, int64_t high_watermark, int64_t log_start,
                bool diverging, bool data)
{
	bool must = data || diverging || error || p->high_watermark != high_watermark ||
	            p->log_start != log_start;
	p->high_watermark = error ? -1 : high_watermark;
	p->log_start = log_start;
	return must;
}
