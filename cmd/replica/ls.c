/* replica ls, replica cancel: reassignments that are under way. */
#include <stdlib.h>
#include <string.h>

#include "replica.h"

enum { ALTER = 45, LIST = 46 };

typedef struct list_partition_reassignments_response_ongoing_topic_reassignment topic;
typedef struct list_partition_reassignments_response_ongoing_partition_reassignment partition;

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

static bool named(struct span name, const char *const *topics, int n)
{
	for (int i = 0; i < n; i++)
		if (span_is(name, topics[i]))
			return true;
	return n == 0;
}

static struct list_partition_reassignments_response *list(void)
{
	struct list_partition_reassignments_response *r = room(sizeof *r);
	struct list_partition_reassignments_request q;
	wire_init(&wire_list_partition_reassignments_request, &q);
	q.topics_n = -1;
	call(LIST, &q, r);
	if (r->error_code)
		die_kafka("ls", r->error_code, r->error_message);
	if (r->topics_n > 0)
		qsort(r->topics, (size_t)r->topics_n, sizeof *r->topics, by_name);
	for (int32_t i = 0; i < r->topics_n; i++)
		if (r->topics[i].partitions_n > 0)
			qsort(r->topics[i].partitions, (size_t)r->topics[i].partitions_n,
			      sizeof(partition), by_index);
	return r;
}

void replica_ls(const char *const *topics, int n)
{
	static const char *const columns[] = {"topic",	"partition", "replicas",
					      "adding", "removing",  NULL};
	struct list_partition_reassignments_response *r = list();
	struct table t;
	begin(&t, columns);
	for (int32_t i = 0; i < r->topics_n; i++)
		for (int32_t k = 0; k < r->topics[i].partitions_n; k++) {
			const partition *p = &r->topics[i].partitions[k];
			if (!named(r->topics[i].name, topics, n))
				break;
			table_text(&t, r->topics[i].name);
			table_int(&t, p->partition_index);
			table_ids(&t, p->replicas, p->replicas_n);
			table_ids(&t, p->adding_replicas, p->adding_replicas_n);
			table_ids(&t, p->removing_replicas, p->removing_replicas_n);
		}
	finish(&t);
}

void replica_cancel(const char *const *topics, int n)
{
	struct list_partition_reassignments_response *r = list();
	struct alter_partition_reassignments_request q;
	struct alter_partition_reassignments_response a;
	wire_init(&wire_alter_partition_reassignments_request, &q);
	q.timeout_ms = 30000;
	q.topics = room((size_t)r->topics_n * sizeof *q.topics);
	for (int32_t i = 0; i < r->topics_n; i++) {
		if (!named(r->topics[i].name, topics, n))
			continue;
		struct alter_partition_reassignments_request_reassignable_topic *t =
			&q.topics[q.topics_n++];
		t->name = r->topics[i].name;
		t->partitions_n = r->topics[i].partitions_n;
		t->partitions = room((size_t)t->partitions_n * sizeof *t->partitions);
		for (int32_t k = 0; k < t->partitions_n; k++) {
			t->partitions[k].partition_index =
				r->topics[i].partitions[k].partition_index;
			t->partitions[k].replicas_n = -1;
		}
	}
	if (q.topics_n == 0)
		return;
	call(ALTER, &q, &a);
	if (a.error_code)
		die_kafka("cancel", a.error_code, a.error_message);
	for (int32_t i = 0; i < a.responses_n; i++)
		for (int32_t k = 0; k < a.responses[i].partitions_n; k++)
			if (a.responses[i].partitions[k].error_code)
				complain("cancel", a.responses[i].name,
					 a.responses[i].partitions[k].partition_index,
					 a.responses[i].partitions[k].error_code,
					 a.responses[i].partitions[k].error_message);
}
