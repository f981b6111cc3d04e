/* The members of groups, whichever protocol they speak: ConsumerGroupDescribe (KIP-848) first, then
 * DescribeGroups for those that are not such groups. */
#include <errno.h>
#include <stdlib.h>

#include <skalibs/strerr.h>

#include "group.h"
#include "wire/codes.h"

enum { DESCRIBE_GROUPS = 15, CONSUMER_GROUP_DESCRIBE = 69, PROTOCOL_MOST = 3 };

typedef struct consumer_group_describe_response_described_group new_group;
typedef struct consumer_group_describe_response_member new_member;
typedef struct describe_groups_response_described_group old_group;
typedef struct describe_groups_response_described_group_member old_member;

static int by_span(const void *a, const void *b)
{
	return span_order(*(const struct span *)a, *(const struct span *)b);
}

static void sort(struct member *m)
{
	if (m->topics_n > 0)
		qsort(m->topics, (size_t)m->topics_n, sizeof *m->topics, by_span);
	if (m->parts_n > 0)
		qsort(m->parts, (size_t)m->parts_n, sizeof *m->parts, part_order);
}

static int by_member(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	return span_order(x->id, y->id);
}

static void sort_members(struct group *g)
{
	for (int32_t i = 0; i < g->members_n; i++)
		sort(&g->members[i]);
	if (g->members_n > 0)
		qsort(g->members, (size_t)g->members_n, sizeof *g->members, by_member);
}

/* --- consumer protocol --- */

static void take_new_member(struct member *m, const new_member *from)
{
	int n = 0;
	*m = (struct member){
		.id = from->member_id,
		.instance = from->instance_id,
		.client = from->client_id,
		.host = from->client_host,
		.epoch = from->member_epoch,
		.topics = from->subscribed_topic_names,
		.topics_n = from->subscribed_topic_names_n,
		.regex = from->subscribed_topic_regex,
	};
	for (int32_t i = 0; i < from->assignment.topic_partitions_n; i++)
		n += from->assignment.topic_partitions[i].partitions_n;
	m->parts = room((size_t)n * sizeof *m->parts);
	for (int32_t i = 0; i < from->assignment.topic_partitions_n; i++) {
		const struct consumer_group_describe_response_topic_partitions *t =
			&from->assignment.topic_partitions[i];
		for (int32_t k = 0; k < t->partitions_n; k++)
			m->parts[m->parts_n++] = (struct part){t->topic_name, t->partitions[k]};
	}
}

static void take_new(struct group *g, const new_group *from)
{
	g->error = from->error_code;
	g->message = from->error_message;
	if (g->error)
		return;
	g->type = span_of("consumer");
	g->state = from->group_state;
	g->protocol = from->assignor_name;
	g->epoch = from->group_epoch;
	g->members_n = from->members_n;
	g->members = room((size_t)g->members_n * sizeof *g->members);
	for (int32_t i = 0; i < g->members_n; i++)
		take_new_member(&g->members[i], &from->members[i]);
	sort_members(g);
}

/* A broker without this request has classic groups only. */
static void ask_new(int32_t node, struct group **v, int n)
{
	struct consumer_group_describe_request q;
	struct consumer_group_describe_response r;
	wire_init(&wire_consumer_group_describe_request, &q);
	q.group_ids = room((size_t)n * sizeof *q.group_ids);
	for (int i = 0; i < n; i++) {
		q.group_ids[q.group_ids_n++] = v[i]->id;
		v[i]->error = WIRE_GROUP_ID_NOT_FOUND;
	}
	if (net_call(net, node, CONSUMER_GROUP_DESCRIBE, -1, &q, &mem, &r, deadline()) < 0) {
		if (errno != EPROTONOSUPPORT)
			die_net();
		return;
	}
	for (int32_t i = 0; i < r.groups_n; i++) {
		struct group *g = group_at(v, n, r.groups[i].group_id, i);
		if (g)
			take_new(g, &r.groups[i]);
	}
}

/* --- classic protocol --- */

static int version_of(struct span s)
{
	int v = s.n < 2 ? -1 : get16(s.p);
	return v > PROTOCOL_MOST ? PROTOCOL_MOST : v;
}

static void take_subscription(struct member *m, struct span s)
{
	struct consumer_protocol_subscription sub;
	int version = version_of(s);
	if (version < 0 || wire_decode(&wire_consumer_protocol_subscription, version, s.p + 2,
				       (size_t)s.n - 2, &mem, &sub) < 0)
		return;
	m->topics = sub.topics;
	m->topics_n = sub.topics_n;
}

static void take_assignment(struct member *m, struct span s)
{
	struct consumer_protocol_assignment a;
	int version = version_of(s), n = 0;
	if (version < 0 || wire_decode(&wire_consumer_protocol_assignment, version, s.p + 2,
				       (size_t)s.n - 2, &mem, &a) < 0)
		return;
	for (int32_t i = 0; i < a.assigned_partitions_n; i++)
		n += a.assigned_partitions[i].partitions_n;
	m->parts = room((size_t)n * sizeof *m->parts);
	for (int32_t i = 0; i < a.assigned_partitions_n; i++)
		for (int32_t k = 0; k < a.assigned_partitions[i].partitions_n; k++)
			m->parts[m->parts_n++] =
				(struct part){a.assigned_partitions[i].topic,
					      a.assigned_partitions[i].partitions[k]};
}

static void take_old(struct group *g, const old_group *from)
{
	g->error = from->error_code;
	g->message = from->error_message;
	if (!g->error && span_is(from->group_state, "Dead"))
		g->error = WIRE_GROUP_ID_NOT_FOUND;
	if (g->error)
		return;
	g->type = span_of("classic");
	g->state = from->group_state;
	g->protocol = from->protocol_data;
	g->epoch = -1;
	g->members_n = from->members_n;
	g->members = room((size_t)g->members_n * sizeof *g->members);
	for (int32_t i = 0; i < g->members_n; i++) {
		const old_member *m = &from->members[i];
		g->members[i] = (struct member){
			.id = m->member_id,
			.instance = m->group_instance_id,
			.client = m->client_id,
			.host = m->client_host,
			.epoch = -1,
			.regex = SPAN_NULL,
		};
		if (!span_is(from->protocol_type, "consumer"))
			continue;
		take_subscription(&g->members[i], m->member_metadata);
		take_assignment(&g->members[i], m->member_assignment);
	}
	sort_members(g);
}

static void ask_old(int32_t node, struct group **v, int n)
{
	struct describe_groups_request q;
	struct describe_groups_response r;
	wire_init(&wire_describe_groups_request, &q);
	q.groups = room((size_t)n * sizeof *q.groups);
	for (int i = 0; i < n; i++)
		if (v[i]->error == WIRE_GROUP_ID_NOT_FOUND)
			q.groups[q.groups_n++] = v[i]->id;
	if (q.groups_n == 0)
		return;
	if (net_call(net, node, DESCRIBE_GROUPS, -1, &q, &mem, &r, deadline()) < 0)
		die_net();
	for (int32_t i = 0; i < r.groups_n; i++) {
		struct group *g = group_at(v, n, r.groups[i].group_id, i);
		if (g)
			take_old(g, &r.groups[i]);
	}
}

static void ask(int32_t node, struct group **v, int n)
{
	ask_new(node, v, n);
	ask_old(node, v, n);
}

void describe(struct group *v, int n)
{
	ask_coordinators(v, n, ask);
}

/* --- what should not be --- */

static bool same_topics(const struct member *a, const struct member *b)
{
	if (a->topics_n != b->topics_n || !span_same(a->regex, b->regex))
		return false;
	for (int32_t i = 0; i < a->topics_n; i++)
		if (!span_same(a->topics[i], b->topics[i]))
			return false;
	return true;
}

static void add_subscription(struct buf *b, const struct member *m)
{
	char text[250];
	buf_addf(b, " %s:", span_z(m->client.n > 0 ? m->client : m->id, text, sizeof text));
	for (int32_t i = 0; i < m->topics_n; i++)
		buf_addf(b, "%s%s", i ? "," : " ", span_z(m->topics[i], text, sizeof text));
	if (m->regex.n > 0)
		buf_addf(b, " /%s/", span_z(m->regex, text, sizeof text));
}

/* Each member then gets partitions of its own topics only, and one that was forgotten in a change
 * of the subscription reads the rest alone. */
void warn_differing(const struct group *g, const char *verb)
{
	struct buf b = {0};
	char text[250];
	for (int32_t i = 1; i < g->members_n; i++) {
		if (same_topics(&g->members[0], &g->members[i]))
			continue;
		add_subscription(&b, &g->members[0]);
		buf_addz(&b, ";");
		add_subscription(&b, &g->members[i]);
		if (buf_add8(&b, 0) < 0)
			strerr_diefsys(111, "out of memory");
		strerr_warn("group: ", verb, " ", span_z(g->id, text, sizeof text),
			    ": members subscribe to different topics:", (const char *)b.p);
		break;
	}
	buf_free(&b);
}
