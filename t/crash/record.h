/* The file system as it could be after the power went: all calls by which this program changes
 * files are recorded here, and record_lose builds what may be left at some point of the recording.
 * What was synced is there; of the rest each write is kept, lost, or torn at 512 bytes, and names
 * come and go in part. These functions take the place of libc's in the program that includes this
 * file; syncs are recorded only. */
#ifndef T_CRASH_RECORD_H
#define T_CRASH_RECORD_H
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/buf.h"
#include "../tap.h"

enum { RECORD_EVENTS = 40000, RECORD_NODES = 4000, RECORD_FDS = 1024, RECORD_NAME = 96,
	RECORD_ENTRIES = 2000, SECTOR = 512 };

enum event_kind { EV_WRITE, EV_SIZE, EV_CREATE, EV_UNLINK, EV_RENAME, EV_SYNC, EV_SYNCFS, EV_NOTE };
struct event {
	enum event_kind kind;
	int node;               /* EV_NOTE: the number noted */
	int dir;                /* of names */
	int64_t at;             /* of a write; the new size */
	size_t bytes, data;     /* a write's, in record_data */
	char name[RECORD_NAME], to[RECORD_NAME];
};
struct entry {
	int dir, node;
	char name[RECORD_NAME];
};
struct names {
	struct entry v[RECORD_ENTRIES];
	int n;
};
static struct event events[RECORD_EVENTS];
static int events_n;
static struct buf record_data;
static struct names record_now;
static bool node_is_dir[RECORD_NODES];
static int nodes_n, fd_node[RECORD_FDS];
static bool recording;

/* --- names ------------------------------------------------------------------------------------ */

TAP_FN int entry_find(const struct names *t, int dir, const char *name)
{
	for (int i = 0; i < t->n; i++)
		if (t->v[i].dir == dir && !strcmp(t->v[i].name, name))
			return i;
	return -1;
}

TAP_FN void entry_del(struct names *t, int dir, const char *name)
{
	int i = entry_find(t, dir, name);
	if (i >= 0)
		t->v[i] = t->v[--t->n];
}

TAP_FN void entry_put(struct names *t, int dir, const char *name, int node)
{
	int i = entry_find(t, dir, name);
	if (i < 0)
		i = t->n++;
	if (i >= RECORD_ENTRIES)
		abort();
	t->v[i].dir = dir;
	t->v[i].node = node;
	snprintf(t->v[i].name, RECORD_NAME, "%s", name);
}

TAP_FN void names_apply(struct names *t, const struct event *e)
{
	if (e->kind == EV_CREATE)
		entry_put(t, e->dir, e->name, e->node);
	else
		entry_del(t, e->dir, e->name);
	if (e->kind == EV_RENAME)
		entry_put(t, e->dir, e->to, e->node);
}

/* The directory of path and the name in it; -1 when it is none of ours. */
TAP_FN int path_split(int dirfd, const char *path, char name[RECORD_NAME])
{
	int dir = dirfd >= 0 && dirfd < RECORD_FDS ? fd_node[dirfd] - 1 : -1;
	const char *slash = strrchr(path, '/');
	if (!recording || dir < 0 || *path == '/')
		return -1;
	if (slash) {
		char first[RECORD_NAME];
		snprintf(first, sizeof first, "%.*s", (int)(slash - path), path);
		int i = entry_find(&record_now, dir, first);
		dir = i < 0 ? -1 : record_now.v[i].node;
		path = slash + 1;
	}
	snprintf(name, RECORD_NAME, "%s", path);
	return dir;
}

TAP_FN struct event *event_add(enum event_kind kind, int node)
{
	if (events_n == RECORD_EVENTS)
		abort();
	struct event *e = events + events_n++;
	*e = (struct event){.kind = kind, .node = node};
	return e;
}

TAP_FN void event_name(enum event_kind kind, int dir, const char *name, int node, const char *to)
{
	struct event *e = event_add(kind, node);
	e->dir = dir;
	snprintf(e->name, RECORD_NAME, "%s", name);
	snprintf(e->to, RECORD_NAME, "%s", to);
	names_apply(&record_now, e);
}

TAP_FN int fd_of(int fd)
{
	return recording && fd >= 0 && fd < RECORD_FDS ? fd_node[fd] - 1 : -1;
}

TAP_FN int node_new(bool dir)
{
	if (nodes_n == RECORD_NODES)
		abort();
	node_is_dir[nodes_n] = dir;
	return nodes_n++;
}

/* --- libc's functions ------------------------------------------------------------------------- */

int openat(int dirfd, const char *path, int flags, ...)
{
	char name[RECORD_NAME];
	va_list ap;
	va_start(ap, flags);
	int mode = flags & O_CREAT ? va_arg(ap, int) : 0;
	va_end(ap);
	int dir = path_split(dirfd, path, name);
	int fd = (int)syscall(SYS_openat, dirfd, path, flags, mode);
	if (fd < 0 || fd >= RECORD_FDS)
		return fd;
	fd_node[fd] = 0;
	if (dir < 0)
		return fd;
	int i = entry_find(&record_now, dir, name);
	int node = i >= 0 ? record_now.v[i].node : !strcmp(name, ".") ? dir : -1;
	if (node < 0 && flags & O_CREAT)
		event_name(EV_CREATE, dir, name, node = node_new(false), "");
	else if (node >= 0 && flags & O_TRUNC)
		event_add(EV_SIZE, node);
	fd_node[fd] = node + 1;
	return fd;
}

TAP_FN void note_write(int fd, const void *p, ssize_t n, int64_t at)
{
	int node = fd_of(fd);
	if (node < 0 || n <= 0)
		return;
	struct event *e = event_add(EV_WRITE, node);
	e->at = at;
	e->bytes = (size_t)n;
	e->data = record_data.n;
	if (buf_add(&record_data, p, (size_t)n) < 0)
		abort();
}

ssize_t write(int fd, const void *p, size_t n)
{
	int64_t at = fd_of(fd) < 0 ? 0 : lseek(fd, 0, SEEK_CUR);
	ssize_t r = syscall(SYS_write, fd, p, n);
	note_write(fd, p, r, at);
	return r;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	ssize_t r = syscall(SYS_pwrite64, fd, p, n, at);
	note_write(fd, p, r, at);
	return r;
}

ssize_t pwritev(int fd, const struct iovec *v, int count, off_t at)
{
	static struct buf all;
	all.n = 0;
	for (int i = 0; i < count; i++)
		if (buf_add(&all, v[i].iov_base, v[i].iov_len) < 0)
			abort();
	return pwrite(fd, all.p, all.n, at);
}

int ftruncate(int fd, off_t size)
{
	int r = (int)syscall(SYS_ftruncate, fd, size);
	if (r == 0 && fd_of(fd) >= 0)
		event_add(EV_SIZE, fd_of(fd))->at = size;
	return r;
}

static bool record_planted;     /* a device that forgets: syncs of directories do nothing */

int fsync(int fd)
{
	int node = fd_of(fd);
	if (node >= 0 && !(record_planted && node_is_dir[node]))
		event_add(EV_SYNC, node);
	return 0;
}

int fdatasync(int fd)
{
	return fsync(fd);
}

int syncfs(int fd)
{
	if (fd_of(fd) >= 0)
		event_add(EV_SYNCFS, 0);
	return 0;
}

int unlinkat(int dirfd, const char *path, int flags)
{
	char name[RECORD_NAME];
	int dir = path_split(dirfd, path, name);
	int r = (int)syscall(SYS_unlinkat, dirfd, path, flags);
	if (r == 0 && dir >= 0)
		event_name(EV_UNLINK, dir, name, -1, "");
	return r;
}

int mkdirat(int dirfd, const char *path, mode_t mode)
{
	char name[RECORD_NAME];
	int dir = path_split(dirfd, path, name);
	int r = (int)syscall(SYS_mkdirat, dirfd, path, mode);
	if (r == 0 && dir >= 0)
		event_name(EV_CREATE, dir, name, node_new(true), "");
	return r;
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	char name[RECORD_NAME], name2[RECORD_NAME];
	int dir = path_split(from_fd, from, name);
	int dir2 = path_split(to_fd, to, name2);
	int r = (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
	if (r < 0 || dir < 0)
		return r;
	int i = entry_find(&record_now, dir, name);
	if (dir != dir2 || i < 0)
		abort();
	event_name(EV_RENAME, dir, name, record_now.v[i].node, name2);
	return r;
}

/* --- recording -------------------------------------------------------------------------------- */

/* Begins with the empty directory that fd is open on, which is node 0. */
TAP_FN void record_begin(int fd)
{
	events_n = nodes_n = record_now.n = 0;
	record_data.n = 0;
	memset(fd_node, 0, sizeof fd_node);
	fd_node[fd] = node_new(true) + 1;
	recording = true;
}

TAP_FN void record_end(void)
{
	recording = false;
}

TAP_FN void record_note(int n)
{
	event_add(EV_NOTE, n);
}

/* The last number noted before event `cut`. */
TAP_FN int record_noted(int cut)
{
	while (cut > 0)
		if (events[--cut].kind == EV_NOTE)
			return events[cut].node;
	return 0;
}

/* --- losing ----------------------------------------------------------------------------------- */

static bool durable[RECORD_EVENTS];

TAP_FN void find_durable(int cut)
{
	static bool synced[RECORD_NODES];
	bool all = false;
	memset(synced, 0, sizeof synced);
	for (int i = cut - 1; i >= 0; i--) {
		const struct event *e = events + i;
		if (e->kind == EV_SYNC)
			synced[e->node] = true;
		all = all || e->kind == EV_SYNCFS;
		bool name = e->kind == EV_CREATE || e->kind == EV_UNLINK || e->kind == EV_RENAME;
		durable[i] = all || (e->kind <= EV_RENAME && synced[name ? e->dir : e->node]);
	}
}

/* Names that are kept: as a journal does, all before some moment; or, of new files, any. */
TAP_FN void lose_names(int cut, struct names *t)
{
	bool journal = tap_random(2);
	int moment = (int)tap_random((uint64_t)cut + 1);
	t->n = 0;
	for (int i = 0; i < cut; i++) {
		const struct event *e = events + i;
		if (e->kind != EV_CREATE && e->kind != EV_UNLINK && e->kind != EV_RENAME)
			continue;
		bool kept = journal || e->kind != EV_CREATE ? i < moment : tap_random(2);
		if (durable[i] || kept)
			names_apply(t, e);
	}
}

/* Sector by sector, or in one piece. */
TAP_FN void lose_write(struct buf *b, const struct event *e, bool kept)
{
	size_t end = (size_t)e->at + e->bytes;
	bool torn = !kept && tap_random(3) == 0, grown = !kept && tap_random(4) == 0;
	if (!kept && !torn && !grown)
		return;
	size_t before = b->n;
	if (end > b->n) {
		if (buf_need(b, end - b->n) < 0)
			abort();
		memset(b->p + b->n, 0, end - b->n);
		b->n = end;
	}
	size_t last = before;    /* the size goes as far as the last sector that arrived */
	for (size_t at = (size_t)e->at, next; at < end; at = next) {
		next = (at / SECTOR + 1) * SECTOR;
		next = next < end ? next : end;
		if (!kept && !(torn && tap_random(2)))
			continue;
		memcpy(b->p + at, record_data.p + e->data + (at - (size_t)e->at), next - at);
		last = next > last ? next : last;
	}
	if (!kept && !grown)
		b->n = last;
}

TAP_FN void lose_file(int node, int cut, int keep, struct buf *b)
{
	b->n = 0;
	for (int i = 0; i < cut; i++) {
		const struct event *e = events + i;
		if (e->node != node || e->kind > EV_SIZE)
			continue;
		bool kept = durable[i] || (int)tap_random(100) < keep;
		if (e->kind == EV_WRITE) {
			lose_write(b, e, kept);
		} else if (kept && (size_t)e->at <= b->n) {
			b->n = (size_t)e->at;
		} else if (kept) {
			if (buf_need(b, (size_t)e->at - b->n) < 0)
				abort();
			memset(b->p + b->n, 0, (size_t)e->at - b->n);
			b->n = (size_t)e->at;
		}
	}
}

TAP_FN void lose_dir(int fd, int node, int cut, int keep, const struct names *t)
{
	static struct buf b;
	for (int i = 0; i < t->n; i++) {
		const struct entry *e = t->v + i;
		if (e->dir != node)
			continue;
		if (node_is_dir[e->node]) {
			int in = mkdirat(fd, e->name, 0777) < 0 ? -1
				: openat(fd, e->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (in < 0)
				abort();
			lose_dir(in, e->node, cut, keep, t);
			close(in);
			continue;
		}
		lose_file(e->node, cut, keep, &b);
		int out = openat(fd, e->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (out < 0 || (b.n && write(out, b.p, b.n) != (ssize_t)b.n))
			abort();
		close(out);
	}
}

/* Fills the empty directory fd with what may be there when the power goes before event `cut`. */
TAP_FN void record_lose(int fd, int cut)
{
	static const int keeps[] = {0, 10, 50, 90, 100};
	static struct names t;
	find_durable(cut);
	lose_names(cut, &t);
	lose_dir(fd, 0, cut, keeps[tap_random(5)], &t);
}
#endif
