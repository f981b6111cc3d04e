/* Records into the log and the image, commits, snapshots. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <skalibs/strerr.h>

#include "elect.h"
#include "meta/record.h"

enum { BATCH_BYTES = 1 << 20, BATCH_RECORDS = 10000, TRANSACTIONS = 13 };

/* One record value, u32 length first, of a message without fields of its own. */
static void put_bound(struct buf *b, int type, const char *name)
{
	struct begin_transaction_record r; /* has the room of the others */
	size_t at = b->n;

	wire_init(meta_record_wire(type), &r);
	if (type == META_BEGIN_TRANSACTION)
		r.name = span_of(name);
	if (buf_add32(b, 0) < 0 || meta_record_encode(b, type, 0, &r) < 0)
		strerr_diefu1sys(111, "make a record");
	put32(b->p + at, (uint32_t)(b->n - at - 4));
}

/* After a failed sync nobody knows what the disk holds: a restart at once would believe pages that
 * only look clean. */
static void sync_store(struct elect *e)
{
	if (store_sync(&e->store) < 0)
		strerr_diefu1sys(102, e->store.why);
}

/* One by one, so that damage can be told from what a power loss tore. -1: there is no room on the
 * disk, and nothing happened. */
static int append_batch(struct elect *e, bool control, const struct buf *values)
{
	if (!store_is_synced(&e->store))
		sync_store(e);
	if (store_append(&e->store, e->quorum.epoch, control, values, wall_ms()) < 0) {
		if (store_is_full())
			return -1;
		die_store(e);
	}
	e->snapshot_bytes += (int64_t)e->store.batch.n;
	if (meta_load(&e->load, e->store.batch.p, e->store.batch.n, 0, NULL) < 0)
		strerr_diefu1sys(111, "apply a record to the image");
	return 0;
}

/* What there is of a transaction goes again. */
static void take_back(struct elect *e, int64_t end, int32_t epoch, int64_t timestamp)
{
	if (log_truncate(e->store.log, end) < 0) {
		store_failed(&e->store);
		die_store(e);
	}
	e->load.in_transaction = false;
	e->load.held.n = 0;
	e->load.end = end;
	e->load.epoch = epoch;
	e->load.timestamp = timestamp;
}

/* More than a batch may hold goes in several, bounded by a transaction: all of it counts, or
 * nothing. */
static int append_in_transaction(struct elect *e, const struct buf *values)
{
	struct buf part = { 0 };
	struct meta_load before = e->load;
	int n = 1, r = 0, error;

	put_bound(&part, META_BEGIN_TRANSACTION, "large change");
	for (size_t at = 0; r == 0 && at < values->n;) {
		size_t size = 4 + get32(values->p + at);

		if (n == BATCH_RECORDS || part.n + size > BATCH_BYTES) {
			r = append_batch(e, false, &part);
			part.n = 0;
			n = 0;
		}
		if (buf_add(&part, values->p + at, size) < 0)
			strerr_diefu1sys(111, "gather records");
		at += size;
		n++;
	}
	put_bound(&part, META_END_TRANSACTION, NULL);
	if (r == 0)
		r = append_batch(e, false, &part);
	error = errno;
	if (r < 0 && e->load.end > before.end)
		take_back(e, before.end, before.epoch, before.timestamp);
	buf_free(&part);
	errno = error;
	return r;
}

int elect_append_control(struct elect *e, const struct buf *values)
{
	return append_batch(e, true, values);
}

int elect_append(struct elect *e, const struct buf *values, int n)
{
	if (n == 0)
		return 0;
	if ((n > BATCH_RECORDS || values->n > BATCH_BYTES)
	    && meta_feature_level(&e->image, "metadata.version") >= TRANSACTIONS)
		return append_in_transaction(e, values);
	return append_batch(e, false, values);
}

void elect_commit(struct elect *e)
{
	struct quorum_event ev = { .type = QUORUM_APPENDED,
				   .end = log_end(e->store.log),
				   .log_epoch = e->quorum.epoch,
				   .high_watermark = -1,
				   .now_ms = port_now_ms() };

	if (!leads(e) || (ev.end == e->quorum.log_end && store_is_synced(&e->store)))
		return;
	elect_quorum(e, &ev, NULL);
	sync_store(e);
	ev.type = QUORUM_FLUSHED;
	elect_quorum(e, &ev, NULL);
}

/* The image is of all that was appended. While some of that is not committed yet, which may be so
 * for as long as there is much to write, what is committed is read once more from the disk. */
static int write_snapshot(struct elect *e, int64_t end, bool busy)
{
	struct elect *from = e;
	struct snapshot_id id = { end, e->load.epoch };
	int r;

	if (busy) {
		from = malloc(sizeof *from);
		if (!from)
			strerr_diefu1sys(111, "make a snapshot");
		elect_load_copy(e, end, from);
		id.epoch = from->load.epoch;
	}
	r = from->load.in_transaction
		    ? 0
		    : store_snapshot_write(&e->store, id, &from->image, from->load.timestamp,
					   wall_ms(), &from->voters);
	if (r == 0 && !from->load.in_transaction)
		e->snapshot_end = end;
	if (busy) {
		meta_load_free(&from->load);
		meta_image_free(&from->image);
		buf_free(&from->voters);
		free(from);
	}
	return r;
}

void elect_snapshot(struct elect *e, int64_t now_ms)
{
	int64_t end = e->quorum.high_watermark, was = e->snapshot_end,
		every_ms = setting(e, "metadata.log.max.snapshot.interval.ms");
	bool busy = e->load.in_transaction || end != log_end(e->store.log);
	int patience = busy ? 2 : 1;

	if (end <= was || now_ms < e->snapshot_retry_ms)
		return;
	if (e->snapshot_bytes / patience
		    < setting(e, "metadata.log.max.record.bytes.between.snapshots")
	    && (every_ms == 0 || (now_ms - e->snapshot_ms) / patience < every_ms))
		return;
	e->snapshot_retry_ms = now_ms + ROOM_MS;
	if (write_snapshot(e, end, busy) < 0
	    || store_trim(&e->store, setting(e, "metadata.max.retention.bytes"),
			  setting(e, "metadata.max.retention.ms"), wall_ms())
		       < 0) {
		if (!store_is_full())
			die_store(e);
		say_full(e);
		return;
	}
	if (e->snapshot_end == was)
		return;
	e->snapshot_ms = now_ms;
	e->snapshot_bytes = 0;
}
