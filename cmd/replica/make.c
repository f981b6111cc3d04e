/* replica plan: asks what is, and prints what should be. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <skalibs/strerr.h>

#include "plan.h"
#include "replica.h"

enum { DESCRIBE_CLUSTER = 60 };

static const char *const *only;
static int only_n;

static bool wanted(const struct plan_part *p)
{
	for (int i = 0; i < only_n; i++)
		if (span_is(p->topic, only[i]))
			return true;
	return only_n == 0;
}

static bool leaves(int32_t id)
{
	for (int i = 0; i < opt.leaving_n; i++)
		if (opt.leaving[i] == id)
			return true;
	return false;
}

/* All of them, fenced ones too: version 2 tells those (KIP-1073). */
static void ask_brokers(struct plan *p)
{
	struct describe_cluster_request q;
	struct describe_cluster_response *r = room(sizeof *r);
	wire_init(&wire_describe_cluster_request, &q);
	q.include_fenced_brokers = true;
	call_version(DESCRIBE_CLUSTER, 2, &q, r);
	if (r->error_code)
		die_kafka("plan", r->error_code, r->error_message);
	p->brokers = room((size_t)r->brokers_n * sizeof *p->brokers);
	for (int32_t i = 0; i < r->brokers_n; i++)
		p->brokers[p->brokers_n++] = (struct plan_broker){
			.id = r->brokers[i].broker_id,
			.rack = r->brokers[i].rack,
			.leaves = leaves(r->brokers[i].broker_id),
			.fenced = r->brokers[i].is_fenced,
		};
}

static int by_topic(const void *a, const void *b)
{
	const struct plan_part *x = a, *y = b;
	int n = x->topic.n < y->topic.n ? x->topic.n : y->topic.n;
	int r = n > 0 ? memcmp(x->topic.p, y->topic.p, (size_t)n) : 0;
	if (r == 0)
		r = x->topic.n - y->topic.n;
	return r ? r : (x->partition > y->partition) - (x->partition < y->partition);
}

static void ask_partitions(struct plan *p)
{
	struct metadata_response *m = metadata();
	int n = 0, found = 0;
	for (int32_t i = 0; i < m->topics_n; i++) {
		n += m->topics[i].partitions_n;
		found += wanted(&(struct plan_part){.topic = m->topics[i].name});
	}
	if (found < only_n) {
		strerr_warn("replica: plan: a topic of these is not there");
		status = 1;
	}
	p->parts = room((size_t)n * sizeof *p->parts);
	for (int32_t i = 0; i < m->topics_n; i++)
		for (int32_t k = 0; k < m->topics[i].partitions_n; k++)
			p->parts[p->parts_n++] = (struct plan_part){
				.topic = m->topics[i].name,
				.partition = m->topics[i].partitions[k].partition_index,
				.now = m->topics[i].partitions[k].replica_nodes,
				.now_n = m->topics[i].partitions[k].replica_nodes_n,
			};
	qsort(p->parts, (size_t)p->parts_n, sizeof *p->parts, by_topic);
}

static const char *name_of(const struct plan_part *p)
{
	return span_z(p->topic, room((size_t)p->topic.n + 1), (size_t)p->topic.n + 1);
}

void replica_plan(const char *const *topics, int n)
{
	static const char *const columns[] = {"topic", "partition", "replicas", "then", NULL};
	struct plan p = {.factor = opt.factor, .wanted = wanted};
	struct wishes w = {0};
	struct table t;
	int which;
	only = topics;
	only_n = n;
	p.balance = !opt.factor && !opt.leaving_n;
	ask_brokers(&p);
	ask_partitions(&p);
	if (plan_make(&p, &mem, &which) < 0) {
		if (errno != ESRCH)
			strerr_diefsys(111, "out of memory");
		strerr_die(1, "replica: plan: there are not enough brokers for the replicas of ",
			   name_of(&p.parts[which]));
	}
	begin(&t, columns);
	for (int i = 0; i < p.parts_n; i++) {
		const struct plan_part *part = &p.parts[i];
		if (!wanted(part) || !plan_changes(part))
			continue;
		table_text(&t, part->topic);
		table_int(&t, part->partition);
		table_ids(&t, part->now, part->now_n);
		table_ids(&t, part->then, part->then_n);
		wish_add(&w, name_of(part), part->partition, part->then, part->then_n);
	}
	finish(&t);
	if (opt.execute)
		wishes_fulfil(&w);
}
