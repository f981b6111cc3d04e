#include "base/cold.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096, STEP = 128 << 10, CACHESTAT = 451 };

static bool refuses, missed;
static struct cold_miss miss;

void cold_refuse(bool yes)
{
	refuses = yes;
	if (yes)
		missed = false;
}

bool cold_missed(struct cold_miss *m)
{
	if (m)
		*m = miss;
	return missed;
}

/* EAGAIN: not without waiting. A file system that does not know the flag is read as it is. */
static ssize_t try(int fd, void *p, size_t n, int64_t at)
{
	struct iovec v = {p, n};
	ssize_t r = preadv2(fd, &v, 1, at, RWF_NOWAIT);
	return r < 0 && (errno == EOPNOTSUPP || errno == ENOSYS) ? pread(fd, p, n, at) : r;
}

ssize_t cold_pread(int fd, void *p, size_t n, int64_t at)
{
	size_t have = 0;
	if (!refuses)
		return pread(fd, p, n, at);
	while (have < n) {
		ssize_t r = -1;
		errno = EAGAIN;
		if (!missed)
			r = try(fd, (char *)p + have, n - have, at + (int64_t)have);
		if (r > 0) {
			have += (size_t)r;
			continue;
		}
		if (r == 0)
			break;
		if (errno == EAGAIN && !missed) {
			missed = true;
			miss = (struct cold_miss){fd, at, (int64_t)n};
		}
		return -1;
	}
	return (ssize_t)have;
}

static bool byte_is_here(int fd, int64_t at)
{
	char c;
	return try(fd, &c, 1, at) >= 0 || errno != EAGAIN;
}

/* What is on its way in counts as cached, so the last byte is tried as well. */
bool cold_is_here(int fd, int64_t at, int64_t n)
{
	struct { uint64_t off, len; } range = {(uint64_t)at, (uint64_t)n};
	struct { uint64_t cached, dirty, writeback, evicted, recently; } stat;
	int64_t end = at + n;
	if (syscall(CACHESTAT, fd, &range, &stat, 0) == 0) {
		if ((int64_t)stat.cached < (end - 1) / PAGE - at / PAGE + 1)
			return false;
		at = end;
	}
	for (; at < end; at += STEP)
		if (!byte_is_here(fd, at))
			return false;
	return byte_is_here(fd, end - 1);
}
