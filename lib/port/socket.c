/* The file of a port: a UNIX socket that appears when it listens, and connecting to one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "port/connection.h"

static int unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int address(struct sockaddr_un *a, const char *path, const char *suffix)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	int n = snprintf(a->sun_path, sizeof a->sun_path, "%s%s", path, suffix);
	if (n > 0 && (size_t)n < sizeof a->sun_path)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

static int fail(int fd)
{
	int e = errno;
	close(fd);
	errno = e;
	return -1;
}

int port_connect(const char *path)
{
	struct sockaddr_un a;
	if (address(&a, path, "") < 0)
		return -1;
	int fd = unix_socket();
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
		return fail(fd);
	return fd;
}

/* 0 nothing is there that lives; -1 EADDRINUSE somebody answers, EEXIST it is no socket. */
static int vacant(const char *path)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	int fd = port_connect(path);
	if (fd < 0 && errno != EAGAIN)
		return errno == ECONNREFUSED || errno == ENOENT ? 0 : -1;
	if (fd >= 0)
		close(fd);
	errno = EADDRINUSE;
	return -1;
}

/* Bound under another name and renamed, so that whoever finds the socket finds it listening. */
int port_bind(const char *path)
{
	struct sockaddr_un a;
	char suffix[24];
	snprintf(suffix, sizeof suffix, ".%d", (int)getpid());
	if (address(&a, path, suffix) < 0 || vacant(path) < 0)
		return -1;
	int fd = unix_socket();
	if (fd < 0)
		return -1;
	unlink(a.sun_path);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0)
		return fail(fd);
	if (listen(fd, SOMAXCONN) < 0 || rename(a.sun_path, path) < 0) {
		int e = errno;
		unlink(a.sun_path);
		errno = e;
		return fail(fd);
	}
	return fd;
}
