/* A whole log directory: its own files, every partition, and its checkpoints against them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"
#include "check.h"
#include "log/checkpoint.h"
#include "log/cleanshutdown.h"
#include "log/metaproperties.h"

struct part {
	int64_t start, end;
	char name[];
};

static void check_metaproperties(const char *path)
{
	char *p;
	size_t n;
	struct metaproperties m;
	if (!slurp(path, METAPROPERTIES_FILE, &p, &n)) {
		damage(path, METAPROPERTIES_FILE, -1, "missing");
		return;
	}
	if (metaproperties_parse(&m, p, n) < 0)
		damage(path, METAPROPERTIES_FILE, 0, "damaged");
	else if (m.node_id < 0 || !*m.cluster_id)
		damage(path, METAPROPERTIES_FILE, -1, "lacks node.id or cluster.id");
	free(p);
}

static void check_checkpoint(const char *path, const char *file, const struct map *parts)
{
	struct checkpoint c = {0};
	char *p;
	size_t n;
	if (!slurp(path, file, &p, &n))
		return;
	bool none = n < sizeof "0\n0\n" - 1 && strcmp(file, CHECKPOINT_CLEANER) != 0;
	if (none || checkpoint_parse(&c, p, n) < 0)
		damage(path, file, 0, "damaged");
	for (size_t i = 0; i < c.n; i++) {
		const char *name = c.v[i]->name;
		const struct part *at = map_get(parts, name, strlen(name));
		if (at && c.v[i]->offset > at->end)
			damage(path, file, -1, "%s is at %lld, its log ends at %lld", name, (long long)c.v[i]->offset,
			       (long long)at->end);
	}
	checkpoint_free(&c);
	free(p);
}

static bool is_directory(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* TOPIC-PARTITION; what waits for its deletion, TOPIC-PARTITION.UUID-delete, is not looked into. */
static bool is_partition_name(const char *name)
{
	const char *dash = strrchr(name, '-');
	return dash && dash != name && dash[1] && strspn(dash + 1, "0123456789") == strlen(dash + 1);
}

static bool known_name(const char *name)
{
	static const char *const known[] = {
		METAPROPERTIES_FILE, CLEANSHUTDOWN_FILE, ".lock", CHECKPOINT_RECOVERY_POINT, CHECKPOINT_LOG_START,
		CHECKPOINT_HIGH_WATERMARK, CHECKPOINT_CLEANER, "bootstrap.checkpoint", "lost+found"};
	size_t n = strlen(name);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (!strcmp(name, known[i]))
			return true;
	return n > 4 && !strcmp(name + n - 4, ".tmp");
}

static bool passing_name(const char *name)
{
	static const char *const ends[] = {"-delete", "-future", "-stray"};
	for (int i = 0; i < 3; i++) {
		size_t n = strlen(name), m = strlen(ends[i]);
		if (n > m && !strcmp(name + n - m, ends[i]))
			return true;
	}
	return false;
}

static void check_child(const char *path, const char *name, struct map *parts)
{
	char child[4096];
	int64_t start, end;
	snprintf(child, sizeof child, "%s/%s", path, name);
	if (!is_directory(child) ? known_name(name) : passing_name(name) || known_name(name))
		return;
	if (!is_directory(child) || !is_partition_name(name)) {
		damage(path, name, -1, "does not belong here");
		return;
	}
	if (isatty(2))
		fprintf(stderr, "logcheck: %s\n", name);
	if (!check_partition(child, &start, &end))
		return;
	struct part *p = malloc(sizeof *p + strlen(name) + 1);
	if (!p)
		die_file(path, name);
	p->start = start;
	p->end = end;
	strcpy(p->name, name);
	if (map_put(parts, p->name, strlen(p->name), p) < 0)
		die_file(path, name);
}

void check_directory(const char *path)
{
	static const char *const files[] = {CHECKPOINT_RECOVERY_POINT, CHECKPOINT_LOG_START,
	                                    CHECKPOINT_HIGH_WATERMARK, CHECKPOINT_CLEANER};
	struct map parts = {0};
	struct dirent **v;
	size_t at = 0;
	int n = scandir(path, &v, 0, alphasort);
	if (n < 0)
		die_file(path, ".");
	check_metaproperties(path);
	for (int i = 0; i < n; i++) {
		if (strcmp(v[i]->d_name, ".") && strcmp(v[i]->d_name, ".."))
			check_child(path, v[i]->d_name, &parts);
		free(v[i]);
	}
	free(v);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		check_checkpoint(path, files[i], &parts);
	for (struct part *p; (p = map_next(&parts, &at));)
		free(p);
	map_free(&parts);
}
