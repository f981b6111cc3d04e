/* A follower, or an observer that has no vote: Fetch and FetchSnapshot from the leader, the log cut
 * where it differs, the image kept in step (KafkaRaftClient.handleFetchResponse,
 * handleFetchSnapshotResponse).
 *
 * One request at a time: its offset says what is on disk here.
 */
#include "pull.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <skalibs/strerr.h>

#include "elect.h"
#include "others.h"
#include "voters.h"
#include "wire/codes.h"

enum {
	FETCH = 1, FETCH_VERSION = 17, SNAPSHOT = 59, SNAPSHOT_VERSION = 1,
	WAIT_MS = 500, RETRY_MS = 20, REFUSED_MS = 1000,
	BYTES_MOST = 8 << 20, DECODE_MOST = 1 << 20, SNAPSHOT_MOST = 1 << 30,
};

struct pulled {
	struct elect *e;
	uint64_t number;
	int32_t from; /* whom; -1: somebody who may know the leader */
};

void pull_init(struct elect *e)
{
	e->pull.snapshot.offset = -1;
	e->pull.first = true;
	e->learned_id = e->lost_leader = -1;
}

void pull_again(struct elect *e)
{
	struct pull *p = &e->pull;

	p->number++;
	p->asking = p->lost = false;
	p->first = true;
	p->retry_ms = 0;
	p->snapshot.offset = -1;
	buf_free(&p->bytes);
}

static void later(struct elect *e, int64_t ms)
{
	e->pull.retry_ms = port_now_ms() + ms;
}

/* --- what came --- */

static void tell_end(struct elect *e, int64_t high_watermark)
{
	struct quorum_event ev = { .type = QUORUM_APPENDED,
				   .now_ms = port_now_ms(),
				   .end = log_end(e->store.log),
				   .log_epoch = e->load.epoch < 0 ? 0 : e->load.epoch,
				   .high_watermark = high_watermark };

	elect_quorum(e, &ev, NULL);
	voters_look(e);
}

/* How many of the n bytes are whole batches that go on where the log ends; -1: they do not. */
static int64_t check(const struct elect *e, const char *p, size_t n)
{
	int64_t next = log_end(e->store.log);
	int32_t epoch = e->load.epoch;
	size_t at = 0;
	struct batch b;

	while (n - at >= BATCH_HEADER) {
		if (batch_parse(&b, p + at, n - at) < 0)
			return -1;
		if ((uint64_t)batch_bytes(&b) > n - at)
			break;
		if (b.base_offset != next || b.epoch < epoch || b.epoch > e->quorum.epoch)
			return -1;
		next = batch_last_offset(&b) + 1;
		epoch = b.epoch;
		at += (size_t)batch_bytes(&b);
	}
	return (int64_t)at;
}

/* Some of it may be in, when the log has just begun a new segment. */
static void not_copied(struct elect *e, int64_t from)
{
	if (store_is_full())
		say_full(e);
	else if (errno == EBADMSG)
		strerr_warnw("a batch that the leader sent is damaged");
	else
		die_store(e);
	later(e, ROOM_MS);
	if (log_end(e->store.log) == from)
		return;
	if (store_sync(&e->store) < 0)
		strerr_diefu1sys(102, e->store.why);
	elect_reload(e);
	tell_end(e, -1);
}

/* On disk before anybody hears of it. */
static void append(struct elect *e, struct span records, int64_t high_watermark)
{
	int64_t from = log_end(e->store.log), n = check(e, records.p, (size_t)records.n);

	if (n < 0) {
		strerr_warnw("what the leader sent does not fit on the log");
		later(e, REFUSED_MS);
		return;
	}
	if (n > 0 && store_copy(&e->store, records.p, (size_t)n, wall_ms()) < 0) {
		not_copied(e, from);
		return;
	}
	if (n > 0) {
		e->full = false;
		if (store_sync(&e->store) < 0)
			strerr_diefu1sys(102, e->store.why);
		if (meta_load(&e->load, records.p, (size_t)n, from, NULL) < 0)
			strerr_diefu1sys(111, "apply a record to the image");
		e->snapshot_bytes += n;
		elect_check_level(e);
	}
	tell_end(e, high_watermark);
}

/* LeaderEpoch and its end of the leader, as far as the two logs can be the same
 * (RaftLog.truncateToEndOffset). */
static void cut(struct elect *e, int32_t epoch, int64_t end)
{
	int64_t own_end, to = end, was = log_end(e->store.log);
	int32_t own;

	log_epoch_end(e->store.log, epoch, &own, &own_end);
	if (own != epoch && epoch > 0)
		to = own < 0 ? 0 : own_end;
	else if (own == epoch && own_end < to)
		to = own_end;
	if (to < log_start(e->store.log))
		to = log_start(e->store.log);
	if (to < e->quorum.high_watermark)
		strerr_dief(111, "the leader's log differs from log/__cluster_metadata-0 in what "
				 "was committed");
	if (to >= was) {
		later(e, REFUSED_MS);
		return;
	}
	if (store_truncate(&e->store, to) < 0)
		die_store(e);
	elect_reload(e);
	tell_end(e, -1);
}

/* --- snapshots --- */

/* It is on disk, and read back, before the log ends there. */
static void take_snapshot(struct elect *e)
{
	struct pull *p = &e->pull;
	struct snapshot_id id = p->snapshot;

	p->snapshot.offset = -1;
	if (!elect_snapshot_good(id, &p->bytes)) {
		strerr_warnw("a snapshot that the leader sent is damaged");
		later(e, REFUSED_MS);
	} else if (id.offset <= e->quorum.high_watermark) {
		later(e, REFUSED_MS);
	} else if (store_snapshot_put(&e->store, id, &p->bytes) < 0) {
		if (!store_is_full())
			die_store(e);
		say_full(e);
		later(e, ROOM_MS);
	} else {
		elect_reload(e);
		tell_end(e, id.offset);
	}
	buf_free(&p->bytes);
}

static void snapshot_part(struct elect *e, int32_t from,
			  const struct fetch_snapshot_response_partition_snapshot *s)
{
	struct pull *p = &e->pull;
	struct quorum_event ev = { .type = QUORUM_FETCHED,
				   .now_ms = port_now_ms(),
				   .from.id = from,
				   .epoch = s->current_leader.leader_epoch,
				   .leader = s->current_leader.leader_id,
				   .error = s->error_code };
	struct quorum_todo todo;
	uint64_t number = p->number;

	elect_quorum(e, &ev, &todo);
	if (number != p->number)
		return;
	if (!todo.accept || s->position != (int64_t)p->bytes.n
	    || s->snapshot_id.end_offset != p->snapshot.offset
	    || s->snapshot_id.epoch != p->snapshot.epoch || s->unaligned_records.n <= 0
	    || s->size > SNAPSHOT_MOST
	    || buf_add(&p->bytes, s->unaligned_records.p, (size_t)s->unaligned_records.n) < 0) {
		p->snapshot.offset = -1;
		buf_free(&p->bytes);
		later(e, RETRY_MS);
		return;
	}
	if ((int64_t)p->bytes.n >= s->size)
		take_snapshot(e);
}

/* --- answers --- */

/* The connection is closed: the node is gone, or the way to it. dial alone being away says
 * nothing. */
static void lost(struct elect *e, int32_t from, const struct port_reply *reply)
{
	struct quorum_event ev = { .type = QUORUM_LOST, .now_ms = port_now_ms(), .from.id = from };

	e->pull.lost = !e->pull.lost;
	e->pull.first = true;
	e->pull.snapshot.offset = -1;
	buf_free(&e->pull.bytes);
	if (from == e->learned_id)
		e->learned_id = -1;
	later(e, RETRY_MS);
	if (reply && !reply->failed && from >= 0)
		e->lost_leader = from;
	if (!reply || !reply->failed)
		elect_quorum(e, &ev, NULL);
}

static void records(struct elect *e, const struct fetch_response_partition_data *d)
{
	if (d->diverging_epoch.epoch >= 0) {
		cut(e, d->diverging_epoch.epoch, d->diverging_epoch.end_offset);
	} else if (d->snapshot_id.end_offset >= 0) {
		e->pull.snapshot = (struct snapshot_id){ d->snapshot_id.end_offset,
							 d->snapshot_id.epoch };
		buf_free(&e->pull.bytes);
	} else {
		e->pull.told = d->high_watermark;
		e->pull.told_epoch = e->quorum.epoch;
		append(e, d->records, d->high_watermark);
	}
}

static void fetched(struct elect *e, int32_t from, const struct fetch_response *r)
{
	const struct fetch_response_partition_data *d = r->responses[0].partitions;
	struct quorum_event ev = { .type = QUORUM_FETCHED,
				   .now_ms = port_now_ms(),
				   .from.id = from,
				   .epoch = d->current_leader.leader_epoch,
				   .leader = d->current_leader.leader_id,
				   .error = d->error_code };
	struct quorum_todo todo;
	uint64_t number = e->pull.number;
	bool resigned = from >= 0 && from == e->quorum.leader && ev.epoch == e->quorum.epoch
			&& d->error_code == WIRE_NOT_LEADER_OR_FOLLOWER;

	if (ev.epoch < 0 && !d->error_code) {
		ev.epoch = e->quorum.epoch;
		ev.leader = from;
	}
	for (int32_t i = 0; i < r->node_endpoints_n; i++)
		if (r->node_endpoints[i].node_id == ev.leader && ev.epoch >= e->quorum.epoch)
			voters_learn(e, ev.leader, r->node_endpoints[i].host,
				     r->node_endpoints[i].port);
	elect_quorum(e, &ev, &todo);
	if (number != e->pull.number)
		return;
	if (resigned) {
		lost(e, from, NULL);
	} else if (todo.accept) {
		e->lost_leader = -1;
		records(e, d);
		if (e->pull.asked_ms >= e->woke_ms && d->high_watermark >= 0
		    && e->quorum.high_watermark >= d->high_watermark)
			e->hold_ms = 0;
	} else {
		later(e, RETRY_MS);
	}
}

/* Is this the answer to what is asked now? Forgets the question. */
static bool is_current(struct pulled *a)
{
	bool current = a->number == a->e->pull.number;

	if (current)
		a->e->pull.asking = false;
	return current;
}

static void on_fetch(void *arg, const struct port_reply *reply)
{
	struct pulled *a = arg;
	struct elect *e = a->e;
	struct arena mem = { .limit = DECODE_MOST };
	struct fetch_response r;

	if (is_current(a)) {
		if (others_answer(reply, FETCH, FETCH_VERSION, &mem, &r) < 0) {
			lost(e, a->from, reply);
		} else if (r.error_code || r.responses_n != 1 || r.responses[0].partitions_n != 1) {
			strerr_warnw("a fetch of the metadata log was refused: ",
				     wire_error_name(r.error_code));
			later(e, REFUSED_MS);
			e->pull.lost = true;
		} else {
			e->pull.first = e->pull.lost = false;
			fetched(e, a->from, &r);
		}
	}
	arena_free(&mem);
	free(a);
}

static void on_snapshot(void *arg, const struct port_reply *reply)
{
	struct pulled *a = arg;
	struct elect *e = a->e;
	struct arena mem = { .limit = DECODE_MOST };
	struct fetch_snapshot_response r;

	if (is_current(a)) {
		if (others_answer(reply, SNAPSHOT, SNAPSHOT_VERSION, &mem, &r) < 0)
			lost(e, a->from, reply);
		else if (r.error_code || r.topics_n != 1 || r.topics[0].partitions_n != 1)
			lost(e, a->from, reply);
		else
			snapshot_part(e, a->from, r.topics[0].partitions);
	}
	arena_free(&mem);
	free(a);
}

/* --- requests --- */

static int ask_log(struct elect *e, const char *address, struct pulled *a)
{
	struct fetch_request q;
	struct fetch_request_fetch_topic t;
	struct fetch_request_fetch_partition p;

	wire_init(&wire_fetch_request, &q);
	wire_init(&wire_fetch_request_fetch_topic, &t);
	wire_init(&wire_fetch_request_fetch_partition, &p);
	q.cluster_id = span_of(e->settings.node.cluster_id);
	q.replica_state.replica_id = e->quorum.self.id;
	q.max_wait_ms = e->pull.first ? 0 : WAIT_MS;
	q.max_bytes = BYTES_MOST;
	q.topics = &t;
	q.topics_n = 1;
	t.topic_id = uuid_metadata;
	t.partitions = &p;
	t.partitions_n = 1;
	p.current_leader_epoch = e->quorum.epoch;
	p.fetch_offset = log_end(e->store.log);
	p.last_fetched_epoch = e->load.epoch < 0 ? 0 : e->load.epoch;
	p.partition_max_bytes = BYTES_MOST;
	p.replica_directory_id = e->quorum.self.directory;
	return others_ask(e, address, FETCH, FETCH_VERSION, &wire_fetch_request, &q,
			  e->quorum.timeouts.fetch_ms, on_fetch, a);
}

static int ask_snapshot(struct elect *e, const char *address, struct pulled *a)
{
	struct fetch_snapshot_request q;
	struct fetch_snapshot_request_topic_snapshot t;
	struct fetch_snapshot_request_partition_snapshot p;

	wire_init(&wire_fetch_snapshot_request, &q);
	wire_init(&wire_fetch_snapshot_request_topic_snapshot, &t);
	wire_init(&wire_fetch_snapshot_request_partition_snapshot, &p);
	q.cluster_id = span_of(e->settings.node.cluster_id);
	q.replica_id = e->quorum.self.id;
	q.max_bytes = BYTES_MOST;
	q.topics = &t;
	q.topics_n = 1;
	t.name = span_of("__cluster_metadata");
	t.partitions = &p;
	t.partitions_n = 1;
	p.current_leader_epoch = e->quorum.epoch;
	p.snapshot_id.end_offset = e->pull.snapshot.offset;
	p.snapshot_id.epoch = e->pull.snapshot.epoch;
	p.position = (int64_t)e->pull.bytes.n;
	p.replica_directory_id = e->quorum.self.directory;
	return others_ask(e, address, SNAPSHOT, SNAPSHOT_VERSION, &wire_fetch_snapshot_request, &q,
			  e->quorum.timeouts.fetch_ms, on_snapshot, a);
}

/* Whom to ask: the leader; who has none, or cannot reach it, asks around. */
static bool target(struct elect *e, int32_t *id, char address[VOTER_ADDRESS])
{
	*id = e->quorum.leader;
	if (e->quorum.role == QUORUM_FOLLOWER && !e->pull.lost
	    && voters_address(e, *id, address))
		return true;
	*id = -1;
	if (voters_any(e, e->pull.any++, address))
		return true;
	e->pull.any = 0;
	return voters_any(e, e->pull.any++, address);
}

static bool wants(const struct elect *e)
{
	return !e->pull.asking && !e->stop
	       && (e->quorum.role == QUORUM_FOLLOWER || e->quorum.role == QUORUM_UNATTACHED);
}

void pull_turn(struct elect *e, int64_t now_ms)
{
	char address[VOTER_ADDRESS];
	struct pulled *a;
	int32_t id;
	int r;

	if (!wants(e) || now_ms < e->pull.retry_ms)
		return;
	later(e, RETRY_MS);
	if (!target(e, &id, address))
		return;
	a = malloc(sizeof *a);
	if (!a)
		return;
	*a = (struct pulled){ e, e->pull.number, id };
	r = id >= 0 && e->pull.snapshot.offset >= 0 ? ask_snapshot(e, address, a)
						    : ask_log(e, address, a);
	if (r < 0) {
		free(a);
		return;
	}
	e->pull.asking = true;
	e->pull.asked_ms = port_now_ms();
	e->pull.retry_ms = 0;
}

int64_t pull_wake(const struct elect *e)
{
	return wants(e) ? e->pull.retry_ms : INT64_MAX;
}
