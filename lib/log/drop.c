/* Deleting: whole segments below an offset, renamed files after a while, a whole partition. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/internal.h"

/* Descriptors of a rolled segment that is dropped need no sync any more. */
static void forget_oldest(struct log *l, int64_t up_to)
{
	while (l->rolled && l->rolled->end <= up_to) {
		struct rolled *r = l->rolled;
		for (int i = 0; i < 4; i++)
			if (r->fd[i] >= 0)
				close(r->fd[i]);
		l->rolled = r->next;
		free(r);
	}
}

int log_drop_below(struct log *l, int64_t offset, int *dropped)
{
	int n = 0, r = 0;
	while (n + 1 < l->segments_n && l->segments[n + 1].base <= offset
		&& (r = log_mark_deleted(l, n)) == 0)
		n++;
	if (dropped)
		*dropped = n;
	if (!n)
		return r;
	l->layout++;
	l->dropped = true;
	log_note_dir(l);
	l->segments_n -= n;
	memmove(l->segments, l->segments + n, (size_t)l->segments_n * sizeof *l->segments);
	int64_t first = l->segments[0].base;
	forget_oldest(l, first);
	if (first > l->start && log_set_start(l, first) < 0)
		r = -1;
	return r;
}

bool log_start_told(const struct log *l)
{
	return !l->dropped && l->segments[0].base >= l->start;
}

/* Is it such a file, renamed before then? The rename set the change time. */
static bool is_reaped(int fd, const char *file, int64_t older_than_ms)
{
	static const char end[] = ".deleted";
	struct log_entry e;
	struct stat st;
	size_t n = log_name_parse(file, &e) < 0 ? 0 : strlen(file);
	return n >= sizeof end && !strcmp(file + n - (sizeof end - 1), end)
	       && fstatat(fd, file, &st, 0) == 0
	       && (int64_t)st.st_ctim.tv_sec * 1000 + st.st_ctim.tv_nsec / 1000000 < older_than_ms;
}

int log_reap_dir(int dirfd, const char *name, int64_t older_than_ms)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? 0 : fdopendir(fd);
	int r = 0;
	if (!d) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	for (struct dirent *f; (f = readdir(d));)
		if (is_reaped(fd, f->d_name, older_than_ms) && unlinkat(fd, f->d_name, 0) < 0
		    && errno != ENOENT)
			r = -1;
	int e = errno;
	closedir(d);
	errno = e;
	return r;
}

int log_reap(struct log *l, int64_t older_than_ms)
{
	return log_reap_dir(l->dirfd, l->name, older_than_ms) < 0 ? log_fail(l, l->name, -1, "reap") : 0;
}

/* LocalLog.logDeleteDirName: TOPIC-P.UUID-delete, the topic cut so that the name has at most 255
 * characters. */
static int deleted_name(const char *name, char *out, size_t size)
{
	uint8_t u[16];
	char hex[33], tail[80];
	const char *dash = strrchr(name, '-');
	if (!dash || strlen(dash) > 12) {
		errno = EINVAL;
		return -1;
	}
	if (getrandom(u, sizeof u, 0) < 0)
		return -1;
	for (int i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", u[i]);
	int n = snprintf(tail, sizeof tail, "%s.%s-delete", dash, hex);
	int topic = (int)(dash - name);
	if (topic > 255 - n)
		topic = 255 - n;
	if ((size_t)(topic + n) >= size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	snprintf(out, size, "%.*s%s", topic, name, tail);
	return 0;
}

int log_delete(struct log *l, char *renamed, size_t size)
{
	if (deleted_name(l->name, renamed, size) < 0 || renameat(l->dirfd, l->name, l->dirfd, renamed) < 0)
		return log_fail(l, l->name, -1, "rename");
	log_release(l);
	return 0;
}

int log_remove_dir(int dirfd, const char *renamed)
{
	int fd = openat(dirfd, renamed, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? 0 : fdopendir(fd);
	int r = 0;
	if (!d) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	for (struct dirent *f; r == 0 && (f = readdir(d));)
		if (strcmp(f->d_name, ".") && strcmp(f->d_name, ".."))
			r = unlinkat(fd, f->d_name, 0);
	int e = errno;
	closedir(d);
	errno = e;
	return r < 0 ? -1 : unlinkat(dirfd, renamed, AT_REMOVEDIR);
}
