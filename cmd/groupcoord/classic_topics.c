/* Which topics the members of a classic group are subscribed to, read from what they sent with
 * JoinGroup when the protocol type is "consumer". */
#include <stdlib.h>
#include <string.h>

#include "classic.h"

static void forget(struct classic *c)
{
	void *name;

	for (size_t at = 0; (name = map_next(&c->topics, &at));)
		free(name);
	map_free(&c->topics);
	c->topics_known = false;
}

static void keep(struct classic *c, struct span topic)
{
	char *name;

	if (map_get(&c->topics, topic.p, (size_t)topic.n))
		return;
	name = group_get((size_t)topic.n);
	if (topic.n)
		memcpy(name, topic.p, (size_t)topic.n);
	if (map_put(&c->topics, name, (size_t)topic.n, name) < 0)
		abort();
}

/* Version 0 is how every version begins (ClassicGroup.computeSubscribedTopics). */
static bool read_topics(struct classic *c, struct span metadata)
{
	struct arena arena = { .limit = 16 << 20 };
	struct consumer_protocol_subscription v;
	bool good = metadata.n >= 2
		    && wire_decode(&wire_consumer_protocol_subscription, 0, metadata.p + 2,
		                   (size_t)metadata.n - 2, &arena, &v)
			       >= 0;

	for (int32_t i = 0; good && i < v.topics_n; i++)
		keep(c, v.topics[i]);
	arena_free(&arena);
	return good;
}

void classic_topics(struct group *g)
{
	struct classic *c = classic_of(g);

	forget(c);
	if (!span_is(c->type, "consumer") || (c->first && c->protocol.n < 0))
		return;
	c->topics_known = true;
	for (const struct classic_member *m = c->first; m; m = m->next)
		if (!read_topics(c, classic_metadata(m, c->protocol))) {
			forget(c);
			return;
		}
}
