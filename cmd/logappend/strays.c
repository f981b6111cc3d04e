/* Directories that are not (or no longer) partitions of this node: put away under another name, or
 * found to be removed. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "base/atomicfile.h"
#include "daemon.h"
#include "log/partmeta.h"

enum { NAME_MOST = 255, DELETE_DELAY_MS = 60000 };

/* TOPIC.HEX-stray, the topic cut so that the name fits (UnifiedLog.logStrayDirName). */
static void put_away(const char *name, const char *topic_end, const char *why)
{
	char to[NAME_MOST + 1], tail[64];
	struct uuid u;
	if (uuid_random(&u) < 0)
		strerr_diefusys(111, "get random bytes");
	int n = snprintf(tail, sizeof tail, "%s.%08x%08x%08x%08x-stray", topic_end, get32(u.b),
	                 get32(u.b + 4), get32(u.b + 8), get32(u.b + 12));
	size_t topic = (size_t)(topic_end - name), room = (size_t)(NAME_MOST - n);
	snprintf(to, sizeof to, "%.*s%s", (int)(topic < room ? topic : room), name, tail);
	if (renameat(node.dirfd, name, node.dirfd, to) < 0)
		strerr_diefusys(111, "rename log/", name);
	if (fsync(node.dirfd) < 0)
		die_sync("log");
	say(name, why, to);
}

/* 0, or -1: it says none. */
static int id_of(const char *name, struct uuid *id)
{
	char *p;
	size_t n;
	int fd = openat(node.dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	int r = atomicfile_read(fd, PARTMETA_FILE, 4096, &p, &n);
	close(fd);
	if (r < 0)
		return -1;
	r = partmeta_parse(id, p, n);
	free(p);
	return r;
}

static bool has_records(const char *name)
{
	bool found = false;
	struct stat st;
	int fd = openat(node.dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	for (struct dirent *e; !found && (e = readdir(d));) {
		size_t n = strlen(e->d_name);
		found = n > 4 && !strcmp(e->d_name + n - 4, ".log")
		        && fstatat(fd, e->d_name, &st, 0) == 0 && st.st_size > 0;
	}
	closedir(d);
	return found;
}

/* Where "-PARTITION" begins, or NULL: no name of a partition's directory. */
static const char *partition_part(const char *name, int32_t *index)
{
	const char *dash = strrchr(name, '-');
	char *end;
	if (!dash || dash == name || !isdigit((unsigned char)dash[1]))
		return NULL;
	errno = 0;
	long v = strtol(dash + 1, &end, 10);
	if (*end || errno || v > INT32_MAX)
		return NULL;
	*index = (int32_t)v;
	return dash;
}

static bool replicated_here(const struct meta_topic *t, int32_t index)
{
	const struct meta_partition *m = t ? meta_partition(t, index) : NULL;
	for (int32_t i = 0; m && i < m->replicas_n; i++)
		if (m->replicas[i] == node.me.id)
			return true;
	return false;
}

/* Another topic's id differs in half of its bits, a damaged one in few. */
static bool nearly_same(const struct uuid *a, const struct uuid *b)
{
	enum { FEW = 8 };
	int bits = 0;
	for (int i = 0; i < 16; i++)
		bits += __builtin_popcount((unsigned)(a->b[i] ^ b->b[i]));
	return bits <= FEW;
}

/* A directory in the way of p that belongs to another topic: never used again in silence. One that
 * does not say to which is p's own: a kill between mkdir and partition.metadata leaves it, or
 * damage, which its opening will tell. */
bool stray_check(struct partition *p)
{
	int32_t index;
	struct uuid id;
	if (id_of(p->name, &id) < 0 || nearly_same(&id, &p->key.topic_id))
		return false;
	put_away(p->name, partition_part(p->name, &index), ": of another topic: renamed to ");
	return true;
}

/* What says of no topic may be damaged: it is put away only when no topic has its name. */
static void look_at(const char *name)
{
	int32_t index;
	struct uuid id;
	const struct meta_topic *t;
	const char *topic_end = partition_part(name, &index);
	if (!topic_end || !strcmp(name, "__cluster_metadata-0"))
		return;
	bool said = id_of(name, &id) == 0;
	t = meta_topic_named(node.image, (struct span){name, (int32_t)(topic_end - name)});
	if (replicated_here(t, index) && (!said || nearly_same(&id, &t->id)))
		return;
	if (!said && !has_records(name))
		return;
	put_away(name, topic_end, ": not of this node's topics: renamed to ");
}

static void each_directory(void (*fn)(const char *name))
{
	struct stat st;
	int fd = openat(node.dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		strerr_diefusys(111, "read log");
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.' && fstatat(node.dirfd, e->d_name, &st, 0) == 0
		    && S_ISDIR(st.st_mode))
			fn(e->d_name);
	closedir(d);
}

void strays_put_away(void)
{
	each_directory(look_at);
}

/* --- deletion --------------------------------------------------------------------------------- */

static void find_deleted(const char *name)
{
	size_t n = strlen(name);
	if (n > 7 && !strcmp(name + n - 7, "-delete"))
		deleted_later(name, DELETE_DELAY_MS);
}

void deleted_find(void)
{
	each_directory(find_deleted);
}
