/* From a directory to a leader: format, read, be elected, write what a new leader writes first. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <skalibs/strerr.h>

#include "base/reserve.h"
#include "elect.h"
#include "meta/config.h"
#include "meta/record.h"

enum { CHUNK = 4 << 20 };

/* A start works with no byte free on the disk, as long as there is something set aside. */
static void make_room(struct elect *e)
{
	if (!store_is_full() || reserve_use(RESERVE) < 0)
		die_store(e);
}

static void append(struct elect *e, const struct buf *values, int n)
{
	while (elect_append(e, values, n) < 0)
		make_room(e);
}

/* --- control records: i16 type, value, framed by u32 length as store_append wants them --- */

static void put_control(struct buf *b, int type, int version, const struct wire_type *t,
			const void *record)
{
	size_t at = b->n;

	if (buf_add32(b, 0) < 0 || buf_add16(b, (uint16_t)type) < 0
	    || wire_encode(t, version, record, b, NULL) < 0)
		strerr_diefu1sys(111, "make a control record");
	put32(b->p + at, (uint32_t)(b->n - at - 4));
}

/* This node as the only voter, with the addresses it has now. */
static void make_voters(struct elect *e, struct buf *out)
{
	struct voters_record r;
	struct voters_record_voter v;
	struct voters_record_endpoint ends[ENDPOINTS_MAX];

	wire_init(&wire_voters_record, &r);
	wire_init(&wire_voters_record_voter, &v);
	r.voters = &v;
	r.voters_n = 1;
	v.voter_id = e->settings.node.id;
	v.voter_directory_id = e->settings.node.directory;
	v.endpoints = ends;
	v.endpoints_n = e->settings.controller_n;
	v.kraft_version_feature.max_supported_version = 1;
	for (int i = 0; i < e->settings.controller_n; i++) {
		wire_init(&wire_voters_record_endpoint, &ends[i]);
		ends[i].name = span_of(e->settings.controller[i].name);
		ends[i].host = span_of(e->settings.controller[i].host);
		ends[i].port = e->settings.controller[i].port;
	}
	out->n = 0;
	if (wire_encode(&wire_voters_record, 0, &r, out, NULL) < 0)
		strerr_diefu1sys(111, "make a voters record");
}

/* What Kafka's storage tool makes: a snapshot at offset 0 that holds the feature levels and the
 * voters. */
static void format(struct elect *e)
{
	struct meta_image m;
	struct buf voters = { 0 };
	int64_t now = wall_ms();

	meta_image_init(&m);
	make_voters(e, &voters);
	if (meta_image_feature(&m, span_of("metadata.version"), META_LEVEL_NEW) < 0
	    || meta_image_feature(&m, span_of("kraft.version"), 1) < 0
	    || meta_image_feature(&m, span_of("group.version"), META_GROUP_LEVEL_MAX) < 0)
		strerr_diefu1sys(111, "make an image");
	if (store_snapshot_write(&e->store, (struct snapshot_id){ 0, 0 }, &m, now, now, &voters)
	    < 0)
		die_store(e);
	buf_free(&voters);
	meta_image_free(&m);
}

/* --- reading --- */

static void on_control(void *ctx, int type, struct span value, int64_t offset, int32_t epoch)
{
	struct elect *e = ctx;

	e->footer = type == META_SNAPSHOT_FOOTER;
	if (type != META_KRAFT_VOTERS)
		return;
	e->voters.n = 0;
	if (buf_add(&e->voters, value.p, (size_t)value.n) < 0)
		strerr_diefu1sys(111, "keep the voters");
}

static void on_record(void *ctx, struct meta_image *m, int type, const void *record)
{
	struct elect *e = ctx;

	e->records++;
}

static void load_bytes(struct elect *e, const struct buf *b, int64_t from,
		       const struct meta_load_at *at, const char *name)
{
	int64_t n = meta_load(&e->load, b->p, b->n, from, at);

	if (n == (int64_t)b->n)
		return;
	if (n >= 0)
		errno = EBADMSG;
	strerr_diefu2sys(111, "read log/__cluster_metadata-0, ", name);
}

/* -1 EBADMSG: it is damaged. */
static int read_snapshot(struct elect *e, struct snapshot_id id)
{
	struct meta_load_at at = { id.offset - 1, id.epoch };
	struct buf b = { 0 };
	int64_t size, n;

	do {
		size = 0;
		if (store_snapshot_read(&e->store, id, (int64_t)b.n, CHUNK, &b, &size) < 0)
			strerr_diefu1sys(111, "read a snapshot of log/__cluster_metadata-0");
	} while ((int64_t)b.n < size);
	e->footer = false;
	n = meta_load(&e->load, b.p, b.n, 0, &at);
	if (n != (int64_t)b.n || !e->footer || e->load.epoch != id.epoch)
		errno = n < 0 ? errno : EBADMSG;
	else
		errno = 0;
	buf_free(&b);
	if (errno)
		return -1;
	e->image.offset = at.offset;
	e->image.epoch = at.epoch;
	e->load.end = id.offset;
	e->load.epoch = id.epoch;
	e->snapshot_end = id.offset;
	return 0;
}

static void begin_image(struct elect *e)
{
	meta_image_init(&e->image);
	meta_load_init(&e->load, &e->image);
	e->load.control = on_control;
	e->load.ctx = e;
}

/* The newest one that is whole; what it lacks must be in the log. */
static void load_snapshot(struct elect *e)
{
	char name[80];

	while (e->store.snapshots_n > 0) {
		struct snapshot_id id = e->store.snapshots[e->store.snapshots_n - 1];

		if (read_snapshot(e, id) == 0)
			break;
		snprintf(name, sizeof name, "log/__cluster_metadata-0/%020lld-%010d.checkpoint",
			 (long long)id.offset, id.epoch);
		if (errno != EBADMSG || e->store.snapshots_n == 1)
			strerr_diefusys(111, "read ", name);
		strerr_warnw(name, ": damaged, not used");
		store_snapshot_forget(&e->store, id);
		meta_load_free(&e->load);
		meta_image_free(&e->image);
		begin_image(e);
	}
	if (e->snapshot_end < log_start(e->store.log))
		strerr_dief(111, "the log of log/__cluster_metadata-0 begins behind its snapshot");
}

static void load_log(struct elect *e)
{
	struct buf b = { 0 };
	int64_t from = e->load.end, end = log_end(e->store.log);

	if (from < log_start(e->store.log))
		from = log_start(e->store.log);
	while (from < end) {
		int64_t n;

		b.n = 0;
		n = store_read(&e->store, from, end, CHUNK, &b);
		if (n < 0)
			die_store(e);
		if (n == 0)
			break;
		e->snapshot_bytes += n;
		load_bytes(e, &b, from, NULL, "log");
		from = e->load.end;
	}
	buf_free(&b);
	if (e->load.end != end && end > 0) {
		errno = EBADMSG;
		strerr_diefu1sys(111, "read log/__cluster_metadata-0 to its end");
	}
}

static void check_level(struct elect *e)
{
	int level = meta_feature_level(&e->image, "metadata.version");
	char z[16], max[16];

	if (level == 0 || (level >= META_LEVEL_MIN && level <= META_LEVEL_MAX))
		return;
	snprintf(z, sizeof z, "%d", level);
	snprintf(max, sizeof max, "%d", META_LEVEL_MAX);
	strerr_dief(100, "metadata.version is ", z, ", this program knows it up to ", max);
}

/* --- the quorum --- */

/* The voters: of the log, or with kraft.version 0 this node alone. */
static void find_voters(struct elect *e)
{
	struct voters_record r;
	struct arena a = { 0 };
	const struct meta_node *n = &e->settings.node;
	bool me = false;

	quorum_init(&e->quorum, (struct quorum_key){ n->id, n->directory },
		    (struct quorum_timeouts){ setting(e, "controller.quorum.election.timeout.ms"),
					      setting(e, "controller.quorum.fetch.timeout.ms"),
					      setting(e, "controller.quorum.election.backoff.max.ms") },
		    (uint64_t)wall_ms() ^ (uint64_t)n->id << 48);
	if (e->voters.n == 0) {
		quorum_voter_add(&e->quorum, (struct quorum_key){ .id = n->id });
		return;
	}
	if (wire_decode(&wire_voters_record, 0, e->voters.p, e->voters.n, &a, &r) < 0)
		strerr_diefu1sys(111, "read the voters of log/__cluster_metadata-0");
	for (int32_t i = 0; i < r.voters_n; i++) {
		me = me
		     || (r.voters[i].voter_id == n->id
			 && uuid_same(&r.voters[i].voter_directory_id, &n->directory));
		quorum_voter_add(&e->quorum, (struct quorum_key){ r.voters[i].voter_id,
								   r.voters[i].voter_directory_id });
	}
	arena_free(&a);
	if (!me || e->quorum.voters_n != 1)
		strerr_dief(100, "the voters of log/__cluster_metadata-0 are not this node alone");
}

static void save_state(struct elect *e)
{
	while (store_state_write(&e->store, &e->quorum, e->voters.n > 0 ? 1 : 0) < 0)
		make_room(e);
}

/* The first batch of an epoch: who leads, and the voters when the log does not have them as they
 * are (LeaderState). */
static void begin_epoch(struct elect *e, bool voters_in_log)
{
	struct leader_change_message m;
	struct leader_change_message_voter v;
	struct kraft_version_record version;
	struct buf b = { 0 }, voters = { 0 };

	wire_init(&wire_leader_change_message, &m);
	wire_init(&wire_leader_change_message_voter, &v);
	wire_init(&wire_kraft_version_record, &version);
	v.voter_id = e->quorum.self.id;
	m.leader_id = e->quorum.self.id;
	m.voters = m.granting_voters = &v;
	m.voters_n = m.granting_voters_n = 1;
	put_control(&b, META_LEADER_CHANGE, 0, &wire_leader_change_message, &m);
	make_voters(e, &voters);
	if (e->voters.n > 0
	    && (!voters_in_log || voters.n != e->voters.n
		|| memcmp(voters.p, e->voters.p, voters.n) != 0)) {
		version.kraft_version = meta_feature_level(&e->image, "kraft.version");
		put_control(&b, META_KRAFT_VERSION, 0, &wire_kraft_version_record, &version);
		if (buf_add32(&b, (uint32_t)voters.n + 2) < 0
		    || buf_add16(&b, META_KRAFT_VOTERS) < 0 || buf_add(&b, voters.p, voters.n) < 0)
			strerr_diefu1sys(111, "make a control record");
	}
	while (store_append(&e->store, e->quorum.epoch, true, &b, wall_ms()) < 0)
		make_room(e);
	if (meta_load(&e->load, e->store.batch.p, e->store.batch.n, 0, NULL) < 0)
		strerr_diefu1sys(111, "apply a control record");
	buf_free(&b);
	buf_free(&voters);
}

static void become_leader(struct elect *e)
{
	struct quorum_state stored;
	struct quorum_event ev = { .type = QUORUM_START,
				   .end = log_end(e->store.log),
				   .log_epoch = e->load.epoch < 0 ? 0 : e->load.epoch,
				   .now_ms = port_now_ms() };
	struct quorum_todo todo;
	bool voters_in_log = log_end(e->store.log) > 0;

	if (store_state_read(&e->store, &stored) < 0 && errno != ENOENT)
		strerr_diefu1sys(111, "read log/__cluster_metadata-0/quorum-state");
	ev.epoch = stored.epoch;
	ev.leader = stored.leader;
	ev.from = (struct quorum_key){ stored.voted, stored.voted_directory };
	quorum_step(&e->quorum, &ev, &todo);
	if (todo.save)
		save_state(e);
	if (!todo.begin)
		strerr_dief(100, "not elected");
	begin_epoch(e, voters_in_log);
	elect_commit(e);
}

/* --- activation (ActivationRecordsGenerator) --- */

static int keep_value(void *arg, struct span value)
{
	struct buf *b = arg;

	if (buf_add32(b, (uint32_t)value.n) < 0)
		return -1;
	return buf_add(b, value.p, (size_t)value.n);
}

static int count_value(void *arg, struct span value)
{
	(*(int *)arg)++;
	return 0;
}

/* The content of the first snapshot goes into the log too: that snapshot is never replicated. */
static void activate(struct elect *e, bool first)
{
	struct buf b = { 0 };
	struct abort_transaction_record r;
	size_t at;
	int n = 0;

	if (e->load.in_transaction) {
		wire_init(&wire_abort_transaction_record, &r);
		r.reason = span_of("the leader changed");
		if (buf_add32(&b, 0) < 0)
			strerr_diefu1sys(111, "make a record");
		at = b.n;
		if (meta_record_encode(&b, META_ABORT_TRANSACTION, 0, &r) < 0)
			strerr_diefu1sys(111, "make a record");
		put32(b.p + at - 4, (uint32_t)(b.n - at));
		append(e, &b, 1);
		b.n = 0;
	}
	if (first) {
		if (meta_feature_level(&e->image, "metadata.version") == 0
		    && meta_image_feature(&e->image, span_of("metadata.version"), META_LEVEL_NEW)
			       < 0)
			strerr_diefu1sys(111, "make an image");
		if (meta_image_records(&e->image, count_value, &n) < 0
		    || meta_image_records(&e->image, keep_value, &b) < 0)
			strerr_diefu1sys(111, "make the first records");
		append(e, &b, n);
	}
	buf_free(&b);
	elect_commit(e);
}

void elect_start(struct elect *e)
{
	struct log_config c;
	struct buf bootstrap = { 0 };
	struct meta_load_at at = { -1, 0 };
	bool first;

	log_config_default(&c);
	c.segment_bytes = meta_config_int(NULL, -1, NULL, "metadata.log.segment.bytes");
	c.segment_ms = meta_config_int(NULL, -1, NULL, "metadata.log.segment.ms");
	while (store_open(&e->store, &c, wall_ms()) < 0)
		make_room(e);
	if (store_is_empty(&e->store))
		format(e);
	begin_image(e);
	load_snapshot(e);
	if (e->store.snapshots_n == 0 && store_bootstrap_read(&e->store, &bootstrap) == 0)
		load_bytes(e, &bootstrap, 0, &at, "bootstrap.checkpoint");
	buf_free(&bootstrap);
	e->load.end = e->snapshot_end;
	e->load.record = on_record;
	load_log(e);
	e->load.record = NULL;
	first = e->snapshot_end == 0 && e->records == 0;
	check_level(e);
	if (e->load.skipped > 0)
		strerr_warnw1x(
			"the metadata log holds records of types that this program does not know");
	find_voters(e);
	become_leader(e);
	activate(e, first);
	e->snapshot_ms = port_now_ms();
}
