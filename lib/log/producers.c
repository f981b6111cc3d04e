#include "log/producers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/planted.h"

enum { CONTROL_ABORT = 0, CONTROL_COMMIT = 1 };

void producers_clear(struct producers *s)
{
	size_t at = 0;
	for (struct producer *p; (p = map_next(&s->map, &at));)
		free(p);
	map_free(&s->map);
	free(s->open.v);
	free(s->decided.v);
	s->open = (struct txns){0};
	s->decided = (struct txns){0};
}

struct producer *producers_get(const struct producers *s, int64_t id)
{
	return map_get(&s->map, &id, sizeof id);
}

static struct producer *add(struct producers *s, int64_t id)
{
	struct producer *p = calloc(1, sizeof *p);
	if (!p)
		return 0;
	*p = (struct producer){.id = id, .last_timestamp = -1, .txn_first = -1, .coordinator_epoch = -1,
		.epoch = -1};
	if (map_put(&s->map, &p->id, sizeof p->id, p) < 0) {
		free(p);
		return 0;
	}
	return p;
}

static int room(struct txns *t)
{
	if (t->n < t->cap)
		return 0;
	int cap = t->cap ? t->cap * 2 : 4;
	struct txn *v = realloc(t->v, (size_t)cap * sizeof *v);
	if (!v)
		return -1;
	t->v = v;
	t->cap = cap;
	return 0;
}

int producers_reserve(struct producers *s, const struct batch *b, bool *fresh)
{
	*fresh = false;
	if (b->producer_id < 0)
		return 0;
	if ((b->attributes & BATCH_TRANSACTIONAL) && (room(&s->open) < 0 || room(&s->decided) < 0))
		return -1;
	if (!producers_get(s, b->producer_id)) {
		if (!add(s, b->producer_id))
			return -1;
		*fresh = true;
	}
	return 0;
}

void producers_forget(struct producers *s, int64_t id)
{
	free(map_del(&s->map, &id, sizeof id));
}

int32_t producers_sequence_add(int32_t sequence, int32_t n)
{
	return (int32_t)(((uint32_t)sequence + (uint32_t)n) & INT32_MAX);
}

static void txns_add(struct txns *t, struct txn x)
{
	int i = t->n;
	while (i && t->v[i - 1].first > x.first)
		i--;
	memmove(t->v + i + 1, t->v + i, (size_t)(t->n - i) * sizeof x);
	t->v[i] = x;
	t->n++;
}

static void take_epoch(struct producer *p, int16_t epoch)
{
	if (p->epoch != epoch)
		p->n = 0;
	p->epoch = epoch;
}

static void apply_data(struct producers *s, struct producer *p, const struct batch *b)
{
	take_epoch(p, b->producer_epoch);
	if (p->n == (PLANTED(DUPLICATES_OF_ONE_BATCH) ? 1 : PRODUCER_BATCHES))
		memmove(p->batch, p->batch + 1, (size_t)--p->n * sizeof *p->batch);
	p->batch[p->n++] = (struct producer_batch){
		.last_offset = batch_last_offset(b), .timestamp = b->max_timestamp, .delta = b->last_offset_delta,
		.last_sequence = producers_sequence_add(b->base_sequence, b->last_offset_delta)};
	p->last_timestamp = b->max_timestamp;
	if ((b->attributes & BATCH_TRANSACTIONAL) && p->txn_first < 0) {
		p->txn_first = b->base_offset;
		txns_add(&s->open, (struct txn){p->id, b->base_offset, -1});
	}
}

void producers_apply(struct producers *s, const struct batch *b, const struct marker *m,
	struct completed_txn *done)
{
	done->is = false;
	if (b->producer_id < 0)
		return;
	struct producer *p = producers_get(s, b->producer_id);
	if (!(b->attributes & BATCH_CONTROL)) {
		apply_data(s, p, b);
	} else if (m->is) {
		take_epoch(p, b->producer_epoch);
		p->coordinator_epoch = m->coordinator_epoch;
		p->last_timestamp = m->timestamp;
		if (p->txn_first >= 0)
			*done = (struct completed_txn){true, m->abort, p->id, p->txn_first, b->base_offset};
		p->txn_first = -1;
	}
}

int64_t producers_stable(const struct producers *s, const struct completed_txn *t)
{
	for (int i = 0; i < s->open.n; i++)
		if (s->open.v[i].producer_id != t->producer_id)
			return s->open.v[i].first;
	return t->last + 1;
}

void producers_complete(struct producers *s, const struct completed_txn *t)
{
	struct txns *o = &s->open;
	for (int i = 0; i < o->n; i++)
		if (o->v[i].first == t->first) {
			memmove(o->v + i, o->v + i + 1, (size_t)(--o->n - i) * sizeof *o->v);
			break;
		}
	if (room(&s->decided) == 0)
		txns_add(&s->decided, (struct txn){t->producer_id, t->first, t->last});
}

struct producer *producers_put(struct producers *s, const struct producer *from)
{
	if (from->txn_first >= 0 && room(&s->open) < 0)
		return 0;
	struct producer *p = producers_get(s, from->id);
	if (!p && !(p = add(s, from->id)))
		return 0;
	*p = *from;
	if (p->txn_first >= 0)
		txns_add(&s->open, (struct txn){p->id, p->txn_first, -1});
	return p;
}

void producers_decided_below(struct producers *s, int64_t offset)
{
	int kept = 0;
	for (int i = 0; i < s->decided.n; i++)
		if (s->decided.v[i].last >= offset)
			s->decided.v[kept++] = s->decided.v[i];
	s->decided.n = kept;
}

int marker_read(const struct batch *b, const void *batch, struct marker *m)
{
	struct record r;
	size_t at = 0;
	m->is = false;
	if (!(b->attributes & BATCH_CONTROL) || b->producer_id < 0 || b->attributes & BATCH_CODEC)
		return 0;
	int got = record_next(b, (const char *)batch + BATCH_HEADER, (size_t)batch_bytes(b) - BATCH_HEADER,
		&at, &r);
	if (got <= 0)
		return got;
	if (r.key.n < 4 || get16(r.key.p) != 0) {
		errno = EBADMSG;
		return -1;
	}
	int type = get16(r.key.p + 2);
	if (type != CONTROL_ABORT && type != CONTROL_COMMIT)
		return 0;
	if (r.value.n < 6) {
		errno = EBADMSG;
		return -1;
	}
	*m = (struct marker){true, type == CONTROL_ABORT, (int32_t)get32(r.value.p + 2), r.timestamp};
	return 0;
}
