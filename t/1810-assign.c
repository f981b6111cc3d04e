/* The assignors give what Apache Kafka's give: vectors/assign.tsv.gz, by vectors/make-assign.sh. */
#include "../cmd/groupcoord/assign.h"
#include "tap.h"

enum { topics_max = 16, members_max = 64, partitions_max = 256 };

struct text_member {
	char id[40], instance[40];
	int32_t topics[topics_max], topics_n;
};
static struct group {
	char assignor[16], kind[16];
	int32_t topics_n, members_n;
	struct uuid ids[topics_max];
	int32_t partitions[topics_max];
	bool subscribed[topics_max];
	struct text_member members[members_max];
	int32_t had[topics_max][partitions_max], gets[topics_max][partitions_max];
} g;
static struct tally {
	int cases, wrong;
} range, uniform, mixed;

static void start(char *assignor, char *kind)
{
	memset(&g, 0, sizeof g);
	memset(g.had, 0xff, sizeof g.had);
	memset(g.gets, 0xff, sizeof g.gets);
	snprintf(g.assignor, sizeof g.assignor, "%s", assignor);
	snprintf(g.kind, sizeof g.kind, "%s", kind);
}

/* What the assignor is told: only topics that somebody subscribes to. */
static bool same(void)
{
	static struct assign_topic topics[topics_max];
	static struct assign_member members[members_max];
	static int32_t place[topics_max], owner[topics_max][partitions_max];
	static struct arena arena;
	struct assign_spec spec = { topics, 0, members, g.members_n,
				    !strcmp(g.kind, "homogeneous") };
	bool same = true;

	memcpy(owner, g.had, sizeof owner);
	for (int32_t i = 0; i < g.topics_n; i++)
		if (g.subscribed[i]) {
			place[i] = spec.topics_n;
			topics[spec.topics_n++] =
				(struct assign_topic){ g.ids[i], g.partitions[i], owner[i] };
		}
	for (int32_t i = 0; i < g.members_n; i++) {
		struct text_member *m = g.members + i;

		for (int32_t j = 0; j < m->topics_n; j++)
			m->topics[j] = place[m->topics[j]];
		members[i] = (struct assign_member){ span_of(m->id), SPAN_NULL, m->topics,
						     m->topics_n };
		if (strcmp(m->instance, "-"))
			members[i].instance = span_of(m->instance);
	}
	if ((g.assignor[0] == 'r' ? assign_range : assign_uniform)(&spec, &arena) < 0)
		return false;
	for (int32_t i = 0; i < g.topics_n; i++)
		if (g.subscribed[i])
			same &= !memcmp(owner[i], g.gets[i],
					sizeof owner[i][0] * (size_t)g.partitions[i]);
	arena_reset(&arena);
	return same;
}

static void finish(void)
{
	struct tally *t = g.assignor[0] == 'r' ? &range : g.kind[0] == 'h' ? &uniform : &mixed;

	if (!g.members_n)
		return;
	t->cases++;
	if (!same() && t->wrong++ < 3)
		diag("%s, %s: case %d differs", g.assignor, g.kind, t->cases);
}

static void line(char *text)
{
	char *field[4] = { 0 };
	int n = 0;

	text[strcspn(text, "\n")] = 0;
	while (n < 4 && (field[n] = strsep(&text, "\t")))
		n++;
	if (!strcmp(field[0], "group")) {
		finish();
		start(field[1], field[2]);
	} else if (!strcmp(field[0], "topic")) {
		uuid_parse(&g.ids[g.topics_n], span_of(field[1]));
		g.partitions[g.topics_n++] = atoi(field[2]);
	} else if (!strcmp(field[0], "member")) {
		struct text_member *m = &g.members[g.members_n++];

		snprintf(m->id, sizeof m->id, "%s", field[1]);
		snprintf(m->instance, sizeof m->instance, "%s", field[2]);
		for (char *t; (t = strsep(&field[3], ",")) && *t;)
			g.subscribed[m->topics[m->topics_n++] = atoi(t)] = true;
	} else {
		int32_t *owner = (field[0][0] == 'h' ? g.had : g.gets)[atoi(field[2])];

		for (char *p; (p = strsep(&field[3], ","));)
			owner[atoi(p)] = atoi(field[1]);
	}
}

/* Two thousand members and as many partitions: no step is worse than n log n. */
static void test_large(void)
{
	enum { many = 2000 };
	static struct assign_member members[many];
	static char ids[many][16];
	static int32_t owner[many], count[many], one[] = { 0 };
	struct assign_topic topic = { { { 1 } }, many, owner };
	struct assign_spec spec = { &topic, 1, members, many, true };
	struct arena arena = { 0 };
	bool good = true;

	for (int i = 0; i < many; i++) {
		snprintf(ids[i], sizeof ids[i], "m%04d", i);
		members[i] = (struct assign_member){ span_of(ids[i]), SPAN_NULL, one, 1 };
		owner[i] = i / 2;
	}
	ok(assign_uniform(&spec, &arena) == 0, "two thousand members");
	for (int i = 0; i < many; i++)
		count[owner[i]]++;
	for (int i = 0; i < many; i++)
		good &= count[i] == 1;
	ok(good, "one partition each");
	spec.homogeneous = false;
	for (int i = 0; i < many; i++)
		owner[i] = i / 2;
	ok(assign_uniform(&spec, &arena) == 0, "the same as members that may differ");
	memset(count, 0, sizeof count);
	for (int i = 0; i < many; i++)
		count[owner[i]]++;
	for (int i = 0; i < many; i++)
		good &= count[i] == 1;
	ok(good, "one partition each");
	arena_free(&arena);
}

int main(void)
{
	static char text[4096];
	FILE *f = popen("gzip -dc t/vectors/assign.tsv.gz", "r");

	while (f && fgets(text, sizeof text, f))
		line(text);
	finish();
	ok(f && pclose(f) == 0, "the vectors are read to their end");
	ok(range.cases > 100 && uniform.cases > 100 && mixed.cases > 100, "there are enough");
	is_int(range.wrong, 0, "range: %d groups as Kafka assigns them", range.cases);
	is_int(uniform.wrong, 0, "uniform: %d groups as Kafka assigns them", uniform.cases);
	is_int(mixed.wrong, 0, "uniform, subscriptions that differ: %d groups", mixed.cases);
	test_large();
	return done_testing();
}
