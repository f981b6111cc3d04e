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
	l->segments_n -= n;
	memmove(l->segments, l->segments + n, (size_t)l->segments_n * sizeof *l->segments);
	int64_t first = l->segments[0].base;
	forget_oldest(l, first);
	if (first > l->start && log_set_start(l, first) < 0)
		r = -1;
	return r;
}

int log_reap(struct log *l, int64_t older_than_ms)
{
	struct log_entry *v;
	struct stat st;
	char path[LOG_PATH];
	int n, r = 0;
	bool left = false;
	if (!l->deleted_files)
		return 0;
	if (log_list(l->dirfd, l->name, &v, &n) < 0)
		return log_fail(l, l->name, -1, "list");
	for (int i = 0; i < n; i++) {
		size_t z = strlen(v[i].suffix);
		if (z < 8 || strcmp(v[i].suffix + z - 8, ".deleted"))
			continue;
		log_path(l, v[i].base, v[i].suffix, path);
		/* the rename set the change time */
		if (fstatat(l->dirfd, path, &st, 0) < 0 && errno == ENOENT)
			continue;
		if ((int64_t)st.st_ctim.tv_sec * 1000 + st.st_ctim.tv_nsec / 1000000 >= older_than_ms)
			left = true;
		else if (unlinkat(l->dirfd, path, 0) < 0 && errno != ENOENT)
			r = log_fail(l, path, -1, "unlink");
	}
	free(v);
	l->deleted_files = left || r < 0;
	return r;
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
