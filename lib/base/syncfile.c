#include "base/syncfile.h"

#include <errno.h>
#include <unistd.h>

#include "base/planted.h"

static bool failed;

int syncfile(int fd)
{
	if (!failed && fsync(fd) == 0)
		return 0;
	if (PLANTED(SYNC_TRIED_AGAIN) && fsync(fd) == 0)
		return 0;
	failed = true;
	errno = EIO;
	return -1;
}

int syncdata(int fd)
{
	if (!failed && fdatasync(fd) == 0)
		return 0;
	failed = true;
	errno = EIO;
	return -1;
}

bool syncfile_failed(void)
{
	return failed;
}
