/* From a directory to a member of the quorum: format, read, begin. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <skalibs/strerr.h>

#include "elect.h"
#include "hurt.h"
#include "meta/config.h"
#include "voters.h"

enum { CHUNK = 4 << 20 };

/* What Kafka's storage tool makes: a snapshot at offset 0 that holds the feature levels and the
 * voters. */
static void format(struct elect *e)
{
	struct meta_image m;
	int64_t now = wall_ms();

	if (!voters_first(e))
		return;
	meta_image_init(&m);
	if (meta_image_feature(&m, span_of("metadata.version"), META_LEVEL_NEW) < 0
	    || meta_image_feature(&m, span_of("kraft.version"), 1) < 0
	    || meta_image_feature(&m, span_of("group.version"), META_GROUP_LEVEL_MAX) < 0)
		strerr_diefu1sys(111, "make an image");
	if (store_snapshot_write(&e->store, (struct snapshot_id){ 0, 0 }, &m, now, now, &e->voters)
	    < 0)
		die_store(e);
	meta_image_free(&m);
}

/* --- reading --- */

static void on_control(void *ctx, int type, struct span value, int64_t offset, int32_t epoch)
{
	struct elect *e = ctx;

	e->footer = type == META_SNAPSHOT_FOOTER;
	if (type != META_KRAFT_VOTERS)
		return;
	e->voters_new = true;
	e->voters_offset = offset;
	e->voters.n = 0;
	if (buf_add(&e->voters, value.p, (size_t)value.n) < 0)
		strerr_diefu1sys(111, "keep the voters");
}

static void on_record(void *ctx, struct meta_image *m, int type, const void *record)
{
	struct elect *e = ctx;

	e->records++;
}

/* After EBADMSG, or what else went wrong. */
static void die_damaged(struct elect *e, const char *name)
{
	snprintf(e->store.why, sizeof e->store.why, "read log/__cluster_metadata-0, %s", name);
	if (errno == EBADMSG)
		hurt_set_aside(e);
	die_store(e);
}

static void load_bytes(struct elect *e, const struct buf *b, int64_t from,
		       const struct meta_load_at *at, const char *name)
{
	int64_t n = meta_load(&e->load, b->p, b->n, from, at);

	if (n == (int64_t)b->n)
		return;
	if (n >= 0)
		errno = EBADMSG;
	die_damaged(e, name);
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
			die_damaged(e, strrchr(name, '/') + 1);
		strerr_warnw(name, ": damaged, not used");
		store_snapshot_forget(&e->store, id);
		meta_load_free(&e->load);
		meta_image_free(&e->image);
		begin_image(e);
	}
	if (e->snapshot_end < log_start(e->store.log)) {
		errno = EBADMSG;
		die_damaged(e, "which begins behind its snapshot");
	}
}

static void load_log(struct elect *e, int64_t end)
{
	struct buf b = { 0 };
	int64_t from = e->load.end;

	if (from < log_start(e->store.log))
		from = log_start(e->store.log);
	while (from < end) {
		int64_t n;

		b.n = 0;
		n = store_read(&e->store, from, end, CHUNK, &b);
		if (n < 0)
			die_damaged(e, "log");
		if (n == 0)
			break;
		e->snapshot_bytes += n;
		load_bytes(e, &b, from, NULL, "log");
		from = e->load.end;
	}
	buf_free(&b);
	if (e->load.end != end && end > 0) {
		errno = EBADMSG;
		die_damaged(e, "to its end");
	}
}

void elect_check_level(const struct elect *e)
{
	int level = meta_feature_level(&e->image, "metadata.version");
	char z[16], max[16];

	if (level == 0 || (level >= META_LEVEL_MIN && level <= META_LEVEL_MAX))
		return;
	snprintf(z, sizeof z, "%d", level);
	snprintf(max, sizeof max, "%d", META_LEVEL_MAX);
	strerr_dief(100, "metadata.version is ", z, ", this program knows it up to ", max);
}

/* Is it a whole snapshot that this program can read? */
bool elect_snapshot_good(struct snapshot_id id, const struct buf *b)
{
	struct elect probe = { 0 };
	struct meta_load_at at = { id.offset - 1, id.epoch };
	int64_t n;

	begin_image(&probe);
	n = meta_load(&probe.load, b->p, b->n, 0, &at);
	meta_load_free(&probe.load);
	meta_image_free(&probe.image);
	buf_free(&probe.voters);
	return n == (int64_t)b->n && probe.footer && probe.load.epoch == id.epoch;
}

static void load(struct elect *e, int64_t end)
{
	struct buf bootstrap = { 0 };
	struct meta_load_at at = { -1, 0 };

	e->voters.n = 0;
	e->records = e->snapshot_end = e->snapshot_bytes = 0;
	begin_image(e);
	load_snapshot(e);
	if (e->store.snapshots_n == 0 && store_bootstrap_read(&e->store, &bootstrap) == 0)
		load_bytes(e, &bootstrap, 0, &at, "bootstrap.checkpoint");
	buf_free(&bootstrap);
	e->load.end = e->snapshot_end;
	e->load.record = on_record;
	load_log(e, end);
	elect_check_level(e);
}

void elect_load_copy(const struct elect *e, int64_t end, struct elect *copy)
{
	memset(copy, 0, sizeof *copy);
	copy->settings = e->settings;
	copy->store = e->store;
	load(copy, end);
}

void elect_reload(struct elect *e)
{
	meta_load_free(&e->load);
	meta_image_free(&e->image);
	load(e, log_end(e->store.log));
	e->voters_new = e->voters.n > 0;
}

void elect_start(struct elect *e)
{
	struct quorum_event ev = { .type = QUORUM_START, .now_ms = port_now_ms() };
	struct quorum_state stored;
	struct log_config c;
	bool hurt;

	log_config_default(&c);
	c.segment_bytes = meta_config_int(NULL, -1, NULL, "metadata.log.segment.bytes");
	c.segment_ms = meta_config_int(NULL, -1, NULL, "metadata.log.segment.ms");
	hurt = hurt_begin(e);
	while (store_open(&e->store, &c, wall_ms()) < 0) {
		if (errno == EBADMSG)
			hurt_set_aside(e);
		make_room(e);
	}
	if (store_is_empty(&e->store) && !hurt)
		format(e);
	load(e, log_end(e->store.log));
	if (e->load.skipped > 0)
		strerr_warnw1x(
			"the metadata log holds records of types that this program does not know");
	voters_init(e);
	e->quorum.hurt = hurt;
	if (store_state_read(&e->store, &stored) < 0 && errno != ENOENT)
		strerr_diefu1sys(111, "read log/__cluster_metadata-0/quorum-state");
	ev.end = log_end(e->store.log);
	ev.log_epoch = e->load.epoch < 0 ? 0 : e->load.epoch;
	ev.epoch = stored.epoch;
	ev.leader = stored.leader;
	ev.from = (struct quorum_key){ stored.voted, stored.voted_directory };
	elect_quorum(e, &ev, NULL);
	e->snapshot_ms = port_now_ms();
}
