/* The in-sync sets that partitions want, asked of the controller through elect: one AlterPartition
 * at a time, all that is wanted meanwhile goes into the next (Kafka's AlterPartitionManager). */
#include <stdlib.h>

#include "base/buf.h"
#include "daemon.h"
#include "wire/api.h"
#include "wire/codes.h"

enum {
	ALTER_PARTITION = 56, VERSION = 3,
	AT_ONCE = 2000,            /* partitions of one request */
	ANSWER_MS = 30000,
	RETRY_MS = 50,
	DECODED_MOST = 16 << 20,
};

typedef struct alter_partition_request_partition_data change;
typedef struct alter_partition_response_partition_data answer;

static struct {
	struct uuid topic_id;
	int32_t index;
	uint32_t asked;            /* the step's number of the proposal */
} sent[AT_ONCE];
static int sent_n;                 /* in the request that is out; 0: none is */
static struct partition *wanted;
static int64_t pause_until;
static struct arena arena;

void insync_note(struct partition *p)
{
	if (p->isr_wanted || p->step.asking != REPLICA_WANTED)
		return;
	p->isr_wanted = true;
	p->next_isr = wanted;
	wanted = p;
}

void insync_forget(struct partition *p)
{
	for (struct partition **at = &wanted; *at; at = &(*at)->next_isr) {
		if (*at != p)
			continue;
		*at = p->next_isr;
		break;
	}
	p->isr_wanted = false;
}

static void *get(size_t n)
{
	void *p = arena_get(&arena, n + 1);
	if (!p)
		abort();    /* what the step believes to be asked for would never be */
	return p;
}

/* --- the answer ------------------------------------------------------------------------------- */

static void settle(int i, int error, const struct replica_assignment *a)
{
	struct partition *p = partition_known(&sent[i].topic_id, sent[i].index);
	if (!p)
		return;
	replica_isr_answered(&p->step, sent[i].asked, error, a);
	partition_touch(p);
}

static const answer *in_topic(const struct alter_partition_response_topic_data *t, int i)
{
	for (int32_t k = 0; uuid_same(&sent[i].topic_id, &t->topic_id) && k < t->partitions_n; k++)
		if (t->partitions[k].partition_index == sent[i].index)
			return &t->partitions[k];
	return NULL;
}

static const answer *find(const struct alter_partition_response *in, int i)
{
	const answer *a = i < in->topics_n ? in_topic(&in->topics[i], i) : NULL;
	for (int32_t t = 0; !a && t < in->topics_n; t++)
		a = in_topic(&in->topics[t], i);
	return a;
}

static void settle_all(const struct alter_partition_response *in)
{
	for (int i = 0; i < sent_n; i++) {
		const answer *a = find(in, i);
		struct replica_assignment now = {0};
		if (a)
			now = (struct replica_assignment){
				.epoch = a->leader_epoch, .partition_epoch = a->partition_epoch,
				.isr = a->isr, .isr_n = a->isr_n,
			};
		settle(i, a ? a->error_code : WIRE_UNKNOWN_SERVER_ERROR, &now);
	}
}

/* A controller that cannot be reached, or says no to the whole request, is asked again. */
static int decode(const struct port_reply *r, struct alter_partition_response *in)
{
	int32_t correlation;
	if (r->failed || r->kind != PORT_BYTES)
		return -1;
	int head = wire_response_parse(ALTER_PARTITION, VERSION, r->bytes.p, (size_t)r->bytes.n,
	                               &correlation);
	if (head < 0)
		return -1;
	arena_reset(&arena);
	arena.limit = DECODED_MOST;
	int64_t n = wire_decode(&wire_alter_partition_response, VERSION, r->bytes.p + head,
	                        (size_t)(r->bytes.n - head), &arena, in);
	arena.limit = 0;
	return n < 0 || in->error_code ? -1 : 0;
}

static void nothing(void *arg)
{
}

static void pause_now(void)
{
	static struct port_timer next_turn = {.fn = nothing};
	pause_until = port_now_ms() + RETRY_MS;
	port_timer_set(node.loop, &next_turn, pause_until);
}

static void answered(void *arg, const struct port_reply *r)
{
	struct alter_partition_response in;
	if (decode(r, &in) == 0)
		settle_all(&in);
	else
		for (int i = 0; i < sent_n; i++)
			settle(i, WIRE_NETWORK_EXCEPTION, NULL);
	for (int i = 0; i < sent_n; i++) {
		struct partition *p = partition_known(&sent[i].topic_id, sent[i].index);
		if (p && p->step.asking == REPLICA_WANTED && p->step.asked == sent[i].asked)
			pause_now();
	}
	sent_n = 0;
}

/* --- the request ------------------------------------------------------------------------------ */

static void put(struct partition *p, int64_t broker_epoch,
                struct alter_partition_request_topic_data *t)
{
	int room = p->step.members_n + 1;
	struct replica_in_sync *v = get((size_t)room * sizeof *v);
	int n = replica_isr_proposal(&p->step, v);
	change *c = get(sizeof *c);
	wire_init(&wire_alter_partition_request_partition_data, c);
	c->partition_index = p->key.index;
	c->leader_epoch = p->step.epoch;
	c->partition_epoch = p->step.partition_epoch;
	c->anew = replica_isr_anew(&p->step);
	c->new_isr_with_epochs = get((size_t)n * sizeof *c->new_isr_with_epochs);
	c->new_isr_with_epochs_n = n;
	for (int i = 0; i < n; i++) {
		wire_init(&wire_alter_partition_request_broker_state, &c->new_isr_with_epochs[i]);
		c->new_isr_with_epochs[i].broker_id = v[i].id;
		c->new_isr_with_epochs[i].broker_epoch = i ? v[i].broker_epoch : broker_epoch;
	}
	wire_init(&wire_alter_partition_request_topic_data, t);
	t->topic_id = p->key.topic_id;
	t->partitions = c;
	t->partitions_n = 1;
	sent[sent_n].topic_id = p->key.topic_id;
	sent[sent_n].index = p->key.index;
	sent[sent_n++].asked = replica_isr_sent(&p->step);
}

static void take_wanted(struct alter_partition_request *out)
{
	out->topics = get(AT_ONCE * sizeof *out->topics);
	out->topics_n = 0;
	for (struct partition *p; (p = wanted) && sent_n < AT_ONCE;) {
		wanted = p->next_isr;
		p->isr_wanted = false;
		if (p->step.asking == REPLICA_WANTED)
			put(p, out->broker_epoch, &out->topics[out->topics_n++]);
	}
}

static int send(const struct alter_partition_request *out)
{
	struct buf b = {0};
	int bad = wire_request_header(&b, ALTER_PARTITION, VERSION, 0, span_of("logappend")) < 0
		|| wire_encode(&wire_alter_partition_request, VERSION, out, &b, NULL) < 0
		|| port_ask(meta_follow_peer(node.follow), WIRE_LOCAL, span_of(""), span_of(""), b.p,
		            b.n, port_now_ms() + ANSWER_MS, answered, NULL) < 0;
	buf_free(&b);
	return bad ? -1 : 0;
}

void insync_turn(void)
{
	struct alter_partition_request out;
	const struct meta_broker *me = meta_broker(node.image, node.me.id);
	if (!wanted || sent_n || node.stopping || !me || port_now_ms() < pause_until)
		return;
	arena_reset(&arena);
	wire_init(&wire_alter_partition_request, &out);
	out.broker_id = node.me.id;
	out.broker_epoch = me->epoch;
	take_wanted(&out);
	if (sent_n && send(&out) < 0) {
		static const struct port_reply lost = {.failed = true};
		answered(NULL, &lost);
	}
}
