/* What is not on disk yet, and what the owner's flusher says of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/planted.h"
#include "log/internal.h"
#include "log/partmeta.h"

static void list(int fd, int *fds, int max, int *n)
{
	if (fd < 0)
		return;
	if (*n < max)
		fds[*n] = fd;
	++*n;
}

static int own_dir(struct log *l)
{
	if (l->own_dir < 0)
		l->own_dir = openat(l->dirfd, l->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return l->own_dir;
}

static int own_meta(struct log *l)
{
	char path[LOG_PATH];
	if (!l->above || l->meta_fd >= 0)
		return 0;
	l->meta_fd = openat(l->dirfd, log_file(l, PARTMETA_FILE, path), O_RDONLY | O_CLOEXEC);
	return l->meta_fd < 0 && errno != ENOENT ? -1 : 0;
}

static void close_dir(struct log *l)
{
	if (l->own_dir >= 0)
		close(l->own_dir);
	if (l->meta_fd >= 0)
		close(l->meta_fd);
	l->own_dir = l->meta_fd = -1;
}

/* More than there is room for, which is filled. */
static int too_many(const struct log *l, int *fds, int max, int n)
{
	while (n < max)
		fds[n++] = l->dirfd;
	return max + 1;
}

int log_dirty_fds(struct log *l, int *fds, int max)
{
	int n = 0;
	for (const struct rolled *r = l->rolled; r; r = r->next)
		for (int i = PLANTED(ROLLED_NOT_SYNCED); i < 4; i++)
			list(r->fd[i], fds, max, &n);
	if (l->new_entries && (n >= max || own_dir(l) < 0 || own_meta(l) < 0))
		return too_many(l, fds, max, n);
	list(l->meta_fd, fds, max, &n);
	if (!PLANTED(DIRECTORY_NOT_SYNCED))
		list(l->own_dir, fds, max, &n);
	if (l->above)
		list(l->dirfd, fds, max, &n);
	if (l->recovery_point == l->end || PLANTED(ACK_BEFORE_SYNC))
		return n;
	if (n >= max || log_own_fd(l) < 0)
		return too_many(l, fds, max, n);
	list(l->fd, fds, max, &n);
	return n;
}

int log_open_files(const struct log *l)
{
	int n = (l->fd >= 0) + (l->txn_fd >= 0) + (l->index.fd >= 0) + (l->time.fd >= 0)
		+ (l->own_dir >= 0) + (l->meta_fd >= 0);
	for (const struct rolled *r = l->rolled; r; r = r->next)
		for (int i = 0; i < 4; i++)
			n += r->fd[i] >= 0;
	return n;
}

int log_rest(struct log *l)
{
	int64_t since = l->since_index;
	if (l->broken || log_trim_indexes(l) < 0)
		return -1;
	log_close_files(l);
	l->since_index = since;
	close_dir(l);
	return 0;
}

void log_synced(struct log *l, int64_t up_to)
{
	if (up_to > l->end)
		up_to = l->end;
	/* a sync that was asked for before the roll knew nothing of the indexes; only data after it proves
	 * the order */
	while (l->rolled && l->rolled->end < up_to) {
		struct rolled *r = l->rolled;
		for (int i = 0; i < 4; i++)
			if (r->fd[i] >= 0)
				close(r->fd[i]);
		l->rolled = r->next;
		free(r);
	}
	if (l->new_entries && l->own_dir_since < up_to) {
		close_dir(l);
		l->new_entries = l->above = l->dropped = false;
	}
	if (l->rolled && l->rolled->end <= up_to)
		up_to = l->rolled->end - 1;
	if (up_to > l->recovery_point)
		l->recovery_point = up_to;
}
