/* logstat: what the owner of a log directory knows of each partition, read from its page without
 * asking anybody. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "cli/table.h"
#include "cli/words.h"
#include "page/page.h"

#define USAGE      "logstat [-HJt] [-i seconds] [-c count] dir"
#define dieusage() strerr_die(100, "logstat: usage: " USAGE)

enum { PATH_SIZE = 4096 };

const char *PROG = "logstat";
static struct {
	bool header, json, totals;
	int64_t seconds, count;
	const char *dir;
} opt = {.count = -1};

struct seen { /* a slot as it was last time */
	int64_t end;
	uint64_t directory; /* page_head.directory then: the slot may be another partition's now */
	bool known;
};
static struct seen *seen;
static struct page page = {.fd = -1};
static char path[PATH_SIZE];

static const char *role_word(uint32_t role)
{
	static const char *const words[] = {"free", "leader", "follower", "offline"};
	return role < sizeof words / sizeof *words ? words[role] : NULL;
}

/* TOPIC-PARTITION without its end. */
static struct span topic_of(const struct page_entry *e)
{
	const char *dash = memrchr(e->name, '-', strnlen(e->name, PAGE_NAME));
	return (struct span){e->name, dash ? (int32_t)(dash - e->name) :
					     (int32_t)strnlen(e->name, PAGE_NAME)};
}

/* Records a second since last time; -1 unknown. */
static int64_t rate(uint32_t i, const struct page_slot *s, double elapsed)
{
	struct seen *v = &seen[i];
	int64_t r = -1;
	if (v->known && v->directory == page.head->directory && elapsed > 0 && s->log_end >= v->end)
		r = (int64_t)((double)(s->log_end - v->end) / elapsed + 0.5);
	*v = (struct seen){s->log_end, page.head->directory, true};
	return r;
}

static void row(struct table *t, const struct page_slot *s, const struct page_entry *e,
		int64_t per_second)
{
	table_text(t, topic_of(e));
	table_int(t, e->partition);
	table_z(t, role_word(s->role));
	table_intnull(t, s->epoch);
	table_int(t, s->log_start);
	table_int(t, s->log_end);
	table_int(t, s->flushed);
	table_int(t, s->high_watermark);
	table_int(t, s->last_stable);
	table_intnull(t, per_second);
}

struct sums {
	int64_t roles[4], records, unflushed, uncommitted, rate;
};

static void add(struct sums *m, const struct page_slot *s, int64_t per_second)
{
	m->roles[s->role < 4 ? s->role : PAGE_OFFLINE]++;
	m->records += s->log_end - s->log_start;
	m->unflushed += s->log_end - s->flushed;
	m->uncommitted += s->log_end - s->high_watermark;
	m->rate += per_second > 0 ? per_second : 0;
}

static void total_row(struct table *t, const struct sums *m, bool rated)
{
	table_int(t, m->roles[PAGE_LEADER] + m->roles[PAGE_FOLLOWER] + m->roles[PAGE_OFFLINE]);
	table_int(t, m->roles[PAGE_LEADER]);
	table_int(t, m->roles[PAGE_FOLLOWER]);
	table_int(t, m->roles[PAGE_OFFLINE]);
	table_int(t, m->records);
	table_int(t, m->unflushed);
	table_int(t, m->uncommitted);
	table_intnull(t, rated ? m->rate : -1);
}

static void print(double elapsed)
{
	static const char *const columns[] = {"topic",  "partition", "role",    "epoch",
					      "start",  "end",       "flushed", "committed",
					      "stable", "rate",      NULL};
	static const char *const totals[] = {"partitions",  "leaders", "followers",
					     "offline",     "records", "unflushed",
					     "uncommitted", "rate",    NULL};
	static bool again;
	struct table t;
	struct sums m = {0};
	bool header = opt.header && !again;
	again = true;
	table_begin(&t, table_style(opt.json, header, isatty(1)), opt.totals ? totals : columns);
	for (uint32_t i = 0; i < page.head->used && i < PAGE_CAPACITY; i++) {
		struct page_slot s;
		struct page_entry e;
		if (!page_read(&page, i, &s, &e)) {
			seen[i].known = false;
			continue;
		}
		int64_t per_second = rate(i, &s, elapsed);
		add(&m, &s, per_second);
		if (!opt.totals)
			row(&t, &s, &e, per_second);
	}
	if (opt.totals)
		total_row(&t, &m, elapsed > 0);
	if (table_end(&t) < 0)
		strerr_diefsys(111, "out of memory");
	if (allwrite(1, (const char *)t.out.p, t.out.n) < t.out.n)
		strerr_diefusys(111, "write to standard output");
	buf_free(&t.out);
}

static void open_page(void)
{
	page_close(&page);
	if (page_open(&page, path) < 0)
		strerr_diefusys(111, "read ", path);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void parse(int argc, const char *const *argv)
{
	subgetopt g = SUBGETOPT_ZERO;
	for (int c; (c = subgetopt_r(argc, argv, "HJti:c:", &g)) != -1;) {
		switch (c) {
		case 'H': opt.header = true; break;
		case 'J': opt.json = true; break;
		case 't': opt.totals = true; break;
		case 'i':
			if (!cli_int(g.arg, 1, 86400, &opt.seconds))
				dieusage();
			break;
		case 'c':
			if (!cli_int(g.arg, 1, INT64_MAX, &opt.count))
				dieusage();
			break;
		default: dieusage();
		}
	}
	if (g.ind + 1 != argc)
		dieusage();
	opt.dir = argv[g.ind];
	if (snprintf(path, sizeof path, "%s/run/state", opt.dir) >= (int)sizeof path)
		dieusage();
}

/* The page may be made anew while we watch: it is opened each time. */
int main(int argc, const char *const *argv)
{
	parse(argc, argv);
	seen = calloc(PAGE_CAPACITY, sizeof *seen);
	if (!seen)
		strerr_diefsys(111, "out of memory");
	double last = 0;
	for (int64_t i = 0; opt.count < 0 || i < opt.count; i++) {
		if (i)
			sleep((unsigned)opt.seconds);
		open_page();
		double at = now();
		print(last > 0 ? at - last : 0);
		last = at;
		if (!opt.seconds)
			break;
	}
	return 0;
}
