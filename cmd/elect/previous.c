/* Did the life of this broker before the present one end in order, and which was it? The marker of
 * the log directory says so; logappend takes it away when it starts, after it has copied it to run,
 * so one of the two is there. A copy that is older than the last life names another epoch, and
 * proves nothing. */
#include <fcntl.h>
#include <unistd.h>

#include "log/cleanshutdown.h"
#include "settings.h"

static int64_t epoch_in(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int64_t epoch = -1;

	if (fd < 0)
		return -1;
	if (cleanshutdown_read(fd, &epoch) != 1)
		epoch = -1;
	close(fd);
	return epoch;
}

int64_t settings_previous_epoch(void)
{
	int64_t epoch = epoch_in("log");

	return epoch >= 0 ? epoch : epoch_in("run");
}
