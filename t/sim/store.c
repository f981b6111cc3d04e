/* logappend and replicate: the partition step and the follower's rules over models of logs. */
#include <stdlib.h>
#include <string.h>

#include "fetch/read.h"
#include "log/batch.h"
#include "meta/record.h"
#include "sim.h"
#include "wire/codes.h"

enum {
	LAG_MS = 30000, REQUEST_MS = 2000, POLL_MS = 500, RETRY_MS = 50, FETCH_RETRY_MS = 200,
	PRODUCE_MS = 1500,
};

static void settle(struct node *n, int part);
static void on_fetch(struct event *e);
static void answer_parked(struct node *n, int part);

int part_of(const struct meta_topic *t, int32_t index)
{
	return (t->name[1] - '0') * WIDTH + index;
}

static int number_of(const struct storage *s, const struct part *p)
{
	return (int)(p - s->parts);
}

/* The node and the number of a partition that holds this event. */
static struct node *owner(const struct part *p, int *part)
{
	for (int i = 0; i < world.nodes_n; i++)
		if (p >= nodes[i].store.parts && p < nodes[i].store.parts + PARTITIONS) {
			*part = number_of(&nodes[i].store, p);
			return &nodes[i];
		}
	abort();
}

/* --- the log --- */

static void on_synced(struct event *e);

static void sync_soon(struct part *p)
{
	if (p->promised >= 0 || p->synced == p->end)
		return;
	p->promised = p->end;
	if (world.flush_os) /* the kernel writes when it likes */
		at(&p->sync, world.now + between(0, 30000), on_synced);
	else
		at(&p->sync, world.now + between(0, now_and_then(20) ? 400 : 15), on_synced);
}

static void on_synced(struct event *e)
{
	struct part *p = OF(e, struct part, sync);
	int part;
	struct node *n = owner(p, &part);

	if (!node_runs(n, e))
		return;
	p->synced = p->promised;
	p->promised = -1;
	sync_soon(p);
	if (!world.flush_os)
		replica_flushed(&p->step, p->synced);
	settle(n, part);
	for (int i = 0; i < world.nodes_n; i++)
		if (!n->store.fetch_out[i])
			at(&n->store.fetch[i], world.now, on_fetch);
}

static bool append(struct node *n, struct part *p, const struct datum *r)
{
	if (p->end == RECORDS) {
		wrong("the log of the model is full");
		return false;
	}
	if (r->epoch > epochs_last(&p->epochs)
	    && epochs_assign(&p->epochs, r->epoch, p->end) < 0)
		wrong("node %d: no room for an epoch", n->id);
	p->log[p->end++] = *r;
	return true;
}

static void written(struct part *p)
{
	replica_appended(&p->step, p->end);
	if (world.flush_os)
		replica_flushed(&p->step, p->end);
	sync_soon(p);
}

static void cut(struct node *n, struct part *p, int64_t end)
{
	trace("%d cuts partition %d to %lld", n->id, number_of(&n->store, p), (long long)end);
	truth_cut(n, number_of(&n->store, p), end);
	p->end = end;
	epochs_cut_end(&p->epochs, end);
	if (p->synced > end)
		p->synced = end;
	if (p->promised > end)
		p->promised = end;
	/* Only below an unclean leader: the slot begins anew. */
	if (end < p->page.high_watermark)
		p->page = (struct page_slot){ 0 };
	replica_cut(&p->step, end);
}

/* --- after every event of a partition --- */

static void finish(struct node *n, struct part *p)
{
	for (struct replica_wait *w; (w = replica_done(&p->step));) {
		struct letter *l = OF(w, struct letter, produce.wait), *a = letter_answer(l);

		a->error = w->error;
		if (!w->error)
			truth_acknowledged(l->produce.part, l->produce.producer, l->produce.seq,
					   l->produce.offset);
		letter_post(a);
		letter_drop(l);
	}
}

static void on_alter(struct event *e)
{
	struct part *p = OF(e, struct part, alter);
	int part;
	struct node *n = owner(p, &part);
	struct replica_in_sync isr[NODES];
	const struct meta_topic *t;
	struct letter *l;
	int to = n->elect.up ? n->elect.q.leader : -1;

	if (!node_runs(n, e) || p->step.role != PAGE_LEADER)
		return;
	if (p->step.asking == REPLICA_SENT) {
		replica_isr_answered(&p->step, p->asked, WIRE_NETWORK_EXCEPTION, NULL);
		settle(n, part);
		return;
	}
	if (p->step.asking != REPLICA_WANTED)
		return;
	at(e, world.now + (to < 0 ? RETRY_MS : REQUEST_MS), on_alter);
	t = meta_topic_named(&n->store.image, span_of(part / WIDTH ? "t1" : "t0"));
	if (to < 0 || !t)
		return;
	l = letter_new(n->id, to, LETTER_ALTER);
	l->alter.part = part;
	l->alter.life = n->store.life;
	l->alter.broker_epoch = n->store.broker_epoch;
	l->alter.topic_id = t->id;
	l->alter.partition = part % WIDTH;
	l->alter.epoch = p->step.epoch;
	l->alter.partition_epoch = p->step.partition_epoch;
	l->alter.recovery = 0;
	l->alter.anew = replica_isr_anew(&p->step);
	l->alter.isr_n = replica_isr_proposal(&p->step, isr);
	for (int i = 0; i < l->alter.isr_n; i++) {
		l->alter.isr[i] = isr[i].id;
		l->alter.epochs[i] = isr[i].id == n->id ? n->store.broker_epoch
							: isr[i].broker_epoch;
	}
	p->asked = l->number = replica_isr_sent(&p->step);
	trace("%d: partition %d, proposal %u of %d to %d at partition epoch %d", n->id, part,
	      p->asked, l->alter.isr_n, to, p->step.partition_epoch);
	letter_post(l);
}

static void altered(struct node *n, const struct letter *l)
{
	struct part *p = &n->store.parts[l->alter.part];
	struct replica_assignment a = { .epoch = l->alter.epoch,
					.partition_epoch = l->alter.partition_epoch,
					.isr = l->alter.isr,
					.isr_n = l->alter.isr_n };

	if (!p->here || l->alter.life != n->store.life)
		return;
	trace("%d: partition %d, answer to proposal %u: error %d", n->id, l->alter.part, l->number,
	      l->error);
	replica_isr_answered(&p->step, l->number,
			     l->error == LOST ? WIRE_NETWORK_EXCEPTION : l->error, &a);
	if (p->step.asking == REPLICA_WANTED)
		at(&p->alter, world.now + RETRY_MS, on_alter);
	settle(n, l->alter.part);
}

static void on_tick(struct event *e)
{
	struct part *p = OF(e, struct part, tick);
	int part;
	struct node *n = owner(p, &part);

	if (!node_runs(n, e))
		return;
	replica_tick(&p->step, clock_of(n));
	settle(n, part);
}

static void on_check(struct event *e)
{
	struct part *p = OF(e, struct part, check);
	int part;
	struct node *n = owner(p, &part);

	if (!node_runs(n, e))
		return;
	replica_isr_check(&p->step, clock_of(n));
	settle(n, part);
}

static void arm(struct node *n, struct event *e, int64_t due, void (*fn)(struct event *))
{
	int64_t now = clock_of(n);

	if (due == INT64_MAX)
		never(e);
	else
		at(e, world_of(n, due > now ? due : now + 1), fn);
}

/* Publishes the slot, lets answers go, asks for what the step wants. */
static void settle(struct node *n, int part)
{
	struct part *p = &n->store.parts[part];
	struct page_slot was = p->page;

	if (p->step.changed) {
		replica_stable(&p->step, p->step.high_watermark);
		replica_slot(&p->step, &p->page);
		p->step.changed = false;
		truth_published(n, part, &was, &p->page);
	}
	if (now_and_then(20))
		p->checkpoint = p->step.high_watermark;
	finish(n, p);
	if (p->step.asking == REPLICA_WANTED && !p->alter.node.place)
		at(&p->alter, world.now, on_alter);
	else if (p->step.asking != REPLICA_WANTED && p->step.asking != REPLICA_SENT)
		never(&p->alter);
	arm(n, &p->tick, replica_next_tick(&p->step), on_tick);
	arm(n, &p->check, replica_isr_next_check(&p->step, clock_of(n)), on_check);
	if (p->page.log_end != was.log_end || p->page.high_watermark != was.high_watermark)
		answer_parked(n, part);
}

/* --- producers --- */

/* The offset of what the producer sent before, -1; *last: the newest it sent. */
static int64_t sent_before(const struct part *p, int producer, int32_t seq, int32_t *last)
{
	*last = -1;
	for (int64_t i = p->end; i-- > 0;) {
		if (p->log[i].producer != producer)
			continue;
		if (*last < 0)
			*last = p->log[i].seq;
		if (p->log[i].seq <= seq)
			return p->log[i].seq == seq ? i : -1;
	}
	return -1;
}

static int take(struct node *n, struct part *p, const struct letter *l, int64_t *offset)
{
	struct datum r = { p->step.epoch, l->produce.seq, l->produce.producer };
	int32_t last;

	if (!p->here || p->step.role != PAGE_LEADER)
		return WIRE_NOT_LEADER_OR_FOLLOWER;
	if (!replica_enough(&p->step))
		return WIRE_NOT_ENOUGH_REPLICAS;
	*offset = sent_before(p, l->produce.producer, l->produce.seq, &last);
	if (*offset >= 0)
		return 0;
	/* Where records may be lost, a producer has to live with that. */
	if (l->produce.seq != last + 1 && !truth_tainted(l->produce.part))
		return WIRE_OUT_OF_ORDER_SEQUENCE_NUMBER;
	*offset = p->end;
	if (append(n, p, &r))
		written(p);
	return 0;
}

static void produced(struct node *n, const struct letter *l)
{
	struct part *p = &n->store.parts[l->produce.part];
	struct letter *kept;
	int64_t offset = -1;
	int error = take(n, p, l, &offset);

	if (error) {
		struct letter *a = letter_answer(l);

		a->error = error;
		letter_post(a);
		return;
	}
	kept = letter_new(l->from, l->to, LETTER_PRODUCE);
	kept->number = l->number;
	kept->produce = l->produce;
	kept->produce.offset = offset;
	if (replica_park(&p->step, &kept->produce.wait, REPLICA_COMMITTED, offset + 1,
			 clock_of(n) + PRODUCE_MS)
	    < 0)
		wrong("nothing can be parked");
	settle(n, l->produce.part);
}

/* --- fetches of followers, at the leader --- */

static void found(struct node *n, const struct ask_part *in, struct part *p, struct got_part *g)
{
	int32_t epoch = -1;
	int64_t end = -1;

	if (in->last_epoch >= 0) {
		epochs_end(&p->epochs, in->last_epoch, p->end, &epoch, &end);
		if (end < 0 || epoch < 0) {
			g->error = WIRE_OFFSET_OUT_OF_RANGE;
			return;
		}
		if (epoch < in->last_epoch || end < in->offset) {
			g->diverging_epoch = epoch;
			g->diverging_end = end;
			return;
		}
	}
	if (in->offset > p->end) {
		g->error = WIRE_OFFSET_OUT_OF_RANGE;
		return;
	}
	for (int64_t i = in->offset; i < p->end && g->n < LETTER_RECORDS; i++)
		g->records[g->n++] = p->log[i];
}

static void look_up(struct node *n, const struct letter *asked, const struct ask_part *in,
		    struct got_part *g, bool counts)
{
	struct part *p = &n->store.parts[in->part];

	*g = (struct got_part){ .part = in->part, .asked_epoch = in->epoch,
				.asked_offset = in->offset, .diverging_epoch = -1,
				.diverging_end = -1, .high_watermark = -1 };
	if (!p->here) {
		g->error = WIRE_UNKNOWN_TOPIC_OR_PARTITION;
		return;
	}
	g->error = fetch_check(&p->page, in->epoch, true);
	if (g->error)
		return;
	found(n, in, p, g);
	g->end = p->end;
	if (!g->error && g->diverging_epoch < 0 && counts) {
		g->error = replica_progress(&p->step, asked->from, in->offset, 0,
					    asked->ask.broker_epoch, clock_of(n));
		if (g->error)
			g->n = 0;
		settle(n, in->part);
	}
	g->high_watermark = p->step.high_watermark;
}

static struct letter *fetch_answer(struct node *n, const struct letter *asked, bool counts,
				   bool *empty)
{
	struct letter *a = letter_answer(asked);

	*empty = true;
	a->got.n = asked->ask.n;
	for (int i = 0; i < asked->ask.n; i++) {
		struct got_part *g = &a->got.parts[i];

		look_up(n, asked, &asked->ask.parts[i], g, counts);
		*empty = *empty && !g->error && g->n == 0 && g->diverging_epoch < 0;
	}
	return a;
}

static void answer_one(struct node *n, int follower)
{
	struct letter *asked = n->store.parked[follower];
	bool empty;

	n->store.parked[follower] = NULL;
	never(&asked->arrival);
	letter_post(fetch_answer(n, asked, false, &empty));
	letter_drop(asked);
}

static void answer_parked(struct node *n, int part)
{
	for (int i = 0; i < world.nodes_n; i++) {
		struct letter *asked = n->store.parked[i];

		for (int k = 0; asked && k < asked->ask.n; k++)
			if (asked->ask.parts[k].part == part) {
				answer_one(n, i);
				break;
			}
	}
}

static void poll_over(struct event *e)
{
	struct letter *asked = OF(e, struct letter, arrival);

	if (node_runs(&nodes[asked->to], e))
		answer_one(&nodes[asked->to], asked->from);
}

static void unpark(struct storage *s, int follower)
{
	if (!s->parked[follower])
		return;
	never(&s->parked[follower]->arrival);
	letter_drop(s->parked[follower]);
	s->parked[follower] = NULL;
}

static void asked_for(struct node *n, const struct letter *asked)
{
	bool empty;
	struct letter *kept, *a;

	unpark(&n->store, asked->from);
	a = fetch_answer(n, asked, true, &empty);
	if (!empty) {
		letter_post(a);
		return;
	}
	letter_drop(a);
	kept = letter_new(asked->from, asked->to, LETTER_FETCH);
	kept->number = asked->number;
	kept->ask = asked->ask;
	n->store.parked[asked->from] = kept;
	at(&kept->arrival, world.now + POLL_MS, poll_over);
}

/* --- fetching, at the follower --- */

static bool wants(const struct part *p, int leader)
{
	return p->here && p->step.role == PAGE_FOLLOWER && p->leader == leader
	       && p->step.flushed == p->step.log_end;
}

static void on_fetch(struct event *e)
{
	struct node *n = NULL;
	struct letter *l;
	int leader = 0;

	for (int i = 0; i < world.nodes_n; i++)
		if (e >= nodes[i].store.fetch && e < nodes[i].store.fetch + NODES) {
			n = &nodes[i];
			leader = (int)(e - n->store.fetch);
		}
	if (!n || !node_runs(n, e) || !n->store.serving || leader == n->id)
		return;
	l = letter_new(n->id, leader, LETTER_FETCH);
	l->ask.n = 0;
	for (int i = 0; i < PARTITIONS; i++) {
		struct part *p = &n->store.parts[i];

		if (wants(p, leader))
			l->ask.parts[l->ask.n++] = (struct ask_part){ i, p->step.epoch,
								      epochs_last(&p->epochs), p->end };
	}
	n->store.fetch_out[leader] = l->ask.n > 0;
	if (l->ask.n == 0) {
		letter_drop(l);
		return;
	}
	l->number = ++n->store.fetching[leader];
	l->ask.broker_epoch = n->store.broker_epoch;
	at(e, world.now + REQUEST_MS, on_fetch);
	letter_post(l);
}

/* Records as batches of one, as far as the follower's rules look at them. */
static int fit(const struct part *p, const struct got_part *g)
{
	static uint8_t bytes[LETTER_RECORDS * BATCH_HEADER];
	size_t n = 0;

	for (int i = 0; i < g->n; i++) {
		struct batch b = { .base_offset = g->asked_offset + i,
				   .length = BATCH_HEADER - BATCH_OVERHEAD,
				   .epoch = g->records[i].epoch,
				   .magic = 2,
				   .count = 1 };

		batch_head(&b, bytes + n);
		n += BATCH_HEADER;
	}
	return (int)(follow_fit(&p->step, bytes, n) / BATCH_HEADER);
}

static void append_got(struct node *n, struct part *p, const struct got_part *g)
{
	int fits = fit(p, g);

	for (int i = 0; i < fits; i++)
		if (!append(n, p, &g->records[i]))
			return;
	if (fits > 0)
		written(p);
	replica_told(&p->step, g->high_watermark);
}

static void cut_to(struct node *n, struct part *p, const struct follow_answer *a)
{
	int32_t epoch;
	int64_t end;

	epochs_end(&p->epochs, a->diverging_epoch, p->end, &epoch, &end);
	cut(n, p, follow_cut_to(&p->step, a, epoch, end));
}

static void got_one(struct node *n, const struct got_part *g)
{
	struct part *p = &n->store.parts[g->part];
	struct follow_answer a = { g->asked_epoch, g->asked_offset, g->diverging_epoch,
				   g->diverging_end, g->n ? g->asked_offset : -1,
				   g->n ? g->asked_offset : -1 };
	int64_t to = 0;

	if (!p->here || (g->error && g->error != WIRE_OFFSET_OUT_OF_RANGE))
		return;
	switch (g->error ? follow_out_of_range(&p->step, &a, 0, g->end, &to)
			 : follow_judge(&p->step, &a, &to)) {
	case FOLLOW_APPEND: append_got(n, p, g); break;
	case FOLLOW_CUT:
		if (g->error)
			cut(n, p, to);
		else
			cut_to(n, p, &a);
		break;
	case FOLLOW_RESTART: wrong("node %d begins partition %d anew", n->id, g->part); break;
	case FOLLOW_STALE: break;
	}
	settle(n, g->part);
}

static void got(struct node *n, const struct letter *l)
{
	int leader = l->from;
	bool good = !l->error;

	if (l->number != n->store.fetching[leader])
		return;
	n->store.fetch_out[leader] = false;
	for (int i = 0; i < l->got.n && !l->error; i++) {
		got_one(n, &l->got.parts[i]);
		good = good && !l->got.parts[i].error;
	}
	at(&n->store.fetch[leader], world.now + (good ? 0 : FETCH_RETRY_MS), on_fetch);
}

/* --- the metadata --- */

static bool among(int32_t id, const int32_t *v, int32_t n)
{
	for (int32_t i = 0; i < n; i++)
		if (v[i] == id)
			return true;
	return false;
}

static void open_part(struct node *n, int part)
{
	struct part *p = &n->store.parts[part];
	int64_t hw = p->page.high_watermark > p->checkpoint ? p->page.high_watermark
							    : p->checkpoint;

	p->here = true;
	p->leader = -1;
	p->promised = -1;
	p->synced = p->end; /* recovery syncs what it finds */
	epochs_cut_end(&p->epochs, p->end);
	replica_init(&p->step, n->id);
	p->step.min_insync = world.min_insync;
	p->step.lag_ms = LAG_MS;
	p->step.brokers = &n->store.brokers;
	replica_opened(&p->step, 0, p->end, hw);
	p->compared = 0;
}

static bool led_before(const struct part *p, const struct meta_partition *m)
{
	return p->step.role != PAGE_LEADER && p->page.epoch == m->leader_epoch
	       && (p->page.epoch > 0 || p->page.role == PAGE_LEADER);
}

static void lead(struct node *n, int part, const struct meta_partition *m)
{
	struct part *p = &n->store.parts[part];
	struct replica_assignment a = { m->leader_epoch, m->partition_epoch, m->replicas, m->isr,
					m->replicas_n, m->isr_n, led_before(p, m) };
	bool begins = p->step.role != PAGE_LEADER || p->step.epoch != m->leader_epoch;
	int64_t start = p->step.epoch_start;
	int32_t epoch;

	if (begins && epochs_last(&p->epochs) == m->leader_epoch) {
		epochs_end(&p->epochs, m->leader_epoch - 1, p->end, &epoch, &start);
		if (start < 0)
			start = 0;
	} else if (begins) {
		start = p->end;
		if (epochs_assign(&p->epochs, m->leader_epoch, start) < 0)
			wrong("node %d: no room for an epoch", n->id);
	}
	if (replica_lead(&p->step, &a, start, clock_of(n)) < 0)
		wrong("no memory");
	if (begins && p->step.role == PAGE_LEADER)
		truth_leads_partition(n, part);
}

static void take_role(struct node *n, const struct meta_topic *t, const struct meta_partition *m)
{
	int part = part_of(t, m->id);
	struct part *p = &n->store.parts[part];

	if (!among(n->id, m->replicas, m->replicas_n))
		return;
	if (!p->here)
		open_part(n, part);
	p->leader = m->leader;
	if (m->leader == n->id) {
		lead(n, part, m);
	} else {
		replica_follow(&p->step, m->leader_epoch, m->partition_epoch);
		if (m->leader >= 0 && !n->store.fetch_out[m->leader])
			at(&n->store.fetch[m->leader], world.now, on_fetch);
	}
	settle(n, part);
	answer_parked(n, part);
}

static void refresh_brokers(struct node *n)
{
	struct storage *s = &n->store;
	const struct meta_broker *b;
	size_t at = 0;

	s->brokers = (struct replica_brokers){ s->broker, 0 };
	while ((b = map_next(&s->image.brokers, &at))) {
		s->broker[s->brokers.n++] = (struct replica_broker){
			b->id, b->epoch, b->fenced, b->in_controlled_shutdown
		};
		if (b->id == n->id && uuid_same(&b->incarnation, &n->incarnation))
			s->broker_epoch = b->epoch;
	}
}

static void apply(struct node *n, const struct entry *entry, int64_t offset)
{
	struct storage *s = &n->store;
	const struct partition_change_record *change;
	const struct partition_record *made;
	const struct meta_topic *t;
	const void *r;
	int type;

	if (!entry->v)
		return;
	if (meta_apply_decoded(&s->image, (struct span){ (const char *)entry->v->p, entry->v->n },
			       offset, entry->epoch, &type, &r)
	    < 0) {
		wrong("node %d: logappend cannot apply record %lld", n->id, (long long)offset);
		return;
	}
	switch (type) {
	case META_PARTITION:
		if (!s->serving)
			return;
		made = r;
		t = meta_topic_with_id(&s->image, &made->topic_id);
		take_role(n, t, meta_partition(t, made->partition_id));
		break;
	case META_PARTITION_CHANGE:
		if (!s->serving)
			return;
		change = r;
		t = meta_topic_with_id(&s->image, &change->topic_id);
		take_role(n, t, meta_partition(t, change->partition_id));
		break;
	case META_REGISTER_BROKER:
	case META_UNREGISTER_BROKER:
	case META_FENCE_BROKER:
	case META_UNFENCE_BROKER:
	case META_BROKER_CHANGE: refresh_brokers(n); break;
	}
}

/* Metadata from before this life's registration may say that it leads, in an epoch in which it has
 * lost what it led. */
static bool may_serve(const struct node *n)
{
	const struct meta_broker *b = meta_broker(&n->store.image, n->id);

	return b && uuid_same(&b->incarnation, &n->incarnation);
}

static void serve(struct node *n)
{
	const struct meta_topic *t;
	size_t at = 0;

	n->store.serving = true;
	while ((t = map_next(&n->store.image.topics_by_id, &at)))
		for (int32_t i = 0; i < t->partitions_n; i++)
			take_role(n, t, &t->partitions[i]);
}

/* A poll of the metadata is answered. Program and machine may be slow. */
static void on_follow(struct event *e)
{
	struct node *n = OF(e, struct node, store.follow);
	struct storage *s = &n->store;
	int64_t end = n->elect.q.high_watermark;

	if (!node_runs(n, e) || !n->elect.up)
		return;
	for (; s->applied < end && s->up && !*world.wrong; s->applied++)
		apply(n, &n->elect.log[s->applied], s->applied);
	if (!s->serving && may_serve(n))
		serve(n);
	if (s->up && n->elect.up)
		elect_polled(n, s->applied);
}

void store_committed(struct node *n)
{
	if (n->store.up && !n->store.follow.node.place)
		at(&n->store.follow, world.now + between(0, now_and_then(20) ? 300 : 3), on_follow);
}

/* --- life --- */

void store_receive(struct node *n, const struct letter *l)
{
	if (!n->store.up)
		return;
	switch (l->kind) {
	case LETTER_ALTER: altered(n, l); break;
	case LETTER_PRODUCE: produced(n, l); break;
	default:
		if (l->answer)
			got(n, l);
		else
			asked_for(n, l);
	}
}

void store_boot(struct node *n)
{
	struct storage *s = &n->store;

	trace("%d: logappend starts", n->id);
	s->up = true;
	s->serving = false;
	s->life++;
	s->applied = 0;
	s->brokers.n = 0;
	meta_image_init(&s->image);
	if (n->elect.up)
		store_committed(n);
}

static void close_part(struct part *p)
{
	struct replica_wait *w;

	never(&p->sync);
	never(&p->tick);
	never(&p->check);
	never(&p->alter);
	if (!p->here)
		return;
	replica_offline(&p->step, WIRE_NOT_LEADER_OR_FOLLOWER);
	while ((w = replica_done(&p->step)))
		letter_drop(OF(w, struct letter, produce.wait));
	replica_free(&p->step);
	p->here = false;
}

void store_die(struct node *n)
{
	struct storage *s = &n->store;

	if (!s->up)
		return;
	trace("%d: logappend dies", n->id);
	s->up = false;
	never(&s->follow);
	for (int i = 0; i < PARTITIONS; i++)
		close_part(&s->parts[i]);
	for (int i = 0; i < NODES; i++) {
		unpark(s, i);
		never(&s->fetch[i]);
		s->fetching[i]++;
		s->fetch_out[i] = false;
	}
	meta_image_free(&s->image);
	if (n->elect.up)
		elect_hung_up(n);
}

void store_stop(struct node *n)
{
	for (int i = 0; i < PARTITIONS; i++) {
		struct part *p = &n->store.parts[i];

		p->synced = p->end;
		if (p->here)
			p->checkpoint = p->step.high_watermark;
	}
	store_die(n);
}

void store_lose(struct node *n)
{
	bool may = !world.flush_os || truth_can_lose(n);

	for (int i = 0; i < PARTITIONS; i++) {
		struct part *p = &n->store.parts[i];

		if (may && p->end > p->synced)
			p->end = between(p->synced, p->end);
		p->synced = p->end;
		p->page = (struct page_slot){ 0 };
		epochs_cut_end(&p->epochs, p->end);
	}
}
