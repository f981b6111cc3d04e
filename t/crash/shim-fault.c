/* To be preloaded: makes one system call, or malloc, fail.
 *
 *   FAULT=CALL:N:ERROR[:ever]  the Nth CALL (write pwrite pwritev fsync fdatasync syncfs ftruncate
 *                              open rename unlink mkdir malloc) fails with ERROR (EIO ENOSPC EDQUOT
 *                              EINTR ENOMEM, or short: half of it is written); with ever, all
 *                              later ones too
 *   FAULT_PROGRAM=NAME         only in the program of that name
 *   FAULT_WHILE=FILE           only while that file is there
 *   FAULT_FIRED=FILE           is made when a call failed
 *
 * Writes count when they go to regular files, opens when they may make one. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *call, *program, *only_while, *fired_file;
static size_t call_n;
static long nth, count;
static int error;               /* -1: short */
static bool ever, ready;

__attribute__((constructor)) static void begin(void)
{
	static const struct {
		const char *name;
		int error;
	} known[] = {{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EINTR", EINTR},
	             {"ENOMEM", ENOMEM}, {"short", -1}};
	const char *text = getenv("FAULT"), *colon = text ? strchr(text, ':') : NULL;
	char *end;
	if (!colon)
		return;
	call = text;
	call_n = (size_t)(colon - text);
	nth = strtol(colon + 1, &end, 10);
	for (unsigned i = 0; *end == ':' && i < sizeof known / sizeof *known; i++) {
		size_t n = strlen(known[i].name);
		if (strncmp(end + 1, known[i].name, n) == 0) {
			error = known[i].error;
			ever = !strcmp(end + 1 + n, ":ever");
		}
	}
	program = getenv("FAULT_PROGRAM");
	only_while = getenv("FAULT_WHILE");
	fired_file = getenv("FAULT_FIRED");
	ready = error != 0 && (!program || !strcmp(program, program_invocation_short_name));
}

/* Is it this call that fails? errno is set. */
static bool fails(const char *name)
{
	if (!ready || strlen(name) != call_n || memcmp(name, call, call_n))
		return false;
	if (only_while && syscall(SYS_faccessat, AT_FDCWD, only_while, F_OK) < 0)
		return false;
	long n = __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
	if (n != nth && !(ever && n > nth))
		return false;
	if (fired_file)
		syscall(SYS_close, syscall(SYS_openat, AT_FDCWD, fired_file, O_WRONLY | O_CREAT, 0666));
	errno = error > 0 ? error : 0;
	return true;
}

static bool to_file(int fd)
{
	struct stat st;
	int e = errno;
	bool is = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	errno = e;
	return is;
}

ssize_t write(int fd, const void *p, size_t n)
{
	if (!to_file(fd) || !fails("write"))
		return syscall(SYS_write, fd, p, n);
	return error > 0 ? -1 : syscall(SYS_write, fd, p, (n + 1) / 2);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (!to_file(fd) || !fails("pwrite"))
		return syscall(SYS_pwrite64, fd, p, n, at);
	return error > 0 ? -1 : syscall(SYS_pwrite64, fd, p, (n + 1) / 2, at);
}

ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	if (!to_file(fd) || !fails("pwritev"))
		return syscall(SYS_pwritev, fd, v, n, at, 0);
	return error > 0 ? -1 : syscall(SYS_pwrite64, fd, v->iov_base, (v->iov_len + 1) / 2, at);
}

#define ONE(name, key, type, arg, number) \
	int name(type arg) \
	{ \
		return fails(key) ? -1 : (int)syscall(number, arg); \
	}
ONE(fsync, "fsync", int, fd, SYS_fsync)
ONE(fdatasync, "fdatasync", int, fd, SYS_fdatasync)
ONE(syncfs, "syncfs", int, fd, SYS_syncfs)

int ftruncate(int fd, off_t size)
{
	return fails("ftruncate") ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int openat(int dirfd, const char *path, int flags, ...)
{
	va_list ap;
	va_start(ap, flags);
	int mode = flags & O_CREAT ? va_arg(ap, int) : 0;
	va_end(ap);
	if (flags & O_CREAT && fails("open"))
		return -1;
	return (int)syscall(SYS_openat, dirfd, path, flags, mode);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return fails("rename") ? -1 : (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
}

int unlinkat(int dirfd, const char *path, int flags)
{
	return fails("unlink") ? -1 : (int)syscall(SYS_unlinkat, dirfd, path, flags);
}

int mkdirat(int dirfd, const char *path, mode_t mode)
{
	return fails("mkdir") ? -1 : (int)syscall(SYS_mkdirat, dirfd, path, mode);
}

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
	return fails("malloc") ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return fails("malloc") ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return fails("malloc") ? NULL : __libc_realloc(p, n);
}
