#include "log/indexfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"

void indexfile_init(struct indexfile *f, int width)
{
	f->fd = -1;
	f->width = (int8_t)width;
	f->pending_n = 0;
	f->grown = false;
	f->n = 0;
	f->last = -1;
}

int indexfile_open(struct indexfile *f, int dirfd, const char *path, bool trusted)
{
	struct stat st;
	if (f->fd >= 0)
		return 0;
	int fd = openat(dirfd, path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || (!trusted && st.st_size && ftruncate(fd, 0) < 0)) {
		int e = errno;
		close(fd);
		errno = e;
		return -1;
	}
	f->fd = fd;
	f->n = trusted ? (uint32_t)(st.st_size / f->width) : 0;
	return 0;
}

void indexfile_add(struct indexfile *f, const void *entry, int64_t key, int64_t prealloc_bytes)
{
	if (f->pending_n == INDEX_GROUP && indexfile_flush(f, prealloc_bytes) < 0)
		return;
	memcpy(f->pending + f->pending_n * f->width, entry, (size_t)f->width);
	f->pending_n++;
	f->last = key;
}

int indexfile_flush(struct indexfile *f, int64_t prealloc_bytes)
{
	if (!f->pending_n)
		return 0;
	if (f->fd < 0) {
		errno = EBADF;
		return -1;
	}
	if (!f->grown && prealloc_bytes > 0 && ftruncate(f->fd, prealloc_bytes / f->width * f->width) < 0)
		return -1;
	f->grown = f->grown || prealloc_bytes > 0;
	size_t bytes = (size_t)f->pending_n * (size_t)f->width, done = 0;
	off_t at = (off_t)f->n * f->width;
	errno = ENOSPC;
	for (ssize_t r; done < bytes; done += (size_t)r) {
		do
			r = pwrite(f->fd, f->pending + done, bytes - done, at + (off_t)done);
		while (r < 0 && errno == EINTR);
		if (r <= 0)
			break;
	}
	/* whole entries that fit are in; the rest stays pending */
	uint8_t whole = (uint8_t)(done / (size_t)f->width);
	f->n += whole;
	f->pending_n = (uint8_t)(f->pending_n - whole);
	if (!f->pending_n)
		return 0;
	memmove(f->pending, f->pending + whole * f->width, (size_t)f->pending_n * (size_t)f->width);
	return -1;
}

int indexfile_trim(struct indexfile *f)
{
	if (f->fd < 0)
		return 0;
	if (indexfile_flush(f, 0) < 0)
		return -1;
	f->grown = false;
	return ftruncate(f->fd, (off_t)f->n * f->width);
}

int indexfile_get(struct indexfile *f, uint32_t i, uint8_t *entry)
{
	ssize_t r = pread(f->fd, entry, (size_t)f->width, (off_t)i * f->width);
	if (r == f->width)
		return 0;
	if (r >= 0)
		errno = EBADMSG;
	return -1;
}

static bool is_below(const struct indexfile *f, const uint8_t *e, int64_t offset)
{
	bool used = f->width == INDEX_ENTRY ? get32(e + 4) != 0 : get64(e) || get32(e + 8);
	return used && (int64_t)get32(f->width == INDEX_ENTRY ? e : e + 8) < offset;
}

int64_t indexfile_below(struct indexfile *f, int64_t offset)
{
	uint8_t e[TIMEINDEX_ENTRY];
	uint32_t lo = 0, hi = f->n;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (indexfile_get(f, mid, e) < 0)
			return -1;
		if (is_below(f, e, offset))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int indexfile_cut(struct indexfile *f, uint32_t n)
{
	if (ftruncate(f->fd, (off_t)n * f->width) < 0)
		return -1;
	f->grown = false;
	f->pending_n = 0;
	f->n = n;
	return 0;
}

void indexfile_close(struct indexfile *f)
{
	if (f->fd >= 0)
		close(f->fd);
	indexfile_init(f, f->width);
}
