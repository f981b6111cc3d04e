/* Members of a consumer group that leave it, or come back under another id. */
#include <stdlib.h>

#include "consumer.h"
#include "consumer_said.h"
#include "migrate.h"

/* Expressions that the leaving were the last to have. */
static void drop_regexes(struct step *s, struct consumer *c)
{
	struct consumer_regex **v = step_take(s, c->regexes.n, sizeof *v), *r;
	size_t n = 0;
	for (size_t at = 0; (r = map_next(&c->regexes, &at));)
		if (r->members <= 0)
			v[n++] = r;
	for (size_t i = 0; i < n; i++) {
		consumer_bury_regex(s, c->group, v[i]->text);
		consumer_regex_forget(c, v[i]->text);
	}
}

void consumer_remove(struct groups *gs, struct step *s, struct group *g, struct consumer_member **v,
                     int32_t n)
{
	struct consumer *c = consumer_of(g);
	if (n == 0)
		return;
	if (migrate_down_wanted(s, g, v, n)) {
		migrate_down(gs, s, g, v, n, "lost its last member of the consumer protocol");
		return;
	}
	for (int32_t i = 0; i < n; i++) {
		consumer_bury_member(s, g, v[i]->id);
		consumer_target_remove(c, v[i]->id);
		consumer_member_remove(gs, c, v[i]);
	}
	drop_regexes(s, c);
	consumer_raise(s, c, true);
	if (c->members.n)
		return;
	c->assignment_epoch = c->epoch;
	c->assigned_ms = 0;
	consumer_record_assignment(s, c);
}

struct consumer_member *consumer_rename(struct groups *gs, struct step *s, struct consumer *c,
                                        struct consumer_member *old, struct span id)
{
	struct consumer_group_member_metadata_value said;
	void *memory = consumer_said_copy(&said, &old->said);
	struct parts target = parts_copy(consumer_target_of(c, old->id));
	struct parts has = parts_copy(&old->assigned), gives = parts_copy(&old->revoking);
	enum consumer_member_state state = old->state;
	consumer_bury_member(s, c->group, old->id);
	consumer_target_remove(c, old->id);
	consumer_member_remove(gs, c, old);
	struct consumer_member *m = consumer_member_get(c, id);
	consumer_member_say(c, m, &said);
	consumer_target_set(c, id, &target);
	consumer_member_place(c, m, 0, 0, state, &has, &gives);
	consumer_record_member(s, m);
	consumer_record_target(s, c, id);
	consumer_record_current(s, m);
	free(memory);
	free(target.v);
	free(has.v);
	free(gives.v);
	return m;
}
