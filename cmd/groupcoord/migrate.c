#include "migrate.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "classic.h"
#include "consumer_said.h"

static bool policy_is(const struct step *s, const char *one)
{
	return !strcasecmp(s->settings->consumer_migration_policy, one) ||
	       !strcasecmp(s->settings->consumer_migration_policy, "bidirectional");
}

bool migrate_up_allowed(const struct step *s)
{
	return policy_is(s, "upgrade");
}

bool migrate_down_allowed(const struct step *s)
{
	return policy_is(s, "downgrade");
}

/* --- classic to consumer --- */

size_t migrate_size(const struct group *g)
{
	return classic_of(g)->members.n;
}

bool migrate_has(const struct group *g, struct span id, struct span instance)
{
	return classic_member_of(g, id) || classic_static_of(g, instance);
}

/* While a group forms it has not chosen a protocol yet: then that which it would. */
static struct span metadata_of(const struct group *g, const struct classic_member *m)
{
	struct span chosen = classic_of(g)->protocol;
	return classic_metadata(m, chosen.n < 0 ? classic_choose(g) : chosen);
}

/* What is wrong with what a member has sent or was given; NULL: nothing. */
static const char *member_fault(struct step *s, const struct group *g,
                                const struct classic_member *m)
{
	struct consumer_protocol_subscription subscription;
	struct consumer_protocol_assignment assignment;
	const char *malformed = "the embedded consumer protocol is malformed.";
	if (migrate_subscription(s, metadata_of(g, m), &subscription) < 0)
		return malformed;
	if (m->assignment.n <= 0)
		return NULL;
	if (migrate_assignment(s, m->assignment, &assignment) < 0)
		return malformed;
	if (assignment.user_data.n > 0)
		return "an unsupported custom assignor is in use. Please refer to the "
		       "documentation or switch to a default assignor before re-attempting the "
		       "upgrade.";
	return NULL;
}

int migrate_up_fault(struct step *s, const struct group *g, struct span *words)
{
	const char *why = NULL;
	if (g->kind != &group_classic) {
		*words = step_format(s, "Group %.*s is not a consumer group.", g->id.n, g->id.p);
		return WIRE_GROUP_ID_NOT_FOUND;
	}
	const struct classic *c = classic_of(g);
	if (!migrate_up_allowed(s))
		why = "online upgrade is disabled.";
	else if (!span_is(c->type, "consumer"))
		why = "the group does not use the consumer embedded protocol.";
	else if (c->members.n > (size_t)s->settings->consumer_max_size)
		why = "the group size exceeds the consumer group maximum size.";
	for (const struct classic_member *m = c->first; m && !why; m = m->next)
		why = member_fault(s, g, m);
	if (!why)
		return WIRE_NONE;
	*words = step_format(s, "Cannot upgrade classic group %.*s to consumer group because %s",
	                     g->id.n, g->id.p, why);
	return WIRE_GROUP_ID_NOT_FOUND;
}

struct moved {                          /* a member on its way to the other kind */
	struct span id;
	struct consumer_group_member_metadata_value said;
	struct parts has;
};

static struct consumer_group_member_metadata_value_classic_member_metadata *classic_said(
	struct step *s, const struct classic_member *m)
{
	struct consumer_group_member_metadata_value_classic_member_metadata *c =
		step_take(s, 1, sizeof *c);
	c->session_timeout_ms = m->session_timeout_ms;
	c->supported_protocols_n = m->protocols_n;
	c->supported_protocols =
		step_take(s, (size_t)m->protocols_n, sizeof *c->supported_protocols);
	for (int32_t i = 0; i < m->protocols_n; i++) {
		c->supported_protocols[i].name = step_copy(s, m->protocols[i].name);
		c->supported_protocols[i].metadata = step_copy(s, m->protocols[i].metadata);
	}
	return c;
}

static struct moved move_up(struct step *s, const struct group *g, const struct classic_member *m)
{
	struct moved v = {.id = step_copy(s, m->id)};
	struct consumer_protocol_subscription subscription;
	struct consumer_protocol_assignment assignment;
	if (migrate_subscription(s, step_copy(s, metadata_of(g, m)), &subscription) < 0)
		abort();
	wire_init(&wire_consumer_group_member_metadata_value, &v.said);
	v.said.instance_id = step_copy(s, m->instance);
	v.said.rack_id = subscription.rack_id.n > 0 ? subscription.rack_id : SPAN_NULL;
	v.said.client_id = step_copy(s, m->client_id);
	v.said.client_host = step_copy(s, m->client_host);
	v.said.subscribed_topic_names = subscription.topics;
	v.said.subscribed_topic_names_n = subscription.topics_n;
	v.said.subscribed_topic_regex = span_of("");
	v.said.server_assignor = SPAN_NULL;
	v.said.rebalance_timeout_ms = m->rebalance_timeout_ms;
	v.said.classic_member_metadata = classic_said(s, m);
	if (m->assignment.n > 0 && !migrate_assignment(s, m->assignment, &assignment))
		v.has = migrate_parts(s, &assignment, classic_of(g)->generation);
	return v;
}

static void record_all(struct step *s, struct consumer *c)
{
	struct consumer_member **v = consumer_members(s, c);
	for (size_t i = 0; i < c->members.n; i++)
		consumer_record_member(s, v[i]);
	consumer_record_group(s, c);
	for (size_t i = 0; i < c->members.n; i++)
		consumer_record_target(s, c, v[i]->id);
	consumer_record_assignment(s, c);
	for (size_t i = 0; i < c->members.n; i++)
		consumer_record_current(s, v[i]);
}

struct consumer *migrate_up(struct groups *gs, struct step *s, struct group *g)
{
	static const struct parts nothing;
	size_t n = migrate_size(g), i = 0;
	int32_t generation = classic_of(g)->generation;
	struct moved *v = step_take(s, n, sizeof *v);
	for (const struct classic_member *m = classic_of(g)->first; m; m = m->next)
		v[i++] = move_up(s, g, m);
	classic_fail_all(s, g, WIRE_REBALANCE_IN_PROGRESS);
	g->kind->tombstones(s, g);
	groups_simplify(gs, g);
	struct consumer *c = consumer_begin(g);
	c->epoch = c->assignment_epoch = generation;
	for (i = 0; i < n; i++) {
		struct consumer_member *m = consumer_member_get(c, v[i].id);
		consumer_member_say(c, m, &v[i].said);
		consumer_target_set(c, m->id, &v[i].has);
		consumer_member_place(c, m, generation, generation, MEMBER_STABLE, &v[i].has,
		                      &nothing);
		consumer_session_start(gs, s, m);
	}
	c->hash = consumer_hash(s, c);
	record_all(s, c);
	step_tell(s, g->id, "is a consumer group now");
	return c;
}

/* --- consumer to classic --- */

static bool among(const struct consumer_member *m, struct consumer_member **v, int32_t n)
{
	for (int32_t i = 0; i < n; i++)
		if (v[i] == m)
			return true;
	return false;
}

bool migrate_down_wanted(struct step *s, const struct group *g, struct consumer_member **leaving,
                         int32_t n)
{
	const struct consumer *c = consumer_of(g);
	size_t stay = c->members.n - (size_t)n;
	int32_t classic = c->classic_members;
	for (int32_t i = 0; i < n; i++)
		classic -= consumer_member_classic(leaving[i]);
	return stay > 0 && (size_t)classic == stay && migrate_down_allowed(s) &&
	       stay <= (size_t)s->settings->max_size;
}

static classic_wanted *wanted(struct step *s, const struct consumer_member *m, int32_t *n)
{
	const struct consumer_group_member_metadata_value_classic_member_metadata *c =
		m->said.classic_member_metadata;
	classic_wanted *v = step_take(s, (size_t)c->supported_protocols_n, sizeof *v);
	for (*n = 0; *n < c->supported_protocols_n; ++*n) {
		wire_init(&wire_join_group_request_join_group_request_protocol, v + *n);
		v[*n].name = step_copy(s, c->supported_protocols[*n].name);
		v[*n].metadata = step_copy(s, c->supported_protocols[*n].metadata);
	}
	return v;
}

static struct classic_member_new move_down(struct step *s, const struct consumer_member *m)
{
	struct classic_member_new v = {
		.id = step_copy(s, m->id), .instance = step_copy(s, m->said.instance_id),
		.client_id = step_copy(s, m->said.client_id),
		.client_host = step_copy(s, m->said.client_host),
		.type = span_of("consumer"), .assignment = SPAN_NULL,
		.rebalance_timeout_ms = m->said.rebalance_timeout_ms,
		.session_timeout_ms = m->said.classic_member_metadata->session_timeout_ms,
	};
	v.protocols = wanted(s, m, &v.protocols_n);
	return v;
}

static struct parts targets(struct step *s, const struct consumer *c,
                            const struct consumer_member *m)
{
	const struct parts *target = consumer_target_of(c, m->id);
	struct parts copy = {step_take(s, (size_t)target->n, sizeof *copy.v), target->n};
	if (target->n)
		memcpy(copy.v, target->v, sizeof *copy.v * (size_t)target->n);
	return copy;
}

void migrate_down(struct groups *gs, struct step *s, struct group *g,
                  struct consumer_member **leaving, int32_t leaving_n, const char *rebalance)
{
	const struct consumer *c = consumer_of(g);
	struct consumer_member **all = consumer_members(s, c);
	struct classic_member_new *v = step_take(s, c->members.n, sizeof *v);
	struct parts *target = step_take(s, c->members.n, sizeof *target);
	int32_t n = 0, generation = c->epoch;
	for (size_t i = 0; i < c->members.n; i++)
		if (!among(all[i], leaving, leaving_n)) {
			target[n] = targets(s, c, all[i]);
			v[n++] = move_down(s, all[i]);
		}
	consumer_bury(s, g);
	groups_simplify(gs, g);
	struct classic *to = classic_begin(s, g);
	to->generation = generation;
	for (int32_t i = 0; i < n; i++)
		classic_add(g, v + i);
	classic_turn(s, to, CLASSIC_STABLE);
	classic_set(&to->protocol, classic_choose(g));
	for (int32_t i = 0; i < n; i++) {
		struct classic_member *m = classic_member_of(g, v[i].id);
		classic_set(&m->assignment,
		            migrate_encode(s, target + i, classic_metadata(m, to->protocol)));
		classic_touch(gs, s, m);
	}
	classic_topics(g);
	classic_record(s, g);
	step_tell(s, g->id, "is a classic group now");
	if (rebalance)
		classic_rebalance(gs, s, g, (struct classic_why){rebalance, SPAN_NULL, SPAN_NULL});
}
