#include "replica/follow.h"

#include <assert.h>

#include "base/planted.h"
#include "log/batch.h"

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static bool is_stale(const struct replica *r, const struct follow_answer *a)
{
	bool epoch = a->asked_epoch == r->epoch || PLANTED(ANSWER_OF_OLDER_EPOCH);
	return r->role != PAGE_FOLLOWER || !epoch
	       || a->asked_offset != r->log_end;
}

enum follow_act follow_judge(const struct replica *r, const struct follow_answer *a, int64_t *to)
{
	if (is_stale(r, a))
		return FOLLOW_STALE;
	if (a->diverging_epoch >= 0)
		return a->diverging_end >= 0 ? FOLLOW_CUT : FOLLOW_STALE;
	if (a->first_offset < 0 || a->first_offset >= r->log_end)
		return FOLLOW_APPEND;
	/* Only what the log lacks may come. */
	if (r->log_start != r->log_end || a->first_last_offset < r->log_end)
		return FOLLOW_STALE;
	*to = a->first_offset;
	return FOLLOW_RESTART;
}

int64_t follow_cut_to(const struct replica *r, const struct follow_answer *a, int32_t own_epoch,
                      int64_t own_end)
{
	int64_t to = a->diverging_end;
	if (PLANTED(CUT_BY_HIGH_WATERMARK)) return r->high_watermark;
	if (PLANTED(CUT_WHERE_THE_LEADER_ENDS)) return least(to, r->log_end);
	/* An epoch that the leader has and the follower not: what the follower has of the one before
	 * may be wrong too, which the next request will show. */
	if (own_epoch >= 0 && own_epoch != a->diverging_epoch)
		to = own_end;
	else if (own_epoch >= 0)
		to = least(own_end, to);
	return least(to, r->log_end);
}

enum follow_act follow_out_of_range(const struct replica *r, const struct follow_answer *a,
                                    int64_t start, int64_t end, int64_t *to)
{
	if (is_stale(r, a) || start < 0 || end < start)
		return FOLLOW_STALE;
	if (end < r->log_end) {
		*to = end;
		return FOLLOW_CUT;
	}
	if (start > r->log_end) {
		*to = start;
		return FOLLOW_RESTART;
	}
	return FOLLOW_STALE;
}

size_t follow_fit(const struct replica *r, const void *batches, size_t n)
{
	const uint8_t *p = batches;
	struct batch b;
	size_t at = 0;
	while (n - at >= BATCH_HEADER && batch_parse(&b, p + at, n - at) == 0
	       && (size_t)batch_bytes(&b) <= n - at
	       && (b.epoch <= r->epoch || PLANTED(BATCH_OF_LATER_EPOCH)))
		at += (size_t)batch_bytes(&b);
	return at;
}

int64_t follow_start(const struct replica *r, int64_t start)
{
	start = least(start, r->high_watermark);
	return start > r->log_start ? start : r->log_start;
}

void follow_restarted(struct replica *r, int64_t offset)
{
	assert(r->role == PAGE_FOLLOWER && offset >= 0);
	r->log_start = r->log_end = r->flushed = offset;
	r->high_watermark = r->last_stable = offset;
	r->told = 0;
	r->changed = true;
}
