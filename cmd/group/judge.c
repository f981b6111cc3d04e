/* Is a group well? Burrow's rules, on the commits of a window of time.
 *
 * The commits are read from __consumer_offsets, which has the moment of each; where a partition
 * ended at that moment is asked of its leader by time.
 */
#include <stdlib.h>

#include <skalibs/strerr.h>

#include "base/map.h"
#include "group.h"

enum { COMMITS_MOST = 10 }; /* of a partition, that are looked at: the newest */

static struct map by_name;

static void take(struct span group, const struct part *part, const struct commit *c, void *arg)
{
	struct group *g = map_get(&by_name, group.p, (size_t)group.n);
	struct place *p = g ? place_of(g, part->topic, part->partition) : NULL;
	if (!p)
		return;
	if (c->offset < 0) { /* removed: what is older says nothing about who commits now */
		p->commits = NULL;
		p->commits_n = 0;
		return;
	}
	struct commit *kept = room(sizeof *kept);
	*kept = *c;
	kept->next = p->commits;
	p->commits = kept;
	p->commits_n++;
}

static bool lags(const struct place *p)
{
	return p->committed >= 0 && p->end >= 0 && p->end - p->committed > opt.threshold;
}

static int shown(const struct place *p)
{
	return p->commits_n < COMMITS_MOST ? p->commits_n : COMMITS_MOST;
}

/* asked[0] is where the partition ended half a window ago, then one for each commit. */
static int64_t end_at(const struct place *p, const struct ask *a)
{
	return a->offset < 0 ? p->end : a->offset;
}

static enum status rules(const struct place *p, const struct ask *asked, int64_t now_ms)
{
	int n = shown(p);
	int64_t half = opt.window_s * 500, behind_later = -1;
	bool moved = false, went_back = false, fell = false;
	if (n == 0 || p->commits->at_ms < now_ms - half)
		return p->committed < end_at(p, &asked[0]) ? STATUS_STOP : STATUS_OK;
	const struct commit *c = p->commits, *later = NULL;
	for (int i = 0; i < n; i++, later = c, c = c->next) {
		int64_t behind = end_at(p, &asked[1 + i]) - c->offset;
		if (behind <= 0)
			return STATUS_OK;
		moved |= later && later->offset != c->offset;
		went_back |= later && later->offset < c->offset;
		fell |= later && behind_later < behind;
		behind_later = behind;
	}
	if (n < 2)
		return STATUS_OK;
	return went_back ? STATUS_WARN : !moved ? STATUS_STALL : fell ? STATUS_OK : STATUS_WARN;
}

static int ask_places(struct group *v, int n, struct ask *a, int64_t now_ms)
{
	int all = 0;
	for (int i = 0; i < n; i++)
		for (int32_t k = 0; k < v[i].places_n; k++) {
			const struct place *p = &v[i].places[k];
			const struct commit *c = p->commits;
			if (!lags(p))
				continue;
			if (a)
				a[all] = (struct ask){.part = p->part,
						      .timestamp = now_ms - opt.window_s * 500};
			all++;
			for (int j = 0; j < shown(p); j++, c = c->next, all++)
				if (a)
					a[all] = (struct ask){.part = p->part,
							      .timestamp = c->at_ms};
		}
	return all;
}

void judge(struct group *v, int n)
{
	int64_t now_ms = wall_ms();
	for (int i = 0; i < n; i++)
		if (map_put(&by_name, v[i].id.p, (size_t)v[i].id.n, &v[i]) < 0)
			strerr_diefsys(111, "out of memory");
	read_commits(now_ms - opt.window_s * 1000, take, NULL);
	int all = ask_places(v, n, NULL, now_ms);
	struct ask *a = room((size_t)all * sizeof *a);
	ask_places(v, n, a, now_ms);
	ask_offsets(a, all);
	for (int i = 0; i < n; i++)
		for (int32_t k = 0; k < v[i].places_n; k++) {
			struct place *p = &v[i].places[k];
			if (p->committed < 0 || p->end < 0)
				continue;
			p->status = STATUS_OK;
			if (!lags(p))
				continue;
			p->status = rules(p, a, now_ms);
			a += 1 + shown(p);
		}
	map_free(&by_name);
}
