/* The members of a classic group, what they can do together, and who leads them. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "classic.h"

struct classic *classic_begin(struct step *s, struct group *g)
{
	struct classic *c = group_get(sizeof *c);

	assert(g->kind == &group_simple);
	c->since_ms = s->wall_ms;
	c->type = c->protocol = SPAN_NULL;
	c->group = g;
	g->kind = &group_classic;
	g->members = c;
	return c;
}

void classic_set(struct span *owned, struct span value)
{
	struct span copy = group_copy(value);

	free((void *)owned->p);
	*owned = copy;
}

void classic_turn(struct step *s, struct classic *c, enum classic_state state)
{
	c->before = c->state;
	c->state = state;
	c->since_ms = s->wall_ms;
}

struct classic_member *classic_member_of(const struct group *g, struct span id)
{
	return id.n < 0 ? NULL : map_get(&classic_of(g)->members, id.p, (size_t)id.n);
}

struct classic_member *classic_static_of(const struct group *g, struct span instance)
{
	return instance.n < 0 ? NULL
			      : map_get(&classic_of(g)->statics, instance.p, (size_t)instance.n);
}

int classic_member_fault(const struct group *g, struct span id, struct span instance)
{
	const struct classic_member *m = classic_static_of(g, instance);

	if (instance.n >= 0 && !m)
		return WIRE_UNKNOWN_MEMBER_ID;
	if (m && !span_same(m->id, id))
		return WIRE_FENCED_INSTANCE_ID;
	return classic_member_of(g, id) ? 0 : WIRE_UNKNOWN_MEMBER_ID;
}

static void put(struct map *m, struct span key, void *value)
{
	if (map_put(m, key.p, (size_t)key.n, value) < 0)
		abort();
}

/* --- protocols --- */

/* A name that comes twice counts once. */
static void count(struct classic *c, const struct classic_member *m, int by)
{
	c->counts++;
	for (int32_t i = 0; i < m->protocols_n; i++) {
		struct span name = m->protocols[i].name;
		struct classic_votes *v = map_get(&c->protocols, name.p, (size_t)name.n);

		if (!v && by > 0) {
			v = group_get(sizeof *v);
			v->name = group_copy(name);
			put(&c->protocols, v->name, v);
		}
		if (!v || v->counted == c->counts)
			continue;
		v->counted = c->counts;
		v->members_n += by;
		if (v->members_n > 0)
			continue;
		map_del(&c->protocols, name.p, (size_t)name.n);
		free((void *)v->name.p);
		free(v);
	}
}

static struct span pack(char **at, struct span text)
{
	struct span packed = { *at, text.n };

	if (text.n)
		memcpy(*at, text.p, (size_t)text.n);
	*at += text.n;
	return packed;
}

/* One block: the array, and what it points to. */
static struct classic_protocol *keep(const classic_wanted *w, int32_t n)
{
	size_t size = (size_t)n * sizeof(struct classic_protocol);
	struct classic_protocol *kept;
	char *at;

	for (int32_t i = 0; i < n; i++)
		size += (size_t)w[i].name.n + (size_t)w[i].metadata.n;
	kept = group_get(size);
	at = (char *)(kept + n);
	for (int32_t i = 0; i < n; i++) {
		kept[i].name = pack(&at, w[i].name);
		kept[i].metadata = pack(&at, w[i].metadata);
	}
	return kept;
}

void classic_set_protocols(struct group *g, struct classic_member *m, const classic_wanted *w,
                           int32_t n)
{
	struct classic_protocol *kept = keep(w, n);

	count(classic_of(g), m, -1);
	free(m->protocols);
	m->protocols = kept;
	m->protocols_n = n;
	count(classic_of(g), m, 1);
}

bool classic_same_protocols(const struct classic_member *m, const classic_wanted *w, int32_t n)
{
	if (n != m->protocols_n)
		return false;
	for (int32_t i = 0; i < n; i++)
		if (!span_same(m->protocols[i].name, w[i].name)
		    || !span_same(m->protocols[i].metadata, w[i].metadata))
			return false;
	return true;
}

bool classic_supports(const struct group *g, struct span type, const classic_wanted *w, int32_t n)
{
	const struct classic *c = classic_of(g);

	if (c->state == CLASSIC_EMPTY)
		return type.n > 0 && n > 0;
	if (!span_same(c->type, type))
		return false;
	for (int32_t i = 0; i < n; i++) {
		const struct classic_votes *v =
			map_get(&c->protocols, w[i].name.p, (size_t)w[i].name.n);

		if ((v ? (size_t)v->members_n : 0) == c->members.n)
			return true;
	}
	return false;
}

/* The first of the member's protocols that all members can do; NULL: none. */
static struct classic_votes *vote(const struct classic *c, const struct classic_member *m)
{
	for (int32_t i = 0; i < m->protocols_n; i++) {
		struct span name = m->protocols[i].name;
		struct classic_votes *v = map_get(&c->protocols, name.p, (size_t)name.n);

		if ((size_t)v->members_n == c->members.n)
			return v;
	}
	return NULL;
}

/* Most votes win; of equals the one that had its first vote first (Kafka leaves that open). */
struct span classic_choose(const struct group *g)
{
	const struct classic *c = classic_of(g);
	struct classic_votes *best = NULL, *v;

	for (size_t at = 0; (v = map_next(&c->protocols, &at));)
		v->votes = 0;
	for (const struct classic_member *m = c->first; m; m = m->next)
		if ((v = vote(c, m)))
			v->votes++;
	for (const struct classic_member *m = c->first; m; m = m->next)
		if ((v = vote(c, m)) && (!best || v->votes > best->votes))
			best = v;
	assert(best);
	return best->name;
}

struct span classic_metadata(const struct classic_member *m, struct span protocol)
{
	for (int32_t i = 0; i < m->protocols_n; i++)
		if (span_same(m->protocols[i].name, protocol))
			return m->protocols[i].metadata;
	return SPAN_NULL;
}

/* --- members --- */

static void link_last(struct classic *c, struct classic_member *m)
{
	m->prev = c->last;
	*(m->prev ? &m->prev->next : &c->first) = m;
	c->last = m;
}

static void unlink_member(struct classic *c, struct classic_member *m)
{
	*(m->prev ? &m->prev->next : &c->first) = m->next;
	*(m->next ? &m->next->prev : &c->last) = m->prev;
}

struct classic_member *classic_add(struct group *g, const struct classic_member_new *n)
{
	struct classic *c = classic_of(g);
	struct classic_member *m = group_get(sizeof *m);

	assert(!classic_member_of(g, n->id) && !classic_static_of(g, n->instance));
	m->session.fn = classic_session_over;
	m->group = g;
	m->id = group_copy(n->id);
	m->instance = group_copy(n->instance);
	m->client_id = group_copy(n->client_id);
	m->client_host = group_copy(n->client_host);
	m->rebalance_timeout_ms = n->rebalance_timeout_ms;
	m->session_timeout_ms = n->session_timeout_ms;
	m->assignment = group_copy(n->assignment);
	if (!c->members.n)
		classic_set(&c->type, n->type);
	link_last(c, m);
	put(&c->members, m->id, m);
	if (m->instance.n >= 0)
		put(&c->statics, m->instance, m);
	classic_set_protocols(g, m, n->protocols, n->protocols_n);
	if (!c->leader)
		c->leader = m;
	return m;
}

static void member_free(struct classic_member *m)
{
	free((void *)m->id.p);
	free((void *)m->instance.p);
	free((void *)m->client_id.p);
	free((void *)m->client_host.p);
	free((void *)m->assignment.p);
	free(m->protocols);
	free(m);
}

void classic_remove(struct groups *gs, struct group *g, struct classic_member *m)
{
	struct classic *c = classic_of(g);

	assert(!m->joining && !m->syncing);
	groups_timer_stop(gs, &m->session);
	c->owing_n -= m->owes_sync;
	count(c, m, -1);
	map_del(&c->members, m->id.p, (size_t)m->id.n);
	if (m->instance.n >= 0)
		map_del(&c->statics, m->instance.p, (size_t)m->instance.n);
	unlink_member(c, m);
	if (c->leader == m)
		c->leader = c->first;
	member_free(m);
}

void classic_rename(struct group *g, struct classic_member *m, struct span id)
{
	struct classic *c = classic_of(g);

	assert(!m->joining && !m->syncing && !classic_member_of(g, id));
	map_del(&c->members, m->id.p, (size_t)m->id.n);
	classic_set(&m->id, id);
	put(&c->members, m->id, m);
	c->owing_n -= m->owes_sync;
	m->owes_sync = m->is_new = false;
}

void classic_pending_remove(struct groups *gs, struct group *g, struct classic_pending *p)
{
	groups_timer_stop(gs, &p->session);
	map_del(&classic_of(g)->pending, p->id.p, (size_t)p->id.n);
	free((void *)p->id.p);
	free(p);
}

int32_t classic_rebalance_timeout(const struct group *g)
{
	int32_t most = 0;

	for (const struct classic_member *m = classic_of(g)->first; m; m = m->next)
		if (m->rebalance_timeout_ms > most)
			most = m->rebalance_timeout_ms;
	return most;
}

bool classic_all_joined(const struct group *g)
{
	const struct classic *c = classic_of(g);

	return (size_t)c->joining_n == c->members.n && !c->pending.n;
}

static struct asker keep_asker(const struct asker *who)
{
	struct asker kept = *who;

	kept.client_id = kept.host = kept.principal = SPAN_NULL;
	return kept;
}

/* A client that asks twice has given up the first, but the order of its connection needs an answer
 * to that too. */
void classic_park_join(struct step *s, struct group *g, struct classic_member *m,
                       const struct asker *who)
{
	if (m->joining)
		classic_fail_join(s, g->partition, &m->join, m->id, WIRE_REBALANCE_IN_PROGRESS);
	classic_of(g)->joining_n += !m->joining;
	m->joining = true;
	m->join = keep_asker(who);
}

void classic_park_sync(struct step *s, struct group *g, struct classic_member *m,
                       const struct asker *who)
{
	if (m->syncing)
		classic_fail_sync(s, g->partition, &m->sync, WIRE_REBALANCE_IN_PROGRESS);
	m->syncing = true;
	m->sync = keep_asker(who);
}
