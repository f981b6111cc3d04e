/* JoinGroup: a member comes, or comes again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "classic.h"

typedef const struct join_group_request *request;

enum { PREFIX_MOST = 32000 };               /* a string of the protocol has 32767 bytes at most */

/* Kafka's member ids: the instance id, else the client id, and a random UUID. */
static struct span new_member_id(struct step *s, struct span prefix)
{
	uint64_t high = step_random(s), low = step_random(s);
	int n = prefix.n < 0 ? 0 : prefix.n > PREFIX_MOST ? PREFIX_MOST : prefix.n;

	high = (high & ~0xf000ull) | 0x4000;
	low = (low & ~(3ull << 62)) | 2ull << 62;
	return step_format(s, "%.*s-%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64
	                   "-%012" PRIx64,
	                   n, n ? prefix.p : "", high >> 32, high >> 16 & 0xffff, high & 0xffff,
	                   low >> 48, low << 16 >> 16);
}

static struct classic_why joins(const char *what, struct span member, request in)
{
	return (struct classic_why){ what, member, in->reason };
}

static void add(struct groups *gs, struct step *s, struct group *g, struct span id,
                const struct asker *who, request in)
{
	struct classic *c = classic_of(g);
	struct classic_member_new n = {
		.id = id,
		.instance = in->group_instance_id,
		.client_id = who->client_id.n < 0 ? span_of("") : who->client_id,
		.client_host = who->host.n < 0 ? span_of("") : who->host,
		.type = in->protocol_type,
		.assignment = SPAN_NULL,
		.rebalance_timeout_ms = in->rebalance_timeout_ms,
		.session_timeout_ms = in->session_timeout_ms,
		.protocols = in->protocols,
		.protocols_n = in->protocols_n,
	};
	struct classic_member *m = classic_add(g, &n);

	m->is_new = true;
	c->newcomer |= c->state == CLASSIC_PREPARING && c->before == CLASSIC_EMPTY;
	classic_park_join(s, g, m, who);
	groups_timer_set(gs, &m->session, s->now_ms + CLASSIC_NEW_MEMBER_MS);
	classic_rebalance_or_end(gs, s, g, joins("joins", id, in));
}

static void update(struct step *s, struct group *g, struct classic_member *m,
                   const struct asker *who, request in)
{
	classic_set_protocols(g, m, in->protocols, in->protocols_n);
	m->rebalance_timeout_ms = in->rebalance_timeout_ms;
	m->session_timeout_ms = in->session_timeout_ms;
	classic_park_join(s, g, m, who);
}

/* --- members without an id --- */

static void give_id(struct groups *gs, struct step *s, struct group *g, struct span id,
                    const struct asker *who, request in)
{
	struct classic_pending *p = group_get(sizeof *p);

	p->id = group_copy(id);
	p->group = g;
	p->session.fn = classic_pending_over;
	if (map_put(&classic_of(g)->pending, p->id.p, (size_t)p->id.n, p) < 0)
		abort();
	groups_timer_set(gs, &p->session, s->now_ms + in->session_timeout_ms);
	classic_fail_join(s, g->partition, who, id, WIRE_MEMBER_ID_REQUIRED);
}

/* In a stable group whose protocol stays what it is the new one takes over without a rebalance.
 * Before version 9 it cannot be told to skip the assignment: its old id is given as the leader's,
 * so that it does not take itself for the leader. */
static void take_over(struct step *s, struct group *g, struct classic_member *m,
                      struct span old_leader)
{
	int16_t version = m->join.version;

	classic_of(g)->joining_n--;
	m->joining = false;
	classic_record(s, g);
	if (version >= 9)
		classic_answer_join(s, g, m, &m->join, CLASSIC_JOINED_SKIP,
		                    classic_of(g)->leader->id);
	else
		classic_answer_join(s, g, m, &m->join, CLASSIC_JOINED_FOLLOWER, old_leader);
}

/* A static member that has lost its id: what it was told before is void (replaceStaticMember). */
static void replace(struct groups *gs, struct step *s, struct group *g, struct classic_member *m,
                    struct span id, const struct asker *who, request in)
{
	struct classic *c = classic_of(g);
	struct span old_leader = step_copy(s, c->leader->id);

	classic_fail_parked(s, g, m, m->id, WIRE_FENCED_INSTANCE_ID);
	classic_rename(g, m, id);
	classic_touch(gs, s, m);
	update(s, g, m, who, in);
	if (c->state == CLASSIC_STABLE) {
		if (!span_same(c->protocol, classic_choose(g)))
			classic_rebalance(gs, s, g, joins("changes the protocol", id, in));
		else if (!classic_fits(s, g))
			classic_rebalance(gs, s, g, joins("says more than a record holds", id, in));
		else
			take_over(s, g, m, old_leader);
	} else if (c->state == CLASSIC_COMPLETING)
		/* The leader may be assigning to the old id at this moment. */
		classic_rebalance(gs, s, g, joins("comes with a new id", id, in));
	else
		classic_maybe_end(gs, s, g);
}

static void join_new(struct groups *gs, struct step *s, struct group *g, const struct asker *who,
                     request in)
{
	struct span instance = in->group_instance_id, id;
	struct classic_member *m = classic_static_of(g, instance);

	if (!classic_supports(g, in->protocol_type, in->protocols, in->protocols_n)) {
		classic_fail_join(s, g->partition, who, span_of(""),
		                  WIRE_INCONSISTENT_GROUP_PROTOCOL);
		return;
	}
	id = new_member_id(s, instance.n >= 0 ? instance : who->client_id);
	if (m)
		replace(gs, s, g, m, id, who, in);
	else if (instance.n < 0 && who->version >= 4)
		give_id(gs, s, g, id, who, in);
	else
		add(gs, s, g, id, who, in);
}

/* --- members with an id --- */

static void rejoin(struct groups *gs, struct step *s, struct group *g, struct classic_member *m,
                   const struct asker *who, request in)
{
	const struct classic *c = classic_of(g);
	bool same = classic_same_protocols(m, in->protocols, in->protocols_n);
	const char *what = !same ? "changes what it can do"
	                 : c->leader == m ? "leads and joins again" : "joins again";

	/* It may not have seen its answer: this generation is told once more. But a leader of a
	 * stable group that joins again wants a new assignment. */
	if (same && (c->state == CLASSIC_COMPLETING || (c->state == CLASSIC_STABLE && c->leader != m))) {
		classic_answer_join(s, g, m, who, CLASSIC_JOINED, c->leader->id);
		return;
	}
	update(s, g, m, who, in);
	classic_rebalance_or_end(gs, s, g, joins(what, m->id, in));
}

static void join_again(struct groups *gs, struct step *s, struct group *g, const struct asker *who,
                       request in)
{
	struct classic_pending *p =
		map_get(&classic_of(g)->pending, in->member_id.p, (size_t)in->member_id.n);
	int error = WIRE_NONE;

	if (!classic_supports(g, in->protocol_type, in->protocols, in->protocols_n))
		error = WIRE_INCONSISTENT_GROUP_PROTOCOL;
	else if (p && in->group_instance_id.n >= 0)
		error = WIRE_UNKNOWN_SERVER_ERROR;      /* ids are asked for by dynamic members */
	else if (!p)
		error = classic_member_fault(g, in->member_id, in->group_instance_id);
	if (error)
		classic_fail_join(s, g->partition, who, in->member_id, error);
	else if (p) {
		classic_pending_remove(gs, g, p);
		add(gs, s, g, in->member_id, who, in);
	} else
		rejoin(gs, s, g, classic_member_of(g, in->member_id), who, in);
}

/* --- all --- */

/* While members join, those who have come count: a group that is too large sheds who comes last. */
static bool full(const struct step *s, const struct group *g, const struct classic_member *m)
{
	const struct classic *c = classic_of(g);

	if (c->state == CLASSIC_EMPTY)
		return false;
	if (c->state == CLASSIC_PREPARING)
		return !(m && m->joining) && c->joining_n >= s->settings->max_size;
	return !m && c->members.n >= (size_t)s->settings->max_size;
}

static void turn_away(struct groups *gs, struct step *s, struct group *g, struct classic_member *m,
                      const struct asker *who, request in)
{
	struct classic_pending *p =
		map_get(&classic_of(g)->pending, in->member_id.p, (size_t)in->member_id.n);

	classic_fail_join(s, g->partition, who, span_of(""), WIRE_GROUP_MAX_SIZE_REACHED);
	if (m)
		classic_remove(gs, g, m);
	if (p)
		classic_pending_remove(gs, g, p);
	classic_maybe_end(gs, s, g);
}

static int request_fault(const struct step *s, request in)
{
	if (in->group_id.n <= 0)
		return WIRE_INVALID_GROUP_ID;
	if (in->session_timeout_ms < s->settings->min_session_timeout
	    || in->session_timeout_ms > s->settings->max_session_timeout)
		return WIRE_INVALID_SESSION_TIMEOUT;
	return WIRE_NONE;
}

/* The classic group of this request: another kind that has no members gives way. NULL: answered. */
static struct group *group_of(struct groups *gs, struct step *s, const struct asker *who,
                              request in)
{
	struct group *g = groups_find(gs, in->group_id);

	if (g && g->kind == &group_classic)
		return g;
	if (g && !g->kind->empty(g)) {
		if (g->kind->classic)
			g->kind->classic(gs, s, g, who, in);
		else
			classic_fail_join(s, g->partition, who, span_of(""),
			                  WIRE_INCONSISTENT_GROUP_PROTOCOL);
		return NULL;
	}
	if (in->member_id.n > 0) {
		classic_fail_join(s, s->partition, who, in->member_id, WIRE_UNKNOWN_MEMBER_ID);
		return NULL;
	}
	if (g) {
		g->kind->tombstones(s, g);
		groups_simplify(gs, g);
	} else
		g = groups_make(gs, in->group_id, s->partition);
	classic_begin(s, g);
	classic_record_new(s, g);
	return g;
}

void classic_join(struct groups *gs, struct step *s, const struct asker *who, const void *request_)
{
	struct join_group_request in = *(const struct join_group_request *)request_;
	int error = request_fault(s, &in);
	struct group *g;
	struct classic_member *m;

	if (error) {
		classic_fail_join(s, s->partition, who, in.member_id, error);
		return;
	}
	if (who->version == 0)
		in.rebalance_timeout_ms = in.session_timeout_ms;
	g = group_of(gs, s, who, &in);
	if (!g)
		return;
	m = classic_member_of(g, in.member_id);
	if (full(s, g, m))
		turn_away(gs, s, g, m, who, &in);
	else if (in.member_id.n > 0)
		join_again(gs, s, g, who, &in);
	else
		join_new(gs, s, g, who, &in);
}
