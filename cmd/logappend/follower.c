/* Following: what leaders answered to replicate becomes part of the log, as lib/replica/follow.h
 * says. Each partition by itself: what is wrong with one holds up no other. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "daemon.h"
#include "replica/follow.h"
#include "wire/api.h"
#include "wire/codes.h"

typedef struct fetch_response_partition_data answer;

enum { DECODED_MOST = 16 << 20, ASKED = 12 };

/* A log was cut: before anything is appended to one, the recovery points must say so. */
static bool owed;

static void settle_recovery_points(void)
{
	if (owed)
		owed = checkpoints_cut() < 0;
}

/* --- the log ---------------------------------------------------------------------------------- */

static int failed(struct partition *p)
{
	int e = errno;
	if (e == EBADMSG || e == EINVAL) {
		say(p->name, ": what the leader sent is damaged: ", strerror(e));
		return WIRE_CORRUPT_MESSAGE;
	}
	if (is_shortage(e)) {
		if (!p->full)
			say(p->name, ": ", strerror(e));
		p->full = true;
	} else if (e != ENOMEM) {
		partition_offline(p, *log_error(p->log) ? log_error(p->log) : strerror(e));
	}
	return WIRE_KAFKA_STORAGE_ERROR;
}

/* Published at once: no reader may take the old end for one of the log that it is now. A sync that
 * is under way says nothing of what comes behind the cut. */
static int is_cut(struct partition *p, int r)
{
	owed = true;
	if (r < 0) {
		partition_offline(p, *log_error(p->log) ? log_error(p->log) : strerror(errno));
		return WIRE_KAFKA_STORAGE_ERROR;
	}
	if (p->step.flushed < p->step.log_end)
		flush_dirty(p);
	partition_touch(p);
	partitions_publish();
	return 0;
}

static int cut(struct partition *p, int64_t to)
{
	flush_forget(p);
	int r = log_truncate(p->log, to);
	if (r == 0)
		replica_cut(&p->step, log_end(p->log));
	return is_cut(p, r);
}

static int restart(struct partition *p, int64_t at)
{
	flush_forget(p);
	int r = log_restart_at(p->log, at);
	if (r == 0) {
		follow_restarted(&p->step, at);
		node.log_starts_changed = true;
	}
	return is_cut(p, r);
}

static int move_start(struct partition *p)
{
	int64_t start = follow_start(&p->step, p->leader_start);
	if (start == p->step.log_start)
		return 0;
	if (log_set_start(p->log, start) < 0)
		return failed(p);
	replica_log_start(&p->step, start);
	node.log_starts_changed = true;
	return 0;
}

void follower_flushed(struct partition *p)
{
	if (p->step.role == PAGE_FOLLOWER && p->leader_start > p->step.log_start)
		move_start(p);
}

static int append(struct partition *p, const answer *d)
{
	size_t n = d->records.n > 0 ? follow_fit(&p->step, d->records.p, (size_t)d->records.n) : 0;
	if (!n && d->records.n > 0)
		return WIRE_UNKNOWN_LEADER_EPOCH;    /* the metadata will say which */
	if (n && owed)
		return WIRE_KAFKA_STORAGE_ERROR;
	if (n) {
		int r = log_copy(p->log, d->records.p, n, wall_ms()), e = errno;
		if (log_end(p->log) != p->step.log_end)
			partition_written(p);
		errno = e;
		if (r < 0)
			return failed(p);
		p->full = false;
	}
	replica_told(&p->step, d->high_watermark);
	p->leader_start = d->log_start_offset;
	partition_touch(p);
	return move_start(p);
}

/* --- one partition of an answer --------------------------------------------------------------- */

static int take(struct partition *p, const answer *d, struct follow_answer *a)
{
	struct batch b;
	int32_t epoch;
	int64_t end, to;
	int error;
	if (d->records.n > 0) {
		if (batch_parse(&b, d->records.p, (size_t)d->records.n) < 0
		    || batch_bytes(&b) > d->records.n)
			return WIRE_CORRUPT_MESSAGE;
		a->first_offset = b.base_offset;
		a->first_last_offset = batch_last_offset(&b);
	}
	switch (follow_judge(&p->step, a, &to)) {
	case FOLLOW_STALE:
		return WIRE_NOT_LEADER_OR_FOLLOWER;
	case FOLLOW_CUT:
		log_epoch_end(p->log, a->diverging_epoch, &epoch, &end);
		return cut(p, follow_cut_to(&p->step, a, epoch, end));
	case FOLLOW_RESTART:
		error = restart(p, to);
		settle_recovery_points();
		return error ? error : append(p, d);
	case FOLLOW_APPEND:
		return append(p, d);
	}
	return WIRE_UNKNOWN_SERVER_ERROR;
}

static int one(const struct uuid *topic_id, const answer *d, const uint8_t *asked)
{
	struct partition *p = partition_get(topic_id, d->partition_index);
	struct follow_answer a = {
		.asked_epoch = (int32_t)get32(asked), .asked_offset = (int64_t)get64(asked + 4),
		.diverging_epoch = d->diverging_epoch.epoch,
		.diverging_end = d->diverging_epoch.end_offset, .first_offset = -1,
	};
	if (!p)
		return WIRE_UNKNOWN_TOPIC_OR_PARTITION;
	if (!p->log)
		return WIRE_KAFKA_STORAGE_ERROR;
	return d->error_code ? d->error_code : take(p, d, &a);
}

/* --- messages of replicate -------------------------------------------------------------------- */

static void say_done(struct port_from from, const struct buf *errors)
{
	struct port_message m = {.type = PORT_RCOPY, .tag = from.tag, .fd = -1, .list = errors->p,
	                         .list_n = (uint16_t)(errors->n / 2)};
	if (port_tell(node.loop, from, &m) < 0)
		abort();    /* it would wait for ever */
}

static void add(struct buf *errors, int error)
{
	if (buf_add16(errors, (uint16_t)error) < 0)
		abort();
}

/* What the answer does not cover is as if it were damaged. */
static void take_all(const struct port_message *m, const struct fetch_response *r,
                     struct buf *errors)
{
	int n = 0;
	for (int32_t t = 0; t < r->responses_n; t++)
		for (int32_t i = 0; i < r->responses[t].partitions_n && n < m->list_n; i++)
			add(errors, one(&r->responses[t].topic_id, &r->responses[t].partitions[i],
			                m->list + ASKED * n++));
	while (n++ < m->list_n)
		add(errors, WIRE_CORRUPT_MESSAGE);
}

static void copied(struct port_from from, const struct port_message *m)
{
	static struct arena mem = {.limit = DECODED_MOST};
	static struct buf errors;
	struct fetch_response r;
	arena_reset(&mem);
	errors.n = 0;
	settle_recovery_points();
	if (wire_decode(&wire_fetch_response, m->version, m->body.p, (size_t)m->body.n, &mem, &r) < 0)
		r.responses_n = 0;
	take_all(m, &r, &errors);
	settle_recovery_points();
	say_done(from, &errors);
}

static int at_bounds(struct partition *p, const struct port_message *m)
{
	struct follow_answer a = {
		.asked_epoch = m->epoch, .asked_offset = (int64_t)m->offset, .diverging_epoch = -1,
		.first_offset = -1,
	};
	int64_t to;
	if (!p)
		return WIRE_UNKNOWN_TOPIC_OR_PARTITION;
	if (!p->log)
		return WIRE_KAFKA_STORAGE_ERROR;
	switch (follow_out_of_range(&p->step, &a, m->start, m->end, &to)) {
	case FOLLOW_CUT: return cut(p, to);
	case FOLLOW_RESTART: return restart(p, to);
	default: return 0;
	}
}

static struct partition *at_slot(uint32_t slot)
{
	struct page_slot s;
	struct page_entry e;
	return page_read(&node.page, slot, &s, &e) ? partition_get(&e.topic_id, e.partition) : NULL;
}

static void bounded(struct port_from from, const struct port_message *m)
{
	static struct buf errors;
	errors.n = 0;
	settle_recovery_points();
	add(&errors, at_bounds(at_slot(m->slot), m));
	settle_recovery_points();
	say_done(from, &errors);
}

void follower_message(struct port_from from, const struct port_message *m)
{
	if (m->type == PORT_TCOPY)
		copied(from, m);
	else if (m->type == PORT_TBOUNDS)
		bounded(from, m);
}
