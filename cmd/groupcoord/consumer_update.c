/* What a member says anew, and what that means to its group. */
#include <string.h>

#include "consumer.h"
#include "consumer_said.h"

/* --- assignors --- */

struct known {
	const char *name, *class;
};
/* Between two that equally many members want, Kafka's map puts uniform first. */
static const struct known known[] = {
	{"uniform", "org.apache.kafka.coordinator.group.assignor.UniformAssignor"},
	{"range", "org.apache.kafka.coordinator.group.assignor.RangeAssignor"},
};
enum { KNOWN = sizeof known / sizeof *known };

/* The next assignor of the list, from *list on; NULL at its end. What is not known is left out. */
static const char *next_assignor(const char **list)
{
	while (**list) {
		size_t n = strcspn(*list, ", ");
		const char *word = *list;
		*list += n + (word[n] != 0);
		for (int i = 0; i < KNOWN; i++)
			if ((strlen(known[i].name) == n && !memcmp(word, known[i].name, n)) ||
			    (strlen(known[i].class) == n && !memcmp(word, known[i].class, n)))
				return known[i].name;
	}
	return NULL;
}

bool consumer_assignor_known(const struct step *s, struct span name)
{
	const char *list = s->settings->consumer_assignors, *a;
	while ((a = next_assignor(&list)))
		if (span_is(name, a))
			return true;
	return false;
}

const char *consumer_assignor(const struct step *s, const struct consumer *c)
{
	const char *list = s->settings->consumer_assignors, *chosen = next_assignor(&list);
	int votes[KNOWN] = {0}, most = 0;
	const struct consumer_member *m;
	for (size_t at = 0; (m = map_next(&c->members, &at));)
		for (int i = 0; i < KNOWN; i++)
			votes[i] += m->said.server_assignor.n >= 0 &&
			            span_is(m->said.server_assignor, known[i].name);
	for (int i = 0; i < KNOWN; i++)
		if (votes[i] > most) {
			most = votes[i];
			chosen = known[i].name;
		}
	return chosen ? chosen : known[0].name;
}

/* --- the update --- */

/* An expression without members means nothing more. */
static void drop_regex(struct step *s, struct consumer *c, struct span text)
{
	const struct consumer_regex *r = consumer_regex_of(c, text);
	if (!r || r->members > 0)
		return;
	consumer_bury_regex(s, c->group, text);
	consumer_regex_forget(c, text);
}

/* True: the topics it means are known, and the group's epoch is to be raised for them. One that is
 * new is resolved by consumer_resolve. */
static bool regex_changes(struct step *s, struct consumer *c, struct span old, struct span new)
{
	const struct consumer_regex *r = consumer_regex_of(c, new);
	if (old.n > 0)
		drop_regex(s, c, old);
	return new.n > 0 ? r && r->members > 1 && r->resolved : old.n > 0;
}

bool consumer_update(struct step *s, struct consumer *c, struct consumer_member *m,
                     const struct consumer_group_member_metadata_value *v, bool is_new)
{
	struct span old = step_copy(s, m->said.subscribed_topic_regex);
	bool names = !consumer_names_same(v->subscribed_topic_names, v->subscribed_topic_names_n,
	                                  m->said.subscribed_topic_names,
	                                  m->said.subscribed_topic_names_n);
	bool regex = !span_same(old, v->subscribed_topic_regex);
	bool assignor = !span_same(v->server_assignor, m->said.server_assignor);
	const char *before = assignor ? consumer_assignor(s, c) : NULL;
	if (is_new || !consumer_said_same(v, &m->said)) {
		consumer_member_say(c, m, v);
		consumer_record_member(s, m);
	}
	bool raise = names || (assignor && strcmp(before, consumer_assignor(s, c)));
	if (regex)
		raise |= regex_changes(s, c, old, consumer_regex_text(m));
	raise |= consumer_resolve(s, c);
	consumer_raise(s, c, raise);
	return names || regex;
}
