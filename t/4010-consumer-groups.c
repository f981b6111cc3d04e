/* A group of the consumer protocol and its coordinator, simulated from a seed: members that beat,
 * are slow to give back, die, leave and come back, change what they subscribe to; answers that are
 * lost; topics that grow; a log that fails, a coordinator that is killed and loads what was
 * committed. After every event no two members that the coordinator knows have one partition. When
 * the faults stop, all partitions are had, each once, and all members are at rest.
 *
 *     SEED=n the first seed; COUNT=n seeds; TRACE=1 what happens
 */
#include "../cmd/groupcoord/consumer.h"
#include "groups.h"
#include "meta/record.h"

enum { CLIENTS = 6, TOPICS = 3, PARTITIONS_MAX = 16, STEPS = 1500, COUNT = 150, HELD_MAX = 256 };

struct client {
	char id[16], instance[16];
	bool alive, in, busy;           /* busy: waits for an answer */
	int32_t epoch;
	uint32_t life;                  /* and connection: of an older one it hears nothing */
	/* what it has, is told to have, and has last said that it has */
	bool has[TOPICS][PARTITIONS_MAX], told[TOPICS][PARTITIONS_MAX], said[TOPICS][PARTITIONS_MAX];
	bool says;                      /* it says so in what it waits for */
	bool subscribes[TOPICS], changed;
	int64_t next_ms;
};
struct held {
	size_t after;                   /* records */
	struct client *to;
	uint32_t life;
	int16_t error;
	int32_t epoch, asked;
	bool tells, told[TOPICS][PARTITIONS_MAX];
};

static struct world w;
static struct client clients[CLIENTS];
static struct held held[HELD_MAX];
static int held_n, ids;
static size_t committed_n;
static int32_t partitions[TOPICS];
static uint64_t seed, state;
static int64_t image_offset;
static long beats, moves, epochs, quiet;
static const char *const names[TOPICS] = {"t0", "t1", "t2"};

static uint64_t chance(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state * 0x2545F4914F6CDD1DULL >> 11) % below;
}

__attribute__((format(printf, 1, 2), noreturn)) static void wrong(const char *format, ...)
{
	va_list args;
	printf("not ok 1 - seed %llu: ", (unsigned long long)seed);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n1..1\n# SEED=%llu COUNT=1 TRACE=1 shows how\n", (unsigned long long)seed);
	fflush(stdout);
	exit(1);
}

static bool tracing;
static void trace(const struct client *c, const char *what, int32_t epoch,
                  const bool parts[TOPICS][PARTITIONS_MAX])
{
	if (!tracing)
		return;
	printf("# %8lld %s %s %d", (long long)w.step.now_ms, c ? c->id : "-", what, epoch);
	for (int t = 0; parts && t < TOPICS; t++)
		for (int p = 0; p < PARTITIONS_MAX; p++)
			if (parts[t][p])
				printf(" %d-%d", t, p);
	putchar('\n');
}

static struct consumer *group(void)
{
	struct group *g = groups_find(&w.groups, span_of("g"));
	return consumer_is(g) ? consumer_of(g) : NULL;
}

/* --- topics --- */

static struct uuid topic_id(int t)
{
	return (struct uuid){{9, (uint8_t)t}};
}

static void put(int type, const void *record)
{
	struct buf b = {0};
	if (meta_record_encode(&b, type, 0, record) < 0 ||
	    meta_apply(&w.image, (struct span){(char *)b.p, (int32_t)b.n}, image_offset++, 1))
		abort();
	buf_free(&b);
}

static void grow(int t, int32_t to)
{
	struct topic_record topic;
	struct partition_record p;
	int32_t self = 1;
	wire_init(&wire_topic_record, &topic);
	wire_init(&wire_partition_record, &p);
	topic.name = span_of(names[t]);
	topic.topic_id = p.topic_id = topic_id(t);
	if (!partitions[t])
		put(2, &topic);
	p.replicas = p.isr = &self;
	p.replicas_n = p.isr_n = 1;
	p.leader = 1;
	for (; partitions[t] < to; partitions[t]++) {
		p.partition_id = partitions[t];
		put(3, &p);
	}
	w.step.partition = -1;
	groups_image_changed(&w.groups, &w.step);
}

/* --- members --- */

static void born(struct client *c)
{
	uint32_t life = c->life + 1;
	char instance[16];
	bool subscribes[TOPICS];
	memcpy(instance, c->instance, sizeof instance);
	memcpy(subscribes, c->subscribes, sizeof subscribes);
	*c = (struct client){.alive = true, .life = life, .next_ms = w.step.now_ms};
	memcpy(c->instance, instance, sizeof instance);
	memcpy(c->subscribes, subscribes, sizeof subscribes);
	snprintf(c->id, sizeof c->id, "m%04d", ids++);
}

static void abandon(struct client *c)
{
	memset(c->has, 0, sizeof c->has);
	memset(c->told, 0, sizeof c->told);
	c->in = false;
	c->epoch = 0;
}

static void on_answer(struct world *world, const struct asker *to, const struct wire_type *t,
                      const void *response)
{
	const struct consumer_group_heartbeat_response *r = response;
	assert(held_n < HELD_MAX);
	struct held *h = &held[held_n++];
	*h = (struct held){.after = w.log_n, .to = &clients[to->from.place],
	                   .life = to->from.generation, .error = r->error_code,
	                   .epoch = r->member_epoch, .asked = (int32_t)to->from.tag,
	                   .tells = r->assignment};
	for (int32_t i = 0; r->assignment && i < r->assignment->topic_partitions_n; i++)
		for (int32_t j = 0; j < r->assignment->topic_partitions[i].partitions_n; j++)
			h->told[r->assignment->topic_partitions[i].topic_id.b[1]]
			       [r->assignment->topic_partitions[i].partitions[j]] = true;
}

static void hear(struct client *c, const struct held *h)
{
	c->busy = false;
	c->next_ms = w.step.now_ms + 5000;
	trace(c, wire_error_name(h->error), h->epoch, h->tells ? h->told : NULL);
	if (h->error) {
		abandon(c);
		c->next_ms = w.step.now_ms + (int64_t)chance(1000);
		return;
	}
	epochs += h->epoch != c->epoch;
	if (h->asked && h->epoch < c->epoch)
		wrong("%s: epoch %d after %d", c->id, h->epoch, c->epoch);
	c->in = true;
	c->epoch = h->epoch;
	if (h->tells)
		memcpy(c->told, h->told, sizeof c->told);
}

static void send_beat(struct client *c, int32_t epoch)
{
	typedef struct consumer_group_heartbeat_request_topic_partitions topic;
	struct span subscribed[TOPICS];
	topic owned[TOPICS];
	int32_t numbers[TOPICS][PARTITIONS_MAX];
	struct consumer_group_heartbeat_request in;
	struct asker a = {.from = {.place = (uint32_t)(c - clients), .generation = c->life,
	                           .tag = (uint32_t)epoch},
	                  .key = 68, .version = 1, .client_id = span_of("c"),
	                  .host = span_of("h"), .principal = span_of("User:ANONYMOUS")};
	bool full = epoch == 0 || c->changed || c->busy || chance(10) == 0;
	if (c->busy)
		a.from.generation = ++c->life;          /* on another connection */
	wire_init(&wire_consumer_group_heartbeat_request, &in);
	in.group_id = span_of("g");
	in.member_id = span_of(c->id);
	in.member_epoch = epoch;
	in.instance_id = c->instance[0] ? span_of(c->instance) : SPAN_NULL;
	if (full && epoch >= 0) {
		in.rebalance_timeout_ms = 30000;
		in.subscribed_topic_names = subscribed;
		in.subscribed_topic_names_n = 0;
		for (int t = 0; t < TOPICS; t++)
			if (c->subscribes[t])
				subscribed[in.subscribed_topic_names_n++] = span_of(names[t]);
	}
	c->says = epoch >= 0 && (full || memcmp(c->has, c->said, sizeof c->has));
	if (c->says) {
		memcpy(c->said, c->has, sizeof c->has);
		in.topic_partitions = owned;
		in.topic_partitions_n = 0;
		for (int t = 0; t < TOPICS && epoch; t++) {
			topic *o = &owned[in.topic_partitions_n];
			*o = (topic){.topic_id = topic_id(t), .partitions = numbers[t]};
			for (int p = 0; p < PARTITIONS_MAX; p++)
				if (c->has[t][p])
					numbers[t][o->partitions_n++] = p;
			in.topic_partitions_n += o->partitions_n > 0;
		}
	}
	trace(c, in.topic_partitions_n < 0 ? "beats" : "beats, has", epoch, c->has);
	c->changed = false;
	c->busy = true;
	c->next_ms = w.step.now_ms + 10000;     /* and then it tries again */
	beats++;
	world_run(&w, consumer_heartbeat, &a, &in);
}

/* --- the log and the coordinator --- */

static void check(void)
{
	for (int t = 0; t < TOPICS; t++)
		for (int p = 0; p < partitions[t]; p++) {
			const struct client *owner = NULL;
			for (int i = 0; i < CLIENTS; i++) {
				const struct client *c = &clients[i];
				if (!c->alive || !c->has[t][p] || !group() ||
				    !consumer_member_of(group(), span_of(c->id)))
					continue;
				if (owner)
					wrong("%s-%d is had by %s and %s", names[t], p, owner->id,
					      c->id);
				owner = c;
			}
		}
}

static void commit(void)
{
	committed_n = w.log_n;
	for (int i = 0; i < held_n; i++)
		if (held[i].to->alive && held[i].to->life == held[i].life && held[i].to->busy &&
		    (quiet || chance(25)))
			hear(held[i].to, held + i);
	held_n = 0;
}

/* What was not committed is gone, and with it the answers that waited for it. */
static void lose(void)
{
	for (size_t i = committed_n; i < w.log_n; i++) {
		buf_free(&w.log[i].key);
		buf_free(&w.log[i].value);
	}
	w.log_n = committed_n;
	held_n = 0;
	moves++;
	trace(NULL, "loses and loads", 0, NULL);
	world_unload(&w);
	world_load(&w);
}

/* --- events --- */

static void fault(void)
{
	struct client *c = &clients[chance(CLIENTS)];
	switch (chance(7)) {
	case 0:
		c->alive = false;
		return;
	case 1:
	case 2:
		if (!c->alive)
			born(c);
		return;
	case 3:
		if (c->alive && c->in)
			send_beat(c, c->instance[0] && chance(2) ? -2 : -1);
		c->alive = false;
		return;
	case 4:
		c->subscribes[chance(TOPICS)] ^= true;
		c->changed = true;
		return;
	case 5:
		lose();
		return;
	case 6:
		if (chance(4) == 0) {
			int t = (int)chance(TOPICS);
			grow(t, partitions[t] < PARTITIONS_MAX ? partitions[t] + 1 : PARTITIONS_MAX);
		}
	}
}

static void step(bool faults)
{
	world_sleep(&w, (int64_t)chance(faults ? 900 : 400));
	for (int i = 0; i < CLIENTS; i++) {
		struct client *c = &clients[i];
		if (!c->alive)
			continue;
		/* It gives back and takes, and tells at once that it has. Not while it says
		 * otherwise: what it says that it has not may be another's now. */
		if (memcmp(c->has, c->told, sizeof c->has) && !(c->busy && c->says) &&
		    (!faults || chance(6) == 0)) {
			memcpy(c->has, c->told, sizeof c->has);
			c->next_ms = c->busy ? c->next_ms : w.step.now_ms;
		}
		if (c->next_ms <= w.step.now_ms)
			send_beat(c, c->epoch);
		check();
	}
	if (!faults || chance(3) == 0)
		commit();
	if (faults && chance(12) == 0)
		fault();
	check();
}

static void check_rest(void)
{
	for (int t = 0; t < TOPICS; t++)
		for (int p = 0; p < partitions[t]; p++) {
			int owners = 0, readers = 0;
			for (int i = 0; i < CLIENTS; i++) {
				owners += clients[i].alive && clients[i].has[t][p];
				readers += clients[i].alive && clients[i].subscribes[t];
			}
			if (owners != (readers > 0))
				wrong("at rest %s-%d has %d owners of %d readers", names[t], p,
				      owners, readers);
		}
	const char *is = group() ? group()->group->kind->state(group()->group) : "none";
	int alive = 0;
	for (int i = 0; i < CLIENTS; i++)
		alive += clients[i].alive;
	if (strcmp(is, alive ? "Stable" : "Empty"))
		wrong("at rest with %d members it is %s", alive, is);
}

static void life(void)
{
	state = seed * 2 + 1;
	world_init(&w);
	meta_image_init(&w.image);
	meta_image_feature(&w.image, span_of("group.version"), 1);
	w.answer = on_answer;
	w.settings.consumer_assignors = chance(2) ? "uniform" : "range";
	w.randomness = seed + 1;
	memset(clients, 0, sizeof clients);
	memset(partitions, 0, sizeof partitions);
	held_n = ids = 0;
	committed_n = 0;
	image_offset = 0;
	quiet = 0;
	for (int t = 0; t < TOPICS; t++)
		grow(t, 1 + (int32_t)chance(8));
	for (int i = 0; i < CLIENTS; i++) {
		bool same = chance(2);
		if (chance(3) == 0)
			snprintf(clients[i].instance, sizeof clients[i].instance, "i%d", i);
		for (int t = 0; t < TOPICS; t++)
			clients[i].subscribes[t] = same || chance(2);
		born(&clients[i]);
	}
	for (int i = 0; i < STEPS; i++)
		step(true);
	for (quiet = 1; quiet < 1500; quiet++)
		step(false);
	check_rest();
	lose();
	check_rest();
	world_free(&w);
	meta_image_free(&w.image);
}

int main(void)
{
	uint64_t first = tap_seed();
	tracing = getenv("TRACE");
	int count = getenv("COUNT") ? atoi(getenv("COUNT")) : COUNT;
	for (int i = 0; i < count; i++) {
		seed = first + (uint64_t)i;
		life();
	}
	ok(true, "%d lives: %ld heartbeats, %ld epochs, %ld times loaded", count, beats, epochs,
	   moves);
	return done_testing();
}
