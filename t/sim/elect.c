/* elect: the quorum, controller and agent steps of a node over a model of its log. */
#include <string.h>

#include "meta/record.h"
#include "sim.h"
#include "wire/codes.h"

enum {
	ELECTION_MS = 1000, FETCH_MS = 2000, BACKOFF_MS = 1000, /* controller.quorum.* */
	SESSION_MS = 9000, HEARTBEAT_MS = 2000,
	POLL_MS = 500,	     /* a fetch that finds nothing waits so long at the leader */
	REQUEST_MS = 2000,   /* no answer: ask again */
	RETRY_MS = 50,
	QUORUM_REQUESTS = 4, /* of them there are events */
};

static int32_t epoch_at(const struct elector *k, int64_t end)
{
	return end > 0 ? k->log[end - 1].epoch : 0;
}

static void act(struct node *n, struct quorum_event *e, const struct letter *asked);
static void arm(struct node *n);

/* --- the image --- */

static void apply(struct node *n, int64_t end)
{
	struct elector *k = &n->elect;

	for (; k->applied < end; k->applied++) {
		const struct value *v = k->log[k->applied].v;

		if (v
		    && meta_apply(&k->image, (struct span){ (const char *)v->p, v->n }, k->applied,
				  k->log[k->applied].epoch)
			       < 0)
			wrong("node %d cannot apply metadata record %lld", n->id,
			      (long long)k->applied);
	}
}

/* What was appended and not committed may go again. */
static void image_anew(struct node *n)
{
	meta_image_free(&n->elect.image);
	meta_image_init(&n->elect.image);
	n->elect.applied = 0;
	if (n->elect.q.high_watermark > 0)
		apply(n, n->elect.q.high_watermark);
}

/* --- the log --- */

static void on_flush(struct event *e);

static void append(struct node *n, const struct value *v, int32_t epoch, bool last)
{
	struct elector *k = &n->elect;

	if (k->end == METADATA_MAX) {
		wrong("the metadata log of the model is full");
		return;
	}
	k->log[k->end++] = (struct entry){ v, epoch, last };
	if (!k->flush.node.place)
		at(&k->flush, world.now + between(0, 15), on_flush);
}

static void tell_end(struct node *n, int64_t high_watermark)
{
	struct elector *k = &n->elect;
	struct quorum_event e = { .type = QUORUM_APPENDED,
				  .end = k->end,
				  .log_epoch = epoch_at(k, k->end),
				  .high_watermark = high_watermark };

	act(n, &e, NULL);
}

/* --- fetches of others --- */

static bool nothing_to_say(const struct letter *a)
{
	return !a->q.e.error && !a->q.cut && a->q.n == 0;
}

static void fill_fetch_answer(const struct node *n, const struct letter *asked, struct letter *a)
{
	const struct elector *k = &n->elect;
	int most = world.turbulent && chance(2) ? 1 : LETTER_ENTRIES;
	int64_t from = asked->q.e.end;

	a->q.base = from;
	if (!asked->q.e.valid) {
		a->q.cut = true;
		a->q.base = k->end;
		while (a->q.base > 0 && epoch_at(k, a->q.base) > asked->q.e.log_epoch)
			a->q.base--;
		a->q.cut_epoch = epoch_at(k, a->q.base);
		return;
	}
	for (int64_t i = from; i < k->end && i - from < LETTER_ENTRIES; i++) {
		a->q.entries[i - from] = k->log[i];
		if (k->log[i].last)
			a->q.n = (int)(i - from) + 1;
		if (a->q.n >= most)
			return;
	}
}

static struct letter *quorum_answer(struct node *n, const struct letter *asked, int error,
				    bool granted)
{
	static const enum quorum_event_type types[] = { [QUORUM_VOTE] = QUORUM_VOTED,
							[QUORUM_BEGIN] = QUORUM_BEGUN,
							[QUORUM_END] = QUORUM_ENDED,
							[QUORUM_FETCH] = QUORUM_FETCHED };
	const struct elector *k = &n->elect;
	struct letter *a = letter_answer(asked);

	a->q.e = (struct quorum_event){ .type = types[asked->q.e.type],
					.from = k->q.self,
					.epoch = k->q.epoch,
					.leader = k->q.leader,
					.error = (int16_t)error,
					.pre = asked->q.e.pre,
					.granted = granted,
					.high_watermark = k->q.high_watermark };
	a->q.cut = false;
	a->q.n = 0;
	if (asked->q.e.type == QUORUM_FETCH && !error) {
		fill_fetch_answer(n, asked, a);
		n->elect.told[asked->from] = k->q.high_watermark;
	}
	return a;
}

static void unpark(struct elector *k, int i)
{
	if (!k->parked[i])
		return;
	never(&k->parked[i]->arrival);
	letter_drop(k->parked[i]);
	k->parked[i] = NULL;
}

/* Fetches that waited: there is something to say, or no reason to wait any more. */
static void answer_parked(struct node *n)
{
	struct elector *k = &n->elect;

	for (int i = 0; i < world.nodes_n; i++) {
		struct letter *asked = k->parked[i];
		int error = k->q.role != QUORUM_LEADER ? WIRE_NOT_LEADER_OR_FOLLOWER
			    : asked && asked->q.e.epoch != k->q.epoch ? WIRE_FENCED_LEADER_EPOCH
								      : 0;

		if (!asked)
			continue;
		letter_post(quorum_answer(n, asked, error, false));
		unpark(k, i);
	}
}

static void poll_over(struct event *e)
{
	struct letter *asked = OF(e, struct letter, arrival);
	struct node *n = &nodes[asked->to];

	if (!node_runs(n, e))
		return;
	letter_post(quorum_answer(n, asked, 0, false));
	unpark(&n->elect, asked->from);
}

static void park(struct node *n, const struct letter *asked)
{
	struct letter *kept = letter_new(asked->from, asked->to, LETTER_QUORUM);

	kept->number = asked->number;
	kept->q.e = asked->q.e;
	unpark(&n->elect, asked->from);
	n->elect.parked[asked->from] = kept;
	at(&kept->arrival, world.now + POLL_MS, poll_over);
}

static void reply(struct node *n, const struct letter *asked, const struct quorum_todo *todo)
{
	bool news = n->elect.told[asked->from] < n->elect.q.high_watermark;
	struct letter *a = quorum_answer(n, asked, todo->error, todo->granted);

	if (asked->q.e.type == QUORUM_FETCH && nothing_to_say(a) && !news) {
		letter_drop(a);
		park(n, asked);
	} else {
		letter_post(a);
	}
}

/* --- what the quorum step asks for --- */

static void send_messages(struct node *n, const struct quorum_todo *todo)
{
	struct elector *k = &n->elect;

	for (int i = 0; i < todo->messages_n; i++) {
		const struct quorum_message *m = &todo->messages[i];
		struct letter *l = letter_new(n->id, m->to.id, LETTER_QUORUM);

		l->q.e = (struct quorum_event){ .type = m->type,
						.from = k->q.self,
						.to = m->to,
						.epoch = k->q.epoch,
						.leader = k->q.leader,
						.end = k->end,
						.log_epoch = epoch_at(k, k->end),
						.pre = k->q.role == QUORUM_PROSPECTIVE };
		if (m->type == QUORUM_END) {
			struct quorum_key keys[QUORUM_VOTERS_MAX];

			l->q.e.keys_n = quorum_successors(&k->q, keys);
			memcpy(l->q.keys, keys, sizeof *keys * (size_t)l->q.e.keys_n);
		}
		letter_post(l);
	}
}

static void save(struct elector *k)
{
	k->saved.epoch = k->q.epoch;
	k->saved.leader = k->q.leader;
	k->saved.voted = k->q.voted;
}

static void on_fetch(struct event *e);

static void answer_waiting(struct elector *k)
{
	int kept = 0;

	for (int i = 0; i < k->waiting_n; i++)
		if (k->waiting[i].end <= k->q.high_watermark)
			letter_post(k->waiting[i].answer);
		else
			k->waiting[kept++] = k->waiting[i];
	k->waiting_n = kept;
}

static void forget_waiting(struct elector *k)
{
	for (int i = 0; i < k->waiting_n; i++)
		letter_drop(k->waiting[i].answer);
	k->waiting_n = 0;
}

static void leads_no_more(struct node *n)
{
	struct elector *k = &n->elect;

	trace("%d leads the quorum no more", n->id);
	forget_waiting(k);
	answer_parked(n);
	never(&k->expire);
	if (k->applied > k->q.high_watermark)
		image_anew(n);
}

static void committed(struct node *n)
{
	struct elector *k = &n->elect;

	if (k->q.high_watermark == k->committed)
		return;
	truth_committed(n);
	k->committed = k->q.high_watermark;
	if (*world.wrong)
		return;
	if (k->applied < k->q.high_watermark)
		apply(n, k->q.high_watermark);
	answer_waiting(k);
	answer_parked(n);
	store_committed(n);
}

static void begin_epoch(struct node *n);

/* A vote or an epoch is saved: the program or the machine may die before or after it. */
static bool dies_while_saving(struct node *n, const struct quorum_todo *todo)
{
	if (!todo->save || !now_and_then(20))
		return false;
	if (chance(2))
		save(&n->elect);
	machine_die(n);
	return true;
}

/* One event of the quorum step, and all that follows. */
static void act(struct node *n, struct quorum_event *e, const struct letter *asked)
{
	struct elector *k = &n->elect;
	struct quorum_todo todo;

	e->now_ms = clock_of(n);
	quorum_step(&k->q, e, &todo);
	if (dies_while_saving(n, &todo))
		return;
	if (todo.save) {
		save(k);
		k->fetching++;
		k->fetch_out = k->lost = false;
		at(&k->fetch, world.now, on_fetch);
	}
	send_messages(n, &todo);
	if (todo.lost)
		leads_no_more(n);
	committed(n);
	if (asked)
		reply(n, asked, &todo);
	if (todo.begin)
		begin_epoch(n);
	if (k->up)
		arm(n);
}

/* --- the controller --- */

static void on_expire(struct event *e);

static void operation_begin(struct node *n, struct operation *op)
{
	memset(op, 0, sizeof *op);
	op->c = &n->elect.c;
	op->offset = n->elect.end;
	op->now_ms = clock_of(n);
	op->listener = WIRE_LOCAL;
}

/* Its records as one batch into log and image. */
static void operation_end(struct node *n, struct operation *op)
{
	size_t left = (size_t)op->values_n;
	int32_t epoch = n->elect.q.epoch;

	if (op->failed)
		wrong("an operation failed");
	for (size_t pos = 0; pos < op->values.n;) {
		int32_t size = (int32_t)get32(op->values.p + pos);

		append(n, value_copy(op->values.p + pos + 4, size), epoch, --left == 0);
		pos += 4 + (size_t)size;
	}
	operation_free(op);
	apply(n, n->elect.end);
	tell_end(n, -1);
	if (n->elect.up && n->elect.q.role == QUORUM_LEADER) {
		answer_parked(n);
		at(&n->elect.expire, world.now, on_expire);
	}
}

static void add_feature(struct operation *op, const char *name, int level)
{
	struct feature_level_record r;

	wire_init(&wire_feature_level_record, &r);
	r.name = span_of(name);
	r.feature_level = (int16_t)level;
	operation_record(op, META_FEATURE_LEVEL, &r);
}

/* The first leader of all writes what the cluster begins with. */
static void activate(struct node *n)
{
	struct operation op;

	controller_init(&n->elect.c, &n->elect.image, &n->settings);
	controller_activated(&n->elect.c, clock_of(n));
	operation_begin(n, &op);
	if (meta_feature_level(&n->elect.image, "metadata.version") == 0) {
		add_feature(&op, "metadata.version", META_LEVEL_NEW);
		if (world.elr)
			add_feature(&op, "eligible.leader.replicas.version", 1);
	}
	operation_end(n, &op);
}

static void begin_epoch(struct node *n)
{
	struct elector *k = &n->elect;

	trace("%d leads the quorum in epoch %d from %lld on", n->id, k->q.epoch, (long long)k->end);
	truth_leads(n);
	append(n, NULL, k->q.epoch, true);
	tell_end(n, -1);
	if (!k->up || k->q.role != QUORUM_LEADER)
		return;
	apply(n, k->end);
	activate(n);
}

static void on_expire(struct event *e)
{
	struct node *n = OF(e, struct node, elect.expire);
	struct operation op;
	int64_t due;

	if (!node_runs(n, e) || n->elect.q.role != QUORUM_LEADER)
		return;
	operation_begin(n, &op);
	due = brokers_expire(&op, SESSION_MS);
	if (op.values_n > 0) {
		trace("%d fences a broker that is silent", n->id);
		operation_end(n, &op);
		return;
	}
	operation_free(&op);
	if (due != INT64_MAX)
		at(e, world_of(n, due > op.now_ms ? due : op.now_ms + 1), on_expire);
}

static void do_register(struct operation *op, const struct letter *l, struct letter *a)
{
	struct wire_request q = { .key = 62, .version = 4 };
	struct broker_registration_request in;
	struct broker_registration_response out;
	struct broker_registration_request_listener listener;
	struct broker_registration_request_feature features[2];
	struct uuid directory = nodes[l->from].directory;

	wire_init(&wire_broker_registration_request, &in);
	wire_init(&wire_broker_registration_response, &out);
	wire_init(&wire_broker_registration_request_listener, &listener);
	for (int i = 0; i < 2; i++)
		wire_init(&wire_broker_registration_request_feature, &features[i]);
	listener.name = span_of("PLAINTEXT");
	listener.host = span_of("127.0.0.1");
	listener.port = (uint16_t)(9092 + l->from);
	features[0].name = span_of("metadata.version");
	features[0].min_supported_version = META_LEVEL_MIN;
	features[0].max_supported_version = META_LEVEL_MAX;
	features[1].name = span_of("eligible.leader.replicas.version");
	features[1].max_supported_version = 1;
	in.broker_id = l->from;
	in.cluster_id = span_of("simulated");
	in.incarnation_id = l->registration.incarnation;
	in.previous_broker_epoch = l->registration.previous;
	in.listeners = &listener;
	in.listeners_n = 1;
	in.features = features;
	in.features_n = 2;
	in.log_dirs = &directory;
	in.log_dirs_n = 1;
	register_broker(op, &q, &in, &out);
	a->error = out.error_code;
	a->registration.epoch = out.broker_epoch;
}

static void do_heartbeat(struct operation *op, const struct letter *l, struct letter *a)
{
	struct wire_request q = { .key = 63, .version = 1 };
	struct broker_heartbeat_request in;
	struct broker_heartbeat_response out;

	wire_init(&wire_broker_heartbeat_request, &in);
	wire_init(&wire_broker_heartbeat_response, &out);
	in.broker_id = l->from;
	in.broker_epoch = l->beat.epoch;
	in.current_metadata_offset = l->beat.offset;
	in.want_fence = l->beat.want_fence;
	in.want_shut_down = l->beat.want_shut_down;
	broker_heartbeat(op, &q, &in, &out);
	a->error = out.error_code;
	a->beat.fenced = out.is_fenced;
	a->beat.want_shut_down = out.should_shut_down;
}

static void do_create(struct operation *op, const struct letter *l, struct letter *a)
{
	struct wire_request q = { .key = 19, .version = 7 };
	struct create_topics_request in;
	struct create_topics_response out;
	struct create_topics_request_creatable_topic t;
	struct create_topics_request_creatable_topic_config configs[2];
	char name[16] = "t0";

	wire_init(&wire_create_topics_request, &in);
	wire_init(&wire_create_topics_response, &out);
	wire_init(&wire_create_topics_request_creatable_topic, &t);
	for (int i = 0; i < 2; i++)
		wire_init(&wire_create_topics_request_creatable_topic_config, &configs[i]);
	name[1] = (char)('0' + l->create.topic);
	t.name = span_of(name);
	t.num_partitions = WIDTH;
	t.replication_factor = 3;
	t.configs = configs;
	t.configs_n = 1 + l->create.unclean;
	configs[0].name = span_of("min.insync.replicas");
	configs[0].value = span_of(world.min_insync == 1 ? "1" : "2");
	configs[1].name = span_of("unclean.leader.election.enable");
	configs[1].value = span_of("true");
	in.topics = &t;
	in.topics_n = 1;
	create_topics(op, &q, &in, &out);
	a->error = out.topics_n == 1 ? out.topics[0].error_code : WIRE_UNKNOWN_SERVER_ERROR;
}

static void do_alter(struct operation *op, const struct letter *l, struct letter *a)
{
	struct wire_request q = { .key = 56, .version = 3 };
	struct alter_partition_request in;
	struct alter_partition_response out;
	struct alter_partition_request_topic_data t;
	struct alter_partition_request_partition_data p;
	struct alter_partition_request_broker_state isr[NODES];
	const struct alter_partition_response_partition_data *to;

	wire_init(&wire_alter_partition_request, &in);
	wire_init(&wire_alter_partition_response, &out);
	wire_init(&wire_alter_partition_request_topic_data, &t);
	wire_init(&wire_alter_partition_request_partition_data, &p);
	for (int i = 0; i < l->alter.isr_n; i++) {
		wire_init(&wire_alter_partition_request_broker_state, &isr[i]);
		isr[i].broker_id = l->alter.isr[i];
		isr[i].broker_epoch = l->alter.epochs[i];
	}
	in.broker_id = l->from;
	in.broker_epoch = l->alter.broker_epoch;
	in.topics = &t;
	in.topics_n = 1;
	t.topic_id = l->alter.topic_id;
	t.partitions = &p;
	t.partitions_n = 1;
	p.partition_index = l->alter.partition;
	p.leader_epoch = l->alter.epoch;
	p.partition_epoch = l->alter.partition_epoch;
	p.new_isr_with_epochs = isr;
	p.new_isr_with_epochs_n = l->alter.isr_n;
	p.leader_recovery_state = l->alter.recovery;
	p.anew = l->alter.anew;
	alter_partition(op, &q, &in, &out);
	a->error = out.error_code;
	if (a->error || op->failed)
		return;
	to = &out.topics[0].partitions[0];
	a->error = to->error_code;
	for (int i = 0; i < l->alter.isr_n && !a->error; i++) {
		const struct meta_broker *b = meta_broker(op->c->image, l->alter.isr[i]);

		if (l->alter.epochs[i] >= 0 && (!b || b->epoch != l->alter.epochs[i]))
			wrong("an earlier life of %d is taken into the ISR", l->alter.isr[i]);
	}
	a->alter.epoch = to->leader_epoch;
	a->alter.partition_epoch = to->partition_epoch;
	a->alter.isr_n = to->isr_n;
	for (int i = 0; i < to->isr_n && i < NODES; i++)
		a->alter.isr[i] = to->isr[i];
}

static void hung_up(struct node *n, int who)
{
	if (n->elect.q.role != QUORUM_LEADER)
		return;
	broker_lost(&n->elect.c, who, clock_of(n));
	at(&n->elect.expire, world.now, on_expire);
}

static void control(struct node *n, const struct letter *l)
{
	struct elector *k = &n->elect;
	struct letter *a = letter_answer(l);
	struct operation op;

	if (k->q.role != QUORUM_LEADER || k->waiting_n == WAITING) {
		a->error = WIRE_NOT_CONTROLLER;
		letter_post(a);
		return;
	}
	operation_begin(n, &op);
	switch (l->kind) {
	case LETTER_REGISTER: do_register(&op, l, a); break;
	case LETTER_HEARTBEAT: do_heartbeat(&op, l, a); break;
	case LETTER_ALTER: do_alter(&op, l, a); break;
	default: do_create(&op, l, a);
	}
	/* It may rest on what is not committed yet, so it waits also without records of its own. */
	k->waiting[k->waiting_n++] = (struct waiting){ a, op.offset + op.values_n };
	if (op.values_n > 0) {
		operation_end(n, &op);
	} else {
		operation_free(&op);
		answer_waiting(k);
	}
}

/* --- the agent: registration and heartbeats of this node --- */

static void on_self(struct event *e);

static bool ask(struct node *n, struct letter *l)
{
	struct elector *k = &n->elect;

	if (k->q.leader < 0) {
		letter_drop(l);
		return false;
	}
	l->to = k->q.leader;
	l->number = ++k->asking;
	k->asked_until = world.now + REQUEST_MS;
	letter_post(l);
	return true;
}

static void on_self(struct event *e)
{
	struct node *n = OF(e, struct node, elect.self);
	struct elector *k = &n->elect;
	struct agent_heartbeat h;
	struct letter *l;
	int64_t wake;

	if (!node_runs(n, e))
		return;
	if (k->asked_until > 0 && k->asked_until <= world.now) {
		k->asked_until = 0;
		agent_unheard(&k->agent, clock_of(n));
	}
	switch (agent_next(&k->agent, clock_of(n), &h, &wake)) {
	case AGENT_REGISTER:
		l = letter_new(n->id, -1, LETTER_REGISTER);
		l->registration.incarnation = n->incarnation;
		l->registration.previous = n->previous_epoch;
		break;
	case AGENT_HEARTBEAT:
		l = letter_new(n->id, -1, LETTER_HEARTBEAT);
		l->beat.epoch = k->agent.epoch;
		l->beat.offset = h.offset;
		l->beat.want_fence = h.want_fence;
		l->beat.want_shut_down = h.want_shut_down;
		break;
	default:
		if (k->asked_until > 0)
			at(e, k->asked_until, on_self);
		else if (wake != INT64_MAX)
			at(e, world_of(n, wake), on_self);
		return;
	}
	if (ask(n, l))
		agent_asked(&k->agent);
	else
		agent_unheard(&k->agent, clock_of(n));
	at(e, k->asked_until > 0 ? k->asked_until : world.now + RETRY_MS, on_self);
}

static void told(struct node *n, const struct letter *l)
{
	struct elector *k = &n->elect;

	if (l->kind == LETTER_ALTER) {
		store_receive(n, l);
		return;
	}
	if (l->number != k->asking || k->asked_until == 0)
		return;
	k->asked_until = 0;
	if (l->error == LOST || l->error == WIRE_NOT_CONTROLLER)
		agent_unheard(&k->agent, clock_of(n));
	else if (l->error)
		agent_refused(&k->agent, clock_of(n));
	else if (l->kind == LETTER_REGISTER)
		agent_registered(&k->agent, l->registration.epoch, true, clock_of(n));
	else {
		if (l->beat.want_shut_down)
			agent_may_leave(&k->agent);
		agent_beaten(&k->agent, l->beat.fenced, clock_of(n));
		if (k->agent.left) {
			machine_stop(n);
			return;
		}
	}
	at(&k->self, world.now, on_self);
}

void elect_polled(struct node *n, int64_t next)
{
	static const char *const programs[] = { "logappend", "metaserve" };

	for (int i = 0; i < 2; i++) {
		struct lease *lease = agent_lease(&n->elect.agent, span_of(programs[i]));

		agent_answered(lease, clock_of(n));
		agent_polled(lease, next, clock_of(n));
	}
	at(&n->elect.self, world.now, on_self);
}

void elect_hung_up(struct node *n)
{
	agent_answered(agent_lease(&n->elect.agent, span_of("logappend")), clock_of(n));
	at(&n->elect.self, world.now, on_self);
}

/* --- events --- */

static void cut(struct node *n, const struct letter *l)
{
	struct elector *k = &n->elect;
	int64_t end = k->end;

	while (end > 0 && k->log[end - 1].epoch > l->q.cut_epoch)
		end--;
	if (l->q.base < end)
		end = l->q.base;
	if (end < k->q.high_watermark)
		wrong("node %d cuts its metadata log below what is committed", n->id);
	k->end = end;
	if (k->flushed > end)
		k->flushed = end;
	tell_end(n, -1);
}

static void fetched(struct node *n, struct letter *l)
{
	struct elector *k = &n->elect;
	struct quorum_todo todo;

	if (l->number != k->fetching)
		return;
	k->fetching++;
	k->fetch_out = k->lost = false;
	at(&k->fetch, world.now + (l->q.e.error ? RETRY_MS : 0), on_fetch);
	quorum_step(&k->q, &l->q.e, &todo);
	if (todo.save)
		save(k);
	if (todo.lost)
		leads_no_more(n);
	if (todo.accept && l->q.cut)
		cut(n, l);
	else if (todo.accept && l->q.base == k->end) {
		for (int i = 0; i < l->q.n; i++)
			append(n, l->q.entries[i].v, l->q.entries[i].epoch, l->q.entries[i].last);
		tell_end(n, l->q.e.high_watermark);
	}
	if (k->up)
		arm(n);
}

static void on_fetch(struct event *e)
{
	struct node *n = OF(e, struct node, elect.fetch);
	struct elector *k = &n->elect;
	struct letter *l;
	int to;

	if (!node_runs(n, e) || k->q.role == QUORUM_LEADER || k->q.role == QUORUM_RESIGNED)
		return;
	if (k->flushed < k->end) /* only what is on disk is asked beyond: the flush goes on */
		return;
	if (k->fetch_out) { /* no answer: as if the connection were lost */
		elect_lost(n, k->asked, k->fetching);
		return;
	}
	/* Who has no leader, or cannot reach it, asks around. */
	to = k->q.role == QUORUM_FOLLOWER && !k->lost ? k->q.leader
						       : (int)chance((uint64_t)world.voters_n);
	at(e, world.now + (to == n->id ? RETRY_MS : REQUEST_MS), on_fetch);
	if (to == n->id)
		return;
	k->fetching++;
	k->fetch_out = true;
	k->asked = to;
	l = letter_new(n->id, to, LETTER_QUORUM);
	l->number = k->fetching;
	l->q.e = (struct quorum_event){ .type = QUORUM_FETCH, .from = k->q.self,
					.epoch = k->q.epoch, .end = k->end,
					.log_epoch = epoch_at(k, k->end) };
	letter_post(l);
}

static void on_flush(struct event *e)
{
	struct node *n = OF(e, struct node, elect.flush);
	struct elector *k = &n->elect;
	struct quorum_event flushed = { .type = QUORUM_FLUSHED, .end = k->end };

	if (!node_runs(n, e))
		return;
	k->flushed = k->end;
	act(n, &flushed, NULL);
	if (k->up && !k->fetch_out)
		at(&k->fetch, world.now, on_fetch);
}

static void on_tick(struct event *e)
{
	struct node *n = OF(e, struct node, elect.tick);
	struct quorum_event tick = { .type = QUORUM_TICK };

	if (node_runs(n, e))
		act(n, &tick, NULL);
}

static void arm(struct node *n)
{
	int64_t due = quorum_due(&n->elect.q), now = clock_of(n);

	if (due == INT64_MAX)
		never(&n->elect.tick);
	else
		at(&n->elect.tick, world_of(n, due > now ? due : now + 1), on_tick);
}

void elect_lost(struct node *n, int peer, uint32_t number)
{
	struct quorum_event e = { .type = QUORUM_LOST, .from = { .id = peer } };
	struct elector *k = &n->elect;

	if (k->fetch_out && number == k->fetching) {
		k->fetching++;
		k->fetch_out = false;
		k->lost = !k->lost;
		at(&k->fetch, world.now + RETRY_MS, on_fetch);
	}
	act(n, &e, NULL);
}

void elect_receive(struct letter *l)
{
	struct node *n = &nodes[l->to];

	if (l->kind != LETTER_QUORUM) {
		if (l->kind == LETTER_HANGUP)
			hung_up(n, l->from);
		else if (l->answer)
			told(n, l);
		else
			control(n, l);
		return;
	}
	l->q.e.now_ms = clock_of(n);
	l->q.e.keys = l->q.keys;
	if (l->q.e.type == QUORUM_FETCH)
		l->q.e.valid = l->q.e.end <= n->elect.end
			       && epoch_at(&n->elect, l->q.e.end) == l->q.e.log_epoch;
	if (l->q.e.type == QUORUM_FETCHED)
		fetched(n, l);
	else
		act(n, &l->q.e, l->answer ? NULL : l);
}

/* --- life --- */

void elect_boot(struct node *n)
{
	struct elector *k = &n->elect;
	struct quorum_event e = { .type = QUORUM_START, .epoch = k->saved.epoch,
				  .leader = k->saved.leader, .from = k->saved.voted,
				  .end = k->end, .log_epoch = epoch_at(k, k->end) };
	struct quorum_timeouts timeouts = { ELECTION_MS, FETCH_MS, BACKOFF_MS };

	trace("%d: elect starts, log end %lld", n->id, (long long)k->end);
	k->up = true;
	k->flushed = k->end;
	k->committed = -1;
	k->fetching++;
	k->asking++;
	k->fetch_out = k->lost = false;
	k->asked_until = 0;
	memset(k->told, -1, sizeof k->told);
	quorum_init(&k->q, (struct quorum_key){ n->id, n->directory }, timeouts, chance(1 << 30) + 1);
	for (int i = 0; i < world.voters_n; i++)
		quorum_voter_add(&k->q, (struct quorum_key){ i, nodes[i].directory });
	meta_image_init(&k->image);
	k->applied = 0;
	controller_init(&k->c, &k->image, &n->settings);
	agent_init(&k->agent, SESSION_MS, HEARTBEAT_MS, clock_of(n));
	at(&k->fetch, world.now, on_fetch);
	at(&k->self, world.now, on_self);
	act(n, &e, NULL);
	if (k->up && n->store.up)
		store_committed(n);
}

void elect_leave(struct node *n)
{
	trace("%d wants to stop", n->id);
	agent_leave(&n->elect.agent, clock_of(n));
	at(&n->elect.self, world.now, on_self);
}

void elect_die(struct node *n)
{
	struct elector *k = &n->elect;

	if (!k->up)
		return;
	trace("%d: elect dies", n->id);
	for (int i = 0; i < world.nodes_n; i++)
		if (i != n->id)
			letter_post(letter_new(n->id, i, LETTER_HANGUP));
	k->up = false;
	forget_waiting(k);
	for (int i = 0; i < world.nodes_n; i++)
		unpark(k, i);
	never(&k->tick);
	never(&k->flush);
	never(&k->fetch);
	never(&k->self);
	never(&k->expire);
	meta_image_free(&k->image);
}

struct node *elect_active(void)
{
	struct node *best = NULL;

	for (int i = 0; i < world.nodes_n; i++)
		if (nodes[i].elect.up && nodes[i].elect.q.role == QUORUM_LEADER
		    && (!best || nodes[i].elect.q.epoch > best->elect.q.epoch))
			best = &nodes[i];
	return best;
}
