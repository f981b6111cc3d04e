/* Which replica a consumer should rather read from (KIP-392; Kafka's
 * ReplicaManager.findPreferredReadReplica, RackAwareReplicaSelector). */
#include "logserve.h"

#include <string.h>

bool nearest_wanted(struct server *s)
{
	const char *c = meta_config(meta_follow_image(s->follow), s->node.id, 0,
	                            "replica.selector.class", 0);
	return c && strstr(c, "RackAwareReplicaSelector");
}

static bool in_rack(const struct server *s, const struct meta_broker *b, struct span rack)
{
	return b && !b->fenced && b->rack && span_is(rack, b->rack)
	       && meta_broker_endpoint(b, s->node.broker);
}

/* One of the ISR that is in the consumer's rack, when this leader is not: who is in sync has
 * everything up to the high watermark. Several share the partitions. */
int32_t nearest_replica(const struct fetch *f, const struct result *r)
{
	struct server *s = f->server;
	struct meta_image *m = meta_follow_image(s->follow);
	const struct meta_topic *t = meta_topic_named(m, r->topic);
	const struct meta_partition *p = t ? meta_partition(t, r->part->partition) : 0;
	int32_t best = -1;
	int n = 0;
	if (f->rack.n <= 0 || !p || r->slot.role != PAGE_LEADER || r->part->offset < r->slot.log_start
	    || r->part->offset > r->slot.high_watermark
	    || in_rack(s, meta_broker(m, s->node.id), f->rack))
		return -1;
	for (int32_t i = 0; i < p->isr_n; i++)
		if (p->isr[i] != s->node.id && in_rack(s, meta_broker(m, p->isr[i]), f->rack)
		    && r->part->partition % ++n == 0)
			best = p->isr[i];
	return best;
}
