/* Opening what is on disk: which segments there are, which must be recovered, where the log begins
 * and ends (LogLoader). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log/internal.h"
#include "base/planted.h"
#include "log/scan.h"
#include "log/txnindex.h"

enum { SKIP_CHUNK = 16 << 10 };

static bool txnindex_sane(struct log *l, int64_t base)
{
	uint8_t e[TXNINDEX_ENTRY];
	struct txnindex_entry t;
	off_t at = 0;
	ssize_t n;
	int fd = log_open_read(l, base, ".txnindex");
	if (fd < 0)
		return errno == ENOENT;
	while ((n = pread(fd, e, sizeof e, at)) == sizeof e && txnindex_parse(&t, e) == 0
		&& txnindex_check(&t, &base) == 0)
		at += TXNINDEX_ENTRY;
	close(fd);
	return n == 0;
}

struct tail {                   /* of the last segment, from its last index entry on */
	int64_t end;                /* the next offset */
	struct batch last;          /* the last batch; magic 0: none */
	struct batch producer;      /* the last one of a producer, no marker; magic 0: none */
	bool time_right;            /* its last time entry is one of these batches */
};

/* -1 EBADMSG when what is there is no log. */
static int read_tail(struct log *l, struct tail *t)
{
	const struct segment *s = log_active(l);
	struct batch b;
	struct scan sc;
	*t = (struct tail){.end = s->base, .time_right = s->max_ts < 0 || !s->bytes};
	l->index_odd = false;
	if (!s->bytes)
		return 0;
	int fd = log_open_read(l, s->base, ".log");
	if (fd < 0)
		return -1;
	int64_t position = log_before_offset(l, fd, s->base, s->bytes, INT64_MAX);
	int r = scan_begin(&sc, fd, position, s->bytes, SKIP_CHUNK);
	if (r == 0) {
		while ((r = scan_next(&sc, &b)) > 0 && log_in_place(s, &b, t->end)) {
			t->end = batch_last_offset(&b) + 1;
			t->last = b;
			if (b.producer_id >= 0 && !(b.attributes & BATCH_CONTROL))
				t->producer = b;
			t->time_right = t->time_right || (b.max_timestamp == s->max_ts
				&& t->end - 1 == s->max_ts_offset);
		}
		scan_end(&sc);
	}
	close(fd);
	if (r > 0)
		errno = EBADMSG;
	return r ? -1 : 0;
}

/* An entry before those batches names one that has that time. */
static bool time_right(struct log *l, const struct tail *t)
{
	const struct segment *s = log_active(l);
	struct batch b;
	int64_t position;
	return t->time_right || (log_position(l, l->segments_n - 1, s->max_ts_offset, &position, &b) > 0
		&& batch_last_offset(&b) == s->max_ts_offset && b.max_timestamp == s->max_ts);
}

struct loading {
	const struct log_opening *o;
	struct log_entry *v;
	int n;
	int64_t recovery_point;
	int recovered;              /* the segment recovered last; -1 none */
	bool epochs_new;            /* read from the records */
	struct tail tail;           /* of the last segment, when it needed no recovery */
};

static int64_t last_base(const struct loading *g)
{
	int i = g->n;
	while (i && strcmp(g->v[i - 1].suffix, ".log"))
		i--;
	return i ? g->v[i - 1].base : 0;
}

static int drop_orphans(struct log *l, const struct loading *g, int from, int to)
{
	for (int i = from; i < to; i++)
		if (strcmp(g->v[i].suffix, ".snapshot") && log_unlink_entry(l, g->v + i) < 0)
			return -1;
	return 0;
}

/* From the newest down, so that a crash in between leaves no hole. Nobody can be reading them by
 * their names yet. */
static int drop_rest(struct log *l, const struct loading *g, int from)
{
	for (int i = g->n - 1; i >= from; i--)
		if (!strcmp(g->v[i].suffix, ".log") && log_segment_unlink(l, g->v[i].base) < 0)
			return -1;
	return drop_orphans(l, g, from, g->n) < 0 ? -1 : log_sync_dir(l);
}

/* As log_recover_segment; -1 also where that one is to be asked. */
static int recover_tail(struct log *l, const struct loading *g)
{
	int64_t bytes = log_active(l)->bytes;
	if (g->recovered >= 0 || g->o->written <= log_active(l)->base)
		return -1;
	int cut = log_recover_tail(l, g->o);
	if (cut >= 0)
		return cut;
	log_close_files(l);
	log_active(l)->bytes = bytes;
	l->producers.end = -1;
	return -1;
}

/* Loads one segment: 0; 1 when it was cut and nothing after it may stay. */
static int load_segment(struct log *l, struct loading *g, int64_t base, int64_t next_base)
{
	char path[LOG_PATH];
	if (log_segment_push(l, base, g->o->now_ms) < 0)
		return -1;
	struct segment *s = log_active(l);
	bool last = next_base == INT64_MAX;
	bool unflushed = !g->o->clean && (last || next_base > g->recovery_point);
	s->bytes = log_file_bytes(l, base, ".log");
	s->first_ts = s->max_ts = LOG_UNKNOWN;
	int64_t index_bytes = log_file_bytes(l, base, ".index");
	if (s->bytes < 0 || (index_bytes < 0 && errno != ENOENT))
		return -1;
	const char *odd = index_bytes < 0 || index_bytes % INDEX_ENTRY ? ".index"
		: txnindex_sane(l, base) ? 0 : ".txnindex";
	if (!unflushed && !odd && last) {
		int r = log_segment_times(l, s) < 0 ? -1 : read_tail(l, &g->tail);
		if (r < 0 && errno != EBADMSG)
			return -1;
		odd = r < 0 ? ".log" : l->index_odd ? ".index" : time_right(l, &g->tail) ? 0 : ".timeindex";
		l->end = g->tail.end;
	}
	if (!unflushed && !odd)
		return 0;
	if (odd && strcmp(odd, ".log"))
		log_note(l, log_path(l, base, odd, path), -1, "made anew, with the other indexes");
	log_close_files(l);
	int cut = odd ? -1 : recover_tail(l, g);
	if (cut < 0)
		cut = log_recover_segment(l, g->o, g->recovered >= 0 && g->recovered == l->segments_n - 2);
	if (cut < 0)
		return -1;
	g->recovered = l->segments_n - 1;
	l->end = l->producers.end;
	if (last || (cut && unflushed))
		return cut && unflushed;
	int r = log_sync_recovered(l);
	log_close_files(l);
	return r;
}

/* One past the last entry with the base of entry i; *has_log: a .log is among them. */
static int group_end(const struct loading *g, int i, bool *has_log)
{
	int64_t base = g->v[i].base;
	*has_log = false;
	for (; i < g->n && g->v[i].base == base; i++)
		*has_log = *has_log || !strcmp(g->v[i].suffix, ".log");
	return i;
}

static bool has_file(const struct loading *g, int64_t base, const char *suffix)
{
	for (int i = 0; i < g->n; i++)
		if (g->v[i].base == base && !strcmp(g->v[i].suffix, suffix))
			return true;
	return false;
}

/* Snapshots of moments inside a segment go before any is used: the next recovery, which would not
 * find them, must come to the same. Those of the last segment are left to its recovery. Where it
 * has none it may want the one before its base. That says what a replay from the segment's own
 * would, unless that is not there, or it knows producers of whom nothing is left. */
static int drop_inner_snapshots(struct log *l, const struct loading *g, int64_t last)
{
	bool has_log;
	int64_t base = -1, newest = g->n ? g->v[g->n - 1].base : -1;
	struct log_entry before = {.base = -1};
	for (int i = 0, next; i < g->n && g->v[i].base < last; i = next) {
		next = group_end(g, i, &has_log);
		if (has_log)
			base = g->v[i].base;
		for (; !has_log && i < next; i++) {
			if (strcmp(g->v[i].suffix, ".snapshot"))
				continue;
			if (before.base >= 0 && log_unlink_entry(l, &before) < 0)
				return -1;
			before = g->v[i];
		}
	}
	bool wanted = before.base > base && newest == last && g->o->written > last
		&& (base > l->start ? has_file(g, base, ".snapshot") : l->start == 0);
	return before.base < 0 || wanted ? 0 : log_unlink_entry(l, &before);
}

/* The end of the segment before never reached the disk, though this one did. */
static bool hole(const struct log *l, const struct loading *g, int64_t base)
{
	return !g->o->clean && !l->config.compacted && g->recovered >= 0 && !PLANTED(HOLE_STAYS)
		&& g->recovered == l->segments_n - 1 && base > g->recovery_point && l->end < base;
}

static int load_segments(struct log *l, struct loading *g)
{
	int64_t last = last_base(g);
	if (!g->o->clean && drop_inner_snapshots(l, g, last) < 0)
		return -1;
	for (int i = 0, next; i < g->n; i = next) {
		bool has_log, ignored;
		next = group_end(g, i, &has_log);
		if (!has_log && drop_orphans(l, g, i, next) < 0)
			return -1;
		if (!has_log)
			continue;
		int64_t next_base = INT64_MAX;
		if (g->v[i].base != last) {
			int k = next;
			for (int end; end = group_end(g, k, &ignored), !ignored; k = end)
				;
			next_base = g->v[k].base;
		}
		if (hole(l, g, g->v[i].base))
			return drop_rest(l, g, i);
		int r = load_segment(l, g, g->v[i].base, next_base);
		if (r < 0)
			return -1;
		if (r > 0)
			return drop_rest(l, g, next);
	}
	return 0;
}

/* Segments that end before the log start were deleted by hand, say; begin anew there
 * (deleteSegmentsIfLogStartGreaterThanLogEnd). */
static int start_anew(struct log *l, int64_t now_ms)
{
	for (int i = l->segments_n - 1; i >= 0; i--)
		if (log_segment_unlink(l, l->segments[i].base) < 0)
			return -1;
	log_close_files(l);
	l->segments_n = 0;
	producers_clear(&l->producers);
	if (snapshot_delete_range(l, INT64_MAX, 0) < 0)
		return -1;
	l->producers.snapped = l->producers.end = l->end = l->start;
	l->epochs.n = 0;
	return log_segment_create(l, l->start, now_ms);
}

/* 1: a crash of the machine left it empty or of NULs, or it is damaged: what it said is read from
 * the records. */
static int load_epochs(struct log *l)
{
	char path[LOG_PATH], *p;
	size_t n;
	if (log_read_small(l, EPOCHS_FILE, &p, &n) < 0)
		return errno == ENOENT ? 0 : -1;
	int r = n && *p ? epochs_parse(&l->epochs, p, n) : 1;
	free(p);
	if (r < 0 && errno != EBADMSG)
		return log_fail(l, log_file(l, EPOCHS_FILE, path), -1, "parse");
	if (!r)
		return 0;
	log_note(l, log_file(l, EPOCHS_FILE, path), 0, "damaged, made anew");
	l->epochs.n = 0;
	return 1;
}

/* Is the batch with that offset of an epoch from..to? Where there is none, also one that was
 * cleaned away, yes. */
static bool epoch_within(struct log *l, int64_t offset, int32_t from, int32_t to)
{
	struct batch b;
	int64_t position;
	int k = log_segment_find(l, offset);
	if (k < 0 || offset < l->start || offset >= l->end)
		return true;
	int r = log_position(l, k, offset, &position, &b);
	return r == 0 || (r > 0 && (b.base_offset > offset || (b.epoch >= from && b.epoch <= to)));
}

/* Does it say of the last record what that says, and do its newest epochs begin where it says? */
static bool epochs_right(struct log *l, const struct tail *t)
{
	enum { ASKED = 8 };
	const struct epochs *e = &l->epochs;
	if (!e->n || PLANTED(EPOCHS_TRUSTED))
		return !t->last.magic || t->last.epoch < 0 || e->n;
	if (t->last.magic && t->last.base_offset >= e->v[0].start
		&& t->last.epoch != epochs_at(e, t->last.base_offset))
		return false;
	for (int i = e->n - 1; i >= 0 && i >= e->n - ASKED; i--)
		if ((e->v[i].start >= l->start
		     && !epoch_within(l, e->v[i].start, e->v[i].epoch, e->v[i].epoch))
			|| (e->v[i].start > l->start
			    && !epoch_within(l, e->v[i].start - 1, -1, e->v[i].epoch - 1)))
			return false;
	return true;
}

static int settle_epochs(struct log *l, const struct epochs *before)
{
	/* in this order: an entry moved up to the end of the log goes now, not at the next opening */
	epochs_cut_start(&l->epochs, l->start);
	if (!PLANTED(EPOCHS_BEYOND_THE_END))
		epochs_cut_end(&l->epochs, l->end);
	bool same = before->n == l->epochs.n;
	for (int i = 0; same && i < before->n; i++)
		same = before->v[i].epoch == l->epochs.v[i].epoch && before->v[i].start == l->epochs.v[i].start;
	return same ? 0 : log_write_epochs(l);
}

/* A log start that leaves nothing, while the first epoch begins before it, is a damaged number:
 * whoever sets a start moves that epoch too. */
static int check_start(struct log *l)
{
	char path[LOG_PATH];
	const struct epochs *e = &l->epochs;
	if (!e->n || e->v[0].start >= l->start || l->end == l->start)
		return 0;
	log_file(l, EPOCHS_FILE, path);
	if (l->end > l->start) {
		int first = log_segment_find(l, l->start);
		if (first >= 0 && l->segments[first].base < l->start)
			log_note(l, path, -1, "begins before the start of the log");
		return 0;
	}
	errno = EBADMSG;
	return log_fail(l, path, -1, "begins before the start of the log, which is behind its end");
}

/* The last batch of a producer must be what the snapshot knows of it, unless it has expired. */
static bool knows_producer(const struct log *l, const struct tail *t, int64_t now_ms)
{
	if (t->producer.magic == 0
		|| t->producer.max_timestamp <= now_ms - l->config.producer_expiration_ms)
		return true;
	const struct producer *p = producers_get(&l->producers, t->producer.producer_id);
	return p && p->n && p->batch[p->n - 1].last_offset == batch_last_offset(&t->producer);
}

static int settle_producers(struct log *l, const struct loading *g)
{
	char path[LOG_PATH];
	if (log_rebuild_producers(l, l->end, g->o->now_ms) < 0)
		return -1;
	if (knows_producer(l, &g->tail, g->o->now_ms))
		return 0;
	log_note(l, log_path(l, l->end, ".snapshot", path), 0, "damaged, not used");
	if (snapshot_delete_range(l, l->start, l->end - 1) < 0)
		return -1;
	l->producers.end = -1;
	return log_rebuild_producers(l, l->end, g->o->now_ms);
}

static int settle(struct log *l, const struct loading *g)
{
	if (l->segments_n && !g->epochs_new && check_start(l) < 0)
		return -1;
	if (!l->segments_n || l->end < l->start) {
		if (start_anew(l, g->o->now_ms) < 0)
			return -1;
	}
	if (snapshot_delete_strays(l) < 0)
		return -1;
	int64_t newest = snapshot_newest(l);
	if (newest == -2)
		return -1;
	if (newest == -1 && g->o->clean)
		return log_first_snapshots(l);
	return settle_producers(l, g);
}

static int64_t first_base(const struct loading *g)
{
	for (int i = 0; i < g->n; i++)
		if (!strcmp(g->v[i].suffix, ".log"))
			return g->v[i].base;
	return -1;
}

/* All that does not fit together with the records is made anew from them. */
static void load_again(struct log *l)
{
	char path[LOG_PATH];
	log_note(l, log_file(l, EPOCHS_FILE, path), 0, "does not fit the records, made anew");
	log_close_files(l);
	l->segments_n = 0;
	l->epochs.n = 0;
	producers_clear(&l->producers);
	l->producers.end = l->producers.snapped = -1;
}

static int load_all(struct log *l, struct loading *g, struct log_opening *how)
{
	struct epochs before = {0};
	int64_t start = l->start, end = l->end;
	l->producers.end = -1;
	int r = load_epochs(l);
	if (r > 0) {
		g->epochs_new = true;
		how->clean = false;
		r = g->recovery_point = how->written = 0;
	}
	for (int i = 0; r == 0 && i < l->epochs.n; i++)
		r = epochs_assign(&before, l->epochs.v[i].epoch, l->epochs.v[i].start) < 0 ? -1 : 0;
	if (r == 0)
		r = load_segments(l, g);
	if (r == 0 && !epochs_right(l, &g->tail)) {
		load_again(l);
		l->start = start;
		l->end = end;
		g->tail = (struct tail){0};
		g->recovered = -1;
		g->epochs_new = true;
		how->clean = false;
		g->recovery_point = how->written = 0;
		r = load_segments(l, g);
	}
	if (r == 0 && (settle(l, g) < 0 || settle_epochs(l, &before) < 0))
		r = -1;
	epochs_free(&before);
	return r;
}

static bool has_snapshots(const struct loading *g)
{
	for (int i = 0; i < g->n; i++)
		if (!strcmp(g->v[i].suffix, ".snapshot"))
			return true;
	return false;
}

int log_load(struct log *l, const struct log_opening *opening)
{
	struct log_opening how = *opening;
	const struct log_opening *o = &how;
	struct loading g = {.o = o, .recovered = -1};
	if (log_list(l->dirfd, l->name, &g.v, &g.n) < 0)
		return log_fail(l, l->name, -1, "list");
	int changed = log_clear_leftovers(l, g.v, g.n);
	if (changed > 0) {
		free(g.v);
		changed = log_list(l->dirfd, l->name, &g.v, &g.n);
	}
	l->no_snapshots = changed >= 0 && !has_snapshots(&g);
	g.recovery_point = o->recovery_point == LOG_RECOVER_LAST ? last_base(&g) : o->recovery_point;
	bool synced = o->written <= g.recovery_point;
	if (!synced)
		g.recovery_point = o->written;
	l->durable = o->clean ? INT64_MAX : g.recovery_point;
	l->one_by_one = o->one_by_one;
	int64_t first = first_base(&g);
	if (first > l->start)
		l->start = first;
	int r = changed < 0 ? -1 : load_all(l, &g, &how);
	/* what lies below the last segment was synced by an earlier owner or by the recovery just now */
	if (r == 0 && o->clean && g.recovered != l->segments_n - 1)
		l->recovery_point = l->end;
	else if (r == 0 && synced)
		l->recovery_point = g.recovery_point > log_active(l)->base ? g.recovery_point
			: log_active(l)->base;
	else if (r == 0)
		l->recovery_point = o->recovery_point;
	if (l->recovery_point > l->end)
		l->recovery_point = l->end;
	if (r == 0)
		log_marked(l);
	free(g.v);
	return r;
}
