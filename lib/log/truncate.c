/* Leader epochs and truncation (UnifiedLog.truncateTo, truncateFullyAndStartAt;
 * LeaderEpochFileCache). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/syncfile.h"
#include "base/planted.h"
#include "log/internal.h"
#include "log/lookup.h"
#include "log/scan.h"

static int assign(struct log *l, int32_t epoch)
{
	if (epoch >= epochs_last(&l->epochs))
		return epochs_assign(&l->epochs, epoch, l->end);
	errno = EINVAL;
	return -1;
}

int log_epoch_start(struct log *l, int32_t epoch)
{
	int r = assign(l, epoch);
	return r > 0 ? log_write_epochs(l) : r;
}

int log_epoch_start_soon(struct log *l, int32_t epoch)
{
	int r = assign(l, epoch);
	return r > 0 ? log_write_epochs_soon(l) : r;
}

void log_epoch_end(const struct log *l, int32_t asked, int32_t *epoch, int64_t *end)
{
	epochs_end(&l->epochs, asked, l->end, epoch, end);
}

int32_t log_epoch_of(const struct log *l, int64_t offset)
{
	return epochs_at(&l->epochs, offset);
}

/* Closes and forgets what is not on disk of segments that go away. */
static void forget_rolled(struct log *l, int64_t to)
{
	struct rolled **p = &l->rolled;
	while (*p) {
		struct rolled *r = *p;
		if (r->end <= to) {
			p = &r->next;
			continue;
		}
		for (int i = 0; i < 4; i++)
			if (r->fd[i] >= 0)
				close(r->fd[i]);
		*p = r->next;
		free(r);
	}
}

int log_mark_deleted(struct log *l, int i)
{
	char a[LOG_PATH], b[LOG_PATH];
	int64_t base = l->segments[i].base;
	if (log_segment_rename(l, base, "", ".deleted") < 0)
		return -1;
	if (renameat(l->dirfd, log_path(l, base, ".snapshot", a), l->dirfd,
		log_path(l, base, ".snapshot.deleted", b)) < 0 &&
	    errno != ENOENT)
		return log_fail(l, a, -1, "rename");
	return 0;
}

/* Entries of the active segment's indexes for offsets below to stay. */
static int cut_indexes(struct log *l, int64_t to)
{
	char path[LOG_PATH];
	struct segment *s = log_active(l);
	uint8_t e[TIMEINDEX_ENTRY];
	if (log_open_indexes(l) < 0 || indexfile_trim(&l->time) < 0 || indexfile_trim(&l->index) < 0)
		return log_fail(l, log_path(l, s->base, ".index", path), -1, "trim");
	uint32_t n = l->index.n, t = l->time.n;
	for (; n; n--)
		if (indexfile_get(&l->index, n - 1, e) < 0 || s->base + (int64_t)get32(e) < to)
			break;
	l->index.last = n ? (int64_t)get32(e) : -1;
	for (; t; t--)
		if (indexfile_get(&l->time, t - 1, e) < 0 || s->base + (int64_t)get32(e + 8) < to)
			break;
	l->time.last = t ? (int64_t)get64(e) : -1;
	s->max_ts = l->time.last;
	s->max_ts_offset = t ? s->base + (int64_t)get32(e + 8) : s->base;
	if (indexfile_cut(&l->index, n) < 0 || indexfile_cut(&l->time, t) < 0)
		return log_fail(l, log_path(l, s->base, ".index", path), -1, "cut");
	return txnindex_cut(l, to);
}

/* The largest timestamp may lie after the last time entry that was kept. */
static int find_max_time(struct log *l)
{
	struct segment *s = log_active(l);
	struct scan sc;
	struct batch b;
	int64_t position = 0;
	int r = s->max_ts >= 0 ? log_position(l, l->segments_n - 1, s->max_ts_offset, &position, &b) : 0;
	if (r < 0 || scan_begin(&sc, l->fd, s->max_ts >= 0 ? position : 0, s->bytes, 16 << 10) < 0)
		return -1;
	while ((r = scan_next(&sc, &b)) > 0) {
		if (sc.position == 0)
			s->first_ts = b.max_timestamp;
		if (b.max_timestamp > s->max_ts) {
			s->max_ts = b.max_timestamp;
			s->max_ts_offset = batch_last_offset(&b);
		}
	}
	scan_end(&sc);
	return r;
}

static int cut_active(struct log *l, int64_t *to)
{
	char path[LOG_PATH];
	struct segment *s = log_active(l);
	struct batch b;
	int64_t position;
	int r = log_position(l, l->segments_n - 1, *to, &position, &b);
	if (r < 0)
		return -1;
	if (r > 0 && b.base_offset < *to)
		*to = b.base_offset;  /* in the middle of a batch: the batch goes as a whole */
	if (log_own_fd(l) < 0 || cut_indexes(l, *to) < 0)
		return -1;
	if (ftruncate(l->fd, position) < 0)
		return log_fail(l, log_path(l, s->base, ".log", path), position, "truncate");
	s->bytes = position;
	l->since_index = 0;
	if (!position)
		s->first_ts = -1;
	return find_max_time(l);
}

/* Drops whole segments from the newest down, and durably, so that a crash in between, or one while
 * the segment before is cut, leaves a log without holes. */
static int drop_from(struct log *l, int first)
{
	bool dropped = false;
	for (int i = l->segments_n - 1; i >= first; i--) {
		if (log_mark_deleted(l, i) < 0)
			return -1;
		log_close_files(l);  /* of the active one; the one before has none open */
		l->segments_n = i;
		dropped = true;
	}
	return dropped && !PLANTED(CUT_BEFORE_DROP) ? log_sync_dir(l) : 0;
}

int log_truncate(struct log *l, int64_t to)
{
	char path[LOG_PATH];
	if (to < 0) {
		errno = EINVAL;
		return -1;
	}
	if (to >= l->end)
		return epochs_cut_end(&l->epochs, l->end) ? log_write_epochs(l) : 0;
	if (to < l->segments[0].base)
		return log_restart_at(l, to);
	l->shaped = ++l->layout;
	l->marks[0] = l->marks[1] = -1;
	/* until the end the log is not what its numbers say; an error leaves it to the next opening */
	l->broken = true;
	int keep = log_segment_find(l, to);
	if (drop_from(l, keep + 1) < 0 || (l->segments[keep].max_ts == LOG_UNKNOWN &&
	                                   log_segment_times(l, l->segments + keep) < 0)
	                                   	|| cut_active(l, &to) < 0)
		return -1;
	forget_rolled(l, l->segments[keep].base);
	l->end = to;
	if (l->start > to)
		l->start = to;
	if (l->recovery_point > to)
		l->recovery_point = to;
	if (epochs_cut_end(&l->epochs, to) && log_write_epochs(l) < 0)
		return -1;
	if (log_rebuild_producers(l, to, l->now_ms) < 0)
		return -1;
	if (!PLANTED(TRUNCATION_NOT_SYNCED) && syncfile(l->fd) < 0)
		return log_fail(l, log_path(l, log_active(l)->base, ".log", path), -1, "fsync");
	if (log_sync_dir(l) < 0)
		return -1;
	l->broken = false;
	return 0;
}

int log_restart_at(struct log *l, int64_t offset)
{
	if (offset < 0) {
		errno = EINVAL;
		return -1;
	}
	l->shaped = ++l->layout;
	l->marks[0] = l->marks[1] = -1;
	l->broken = true;
	forget_rolled(l, -1);
	if (drop_from(l, 0) < 0)
		return -1;
	producers_clear(&l->producers);
	if (snapshot_delete_range(l, INT64_MAX, 0) < 0)
		return -1;
	l->producers.snapped = l->producers.end = offset;
	l->start = l->end = l->recovery_point = offset;
	l->epochs.n = 0;
	if (log_write_epochs(l) < 0 || log_segment_create(l, offset, l->now_ms) < 0 || log_sync_dir(l) < 0)
		return -1;
	l->broken = false;
	return 0;
}

int log_set_start(struct log *l, int64_t offset)
{
	if (offset > l->end) {
		errno = EINVAL;
		return -1;
	}
	if (offset <= l->start)
		return 0;
	l->start = offset;
	producers_decided_below(&l->producers, offset);
	/* cut again by every opening */
	return epochs_cut_start(&l->epochs, offset) ? log_write_epochs_soon(l) : 0;
}
