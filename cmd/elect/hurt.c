/* A damaged log is set aside and fetched anew. What this node had said to have on disk counts for
 * others as if it were still there, so until it is there again this node neither votes nor stands.
 *
 * scratch/elect.hurt says so through restarts; it holds quorum-state as it was, since a vote that
 * was given stays given.
 */
#include "hurt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "base/atomicfile.h"
#include "base/syncfile.h"
#include "voters.h"

#define LOG "log/__cluster_metadata-0"
#define MARK "elect.hurt"
enum { STATE_MAX = 65536 };

static int directory(const char *name)
{
	int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		strerr_diefu2sys(111, "open ", name);
	return fd;
}

static void sync_directory(const char *name)
{
	int fd = directory(name);

	if (syncfile(fd) < 0)
		strerr_diefu2sys(111, "sync ", name);
	close(fd);
}

void hurt_set_aside(struct elect *e)
{
	char where[VOTER_ADDRESS], name[64], *state;
	int scratch, log;
	size_t n;

	if (!voters_any(e, 0, where))
		return;
	scratch = directory("scratch");
	if (faccessat(scratch, MARK, F_OK, 0) < 0) {
		log = directory(LOG);
		if (atomicfile_read(log, "quorum-state", STATE_MAX, &state, &n) < 0)
			strerr_diefu1sys(111, "read " LOG "/quorum-state");
		if (atomicfile_write(scratch, MARK, state, n) < 0)
			strerr_diefu1sys(111, "write scratch/" MARK);
	}
	snprintf(name, sizeof name, "scratch/metadata-damaged-%lld", (long long)wall_ms());
	if (rename(LOG, name) < 0)
		strerr_diefu1sys(111, "set aside " LOG);
	sync_directory("log");
	strerr_dief(111, LOG " is damaged (", e->store.why,
		    "), it is set aside and fetched from the other voters: ", name);
}

bool hurt_begin(struct elect *e)
{
	int scratch = open("scratch", O_RDONLY | O_DIRECTORY | O_CLOEXEC), log;
	char *state;
	size_t n;

	if (scratch < 0)
		return false;
	if (atomicfile_read(scratch, MARK, STATE_MAX, &state, &n) < 0) {
		if (errno != ENOENT)
			strerr_diefu1sys(111, "read scratch/" MARK);
		close(scratch);
		return false;
	}
	if (mkdir(LOG, 0777) < 0 && errno != EEXIST)
		strerr_diefu1sys(111, "make " LOG);
	log = directory(LOG);
	if (faccessat(log, "quorum-state", F_OK, 0) < 0
	    && atomicfile_write(log, "quorum-state", state, n) < 0)
		strerr_diefu1sys(111, "write " LOG "/quorum-state");
	free(state);
	close(log);
	close(scratch);
	return true;
}

/* A record of the leader's own epoch, with all that it knows to be committed: whatever this node
 * helped to commit is below. */
void hurt_turn(struct elect *e)
{
	const struct quorum *q = &e->quorum;

	if (!q->hurt || q->role != QUORUM_FOLLOWER || e->load.epoch != q->epoch
	    || e->pull.told_epoch != q->epoch || log_end(e->store.log) < e->pull.told)
		return;
	if (unlink("scratch/" MARK) < 0)
		strerr_diefu1sys(111, "remove scratch/" MARK);
	sync_directory("scratch");
	e->quorum.hurt = false;
	strerr_warni1x("the metadata log is whole again");
}
