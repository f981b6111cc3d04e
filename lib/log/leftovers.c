/* What an interrupted deletion or cleaning left in a partition directory
 * (LogLoader.removeTempFilesAndCollectSwapFiles). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log/internal.h"
#include "log/scan.h"

enum { SKIP_CHUNK = 16 << 10 };

static bool ends_with(const char *z, const char *end)
{
	size_t n = strlen(z), m = strlen(end);
	return n >= m && !strcmp(z + n - m, end);
}

int log_unlink_entry(struct log *l, const struct log_entry *e)
{
	char path[LOG_PATH];
	if (unlinkat(l->dirfd, log_path(l, e->base, e->suffix, path), 0) < 0 && errno != ENOENT)
		return log_fail(l, path, -1, "unlink");
	return 0;
}

/* The offset after the last batch of a segment file that is not in the list. */
static int swap_end(struct log *l, const struct log_entry *e, int64_t *end)
{
	struct scan sc;
	struct batch b;
	int64_t size = log_file_bytes(l, e->base, e->suffix);
	int fd = log_open_read(l, e->base, e->suffix);
	if (size < 0 || fd < 0 || scan_begin(&sc, fd, 0, size, SKIP_CHUNK) < 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if (*end < e->base)
		*end = e->base;
	while (scan_next(&sc, &b) > 0)
		if (batch_last_offset(&b) + 1 > *end)
			*end = batch_last_offset(&b) + 1;
	scan_end(&sc);
	close(fd);
	return 0;
}

static int finish_swaps(struct log *l, const struct log_entry *v, int n)
{
	int64_t from = INT64_MAX, to = INT64_MIN;
	char a[LOG_PATH], b[LOG_PATH];
	for (int i = 0; i < n; i++)
		if (!strcmp(v[i].suffix, ".log.swap")) {
			from = v[i].base < from ? v[i].base : from;
			if (swap_end(l, v + i, &to) < 0)
				return -1;
		}
	for (int i = 0; i < n; i++)
		if (!ends_with(v[i].suffix, ".swap") && v[i].base >= from && v[i].base < to
			&& log_unlink_entry(l, v + i) < 0)
			return -1;
	for (int i = 0; i < n; i++)
		if (ends_with(v[i].suffix, ".swap")) {
			struct log_entry plain = v[i];
			plain.suffix[strlen(plain.suffix) - 5] = 0;
			if (renameat(l->dirfd, log_path(l, v[i].base, v[i].suffix, a), l->dirfd,
			             log_path(l, plain.base, plain.suffix, b)) < 0)
				return log_fail(l, a, -1, "rename");
		}
	return 0;
}

/* LogLoader.removeTempFilesAndCollectSwapFiles: what an interrupted deletion or cleaning left. 1
 * when anything was changed. */
int log_clear_leftovers(struct log *l, struct log_entry *v, int n)
{
	int64_t min_cleaned = INT64_MAX;
	int kept = 0;
	for (int i = 0; i < n; i++)
		if (ends_with(v[i].suffix, ".cleaned") && v[i].base < min_cleaned)
			min_cleaned = v[i].base;
	for (int i = 0; i < n; i++) {
		bool swap = ends_with(v[i].suffix, ".swap");
		if (ends_with(v[i].suffix, ".deleted") || ends_with(v[i].suffix, ".cleaned")
			|| (swap && v[i].base >= min_cleaned)) {
			if (log_unlink_entry(l, v + i) < 0)
				return -1;
		} else {
			v[kept++] = v[i];
		}
	}
	bool swaps = false;
	for (int i = 0; i < kept; i++)
		swaps = swaps || ends_with(v[i].suffix, ".swap");
	if (swaps && finish_swaps(l, v, kept) < 0)
		return -1;
	return kept < n || swaps;
}
