/* The log: opening, appending, syncing, reading. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/syncfile.h"
#include "snapshots.h"

#define PARTITION "__cluster_metadata-0"
enum { FDS_MAX = 64 };

static int fail(struct store *s, const char *what)
{
	int e = errno;

	snprintf(s->why, sizeof s->why, "%s", what);
	errno = e;
	return -1;
}

/* A Java process that runs on this directory holds .lock in the POSIX way; our own logappend holds
 * it by an open file description, which shows no process. */
static int refuse_foreign(struct store *s)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = openat(s->dirfd, ".lock", O_RDWR | O_CLOEXEC), r;

	if (fd < 0)
		return errno == ENOENT ? 0 : fail(s, "open log/.lock");
	r = fcntl(fd, F_OFD_GETLK, &whole);
	close(fd);
	if (r < 0)
		return fail(s, "look at log/.lock");
	if (whole.l_type != F_UNLCK && whole.l_pid > 0) {
		errno = EBUSY;
		return fail(s, "use log: another broker runs on it");
	}
	return 0;
}

void store_failed(struct store *s)
{
	fail(s, log_error(s->log));
}

bool store_is_full(void)
{
	return (errno == ENOSPC || errno == EDQUOT) && !syncfile_failed();
}

static int open_all(struct store *s, const struct log_config *c, int64_t now_ms)
{
	struct log_opening o = {
		.drop_cache = true, .one_by_one = true, .now_ms = now_ms, .topic_id = uuid_metadata
	};
	struct snapshot_id last;

	s->dirfd = open("log", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dirfd < 0)
		return fail(s, "open log");
	if (refuse_foreign(s) < 0)
		return -1;
	if (mkdirat(s->dirfd, PARTITION, 0777) < 0 && errno != EEXIST)
		return fail(s, "make log/" PARTITION);
	s->partfd = openat(s->dirfd, PARTITION, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->partfd < 0)
		return fail(s, "open log/" PARTITION);
	if (snapshots_list(s) < 0)
		return fail(s, "list log/" PARTITION);
	if (s->snapshots_n > 0)
		o.recovery_point = s->snapshots[s->snapshots_n - 1].offset;
	s->log = log_open(s->dirfd, PARTITION, c, &o);
	if (!s->log)
		return fail(s, log_open_error());
	s->reader = log_reader_new(s->dirfd, PARTITION);
	if (!s->reader)
		return fail(s, "read log/" PARTITION);
	log_reader_trust(s->reader, log_end(s->log));
	s->layout = log_layout(s->log) - 1;
	if (s->snapshots_n == 0)
		return 0;
	/* A snapshot beyond the log (it was fetched, then the power went) stands for all of it. */
	last = s->snapshots[s->snapshots_n - 1];
	if (last.offset > log_end(s->log) && log_restart_at(s->log, last.offset) < 0)
		return fail(s, log_error(s->log));
	return 0;
}

int store_open(struct store *s, const struct log_config *c, int64_t now_ms)
{
	int e;

	memset(s, 0, sizeof *s);
	s->dirfd = s->partfd = -1;
	if (open_all(s, c, now_ms) == 0)
		return 0;
	e = errno;
	if (s->reader)
		log_reader_free(s->reader);
	if (s->log)
		log_close(s->log);
	free(s->snapshots);
	if (s->partfd >= 0)
		close(s->partfd);
	if (s->dirfd >= 0)
		close(s->dirfd);
	errno = e;
	return -1;
}

bool store_is_empty(const struct store *s)
{
	return s->snapshots_n == 0 && log_end(s->log) == 0
	       && faccessat(s->dirfd, "bootstrap.checkpoint", F_OK, 0) < 0;
}

int store_close(struct store *s)
{
	if (store_sync(s) < 0)
		return -1;
	log_reader_free(s->reader);
	if (log_close_clean(s->log) < 0)
		return fail(s, "close log/" PARTITION);
	buf_free(&s->batch);
	free(s->snapshots);
	close(s->partfd);
	close(s->dirfd);
	return 0;
}

int batch_of(struct buf *out, int64_t base, int32_t epoch, bool control, const struct buf *values,
	     int64_t wall_ms)
{
	struct batch_builder w;
	size_t at = 0;

	if (batch_begin(&w, out, base, epoch, control ? BATCH_CONTROL : 0, -1, -1, -1) < 0)
		return -1;
	while (at < values->n) {
		const char *p = (const char *)values->p + at + 4;
		int32_t n = (int32_t)get32(values->p + at);
		struct span key = { NULL, -1 }, value = { p, n };
		char control_key[4] = { 0 };

		if (control) {
			memcpy(control_key + 2, p, 2);
			key = (struct span){ control_key, 4 };
			value = (struct span){ p + 2, n - 2 };
		}
		if (batch_add(&w, wall_ms, key, value, NULL, 0) < 0)
			return -1;
		at += 4 + (size_t)n;
	}
	batch_end(&w);
	return 0;
}

int store_append(struct store *s, int32_t epoch, bool control, const struct buf *values,
		 int64_t wall_ms)
{
	struct batch b;
	int64_t base;

	s->batch.n = 0;
	if (batch_of(&s->batch, log_end(s->log), epoch, control, values, wall_ms) < 0)
		return fail(s, "make a batch");
	if (batch_parse(&b, s->batch.p, s->batch.n) < 0
	    || log_append(s->log, &b, s->batch.p, epoch, wall_ms, &base) < 0)
		return fail(s, log_error(s->log));
	return 0;
}

int store_copy(struct store *s, const void *batches, size_t n, int64_t wall_ms)
{
	return log_copy(s->log, batches, n, wall_ms) < 0 ? fail(s, log_error(s->log)) : 0;
}

int store_truncate(struct store *s, int64_t to)
{
	return log_truncate(s->log, to) < 0 ? fail(s, log_error(s->log)) : 0;
}

bool store_is_synced(const struct store *s)
{
	return log_recovery_point(s->log) == log_end(s->log);
}

int store_sync(struct store *s)
{
	int fds[FDS_MAX], n = log_dirty_fds(s->log, fds, FDS_MAX);
	int64_t end = log_end(s->log);

	while (n > 0) {
		for (int i = 0; i < n && i < FDS_MAX; i++)
			if (syncdata(fds[i]) < 0)
				return fail(s, "sync log/" PARTITION);
		if (n <= FDS_MAX)
			break;
		errno = EMFILE;
		return fail(s, "sync log/" PARTITION);
	}
	log_synced(s->log, end);
	return 0;
}

int64_t store_read(struct store *s, int64_t offset, int64_t end, int64_t max, struct buf *b)
{
	struct log_range r;
	int64_t done = 0;

	if (s->layout != log_layout(s->log)) {
		if (log_reader_layout(s->reader, log_layout(s->log)) < 0)
			return fail(s, log_reader_error(s->reader));
		s->layout = log_layout(s->log);
	}
	if (log_reader_find(s->reader, offset, end, max, true, &r) < 0)
		return fail(s, log_reader_error(s->reader));
	if (r.bytes == 0)
		return 0;
	if (buf_need(b, (size_t)r.bytes) < 0)
		return fail(s, "read log/" PARTITION);
	while (done < r.bytes) {
		ssize_t n = pread(r.fd, b->p + b->n, (size_t)(r.bytes - done), r.position + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n < 0 ? errno : EBADMSG;
			return fail(s, "read log/" PARTITION);
		}
		b->n += (size_t)n;
		done += n;
	}
	return done;
}
