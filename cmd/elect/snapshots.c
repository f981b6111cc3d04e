/* OFFSET-EPOCH.checkpoint: batches of a log that begins at 0, framed by control records (Kafka's
 * RecordsSnapshotWriter, Snapshots). */
#include "snapshots.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/syncfile.h"
#include "meta/load.h"
#include "wire/api.h"
#include "wire/wire.h"

enum { NAME_SIZE = 64, CHUNK = 1 << 20, BOOTSTRAP_MAX = 64 << 20 };

static void name_of(struct snapshot_id id, char out[NAME_SIZE])
{
	snprintf(out, NAME_SIZE, "%020lld-%010d.checkpoint", (long long)id.offset, id.epoch);
}

static int by_age(const void *a, const void *b)
{
	const struct snapshot_id *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

static int add(struct store *s, struct snapshot_id id)
{
	struct snapshot_id *v = realloc(s->snapshots, ((size_t)s->snapshots_n + 1) * sizeof *v);

	if (!v)
		return -1;
	s->snapshots = v;
	v[s->snapshots_n++] = id;
	qsort(v, (size_t)s->snapshots_n, sizeof *v, by_age);
	return 0;
}

int snapshots_list(struct store *s)
{
	DIR *d = fdopendir(openat(s->partfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *e;
	int r = 0;

	if (!d)
		return -1;
	while (r == 0 && (errno = 0, e = readdir(d))) {
		char name[NAME_SIZE];
		long long offset;
		int epoch;
		struct snapshot_id id;
		const char *end = strstr(e->d_name, ".checkpoint");

		if (!end || sscanf(e->d_name, "%20lld-%10d.checkpoint", &offset, &epoch) != 2)
			continue;
		id = (struct snapshot_id){ offset, epoch };
		name_of(id, name);
		if (strcmp(name, e->d_name) == 0)
			r = add(s, id);
		else
			unlinkat(s->partfd, e->d_name, 0); /* .part, .deleted */
	}
	if (!e && errno)
		r = -1;
	closedir(d);
	return r;
}

bool store_snapshot_has(const struct store *s, struct snapshot_id id)
{
	for (int i = 0; i < s->snapshots_n; i++)
		if (s->snapshots[i].offset == id.offset && s->snapshots[i].epoch == id.epoch)
			return true;
	return false;
}

void store_snapshot_forget(struct store *s, struct snapshot_id id)
{
	int kept = 0;

	for (int i = 0; i < s->snapshots_n; i++)
		if (s->snapshots[i].offset != id.offset || s->snapshots[i].epoch != id.epoch)
			s->snapshots[kept++] = s->snapshots[i];
	s->snapshots_n = kept;
}

int store_snapshot_read(struct store *s, struct snapshot_id id, int64_t position, size_t max,
			struct buf *b, int64_t *size)
{
	char name[NAME_SIZE];
	struct stat st;
	ssize_t n = -1;
	int fd;

	name_of(id, name);
	fd = openat(s->partfd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0) {
		*size = st.st_size;
		if (position < st.st_size && (int64_t)max > st.st_size - position)
			max = (size_t)(st.st_size - position);
		if (buf_need(b, max) == 0)
			n = position < st.st_size ? pread(fd, b->p + b->n, max, position) : 0;
	}
	close(fd);
	if (n < 0)
		return -1;
	b->n += (size_t)n;
	return 0;
}

/* --- writing one --- */

struct writer {
	int fd;
	int32_t epoch;
	int64_t next; /* offset within the snapshot */
	int64_t wall_ms;
	struct buf values, out;
	int n;
};

static int write_all(int fd, const void *p, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t w = write(fd, (const char *)p + done, n - done);

		if (w < 0 && errno != EINTR)
			return -1;
		if (w > 0)
			done += (size_t)w;
	}
	return 0;
}

static int flush(struct writer *w, bool control)
{
	if (w->n == 0)
		return 0;
	w->out.n = 0;
	if (batch_of(&w->out, w->next, w->epoch, control, &w->values, w->wall_ms) < 0
	    || write_all(w->fd, w->out.p, w->out.n) < 0)
		return -1;
	w->next += w->n;
	w->n = 0;
	w->values.n = 0;
	return 0;
}

static int put_value(void *arg, struct span value)
{
	struct writer *w = arg;

	if (buf_add32(&w->values, (uint32_t)value.n) < 0
	    || buf_add(&w->values, value.p, (size_t)value.n) < 0)
		return -1;
	w->n++;
	return w->values.n > CHUNK ? flush(w, false) : 0;
}

static int put_control(struct writer *w, int type, const struct wire_type *t, const void *record,
		       const struct buf *raw)
{
	size_t at = w->values.n;

	if (buf_add32(&w->values, 0) < 0 || buf_add16(&w->values, (uint16_t)type) < 0
	    || (raw ? buf_add(&w->values, raw->p, raw->n)
		    : wire_encode(t, 0, record, &w->values, NULL))
		       < 0)
		return -1;
	put32(w->values.p + at, (uint32_t)(w->values.n - at - 4));
	w->n++;
	return 0;
}

static int write_records(struct writer *w, const struct meta_image *m, int64_t last_ms,
			 const struct buf *voters)
{
	struct snapshot_header_record head;
	struct snapshot_footer_record foot;
	struct kraft_version_record version;

	wire_init(&wire_snapshot_header_record, &head);
	wire_init(&wire_snapshot_footer_record, &foot);
	wire_init(&wire_kraft_version_record, &version);
	head.last_contained_log_timestamp = last_ms;
	version.kraft_version = meta_feature_level(m, "kraft.version");
	if (put_control(w, META_SNAPSHOT_HEADER, &wire_snapshot_header_record, &head, NULL) < 0)
		return -1;
	if (voters->n > 0
	    && (put_control(w, META_KRAFT_VERSION, &wire_kraft_version_record, &version, NULL) < 0
		|| put_control(w, META_KRAFT_VOTERS, NULL, NULL, voters) < 0))
		return -1;
	if (flush(w, true) < 0 || meta_image_records(m, put_value, w) < 0 || flush(w, false) < 0)
		return -1;
	if (put_control(w, META_SNAPSHOT_FOOTER, &wire_snapshot_footer_record, &foot, NULL) < 0)
		return -1;
	return flush(w, true);
}

/* Writes NAME.part by fn, and gives it its name when it is durable. */
static int make_file(struct store *s, struct snapshot_id id, int (*fn)(void *arg, int fd),
		     void *arg)
{
	char name[NAME_SIZE], part[NAME_SIZE + 8];
	int fd, r;

	name_of(id, name);
	snprintf(part, sizeof part, "%s.part", name);
	fd = openat(s->partfd, part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		goto fail;
	r = fn(arg, fd);
	if (r == 0)
		r = syncfile(fd);
	if (close(fd) < 0)
		r = -1;
	if (r < 0 || renameat(s->partfd, part, s->partfd, name) < 0 || syncfile(s->partfd) < 0)
		goto fail;
	if (!store_snapshot_has(s, id) && add(s, id) < 0)
		goto fail;
	return 0;
fail:
	r = errno;
	unlinkat(s->partfd, part, 0);
	errno = r;
	snprintf(s->why, sizeof s->why, "write log/__cluster_metadata-0/%s", part);
	return -1;
}

struct image_writer {
	struct writer w;
	const struct meta_image *m;
	int64_t last_ms;
	const struct buf *voters;
};

static int write_image(void *arg, int fd)
{
	struct image_writer *i = arg;
	int r;

	i->w.fd = fd;
	r = write_records(&i->w, i->m, i->last_ms, i->voters);
	buf_free(&i->w.values);
	buf_free(&i->w.out);
	return r;
}

int store_snapshot_write(struct store *s, struct snapshot_id id, const struct meta_image *m,
			 int64_t last_ms, int64_t wall_ms, const struct buf *voters)
{
	struct image_writer i = { .w = { .epoch = id.epoch, .wall_ms = wall_ms },
				  .m = m,
				  .last_ms = last_ms,
				  .voters = voters };

	return make_file(s, id, write_image, &i);
}

static int write_bytes(void *arg, int fd)
{
	const struct buf *b = arg;

	return write_all(fd, b->p, b->n);
}

int store_snapshot_put(struct store *s, struct snapshot_id id, const struct buf *bytes)
{
	struct buf b = *bytes;

	if (make_file(s, id, write_bytes, &b) < 0)
		return -1;
	if (log_restart_at(s->log, id.offset) == 0)
		return 0;
	store_failed(s);
	return -1;
}

/* --- taking old ones away --- */

static int64_t size_of(struct store *s, struct snapshot_id id, int64_t *made_ms)
{
	char name[NAME_SIZE];
	struct stat st;

	name_of(id, name);
	if (fstatat(s->partfd, name, &st, 0) < 0)
		return 0;
	*made_ms = (int64_t)st.st_mtim.tv_sec * 1000;
	return st.st_size;
}

static int64_t size_of_all(struct store *s)
{
	struct log_segment_info v[1024];
	int n = log_segments(s->log, v, 1024);
	int64_t sum = 0, made;

	for (int i = 0; i < n && i < 1024; i++)
		sum += v[i].bytes;
	for (int i = 0; i < s->snapshots_n; i++)
		sum += size_of(s, s->snapshots[i], &made);
	return sum;
}

int store_trim(struct store *s, int64_t bytes_max, int64_t age_max_ms, int64_t wall_ms)
{
	while (s->snapshots_n >= 2) {
		char name[NAME_SIZE];
		int64_t made_ms = wall_ms, next = s->snapshots[1].offset;
		bool large = size_of_all(s) > bytes_max && bytes_max >= 0;
		int dropped;

		size_of(s, s->snapshots[0], &made_ms);
		if (!large && (age_max_ms < 0 || wall_ms - made_ms <= age_max_ms))
			return 0;
		if (log_set_start(s->log, next) < 0 || log_drop_below(s->log, next, &dropped) < 0
		    || log_reap(s->log, wall_ms) < 0) {
			snprintf(s->why, sizeof s->why, "%s", log_error(s->log));
			return -1;
		}
		name_of(s->snapshots[0], name);
		unlinkat(s->partfd, name, 0);
		s->snapshots_n--;
		memmove(s->snapshots, s->snapshots + 1,
			(size_t)s->snapshots_n * sizeof *s->snapshots);
	}
	return 0;
}

int store_bootstrap_read(struct store *s, struct buf *b)
{
	char *p;
	size_t n;
	int r;

	if (atomicfile_read(s->dirfd, "bootstrap.checkpoint", BOOTSTRAP_MAX, &p, &n) < 0)
		return -1;
	r = buf_add(b, p, n);
	free(p);
	return r;
}
