/* To be preloaded: while the file CLOCK_JUMP is there CLOCK_MONOTONIC is a minute and a second
 * ahead. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *t)
{
	static const char *file;
	int r = (int)syscall(SYS_clock_gettime, clock, t);
	if (!file)
		file = getenv("CLOCK_JUMP");
	if (r == 0 && clock == CLOCK_MONOTONIC && file && access(file, F_OK) == 0)
		t->tv_sec += 61;
	return r;
}
