/* What groups have committed (OffsetFetch), and where partitions begin and end (ListOffsets). */
#include <errno.h>
#include <stdlib.h>

#include <skalibs/strerr.h>

#include "group.h"
#include "wire/codes.h"

enum { LIST_OFFSETS = 2, OFFSET_FETCH = 9 };

typedef struct list_offsets_request_list_offsets_topic topic_of_request;
typedef struct list_offsets_request_list_offsets_partition partition_of_request;

/* --- committed --- */

int place_order(const void *a, const void *b)
{
	return part_order(&((const struct place *)a)->part, &((const struct place *)b)->part);
}

struct place *place_of(struct group *g, struct span topic, int32_t partition)
{
	struct place key = {.part = {topic, partition}};
	return g->places_n ? bsearch(&key, g->places, (size_t)g->places_n, sizeof key,
				     place_order) :
			     NULL;
}

struct place *add_place(struct group *g, int *room_n, struct part part)
{
	if (g->places_n == *room_n) {
		int n = *room_n ? *room_n * 2 : 16;
		struct place *v = room((size_t)n * sizeof *v);
		for (int32_t i = 0; i < g->places_n; i++)
			v[i] = g->places[i];
		g->places = v;
		*room_n = n;
	}
	struct place *p = &g->places[g->places_n++];
	*p = (struct place){
		.part = part, .committed = -1, .start = -1, .end = -1, .to = -1, .epoch = -1};
	return p;
}

static void take_group(struct group *g,
		       const struct offset_fetch_response_offset_fetch_response_group *r)
{
	int room_n = 0;
	g->error = r->error_code;
	g->message = SPAN_NULL;
	g->places_n = 0;
	for (int32_t t = 0; !g->error && t < r->topics_n; t++)
		for (int32_t i = 0; i < r->topics[t].partitions_n; i++) {
			const struct offset_fetch_response_offset_fetch_response_partitions *p =
				&r->topics[t].partitions[i];
			if (p->error_code || p->committed_offset < 0)
				continue;
			struct place *place =
				add_place(g, &room_n,
					  (struct part){r->topics[t].name, p->partition_index});
			place->committed = p->committed_offset;
			place->epoch = p->committed_leader_epoch;
		}
	if (g->places_n)
		qsort(g->places, (size_t)g->places_n, sizeof *g->places, place_order);
}

void ask_committed(int32_t node, struct group **v, int n)
{
	struct offset_fetch_request q;
	struct offset_fetch_response r;
	wire_init(&wire_offset_fetch_request, &q);
	q.groups_n = n;
	q.groups = room((size_t)n * sizeof *q.groups);
	for (int i = 0; i < n; i++) {
		wire_init(&wire_offset_fetch_request_offset_fetch_request_group, &q.groups[i]);
		q.groups[i].group_id = v[i]->id;
		q.groups[i].topics_n = -1;
		v[i]->error = WIRE_UNKNOWN_SERVER_ERROR;
	}
	if (net_call(net, node, OFFSET_FETCH, -1, &q, &mem, &r, deadline()) < 0)
		die_net();
	for (int32_t i = 0; i < r.groups_n; i++) {
		struct group *g = group_at(v, n, r.groups[i].group_id, i);
		if (g)
			take_group(g, &r.groups[i]);
	}
}

/* --- begin, end, at a time --- */

static int ask_order(const void *a, const void *b)
{
	const struct ask *x = *(struct ask *const *)a, *y = *(struct ask *const *)b;
	int r = part_order(&x->part, &y->part);
	return r ? r : (x->timestamp > y->timestamp) - (x->timestamp < y->timestamp);
}

static bool same_part(const struct ask *a, const struct ask *b)
{
	return a->part.partition == b->part.partition && span_same(a->part.topic, b->part.topic);
}

/* v is sorted: so are the topics of the request, and the answer is matched by part. */
static void learn_leaders(struct ask **v, int n)
{
	struct span *names = room((size_t)n * sizeof *names);
	int names_n = 0;
	for (int i = 0; i < n; i++) {
		v[i]->leader = -1;
		if (!v[i]->settled &&
		    (names_n == 0 || !span_same(names[names_n - 1], v[i]->part.topic)))
			names[names_n++] = v[i]->part.topic;
	}
	struct metadata_response *r = metadata(names, names_n);
	for (int32_t t = 0; t < r->topics_n; t++) {
		int first = 0, last = n;
		while (first < last) {
			int mid = (first + last) / 2;
			if (span_order(v[mid]->part.topic, r->topics[t].name) < 0)
				first = mid + 1;
			else
				last = mid;
		}
		for (int i = first; i < n && span_same(v[i]->part.topic, r->topics[t].name); i++) {
			if (v[i]->settled)
				continue;
			v[i]->error = r->topics[t].error_code ? r->topics[t].error_code :
								WIRE_UNKNOWN_TOPIC_OR_PARTITION;
			for (int32_t k = 0; k < r->topics[t].partitions_n; k++) {
				const struct metadata_response_metadata_response_partition *p =
					&r->topics[t].partitions[k];
				if (p->partition_index != v[i]->part.partition)
					continue;
				v[i]->leader = p->leader_id;
				v[i]->epoch = p->leader_epoch;
				v[i]->error = p->leader_id < 0 ? WIRE_LEADER_NOT_AVAILABLE : 0;
			}
		}
	}
}

/* Asks one leader one thing about each partition that is not settled; what is the same is asked
 * once. asked[] are those of the request. */
static int fill(struct list_offsets_request *q, struct ask **v, int n, int32_t leader,
		struct ask **asked)
{
	partition_of_request *all = room((size_t)n * sizeof *all);
	int asked_n = 0;
	q->topics = room((size_t)n * sizeof *q->topics);
	for (int i = 0; i < n; i++) {
		if (v[i]->settled || v[i]->leader != leader ||
		    (asked_n && same_part(asked[asked_n - 1], v[i])))
			continue;
		topic_of_request *t = &q->topics[q->topics_n - 1];
		if (q->topics_n == 0 || !span_same(t->name, v[i]->part.topic)) {
			t = &q->topics[q->topics_n++];
			*t = (topic_of_request){.name = v[i]->part.topic,
						.partitions = all + asked_n};
		}
		t->partitions[t->partitions_n++] = (partition_of_request){
			.partition_index = v[i]->part.partition,
			.current_leader_epoch = -1,
			.timestamp = v[i]->timestamp,
			.max_num_offsets = 1,
		};
		asked[asked_n++] = v[i];
	}
	return asked_n;
}

static int by_part(const void *a, const void *b)
{
	return part_order(&(*(struct ask *const *)a)->part, &(*(struct ask *const *)b)->part);
}

static void take(struct ask **asked, int n, const struct list_offsets_response *r)
{
	for (int32_t t = 0; t < r->topics_n; t++)
		for (int32_t i = 0; i < r->topics[t].partitions_n; i++) {
			const struct list_offsets_response_list_offsets_partition_response *p =
				&r->topics[t].partitions[i];
			struct ask key = {.part = {r->topics[t].name, p->partition_index}};
			struct ask *k = &key, **a = bsearch(&k, asked, (size_t)n, sizeof *asked,
							    by_part);
			if (!a)
				continue;
			(*a)->error = p->error_code;
			(*a)->offset = p->error_code ? -1 : p->offset;
			(*a)->settled = !wire_error_retriable(p->error_code);
		}
}

/* Until all is settled or nothing more can be: those have no leader then. */
static void ask_leader(struct ask **v, int n, int32_t leader, struct ask **asked)
{
	for (;;) {
		struct list_offsets_request q;
		struct list_offsets_response r;
		wire_init(&wire_list_offsets_request, &q);
		q.replica_id = -1;
		q.timeout_ms = 30000;
		int before = fill(&q, v, n, leader, asked);
		if (before == 0)
			return;
		if (net_call(net, leader, LIST_OFFSETS, -1, &q, &mem, &r, deadline()) < 0)
			die_net();
		take(asked, before, &r);
		int settled = 0;
		for (int i = 0; i < before; i++)
			settled += asked[i]->settled;
		for (int i = 1; i < n; i++) /* the same question of other groups */
			if (!v[i]->settled && v[i - 1]->settled && !ask_order(&v[i - 1], &v[i])) {
				v[i]->offset = v[i - 1]->offset;
				v[i]->error = v[i - 1]->error;
				v[i]->settled = true;
			}
		for (int i = 0; i < before && settled == 0; i++)
			asked[i]->leader = -1;
	}
}

void ask_offsets(struct ask *v, int n)
{
	struct ask **p = room((size_t)n * sizeof *p), **asked = room((size_t)n * sizeof *p);
	int64_t until = net_now() + 10000;
	for (int i = 0; i < n; i++) {
		p[i] = &v[i];
		v[i].offset = -1;
		v[i].settled = false;
	}
	if (n)
		qsort(p, (size_t)n, sizeof *p, ask_order);
	for (int attempt = 1, left = n; left; attempt++) {
		learn_leaders(p, n);
		for (int i = 0; i < n; i++)
			if (!p[i]->settled && p[i]->leader >= 0)
				ask_leader(p, n, p[i]->leader, asked);
		left = 0;
		for (int i = 0; i < n; i++)
			left += !p[i]->settled && wire_error_retriable(p[i]->error) &&
				p[i]->error != WIRE_UNKNOWN_TOPIC_OR_PARTITION;
		if (net_now() >= until)
			return;
		if (left)
			net_pause(net, attempt, until);
	}
}
