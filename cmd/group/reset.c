/* group reset: where groups go on reading.
 *
 * A plan is a row for each partition: group, topic, partition, what is committed, what will be. It
 * is made from a rule or read from standard input, kept within the partition, printed, and with -x
 * committed, which Kafka lets only a group without members do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/strerr.h>

#include "cli/text.h"
#include "group.h"
#include "wire/codes.h"

enum { OFFSET_COMMIT = 8, PLAN_MOST = 64 << 20, PLAN_CELLS = 5 };

typedef struct offset_commit_request_offset_commit_request_topic topic_of_request;
typedef struct offset_commit_request_offset_commit_request_partition partition_of_request;

static void complain_part(const struct group *g, const struct part *p, int code)
{
	struct buf what = {0};
	char group[250], topic[250];
	if (buf_addf(&what, "%s %s %d", span_z(g->id, group, sizeof group),
		     span_z(p->topic, topic, sizeof topic), p->partition) < 0)
		strerr_diefsys(111, "out of memory");
	complain("reset", (struct span){(const char *)what.p, (int32_t)what.n}, code, SPAN_NULL);
	buf_free(&what);
}

/* --- both ends, and the offset at a time --- */

enum { START, END, AT };
static void ask_all(struct group *v, int n, int64_t timestamp, int which)
{
	int all = 0;
	for (int i = 0; i < n; i++)
		all += v[i].places_n;
	struct ask *a = room((size_t)all * sizeof *a), *at = a;
	for (int i = 0; i < n; i++)
		for (int32_t k = 0; k < v[i].places_n; k++)
			*at++ = (struct ask){.part = v[i].places[k].part, .timestamp = timestamp};
	ask_offsets(a, all);
	at = a;
	for (int i = 0; i < n; i++)
		for (int32_t k = 0; k < v[i].places_n; k++, at++) {
			struct place *p = &v[i].places[k];
			*(which == START ? &p->start : which == END ? &p->end : &p->to) =
				at->offset;
			if (at->error)
				complain_part(&v[i], &p->part, at->error);
		}
}

static void keep_within(const struct group *g, struct place *p)
{
	int64_t to = p->to < p->start ? p->start : p->to > p->end ? p->end : p->to;
	char words[600], group[250], topic[250];
	if (p->start < 0 || p->end < 0)
		to = -1;
	if (to >= 0 && to != p->to) {
		snprintf(words, sizeof words, "%s %s %d: %lld is outside: %lld",
			 span_z(g->id, group, sizeof group),
			 span_z(p->part.topic, topic, sizeof topic), p->part.partition,
			 (long long)p->to, (long long)to);
		strerr_warn("group: reset ", words);
	}
	p->to = to;
}

/* --- committing --- */

static void commit(int32_t node, struct group **v, int n)
{
	for (int i = 0; i < n; i++) {
		struct group *g = v[i];
		struct offset_commit_request q;
		struct offset_commit_response r;
		partition_of_request *p = room((size_t)g->places_n * sizeof *p);
		wire_init(&wire_offset_commit_request, &q);
		q.group_id = g->id;
		q.topics = room((size_t)g->places_n * sizeof *q.topics);
		for (int32_t k = 0; k < g->places_n; k++) {
			const struct place *place = &g->places[k];
			if (place->to < 0)
				continue;
			if (q.topics_n == 0 ||
			    !span_same(q.topics[q.topics_n - 1].name, place->part.topic))
				q.topics[q.topics_n++] = (topic_of_request){
					.name = place->part.topic, .partitions = p};
			q.topics[q.topics_n - 1].partitions_n++;
			*p++ = (partition_of_request){
				.partition_index = place->part.partition,
				.committed_offset = place->to,
				.committed_leader_epoch = -1,
			};
		}
		g->error = 0;
		if (q.topics_n == 0)
			continue;
		if (net_call(net, node, OFFSET_COMMIT, -1, &q, &mem, &r, deadline()) < 0)
			die_net();
		for (int32_t t = 0; t < r.topics_n; t++)
			for (int32_t k = 0; k < r.topics[t].partitions_n; k++) {
				struct part part = {r.topics[t].name,
						    r.topics[t].partitions[k].partition_index};
				int code = r.topics[t].partitions[k].error_code;
				if (wire_error_retriable(code))
					g->error = code;
				else if (code)
					complain_part(g, &part, code);
			}
	}
}

/* Members would go on from where they are, and commit over it. */
static bool is_idle(struct group *g)
{
	char words[64], text[250];
	if (g->members_n == 0)
		return true;
	snprintf(words, sizeof words, "it has %d members: stop them first", g->members_n);
	if (opt.execute)
		complain("reset", g->id, WIRE_NON_EMPTY_GROUP, span_of(words));
	else
		strerr_warn("group: reset ", span_z(g->id, text, sizeof text), ": ", words);
	return !opt.execute;
}

static void print(const struct group *v, int n)
{
	static const char *const columns[] = {"group", "topic", "partition", "committed", "new",
					      NULL};
	struct table t;
	begin(&t, columns);
	for (int i = 0; i < n; i++)
		for (int32_t k = 0; k < v[i].places_n; k++) {
			const struct place *p = &v[i].places[k];
			table_text(&t, v[i].id);
			table_text(&t, p->part.topic);
			table_int(&t, p->part.partition);
			table_intnull(&t, p->committed);
			table_intnull(&t, p->to);
		}
	finish(&t);
}

static void carry_out(struct group *v, int n)
{
	int rows = 0, good = 0;
	for (int i = 0; i < n; i++) {
		rows += v[i].places_n;
		for (int32_t k = 0; k < v[i].places_n; k++)
			keep_within(&v[i], &v[i].places[k]);
	}
	print(v, n);
	for (int i = 0; i < n; i++)
		if (is_idle(&v[i]))
			v[good++] = v[i];
	if (!opt.execute) {
		if (rows)
			strerr_warn("group: nothing is committed yet: -x does it");
		return;
	}
	ask_coordinators(v, good, commit);
	for (int i = 0; i < good; i++)
		if (v[i].error)
			complain("reset", v[i].id, v[i].error, v[i].message);
}

/* --- by a rule --- */

/* All partitions of the topics that -t names. */
static void add_chosen(struct group *g)
{
	struct span *names = room((size_t)opt.topics_n * sizeof *names);
	int room_n = g->places_n, known = g->places_n;
	for (int i = 0; i < opt.topics_n; i++)
		names[i] = (struct span){opt.topics[i], (int32_t)strcspn(opt.topics[i], ":")};
	struct metadata_response *m = metadata(names, opt.topics_n);
	for (int32_t i = 0; i < m->topics_n; i++) {
		if (m->topics[i].error_code)
			complain("reset", m->topics[i].name, m->topics[i].error_code, SPAN_NULL);
		for (int32_t k = 0; k < m->topics[i].partitions_n; k++) {
			struct part part = {m->topics[i].name,
					    m->topics[i].partitions[k].partition_index};
			int all = g->places_n;
			g->places_n = known;
			bool has = place_of(g, part.topic, part.partition);
			g->places_n = all;
			if (!has && chosen(part.topic, part.partition))
				add_place(g, &room_n, part);
		}
	}
}

static void choose(struct group *g)
{
	int n = 0;
	if (opt.topics_n)
		add_chosen(g);
	for (int32_t i = 0; i < g->places_n; i++)
		if (chosen(g->places[i].part.topic, g->places[i].part.partition))
			g->places[n++] = g->places[i];
	g->places_n = n;
	if (n)
		qsort(g->places, (size_t)n, sizeof *g->places, place_order);
}

static void apply_rule(struct group *g, const char *to, const char *argument)
{
	int64_t v = 0;
	if (!strcmp(to, "time"))
		ask_all(g, 1, time_ms(argument), AT);
	else if (argument)
		cli_int(argument, INT64_MIN, INT64_MAX, &v);
	for (int32_t i = 0; i < g->places_n; i++) {
		struct place *p = &g->places[i];
		if (!strcmp(to, "earliest"))
			p->to = p->start;
		else if (!strcmp(to, "latest") || (!strcmp(to, "time") && p->to < 0))
			p->to = p->end;
		else if (!strcmp(to, "offset"))
			p->to = v;
		else if (!strcmp(to, "shift") && p->committed < 0)
			p->to = p->start;
		else if (!strcmp(to, "shift") &&
			 __builtin_add_overflow(p->committed, v, &p->to))
			p->to = INT64_MAX;
	}
}

void group_reset(const char *group, const char *to, const char *argument)
{
	int n;
	struct group *g = groups_named(&group, 1, &n);
	describe(g, 1);
	bool is_new = g->error == WIRE_GROUP_ID_NOT_FOUND;
	if (g->error && !(is_new && opt.topics_n)) {
		complain("reset", g->id, g->error, g->message);
		return;
	}
	if (!is_new)
		ask_coordinators(g, 1, ask_committed);
	if (!is_new && g->error) {
		complain("reset", g->id, g->error, g->message);
		return;
	}
	choose(g);
	ask_all(g, 1, EARLIEST, START);
	ask_all(g, 1, LATEST, END);
	apply_rule(g, to, argument);
	carry_out(g, 1);
}

/* --- from standard input --- */

static const char *read_all(void)
{
	static struct buf in;
	for (;;) {
		if (in.n > PLAN_MOST)
			strerr_die(1, "group: reset: the plan is too long");
		if (buf_need(&in, 64 << 10) < 0)
			strerr_diefsys(111, "out of memory");
		size_t r = allread(0, (char *)in.p + in.n, 64 << 10);
		in.n += r;
		if (r < 64 << 10)
			break;
	}
	if (buf_add8(&in, 0) < 0)
		strerr_diefsys(111, "out of memory");
	return (const char *)in.p;
}

static struct span cell_text(const char *z, size_t n)
{
	struct buf text = {0};
	char *copy = room(n + 1);
	memcpy(copy, z, n);
	if (cli_unescape(&text, copy) < 0)
		strerr_diefsys(111, "out of memory");
	struct span s = {arena_copy(&mem, text.p, text.n ? text.n : 1), (int32_t)text.n};
	if (!s.p)
		strerr_diefsys(111, "out of memory");
	buf_free(&text);
	return s;
}

static bool cell_int(struct span s, int64_t *v)
{
	char text[24];
	return s.n < (int)sizeof text &&
	       cli_int(span_z(s, text, sizeof text), 0, INT64_MAX, v);
}

struct plan {
	struct group *v;
	int *room_n; /* of the places of each */
	int n;
};

static struct group *group_of(struct plan *plan, struct span id, int **room_n)
{
	for (int i = plan->n - 1; i >= 0; i--)
		if (span_same(plan->v[i].id, id)) {
			*room_n = &plan->room_n[i];
			return &plan->v[i];
		}
	plan->v = realloc(plan->v, (size_t)(plan->n + 1) * sizeof *plan->v);
	plan->room_n = realloc(plan->room_n, (size_t)(plan->n + 1) * sizeof *plan->room_n);
	if (!plan->v || !plan->room_n)
		strerr_diefsys(111, "out of memory");
	plan->v[plan->n] = (struct group){.id = id, .node = -1};
	plan->room_n[plan->n] = 0;
	*room_n = &plan->room_n[plan->n];
	return &plan->v[plan->n++];
}

static void take_line(struct plan *plan, const char *z, size_t n, int number)
{
	struct span cells[PLAN_CELLS];
	int64_t partition, to;
	int cells_n = 0, *room_n;
	char words[32];
	for (const char *p = z, *end = z + n; p <= end && cells_n < PLAN_CELLS; cells_n++) {
		const char *tab = memchr(p, '\t', (size_t)(end - p));
		cells[cells_n] = cell_text(p, (size_t)((tab ? tab : end) - p));
		p = tab ? tab + 1 : end + 1;
	}
	bool is_header = cells_n == PLAN_CELLS && span_is(cells[0], "GROUP");
	if (is_header || (cells_n == PLAN_CELLS && span_is(cells[4], "-")))
		return;
	if (cells_n < PLAN_CELLS || !cell_int(cells[2], &partition) || partition > INT32_MAX ||
	    !cell_int(cells[4], &to)) {
		snprintf(words, sizeof words, "%d", number);
		strerr_die(100, "group: usage: line ", words,
			   " is not group, topic, partition, committed, new");
	}
	struct group *g = group_of(plan, cells[0], &room_n);
	add_place(g, room_n, (struct part){cells[1], (int32_t)partition})->to = to;
}

static void drop_doubles(struct group *g)
{
	qsort(g->places, (size_t)g->places_n, sizeof *g->places, place_order);
	for (int32_t i = 1; i < g->places_n; i++)
		if (!place_order(&g->places[i - 1], &g->places[i]))
			strerr_die(100, "group: usage: the plan names a partition twice");
}

/* A fresh look at what is committed: the plan may be old. */
static void look_again(struct group *v, int n)
{
	struct group *now = room((size_t)n * sizeof *now);
	for (int i = 0; i < n; i++)
		now[i] = (struct group){.id = v[i].id, .node = -1};
	describe(now, n);
	for (int i = 0; i < n; i++) {
		v[i].members_n = now[i].members_n;
		if (now[i].error && now[i].error != WIRE_GROUP_ID_NOT_FOUND)
			complain("reset", v[i].id, now[i].error, now[i].message);
	}
	ask_coordinators(now, n, ask_committed);
	for (int i = 0; i < n; i++)
		for (int32_t k = 0; k < v[i].places_n; k++) {
			struct part part = v[i].places[k].part;
			const struct place *p = place_of(&now[i], part.topic, part.partition);
			v[i].places[k].committed = p ? p->committed : -1;
		}
}

void group_apply(void)
{
	struct plan plan = {0};
	const char *z = read_all();
	for (int number = 1; *z; number++) {
		size_t n = strcspn(z, "\n");
		if (n)
			take_line(&plan, z, n, number);
		z += n + (z[n] == '\n');
	}
	for (int i = 0; i < plan.n; i++)
		drop_doubles(&plan.v[i]);
	look_again(plan.v, plan.n);
	ask_all(plan.v, plan.n, EARLIEST, START);
	ask_all(plan.v, plan.n, LATEST, END);
	carry_out(plan.v, plan.n);
	free(plan.v);
	free(plan.room_n);
}
