#include "log/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/lookup.h"
#include "log/names.h"
#include "log/reader_internal.h"
#include "log/scan.h"

enum { CHUNK = 16 << 10 };

int reader_fail(struct log_reader *r, int64_t base, const char *suffix, int64_t position,
	const char *what)
{
	int e = errno;
	char *words = 0;
	if (asprintf(&words, "%s/%020lld%s at %lld: %s: %s", r->name, (long long)base, suffix,
		(long long)position, what,
	             strerror(e)) >= 0) {
		free(r->error);
		r->error = words;
	}
	errno = e;
	return -1;
}

const char *log_reader_error(const struct log_reader *r)
{
	return r->error ? r->error : strerror(errno);
}

struct log_reader *log_reader_new(int dirfd, const char *name)
{
	struct log_reader *r = calloc(1, sizeof *r);
	if (r && !(r->name = strdup(name))) {
		free(r);
		return 0;
	}
	if (r)
		r->dirfd = dirfd;
	return r;
}

static void close_segment(struct reader_segment *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->index_fd >= 0)
		close(s->index_fd);
	s->fd = s->index_fd = -1;
}

void log_reader_free(struct log_reader *r)
{
	if (!r)
		return;
	for (int i = 0; i < r->n; i++)
		close_segment(r->v + i);
	epochs_free(&r->epochs);
	free(r->v);
	free(r->buf);
	free(r->error);
	free(r->name);
	free(r);
}

/* --- the list of segments --------------------------------------------------------------------- */

static void forget_hints(struct reader_segment *s)
{
	for (int k = 0; k < READER_HINTS; k++)
		s->hint[k].offset = -1;
}

/* The name may stand for another file now: a cleaned segment took its place, or the log began
 * anew. */
static bool same_file(const struct log_reader *r, const struct reader_segment *s)
{
	char path[320];
	struct stat a, b;
	snprintf(path, sizeof path, "%s/%020lld.log", r->name, (long long)s->base);
	return s->fd >= 0 && fstat(s->fd, &a) == 0 && fstatat(r->dirfd, path, &b, 0) == 0
		&& a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

static void take_over(struct log_reader *r, struct reader_segment *s, int *old)
{
	while (*old < r->n && r->v[*old].base < s->base)
		close_segment(r->v + (*old)++);
	if (*old < r->n && r->v[*old].base == s->base) {
		if (same_file(r, r->v + *old))
			*s = r->v[*old];
		else
			close_segment(r->v + *old);
		++*old;
	}
	/* an index is opened anew: its segment may have been cleaned, or cut and grown again */
	if (s->index_fd >= 0)
		close(s->index_fd);
	s->index_fd = -1;
	forget_hints(s);
}

int reader_list(struct log_reader *r)
{
	struct log_entry *e;
	int n, logs = 0, old = 0, k = 0;
	if (log_list(r->dirfd, r->name, &e, &n) < 0)
		return errno == ENOENT ? -1 : reader_fail(r, 0, "", 0, "list");
	for (int i = 0; i < n; i++)
		logs += !strcmp(e[i].suffix, ".log");
	struct reader_segment *v = logs ? calloc((size_t)logs, sizeof *v) : 0;
	if (logs && !v) {
		free(e);
		return -1;
	}
	for (int i = 0; i < n; i++)
		if (!strcmp(e[i].suffix, ".log")) {
			v[k] = (struct reader_segment){.base = e[i].base, .fd = -1, .index_fd = -1};
			take_over(r, v + k++, &old);
		}
	while (old < r->n)
		close_segment(r->v + old++);
	free(e);
	free(r->v);
	r->v = v;
	r->n = r->cap = logs;
	r->listed = true;
	return 0;
}

int log_reader_layout(struct log_reader *r, uint32_t layout)
{
	return reader_list(r);
}

int reader_find_segment(const struct log_reader *r, int64_t offset)
{
	int lo = 0, hi = r->n;
	while (lo < hi) {
		int mid = (lo + hi) / 2;
		if (r->v[mid].base <= offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo - 1;
}

int reader_open(struct log_reader *r, int64_t base, const char *suffix)
{
	char path[320];
	snprintf(path, sizeof path, "%s/%020lld%s", r->name, (long long)base, suffix);
	int fd = openat(r->dirfd, path, O_RDONLY | O_CLOEXEC);
	return fd < 0 && errno != ENOENT ? reader_fail(r, base, suffix, 0, "open") : fd;
}

int reader_fd(struct log_reader *r, struct reader_segment *s, int64_t *bytes)
{
	struct stat st;
	if (s->fd < 0 && (s->fd = reader_open(r, s->base, ".log")) < 0)
		return -1;
	if (fstat(s->fd, &st) < 0)
		return reader_fail(r, s->base, ".log", 0, "stat");
	*bytes = st.st_size;
	return s->fd;
}

/* --- positions -------------------------------------------------------------------------------- */

static bool header_at(int fd, int64_t position, int64_t bytes, struct batch *b)
{
	uint8_t head[BATCH_HEADER];
	return position >= 0 && position <= bytes - BATCH_HEADER && pread(fd, head, sizeof head,
		position) == sizeof head &&
	       batch_parse(b, head, sizeof head) == 0 && batch_bytes(b) <= bytes - position;
}

static int index_fd(struct log_reader *r, struct reader_segment *s, int64_t *bytes)
{
	struct stat st;
	if (s->index_fd < 0)
		s->index_fd = reader_open(r, s->base, ".index");
	if (s->index_fd < 0 || fstat(s->index_fd, &st) < 0)
		return -1;
	*bytes = st.st_size;
	return s->index_fd;
}

/* Where to begin looking for offset: a hint or an index entry that proves right, else the start of
 * the segment. */
static int64_t start_for(struct log_reader *r, struct reader_segment *s, int fd, int64_t bytes,
	int64_t offset)
{
	struct batch b;
	int64_t n, entry, position;
	for (int k = 0; k < READER_HINTS; k++)
		if (s->hint[k].offset == offset && header_at(fd, s->hint[k].position, bytes, &b)
			&& b.base_offset == offset)
			return s->hint[k].position;
	int ix = index_fd(r, s, &n);
	if (ix < 0 || lookup_index(ix, n, offset - 1 - s->base, &entry, &position) <= 0)
		return 0;
	return header_at(fd, position, bytes, &b) && batch_last_offset(&b) == s->base + entry ? position
		: 0;
}

int reader_locate(struct log_reader *r, struct reader_segment *s, int64_t offset, int64_t *position,
	struct batch *b)
{
	int64_t bytes;
	struct scan sc;
	int fd = reader_fd(r, s, &bytes);
	if (fd < 0)
		return -1;
	if (!bytes)
		return 0;
	if (scan_begin(&sc, fd, start_for(r, s, fd, bytes, offset), bytes, CHUNK) < 0)
		return -1;
	int got;
	while ((got = scan_next(&sc, b)) > 0 && batch_last_offset(b) < offset)
		;
	*position = sc.position;
	scan_end(&sc);
	return got < 0 ? reader_fail(r, s->base, ".log", *position, "read") : got;
}

/* A later batch boundary that is surely inside [from, from + max): saves walking over all headers
 * of a large range. */
static int64_t skip_ahead(struct log_reader *r, struct reader_segment *s, int64_t from, int64_t max,
	int64_t end)
{
	int64_t n, entry, by_bytes, by_end;
	int ix = max > 4 * CHUNK ? index_fd(r, s, &n) : -1;
	if (ix < 0 || lookup_index_position(ix, n, from + max, &by_bytes) <= 0 ||
	    lookup_index(ix, n, end - 1 - s->base, &entry, &by_end) <= 0)
		return from;
	int64_t to = by_bytes < by_end ? by_bytes : by_end;
	return to > from ? to : from;
}

/* The end of the range that begins at position: whole batches, none reaching end. */
static int64_t range_end(struct log_reader *r, struct reader_segment *s, int64_t position,
	int64_t bytes,
                         int64_t end, int64_t max_bytes, int64_t first_bytes, int64_t *next_offset)
{
	struct scan sc;
	struct batch b;
	int64_t max = max_bytes > bytes - position ? bytes - position : max_bytes;
	int64_t to = position + first_bytes;
	int64_t from = skip_ahead(r, s, position, max, end);
	if (from > position && (!header_at(s->fd, from, bytes, &b) || b.base_offset < s->base))
		from = position;
	if (from > to)
		to = from;
	if (scan_begin(&sc, s->fd, from, bytes, CHUNK) < 0)
		return -1;
	while (scan_next(&sc, &b) > 0 && batch_last_offset(&b) < end
		&& (sc.at - position <= max || sc.at == position + first_bytes)) {
		to = sc.at;
		*next_offset = batch_last_offset(&b) + 1;
	}
	scan_end(&sc);
	return to;
}

static int find_in(struct log_reader *r, struct reader_segment *s, int64_t offset, int64_t end,
	int64_t max_bytes,
                   bool min_one, struct log_range *range)
{
	struct batch b;
	int64_t position, bytes, next = -1;
	int got = reader_locate(r, s, offset, &position, &b);
	if (got <= 0)
		return got;
	range->base = s->base;
	range->fd = s->fd;
	range->position = position;
	range->bytes = 0;
	if (batch_last_offset(&b) >= end || (batch_bytes(&b) > max_bytes && !min_one))
		return 1;
	if (reader_fd(r, s, &bytes) < 0)
		return -1;
	int64_t to = range_end(r, s, position, bytes, end, max_bytes, batch_bytes(&b), &next);
	if (to < 0)
		return -1;
	range->bytes = to - position;
	if (next >= 0) {
		s->hint[s->next_hint] = (struct reader_hint){next, to};
		s->next_hint = (uint8_t)((s->next_hint + 1) % READER_HINTS);
	}
	return 1;
}

int log_reader_find(struct log_reader *r, int64_t offset, int64_t end, int64_t max_bytes,
	bool min_one,
                    struct log_range *range)
{
	*range = (struct log_range){.fd = -1};
	if (offset >= end)
		return 0;  /* what lies there may be half written */
	if (!r->listed && reader_list(r) < 0)
		return -1;
	for (int attempt = 0; attempt < 2; attempt++) {
		int i = reader_find_segment(r, offset);
		if (i < 0 && attempt) {
			errno = ERANGE;
			return -1;
		}
		for (; i >= 0 && i < r->n; i++) {
			int got = find_in(r, r->v + i, offset, end, max_bytes, min_one, range);
			if (got > 0 || (got < 0 && errno != ENOENT))
				return got > 0 ? 0 : -1;
			if (got < 0)
				break;  /* its file is gone: the list is old */
		}
		/* not there: a roll or a drop that the caller has not heard of */
		if (!attempt && reader_list(r) < 0)
			return -1;
	}
	return 0;
}

int64_t log_reader_bytes(struct log_reader *r)
{
	int64_t sum = 0;
	struct stat st;
	char path[320];
	if (reader_list(r) < 0)
		return -1;
	for (int i = 0; i < r->n; i++) {
		snprintf(path, sizeof path, "%s/%020lld.log", r->name, (long long)r->v[i].base);
		if (fstatat(r->dirfd, path, &st, 0) == 0)
			sum += st.st_size;
		else if (errno != ENOENT)
			return reader_fail(r, r->v[i].base, ".log", 0, "stat");
	}
	return sum;
}
