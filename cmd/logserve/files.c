/* Descriptors that readers hold are kept in bounds: those of the partitions that were not read for
 * the longest time are closed, and opened again when somebody reads. */
#include "logserve.h"

#include <sys/resource.h>

enum { OTHERS = 128 };          /* sockets and the like */

void files_start(struct server *s)
{
	struct rlimit r = {.rlim_cur = 1024};
	if (!getrlimit(RLIMIT_NOFILE, &r)) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
		getrlimit(RLIMIT_NOFILE, &r);
	}
	int all = r.rlim_cur < 1 << 20 ? (int)r.rlim_cur : 1 << 20;
	/* A request may open as many again, and what is handed over is there twice for a while. */
	s->files_max = all > 2 * OTHERS ? (all - OTHERS) / 3 : OTHERS / 3;
}

static void recount(struct server *s, struct partition *p)
{
	s->files -= p->files;
	p->files = log_reader_open_files(p->reader);
	s->files += p->files;
}

static void take_out(struct server *s, struct partition *p)
{
	if (!p->older && s->oldest != p)
		return;
	*(p->older ? &p->older->newer : &s->oldest) = p->newer;
	*(p->newer ? &p->newer->older : &s->newest) = p->older;
	p->older = p->newer = 0;
}

/* What the request at hand has used stays. */
static void make_room(struct server *s)
{
	while (s->files > s->files_max && s->oldest && s->oldest->used_by != s->user) {
		struct partition *p = s->oldest;
		log_reader_rest(p->reader);
		recount(s, p);
		take_out(s, p);
	}
}

void files_use(struct server *s, struct partition *p)
{
	if (s->newest)
		recount(s, s->newest);
	take_out(s, p);
	make_room(s);
	p->used_by = s->user;
	p->older = s->newest;
	*(s->newest ? &s->newest->newer : &s->oldest) = p;
	s->newest = p;
}

void files_forget(struct server *s, struct partition *p)
{
	take_out(s, p);
	s->files -= p->files;
	p->files = 0;
}
