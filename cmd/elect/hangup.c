/* Whose connection is whose: the one on which a broker heartbeats closes when its node dies, long
 * before its session is over. */
#include <string.h>

#include "elect.h"

enum { BROKER_HEARTBEAT = 63 };

void hangup_heard(struct elect *e, const struct port_call *c, const struct wire_request *q)
{
	const struct meta_broker *b;
	struct heard *h = NULL;

	/* BrokerId and BrokerEpoch come first in every version. */
	if (q->key != BROKER_HEARTBEAT || q->body_n < 12)
		return;
	b = meta_broker(&e->image, (int32_t)get32(q->body));
	if (!b || b->epoch != (int64_t)get64(q->body + 4))
		return;
	for (int i = 0; i < e->heard_n && !h; i++)
		if (e->heard[i].id == b->id)
			h = &e->heard[i];
	if (!h && e->heard_n < SESSIONS_MAX)
		h = &e->heard[e->heard_n++];
	if (h)
		*h = (struct heard){ b->id, c->from };
}

void hangup(struct elect *e, struct port_from from)
{
	for (int i = 0; i < e->heard_n; i++) {
		const struct port_from *f = &e->heard[i].from;

		if (f->place != from.place || f->generation != from.generation || f->tag != from.tag)
			continue;
		broker_lost(&e->controller, e->heard[i].id, port_now_ms());
		e->heard[i] = e->heard[--e->heard_n];
		return;
	}
}
