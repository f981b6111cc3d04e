/* Answers to JoinGroup and SyncGroup. */
#include "classic.h"

static void send_join(struct step *s, int32_t partition, const struct asker *to,
                      struct join_group_response *r)
{
	if (to->version < 7 && r->protocol_name.n < 0)
		r->protocol_name = span_of("");
	step_answer(s, to, partition, &wire_join_group_response, r);
}

static void list_members(struct step *s, const struct group *g, struct join_group_response *r)
{
	const struct classic *c = classic_of(g);
	struct join_group_response_join_group_response_member *to =
		step_take(s, c->members.n, sizeof *to);

	r->members = to;
	r->members_n = (int32_t)c->members.n;
	for (const struct classic_member *m = c->first; m; m = m->next, to++) {
		wire_init(&wire_join_group_response_join_group_response_member, to);
		to->member_id = m->id;
		to->group_instance_id = m->instance;
		to->metadata = classic_metadata(m, c->protocol);
	}
}

void classic_answer_join(struct step *s, const struct group *g, const struct classic_member *m,
                         const struct asker *to, enum classic_join_answer how, struct span leader)
{
	const struct classic *c = classic_of(g);
	struct join_group_response r;

	wire_init(&wire_join_group_response, &r);
	r.generation_id = c->generation;
	r.protocol_type = c->type;
	r.protocol_name = c->protocol;
	r.leader = leader;
	r.member_id = m->id;
	r.skip_assignment = how == CLASSIC_JOINED_SKIP && c->leader == m;
	if (how != CLASSIC_JOINED_FOLLOWER && c->leader == m)
		list_members(s, g, &r);
	send_join(s, g->partition, to, &r);
}

void classic_answer_sync(struct step *s, const struct group *g, const struct classic_member *m,
                         const struct asker *to)
{
	const struct classic *c = classic_of(g);
	struct sync_group_response r;

	wire_init(&wire_sync_group_response, &r);
	r.protocol_type = c->type;
	r.protocol_name = c->protocol;
	if (m->assignment.n > 0)
		r.assignment = m->assignment;
	step_answer(s, to, g->partition, &wire_sync_group_response, &r);
}

void classic_fail_join(struct step *s, int32_t partition, const struct asker *to,
                       struct span member, int error)
{
	struct join_group_response r;

	wire_init(&wire_join_group_response, &r);
	r.error_code = (int16_t)error;
	r.member_id = member;
	r.protocol_name = SPAN_NULL;
	send_join(s, partition, to, &r);
}

void classic_fail_sync(struct step *s, int32_t partition, const struct asker *to, int error)
{
	struct sync_group_response r;

	wire_init(&wire_sync_group_response, &r);
	r.error_code = (int16_t)error;
	step_answer(s, to, partition, &wire_sync_group_response, &r);
}

void classic_fail_parked(struct step *s, struct group *g, struct classic_member *m,
                         struct span join_member, int error)
{
	if (m->joining)
		classic_fail_join(s, g->partition, &m->join, join_member, error);
	if (m->syncing)
		classic_fail_sync(s, g->partition, &m->sync, error);
	classic_of(g)->joining_n -= m->joining;
	m->joining = m->syncing = false;
}

void classic_fail_all(struct step *s, struct group *g, int error)
{
	for (struct classic_member *m = classic_of(g)->first; m; m = m->next)
		classic_fail_parked(s, g, m, m->id, error);
}
