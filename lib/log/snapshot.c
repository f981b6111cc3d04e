/* Producer snapshots of a partition: which there are, writing one, loading the newest good one. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/syncfile.h"
#include "log/internal.h"
#include "log/snapfile.h"

enum { SNAPSHOT_MAX = 1 << 30 };

int snapshot_write(struct log *l, bool sync)
{
	struct buf b = {0};
	char path[LOG_PATH];
	if (l->producers.end <= l->producers.snapped)
		return 0;
	log_path(l, l->producers.end, ".snapshot", path);
	if (snapfile_format(&l->producers, &b) < 0) {
		buf_free(&b);
		return -1;
	}
	l->no_snapshots = false;
	int fd = openat(l->dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int r = fd < 0 ? -1 : log_write_all(fd, b.p, b.n, 0);
	if (r == 0 && sync)
		r = syncfile(fd);
	if (r < 0) {
		log_fail(l, path, -1, "write");
		int saved = errno;
		unlinkat(l->dirfd, path, 0);
		errno = saved;
	} else {
		l->producers.snapped = l->producers.end;
	}
	if (fd >= 0)
		close(fd);
	buf_free(&b);
	return r;
}

/* Calls for each snapshot from the newest down, until f returns other than 0. */
static int each(struct log *l, int (*f)(struct log *l, int64_t offset, void *arg), void *arg)
{
	struct log_entry *v;
	int n, r = 0;
	if (l->no_snapshots)
		return 0;
	if (log_list(l->dirfd, l->name, &v, &n) < 0)
		return log_fail(l, l->name, -1, "list");
	for (int i = n - 1; i >= 0 && r == 0; i--)
		if (!strcmp(v[i].suffix, ".snapshot"))
			r = f(l, v[i].base, arg);
	free(v);
	return r;
}

int snapshot_drop(struct log *l, int64_t offset)
{
	char path[LOG_PATH];
	if (unlinkat(l->dirfd, log_path(l, offset, ".snapshot", path), 0) < 0 && errno != ENOENT)
		return log_fail(l, path, -1, "unlink");
	return 0;
}

static int drop_outside(struct log *l, int64_t offset, void *arg)
{
	const int64_t *range = arg;
	return offset <= range[0] || offset > range[1] ? snapshot_drop(l, offset) : 0;
}

int snapshot_delete_range(struct log *l, int64_t keep_above, int64_t keep_to)
{
	int64_t range[2] = {keep_above, keep_to};
	return each(l, drop_outside, range);
}

static int drop_stray(struct log *l, int64_t offset, void *arg)
{
	int i = log_segment_find(l, offset);
	if ((i >= 0 && l->segments[i].base == offset) || offset > log_active(l)->base)
		return 0;
	return snapshot_drop(l, offset);
}

/* Of those inside the active segment two stay: see log_mark. */
static int drop_older_marks(struct log *l, int64_t offset, void *arg)
{
	if (offset <= log_active(l)->base)
		return 1;
	if (l->marks[0] >= 0)
		return snapshot_drop(l, offset);
	l->marks[l->marks[1] < 0] = offset;
	return 0;
}

int snapshot_find_marks(struct log *l)
{
	l->marks[0] = l->marks[1] = -1;
	return each(l, drop_older_marks, 0) < 0 ? -1 : 0;
}

int snapshot_delete_strays(struct log *l)
{
	return each(l, drop_stray, 0) < 0 ? -1 : snapshot_find_marks(l);
}

static int newest(struct log *l, int64_t offset, void *arg)
{
	*(int64_t *)arg = offset;
	return 1;
}

int64_t snapshot_newest(struct log *l)
{
	int64_t offset = -1;
	return each(l, newest, &offset) < 0 ? -2 : offset;
}

static int load(struct log *l, int64_t offset, int64_t now_ms)
{
	char path[LOG_PATH], *p;
	size_t n;
	struct producer x;
	if (atomicfile_read(l->dirfd, log_path(l, offset, ".snapshot", path), SNAPSHOT_MAX, &p, &n) < 0)
		return log_fail(l, path, -1, "read");
	int entries = snapfile_check(p, n), r = entries < 0 ? 0 : 1;
	for (int i = 0; i < entries && r > 0; i++) {
		snapfile_entry(p, i, &x);
		bool expired = x.txn_first < 0 && x.last_timestamp <= now_ms - l->config.producer_expiration_ms;
		if (!expired && !producers_put(&l->producers, &x))
			r = -1;
	}
	free(p);
	return r;
}

int snapshot_load_newest(struct log *l, int64_t now_ms)
{
	producers_clear(&l->producers);
	for (;;) {
		int64_t offset = snapshot_newest(l);
		if (offset == -2)
			return -1;
		if (offset == -1) {
			l->producers.end = l->producers.snapped = l->start;
			return 0;
		}
		char path[LOG_PATH];
		int r = load(l, offset, now_ms);
		if (r == 0)
			log_note(l, log_path(l, offset, ".snapshot", path), 0, "damaged, not used");
		if (r > 0) {
			l->producers.end = l->producers.snapped = offset;
			return 0;
		}
		if (r < 0 || snapshot_drop(l, offset) < 0)
			return -1;
	}
}
