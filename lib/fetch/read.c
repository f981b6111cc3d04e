#include "fetch/read.h"

#include <errno.h>
#include <unistd.h>

#include "log/batch.h"
#include "wire/codes.h"

static void fail(struct fetch_found *f, int error)
{
	*f = (struct fetch_found){
		.error = error, .high_watermark = -1, .last_stable = -1, .log_start = -1, .diverging_epoch = -1,
		.diverging_end = -1, .range.fd = -1,
	};
}

int fetch_check(const struct page_slot *s, int32_t current_leader_epoch, bool leader_only)
{
	if (s->role == PAGE_OFFLINE)
		return WIRE_KAFKA_STORAGE_ERROR;
	if (current_leader_epoch >= 0 && current_leader_epoch < s->epoch)
		return WIRE_FENCED_LEADER_EPOCH;
	if (current_leader_epoch > s->epoch)
		return WIRE_UNKNOWN_LEADER_EPOCH;
	return s->role == PAGE_LEADER || !leader_only ? WIRE_NONE : WIRE_NOT_LEADER_OR_FOLLOWER;
}

/* What an error of a reader means to a consumer. */
static int reader_error(int e)
{
	switch (e) {
	case EBADMSG: return WIRE_CORRUPT_MESSAGE;
	case ERANGE: return WIRE_OFFSET_OUT_OF_RANGE;
	case ENOENT:
		return WIRE_NOT_LEADER_OR_FOLLOWER; /* deleted, or not made yet: look for the leader
		                                       again */
	default: return WIRE_KAFKA_STORAGE_ERROR;
	}
}

/* KIP-320, KIP-595: does what the consumer has read last still stand? */
static int check_diverging(struct log_reader *r, const struct page_slot *s,
                           const struct fetch_ask *a, struct fetch_found *f)
{
	int32_t epoch;
	int64_t end;
	if (log_reader_epoch_end(r, a->last_fetched_epoch, s->log_end, &epoch, &end))
		return WIRE_KAFKA_STORAGE_ERROR;
	if (end < 0 || epoch < 0 || a->offset < s->log_start)
		return WIRE_OFFSET_OUT_OF_RANGE;
	if (epoch < a->last_fetched_epoch || end < a->offset) {
		f->diverging_epoch = epoch;
		f->diverging_end = end;
	}
	return WIRE_NONE;
}

void fetch_read(struct log_reader *r, const struct page_slot *s, const struct fetch_ask *a,
                int64_t max_bytes, bool min_one, struct fetch_found *f)
{
	int error = fetch_check(s, a->current_leader_epoch, a->leader_only);
	fail(f, error);
	if (!error && a->last_fetched_epoch >= 0)
		error = check_diverging(r, s, a, f);
	/* A follower that is behind cannot know what is out of range: the consumer is to ask the
	 * leader, which it may have taken us for. */
	if (!error && f->diverging_epoch < 0 && (a->offset < s->log_start || a->offset > s->log_end))
		error = a->offset > s->log_end && s->role != PAGE_LEADER ? WIRE_NOT_LEADER_OR_FOLLOWER
		        : WIRE_OFFSET_OUT_OF_RANGE;
	if (error) {
		fail(f, error);
		return;
	}
	f->high_watermark = s->high_watermark;
	f->last_stable = s->last_stable;
	f->log_start = s->log_start;
	f->end = a->committed ? s->last_stable : s->high_watermark;
	if (f->diverging_epoch >= 0 || a->offset >= f->end)
		return;
	if (max_bytes > a->max_bytes)
		max_bytes = a->max_bytes;
	if (max_bytes <= 0 && !min_one)
		return;
	if (log_reader_find(r, a->offset, f->end, max_bytes < 0 ? 0 : max_bytes, min_one, &f->range))
		fail(f, reader_error(errno));
}

bool fetch_more_files(struct log_reader *r, const struct fetch_found *f)
{
	struct log_range last;
	if (!f->range.bytes || log_reader_find(r, f->end - 1, f->end, 0, false, &last) || last.fd < 0)
		return false;
	return last.base != f->range.base;
}

static bool header_at(const struct log_range *r, int64_t position, struct batch *b)
{
	char head[BATCH_HEADER];
	return pread(r->fd, head, sizeof head, position) == sizeof head &&
	       !batch_parse(b, head, sizeof head);
}

int64_t fetch_range_end(const struct fetch_found *f)
{
	struct batch next;
	if (header_at(&f->range, f->range.position + f->range.bytes, &next) && next.base_offset < f->end)
		return next.base_offset;
	return f->end;
}
