/* Making the directories of new partitions: a new partition leads, is published and answers from
 * the moment its record is applied. Its directory is made when the partition is first asked for,
 * or at the end of a turn soon. So thousands that are made at once keep waiting neither the
 * clients nor elect, for which each poll of the metadata is a sign of life. */
#include <errno.h>
#include <string.h>

#include "daemon.h"
#include "wire/codes.h"

enum {
	MAKE_MS = 10,           /* in a turn */
	PAUSE_MS = 500,         /* when there is no room on the disk, or no descriptor */
};

static int64_t pause_until;

static struct partition *first, **end = &first;

void partition_make_later(struct partition *p)
{
	p->unmade = end;
	*end = p;
	end = &p->next_unmade;
	p->layout = p->layout_base;
	replica_opened(&p->step, 0, 0, 0);
	partition_touch(p);
}

void partition_make_never(struct partition *p)
{
	*p->unmade = p->next_unmade;
	if (p->next_unmade)
		p->next_unmade->unmade = p->unmade;
	else
		end = p->unmade;
	p->next_unmade = NULL;
	p->unmade = NULL;
}

void partition_make(struct partition *p)
{
	struct log_opening o = {.topic_id = p->key.topic_id, .now_ms = wall_ms()};
	partition_make_never(p);
	p->layout_base++;
	p->log = log_open(node.dirfd, p->name, &p->config, &o);
	if (!p->log && is_shortage(errno)) {
		if (!p->full)
			say(p->name, ": not made: ", log_open_error());
		p->full = true;
		partition_make_later(p);
		pause_until = port_now_ms() + PAUSE_MS;
		return;
	}
	if (!p->log) {
		say(p->name, ": offline: ", log_open_error());
		replica_offline(&p->step, WIRE_KAFKA_STORAGE_ERROR);
	}
	partition_touch(p);
}

static void nothing(void *arg)
{
}

void partitions_make_some(void)
{
	static struct port_timer next_turn = {.fn = nothing};
	int64_t until = port_now_ms() + MAKE_MS;
	for (int64_t now; first && (now = port_now_ms()) < until && now >= pause_until;)
		partition_make(first);
	/* Without a timer the others are made when they are asked for. */
	if (first)
		port_timer_set(node.loop, &next_turn, pause_until);
}
