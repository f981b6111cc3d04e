/* replica apply: a plan is asked for and waited for. What is already so is left alone, what is
 * under way is waited for: who was interrupted goes on with the same plan. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "replica.h"

enum { ALTER = 45, LIST = 46, BATCH = 500, POLL_MS = 500 };

typedef struct alter_partition_reassignments_request_reassignable_topic asked;
typedef struct list_partition_reassignments_response_ongoing_partition_reassignment ongoing;

/* --- what is --- */

static int by_partition(const void *a, const void *b)
{
	const struct wish *x = *(struct wish *const *)a, *y = *(struct wish *const *)b;
	int r = strcmp(x->topic, y->topic);
	return r ? r : (x->partition > y->partition) - (x->partition < y->partition);
}

static struct wish **sorted(struct wishes *w)
{
	struct wish **v = room((size_t)w->n * sizeof *v);
	for (int i = 0; i < w->n; i++)
		v[i] = &w->v[i];
	qsort(v, (size_t)w->n, sizeof *v, by_partition);
	return v;
}

static struct wish *find(struct wish **v, int n, struct span topic, int32_t partition)
{
	struct wish key = {.topic = span_z(topic, room((size_t)topic.n + 1), (size_t)topic.n + 1),
			   .partition = partition},
		    *k = &key;
	struct wish **at = bsearch(&k, v, (size_t)n, sizeof *v, by_partition);
	return at ? *at : NULL;
}

static bool same(const struct wish *w, const int32_t *v, int32_t n)
{
	return w->then_n == n && memcmp(w->then, v, (size_t)n * sizeof *v) == 0;
}

/* The replicas that there will be: those that are removed stand last. */
static bool on_its_way(const struct wish *w, const ongoing *p)
{
	return p->replicas_n - p->removing_replicas_n == w->then_n &&
	       memcmp(w->then, p->replicas, (size_t)w->then_n * sizeof *w->then) == 0;
}

/* Who of v is as it should be, and who is on the way. What is neither is pending. */
static void look(struct wish **v, int n)
{
	struct list_partition_reassignments_request q;
	struct list_partition_reassignments_response r;
	struct metadata_response *m = metadata();
	for (int i = 0; i < n; i++) {
		v[i]->pending = true;
		v[i]->moving = false;
	}
	for (int32_t i = 0; i < m->topics_n; i++)
		for (int32_t k = 0; k < m->topics[i].partitions_n; k++) {
			const struct metadata_response_metadata_response_partition *p =
				&m->topics[i].partitions[k];
			struct wish *w = find(v, n, m->topics[i].name, p->partition_index);
			if (w && same(w, p->replica_nodes, p->replica_nodes_n))
				w->pending = false;
		}
	wire_init(&wire_list_partition_reassignments_request, &q);
	q.topics_n = -1;
	call(LIST, &q, &r);
	if (r.error_code)
		die_kafka("apply", r.error_code, r.error_message);
	for (int32_t i = 0; i < r.topics_n; i++)
		for (int32_t k = 0; k < r.topics[i].partitions_n; k++) {
			struct wish *w = find(v, n, r.topics[i].name,
					      r.topics[i].partitions[k].partition_index);
			if (!w)
				continue;
			w->pending = true;
			w->moving = on_its_way(w, &r.topics[i].partitions[k]);
		}
}

/* --- asking --- */

static void ask(struct wish **v, int n)
{
	struct alter_partition_reassignments_request q;
	struct alter_partition_reassignments_response r;
	wire_init(&wire_alter_partition_reassignments_request, &q);
	q.timeout_ms = 30000;
	q.topics = room((size_t)n * sizeof *q.topics);
	for (int i = 0; i < n; i++) {
		asked *t = q.topics_n ? &q.topics[q.topics_n - 1] : NULL;
		if (!t || !span_is(t->name, v[i]->topic)) {
			t = &q.topics[q.topics_n++];
			t->name = span_of(v[i]->topic);
			t->partitions = room((size_t)(n - i) * sizeof *t->partitions);
		}
		t->partitions[t->partitions_n].partition_index = v[i]->partition;
		t->partitions[t->partitions_n].replicas = v[i]->then;
		t->partitions[t->partitions_n++].replicas_n = v[i]->then_n;
	}
	call(ALTER, &q, &r);
	if (r.error_code)
		die_kafka("apply", r.error_code, r.error_message);
	for (int32_t i = 0; i < r.responses_n; i++)
		for (int32_t k = 0; k < r.responses[i].partitions_n; k++) {
			int code = r.responses[i].partitions[k].error_code;
			int32_t partition = r.responses[i].partitions[k].partition_index;
			struct wish *w = find(v, n, r.responses[i].name, partition);
			if (!code)
				continue;
			complain("apply", r.responses[i].name, partition, code,
				 r.responses[i].partitions[k].error_message);
			if (w)
				w->failed = true;
		}
}

/* On a terminal, how far it is. */
static void progress(int done, int n, bool last)
{
	char line[80];
	if (!isatty(2))
		return;
	snprintf(line, sizeof line, "\r%d of %d partitions are where they should be%s", done, n,
		 last ? "\n" : "");
	fputs(line, stderr);
	fflush(stderr);
}

static int count(struct wish **v, int n)
{
	int done = 0;
	for (int i = 0; i < n; i++)
		done += !v[i]->pending;
	return done;
}

void wishes_fulfil(struct wishes *w)
{
	struct wish **v = sorted(w), **todo = room((size_t)w->n * sizeof *todo);
	int n = 0;
	if (w->n == 0)
		return;
	look(v, w->n);
	for (int i = 0; i < w->n; i++)
		if (v[i]->pending && !v[i]->moving)
			todo[n++] = v[i];
	for (int i = 0; i < n; i += BATCH)
		ask(todo + i, n - i < BATCH ? n - i : BATCH);
	for (;;) {
		struct arena kept = mem;
		int left = 0;
		mem = (struct arena){0};
		look(v, w->n);
		for (int i = 0; i < w->n; i++)
			left += v[i]->pending && !v[i]->failed;
		arena_free(&mem);
		mem = kept;
		progress(count(v, w->n), w->n, left == 0);
		if (left == 0)
			return;
		poll(NULL, 0, POLL_MS);
	}
}

/* --- the file --- */

static _Noreturn void bad_line(int n)
{
	char line[16];
	snprintf(line, sizeof line, "%d", n);
	strerr_die(1, "replica: apply: line ", line,
		   " is not TOPIC, PARTITION, REPLICAS, THEN with tabs between");
}

static int32_t numbers(char *s, int32_t *v, int32_t most)
{
	int32_t n = 0;
	int64_t x;
	for (char *p = strtok(s, ","); p; p = strtok(NULL, ",")) {
		if (n == most || !cli_int(p, 0, INT32_MAX, &x))
			return -1;
		v[n++] = (int32_t)x;
	}
	return n;
}

static void read_line(struct wishes *w, char *line, int number)
{
	enum { MOST = 128 };
	char *field[4];
	int32_t ids[MOST], n;
	int64_t partition;
	for (int i = 0; i < 4; i++) {
		field[i] = line;
		line = line ? strchr(line, '\t') : NULL;
		if (line)
			*line++ = 0;
	}
	if (!field[3] || !cli_int(field[1], 0, INT32_MAX, &partition))
		bad_line(number);
	n = numbers(field[3], ids, MOST);
	if (n <= 0)
		bad_line(number);
	char *topic = room(strlen(field[0]) + 1);
	strcpy(topic, field[0]);
	wish_add(w, topic, (int32_t)partition, ids, n);
}

static void read_plan(struct wishes *w, FILE *f)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	for (int number = 1; (n = getline(&line, &cap, f)) >= 0; number++) {
		if (n > 0 && line[n - 1] == '\n')
			line[n - 1] = 0;
		if (*line && strncmp(line, "TOPIC\t", 6))
			read_line(w, line, number);
	}
	if (ferror(f))
		strerr_diefusys(111, "read the plan");
	free(line);
}

void replica_apply(const char *file)
{
	static const char *const columns[] = {"topic", "partition", "then", NULL};
	FILE *f = file ? fopen(file, "re") : stdin;
	struct wishes w = {0};
	struct table t;
	if (!f)
		strerr_diefu2sys(111, "open ", file);
	read_plan(&w, f);
	if (!opt.dry) {
		wishes_fulfil(&w);
		return;
	}
	struct wish **v = sorted(&w);
	look(v, w.n);
	begin(&t, columns);
	for (int i = 0; i < w.n; i++) {
		if (!v[i]->pending)
			continue;
		table_z(&t, v[i]->topic);
		table_int(&t, v[i]->partition);
		table_ids(&t, v[i]->then, v[i]->then_n);
	}
	finish(&t);
}
