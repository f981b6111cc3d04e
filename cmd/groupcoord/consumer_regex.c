/* Which topics a group's expressions mean. */
#include "regex.h"

#include <stdlib.h>
#include <string.h>

#include "consumer.h"
#include "consumer_said.h"

enum { REFRESH_LEAST_MS = 10000 };      /* Kafka's REGEX_BATCH_REFRESH_MIN_INTERVAL_MS */

struct resolved {
	struct consumer_regex *regex;
	struct span *topics;
	int32_t topics_n;
};

static void match(struct step *s, struct resolved *r)
{
	char why[256];
	struct regex *re = regex_new(r->regex->text.p, (size_t)r->regex->text.n, why, sizeof why);
	struct meta_topic *t;
	r->topics = step_take(s, s->image->topics_by_name.n, sizeof *r->topics);
	for (size_t at = 0; re && (t = map_next(&s->image->topics_by_name, &at));)
		if (regex_matches(re, t->name, strlen(t->name)))
			r->topics[r->topics_n++] = span_of(t->name);
	if (re)
		regex_free(re);
	r->topics_n = consumer_names_sort(r->topics, r->topics_n);
}

/* Expressions that members have, how many of them are resolved, and when the last was. */
static struct resolved *list(struct step *s, const struct consumer *c, int32_t *n, int32_t *known,
                             int64_t *last_ms)
{
	struct resolved *v = step_take(s, c->regexes.n, sizeof *v);
	struct consumer_regex *r;
	*n = *known = 0;
	*last_ms = INT64_MIN;
	for (size_t at = 0; (r = map_next(&c->regexes, &at));) {
		if (r->resolved && r->at_ms > *last_ms)
			*last_ms = r->at_ms;
		if (r->members <= 0)
			continue;
		*known += r->resolved;
		v[(*n)++].regex = r;
	}
	return v;
}

/* Kafka matches topics in a thread of its own and raises the epoch when that has ended; here it is
 * done at once, so that the member's first answer has its partitions. */
bool consumer_resolve(struct step *s, struct consumer *c)
{
	int32_t n, known;
	int64_t last_ms;
	bool changed = false;
	if (!c->regexes.n)
		return false;
	struct resolved *v = list(s, c, &n, &known, &last_ms);
	if (n == 0 || (last_ms != INT64_MIN && s->wall_ms <= last_ms + REFRESH_LEAST_MS) ||
	    (n == known && !c->new_topics &&
	     s->wall_ms <= last_ms + s->settings->consumer_regex_refresh_interval))
		return false;
	c->new_topics = false;
	for (int32_t i = 0; i < n; i++) {
		struct consumer_regex *r = v[i].regex;
		match(s, v + i);
		bool same = consumer_names_same(r->topics, r->topics_n, v[i].topics, v[i].topics_n);
		changed |= !same;
		consumer_regex_resolve(c, r->text, v[i].topics, v[i].topics_n, s->image->offset,
		                       s->wall_ms);
		consumer_record_regex(s, c, r);
	}
	return changed;
}

void consumer_raise(struct step *s, struct consumer *c, bool raise)
{
	if (raise || c->look_again) {
		int64_t hash = consumer_hash(s, c);
		c->look_again = false;
		raise |= hash != c->hash;
		c->hash = hash;
		if (c->old_metadata) {
			c->old_metadata = false;
			consumer_bury_old_metadata(s, c->group);
		}
	}
	if (!raise)
		return;
	c->epoch++;
	consumer_record_group(s, c);
}
