/* One partition of a replica's Fetch (Partition.fetchRecords): may it fetch here, is its log a
 * beginning of this one, and what comes next. */
#include <errno.h>

#include "feed.h"
#include "wire/codes.h"

static int open_reader(struct partition *p)
{
	if (!p->reader) {
		if (!(p->reader = log_reader_new(node.dirfd, p->name)))
			return -1;
		log_reader_trust(p->reader, p->opened_end);
	}
	if (p->reader_known && p->reader_layout == p->layout)
		return 0;
	if (log_reader_layout(p->reader, p->layout) < 0)
		return -1;
	p->reader_known = true;
	p->reader_layout = p->layout;
	return 0;
}

static bool is_replica(const struct partition *p, int32_t id)
{
	for (int i = 0; i < p->step.members_n; i++)
		if (p->step.members[i].id == id)
			return true;
	return false;
}

static int not_here(const struct feed *e)
{
	const struct fetch_set *set = e->set;
	const struct meta_topic *t = set->by_id
		? meta_topic_with_id(node.image, &e->part->topic_id)
		: meta_topic_named(node.image, e->part->topic);
	if (!t)
		return set->by_id ? WIRE_UNKNOWN_TOPIC_ID : WIRE_UNKNOWN_TOPIC_OR_PARTITION;
	return meta_partition(t, e->part->partition) ? WIRE_NOT_LEADER_OR_FOLLOWER
	                                             : WIRE_UNKNOWN_TOPIC_OR_PARTITION;
}

/* A replica that a reassignment has added is not known before its record is applied here: it asks
 * again (Partition.followerReplicaOrThrow). */
static int may_fetch(const struct fetch *f, const struct feed *e)
{
	struct page_slot s;
	int32_t epoch = e->part->current_leader_epoch;
	if (!e->p)
		return not_here(e);
	replica_slot(&e->p->step, &s);
	int error = fetch_check(&s, epoch, true);
	if (!error && !is_replica(e->p, f->replica))
		error = epoch >= 0 ? WIRE_UNKNOWN_LEADER_EPOCH : WIRE_NOT_LEADER_OR_FOLLOWER;
	if (!error && replica_is_late(&e->p->step, f->replica, f->broker_epoch))
		error = WIRE_NOT_LEADER_OR_FOLLOWER;
	return error;
}

/* The replica has heard of a new leader, of itself as a replica, before this node has, or before
 * the epoch is on disk: it would only come again (Kafka says so to it and it waits a second). */
static bool is_early(const struct feed *e, int error)
{
	int32_t epoch = e->part->current_leader_epoch;
	return error == WIRE_UNKNOWN_LEADER_EPOCH
	       || (error && e->p && e->p->leading >= 0 && epoch >= e->p->leading);
}

/* Where the replica's last epoch ends here tells whether its log stands (KIP-101, KIP-595). */
static int compare(struct feed *e, struct found *to)
{
	int32_t epoch, asked = e->part->last_fetched_epoch;
	int64_t end, offset = e->part->offset;
	const struct replica *r = &e->p->step;
	if (asked >= 0 && e->p->unmade)
		partition_make(e->p);
	if (asked >= 0 && !e->p->log)
		return WIRE_KAFKA_STORAGE_ERROR;
	if (asked >= 0) {
		log_epoch_end(e->p->log, asked, &epoch, &end);
		if (end < 0 || epoch < 0 || offset < r->log_start)
			return WIRE_OFFSET_OUT_OF_RANGE;
		if (epoch < asked || end < offset) {
			to->diverging_epoch = epoch;
			to->diverging_end = end;
			return 0;
		}
	}
	return offset < r->log_start || offset > r->log_end ? WIRE_OFFSET_OUT_OF_RANGE : 0;
}

void feed_check(const struct fetch *f, struct feed *e, struct found *to)
{
	*to = (struct found){.feed = e, .diverging_epoch = -1, .diverging_end = -1, .range.fd = -1};
	feed_bind(e);
	to->error = may_fetch(f, e);
	to->early = is_early(e, to->error);
	if (!to->error)
		to->error = compare(e, to);
}

void feed_read(const struct fetch *f, struct feed *e, int64_t bytes, bool min_one, struct found *to)
{
	struct page_slot s;
	struct fetch_found got;
	struct partition *p = e->p;
	struct fetch_ask want = {
		.offset = e->part->offset, .current_leader_epoch = -1, .last_fetched_epoch = -1,
		.max_bytes = e->part->max_bytes, .leader_only = true,
	};
	if (e->part->offset >= p->step.log_end)
		return;
	to->more = (bytes <= 0 && !min_one) || throttle_stops(f, p);
	if (to->more)
		return;
	if (open_reader(p) < 0) {
		to->error = WIRE_KAFKA_STORAGE_ERROR;
		return;
	}
	/* A replica reads what is not committed yet: to the log end. */
	replica_slot(&p->step, &s);
	s.high_watermark = s.last_stable = s.log_end;
	fetch_read(p->reader, &s, &want, bytes, min_one, &got);
	to->error = got.error;
	if (!got.error)
		to->range = got.range;
}

void feed_progress(const struct fetch *f, struct feed *e, int64_t now_ms)
{
	struct found at;
	feed_check(f, e, &at);
	e->early = at.early;
	if (at.error || at.diverging_epoch >= 0)
		return;
	replica_progress(&e->p->step, f->replica, e->part->offset, e->part->replica_start,
	                 f->broker_epoch, now_ms);
	partition_touch(e->p);
}
