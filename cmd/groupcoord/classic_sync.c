/* SyncGroup: the leader brings assignments, all others wait for theirs. Heartbeat. */
#include <stdlib.h>

#include "classic.h"

typedef struct sync_group_request_sync_group_request_assignment assignment;

/* What is too large for the log is not an assignment: all have to join again. */
static void refuse(struct groups *gs, struct step *s, struct group *g)
{
	struct classic_why why = { "assigns more than a record holds", classic_of(g)->leader->id,
	                           SPAN_NULL };

	for (struct classic_member *m = classic_of(g)->first; m; m = m->next) {
		if (!m->syncing)
			continue;
		classic_fail_sync(s, g->partition, &m->sync, WIRE_UNKNOWN_SERVER_ERROR);
		m->syncing = false;
		classic_touch(gs, s, m);
	}
	classic_rebalance(gs, s, g, why);
}

static void assign(struct groups *gs, struct step *s, struct group *g, const assignment *v,
                   int32_t n)
{
	struct classic *c = classic_of(g);

	for (struct classic_member *m = c->first; m; m = m->next)
		classic_set(&m->assignment, SPAN_NULL);
	for (int32_t i = 0; i < n; i++) {
		struct classic_member *m = classic_member_of(g, v[i].member_id);

		if (m)
			classic_set(&m->assignment, v[i].assignment);
	}
	if (!classic_fits(s, g)) {
		refuse(gs, s, g);
		return;
	}
	classic_record(s, g);
	for (struct classic_member *m = c->first; m; m = m->next) {
		if (!m->syncing)
			continue;
		classic_answer_sync(s, g, m, &m->sync);
		m->syncing = false;
		classic_touch(gs, s, m);
	}
	classic_turn(s, c, CLASSIC_STABLE);
}

static bool other(struct span said, struct span is)
{
	return said.n >= 0 && !span_same(said, is);
}

static int sync_fault(const struct group *g, const struct sync_group_request *in)
{
	const struct classic *c = classic_of(g);
	int error = classic_member_fault(g, in->member_id, in->group_instance_id);

	if (error)
		return error;
	if (in->generation_id != c->generation)
		return WIRE_ILLEGAL_GENERATION;
	if (other(in->protocol_type, c->type) || other(in->protocol_name, c->protocol))
		return WIRE_INCONSISTENT_GROUP_PROTOCOL;
	return c->state == CLASSIC_PREPARING ? WIRE_REBALANCE_IN_PROGRESS : WIRE_NONE;
}

static void sync_member(struct groups *gs, struct step *s, struct group *g, const struct asker *who,
                        const struct sync_group_request *in)
{
	struct classic *c = classic_of(g);
	struct classic_member *m = classic_member_of(g, in->member_id);

	classic_paid_sync(gs, g, m);
	if (c->state == CLASSIC_STABLE) {
		classic_answer_sync(s, g, m, who);
		return;
	}
	classic_park_sync(s, g, m, who);
	if (c->leader == m)
		assign(gs, s, g, in->assignments, in->assignments_n);
}

void classic_sync(struct groups *gs, struct step *s, const struct asker *who, const void *request)
{
	const struct sync_group_request *in = request;
	struct group *g = groups_find(gs, in->group_id);
	int error;

	if (who->version >= 5 && (in->protocol_type.n < 0 || in->protocol_name.n < 0))
		error = WIRE_INCONSISTENT_GROUP_PROTOCOL;
	else if (in->group_id.n <= 0)
		error = WIRE_INVALID_GROUP_ID;
	else if (!g || g->kind->empty(g) || (g->kind != &group_classic && !g->kind->classic))
		error = WIRE_UNKNOWN_MEMBER_ID;
	else if (g->kind != &group_classic) {
		g->kind->classic(gs, s, g, who, in);
		return;
	} else
		error = sync_fault(g, in);
	if (error)
		classic_fail_sync(s, s->partition, who, error);
	else
		sync_member(gs, s, g, who, in);
}

/* --- Heartbeat --- */

static int heartbeat(struct groups *gs, struct step *s, struct group *g,
                     const struct heartbeat_request *in)
{
	const struct classic *c = classic_of(g);
	int error = classic_member_fault(g, in->member_id, in->group_instance_id);

	if (error)
		return error;
	if (in->generation_id != c->generation)
		return WIRE_ILLEGAL_GENERATION;
	classic_touch(gs, s, classic_member_of(g, in->member_id));
	return c->state == CLASSIC_PREPARING ? WIRE_REBALANCE_IN_PROGRESS : WIRE_NONE;
}

void classic_heartbeat(struct groups *gs, struct step *s, const struct asker *who,
                       const void *request)
{
	const struct heartbeat_request *in = request;
	struct group *g = groups_find(gs, in->group_id);
	struct heartbeat_response r;

	wire_init(&wire_heartbeat_response, &r);
	if (in->group_id.n <= 0)
		r.error_code = WIRE_INVALID_GROUP_ID;
	else if (g && g->kind == &group_classic)
		r.error_code = (int16_t)heartbeat(gs, s, g, in);
	else if (g && g->kind->classic) {
		g->kind->classic(gs, s, g, who, in);
		return;
	} else
		r.error_code = WIRE_UNKNOWN_MEMBER_ID;
	step_answer(s, who, s->partition, &wire_heartbeat_response, &r);
}
