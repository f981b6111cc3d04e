/* A group and its coordinator, simulated from a seed: clients as state machines that follow Java's
 * and librdkafka's rules, a network that delays and breaks, clients that die, stall, leave and come
 * back, a log that is slow or fails, a coordinator that is killed or moves and loads what was
 * committed. After every event:
 *     - in a generation a partition has one owner, told in answers or recorded;
 *     - generations that are recorded only grow;
 *     - no phase of a rebalance lasts longer than the rebalance timeout;
 *     - committed offsets are there, and never go back;
 *     - what the group knows of its members fits together.
 * When the faults stop, all members own all partitions, each once, and go on from where they were.
 *
 *     SEED=n the first seed; COUNT=n seeds; TRACE=1 what happens
 */
#include "../cmd/groupcoord/offsets.h"
#include "classic.h"
#include "groups.h"

enum {
	CLIENTS = 7, PARTITIONS = 9, GENERATIONS = 512, KEYS = 80,
	QUIET_MS = 200000,          /* after the faults: more than any two timeouts */
	COMMIT_VERSION = 8, FETCH_VERSION = 7,
	COUNT = 400
};

/* --- chance, time, events --- */

static uint64_t seed, chance_state;
static bool tracing;
static int64_t clock_ms;

static uint64_t chance(uint64_t below)
{
	chance_state ^= chance_state << 13;
	chance_state ^= chance_state >> 7;
	chance_state ^= chance_state << 17;
	return (chance_state * 0x2545F4914F6CDD1DULL >> 11) % below;
}

static int64_t between(int64_t least, int64_t most)
{
	return least + (int64_t)chance((uint64_t)(most - least + 1));
}

__attribute__((format(printf, 1, 2))) static void trace(const char *format, ...)
{
	va_list args;

	if (!tracing)
		return;
	printf("# %7lld ", (long long)clock_ms);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

__attribute__((format(printf, 1, 2), noreturn)) static void wrong(const char *format, ...)
{
	va_list args;

	printf("not ok 1 - seed %llu, after %lld ms: ", (unsigned long long)seed,
	       (long long)clock_ms);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n1..1\n# SEED=%llu COUNT=1 TRACE=1 shows how\n", (unsigned long long)seed);
	fflush(stdout);
	exit(1);
}

static struct heap events;
struct event {
	struct heap_node node;
	void (*fn)(struct event *);
};

static void at(struct event *e, int64_t when, void (*fn)(struct event *))
{
	e->fn = fn;
	if (heap_set(&events, &e->node, when) < 0)
		abort();
}

/* --- the cluster --- */

enum phase { AWAY, IDLE, JOINING, SYNCING, WORKING };
struct client {
	struct event wake;
	int n;
	char name[16];              /* the instance id of a static one */
	bool alive, is_static, old; /* old: JoinGroup before version 4 */
	bool stalled;
	int64_t stalled_until, dies_until;
	uint32_t connection;        /* grows: what was sent on an older one is lost */
	int64_t last_sent, last_got;        /* arrivals are in order */
	enum phase phase;
	char id[64];
	int32_t generation, worked;         /* worked: the last one it had an assignment of */
	uint32_t waits_for;         /* tag of JoinGroup or SyncGroup; 0 none */
	uint32_t fetch;             /* tag of OffsetFetch */
	uint32_t sync_tag;          /* the last SyncGroup, and who sent it */
	char sync_key[KEYS];
	int64_t deadline, next_try, next_beat, next_commit, fetch_deadline;
	int32_t session_ms, rebalance_ms;
	bool owns[PARTITIONS], known[PARTITIONS];
	int64_t position[PARTITIONS];
	char flavour;               /* part of the subscription; a change makes it join again */
	bool joins_again;
	int32_t withheld;           /* the generation in which it gave out less than all */
	int64_t asks_again;
};
static struct client clients[CLIENTS];
static bool cooperative, faults;

struct message {
	struct event event;
	struct client *client;
	uint32_t connection;
	struct asker asker;         /* of a request */
	const struct wire_type *type;
	int version;
	struct buf bytes;
	bool is_response;
};

struct held {                       /* an answer, or a request to run again: it waits for records */
	struct held *next;
	size_t after;
	bool again;
	struct message *m;
};

static struct world w;
static struct meta_topic topic;
static struct meta_partition topic_partitions[PARTITIONS];
static bool loaded;
static size_t committed_n;          /* records */
static struct event commit_event, load_event, tick_event, fault_event;
static struct held *held_first, **held_last = &held_first;
static bool must_reload;

/* what is true, kept apart from the code under test */
static char owner_of[GENERATIONS][PARTITIONS][KEYS];
static int64_t model_offset[PARTITIONS];
static int32_t recorded_generation, synced_generation;
static enum classic_state phase_was;
static int64_t phase_since, phase_most;
static int32_t phase_generation;
static long stat_generations, stat_commits, stat_moves, stat_events;

static struct group *the_group(void)
{
	return groups_find(&w.groups, span_of("g"));
}

static void deliver(struct event *);
static void schedule_tick(void);
static void after_step(void);

static void post(struct client *c, struct message *m, bool is_response)
{
	int64_t *last = is_response ? &c->last_got : &c->last_sent;
	int64_t when = clock_ms + between(0, chance(20) ? 5 : 400);

	m->client = c;
	m->is_response = is_response;
	when = when > *last ? when : *last + 1;
	*last = when;
	at(&m->event, when, deliver);
}

static void message_free(struct message *m)
{
	heap_del(&events, &m->event.node);
	buf_free(&m->bytes);
	free(m);
}

/* --- answers, held until committed --- */

/* Who a member is over restarts: static members keep their partitions under a new id. */
static void key_of(const struct client *c, char key[KEYS])
{
	snprintf(key, KEYS, "%s", c->is_static ? c->name : c->id);
}

static void own(int32_t generation, int p, const char *key)
{
	char *is = owner_of[generation % GENERATIONS][p];

	if (is[0] && strcmp(is, key))
		wrong("generation %d: partition %d is %s's and %s's", generation, p, is, key);
	snprintf(is, KEYS, "%s", key);
}

static void owns_by_assignment(int32_t generation, struct span assignment, const char *key)
{
	for (int i = 0; i < assignment.n; i++)
		own(generation, assignment.p[i], key);
}

static void run_request(struct message *m, bool second);

static void release(struct held *h)
{
	struct message *m = h->m;

	if (h->again) {
		free(h);
		run_request(m, true);
		message_free(m);
		return;
	}

	if (m->type == &wire_sync_group_response) {
		struct arena a = { 0 };
		struct sync_group_response r;
		const struct group *g = the_group();

		if (wire_decode(m->type, m->version, m->bytes.p, m->bytes.n, &a, &r) < 0)
			abort();
		if (!r.error_code && g && g->kind == &group_classic
		    && m->asker.from.tag == m->client->sync_tag) {
			if (recorded_generation < synced_generation)
				wrong("an assignment of generation %d after one of %d",
				      recorded_generation, synced_generation);
			synced_generation = recorded_generation;
			owns_by_assignment(recorded_generation, r.assignment,
			                   m->client->sync_key);
		}
		arena_free(&a);
	}
	post(m->client, m, true);
	free(h);
}

static void release_committed(void)
{
	while (held_first && held_first->after <= committed_n) {
		struct held *h = held_first;

		held_first = h->next;
		if (!held_first)
			held_last = &held_first;
		release(h);
	}
}

static void drop_held(void)
{
	while (held_first) {
		struct held *h = held_first;

		held_first = h->next;
		message_free(h->m);
		free(h);
	}
	held_last = &held_first;
}

static long parked;                 /* JoinGroup and SyncGroup requests without an answer */

static void hold(struct held *h)
{
	h->after = w.log_n;
	*held_last = h;
	held_last = &h->next;
}

static void on_answer(struct world *world, const struct asker *to, const struct wire_type *t,
                      const void *response)
{
	struct client *c = &clients[to->from.place];
	struct held *h = calloc(1, sizeof *h);
	struct message *m = calloc(1, sizeof *m);

	m->client = c;
	m->connection = to->from.generation;
	m->asker = *to;
	m->type = t;
	m->version = to->version;
	if (wire_encode(t, to->version, response, &m->bytes, NULL) < 0)
		abort();
	parked -= loaded && (to->key == 11 || to->key == 14);
	h->m = m;
	if (loaded)
		hold(h);
	else {                      /* it can only say so */
		post(c, m, true);
		free(h);
	}
}

static bool asked_again;

static void on_again(struct world *world, const struct asker *who)
{
	asked_again = true;
}

/* --- the log --- */

static void on_commit(struct event *e);
static void lose(bool killed);

static void on_record(struct world *world, const struct kept_record *r)
{
	if (commit_event.node.place)
		return;
	at(&commit_event, clock_ms + (chance(30) ? between(0, 20) : between(100, 4000)), on_commit);
}

static void check_group_record(const struct group_metadata_value *v)
{
	if (!v)
		return;
	if (v->generation < recorded_generation)
		wrong("generation %d is recorded after %d", v->generation, recorded_generation);
	recorded_generation = v->generation;
	for (int32_t i = 0; i < v->members_n; i++) {
		char key[KEYS];

		span_z(v->members[i].group_instance_id.n >= 0 ? v->members[i].group_instance_id
		                                              : v->members[i].member_id, key, KEYS);
		owns_by_assignment(v->generation, v->members[i].assignment, key);
	}
}

static void settle(size_t i, bool good)
{
	struct replayed r;

	world_decode(&w, &w.log[i], &r);
	r.offset = (int64_t)i;
	if (r.type == RECORD_OFFSET_COMMIT) {
		const struct offset_commit_key *k = r.key;
		const struct offset_commit_value *v = r.value;

		if (good) {
			if (v->offset < model_offset[k->partition])
				wrong("partition %d: %lld is committed after %lld", k->partition,
				      (long long)v->offset, (long long)model_offset[k->partition]);
			model_offset[k->partition] = v->offset;
			stat_commits++;
		}
		offsets_settled(&w.groups, PARTITION, &r, good);
	} else if (good)
		check_group_record(r.value);
	else
		must_reload = true;
	arena_reset(&w.arena);
}

/* All of it is committed, or fails: then what was recorded of groups is not true any more. */
static void on_commit(struct event *e)
{
	bool good = !faults || chance(60);
	size_t from = committed_n, n = w.log_n;

	if (good)
		committed_n = n;
	for (size_t i = from; i < n; i++)
		settle(i, good);
	if (good) {
		release_committed();
		after_step();
		return;
	}
	trace("%zu records fail", n - from);
	/* Answers that waited are errors: the clients see closed connections here. Requests that
	 * waited for the outcome are lost with the connections. */
	drop_held();
	for (size_t i = from; i < n; i++) {
		buf_free(&w.log[i].key);
		buf_free(&w.log[i].value);
	}
	w.log_n = from;
	for (int i = 0; i < CLIENTS; i++)
		clients[i].connection++;
	/* At once: what is in memory is not true any more. */
	if (must_reload)
		lose(false);
	must_reload = false;
	after_step();
}

/* --- the coordinator --- */

static void on_load(struct event *e)
{
	trace("loaded from %zu records", w.log_n);
	loaded = true;
	world_load(&w);
	for (int p = 0; p < PARTITIONS; p++) {
		const struct group *g = the_group();
		const struct committed *c = g ? offsets_find(g, span_of("t"), p) : NULL;

		if (model_offset[p] >= 0 && (!c || c->offset != model_offset[p]))
			wrong("partition %d: %lld was committed and is lost", p,
			      (long long)model_offset[p]);
	}
	phase_was = -1;
	after_step();
}

/* It moves, and says so; or it is killed. What was not committed may be in the log or not. */
static void lose(bool killed)
{
	size_t keep = committed_n + chance(w.log_n - committed_n + 1);

	if (!loaded)
		return;
	stat_moves++;
	trace("%s, %zu of %zu records stay", killed ? "killed" : "moves", keep, w.log_n);
	for (size_t i = keep; i < w.log_n; i++) {
		buf_free(&w.log[i].key);
		buf_free(&w.log[i].value);
	}
	w.log_n = keep;
	heap_del(&events, &commit_event.node);
	drop_held();
	loaded = false;
	parked = 0;
	if (killed) {
		groups_free(&w.groups);
		groups_init(&w.groups);
		for (int i = 0; i < CLIENTS; i++)
			clients[i].connection++;
	} else
		world_unload(&w);
	for (; committed_n < keep; committed_n++) {
		struct replayed r;

		world_decode(&w, &w.log[committed_n], &r);
		if (r.type == RECORD_GROUP)
			check_group_record(r.value);
		else
			model_offset[((const struct offset_commit_key *)r.key)->partition] =
				((const struct offset_commit_value *)r.value)->offset;
		arena_reset(&w.arena);
	}
	at(&load_event, clock_ms + between(1, 1500), on_load);
	schedule_tick();
}

static void refuse(const struct asker *who, int error)
{
	struct join_group_response join;
	struct sync_group_response sync;
	struct heartbeat_response beat;
	struct leave_group_response leave;

	wire_init(&wire_join_group_response, &join);
	wire_init(&wire_sync_group_response, &sync);
	wire_init(&wire_heartbeat_response, &beat);
	wire_init(&wire_leave_group_response, &leave);
	join.error_code = sync.error_code = beat.error_code = leave.error_code = (int16_t)error;
	if (who->key == 11)
		on_answer(&w, who, &wire_join_group_response, &join);
	else if (who->key == 14)
		on_answer(&w, who, &wire_sync_group_response, &sync);
	else if (who->key == 12)
		on_answer(&w, who, &wire_heartbeat_response, &beat);
	else if (who->key == 13)
		on_answer(&w, who, &wire_leave_group_response, &leave);
	/* commits and fetches time out */
}

static step_fn *step_of(int key)
{
	switch (key) {
	case 8:
		return offset_commit;
	case 9:
		return offset_fetch;
	case 11:
		return classic_join;
	case 12:
		return classic_heartbeat;
	case 13:
		return classic_leave;
	default:
		return classic_sync;
	}
}

static void run_request(struct message *m, bool second)
{
	struct arena a = { 0 };
	void *in = calloc(1, wire_type_size(m->type));

	if (wire_decode(m->type, m->version, m->bytes.p, m->bytes.n, &a, in) < 0)
		abort();
	asked_again = false;
	parked += m->asker.key == 11 || m->asker.key == 14;
	w.step.second = second;
	world_run(&w, step_of(m->asker.key), &m->asker, in);
	w.step.second = false;
	if (asked_again) {
		struct held *h = calloc(1, sizeof *h);

		h->m = calloc(1, sizeof *h->m);
		*h->m = *m;
		h->m->bytes = (struct buf){ 0 };
		buf_add(&h->m->bytes, m->bytes.p, m->bytes.n);
		h->m->event = (struct event){ 0 };
		h->again = true;
		hold(h);
	}
	free(in);
	arena_free(&a);
}

static void on_request(struct message *m)
{
	if (!loaded) {
		refuse(&m->asker, chance(2) ? WIRE_NOT_COORDINATOR
		                            : WIRE_COORDINATOR_LOAD_IN_PROGRESS);
		return;
	}
	run_request(m, false);
	after_step();
}

static void on_tick(struct event *e)
{
	world_tick(&w);
	after_step();
}

static void schedule_tick(void)
{
	int64_t due = groups_due(&w.groups);

	if (due == INT64_MAX || !loaded)
		heap_del(&events, &tick_event.node);
	else
		at(&tick_event, due > clock_ms ? due : clock_ms, on_tick);
}

/* --- what must hold --- */

static void check_members(const struct group *g)
{
	long waiting = classic_whole(g, wrong);

	if (waiting != parked)
		wrong("%ld requests have no answer, %ld wait for one", parked, waiting);
}

/* Each phase has a timer; only static members that are away, all of them, may begin it again. */
static void check_phase(const struct group *g)
{
	const struct classic *c = classic_of(g);
	bool same = c->state == phase_was && c->generation == phase_generation;

	if (!same) {
		stat_generations += c->generation > phase_generation;
		phase_was = c->state;
		phase_generation = c->generation;
		phase_since = clock_ms;
		phase_most = classic_rebalance_timeout(g);
		if (c->state == CLASSIC_PREPARING && c->before == CLASSIC_EMPTY
		    && phase_most < w.settings.initial_rebalance_delay)
			phase_most = w.settings.initial_rebalance_delay;
		if (tracing)
			trace("%s, generation %d, %zu members", g->kind->state(g), c->generation,
			      c->members.n);
	}
	if (c->state == CLASSIC_EMPTY || (c->state == CLASSIC_STABLE && !c->owing_n))
		return;
	if (c->state == CLASSIC_PREPARING && !c->joining_n && clock_ms - phase_since == phase_most) {
		phase_since = clock_ms;
		phase_most = classic_rebalance_timeout(g);
	}
	if (clock_ms - phase_since > phase_most)
		wrong("%s for %lld ms, %lld are allowed", g->kind->state(g),
		      (long long)(clock_ms - phase_since), (long long)phase_most);
}

static void after_step(void)
{
	const struct group *g = the_group();

	stat_events++;
	release_committed();
	schedule_tick();
	if (!loaded || !g)
		return;
	for (int p = 0; p < PARTITIONS; p++) {
		const struct committed *o = offsets_find(g, span_of("t"), p);

		if ((o ? o->offset : -1) != model_offset[p])
			wrong("partition %d: offset %lld, %lld was committed", p,
			      (long long)(o ? o->offset : -1), (long long)model_offset[p]);
	}
	if (g->kind != &group_classic)
		return;
	check_members(g);
	check_phase(g);
}

/* --- clients --- */

static void client_wakes(struct event *);
static uint32_t next_tag = 1;

static struct message *request(struct client *c, int key, int version, const struct wire_type *t,
                               const void *in)
{
	struct message *m = calloc(1, sizeof *m);

	m->type = t;
	m->version = version;
	m->connection = c->connection;
	m->asker = (struct asker){
		.from = { .place = (uint32_t)c->n, .generation = c->connection, .tag = next_tag++ },
		.key = (int16_t)key, .version = (int16_t)version, .client_id = span_of("c"),
		.host = span_of("h"), .principal = span_of("User:ANONYMOUS"),
	};
	if (wire_encode(t, version, in, &m->bytes, NULL) < 0)
		abort();
	post(c, m, false);
	return m;
}

static void reconnect(struct client *c)
{
	c->connection++;
	c->waits_for = c->fetch = 0;
	c->next_try = clock_ms + between(1, 100);
	if (c->phase == JOINING || c->phase == SYNCING)
		c->phase = IDLE;
}

/* The subscription: flavour, and under the cooperative protocol what it owns and since when. */
static struct span subscription(const struct client *c, char out[64])
{
	int n = 0;

	out[n++] = c->flavour;
	if (cooperative) {
		out[n++] = (char)(c->generation >> 8);
		out[n++] = (char)c->generation;
		for (int p = 0; p < PARTITIONS; p++)
			if (c->owns[p])
				out[n++] = (char)p;
	}
	return (struct span){ out, n };
}

static void send_join(struct client *c)
{
	char text[64];
	classic_wanted p[2];
	struct join_group_request in;

	wire_init(&wire_join_group_request, &in);
	in.group_id = span_of("g");
	in.session_timeout_ms = c->session_ms;
	in.rebalance_timeout_ms = c->rebalance_ms;
	in.member_id = span_of(c->id);
	in.group_instance_id = c->is_static ? span_of(c->name) : SPAN_NULL;
	in.protocol_type = span_of("sim");
	for (int i = 0; i < 2; i++) {
		wire_init(&wire_join_group_request_join_group_request_protocol, &p[i]);
		p[i].name = span_of((i ^ (c->n & 1)) ? "one" : "two");
		p[i].metadata = subscription(c, text);
	}
	in.protocols = p;
	in.protocols_n = 2;
	c->phase = JOINING;
	c->deadline = clock_ms + c->rebalance_ms + 5000;
	c->waits_for = request(c, 11, c->old && !c->is_static ? 3 : 9, &wire_join_group_request,
	                       &in)->asker.from.tag;
	trace("%s joins with '%s'", c->name, c->id);
}

static void send_heartbeat(struct client *c)
{
	struct heartbeat_request in;

	wire_init(&wire_heartbeat_request, &in);
	in.group_id = span_of("g");
	in.generation_id = c->generation;
	in.member_id = span_of(c->id);
	in.group_instance_id = c->is_static ? span_of(c->name) : SPAN_NULL;
	request(c, 12, 4, &wire_heartbeat_request, &in);
}

static void send_leave(struct client *c)
{
	struct leave_group_request in;
	struct leave_group_request_member_identity me;

	wire_init(&wire_leave_group_request, &in);
	wire_init(&wire_leave_group_request_member_identity, &me);
	in.group_id = span_of("g");
	me.member_id = span_of(c->id);
	me.group_instance_id = c->is_static ? span_of(c->name) : SPAN_NULL;
	in.members = &me;
	in.members_n = 1;
	request(c, 13, 5, &wire_leave_group_request, &in);
}

static void send_commit(struct client *c)
{
	struct offset_commit_request_offset_commit_request_partition v[PARTITIONS];
	struct offset_commit_request_offset_commit_request_topic t;
	struct offset_commit_request in;

	wire_init(&wire_offset_commit_request, &in);
	wire_init(&wire_offset_commit_request_offset_commit_request_topic, &t);
	in.group_id = span_of("g");
	in.generation_id_or_member_epoch = c->generation;
	in.member_id = span_of(c->id);
	in.group_instance_id = c->is_static ? span_of(c->name) : SPAN_NULL;
	t.name = span_of("t");
	t.partitions = v;
	t.partitions_n = 0;
	for (int p = 0; p < PARTITIONS; p++) {
		if (!c->owns[p] || !c->known[p])
			continue;
		wire_init(&wire_offset_commit_request_offset_commit_request_partition,
		          &v[t.partitions_n]);
		v[t.partitions_n].partition_index = p;
		v[t.partitions_n++].committed_offset = c->position[p];
		trace("%s commits %lld of %d in generation %d", c->name, (long long)c->position[p], p,
		      c->generation);
	}
	in.topics = &t;
	in.topics_n = 1;
	if (t.partitions_n)
		request(c, 8, COMMIT_VERSION, &wire_offset_commit_request, &in);
}

static void send_fetch(struct client *c)
{
	struct offset_fetch_request_offset_fetch_request_topic t;
	struct offset_fetch_request in;
	int32_t v[PARTITIONS];

	wire_init(&wire_offset_fetch_request, &in);
	wire_init(&wire_offset_fetch_request_offset_fetch_request_topic, &t);
	in.group_id = span_of("g");
	in.topics = &t;
	in.topics_n = 1;
	t.name = span_of("t");
	t.partition_indexes = v;
	t.partition_indexes_n = 0;
	for (int p = 0; p < PARTITIONS; p++)
		if (c->owns[p] && !c->known[p])
			v[t.partition_indexes_n++] = p;
	if (!t.partition_indexes_n)
		return;
	c->fetch_deadline = clock_ms + 3000;
	c->fetch = request(c, 9, FETCH_VERSION, &wire_offset_fetch_request, &in)->asker.from.tag;
}

static void drop(struct client *c)
{
	memset(c->owns, 0, sizeof c->owns);
	memset(c->known, 0, sizeof c->known);
	c->fetch = 0;
}

/* Before it joins again an eager member gives up all it has; a cooperative one reads on. */
static void join_again(struct client *c)
{
	if (c->phase == WORKING) {
		send_commit(c);
		if (!cooperative)
			drop(c);
	}
	c->phase = IDLE;
	c->next_try = clock_ms;
}

static void lost(struct client *c, bool id_too)
{
	drop(c);
	c->generation = -1;
	if (id_too)
		c->id[0] = 0;
	c->phase = IDLE;
	c->next_try = clock_ms + between(0, 50);
}

static void dies(struct client *c, int64_t ms)
{
	trace("%s dies for %lld ms", c->name, (long long)ms);
	c->alive = false;
	c->phase = AWAY;
	c->connection++;
	c->waits_for = 0;
	c->dies_until = clock_ms + ms;
	drop(c);
	c->id[0] = 0;
	c->generation = -1;
	c->stalled = false;
	at(&c->wake, c->dies_until, client_wakes);
}

/* What any answer may say. Handled: true. */
static bool client_error(struct client *c, int error)
{
	switch (error) {
	case WIRE_NONE:
		return false;
	case WIRE_UNKNOWN_MEMBER_ID:
		lost(c, true);
		return true;
	case WIRE_ILLEGAL_GENERATION:
		lost(c, false);
		return true;
	case WIRE_FENCED_INSTANCE_ID:
		dies(c, between(1000, 5000));
		return true;
	case WIRE_REBALANCE_IN_PROGRESS:
		join_again(c);
		return true;
	case WIRE_NOT_COORDINATOR:
	case WIRE_COORDINATOR_NOT_AVAILABLE:
	case WIRE_COORDINATOR_LOAD_IN_PROGRESS:
		if (c->phase == WORKING) {
			c->next_beat = clock_ms + between(50, 200);
			return true;
		}
		c->phase = IDLE;
		c->next_try = clock_ms + between(50, 200);
		return true;
	default:
		wrong("%s is told %s", c->name, wire_error_name(error));
	}
}

/* --- the leader's assignor --- */

static int claimant(const struct join_group_response *r, int p)
{
	int best = -1, best_generation = -1;

	for (int32_t i = 0; i < r->members_n; i++) {
		struct span m = r->members[i].metadata;
		int generation = m.n > 2 ? (uint8_t)m.p[1] << 8 | (uint8_t)m.p[2] : -1;

		for (int k = 3; k < m.n; k++)
			if (m.p[k] == p && generation != 0xffff && generation > best_generation) {
				best = i;
				best_generation = generation;
			}
	}
	return best;
}

static void send_sync(struct client *c, const struct join_group_response *r)
{
	struct sync_group_request_sync_group_request_assignment v[CLIENTS * 4];
	char parts[CLIENTS * 4][PARTITIONS];
	int counts[CLIENTS * 4] = { 0 };
	struct sync_group_request in;
	int32_t n = r->members_n;

	if (n > CLIENTS * 4)
		wrong("%d members", n);
	wire_init(&wire_sync_group_request, &in);
	in.group_id = span_of("g");
	in.generation_id = c->generation;
	in.member_id = span_of(c->id);
	in.group_instance_id = c->is_static ? span_of(c->name) : SPAN_NULL;
	in.protocol_type = span_of("sim");
	in.protocol_name = c->old && !c->is_static ? SPAN_NULL : r->protocol_name;
	for (int p = 0; n && !r->skip_assignment && p < PARTITIONS; p++) {
		int has = cooperative ? claimant(r, p) : -1;
		int gets = p % n;           /* first all to their places */

		if (has >= 0 && has != gets) {
			/* It has to be given up before another may have it; a static member that
			 * has lost it in a restart will not: then the leader asks again. */
			c->withheld = c->generation;
			c->asks_again = clock_ms + 5000;
			continue;
		}
		parts[gets][counts[gets]++] = (char)p;
	}
	for (int32_t i = 0; !r->skip_assignment && i < n; i++) {
		wire_init(&wire_sync_group_request_sync_group_request_assignment, &v[i]);
		v[i].member_id = r->members[i].member_id;
		v[i].assignment = (struct span){ parts[i], counts[i] };
	}
	in.assignments = v;
	in.assignments_n = r->skip_assignment ? 0 : n;
	c->phase = SYNCING;
	c->deadline = clock_ms + c->rebalance_ms + 5000;
	c->waits_for = request(c, 14, in.protocol_name.n < 0 ? 3 : 5, &wire_sync_group_request,
	                       &in)->asker.from.tag;
	c->sync_tag = c->waits_for;
	key_of(c, c->sync_key);
}

/* --- answers --- */

static void on_join(struct client *c, const struct join_group_response *r)
{
	if (r->error_code == WIRE_MEMBER_ID_REQUIRED) {
		span_z(r->member_id, c->id, sizeof c->id);
		c->phase = IDLE;
		c->next_try = clock_ms;
		return;
	}
	if (r->error_code == WIRE_REBALANCE_IN_PROGRESS) {
		c->phase = IDLE;
		c->next_try = clock_ms + 10;
		return;
	}
	if (client_error(c, r->error_code))
		return;
	span_z(r->member_id, c->id, sizeof c->id);
	c->generation = r->generation_id;
	trace("%s: generation %d%s", c->name, c->generation, r->members_n ? ", leads" : "");
	send_sync(c, r);
}

static void on_sync(struct client *c, const struct sync_group_response *r)
{
	bool now[PARTITIONS] = { false }, gives_up = false;

	if (client_error(c, r->error_code))
		return;
	for (int i = 0; i < r->assignment.n; i++)
		now[(int)r->assignment.p[i]] = true;
	c->phase = WORKING;
	c->next_beat = clock_ms + c->session_ms / 3;
	c->next_commit = clock_ms + between(100, 2000);
	/* Who missed a generation does not know whose its partitions were meanwhile. */
	if (c->generation > c->worked + 1)
		memset(c->known, 0, sizeof c->known);
	c->worked = c->generation;
	for (int p = 0; p < PARTITIONS; p++)
		gives_up |= c->owns[p] && !now[p];
	if (cooperative && gives_up)
		send_commit(c);
	for (int p = 0; p < PARTITIONS; p++) {
		c->known[p] &= now[p] && c->owns[p];
		c->owns[p] = now[p];
	}
	trace("%s works in generation %d on %d", c->name, c->generation, r->assignment.n);
	if (cooperative && gives_up)
		c->joins_again = true;
	send_fetch(c);
}

static void on_fetch(struct client *c, const struct offset_fetch_response *r)
{
	c->fetch = 0;
	if (r->error_code || !r->topics_n)
		return;
	for (int32_t i = 0; i < r->topics[0].partitions_n; i++) {
		const struct offset_fetch_response_offset_fetch_response_partition *p =
			&r->topics[0].partitions[i];

		if (p->error_code || !c->owns[p->partition_index] || c->known[p->partition_index])
			continue;
		c->known[p->partition_index] = true;
		c->position[p->partition_index] = p->committed_offset < 0 ? 0 : p->committed_offset;
	}
}

static void on_response(struct client *c, struct message *m)
{
	struct arena a = { 0 };
	void *r = calloc(1, wire_type_size(m->type));
	uint32_t tag = m->asker.from.tag;

	if (wire_decode(m->type, m->version, m->bytes.p, m->bytes.n, &a, r) < 0)
		abort();
	if (tag == c->waits_for) {
		c->waits_for = 0;
		if (m->asker.key == 11)
			on_join(c, r);
		else
			on_sync(c, r);
	} else if (tag == c->fetch)
		on_fetch(c, r);
	else if (m->asker.key == 12 && c->phase == WORKING) {
		const struct heartbeat_response *beat = r;

		client_error(c, beat->error_code);
	} else if (m->asker.key == 8 && c->phase == WORKING) {
		const struct offset_commit_response *done = r;
		int error = done->topics[0].partitions[0].error_code;

		if (error != WIRE_COORDINATOR_LOAD_IN_PROGRESS)
			client_error(c, error);
	}
	free(r);
	arena_free(&a);
	if (c->alive)
		at(&c->wake, clock_ms, client_wakes);
}

static void client_works(struct client *c)
{
	bool missing = false;

	for (int p = 0; p < PARTITIONS; p++) {
		if (c->owns[p] && c->known[p])
			c->position[p] += (int64_t)chance(5);
		missing |= c->owns[p] && !c->known[p];
	}
	if (c->fetch && clock_ms >= c->fetch_deadline)
		c->fetch = 0;
	if (missing && !c->fetch)
		send_fetch(c);
	if (clock_ms >= c->next_commit) {
		send_commit(c);
		c->next_commit = clock_ms + between(200, 3000);
	}
	if (c->withheld == c->generation && clock_ms >= c->asks_again)
		c->joins_again = true;
	if (c->joins_again) {
		c->joins_again = false;
		join_again(c);
	} else if (clock_ms >= c->next_beat) {
		send_heartbeat(c);
		c->next_beat = clock_ms + c->session_ms / 3;
	}
}

static void client_wakes(struct event *e)
{
	struct client *c = (struct client *)e;
	int64_t next;

	if (!c->alive) {
		trace("%s starts", c->name);
		c->alive = true;
		c->phase = IDLE;
		c->next_try = clock_ms;
		c->joins_again = false;
	}
	if (c->stalled) {
		if (clock_ms < c->stalled_until) {
			at(&c->wake, c->stalled_until, client_wakes);
			return;
		}
		c->stalled = false;
		if (c->phase == WORKING && c->alive)
			send_commit(c);     /* of what it has worked on meanwhile */
	}
	if (c->waits_for && clock_ms >= c->deadline)
		reconnect(c);
	if (c->phase == WORKING)
		client_works(c);
	if (c->phase == IDLE && !c->waits_for && clock_ms >= c->next_try)
		send_join(c);
	next = clock_ms + 1000;
	if (c->phase == IDLE)
		next = c->next_try > clock_ms ? c->next_try : clock_ms + 1;
	at(&c->wake, next, client_wakes);
}

static void deliver(struct event *e)
{
	struct message *m = (struct message *)e;
	struct client *c = m->client;

	if (m->connection != c->connection) {
		/* A request may have got through before the connection broke. */
		if (!m->is_response && chance(3) == 0)
			on_request(m);
	} else if (!m->is_response)
		on_request(m);
	else if (c->alive && c->stalled && clock_ms < c->stalled_until) {
		at(&m->event, c->stalled_until, deliver);
		return;
	} else if (c->alive)
		on_response(c, m);
	message_free(m);
}

/* --- faults --- */

static void client_fault(struct client *c)
{
	if (!c->alive)
		return;
	switch (chance(6)) {
	case 0:
		dies(c, between(100, 30000));
		break;
	case 1:
		trace("%s leaves", c->name);
		if (c->id[0])
			send_leave(c);
		c->connection--;            /* what was sent still arrives */
		dies(c, between(100, 30000));
		break;
	case 2:
		trace("%s stalls", c->name);
		c->stalled = true;
		c->stalled_until = clock_ms + between(500, 25000);
		break;
	case 3:
		trace("%s wants something else", c->name);
		c->flavour = (char)('a' + chance(26));
		c->joins_again = c->phase == WORKING;
		break;
	default:
		trace("%s loses its connection", c->name);
		reconnect(c);
	}
}

static void on_fault(struct event *e)
{
	if (!faults)
		return;
	if (chance(12) == 0)
		lose(chance(2));
	else
		client_fault(&clients[chance(CLIENTS)]);
	at(&fault_event, clock_ms + between(50, 8000), on_fault);
}

/* --- one seed --- */

static void begin(void)
{
	int clients_n = (int)between(1, CLIENTS);

	world_init(&w);
	w.answer = on_answer;
	w.record = on_record;
	w.again = on_again;
	w.randomness = seed * 2 + 1;
	w.settings.initial_rebalance_delay = (int32_t)(chance(3) ? between(0, 3000) : 0);
	topic = (struct meta_topic){ .name = "t", .partitions = topic_partitions,
		                     .partitions_n = PARTITIONS };
	for (int p = 0; p < PARTITIONS; p++) {
		static int32_t replica = 1;

		topic_partitions[p] = (struct meta_partition){ .id = p, .leader = 1,
			                                       .replicas = &replica, .replicas_n = 1 };
		model_offset[p] = -1;
	}
	if (map_put(&w.image.topics_by_name, "t", 1, &topic) < 0)
		abort();
	loaded = true;
	parked = 0;
	committed_n = 0;
	recorded_generation = synced_generation = phase_generation = 0;
	phase_was = -1;
	memset(owner_of, 0, sizeof owner_of);
	cooperative = chance(2);
	for (int i = 0; i < CLIENTS; i++) {
		struct client *c = &clients[i];

		*c = (struct client){ .n = i, .flavour = 'a', .generation = -1,
			                      .withheld = -1 };
		snprintf(c->name, sizeof c->name, "m%d", i);
		c->is_static = chance(3) == 0;
		c->old = chance(5) == 0;
		c->session_ms = (int32_t)between(6000, 15000);
		c->rebalance_ms = (int32_t)between(3000, 30000);
		c->phase = AWAY;
		if (i < clients_n)
			at(&c->wake, clock_ms + between(0, 10000), client_wakes);
	}
	at(&fault_event, clock_ms + between(0, 20000), on_fault);
}

static void run_until(int64_t until)
{
	struct heap_node *first;

	while ((first = heap_first(&events)) && first->at <= until) {
		struct event *e = (struct event *)first;

		if (first->at > clock_ms) {
			w.step.wall_ms += first->at - clock_ms;
			clock_ms = first->at;
		}
		w.step.now_ms = clock_ms;
		heap_del(&events, first);
		e->fn(e);
	}
}

static void check_end(void)
{
	const struct group *g = the_group();
	int owners[PARTITIONS] = { 0 }, alive = 0;

	for (int i = 0; i < CLIENTS; i++) {
		struct client *c = &clients[i];

		if (!c->alive)
			continue;
		alive++;
		if (c->phase != WORKING)
			wrong("%s does not work at the end", c->name);
		if (c->generation != classic_of(g)->generation)
			wrong("%s is in generation %d, the group in %d", c->name, c->generation,
			      classic_of(g)->generation);
		for (int p = 0; p < PARTITIONS; p++) {
			owners[p] += c->owns[p];
			if (c->owns[p] && !c->known[p])
				wrong("%s does not know where it is in %d", c->name, p);
		}
	}
	for (int p = 0; alive && p < PARTITIONS; p++)
		if (owners[p] != 1)
			wrong("at the end partition %d has %d owners", p, owners[p]);
	if (alive && strcmp(g->kind->state(g), "Stable"))
		wrong("at the end the group is %s", g->kind->state(g));
}

static void end(void)
{
	struct heap_node *first;

	while ((first = heap_first(&events))) {
		struct event *e = (struct event *)first;

		heap_del(&events, first);
		if (e->fn == deliver)
			message_free((struct message *)e);
	}
	drop_held();
	map_free(&w.image.topics_by_name);
	world_free(&w);
}

static void one(void)
{
	chance_state = seed * 0x9e3779b97f4a7c15u | 1;
	for (int i = 0; i < 8; i++)
		chance(2);
	clock_ms = 1000;
	faults = true;
	begin();
	run_until(clock_ms + between(20000, 300000));
	faults = false;
	trace("no more faults");
	run_until(clock_ms + QUIET_MS);
	check_end();
	end();
}

int main(void)
{
	uint64_t first = tap_seed();
	long count = getenv("COUNT") ? atol(getenv("COUNT")) : COUNT;

	tracing = getenv("TRACE");
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (long i = 0; i < count; i++) {
		seed = first + (uint64_t)i;
		one();
	}
	heap_free(&events);
	ok(stat_generations > count && stat_commits > count && stat_moves > count / 2,
	   "%ld seeds: %ld events, %ld generations, %ld commits, %ld moves", count, stat_events,
	   stat_generations, stat_commits, stat_moves);
	return done_testing();
}
