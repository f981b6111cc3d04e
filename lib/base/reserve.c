#include "base/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RESERVE_BYTES = 1 << 20, STEP = 64 << 10 };

/* Bytes are written: not every file system reserves otherwise, and what is new on a copy-on-write
 * one takes no room later. */
static int grow(int fd, off_t size)
{
	static const char zero[STEP];
	for (off_t at = size; at < RESERVE_BYTES;) {
		size_t n = RESERVE_BYTES - at < STEP ? (size_t)(RESERVE_BYTES - at) : STEP;
		ssize_t r = pwrite(fd, zero, n, at);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		at += r;
	}
	return 0;
}

static int open_it(const char *path, int flags, off_t *size)
{
	struct stat st;
	int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0600);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0) {
		close(fd);
		return -1;
	}
	*size = st.st_size;
	return fd;
}

int reserve_fill(const char *path)
{
	off_t size;
	int fd = open_it(path, O_CREAT, &size), e;
	if (fd < 0)
		return -1;
	int r = grow(fd, size);
	e = errno;
	close(fd);
	errno = e;
	return r;
}

int reserve_use(const char *path)
{
	off_t size;
	int fd = open_it(path, 0, &size);
	int r = fd >= 0 && size ? ftruncate(fd, size > STEP ? size - STEP : 0) : -1;
	if (fd >= 0)
		close(fd);
	if (r < 0)
		errno = ENOSPC;
	return r;
}
