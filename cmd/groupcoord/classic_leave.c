/* LeaveGroup: members leave, or an operator takes out static members by their instance ids. */
#include <stdlib.h>

#include "classic.h"

typedef struct leave_group_request_member_identity identity;
typedef struct leave_group_response_member_response outcome;

static int leave(struct groups *gs, struct step *s, struct group *g, const identity *who,
                 struct classic_why *why)
{
	struct classic_pending *p =
		map_get(&classic_of(g)->pending, who->member_id.p, (size_t)who->member_id.n);
	struct classic_member *m;
	int error;

	if (who->member_id.n == 0) {
		m = classic_static_of(g, who->group_instance_id);
		error = m ? WIRE_NONE : WIRE_UNKNOWN_MEMBER_ID;
	} else if (p) {
		classic_pending_remove(gs, g, p);
		return WIRE_NONE;
	} else {
		error = classic_member_fault(g, who->member_id, who->group_instance_id);
		m = classic_member_of(g, who->member_id);
	}
	if (error)
		return error;
	why->member = step_copy(s, m->id);
	why->reason = who->reason;
	classic_fail_parked(s, g, m, span_of(""), WIRE_UNKNOWN_MEMBER_ID);
	classic_remove(gs, g, m);
	return WIRE_NONE;
}

static void leave_all(struct groups *gs, struct step *s, struct group *g, const identity *v,
                      int32_t n, outcome *out)
{
	struct classic *c = classic_of(g);
	struct classic_why why = { "leaves", SPAN_NULL, SPAN_NULL };
	bool any = false;

	for (int32_t i = 0; i < n; i++) {
		out[i].error_code = (int16_t)leave(gs, s, g, &v[i], &why);
		any |= !out[i].error_code;
	}
	if (any && c->state != CLASSIC_EMPTY)
		classic_rebalance_or_end(gs, s, g, why);
}

static void answer(struct step *s, const struct asker *who, int error, outcome *out, int32_t n)
{
	struct leave_group_response r;

	wire_init(&wire_leave_group_response, &r);
	r.error_code = (int16_t)error;
	if (who->version >= 3) {
		r.members = out;
		r.members_n = n;
	} else if (!error && n)
		r.error_code = out[0].error_code;
	step_answer(s, who, s->partition, &wire_leave_group_response, &r);
}

void classic_leave(struct groups *gs, struct step *s, const struct asker *who, const void *request)
{
	const struct leave_group_request *in = request;
	struct group *g = groups_find(gs, in->group_id);
	identity one = { .member_id = in->member_id, .group_instance_id = SPAN_NULL,
	                 .reason = SPAN_NULL };
	const identity *v = who->version < 3 ? &one : in->members;
	int32_t n = who->version < 3 ? 1 : in->members_n;
	outcome *out = step_take(s, (size_t)n, sizeof *out);

	if (in->group_id.n <= 0) {
		answer(s, who, WIRE_INVALID_GROUP_ID, NULL, 0);
		return;
	}
	if (g && g->kind != &group_classic && g->kind->classic) {
		g->kind->classic(gs, s, g, who, in);
		return;
	}
	for (int32_t i = 0; i < n; i++) {
		wire_init(&wire_leave_group_response_member_response, &out[i]);
		out[i].member_id = v[i].member_id;
		out[i].group_instance_id = v[i].group_instance_id;
		out[i].error_code = WIRE_UNKNOWN_MEMBER_ID;
	}
	if (g && g->kind == &group_classic)
		leave_all(gs, s, g, v, n, out);
	answer(s, who, WIRE_NONE, out, n);
}
