/* group ls, group show. */
#include <stdlib.h>

#include <skalibs/strerr.h>

#include "group.h"

void group_ls(void)
{
	static const char *const columns[] = {"group", "type", "state", "protocol", "coordinator",
					      NULL};
	struct table t;
	int n;
	struct group *v = groups_named(NULL, 0, &n);
	begin(&t, columns);
	for (int i = 0; i < n; i++) {
		table_text(&t, v[i].id);
		table_text(&t, v[i].type);
		table_text(&t, v[i].state);
		table_text(&t, v[i].protocol);
		table_int(&t, v[i].node);
	}
	finish(&t);
}

static void put_topics(struct table *t, struct buf *b, const struct member *m)
{
	b->n = 0;
	for (int32_t i = 0; i < m->topics_n; i++) {
		buf_addz(b, i ? "," : "");
		buf_add(b, m->topics[i].p, (size_t)m->topics[i].n);
	}
	if (m->regex.n > 0) {
		buf_addz(b, m->topics_n > 0 ? ",/" : "/");
		buf_add(b, m->regex.p, (size_t)m->regex.n);
		buf_addz(b, "/");
	}
	table_text(t, (struct span){(const char *)b->p, (int32_t)b->n});
}

/* orders:0,1 visits:3 */
static void put_parts(struct table *t, struct buf *b, const struct member *m)
{
	b->n = 0;
	for (int32_t i = 0; i < m->parts_n; i++) {
		const struct part *p = &m->parts[i];
		if (i == 0 || !span_same(p->topic, p[-1].topic)) {
			buf_addz(b, i ? " " : "");
			buf_add(b, p->topic.p, (size_t)p->topic.n);
			buf_addf(b, ":%d", p->partition);
		} else {
			buf_addf(b, ",%d", p->partition);
		}
	}
	table_text(t, (struct span){(const char *)b->p, (int32_t)b->n});
}

static void show_row(struct table *t, const struct group *g, const struct member *m)
{
	static const struct member none = {.id = {0, -1},
					   .instance = {0, -1},
					   .client = {0, -1},
					   .host = {0, -1},
					   .regex = {0, -1},
					   .epoch = -1};
	static struct buf b;
	if (!m)
		m = &none;
	table_text(t, g->id);
	table_text(t, g->type);
	table_text(t, g->state);
	table_text(t, g->protocol);
	table_intnull(t, g->epoch);
	table_text(t, m->id);
	table_text(t, m->instance);
	table_text(t, m->client);
	table_text(t, m->host);
	table_intnull(t, m->epoch);
	put_topics(t, &b, m);
	put_parts(t, &b, m);
}

void group_show(const char *const *names, int n)
{
	static const char *const columns[] = {"group",  "type",     "state",  "protocol",   "epoch",
					      "member", "instance", "client", "host",       "at",
					      "topics", "partitions", NULL};
	struct table t;
	struct group *v = groups_named(names, n, &n);
	describe(v, n);
	begin(&t, columns);
	for (int i = 0; i < n; i++) {
		if (v[i].error) {
			complain("show", v[i].id, v[i].error, v[i].message);
			continue;
		}
		warn_differing(&v[i], "show");
		for (int32_t k = 0; k < v[i].members_n; k++)
			show_row(&t, &v[i], &v[i].members[k]);
		if (v[i].members_n == 0)
			show_row(&t, &v[i], NULL);
	}
	finish(&t);
}
