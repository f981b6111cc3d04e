/* A partition directory: which files there are, and what each of them says. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "log/checkpoint.h"
#include "log/cleanshutdown.h"
#include "log/partmeta.h"

static bool ends_with(const char *z, const char *end)
{
	size_t n = strlen(z), m = strlen(end);
	return n >= m && !strcmp(z + n - m, end);
}

static bool has(const struct check *c, int64_t base, const char *suffix)
{
	for (int i = 0; i < c->n; i++)
		if (c->v[i].base == base && !strcmp(c->v[i].suffix, suffix))
			return true;
	return false;
}

/* Files that may stand beside the segments, in any partition or in that of the metadata. */
static bool known_name(const char *name)
{
	static const char *const known[] = {EPOCHS_FILE,    EPOCHS_FILE ".tmp",
					    PARTMETA_FILE,  PARTMETA_FILE ".tmp",
					    "quorum-state", "quorum-state.tmp"};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (!strcmp(name, known[i]))
			return true;
	return ends_with(name, ".checkpoint") || ends_with(name, ".checkpoint.part") ||
	       ends_with(name, ".checkpoint.deleted");
}

static void check_names(const struct check *c)
{
	struct log_entry e;
	DIR *d = opendir(c->path);
	if (!d)
		die_file(c->path, ".");
	for (struct dirent *f; (f = readdir(d));)
		if (strcmp(f->d_name, ".") && strcmp(f->d_name, "..") && log_name_parse(f->d_name, &e) < 0 &&
		    !known_name(f->d_name))
			damage(c->path, f->d_name, -1, "does not belong here");
	closedir(d);
}

/* The table of odradek-log(5): which suffixes are legal beside which. */
static void check_entry(const struct check *c, const struct log_entry *e)
{
	char name[64];
	const char *x = e->suffix;
	snprintf(name, sizeof name, "%020lld%s", (long long)e->base, x);
	if (!strcmp(x, ".log") || ends_with(x, ".deleted") || ends_with(x, ".cleaned") ||
	    ends_with(x, ".swap"))
		return;
	if (!strcmp(x, ".index") || !strcmp(x, ".timeindex") || !strcmp(x, ".txnindex")) {
		if (!has(c, e->base, ".log"))
			damage(c->path, name, -1, "has no segment");
	} else if (!strcmp(x, ".snapshot")) {
		if (e->base > c->end)
			damage(c->path, name, -1, "is behind the end of the log, %lld", (long long)c->end);
	} else if (!ends_with(x, ".checkpoint") && !strchr(x + 1, '-')) {
		damage(c->path, name, -1, "does not belong here");
	}
}

/* What DeleteRecords has set, -1 nothing. */
static int64_t log_start(const struct check *c)
{
	struct checkpoint p = {0};
	char above[4096], *text;
	size_t n;
	int64_t start = -1;
	const char *slash = strrchr(c->path, '/');
	snprintf(above, sizeof above, "%s/..", c->path);
	if (!slash || !slurp(above, CHECKPOINT_LOG_START, &text, &n))
		return -1;
	if (checkpoint_parse(&p, text, n) == 0)
		start = checkpoint_get(&p, slash + 1, -1);
	checkpoint_free(&p);
	free(text);
	return start;
}

/* What a clean stop leaves: a snapshot at the end of the log, unless it never had one. */
static void check_closed(const struct check *c)
{
	int64_t newest = -1;
	for (int i = 0; i < c->n; i++)
		if (!strcmp(c->v[i].suffix, ".snapshot"))
			newest = c->v[i].base;
	if (c->closed && newest >= 0 && newest < c->end)
		damage(c->path, ".", -1, "closed at %lld, as its last snapshot says, the log ends at %lld",
		       (long long)newest, (long long)c->end);
	if (c->closed && c->epochs.n && c->epochs.v[0].start > c->start &&
	    c->epochs.v[0].start > c->deleted)
		damage(c->path, EPOCHS_FILE, -1, "its first epoch begins at %lld, the log before",
		       (long long)c->epochs.v[0].start);
}

static void load_epochs(struct check *c)
{
	char *p;
	size_t n;
	if (!slurp(c->path, EPOCHS_FILE, &p, &n))
		return;
	c->epochs_known = epochs_parse(&c->epochs, p, n) == 0;
	if (!c->epochs_known)
		damage(c->path, EPOCHS_FILE, 0, "damaged");
	free(p);
}

static void check_partmeta(const struct check *c)
{
	char *p;
	size_t n;
	struct uuid id;
	if (!slurp(c->path, PARTMETA_FILE, &p, &n))
		return;
	if (partmeta_parse(&id, p, n) < 0)
		damage(c->path, PARTMETA_FILE, 0, "damaged");
	free(p);
}

/* The marker is of the others: elect stops after it was written. */
static bool is_metadata(const char *path)
{
	return ends_with(path, "__cluster_metadata-0");
}

int check_partition(const char *path, int64_t *start, int64_t *end)
{
	char marker[4096];
	snprintf(marker, sizeof marker, "%s/../" CLEANSHUTDOWN_FILE, path);
	struct check c = {.path = path, .last_base = -1, .producers_known = true, .odd_epoch = -1,
			  .closed = access(marker, F_OK) == 0 && !is_metadata(path)};
	if (log_list(AT_FDCWD, path, &c.v, &c.n) < 0)
		die_file(path, ".");
	c.deleted = log_start(&c);
	check_names(&c);
	check_partmeta(&c);
	load_epochs(&c);
	for (int i = 0, k; i < c.n; i = k) {
		for (k = i + 1; k < c.n && strcmp(c.v[k].suffix, ".log"); k++)
			;
		if (strcmp(c.v[i].suffix, ".log"))
			continue;
		if (c.last_base < 0)
			c.start = c.end = c.v[i].base;
		c.last_base = c.v[i].base;
		check_segment(&c, c.v[i].base, k < c.n ? c.v[k].base : INT64_MAX);
	}
	for (int i = 0; i < c.n; i++) {
		check_entry(&c, c.v + i);
		if (i >= c.snapshot && !strcmp(c.v[i].suffix, ".snapshot"))
			check_snapshot(&c, c.v[i].base, false);
	}
	check_closed(&c);
	if (c.epochs.n && c.last_base >= 0 && c.epochs.v[c.epochs.n - 1].start > c.end)
		damage(path, EPOCHS_FILE, -1, "epoch %d begins at %lld, the log ends at %lld",
		       epochs_last(&c.epochs), (long long)c.epochs.v[c.epochs.n - 1].start,
		       (long long)c.end);
	*start = c.start;
	*end = c.end;
	epochs_free(&c.epochs);
	producers_clear(&c.producers);
	free(c.v);
	return c.last_base >= 0;
}
