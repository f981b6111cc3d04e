/* What the leader of a classic group does: Kafka's range assignor (RangeAssignor.java). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "logget.h"
#include "wire/api.h"

enum { SUBSCRIPTION_MOST = 3 };

typedef struct consumer_protocol_assignment_topic_partition portion;
typedef struct join_group_response_join_group_response_member joined;

struct reader {
	const joined *member;
	struct consumer_protocol_subscription sub;
	portion *portions;
	int portions_n;
};

static int span_order(struct span a, struct span b)
{
	int n = a.n < b.n ? a.n : b.n;
	int r = n > 0 ? memcmp(a.p, b.p, (size_t)n) : 0;
	return r ? r : a.n - b.n;
}

static int by_name(const void *a, const void *b)
{
	return span_order(*(const struct span *)a, *(const struct span *)b);
}

/* Static members first, by their instance; so a restart, which changes the member id, moves
 * nothing. */
static int by_member(const void *a, const void *b)
{
	const joined *x = ((const struct reader *)a)->member, *y = ((const struct reader *)b)->member;
	bool xs = x->group_instance_id.n > 0, ys = y->group_instance_id.n > 0;
	if (xs != ys)
		return xs ? -1 : 1;
	return xs ? span_order(x->group_instance_id, y->group_instance_id)
		  : span_order(x->member_id, y->member_id);
}

static bool reads(const struct reader *m, struct span topic)
{
	for (int32_t i = 0; i < m->sub.topics_n; i++)
		if (span_same(m->sub.topics[i], topic))
			return true;
	return false;
}

/* A subscription that makes no sense subscribes to nothing. */
static int read_member(struct reader *m, struct arena *mem)
{
	struct span s = m->member->metadata;
	int version = s.n < 2 ? -1 : get16(s.p);
	wire_init(&wire_consumer_protocol_subscription, &m->sub);
	if (version < 0)
		return 0;
	if (version > SUBSCRIPTION_MOST)
		version = SUBSCRIPTION_MOST;
	if (wire_decode(&wire_consumer_protocol_subscription, version, s.p + 2, (size_t)s.n - 2, mem,
			&m->sub)
	    < 0) {
		if (errno == ENOMEM)
			return -1;
		m->sub.topics_n = 0;
	}
	m->portions = arena_get(mem, (size_t)(m->sub.topics_n + 1) * sizeof *m->portions);
	return m->portions ? 0 : -1;
}

/* Each of the readers gets a run of partitions; the first ones get one more where it does not come
 * out even. */
static int share(struct span topic, int32_t partitions, struct reader *v, int n, struct arena *mem)
{
	int readers = 0, i = 0;
	int32_t next = 0;
	for (int k = 0; k < n; k++)
		readers += reads(&v[k], topic);
	for (int k = 0; k < n; k++) {
		if (!reads(&v[k], topic))
			continue;
		int32_t count = partitions / readers + (i++ < partitions % readers);
		if (count == 0)
			continue;
		portion *p = &v[k].portions[v[k].portions_n++];
		*p = (portion){ .topic = topic, .partitions_n = count };
		p->partitions = arena_get(mem, (size_t)count * sizeof *p->partitions);
		if (!p->partitions)
			return -1;
		for (int32_t j = 0; j < count; j++)
			p->partitions[j] = next++;
	}
	return 0;
}

static int put(const struct reader *m, struct sync_group_request *q, struct arena *mem)
{
	struct buf b = { 0 };
	struct consumer_protocol_assignment a = {
		.assigned_partitions = m->portions,
		.assigned_partitions_n = m->portions_n,
		.user_data = SPAN_NULL,
	};
	if (buf_add16(&b, 0) < 0
	    || wire_encode(&wire_consumer_protocol_assignment, 0, &a, &b, NULL) < 0)
		return -1;
	struct sync_group_request_sync_group_request_assignment *to =
		&q->assignments[q->assignments_n++];
	to->member_id = m->member->member_id;
	to->assignment = (struct span){ arena_copy(mem, b.p, b.n), (int32_t)b.n };
	buf_free(&b);
	return to->assignment.p ? 0 : -1;
}

int assign_range(const struct join_group_response *r, struct sync_group_request *q,
		 struct arena *mem, int32_t (*partitions)(struct span topic))
{
	int n = r->members_n, all = 0, names_n = 0;
	struct reader *v = arena_get(mem, (size_t)n * sizeof *v);
	q->assignments = arena_get(mem, (size_t)n * sizeof *q->assignments);
	if (!v || !q->assignments)
		return -1;
	for (int i = 0; i < n; i++) {
		v[i].member = &r->members[i];
		if (read_member(&v[i], mem) < 0)
			return -1;
		all += v[i].sub.topics_n;
	}
	qsort(v, (size_t)n, sizeof *v, by_member);
	struct span *names = arena_get(mem, (size_t)(all + 1) * sizeof *names);
	if (!names)
		return -1;
	for (int i = 0; i < n; i++)
		for (int32_t k = 0; k < v[i].sub.topics_n; k++)
			names[names_n++] = v[i].sub.topics[k];
	qsort(names, (size_t)names_n, sizeof *names, by_name);
	for (int i = 0; i < names_n; i++)
		if ((i == 0 || !span_same(names[i - 1], names[i]))
		    && share(names[i], partitions(names[i]), v, n, mem) < 0)
			return -1;
	for (int i = 0; i < n; i++)
		if (put(&v[i], q, mem) < 0)
			return -1;
	return 0;
}
