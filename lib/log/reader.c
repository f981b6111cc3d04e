#include "log/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cold.h"
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

char *log_reader_note(struct log_reader *r)
{
	char *note = r->note;
	r->note = 0;
	return note;
}

struct log_reader *log_reader_new(int dirfd, const char *name)
{
	struct log_reader *r = calloc(1, sizeof *r);
	if (r && !(r->name = strdup(name))) {
		free(r);
		return 0;
	}
	if (!r)
		return 0;
	r->dirfd = dirfd;
	r->trusted = INT64_MAX;
	for (int i = 0; i < READER_OPEN; i++)
		r->open[i] = -1;
	return r;
}

static void close_one(struct log_reader *r, int *fd)
{
	if (*fd < 0)
		return;
	close(*fd);
	*fd = -1;
	r->files--;
}

static void close_segment(struct log_reader *r, struct reader_segment *s)
{
	close_one(r, &s->fd);
	close_one(r, &s->index_fd);
	free(s->checked);
	*s = (struct reader_segment){.base = s->base, .fd = -1, .index_fd = -1};
}

void log_reader_free(struct log_reader *r)
{
	if (!r)
		return;
	for (int i = 0; i < r->n; i++)
		close_segment(r, r->v + i);
	epochs_free(&r->epochs);
	free(r->v);
	free(r->buf);
	free(r->error);
	free(r->note);
	free(r->name);
	free(r);
}

int log_reader_open_files(const struct log_reader *r)
{
	return r->files;
}

void log_reader_rest(struct log_reader *r)
{
	for (int i = 0; r->files && i < r->n; i++) {
		close_one(r, &r->v[i].fd);
		close_one(r, &r->v[i].index_fd);
	}
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
		close_segment(r, r->v + (*old)++);
	if (*old < r->n && r->v[*old].base == s->base) {
		if (same_file(r, r->v + *old))
			*s = r->v[*old];
		else
			close_segment(r, r->v + *old);
		++*old;
	}
	/* an index is opened anew: its segment may have been cleaned, or cut and grown again */
	close_one(r, &s->index_fd);
	forget_hints(s);
}

/* What was checked stays so in segments that cannot have been cut meanwhile. */
static void forget_checked(struct reader_segment *v, int n)
{
	for (int k = 0; k < n; k++) {
		int64_t next = k + 1 < n ? v[k + 1].base : -1;
		if (next < 0 || v[k].next != next)
			v[k].checked_n = 0;
		v[k].next = next;
	}
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
		close_segment(r, r->v + old++);
	forget_checked(v, k);
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

static bool add_segment(struct log_reader *r, int64_t base)
{
	if (r->n == r->cap) {
		int cap = r->cap ? 2 * r->cap : 4;
		struct reader_segment *v = realloc(r->v, (size_t)cap * sizeof *v);
		if (!v)
			return false;
		r->v = v;
		r->cap = cap;
	}
	struct reader_segment *s = &r->v[r->n++];
	*s = (struct reader_segment){.base = base, .next = -1, .fd = -1, .index_fd = -1};
	forget_hints(s);
	s[-1].next = base;
	s[-1].checked_n = 0;    /* its end is known now, so more of it can be checked */
	return true;
}

bool log_reader_follow(struct log_reader *r, int64_t start, int64_t before, int64_t active)
{
	int gone = 0;
	int64_t last = r->listed && r->n ? r->v[r->n - 1].base : -1;
	if (last < 0 || (last != active && (last != before || !add_segment(r, active))))
		return false;
	while (gone + 1 < r->n && r->v[gone + 1].base <= start)
		close_segment(r, r->v + gone++);
	r->n -= gone;
	if (gone)
		memmove(r->v, r->v + gone, (size_t)r->n * sizeof *r->v);
	return true;
}

int64_t log_reader_first(const struct log_reader *r)
{
	return r->n ? r->v[0].base : -1;
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

/* A consumer that reads a long log passes thousands of segments, so those it has left are closed.
 * Descriptors of ranges that were just given away stay. */
static void note_open(struct log_reader *r, const struct reader_segment *s)
{
	for (int tries = 0; tries < READER_OPEN; tries++) {
		int64_t *place = &r->open[r->open_at++ % READER_OPEN];
		int i = reader_find_segment(r, *place);
		struct reader_segment *x = i >= 0 && r->v[i].base == *place ? r->v + i : 0;
		if (x && r->finds - x->used < READER_RECENT)
			continue;
		if (x) {
			close_one(r, &x->fd);
			close_one(r, &x->index_fd);
		}
		*place = s->base;
		return;
	}
}

static int open_once(struct log_reader *r, struct reader_segment *s, int *fd, const char *suffix)
{
	bool first = s->fd < 0 && s->index_fd < 0;
	if (*fd >= 0 || (*fd = reader_open(r, s->base, suffix)) < 0)
		return *fd;
	r->files++;
	s->used = r->finds;
	if (first)
		note_open(r, s);
	return *fd;
}

int reader_fd(struct log_reader *r, struct reader_segment *s, int64_t *bytes)
{
	struct stat st;
	if (open_once(r, s, &s->fd, ".log") < 0)
		return -1;
	s->used = r->finds;
	if (fstat(s->fd, &st) < 0)
		return reader_fail(r, s->base, ".log", 0, "stat");
	*bytes = st.st_size;
	return s->fd;
}

/* --- positions -------------------------------------------------------------------------------- */

static bool header_at(int fd, int64_t position, int64_t bytes, struct batch *b)
{
	uint8_t head[BATCH_HEADER];
	return position >= 0 && position <= bytes - BATCH_HEADER &&
	       cold_pread(fd, head, sizeof head, position) == sizeof head &&
	       batch_parse(b, head, sizeof head) == 0 && batch_bytes(b) <= bytes - position;
}

static int index_fd(struct log_reader *r, struct reader_segment *s, int64_t *bytes)
{
	struct stat st;
	if (open_once(r, s, &s->index_fd, ".index") < 0 || fstat(s->index_fd, &st) < 0)
		return -1;
	*bytes = st.st_size;
	return s->index_fd;
}

void reader_note(struct log_reader *r, struct reader_segment *s, const char *suffix)
{
	if (s->index_told || cold_missed(0))
		return;
	s->index_told = true;
	free(r->note);
	if (asprintf(&r->note, "%s/%020lld%s: an entry is wrong: not used", r->name,
		(long long)s->base, suffix) < 0)
		r->note = 0;
}

/* Where to begin looking for offset: an index entry that proves right, else the start of the
 * segment. Where an entry is wrong, one further before it may do. */
static int64_t before(struct log_reader *r, struct reader_segment *s, int64_t bytes, int64_t offset)
{
	enum { STEP = 256 };
	struct batch b;
	int64_t n, entry, position, key = offset - 1 - s->base;
	int ix = index_fd(r, s, &n);
	for (int64_t step = STEP; ix >= 0 && lookup_index(ix, n, key, &entry, &position) > 0;
		key -= step, step *= 2) {
		if (entry <= key && header_at(s->fd, position, bytes, &b)
			&& batch_last_offset(&b) == s->base + entry)
			return position;
		reader_note(r, s, ".index");
	}
	return 0;
}

/* The batch at `at` begins after the offset that was looked for: a hole that cleaning left, or the
 * one before has other offsets than it had. 1, -1. */
static int behind_gap(struct log_reader *r, struct reader_segment *s, int64_t offset, bool odd,
                      int64_t passed, int64_t at)
{
	struct reader_place any = {s->base, -1};
	if (!odd && (passed < 0 || offset >= r->trusted))
		return 1;
	if (!odd)
		return reader_check_range(r, s, &any, INT64_MAX, passed, &at) < 0 ? -1 : 1;
	errno = EBADMSG;
	return reader_fail(r, s->base, ".log", passed, "offset out of order");
}

/* Leaves the scan behind the first batch whose last offset is >= offset: 1, 0 none, -1. *place:
 * what that batch may begin with. */
static int scan_to(struct log_reader *r, struct reader_segment *s, struct scan *sc, int64_t offset,
                   struct batch *b, struct reader_place *place)
{
	int got;
	*place = (struct reader_place){s->base, -1};
	for (int k = 0; k < READER_HINTS; k++) {
		if (s->hint[k].offset != offset || s->hint[k].position >= sc->end)
			continue;
		sc->at = s->hint[k].position;
		sc->ahead = BATCH_HEADER;    /* large batches are why it is not a chunk */
		place->next = offset;
		if (scan_next(sc, b) > 0 && b->base_offset == offset)
			return 1;
	}
	*place = (struct reader_place){s->base, -1};
	int64_t passed = -1;
	bool odd = false;
	sc->at = before(r, s, sc->end, offset);
	while ((got = scan_next(sc, b)) > 0 && batch_last_offset(b) < offset) {
		odd = odd || b->base_offset < place->next || batch_last_offset(b) < b->base_offset;
		passed = sc->position;
		*place = (struct reader_place){batch_last_offset(b) + 1, b->epoch};
	}
	if (got < 0)
		return reader_fail(r, s->base, ".log", sc->position, "no whole record batch");
	if (got == 0 || b->base_offset <= offset)
		return got;
	return behind_gap(r, s, offset, odd, passed, sc->position);
}

static int begin(struct log_reader *r, struct reader_segment *s, struct scan *sc)
{
	int64_t bytes;
	int fd = reader_fd(r, s, &bytes);
	return fd < 0 ? -1 : scan_begin(sc, fd, 0, bytes, CHUNK);
}

int reader_locate(struct log_reader *r, struct reader_segment *s, int64_t offset, int64_t *position,
                  struct batch *b, struct reader_place *place)
{
	struct scan sc;
	if (begin(r, s, &sc) < 0)
		return -1;
	int got = scan_to(r, s, &sc, offset, b, place);
	*position = sc.position;
	scan_end(&sc);
	return got;
}

struct want {
	int64_t offset, end, max_bytes;
	bool min_one;
};

/* A later batch boundary that is surely inside [from, from + max): saves walking over all headers
 * of a large range. */
static int64_t skip_ahead(struct log_reader *r, struct reader_segment *s, int64_t from, int64_t max,
                          int64_t end)
{
	int64_t n, position;
	int ix = max > 4 * CHUNK ? index_fd(r, s, &n) : -1;
	if (ix < 0 || lookup_index_within(ix, n, end - 1 - s->base, from + max, &s->near,
		&position) <= 0)
		return from;
	return position;
}

/* The range that begins with batch b, which the scan has just passed. */
static void fill(struct log_reader *r, struct reader_segment *s, const struct want *w,
                 struct scan *sc, const struct batch *b, struct log_range *range)
{
	struct batch x;
	int64_t from = sc->position, to = sc->at, next = batch_last_offset(b) + 1;
	*range = (struct log_range){.base = s->base, .fd = s->fd, .position = from};
	if (next > w->end || (to - from > w->max_bytes && !w->min_one))
		return;
	int64_t max = w->max_bytes < sc->end - from ? w->max_bytes : sc->end - from;
	int64_t far = skip_ahead(r, s, from, max, w->end);
	if (far > to && header_at(s->fd, far, sc->end, &x) && x.base_offset >= next) {
		sc->at = to = far;
		next = x.base_offset;
	}
	while (scan_next(sc, &x) > 0 && batch_last_offset(&x) < w->end && sc->at - from <= max) {
		to = sc->at;
		next = batch_last_offset(&x) + 1;
	}
	range->bytes = to - from;
	s->hint[s->next_hint] = (struct reader_hint){next, to};
	s->next_hint = (uint8_t)((s->next_hint + 1) % READER_HINTS);
}

/* b: the batch at range->position. Its offsets may be damaged so that it seems to reach beyond the
 * end. */
static int check(struct log_reader *r, struct reader_segment *s, const struct want *w,
                 const struct batch *b, const struct reader_place *place, struct log_range *range)
{
	int64_t from = range->position, last = batch_last_offset(b);
	int64_t to = from + (range->bytes ? range->bytes : batch_bytes(b));
	if (last >= w->end && (w->offset >= r->trusted || last < r->trusted))
		return 1;
	if (reader_check_range(r, s, place, w->end, from, &to) < 0)
		return -1;
	if (last >= w->end) {
		errno = EBADMSG;
		return reader_fail(r, s->base, ".log", from, "offset out of order");
	}
	if (range->bytes)
		range->bytes = to - from;
	return 1;
}

/* What follows in the next segment is then not what comes next. */
int reader_lost_end(struct log_reader *r, struct reader_segment *s, int64_t offset, int64_t size)
{
	int64_t n, entry = -1, position, timed = -1, timestamp;
	int ix = index_fd(r, s, &n);
	struct stat st;
	if (ix >= 0)
		lookup_index(ix, n, INT32_MAX, &entry, &position);
	int fd = reader_open(r, s->base, ".timeindex");
	if (fd >= 0 && fstat(fd, &st) == 0)
		lookup_time_offset(fd, st.st_size, INT32_MAX, &timestamp, &timed);
	if (fd >= 0)
		close(fd);
	if (s->base + entry < offset && s->base + timed < offset)
		return 0;
	errno = EBADMSG;
	return reader_fail(r, s->base, ".log", size, "ends before offsets that its index names");
}

static int find_in(struct log_reader *r, struct reader_segment *s, const struct want *w,
                   struct log_range *range, int64_t *found)
{
	struct scan sc;
	struct batch b;
	struct reader_place place;
	if (begin(r, s, &sc) < 0)
		return -1;
	int got = scan_to(r, s, &sc, w->offset, &b, &place);
	if (got > 0)
		fill(r, s, w, &sc, &b, range);
	int64_t size = sc.end;
	scan_end(&sc);
	*found = got > 0 ? b.base_offset : -1;
	if (got > 0 && (w->offset < r->trusted || b.base_offset > w->offset))
		return check(r, s, w, &b, &place, range);
	return got == 0 && w->offset < r->trusted ? reader_lost_end(r, s, w->offset, size)
		: got;
}

int log_reader_find(struct log_reader *r, int64_t offset, int64_t end, int64_t max_bytes,
                    bool min_one, struct log_range *range)
{
	struct want w = {offset, end, max_bytes, min_one};
	*range = (struct log_range){.fd = -1};
	bool gone = false;
	int64_t found;
	r->finds++;
	if (offset >= end)
		return 0;  /* what lies there may be half written */
	if (!r->listed && reader_list(r) < 0)
		return -1;
	for (int attempt = 0; attempt < 2; attempt++) {
		int first = reader_find_segment(r, offset), i = first;
		if (i < 0 && attempt) {
			errno = ERANGE;
			return -1;
		}
		for (; i >= 0 && i < r->n; i++) {
			int got = find_in(r, r->v + i, &w, range, &found);
			/* A list that was read while segments were made may lack one that is older
			 * than another: it is in the next list. */
			if (got > 0 && !attempt && i > first && found > offset)
				break;
			if (got > 0 || (got < 0 && errno != ENOENT))
				return got > 0 ? 0 : -1;
			if ((gone = got < 0))
				break;  /* its file is gone: the list is old */
		}
		/* not there: a roll or a drop that the caller has not heard of */
		if (!attempt && reader_list(r) < 0)
			return -1;
	}
	if (offset >= r->trusted || !r->n || gone)
		return 0;
	errno = EBADMSG;
	return reader_fail(r, r->v[r->n - 1].base, ".log", 0, "ends before what was written");
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
