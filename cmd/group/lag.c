/* group lag: how far groups are behind.
 *
 * What is committed is asked first and where partitions end afterwards, and a group commits only
 * what it has read: so lag is never below zero while a partition keeps its records. One that lost
 * them (its topic was made anew) has lag 0.
 */
#include <stdlib.h>
#include <string.h>

#include "group.h"

static int64_t lag_of(const struct place *p)
{
	if (p->committed < 0 || p->end < 0)
		return -1;
	return p->end > p->committed ? p->end - p->committed : 0;
}

static bool wanted(const struct place *p)
{
	const char *z = opt.where;
	int64_t lag = lag_of(p), v = 0;
	if (!z)
		return true;
	cli_int(z + strspn(z, "<>=!"), 0, INT64_MAX, &v);
	if (lag < 0)
		return false;
	switch (z[0]) {
	case '<': return z[1] == '=' ? lag <= v : lag < v;
	case '>': return z[1] == '=' ? lag >= v : lag > v;
	case '!': return lag != v;
	default: return lag == v;
	}
}

/* Partitions that members have and nobody has committed in are shown too. */
static void add_members(struct group *g)
{
	int known = g->places_n, room_n = g->places_n;
	for (int32_t i = 0; i < g->members_n; i++)
		for (int32_t k = 0; k < g->members[i].parts_n; k++) {
			struct part part = g->members[i].parts[k];
			int all = g->places_n;
			g->places_n = known;
			struct place *p = place_of(g, part.topic, part.partition);
			g->places_n = all;
			if (!p)
				p = add_place(g, &room_n, part);
			p->member = &g->members[i];
		}
	if (g->places_n)
		qsort(g->places, (size_t)g->places_n, sizeof *g->places, place_order);
}

static void choose(struct group *g)
{
	int n = 0;
	for (int32_t i = 0; i < g->places_n; i++)
		if (chosen(g->places[i].part.topic, g->places[i].part.partition))
			g->places[n++] = g->places[i];
	g->places_n = n;
}

static void find_ends(struct group *v, int n)
{
	int all = 0;
	for (int i = 0; i < n; i++)
		all += v[i].places_n;
	struct ask *a = room((size_t)all * sizeof *a), *at = a;
	for (int i = 0; i < n; i++)
		for (int32_t k = 0; k < v[i].places_n; k++)
			*at++ = (struct ask){.part = v[i].places[k].part, .timestamp = LATEST};
	ask_offsets(a, all);
	at = a;
	for (int i = 0; i < n; i++)
		for (int32_t k = 0; k < v[i].places_n; k++, at++)
			v[i].places[k].end = at->offset;
}

static void lag_row(struct table *t, const struct group *g, const struct place *p)
{
	static const char *const words[] = {NULL, "OK", "WARN", "STALL", "STOP"};
	const struct member *m = p->member;
	table_text(t, g->id);
	table_text(t, p->part.topic);
	table_int(t, p->part.partition);
	table_intnull(t, p->committed);
	table_intnull(t, p->end);
	table_intnull(t, lag_of(p));
	table_text(t, m ? m->id : SPAN_NULL);
	table_text(t, m ? m->client : SPAN_NULL);
	table_text(t, m ? m->host : SPAN_NULL);
	if (opt.judge)
		table_z(t, words[p->status]);
}

static void print(struct group *v, int n)
{
	static const char *const columns[] = {"group",  "topic",  "partition", "committed", "end",
					      "lag",    "member", "client",    "host",      NULL};
	static const char *const judged[] = {"group",  "topic",  "partition", "committed",
					     "end",    "lag",    "member",    "client",
					     "host",   "status", NULL};
	struct table t;
	begin(&t, opt.judge ? judged : columns);
	for (int i = 0; i < n; i++)
		for (int32_t k = 0; k < v[i].places_n; k++) {
			const struct place *p = &v[i].places[k];
			if (p->status > STATUS_OK)
				status = 1;
			if (wanted(p))
				lag_row(&t, &v[i], p);
		}
	finish(&t);
}

/* A group that is gone has no members; its offsets are gone too. One of another type has neither
 * for us. */
void group_lag(const char *const *names, int n)
{
	struct group *v = groups_named(names, n, &n);
	describe(v, n);
	int good = 0;
	for (int i = 0; i < n; i++) {
		if (v[i].error)
			complain("lag", v[i].id, v[i].error, v[i].message);
		else
			v[good++] = v[i];
	}
	ask_coordinators(v, good, ask_committed);
	for (int i = 0; i < good; i++) {
		if (v[i].error)
			complain("lag", v[i].id, v[i].error, v[i].message);
		warn_differing(&v[i], "lag");
		add_members(&v[i]);
		choose(&v[i]);
	}
	find_ends(v, good);
	if (opt.judge)
		judge(v, good);
	print(v, good);
}
