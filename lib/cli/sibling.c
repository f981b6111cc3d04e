/* Programs of ours that stand beside this one. */
#include "cli/sibling.h"

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

extern char **environ;

const char *cli_sibling(const char *name, char *out, size_t size)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
	path[n > 0 ? n : 0] = 0;
	char *slash = strrchr(path, '/');
	if (slash) {
		slash[1] = 0;
		int len = snprintf(out, size, "%s%s", path, name);
		if (len > 0 && (size_t)len < size && access(out, X_OK) == 0)
			return out;
	}
	snprintf(out, size, "%s", name);
	return out;
}

int cli_coprocess(const char *name)
{
	char path[PATH_MAX];
	char *argv[] = {(char *)name, NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	int error = posix_spawn_file_actions_init(&actions);
	if (!error) {
		error = posix_spawn_file_actions_adddup2(&actions, ends[1], 0);
		error = error ? error : posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
		cli_sibling(name, path, sizeof path);
		error = error ? error : posix_spawnp(&pid, path, &actions, NULL, argv, environ);
		posix_spawn_file_actions_destroy(&actions);
	}
	close(ends[1]);
	if (!error)
		return ends[0];
	close(ends[0]);
	errno = error;
	return -1;
}
