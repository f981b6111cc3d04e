/* To be preloaded: a disk that takes its time. A pread or sendfile whose first byte is not in the
 * page cache takes SLOW_MS more, in the programs gate, logserve and logwarm, which adds its name to
 * the file SLOW_FIRED. Neither advice to the kernel nor a read that does not wait brings anything
 * in. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static bool concerned(void)
{
	static const char *const names[] = {"gate", "logserve", "logwarm"};
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(program_invocation_short_name, names[i]))
			return true;
	return false;
}

static bool is_cold(int fd, off_t at)
{
	struct { uint64_t at, n; } byte = {(uint64_t)at, 1};
	uint64_t stat[5] = {1};
	enum { CACHESTAT = 451 };
	return syscall(CACHESTAT, fd, &byte, stat, 0) == 0 && stat[0] == 0;
}

static void be_slow(int fd, off_t at)
{
	const char *ms = getenv("SLOW_MS"), *fired = getenv("SLOW_FIRED");
	if (!ms || !fired || !concerned() || !is_cold(fd, at))
		return;
	int log = open(fired, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (log < 0 || write(log, program_invocation_short_name,
	                     strlen(program_invocation_short_name)) < 0
	    || write(log, "\n", 1) < 0)
		abort();
	close(log);
	nanosleep(&(struct timespec){atol(ms) / 1000, atol(ms) % 1000 * 1000000}, NULL);
}

ssize_t pread(int fd, void *p, size_t n, off_t at)
{
	be_slow(fd, at);
	return syscall(SYS_pread64, fd, p, n, at);
}

ssize_t pread64(int fd, void *p, size_t n, off_t at)
{
	return pread(fd, p, n, at);
}

ssize_t sendfile(int out, int in, off_t *at, size_t n)
{
	if (at)
		be_slow(in, *at);
	return syscall(SYS_sendfile, out, in, at, n);
}

ssize_t sendfile64(int out, int in, off_t *at, size_t n)
{
	return sendfile(out, in, at, n);
}

ssize_t preadv2(int fd, const struct iovec *v, int n, off_t at, int flags)
{
	if (flags & RWF_NOWAIT && concerned() && is_cold(fd, at)) {
		errno = EAGAIN;
		return -1;
	}
	return syscall(SYS_preadv2, fd, v, n, at, 0, flags);
}

int posix_fadvise(int fd, off_t at, off_t n, int advice)
{
	return 0;
}
