/* Which life of the broker ended in order: the marker of the log directory, or its copy in run. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../cmd/elect/settings.h"
#include "log/cleanshutdown.h"
#include "tap.h"

static void mark(const char *dir, int64_t epoch)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY);

	ok(fd >= 0 && (epoch < 0 ? cleanshutdown_remove(fd) : cleanshutdown_write(fd, epoch)) == 0,
	   "%s: %d", dir, (int)epoch);
	close(fd);
}

int main(void)
{
	char dir[] = "build/tmp/1625.XXXXXX";

	mkdir("build/tmp", 0777);
	ok(mkdtemp(dir) && chdir(dir) == 0, "a directory");
	is_int(settings_previous_epoch(), -1, "nothing is there");
	ok(mkdir("log", 0777) == 0 && mkdir("run", 0777) == 0, "a node's directories");
	is_int(settings_previous_epoch(), -1, "no marker");
	mark("log", 7);
	is_int(settings_previous_epoch(), 7, "the marker");
	mark("run", 5);
	is_int(settings_previous_epoch(), 7, "which is newer than a copy");
	mark("log", -1);
	is_int(settings_previous_epoch(), 5, "the copy");
	mark("run", -1);
	is_int(settings_previous_epoch(), -1, "neither");
	ok(rmdir("log") == 0 && rmdir("run") == 0 && chdir("../../..") == 0 && rmdir(dir) == 0,
	   "nothing is left");
	return done_testing();
}
