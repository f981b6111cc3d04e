/* The state of a consumer group, changed alike when it is decided and when it is replayed. */
#include "consumer.h"

#include <stdlib.h>
#include <string.h>

#include "assign.h"
#include "consumer_said.h"

static void *get(const struct map *m, struct span key)
{
	return key.n < 0 ? NULL : map_get(m, key.p, (size_t)key.n);
}

static void put(struct map *m, struct span key, void *value)
{
	if (map_put(m, key.p, (size_t)key.n, value))
		abort();
}

static void drop(struct map *m, struct span key)
{
	map_del(m, key.p, (size_t)key.n);
}

struct consumer *consumer_begin(struct group *g)
{
	struct consumer *c = group_get(sizeof *c);
	c->group = g;
	c->epoch = c->assignment_epoch = 1;
	c->look_again = c->new_topics = true;
	g->kind = &group_consumer;
	g->members = c;
	return c;
}

/* --- topics that are subscribed to --- */

static void count_topic(struct consumer *c, struct span name, int32_t by_name, int32_t by_regex)
{
	struct consumer_topic *t = get(&c->topics, name);
	if (!t) {
		t = group_get(sizeof *t);
		t->name = group_copy(name);
		put(&c->topics, t->name, t);
	}
	t->by_name += by_name;
	t->by_regex += by_regex;
	if (t->by_name > 0 || t->by_regex > 0)
		return;
	drop(&c->topics, t->name);
	free((char *)t->name.p);
	free(t);
}

/* --- expressions --- */

struct consumer_regex *consumer_regex_of(const struct consumer *c, struct span text)
{
	return get(&c->regexes, text);
}

static struct consumer_regex *regex_get(struct consumer *c, struct span text)
{
	struct consumer_regex *r = get(&c->regexes, text);
	if (!r) {
		r = group_get(sizeof *r);
		r->text = group_copy(text);
		put(&c->regexes, r->text, r);
	}
	return r;
}

static void regex_tidy(struct consumer *c, struct consumer_regex *r)
{
	if (r->members > 0 || r->resolved)
		return;
	drop(&c->regexes, r->text);
	free((char *)r->text.p);
	free(r);
}

static void unresolve(struct consumer *c, struct consumer_regex *r)
{
	for (int32_t i = 0; i < r->topics_n; i++) {
		count_topic(c, r->topics[i], 0, -1);
		free((char *)r->topics[i].p);
	}
	free(r->topics);
	r->topics = NULL;
	r->topics_n = 0;
	r->resolved = false;
}

void consumer_regex_resolve(struct consumer *c, struct span text, const struct span *topics,
                            int32_t topics_n, int64_t version, int64_t at_ms)
{
	struct consumer_regex *r = regex_get(c, text);
	unresolve(c, r);
	r->resolved = true;
	r->version = version;
	r->at_ms = at_ms;
	r->topics = group_get(sizeof *r->topics * (size_t)topics_n);
	for (int32_t i = 0; i < topics_n; i++)
		r->topics[i] = group_copy(topics[i]);
	r->topics_n = consumer_names_sort(r->topics, topics_n);
	for (int32_t i = 0; i < r->topics_n; i++)
		count_topic(c, r->topics[i], 0, 1);
}

void consumer_regex_forget(struct consumer *c, struct span text)
{
	struct consumer_regex *r = get(&c->regexes, text);
	if (!r)
		return;
	unresolve(c, r);
	regex_tidy(c, r);
}

struct span consumer_regex_text(const struct consumer_member *m)
{
	return m->said.subscribed_topic_regex.n > 0 ? m->said.subscribed_topic_regex : SPAN_NULL;
}

/* --- partitions that are had --- */

static void own(struct consumer *c, struct consumer_member *m, const struct parts *p)
{
	for (int32_t i = 0; i < p->n; i++) {
		struct consumer_owner *o = map_get(&c->owners, p->v + i, PART_KEY);
		if (!o) {
			o = group_get(sizeof *o);
			o->part = p->v[i];
			if (map_put(&c->owners, &o->part, PART_KEY, o))
				abort();
		}
		o->member = m;
	}
}

static void disown(struct consumer *c, const struct consumer_member *m, const struct parts *p)
{
	for (int32_t i = 0; i < p->n; i++) {
		struct consumer_owner *o = map_get(&c->owners, p->v + i, PART_KEY);
		if (!o || o->member != m)
			continue;
		map_del(&c->owners, p->v + i, PART_KEY);
		free(o);
	}
}

bool consumer_owned(const struct consumer *c, const struct part *p)
{
	return map_get(&c->owners, p, PART_KEY) != NULL;
}

/* --- members --- */

struct consumer_member *consumer_member_of(const struct consumer *c, struct span id)
{
	return get(&c->members, id);
}

struct consumer_member *consumer_static_of(const struct consumer *c, struct span instance)
{
	return get(&c->statics, instance);
}

struct consumer_member *consumer_member_get(struct consumer *c, struct span id)
{
	struct consumer_member *m = get(&c->members, id);
	if (m)
		return m;
	m = group_get(sizeof *m);
	m->group = c->group;
	m->id = group_copy(id);
	m->previous_epoch = -1;
	m->said.instance_id = m->said.rack_id = m->said.server_assignor = SPAN_NULL;
	m->said.client_id = m->said.client_host = span_of("");
	m->said.subscribed_topic_regex = span_of("");
	m->said.rebalance_timeout_ms = -1;
	put(&c->members, m->id, m);
	return m;
}

/* Adds what the member says to what the group counts, or takes it away. */
static void count_said(struct consumer *c, struct consumer_member *m, int sign)
{
	struct span regex = consumer_regex_text(m);
	for (int32_t i = 0; i < m->said.subscribed_topic_names_n; i++)
		count_topic(c, m->said.subscribed_topic_names[i], sign, 0);
	if (regex.n > 0) {
		struct consumer_regex *r = regex_get(c, regex);
		r->members += sign;
		regex_tidy(c, r);
	}
	if (consumer_member_classic(m))
		c->classic_members += sign;
	if (m->said.instance_id.n < 0)
		return;
	if (sign > 0) {
		drop(&c->statics, m->said.instance_id);
		put(&c->statics, m->said.instance_id, m);
	} else if (consumer_static_of(c, m->said.instance_id) == m) {
		drop(&c->statics, m->said.instance_id);
	}
}

void consumer_member_say(struct consumer *c, struct consumer_member *m,
                         const struct consumer_group_member_metadata_value *said)
{
	struct consumer_group_member_metadata_value copy;
	void *memory = consumer_said_copy(&copy, said);
	count_said(c, m, -1);
	free(m->said_memory);
	m->said_memory = memory;
	m->said = copy;
	count_said(c, m, 1);
}

void consumer_member_place(struct consumer *c, struct consumer_member *m, int32_t epoch,
                           int32_t previous, enum consumer_member_state state,
                           const struct parts *assigned, const struct parts *revoking)
{
	struct parts has = parts_copy(assigned), gives = parts_copy(revoking);
	disown(c, m, &m->assigned);
	disown(c, m, &m->revoking);
	free(m->assigned.v);
	free(m->revoking.v);
	m->epoch = epoch;
	m->previous_epoch = previous;
	m->state = state;
	m->assigned = has;
	m->revoking = gives;
	own(c, m, &m->assigned);
	own(c, m, &m->revoking);
}

void consumer_member_remove(struct groups *gs, struct consumer *c, struct consumer_member *m)
{
	consumer_timers_stop(gs, m);
	disown(c, m, &m->assigned);
	disown(c, m, &m->revoking);
	count_said(c, m, -1);
	drop(&c->members, m->id);
	free(m->assigned.v);
	free(m->revoking.v);
	free(m->said_memory);
	free((char *)m->id.p);
	free(m);
}

bool consumer_reconciled(const struct consumer *c, const struct consumer_member *m)
{
	return m->state == MEMBER_STABLE && m->epoch == c->assignment_epoch;
}

static int member_order(const void *a, const void *b)
{
	const struct consumer_member *const *x = a, *const *y = b;
	return assign_text_order((*x)->id, (*y)->id);
}

struct consumer_member **consumer_members(struct step *s, const struct consumer *c)
{
	struct consumer_member **v = step_take(s, c->members.n, sizeof *v), *m;
	size_t n = 0;
	for (size_t at = 0; (m = map_next(&c->members, &at));)
		v[n++] = m;
	if (n > 1)
		qsort(v, n, sizeof *v, member_order);
	return v;
}

bool consumer_subscribed(const struct step *s, const struct consumer *c,
                         const struct consumer_member *m, const struct uuid *topic)
{
	const struct meta_topic *t = meta_topic_with_id(s->image, topic);
	const struct consumer_regex *r = consumer_regex_of(c, consumer_regex_text(m));
	if (!t)
		return false;
	return consumer_names_have(m->said.subscribed_topic_names,
	                           m->said.subscribed_topic_names_n, span_of(t->name)) ||
	       (r && consumer_names_have(r->topics, r->topics_n, span_of(t->name)));
}

/* --- targets --- */

const struct parts *consumer_target_of(const struct consumer *c, struct span member)
{
	static const struct parts none;
	const struct consumer_target *t = get(&c->targets, member);
	return t ? &t->parts : &none;
}

bool consumer_has_target(const struct consumer *c, struct span member)
{
	return get(&c->targets, member) != NULL;
}

void consumer_target_set(struct consumer *c, struct span member, const struct parts *p)
{
	struct consumer_target *t = get(&c->targets, member);
	struct parts copy = parts_copy(p);
	if (!t) {
		t = group_get(sizeof *t);
		t->member = group_copy(member);
		put(&c->targets, t->member, t);
	}
	free(t->parts.v);
	t->parts = copy;
}

void consumer_target_remove(struct consumer *c, struct span member)
{
	struct consumer_target *t = get(&c->targets, member);
	if (!t)
		return;
	drop(&c->targets, t->member);
	free(t->parts.v);
	free((char *)t->member.p);
	free(t);
}

struct span consumer_host(struct step *s, const struct asker *who)
{
	return who->host.n < 0 ? span_of("") : who->host;
}

struct span consumer_new_id(struct step *s)
{
	struct uuid id;
	char text[UUID_TEXT];
	do {
		put64(id.b, step_random(s));
		put64(id.b + 8, step_random(s));
		id.b[6] = (uint8_t)((id.b[6] & 0x0f) | 0x40);
		id.b[8] = (uint8_t)((id.b[8] & 0x3f) | 0x80);
		uuid_text(&id, text);
	} while (text[0] == '-');
	return step_copy(s, span_of(text));
}
