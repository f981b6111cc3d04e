/* topic ls, topic show. */
#include <stdlib.h>
#include <string.h>

#include "topic.h"

enum { DESCRIBE_CONFIGS = 32, TOPIC_RESOURCE = 2 };

typedef struct metadata_response_metadata_response_topic topic;
typedef struct metadata_response_metadata_response_partition partition;

static int by_name(const void *a, const void *b)
{
	const topic *x = a, *y = b;
	int n = x->name.n < y->name.n ? x->name.n : y->name.n;
	int r = n > 0 ? memcmp(x->name.p, y->name.p, (size_t)n) : 0;
	return r ? r : x->name.n - y->name.n;
}

static int by_index(const void *a, const void *b)
{
	const partition *x = a, *y = b;
	return (x->partition_index > y->partition_index) -
	       (x->partition_index < y->partition_index);
}

static void sort(struct metadata_response *r)
{
	if (r->topics_n > 0)
		qsort(r->topics, (size_t)r->topics_n, sizeof *r->topics, by_name);
	for (int32_t i = 0; i < r->topics_n; i++)
		if (r->topics[i].partitions_n > 0)
			qsort(r->topics[i].partitions, (size_t)r->topics[i].partitions_n,
			      sizeof(partition), by_index);
}

void topic_ls(void)
{
	static const char *const columns[] = {"topic",    "partitions", "replicas",
					      "internal", "id",         NULL};
	struct metadata_response *r = metadata(NULL, 0);
	struct table t;
	sort(r);
	begin(&t, columns);
	for (int32_t i = 0; i < r->topics_n; i++) {
		const topic *p = &r->topics[i];
		char id[UUID_TEXT];
		if (p->error_code) {
			complain("ls", p->name, p->error_code, SPAN_NULL);
			continue;
		}
		table_text(&t, p->name);
		table_int(&t, p->partitions_n);
		table_int(&t, p->partitions_n > 0 ? p->partitions[0].replica_nodes_n : 0);
		table_bool(&t, p->is_internal);
		table_z(&t, uuid_is_zero(&p->topic_id) ? NULL : uuid_text(&p->topic_id, id));
	}
	finish(&t);
}

/* min.insync.replicas of the topics, in their order; -1 where nobody says. */
static int32_t *min_in_sync(const struct metadata_response *m)
{
	static struct span key = {"min.insync.replicas", 19};
	int32_t *min = room((size_t)m->topics_n * sizeof *min);
	struct describe_configs_request q;
	struct describe_configs_response r;
	wire_init(&wire_describe_configs_request, &q);
	q.resources = room((size_t)m->topics_n * sizeof *q.resources);
	q.resources_n = m->topics_n;
	for (int32_t i = 0; i < m->topics_n; i++) {
		wire_init(&wire_describe_configs_request_describe_configs_resource, &q.resources[i]);
		q.resources[i].resource_type = TOPIC_RESOURCE;
		q.resources[i].resource_name = m->topics[i].name;
		q.resources[i].configuration_keys = &key;
		q.resources[i].configuration_keys_n = 1;
		min[i] = -1;
	}
	if (m->topics_n > 0)
		call(DESCRIBE_CONFIGS, &q, &r);
	/* The answers are in the order of the questions. */
	for (int32_t i = 0; m->topics_n > 0 && i < r.results_n && i < m->topics_n; i++)
		if (r.results[i].configs_n == 1 && r.results[i].configs[0].value.n > 0 &&
		    span_same(r.results[i].resource_name, m->topics[i].name))
			min[i] = atoi(span_z(r.results[i].configs[0].value, (char[16]){0}, 16));
	return min;
}

/* What is wrong with a partition; NULL nothing. */
static const char *state(const partition *q, int32_t min)
{
	if (min > q->replica_nodes_n)
		min = q->replica_nodes_n;
	if (q->leader_id < 0)
		return "offline";
	if (q->isr_nodes_n < min)
		return "below-min";
	if (q->isr_nodes_n >= q->replica_nodes_n)
		return NULL;
	return q->isr_nodes_n == min ? "at-min" : "under";
}

static void show_row(struct table *t, const topic *p, const partition *q, int32_t min,
		     int64_t start, int64_t end)
{
	table_text(t, p->name);
	table_int(t, q->partition_index);
	table_intnull(t, q->leader_id);
	table_intnull(t, q->leader_epoch);
	table_ids(t, q->replica_nodes, q->replica_nodes_n);
	table_ids(t, q->isr_nodes, q->isr_nodes_n);
	table_ids(t, q->offline_replicas, q->offline_replicas_n);
	table_intnull(t, start);
	table_intnull(t, end);
	table_z(t, state(q, min));
}

static void show_topic(struct table *t, const topic *p, int32_t min)
{
	int n = 0;
	struct place *start = room((size_t)p->partitions_n * sizeof *start);
	struct place *end = room((size_t)p->partitions_n * sizeof *end);
	for (int32_t i = 0; i < p->partitions_n; i++) {
		const partition *q = &p->partitions[i];
		if (!opt.under_replicated || state(q, min))
			start[n++] = (struct place){q->partition_index, q->leader_id,
						    q->leader_epoch, -1, 0};
	}
	if (n == 0)
		return;
	memcpy(end, start, (size_t)n * sizeof *end);
	offsets(p->name, start, n, -2);
	offsets(p->name, end, n, -1);
	for (int32_t i = 0, k = 0; i < p->partitions_n; i++) {
		const partition *q = &p->partitions[i];
		if (opt.under_replicated && !state(q, min))
			continue;
		show_row(t, p, q, min, start[k].offset, end[k].offset);
		int error = start[k].error ? start[k].error : end[k].error;
		if (error)
			complain("show", p->name, error, SPAN_NULL);
		k++;
	}
}

void topic_show(const char *const *names, int n)
{
	static const char *const columns[] = {"topic", "partition", "leader", "epoch", "replicas",
					      "isr",   "offline",   "start",  "end",   "state",
					      NULL};
	struct metadata_response *r = metadata(names, n);
	struct table t;
	sort(r);
	int32_t *min = min_in_sync(r);
	begin(&t, columns);
	for (int32_t i = 0; i < r->topics_n; i++) {
		if (r->topics[i].error_code)
			complain("show", r->topics[i].name, r->topics[i].error_code, SPAN_NULL);
		else
			show_topic(&t, &r->topics[i], min[i]);
	}
	finish(&t);
}
