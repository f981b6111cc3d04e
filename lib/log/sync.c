/* What is not on disk yet, and what the owner's flusher says of it. */
#include <stdlib.h>
#include <unistd.h>

#include "log/internal.h"

static void list(int fd, int *fds, int max, int *n)
{
	if (fd < 0)
		return;
	if (*n < max)
		fds[*n] = fd;
	++*n;
}

int log_dirty_fds(const struct log *l, int *fds, int max)
{
	int n = 0;
	for (const struct rolled *r = l->rolled; r; r = r->next)
		for (int i = 0; i < 4; i++)
			list(r->fd[i], fds, max, &n);
	list(l->meta_fd, fds, max, &n);
	list(l->own_dir, fds, max, &n);
	if (l->above)
		list(l->dirfd, fds, max, &n);
	if (l->recovery_point < l->end)
		list(l->fd, fds, max, &n);
	return n;
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
	if (l->own_dir >= 0 && l->own_dir_since < up_to) {
		close(l->own_dir);
		if (l->meta_fd >= 0)
			close(l->meta_fd);
		l->own_dir = l->meta_fd = -1;
		l->above = false;
	}
	if (l->rolled && l->rolled->end <= up_to)
		up_to = l->rolled->end - 1;
	if (up_to > l->recovery_point)
		l->recovery_point = up_to;
}
