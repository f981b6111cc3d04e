/* Duplicates and sequence numbers: ProducerAppendInfo.maybeValidateDataBatch,
 * UnifiedLog.analyzeAndValidateProducerState. */
#include "log/internal.h"

static bool same_batch(const struct producer_batch *m, int32_t first, int32_t last)
{
	int32_t was_first = producers_sequence_add(m->last_sequence, -m->delta);
	return was_first == first && m->last_sequence == last;
}

static const struct producer_batch *duplicate(const struct producer *p, const struct batch *b)
{
	int32_t last = producers_sequence_add(b->base_sequence, b->last_offset_delta);
	if (p->epoch != b->producer_epoch)
		return 0;
	for (int i = 0; i < p->n; i++)
		if (same_batch(p->batch + i, b->base_sequence, last))
			return p->batch + i;
	return 0;
}

static bool in_order(const struct producer *p, const struct batch *b)
{
	if (p->epoch < 0)
		return true;
	if (p->epoch != b->producer_epoch)
		return b->base_sequence == 0;
	int32_t last = p->n ? p->batch[p->n - 1].last_sequence : -1;
	return (int64_t)last + 1 == b->base_sequence || (last == INT32_MAX && b->base_sequence == 0);
}

enum log_sequence log_check_sequence(const struct log *l, const struct batch *b,
	struct log_duplicate *dup)
{
	if (b->producer_id < 0)
		return LOG_SEQ_OK;
	const struct producer *p = producers_get(&l->producers, b->producer_id);
	if (!p)
		return LOG_SEQ_OK;
	if (b->attributes & BATCH_CONTROL)
		return b->producer_epoch < p->epoch ? LOG_SEQ_OLD_EPOCH : LOG_SEQ_OK;
	const struct producer_batch *m = duplicate(p, b);
	if (m) {
		*dup = (struct log_duplicate){
			(int64_t)((uint64_t)m->last_offset - (uint64_t)(int64_t)m->delta),
			m->last_offset, m->timestamp};
		return LOG_SEQ_DUPLICATE;
	}
	if (b->producer_epoch < p->epoch)
		return LOG_SEQ_OLD_EPOCH;
	if (!in_order(p, b))
		return LOG_SEQ_OUT_OF_ORDER;
	if (p->txn_first >= 0 && !(b->attributes & BATCH_TRANSACTIONAL))
		return LOG_SEQ_INVALID_TXN;
	return LOG_SEQ_OK;
}

static void producer_info(const struct producer *p, struct log_producer *v)
{
	bool known = p->n > 0;
	const struct producer_batch *last = known ? p->batch + p->n - 1 : 0;
	*v = (struct log_producer){
		.id = p->id, .epoch = p->epoch, .last_sequence = known ? last->last_sequence : -1,
		.last_timestamp = p->last_timestamp, .last_offset = known ? last->last_offset : -1,
		.txn_first_offset = p->txn_first, .coordinator_epoch = p->coordinator_epoch};
}

int log_producers(const struct log *l, struct log_producer *v, int max)
{
	int n = 0;
	size_t at = 0;
	for (const struct producer *p; (p = map_next(&l->producers.map, &at)); n++)
		if (n < max)
			producer_info(p, v + n);
	return n;
}

int64_t log_first_unstable(const struct log *l)
{
	return l->producers.open.n ? l->producers.open.v[0].first : INT64_MAX;
}

int64_t log_stable_end(struct log *l, int64_t high_watermark)
{
	struct producers *s = &l->producers;
	int64_t end = high_watermark;
	producers_decided_below(s, high_watermark);
	if (s->open.n && s->open.v[0].first < end)
		end = s->open.v[0].first;
	if (s->decided.n && s->decided.v[0].first < end)
		end = s->decided.v[0].first;
	return end < l->start ? l->start : end;
}

void log_expire_producers(struct log *l, int64_t now_ms)
{
	int64_t id[256];
	int n;
	l->now_ms = now_ms;
	do {
		size_t at = 0;
		n = 0;
		for (struct producer *p; n < 256 && (p = map_next(&l->producers.map, &at));)
			if (p->txn_first < 0 && p->last_timestamp <= now_ms - l->config.producer_expiration_ms)
				id[n++] = p->id;
		for (int i = 0; i < n; i++)
			producers_forget(&l->producers, id[i]);
	} while (n == 256);
}
