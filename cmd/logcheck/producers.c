/* Producer state: what the batches say, and each snapshot against it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "log/snapfile.h"

void producers_track(struct check *c, const struct batch *b, const struct marker *m,
		     struct completed_txn *done, int64_t *stable)
{
	bool fresh;
	done->is = false;
	if (b->producer_id < 0)
		return;
	if (producers_reserve(&c->producers, b, &fresh) < 0)
		die_file(c->path, ".");
	producers_apply(&c->producers, b, m, done);
	if (!done->is)
		return;
	*stable = producers_stable(&c->producers, done);
	producers_complete(&c->producers, done);
}

/* What is deleted counts no more: its producers may be in a snapshot or not. */
static bool alive(const struct check *c, const struct producer *p)
{
	return p && p->n && p->batch[p->n - 1].last_offset >= c->deleted
	       && (p->txn_first < 0 || p->txn_first >= c->deleted);
}

static bool differs(const struct producer *said, const struct producer *is)
{
	const struct producer_batch *b = is->batch + is->n - 1;
	if (said->epoch != is->epoch || said->txn_first != is->txn_first)
		return true;
	return is->n && (!said->n || said->batch[0].last_offset != b->last_offset ||
			 said->batch[0].last_sequence != b->last_sequence);
}

/* Of producers whose batches were deleted the log says nothing; those that expired are not in the
 * snapshot, but they are older than the ones that are. */
static void compare(const struct check *c, const char *name, const char *p, int entries)
{
	struct producer x;
	int64_t oldest = INT64_MAX;
	size_t at = 0;
	for (int i = 0; i < entries; i++) {
		snapfile_entry(p, i, &x);
		const struct producer *is = producers_get(&c->producers, x.id);
		oldest = x.last_timestamp < oldest ? x.last_timestamp : oldest;
		if (alive(c, is) && differs(&x, is))
			damage(c->path, name, SNAPFILE_HEADER + (int64_t)i * SNAPFILE_ENTRY,
			       "producer %lld is not where the log has it", (long long)x.id);
	}
	for (const struct producer *is; (is = map_next(&c->producers.map, &at));) {
		bool there = false;
		for (int i = 0; i < entries && !there; i++) {
			snapfile_entry(p, i, &x);
			there = x.id == is->id;
		}
		if (!there && alive(c, is) && is->last_timestamp > oldest)
			damage(c->path, name, -1, "lacks producer %lld", (long long)is->id);
	}
}

void check_snapshot(const struct check *c, int64_t base, bool reached)
{
	char name[64], *p;
	size_t n;
	struct producer x;
	snprintf(name, sizeof name, "%020lld.snapshot", (long long)base);
	if (!slurp(c->path, name, &p, &n))
		return;
	int entries = snapfile_check(p, n);
	if (entries < 0)
		damage(c->path, name, 0, "wrong version, length or crc");
	for (int i = 0; i < entries; i++) {
		snapfile_entry(p, i, &x);
		if ((x.n && x.batch[0].last_offset >= base) || x.txn_first >= base)
			damage(c->path, name, SNAPFILE_HEADER + (int64_t)i * SNAPFILE_ENTRY,
			       "producer %lld is ahead of the snapshot", (long long)x.id);
	}
	if (entries >= 0 && reached && c->producers_known)
		compare(c, name, p, entries);
	free(p);
}

/* The walk has come to c->end: snapshots up to there are looked at. */
void check_snapshots(struct check *c)
{
	for (; c->snapshot < c->n && c->v[c->snapshot].base <= c->end; c->snapshot++)
		if (!strcmp(c->v[c->snapshot].suffix, ".snapshot"))
			check_snapshot(c, c->v[c->snapshot].base, c->v[c->snapshot].base == c->end);
}
