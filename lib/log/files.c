/* Names, descriptors and words of error of a partition directory. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomicfile.h"
#include "base/syncfile.h"
#include "log/internal.h"

char *log_path(const struct log *l, int64_t base, const char *suffix, char out[LOG_PATH])
{
	snprintf(out, LOG_PATH, "%s/%020lld%s", l->name, (long long)base, suffix);
	return out;
}

char *log_file(const struct log *l, const char *file, char out[LOG_PATH])
{
	snprintf(out, LOG_PATH, "%s/%s", l->name, file);
	return out;
}

int log_fail(struct log *l, const char *path, int64_t position, const char *what)
{
	int e = errno;
	char *words = 0;
	int r = position < 0 ? asprintf(&words, "%s: %s: %s", path, what, strerror(e)) :
	        asprintf(&words, "%s at %lld: %s: %s", path, (long long)position, what, strerror(e));
	if (r >= 0) {
		free(l->error);
		l->error = words;
	}
	errno = e;
	return -1;
}

void log_note(struct log *l, const char *path, int64_t position, const char *what)
{
	char *more = 0, at[32] = "";
	if (position >= 0)
		snprintf(at, sizeof at, " at %lld", (long long)position);
	if (asprintf(&more, "%s%s%s%s: %s", l->notes ? l->notes : "", l->notes ? "; " : "", path, at,
		what) < 0)
		return;
	free(l->notes);
	l->notes = more;
}

const char *log_notes(const struct log *l)
{
	return l->notes ? l->notes : "";
}

const char *log_error(const struct log *l)
{
	return l->error ? l->error : "";
}

int log_write_all(int fd, const void *from, size_t n, int64_t at)
{
	const char *p = from;
	while (n) {
		ssize_t r = pwrite(fd, p, n, at);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		p += r;
		at += r;
		n -= (size_t)r;
	}
	return 0;
}

int log_sync_dir(struct log *l)
{
	int fd = openat(l->dirfd, l->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return log_fail(l, l->name, -1, "open");
	int r = syncfile(fd);
	if (r < 0)
		log_fail(l, l->name, -1, "fsync");
	close(fd);
	return r;
}

void log_note_dir(struct log *l)
{
	l->new_entries = true;
	l->own_dir_since = l->end;
}

int log_read_small(struct log *l, const char *file, char **p, size_t *n)
{
	enum { small = 64 << 20 };
	char path[LOG_PATH];
	if (atomicfile_read(l->dirfd, log_file(l, file, path), small, p, n) < 0)
		return errno == ENOENT ? -1 : log_fail(l, path, -1, "read");
	return 0;
}

int log_write_small(struct log *l, const char *file, const void *p, size_t n)
{
	char path[LOG_PATH];
	int fd = openat(l->dirfd, l->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return log_fail(l, l->name, -1, "open");
	int r = atomicfile_write(fd, file, p, n);
	if (r < 0)
		log_fail(l, log_file(l, file, path), -1, "write");
	close(fd);
	return r;
}

int log_write_epochs(struct log *l)
{
	struct buf b = {0};
	int r = epochs_format(&l->epochs, &b);
	if (r == 0)
		r = log_write_small(l, EPOCHS_FILE, b.p, b.n);
	buf_free(&b);
	return r;
}

int log_write_epochs_soon(struct log *l)
{
	struct buf b = {0};
	char tmp[LOG_PATH], path[LOG_PATH];
	log_file(l, EPOCHS_FILE ".tmp", tmp);
	int r = epochs_format(&l->epochs, &b);
	int fd = r < 0 ? -1 : openat(l->dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	r = fd < 0 || log_write_all(fd, b.p, b.n, 0) < 0
		|| renameat(l->dirfd, tmp, l->dirfd, log_file(l, EPOCHS_FILE, path)) < 0 ? -1 : 0;
	if (r < 0)
		log_fail(l, tmp, -1, "write");
	int e = errno;
	if (fd >= 0)
		close(fd);
	buf_free(&b);
	errno = e;
	if (r == 0)
		log_note_dir(l);
	return r;
}

int log_own_fd(struct log *l)
{
	char path[LOG_PATH];
	if (l->fd < 0) {
		log_path(l, log_active(l)->base, ".log", path);
		l->fd = openat(l->dirfd, path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
		if (l->fd < 0)
			return log_fail(l, path, -1, "open");
		l->reserved = 0;
	}
	return l->fd;
}

/* --- listing ---------------------------------------------------------------------------------- */

int log_name_parse(const char *z, struct log_entry *e)
{
	int64_t base = 0;
	int i = 0;
	for (; i < 20; i++) {
		if (z[i] < '0' || z[i] > '9' || base > (INT64_MAX - (z[i] - '0')) / 10)
			return -1;
		base = base * 10 + (z[i] - '0');
	}
	/* so near the end of all numbers nothing can be appended, nor calculated */
	if (base > INT64_MAX - 2 * (int64_t)UINT32_MAX)
		return -1;
	if (z[20] != '.' || strlen(z + 20) >= sizeof e->suffix)
		return -1;
	e->base = base;
	strcpy(e->suffix, z + 20);
	return 0;
}

static int by_base(const void *a, const void *b)
{
	const struct log_entry *x = a, *y = b;
	if (x->base != y->base)
		return x->base < y->base ? -1 : 1;
	return strcmp(x->suffix, y->suffix);
}

int log_list(int dirfd, const char *name, struct log_entry **v, int *n)
{
	int cap = 0, r = 0;
	*v = 0;
	*n = 0;
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? 0 : fdopendir(fd);
	if (!d) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	for (;;) {
		struct log_entry e;
		errno = 0;
		struct dirent *f = readdir(d);
		if (!f) {
			r = errno ? -1 : 0;
			break;
		}
		if (log_name_parse(f->d_name, &e) < 0)
			continue;
		if (*n == cap) {
			cap = cap ? cap * 2 : 16;
			struct log_entry *more = realloc(*v, (size_t)cap * sizeof *more);
			if (!more) {
				r = -1;
				break;
			}
			*v = more;
		}
		(*v)[(*n)++] = e;
	}
	int saved = errno;
	closedir(d);
	if (r < 0) {
		free(*v);
		*v = 0;
		*n = 0;
		errno = saved;
		return -1;
	}
	if (*n)
		qsort(*v, (size_t)*n, sizeof **v, by_base);
	return 0;
}
