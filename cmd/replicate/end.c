/* Where an earlier copy ends. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/names.h"
#include "log/scan.h"
#include "replicate.h"

static int scan(int fd, int64_t *next, int32_t *epoch)
{
	struct stat st;
	struct scan s;
	struct batch b;
	if (fstat(fd, &st) < 0 || scan_begin(&s, fd, 0, st.st_size, 1 << 20) < 0)
		return -1;
	int r, good = 1;
	while ((r = scan_next(&s, &b)) > 0 && (good = scan_crc(&s, &b)) > 0) {
		*next = batch_last_offset(&b) + 1;
		*epoch = b.epoch;
	}
	scan_end(&s);
	return (r < 0 || good < 0) && errno != EBADMSG ? -1 : 0;
}

static int scan_file(const char *dir, int64_t base, int64_t *next, int32_t *epoch)
{
	char path[4096];
	int n = snprintf(path, sizeof path, "%s/%020lld.log", dir, (long long)base);
	if (n < 0 || (size_t)n >= sizeof path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	*next = base;
	int r = scan(fd, next, epoch), e = errno;
	close(fd);
	errno = e;
	return r;
}

int copy_end(const char *dir, int64_t *next, int32_t *epoch)
{
	struct log_entry *v;
	int n, r = 0;
	*next = 0;
	*epoch = -1;
	if (log_list(AT_FDCWD, dir, &v, &n) < 0)
		return errno == ENOENT ? 0 : -1;
	while (n > 0 && strcmp(v[n - 1].suffix, ".log"))
		n--;
	if (n > 0)
		r = scan_file(dir, v[n - 1].base, next, epoch);
	free(v);
	return r;
}
