/* GroupMetadata records: a group in EMPTY or STABLE, written and read. */
#include <stdlib.h>

#include "classic.h"

typedef struct group_metadata_value_member_metadata member_value;

static void record(struct step *s, const struct group *g, struct group_metadata_value *v)
{
	struct group_metadata_key key;

	wire_init(&wire_group_metadata_key, &key);
	key.group = g->id;
	step_record(s, g->partition, RECORD_GROUP, &key, GROUP_VERSION, v);
}

void classic_record_new(struct step *s, const struct group *g)
{
	struct group_metadata_value v;

	wire_init(&wire_group_metadata_value, &v);
	v.protocol = v.leader = SPAN_NULL;
	v.current_state_timestamp = classic_of(g)->since_ms;
	record(s, g, &v);
}

static struct span not_null(struct span text)
{
	return text.n < 0 ? span_of("") : text;
}

/* Lengths and numbers of a member, and, with some room, of the rest. */
enum { MEMBER_FIXED = 24, GROUP_FIXED = 64 };

bool classic_fits(const struct step *s, const struct group *g)
{
	const struct classic *c = classic_of(g);
	int64_t n = GROUP_FIXED + g->id.n + c->type.n + c->protocol.n;

	for (const struct classic_member *m = c->first; m; m = m->next)
		n += MEMBER_FIXED + m->id.n + m->instance.n + m->client_id.n + m->client_host.n
		     + classic_metadata(m, c->protocol).n + m->assignment.n;
	return n + (c->leader ? c->leader->id.n : 0) <= s->settings->record_max;
}

void classic_record(struct step *s, const struct group *g)
{
	const struct classic *c = classic_of(g);
	member_value *to = step_take(s, c->members.n, sizeof *to);
	struct group_metadata_value v;

	wire_init(&wire_group_metadata_value, &v);
	v.protocol_type = not_null(c->type);
	v.generation = c->generation;
	v.protocol = c->protocol;
	v.leader = c->leader ? c->leader->id : SPAN_NULL;
	v.current_state_timestamp = c->since_ms;
	v.members = to;
	v.members_n = (int32_t)c->members.n;
	for (const struct classic_member *m = c->first; m; m = m->next, to++) {
		wire_init(&wire_group_metadata_value_member_metadata, to);
		to->member_id = m->id;
		to->group_instance_id = m->instance;
		to->client_id = m->client_id;
		to->client_host = m->client_host;
		to->rebalance_timeout = m->rebalance_timeout_ms;
		to->session_timeout = m->session_timeout_ms;
		to->subscription = not_null(classic_metadata(m, c->protocol));
		to->assignment = not_null(m->assignment);
	}
	record(s, g, &v);
}

/* --- loading --- */

/* A member is loaded with the one protocol that was chosen: if it speaks others too, its next
 * JoinGroup differs from what is known, and a rebalance follows, as in Kafka. */
static void load_member(struct group *g, const struct group_metadata_value *v,
                        const member_value *m)
{
	classic_wanted one;

	if (classic_member_of(g, m->member_id) || classic_static_of(g, m->group_instance_id))
		return;             /* no Kafka writes that */
	wire_init(&wire_join_group_request_join_group_request_protocol, &one);
	one.name = not_null(v->protocol);
	one.metadata = m->subscription;
	classic_add(g, &(struct classic_member_new){
		.id = m->member_id,
		.instance = m->group_instance_id,
		.client_id = m->client_id,
		.client_host = m->client_host,
		.type = v->protocol_type,
		.assignment = m->assignment,
		.rebalance_timeout_ms = m->rebalance_timeout == -1 ? m->session_timeout
		                                                 : m->rebalance_timeout,
		.session_timeout_ms = m->session_timeout,
		.protocols = &one,
		.protocols_n = 1,
	});
}

static struct classic *afresh(struct groups *gs, struct group *g)
{
	struct step none = { .now_ms = 0 };

	groups_simplify(gs, g);
	return classic_begin(&none, g);
}

void classic_replay(struct groups *gs, int32_t partition, const struct group_metadata_key *key,
                    const struct group_metadata_value *v)
{
	struct group *g = groups_find(gs, key->group);
	struct classic *c;
	struct classic_member *leader;

	if (!v) {
		if (g && g->kind == &group_classic) {
			groups_simplify(gs, g);
			groups_tidy(gs, g);
		}
		return;
	}
	if (!g)
		g = groups_make(gs, key->group, partition);
	c = afresh(gs, g);
	for (int32_t i = 0; i < v->members_n; i++)
		load_member(g, v, &v->members[i]);
	leader = v->leader.n < 0 ? NULL : classic_member_of(g, v->leader);
	if (leader)
		c->leader = leader;
	c->state = c->first ? CLASSIC_STABLE : CLASSIC_EMPTY;
	c->since_ms = v->current_state_timestamp;
	c->generation = v->generation;
	classic_set(&c->type, v->protocol_type.n > 0 ? v->protocol_type : SPAN_NULL);
	classic_set(&c->protocol, v->protocol);
	classic_topics(g);
}
