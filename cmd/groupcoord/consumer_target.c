/* New targets for a group's epoch (Kafka's TargetAssignmentBuilder). */
#include <stdlib.h>
#include <string.h>

#include "assign.h"
#include "consumer.h"
#include "consumer_said.h"

struct build {
	struct step *s;
	struct consumer *c;
	struct consumer_member **members;
	struct assign_spec spec;
	struct assign_member *list;
	struct map places;              /* topic id -> its assign_topic */
};

/* --- what the assignor is told --- */

/* All subscribe to the same: Kafka's ConsumerGroup.subscriptionType, which goes by names and
 * expressions, not by what they mean. */
static bool homogeneous(const struct consumer *c)
{
	const struct consumer_regex *r, *used = NULL;
	const struct consumer_topic *t;
	int32_t members = (int32_t)c->members.n;
	for (size_t at = 0; (r = map_next(&c->regexes, &at));)
		if (r->members > 0)
			used = r;
	if (used && used->members != members)
		return false;
	for (size_t at = 0; (t = map_next(&c->topics, &at));)
		if (used ? t->by_regex != 1 || t->by_name > 0 : t->by_name != members)
			return false;
	return true;
}

static int topic_order(const void *a, const void *b)
{
	const struct assign_topic *x = a, *y = b;
	return assign_id_order(&x->id, &y->id);
}

static int32_t *no_owners(struct step *s, int32_t n)
{
	int32_t *owner = step_take(s, (size_t)n, sizeof *owner);
	memset(owner, 0xff, sizeof *owner * (size_t)n);
	return owner;
}

static void list_topics(struct build *b)
{
	const struct consumer_topic *t;
	struct assign_topic *v = step_take(b->s, b->c->topics.n, sizeof *v);
	int32_t n = 0;
	for (size_t at = 0; (t = map_next(&b->c->topics, &at));) {
		const struct meta_topic *known = meta_topic_named(b->s->image, t->name);
		if (known && known->partitions_n > 0)
			v[n++] = (struct assign_topic){known->id, known->partitions_n,
			                               no_owners(b->s, known->partitions_n)};
	}
	if (n > 1)
		qsort(v, (size_t)n, sizeof *v, topic_order);
	for (int32_t i = 0; i < n; i++)
		if (map_put(&b->places, &v[i].id, sizeof v[i].id, v + i))
			abort();
	b->spec.topics = v;
	b->spec.topics_n = n;
}

static int number_order(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
	return (x > y) - (x < y);
}

static void add_places(struct build *b, const struct span *names, int32_t n, int32_t *v,
                       int32_t *count)
{
	for (int32_t i = 0; i < n; i++) {
		const struct meta_topic *t = meta_topic_named(b->s->image, names[i]);
		const struct assign_topic *at =
			t ? map_get(&b->places, &t->id, sizeof t->id) : NULL;
		if (at)
			v[(*count)++] = (int32_t)(at - b->spec.topics);
	}
}

static struct assign_member list_member(struct build *b, const struct consumer_member *m)
{
	const struct consumer_regex *r = consumer_regex_of(b->c, consumer_regex_text(m));
	size_t most = (size_t)m->said.subscribed_topic_names_n + (r ? (size_t)r->topics_n : 0);
	int32_t *v = step_take(b->s, most, sizeof *v), n = 0, kept = 0;
	add_places(b, m->said.subscribed_topic_names, m->said.subscribed_topic_names_n, v, &n);
	if (r)
		add_places(b, r->topics, r->topics_n, v, &n);
	if (n > 1)
		qsort(v, (size_t)n, sizeof *v, number_order);
	for (int32_t i = 0; i < n; i++)
		if (!kept || v[kept - 1] != v[i])
			v[kept++] = v[i];
	return (struct assign_member){m->id, m->said.instance_id, v, kept};
}

static void list_owners(struct build *b, int32_t member)
{
	const struct parts *p = consumer_target_of(b->c, b->members[member]->id);
	for (int32_t i = 0; i < p->n; i++) {
		struct assign_topic *t =
			map_get(&b->places, &p->v[i].topic, sizeof p->v[i].topic);
		if (t && p->v[i].partition >= 0 && p->v[i].partition < t->partitions)
			t->owner[p->v[i].partition] = member;
	}
}

static void list_members(struct build *b)
{
	int32_t n = (int32_t)b->c->members.n;
	b->list = step_take(b->s, (size_t)n, sizeof *b->list);
	for (int32_t i = 0; i < n; i++) {
		b->list[i] = list_member(b, b->members[i]);
		list_owners(b, i);
	}
	b->spec.members = b->list;
	b->spec.members_n = n;
	b->spec.homogeneous = homogeneous(b->c);
}

/* --- what it answers --- */

static struct parts *gather(struct build *b)
{
	const struct assign_spec *spec = &b->spec;
	struct parts *v = step_take(b->s, (size_t)spec->members_n, sizeof *v);
	int32_t *count = step_take(b->s, (size_t)spec->members_n, sizeof *count);
	for (int32_t t = 0; t < spec->topics_n; t++)
		for (int32_t p = 0; p < spec->topics[t].partitions; p++)
			if (spec->topics[t].owner[p] >= 0)
				count[spec->topics[t].owner[p]]++;
	for (int32_t i = 0; i < spec->members_n; i++)
		v[i].v = step_take(b->s, (size_t)count[i], sizeof *v[i].v);
	for (int32_t t = 0; t < spec->topics_n; t++)
		for (int32_t p = 0; p < spec->topics[t].partitions; p++) {
			int32_t owner = spec->topics[t].owner[p];
			if (owner >= 0)
				v[owner].v[v[owner].n++] =
					(struct part){spec->topics[t].id, p, 0};
		}
	return v;
}

/* Only targets that differ are recorded. */
static void keep(struct build *b)
{
	struct parts *v = gather(b);
	for (int32_t i = 0; i < b->spec.members_n; i++) {
		struct span id = b->members[i]->id;
		if (consumer_has_target(b->c, id) &&
		    parts_same_places(consumer_target_of(b->c, id), v + i))
			continue;
		consumer_target_set(b->c, id, v + i);
		consumer_record_target(b->s, b->c, id);
	}
}

static bool too_soon(const struct step *s, const struct consumer *c)
{
	int64_t interval = step_group_config(s, c->group->id, "consumer.assignment.interval.ms",
	                                     s->settings->consumer_assignment_interval);
	return c->assigned_ms && interval && s->wall_ms < c->assigned_ms + interval;
}

void consumer_assign(struct step *s, struct consumer *c)
{
	struct build b = {.s = s, .c = c};
	if (c->assignment_epoch >= c->epoch || too_soon(s, c))
		return;
	b.members = consumer_members(s, c);
	list_topics(&b);
	list_members(&b);
	if ((strcmp(consumer_assignor(s, c), "range") ? assign_uniform : assign_range)(&b.spec,
	                                                                                s->arena))
		abort();
	keep(&b);
	map_free(&b.places);
	c->assignment_epoch = c->epoch;
	c->assigned_ms = s->wall_ms;
	consumer_record_assignment(s, c);
}
