/* logdump: what is in the files of a log directory, as text. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "dump.h"
#include "log/names.h"

#define USAGE "logdump [-bHJ] [-o FROM[:TO]] FILE|DIRECTORY ..."
#define dieusage() strerr_dieusage(100, USAGE)

char const *PROG = "logdump";
struct options opt = {.to = INT64_MAX};
int damaged;

static void parse_range(const char *arg)
{
	char *end;
	opt.from = strtoll(arg, &end, 10);
	if (end == arg || (*end && *end != ':') || opt.from < 0)
		dieusage();
	if (!*end)
		return;
	arg = end + 1;
	opt.to = strtoll(arg, &end, 10);
	if (end == arg || *end || opt.to < 0)
		dieusage();
}

/* The last name of a path; trailing slashes are no part of it. */
static const char *last_name(const char *path, char *out, size_t size)
{
	size_t n = strlen(path);
	while (n > 1 && path[n - 1] == '/')
		n--;
	size_t from = n;
	while (from && path[from - 1] != '/')
		from--;
	snprintf(out, size, "%.*s", (int)(n - from), path + from);
	return out;
}

/* The directory a file lies in names its partition. */
static const char *partition_of(const char *path, char *out, size_t size)
{
	char full[4096];
	const char *slash = strrchr(path, '/');
	if (!slash) {
		char *here = realpath(".", full);
		return here ? last_name(here, out, size) : "-";
	}
	snprintf(full, sizeof full, "%.*s", (int)(slash - path), path);
	char *real = realpath(full, 0);
	last_name(real ? real : full, out, size);
	free(real);
	return out;
}

static bool is_metadata(const char *partition)
{
	return !strcmp(partition, "__cluster_metadata-0");
}

static void dump_directory(const char *path)
{
	struct log_entry *v;
	int n;
	char name[256], file[4096], *real = realpath(path, 0);
	last_name(real ? real : path, name, sizeof name);
	free(real);
	if (log_list(AT_FDCWD, path, &v, &n) < 0)
		die_file(path, "list");
	for (int i = 0; i < n; i++) {
		if (strcmp(v[i].suffix, ".log"))
			continue;
		/* the next segment's base tells whether this one reaches into the range */
		int k = i + 1;
		while (k < n && strcmp(v[k].suffix, ".log"))
			k++;
		if (v[i].base >= opt.to || (k < n && v[k].base <= opt.from))
			continue;
		snprintf(file, sizeof file, "%s/%020lld.log", path, (long long)v[i].base);
		dump_log(file, name, is_metadata(name));
	}
	free(v);
}

static void dump_file(const char *path)
{
	char partition[256], name[256];
	struct log_entry e;
	partition_of(path, partition, sizeof partition);
	last_name(path, name, sizeof name);
	size_t n = strlen(name);
	if (log_name_parse(name, &e) == 0 && !strncmp(e.suffix, ".log", 4))
		dump_log(path, partition, is_metadata(partition));
	else if (n > 11 && !strcmp(name + n - 11, ".checkpoint"))
		dump_log(path, partition, true);
	else if (!dump_other(path, partition, name))
		strerr_dief(100, path, ": not a file of a log directory");
}

int main(int argc, char const *const *argv)
{
	subgetopt l = SUBGETOPT_ZERO;
	for (int c; (c = subgetopt_r(argc, argv, "bHJo:", &l)) != -1;)
		switch (c) {
		case 'b': opt.batches = true; break;
		case 'H': opt.header = true; break;
		case 'J': opt.json = true; break;
		case 'o': parse_range(l.arg); break;
		default: dieusage();
		}
	if (argc == l.ind)
		dieusage();
	for (int i = l.ind; i < argc; i++) {
		struct stat st;
		if (stat(argv[i], &st) < 0)
			die_file(argv[i], "open");
		if (S_ISDIR(st.st_mode))
			dump_directory(argv[i]);
		else
			dump_file(argv[i]);
	}
	rows_flush();
	return damaged;
}
