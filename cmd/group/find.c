/* Where groups are: all that the brokers list, and the coordinator of each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <skalibs/strerr.h>

#include "base/map.h"
#include "group.h"
#include "wire/codes.h"

enum { METADATA = 3, FIND_COORDINATOR = 10, LIST_GROUPS = 16 };

struct metadata_response *metadata(const struct span *names, int n)
{
	struct metadata_response *r = room(sizeof *r);
	struct metadata_request q;
	wire_init(&wire_metadata_request, &q);
	q.allow_auto_topic_creation = false;
	q.topics_n = n;
	if (n > 0)
		q.topics = room((size_t)n * sizeof *q.topics);
	for (int i = 0; i < n; i++)
		q.topics[i].name = names[i];
	if (net_call(net, NET_ANY, METADATA, -1, &q, &mem, r, deadline()) < 0)
		die_net();
	if (net_learn(net, r) < 0)
		strerr_diefsys(111, "out of memory");
	return r;
}

static int by_id(const void *a, const void *b)
{
	const struct group *x = a, *y = b;
	return span_order(x->id, y->id);
}

/* A coordinator may still be reading its partition: then it is asked again. */
static void list(int32_t node, struct list_groups_response *r)
{
	struct list_groups_request q;
	int64_t until = deadline();
	wire_init(&wire_list_groups_request, &q);
	for (int attempt = 1;; attempt++) {
		if (net_call(net, node, LIST_GROUPS, -1, &q, &mem, r, until) < 0)
			die_net();
		if (!wire_error_retriable(r->error_code) || net_now() >= until)
			break;
		net_pause(net, attempt, until);
	}
	if (r->error_code)
		complain("ls", span_of(node < 0 ? "all" : net_node(net, node)->host),
			 r->error_code, SPAN_NULL);
}

static struct group *all_groups(int *count)
{
	struct metadata_response *m = metadata(NULL, 0);
	struct list_groups_response *r = room((size_t)m->brokers_n * sizeof *r);
	int n = 0;
	for (int32_t i = 0; i < m->brokers_n; i++) {
		list(m->brokers[i].node_id, &r[i]);
		n += r[i].groups_n;
	}
	struct group *v = room((size_t)n * sizeof *v);
	n = 0;
	for (int32_t i = 0; i < m->brokers_n; i++)
		for (int32_t k = 0; k < r[i].groups_n; k++)
			v[n++] = (struct group){
				.id = r[i].groups[k].group_id,
				.node = m->brokers[i].node_id,
				.type = r[i].groups[k].group_type,
				.state = r[i].groups[k].group_state,
				.protocol = r[i].groups[k].protocol_type,
			};
	*count = n;
	if (n)
		qsort(v, (size_t)n, sizeof *v, by_id);
	return v;
}

struct group *groups_named(const char *const *names, int n, int *count)
{
	if (n == 0)
		return all_groups(count);
	struct group *v = room((size_t)n * sizeof *v);
	*count = 0;
	for (int i = 0; i < n; i++) {
		bool seen = false;
		for (int k = 0; k < *count && !seen; k++)
			seen = span_is(v[k].id, names[i]);
		if (!seen)
			v[(*count)++] = (struct group){.id = span_of(names[i]), .node = -1};
	}
	return v;
}

struct group *group_at(struct group **v, int n, struct span id, int hint)
{
	if (hint < n && span_same(v[hint]->id, id))
		return v[hint];
	for (int i = 0; i < n; i++)
		if (span_same(v[i]->id, id))
			return v[i];
	return NULL;
}

/* Those whose coordinator is not known. */
static void find(struct group *v, int n)
{
	struct find_coordinator_request q;
	struct find_coordinator_response r;
	struct map by_name = {0};
	wire_init(&wire_find_coordinator_request, &q);
	q.coordinator_keys = room((size_t)n * sizeof *q.coordinator_keys);
	for (int i = 0; i < n; i++) {
		if (v[i].node >= 0)
			continue;
		q.coordinator_keys[q.coordinator_keys_n++] = v[i].id;
		if (map_put(&by_name, v[i].id.p, (size_t)v[i].id.n, &v[i]) < 0)
			strerr_diefsys(111, "out of memory");
	}
	if (q.coordinator_keys_n > 0 &&
	    net_call(net, NET_ANY, FIND_COORDINATOR, -1, &q, &mem, &r, deadline()) < 0)
		die_net();
	for (int32_t i = 0; q.coordinator_keys_n > 0 && i < r.coordinators_n; i++) {
		const struct find_coordinator_response_coordinator *c = &r.coordinators[i];
		struct group *g = c->key.n < 0 ? NULL :
						 map_get(&by_name, c->key.p, (size_t)c->key.n);
		if (!g)
			continue;
		g->error = c->error_code;
		g->message = c->error_message;
		g->node = c->error_code ? -1 : c->node_id;
	}
	map_free(&by_name);
}

static int by_node(const void *a, const void *b)
{
	const struct group *x = *(struct group *const *)a, *y = *(struct group *const *)b;
	return (x->node > y->node) - (x->node < y->node);
}

static void ask_each(struct group **v, int n, asker *ask)
{
	qsort(v, (size_t)n, sizeof *v, by_node);
	for (int i = 0, k; i < n; i = k) {
		for (k = i; k < n && v[k]->node == v[i]->node; k++)
			;
		if (v[i]->node >= 0)
			ask(v[i]->node, v + i, k - i);
	}
}

void ask_coordinators(struct group *v, int n, asker *ask)
{
	struct group **todo = room((size_t)n * sizeof *todo);
	int64_t until = deadline();
	int todo_n = 0;
	metadata(NULL, 0); /* the addresses of all nodes */
	for (int i = 0; i < n; i++)
		todo[todo_n++] = &v[i];
	for (int attempt = 1; todo_n > 0; attempt++) {
		find(v, n);
		ask_each(todo, todo_n, ask);
		int left = 0;
		for (int i = 0; i < todo_n; i++)
			if (wire_error_retriable(todo[i]->error))
				todo[left++] = todo[i];
		todo_n = left;
		if (todo_n == 0 || net_now() >= until)
			return;
		for (int i = 0; i < todo_n; i++)
			todo[i]->node = -1;
		net_pause(net, attempt, until);
	}
}
