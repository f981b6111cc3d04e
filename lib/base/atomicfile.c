#include "base/atomicfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/planted.h"
#include "base/syncfile.h"

static int close_keep_errno(int fd, int r)
{
	int e = errno;
	close(fd);
	errno = e;
	return r;
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t r = write(fd, p, n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

static int put_in_place(int dirfd, const char *name, const void *p, size_t n, int (*sync)(int fd))
{
	char tmp[300];
	snprintf(tmp, sizeof tmp, PLANTED(WRITTEN_IN_PLACE) ? "%s" : "%s.tmp", name);
	int fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return -1;
	if (write_all(fd, p, n) < 0 || (sync && !PLANTED(SMALL_FILE_NOT_SYNCED) && sync(fd) < 0)) {
		int r = close_keep_errno(fd, -1), e = errno;
		unlinkat(dirfd, tmp, 0);
		errno = e;
		return r;
	}
	close(fd);
	return renameat(dirfd, tmp, dirfd, name);
}

int atomicfile_write(int dirfd, const char *name, const void *p, size_t n)
{
	if (put_in_place(dirfd, name, p, n, syncfile) < 0)
		return -1;
	if (dirfd != AT_FDCWD)
		return PLANTED(RENAME_NOT_SYNCED) ? 0 : syncfile(dirfd);
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return here < 0 ? -1 : close_keep_errno(here, syncfile(here));
}

int atomicfile_write_soon(int dirfd, const char *name, const void *p, size_t n)
{
	return put_in_place(dirfd, name, p, n, 0);
}

int atomicfile_read(int dirfd, const char *name, size_t max, char **out, size_t *n)
{
	struct stat st;
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return close_keep_errno(fd, -1);
	if (st.st_size > (off_t)(max < INT64_MAX ? max : INT64_MAX)) {
		errno = EFBIG;
		return close_keep_errno(fd, -1);
	}
	char *p = malloc((size_t)st.st_size + 1);
	size_t have = 0;
	ssize_t r = p ? 1 : -1;
	while (r > 0 && have < (size_t)st.st_size) {
		r = read(fd, p + have, (size_t)st.st_size - have);
		if (r < 0 && errno == EINTR)
			r = 1;
		else if (r > 0)
			have += (size_t)r;
	}
	if (r < 0) {
		int e = errno;
		free(p);
		errno = e;
		return close_keep_errno(fd, -1);
	}
	p[have] = 0;
	*out = p;
	*n = have;
	close(fd);
	return 0;
}
