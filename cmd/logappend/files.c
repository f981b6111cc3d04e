/* Descriptors of partitions are kept in bounds: those that were not used for the longest time are
 * closed, and opened again with the next append. */
#include "daemon.h"

#include <sys/resource.h>

enum { OTHERS = 128 };          /* sockets and the like */

static struct partition *oldest, *newest;
static int files, files_max = OTHERS;

void files_start(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return;
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return;
	int all = r.rlim_cur < 1 << 20 ? (int)r.rlim_cur : 1 << 20;
	/* What a fetch of a replica opens, and what is handed over, comes on top. */
	files_max = all > 2 * OTHERS ? (all - OTHERS) / 2 : OTHERS / 2;
}

int files_most_ranges(void)
{
	return files_max / 8;
}

static void recount(struct partition *p)
{
	files -= p->files;
	p->files = (p->log ? log_open_files(p->log) : 0)
		+ (p->reader ? log_reader_open_files(p->reader) : 0);
	files += p->files;
}

static void take_out(struct partition *p)
{
	if (!p->older && oldest != p)
		return;
	*(p->older ? &p->older->newer : &oldest) = p->newer;
	*(p->newer ? &p->newer->older : &newest) = p->older;
	p->older = p->newer = NULL;
}

void files_note(struct partition *p)
{
	take_out(p);
	recount(p);
	while (files > files_max && oldest) {
		struct partition *x = oldest;
		take_out(x);
		if (x->reader)
			log_reader_rest(x->reader);
		/* What cannot be written now stays open; it is noted with the next append. */
		if (x->log)
			log_rest(x->log);
		recount(x);
	}
	p->older = newest;
	*(newest ? &newest->newer : &oldest) = p;
	newest = p;
}

void files_forget(struct partition *p)
{
	take_out(p);
	files -= p->files;
	p->files = 0;
}
