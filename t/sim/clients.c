/* Producers (acks=all, idempotent: one record after the other, each until it is acknowledged) and
 * who makes the topics. */
#include "sim.h"
#include "wire/codes.h"

enum { TIMEOUT_MS = 2000, BACKOFF_MS = 100 };

struct producer {
	struct event event;
	int part, id;
	int32_t seq;	 /* of the record that is sent, or is next */
	uint32_t number; /* of its last request */
	bool sent;
	long acknowledged;
};
static struct producer producers[PARTITIONS * PRODUCERS];
static struct event admin;
static int topics_made;
static uint32_t number;

static void on_produce(struct event *e);

/* Whom some node takes for the leader: clients ask any. */
static int leader_as_told(int part)
{
	const struct node *n = &nodes[chance((uint64_t)world.nodes_n)];
	const struct meta_topic *t;
	const struct meta_partition *p;

	if (!n->store.up)
		return -1;
	t = meta_topic_named(&n->store.image, span_of(part / WIDTH ? "t1" : "t0"));
	p = t ? meta_partition(t, part % WIDTH) : NULL;
	return p ? p->leader : -1;
}

static void on_produce(struct event *e)
{
	struct producer *p = OF(e, struct producer, event);
	struct letter *l;
	int to = leader_as_told(p->part);

	if (to < 0) {
		at(e, world.now + BACKOFF_MS, on_produce);
		return;
	}
	p->sent = true;
	p->number = ++number;
	l = letter_new(-1, to, LETTER_PRODUCE);
	l->number = p->number;
	l->produce.part = p->part;
	l->produce.producer = p->id;
	l->produce.seq = p->seq;
	at(e, world.now + TIMEOUT_MS, on_produce);
	letter_post(l);
}

/* --- topics --- */

static void on_admin(struct event *e)
{
	struct node *n = elect_active();
	struct letter *l;

	if (topics_made == TOPICS)
		return;
	at(e, world.now + 1000, on_admin);
	if (!n)
		return;
	l = letter_new(-1, n->id, LETTER_CREATE);
	l->create.topic = topics_made;
	l->create.unclean = world.unclean[topics_made];
	letter_post(l);
}

static void on_created(const struct letter *l)
{
	if ((l->error && l->error != WIRE_TOPIC_ALREADY_EXISTS) || topics_made == TOPICS)
		return;
	for (int i = 0; i < WIDTH; i++) {
		struct meta_topic *t =
			meta_topic_named(&truth_image, span_of(topics_made ? "t1" : "t0"));

		if (!t)
			return;
		for (int k = 0; k < PRODUCERS; k++) {
			int part = topics_made * WIDTH + i;
			struct producer *p = &producers[part * PRODUCERS + k];

			at(&p->event, world.now + between(0, 500), on_produce);
		}
	}
	topics_made++;
	at(&admin, world.now + between(1, 5000), on_admin);
}

void clients_receive(const struct letter *l)
{
	struct producer *p;

	if (l->kind == LETTER_CREATE) {
		on_created(l);
		return;
	}
	p = &producers[l->produce.part * PRODUCERS + l->produce.producer];
	if (l->number != p->number || !p->sent)
		return;
	p->sent = false;
	if (l->error) {
		trace("partition %d: record %d of producer %d to %d: error %d", p->part, p->seq,
		      p->id, l->from, l->error);
		at(&p->event, world.now + BACKOFF_MS, on_produce);
		return;
	}
	p->seq++;
	p->acknowledged++;
	at(&p->event, world.now + between(1, world.turbulent ? 600 : 100), on_produce);
}

void clients_begin(void)
{
	topics_made = 0;
	number = 0;
	for (int i = 0; i < PARTITIONS * PRODUCERS; i++)
		producers[i] = (struct producer){ .part = i / PRODUCERS, .id = i % PRODUCERS };
	at(&admin, world.now + between(1, 1000), on_admin);
}

long clients_acknowledged(int part)
{
	long n = 0;

	for (int k = 0; k < PRODUCERS; k++)
		n += producers[part * PRODUCERS + k].acknowledged;
	return n;
}
