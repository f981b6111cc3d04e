/* group rm: groups, or what they have committed in some topics (DeleteGroups, OffsetDelete). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "group.h"
#include "wire/codes.h"

enum { DELETE_GROUPS = 42, OFFSET_DELETE = 47 };

typedef struct offset_delete_request_offset_delete_request_topic topic_of_request;
typedef struct offset_delete_request_offset_delete_request_partition partition_of_request;

static void ask_groups(int32_t node, struct group **v, int n)
{
	struct delete_groups_request q;
	struct delete_groups_response r;
	wire_init(&wire_delete_groups_request, &q);
	q.groups_names = room((size_t)n * sizeof *q.groups_names);
	for (int i = 0; i < n; i++) {
		q.groups_names[q.groups_names_n++] = v[i]->id;
		v[i]->error = WIRE_UNKNOWN_SERVER_ERROR;
	}
	if (net_call(net, node, DELETE_GROUPS, -1, &q, &mem, &r, deadline()) < 0)
		die_net();
	for (int32_t i = 0; i < r.results_n; i++) {
		struct group *g = group_at(v, n, r.results[i].group_id, i);
		if (!g)
			continue;
		g->error = r.results[i].error_code;
		g->message = r.results[i].error_message;
	}
}

static void ask_offsets_of(int32_t node, struct group *g)
{
	struct offset_delete_request q;
	struct offset_delete_response r;
	partition_of_request *p = room((size_t)g->places_n * sizeof *p);
	wire_init(&wire_offset_delete_request, &q);
	q.group_id = g->id;
	q.topics = room((size_t)g->places_n * sizeof *q.topics);
	for (int32_t i = 0; i < g->places_n; i++) {
		struct part part = g->places[i].part;
		if (!chosen(part.topic, part.partition))
			continue;
		if (q.topics_n == 0 || !span_same(q.topics[q.topics_n - 1].name, part.topic))
			q.topics[q.topics_n++] =
				(topic_of_request){.name = part.topic, .partitions = p};
		q.topics[q.topics_n - 1].partitions_n++;
		p++->partition_index = part.partition;
	}
	if (q.topics_n == 0)
		return;
	if (net_call(net, node, OFFSET_DELETE, -1, &q, &mem, &r, deadline()) < 0)
		die_net();
	g->error = r.error_code;
	for (int32_t t = 0; t < r.topics_n; t++)
		for (int32_t i = 0; i < r.topics[t].partitions_n; i++) {
			int code = r.topics[t].partitions[i].error_code;
			char what[600], group[250], topic[250];
			snprintf(what, sizeof what, "%s %s %d", span_z(g->id, group, sizeof group),
				 span_z(r.topics[t].name, topic, sizeof topic),
				 r.topics[t].partitions[i].partition_index);
			if (code)
				complain("rm", span_of(what), code, SPAN_NULL);
		}
}

static void ask_parts(int32_t node, struct group **v, int n)
{
	ask_committed(node, v, n);
	for (int i = 0; i < n; i++)
		if (!v[i]->error)
			ask_offsets_of(node, v[i]);
}

void group_rm(const char *const *names, int n)
{
	struct group *v = groups_named(names, n, &n);
	ask_coordinators(v, n, opt.topics_n ? ask_parts : ask_groups);
	for (int i = 0; i < n; i++)
		if (v[i].error)
			complain("rm", v[i].id, v[i].error, v[i].message);
}
