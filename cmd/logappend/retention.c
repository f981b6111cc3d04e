/* Segments that lie whole below the start of their log are renamed, and removed later. */
#include "daemon.h"

static void drop(struct partition *p)
{
	int n;
	if (log_drop_below(p->log, log_start(p->log), &n) < 0)
		say(p->name, ": segments that are deleted stay: ", log_error(p->log));
	if (!n)
		return;
	partition_touch(p);
	deleted_files_later(p);
}

void retention_turn(void)
{
	size_t at = 0;
	for (struct partition *p; (p = map_next(&node.partitions, &at));)
		if (p->log)
			drop(p);
}
