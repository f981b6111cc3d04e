/* What waits for a batch lies behind one another in the batch's own buffer: an answer whole, or a
 * pointer to what waits for several batches. */
#include <stdlib.h>
#include <string.h>

#include "groupcoord.h"

struct many {
	int left;                   /* batches that are not settled */
	int error;                  /* of the first that failed */
	bool again;                 /* it is a request, to be run again; else an answer */
	struct asker to;
	struct span principal, host, caller, frame;     /* behind this struct */
	int64_t deadline_ms;
};
struct held {
	uint32_t bytes;             /* of the frame that follows */
	struct many *many;          /* or this */
	struct asker to;
};

static void add(struct coord_batch *b, const struct held *h, struct span frame)
{
	size_t aligned = ((size_t)frame.n + 7) & ~(size_t)7;
	if (buf_need(&b->held, sizeof *h + aligned))
		abort();
	memcpy(b->held.p + b->held.n, h, sizeof *h);
	if (frame.n > 0)
		memcpy(b->held.p + b->held.n + sizeof *h, frame.p, (size_t)frame.n);
	b->held.n += sizeof *h + aligned;
}

void hold_answer(struct server *s, struct coord_batch *b, const struct asker *to,
                 struct span frame)
{
	struct held h = {.bytes = (uint32_t)frame.n, .to = *to};
	add(b, &h, frame);
}

static struct span keep(char **at, struct span text)
{
	char *p = *at;
	if (text.n <= 0)
		return text;
	memcpy(p, text.p, (size_t)text.n);
	*at += text.n;
	return (struct span){p, text.n};
}

static size_t size(struct span text)
{
	return text.n > 0 ? (size_t)text.n : 0;
}

static void add_many(struct coord_batch **b, int n, struct many m)
{
	struct many *kept = group_get(sizeof m + size(m.principal) + size(m.host) + size(m.caller) +
	                              size(m.frame));
	char *at = (char *)(kept + 1);
	*kept = m;
	kept->principal = keep(&at, m.principal);
	kept->host = keep(&at, m.host);
	kept->caller = keep(&at, m.caller);
	kept->frame = keep(&at, m.frame);
	kept->left = n;
	for (int i = 0; i < n; i++)
		add(b[i], &(struct held){.many = kept}, SPAN_NULL);
}

void hold_answer_many(struct server *s, struct coord_batch **b, int n, const struct asker *to,
                      struct span frame)
{
	add_many(b, n, (struct many){.to = *to, .frame = frame});
}

void hold_again(struct server *s, struct coord_batch **b, int n, const struct port_call *c)
{
	add_many(b, n, (struct many){
		.again = true, .to = {.from = c->from, .listener = c->listener}, .frame = c->body,
		.principal = c->principal, .host = c->host, .caller = c->caller,
		.deadline_ms = c->deadline_ms,
	});
}

static void send(struct server *s, const struct asker *to, struct span frame, int error)
{
	if (error)
		answer_error(s, to, frame, error);
	else
		port_answer_bytes(s->loop, to->from, frame.p, (size_t)frame.n);
}

static void settle_many(struct server *s, struct many *m, int error)
{
	m->error = m->error ? m->error : error;
	if (--m->left)
		return;
	if (m->again) {
		struct port_call c = {
			.from = m->to.from, .listener = m->to.listener, .principal = m->principal,
			.host = m->host, .caller = m->caller, .deadline_ms = m->deadline_ms,
			.body = m->frame,
		};
		answer_call(s, &c, true);
	} else {
		send(s, &m->to, m->frame, m->error);
	}
	free(m);
}

void hold_release(struct server *s, struct coord_batch *b, int error)
{
	struct held h;
	for (size_t at = 0; at < b->held.n; at += sizeof h + ((h.bytes + 7u) & ~7u)) {
		memcpy(&h, b->held.p + at, sizeof h);
		struct span frame = {(char *)b->held.p + at + sizeof h, (int32_t)h.bytes};
		if (h.many)
			settle_many(s, h.many, error);
		else
			send(s, &h.to, frame, error);
	}
	b->held.n = 0;
}
