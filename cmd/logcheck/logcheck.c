/* logcheck: reads a partition or a whole log directory and says what is damaged in it. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "base/atomicfile.h"

#define USAGE "logcheck DIRECTORY ..."

char const *PROG = "logcheck";
static int found;

void damage(const char *dir, const char *file, int64_t position, const char *fmt, ...)
{
	va_list a;
	found = 1;
	printf("%s/%s\t", dir, file);
	if (position < 0)
		printf("-\t");
	else
		printf("%lld\t", (long long)position);
	va_start(a, fmt);
	vprintf(fmt, a);
	va_end(a);
	putchar('\n');
}

void die_file(const char *dir, const char *file)
{
	int e = errno;
	fflush(stdout);
	errno = e;
	strerr_diefusys(111, "read ", dir, "/", file);
}

bool slurp(const char *dir, const char *file, char **p, size_t *n)
{
	enum { largest = 1 << 30 };
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", dir, file);
	if (atomicfile_read(AT_FDCWD, path, largest, p, n) == 0)
		return true;
	if (errno != ENOENT)
		die_file(dir, file);
	return false;
}

/* A partition directory has segments in it, or a name that says so. */
static bool is_partition(const char *path)
{
	struct log_entry *v;
	int n;
	char file[4096];
	if (log_list(AT_FDCWD, path, &v, &n) < 0)
		die_file(path, ".");
	free(v);
	snprintf(file, sizeof file, "%s/meta.properties", path);
	return n > 0 && access(file, F_OK) < 0;
}

int main(int argc, char const *const *argv)
{
	subgetopt l = SUBGETOPT_ZERO;
	if (subgetopt_r(argc, argv, "", &l) != -1 || argc == l.ind)
		strerr_dieusage(100, USAGE);
	for (int i = l.ind; i < argc; i++) {
		int64_t start, end;
		char *path = strdup(argv[i]);
		if (!path)
			strerr_diefusys(111, "copy a name");
		for (size_t n = strlen(path); n > 1 && path[n - 1] == '/';)
			path[--n] = 0;
		if (is_partition(path))
			check_partition(path, &start, &end);
		else
			check_directory(path);
		free(path);
	}
	if (fflush(stdout) < 0)
		strerr_diefusys(111, "write");
	return found;
}
