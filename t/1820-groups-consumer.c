/* Lives of consumer groups, with members of both protocols: we answer as Apache Kafka's coordinator
 * does, event by event (vectors/consumer.tsv.gz, which vectors/MakeConsumer.java explains), and
 * after each life the group is what it was when it is loaded from its records.
 */
#include "../cmd/groupcoord/consumer.h"
#include "../cmd/groupcoord/migrate.h"
#include "groups.h"
#include "meta/record.h"

enum { clients_max = 64, fields_max = 10 };

struct client {
	char label[8], id[80];
};
static struct client clients[clients_max];
static int clients_n, events, life_of;
static struct world w;
static struct answer {
	struct buf text;
	char members[clients_max][80];          /* ids, of an answer to a leader */
	int members_n;
} answers[64];
static int answers_n, impossible;           /* impossible: that their version cannot have */
static int64_t image_offset;

/* --- names --- */

static struct client *client(const char *label)
{
	for (int i = 0; i < clients_n; i++)
		if (!strcmp(clients[i].label, label))
			return clients + i;
	assert(clients_n < clients_max);
	struct client *c = &clients[clients_n++];
	snprintf(c->label, sizeof c->label, "%s", label);
	snprintf(c->id, sizeof c->id, "%s", label);
	return c;
}

static const char *label_of(struct span id)
{
	for (int i = 0; i < clients_n; i++)
		if (span_is(id, clients[i].id))
			return clients[i].label;
	/* a member whose first answer is still to come has its label as its client id */
	struct group *g = groups_find(&w.groups, span_of("g"));
	const struct classic_member *m =
		g && g->kind == &group_classic ? classic_member_of(g, id) : NULL;
	static char text[80];
	return m ? span_z(m->client_id, text, sizeof text) : "?";
}

static const char *topic_name(const struct uuid *id)
{
	const struct meta_topic *t = meta_topic_with_id(&w.image, id);
	return t ? t->name : "?";
}

struct named {                          /* partitions of one topic, to be sorted by name */
	const char *name;
	const struct part *first;
	int32_t n;
};

static int named_order(const void *a, const void *b)
{
	return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static void say_parts(struct buf *b, const struct parts *p)
{
	struct named v[16];
	int n = 0;
	for (int32_t at = 0; (v[n].first = parts_topic(p, &at, &v[n].n)); n++)
		v[n].name = topic_name(&v[n].first->topic);
	qsort(v, (size_t)n, sizeof *v, named_order);
	for (int i = 0; i < n; i++) {
		buf_addf(b, "%s%s:", i ? ";" : "", v[i].name);
		for (int32_t j = 0; j < v[i].n; j++)
			buf_addf(b, "%s%d", j ? "," : "", v[i].first[j].partition);
	}
}

static void say_assignment(struct buf *b, struct span bytes)
{
	struct consumer_protocol_assignment v;
	if (bytes.n <= 0 || migrate_assignment(&w.step, bytes, &v) < 0)
		return;
	struct parts p = migrate_parts(&w.step, &v, 0);
	say_parts(b, &p);
}

/* --- answers --- */

static void say_beat(struct buf *b, const struct consumer_group_heartbeat_response *r)
{
	struct parts p = {(struct part[64]){{{{0}}, 0, 0}}, 0};
	buf_addf(b, "%s", wire_error_name(r->error_code));
	if (r->error_code)
		return;
	buf_addf(b, "\t%d\t%s", r->member_epoch, r->assignment ? "" : "-");
	for (int32_t i = 0; r->assignment && i < r->assignment->topic_partitions_n; i++)
		for (int32_t j = 0; j < r->assignment->topic_partitions[i].partitions_n; j++)
			p.v[p.n++] = (struct part){
				r->assignment->topic_partitions[i].topic_id,
				r->assignment->topic_partitions[i].partitions[j], 0};
	parts_sort(&p);
	say_parts(b, &p);
}

static int text_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void say_join(struct answer *a, struct client *c, const struct join_group_response *r)
{
	struct buf *b = &a->text;
	if (!r->error_code || r->error_code == WIRE_MEMBER_ID_REQUIRED)
		span_z(r->member_id, c->id, sizeof c->id);
	buf_addf(b, "join\t%s", wire_error_name(r->error_code));
	if (r->error_code)
		return;
	buf_addf(b, "\t%d\t%.*s\t", r->generation_id, r->protocol_name.n, r->protocol_name.p);
	for (int32_t i = 0; i < r->members_n; i++)
		span_z(r->members[i].member_id, a->members[i], sizeof a->members[i]);
	a->members_n = r->members_n;
	if (!span_same(r->leader, r->member_id))
		buf_addz(b, "-");
}

/* A leader's answer may come before its members' own, which tell their ids. */
static void name_members(struct answer *a)
{
	const char *v[clients_max];
	for (int i = 0; i < a->members_n; i++)
		v[i] = label_of(span_of(a->members[i]));
	if (a->members_n > 1)
		qsort(v, (size_t)a->members_n, sizeof *v, text_order);
	for (int i = 0; i < a->members_n; i++)
		buf_addf(&a->text, "%s%s", i ? "," : "", v[i]);
	buf_add8(&a->text, 0);
}

static void on_answer(struct world *world, const struct asker *to, const struct wire_type *t,
                      const void *r)
{
	struct client *c = clients + to->from.tag;
	struct answer *a = answers + answers_n++;
	struct buf *b = &a->text, wire = {0};
	impossible += wire_encode(t, to->version, r, &wire, NULL) < 0;
	buf_free(&wire);
	b->n = 0;
	a->members_n = 0;
	buf_addf(b, "%s\t", c->label);
	if (t == &wire_consumer_group_heartbeat_response)
		say_beat(b, r);
	else if (t == &wire_join_group_response)
		say_join(a, c, r);
	else if (t == &wire_sync_group_response) {
		const struct sync_group_response *s = r;
		buf_addf(b, "sync\t%s%s", wire_error_name(s->error_code), s->error_code ? "" : "\t");
		if (!s->error_code)
			say_assignment(b, s->assignment);
	} else if (t == &wire_heartbeat_response) {
		buf_addf(b, "heartbeat\t%s",
		         wire_error_name(((const struct heartbeat_response *)r)->error_code));
	} else if (t == &wire_leave_group_response) {
		const struct leave_group_response *l = r;
		buf_addf(b, "leave\t%s", wire_error_name(l->members[0].error_code));
	}
}

/* --- the group as it is --- */

static void say_sorted(struct buf *b, struct buf *v, int n)
{
	const char *text[clients_max];
	for (int i = 0; i < n; i++)
		text[i] = (char *)v[i].p;
	qsort(text, (size_t)n, sizeof *text, text_order);
	for (int i = 0; i < n; i++)
		buf_addf(b, "%s%s", i ? " " : "", text[i]);
	for (int i = 0; i < n; i++)
		buf_free(v + i);
}

static struct parts all_parts(const struct consumer_group_describe_response_assignment *a)
{
	struct parts p = {step_take(&w.step, 256, sizeof *p.v), 0};
	for (int32_t i = 0; i < a->topic_partitions_n; i++)
		for (int32_t j = 0; j < a->topic_partitions[i].partitions_n; j++)
			p.v[p.n++] = (struct part){a->topic_partitions[i].topic_id,
			                           a->topic_partitions[i].partitions[j], 0};
	parts_sort(&p);
	return p;
}

static void say_consumer(struct buf *b, const struct group *g)
{
	struct consumer_group_describe_response_described_group d;
	struct buf v[clients_max] = {{0}};
	wire_init(&wire_consumer_group_describe_response_described_group, &d);
	consumer_describe(&w.step, g, &d);
	buf_addf(b, "consumer\t%.*s\t%d\t%d\t", d.group_state.n, d.group_state.p, d.group_epoch,
	         d.assignment_epoch);
	for (int32_t i = 0; i < d.members_n; i++) {
		struct parts has = all_parts(&d.members[i].assignment);
		struct parts target = all_parts(&d.members[i].target_assignment);
		buf_addf(v + i, "%s/%d/%d/", label_of(d.members[i].member_id),
		         d.members[i].member_epoch, d.members[i].member_type);
		say_parts(v + i, &has);
		buf_addz(v + i, "/");
		say_parts(v + i, &target);
		buf_add8(v + i, 0);
	}
	say_sorted(b, v, d.members_n);
}

static const char *describe(void)
{
	static struct buf b;
	struct group *g = groups_find(&w.groups, span_of("g"));
	struct buf v[clients_max] = {{0}};
	int n = 0;
	b.n = 0;
	if (!g || g->kind == &group_simple) {
		buf_addz(&b, "none");
	} else if (consumer_is(g)) {
		say_consumer(&b, g);
	} else {
		buf_addf(&b, "classic\t%s\t%d\t", g->kind->state(g), classic_of(g)->generation);
		for (const struct classic_member *m = classic_of(g)->first; m; m = m->next, n++) {
			buf_addf(v + n, "%s/", label_of(m->id));
			say_assignment(v + n, m->assignment);
			buf_add8(v + n, 0);
		}
		say_sorted(&b, v, n);
	}
	buf_add8(&b, 0);
	arena_reset(&w.arena);
	return (char *)b.p;
}

/* --- events --- */

static struct span text(const char *field)
{
	return strcmp(field, "-") ? span_of(field) : SPAN_NULL;
}

static struct span hex(const char *field)
{
	size_t n = strlen(field) / 2;
	char *p = step_take(&w.step, n, 1);
	for (size_t i = 0; i < n; i++) {
		unsigned byte = 0;
		sscanf(field + 2 * i, "%2x", &byte);
		p[i] = (char)byte;
	}
	return (struct span){p, (int32_t)n};
}

static void put(int type, const void *record)
{
	struct buf b = {0};
	if (meta_record_encode(&b, type, 0, record) < 0 ||
	    meta_apply(&w.image, (struct span){(char *)b.p, (int32_t)b.n}, image_offset++, 1))
		abort();
	buf_free(&b);
}

static void do_topic(char **f)
{
	struct topic_record t;
	struct partition_record p;
	struct meta_topic *known = meta_topic_named(&w.image, span_of(f[1]));
	int32_t self = 1, from = known ? known->partitions_n : 0;
	wire_init(&wire_topic_record, &t);
	wire_init(&wire_partition_record, &p);
	t.name = span_of(f[1]);
	uuid_parse(&t.topic_id, span_of(f[2]));
	if (!known)
		put(2, &t);
	p.topic_id = t.topic_id;
	p.replicas = p.isr = &self;
	p.replicas_n = p.isr_n = 1;
	p.leader = 1;
	for (p.partition_id = from; p.partition_id < atoi(f[3]); p.partition_id++)
		put(3, &p);
	w.step.partition = -1;
	groups_image_changed(&w.groups, &w.step);
}

static struct asker asker(const char *label, int16_t key, int16_t version)
{
	struct client *c = client(label);
	return (struct asker){.from.tag = (uint32_t)(c - clients), .key = key, .version = version,
	                      .client_id = span_of(c->label), .host = span_of("127.0.0.1"),
	                      .principal = span_of("User:ANONYMOUS")};
}

static void do_beat(char **f)
{
	typedef struct consumer_group_heartbeat_request_topic_partitions topic;
	static struct span names[8];
	static topic topics[8];
	static int32_t partitions[8][32];
	struct asker a = asker(f[1], 68, 1);
	struct consumer_group_heartbeat_request in;
	wire_init(&wire_consumer_group_heartbeat_request, &in);
	in.group_id = span_of("g");
	in.member_id = span_of(f[1]);
	in.member_epoch = atoi(f[2]);
	in.instance_id = text(f[3]);
	in.rebalance_timeout_ms = atoi(f[4]);
	in.server_assignor = text(f[6]);
	if (strcmp(f[5], "-")) {
		in.subscribed_topic_names = names;
		in.subscribed_topic_names_n = 0;
		for (char *n; (n = strsep(&f[5], ",")) && *n;)
			names[in.subscribed_topic_names_n++] = span_of(n);
	}
	if (strcmp(f[7], "-")) {
		in.topic_partitions = topics;
		in.topic_partitions_n = 0;
		for (char *t; (t = strsep(&f[7], ";")) && *t;) {
			int i = in.topic_partitions_n++;
			char *name = strsep(&t, ":");
			topics[i] = (topic){
				.topic_id = meta_topic_named(&w.image, span_of(name))->id,
				.partitions = partitions[i]};
			for (char *p; (p = strsep(&t, ",")) && *p;)
				partitions[i][topics[i].partitions_n++] = atoi(p);
		}
	}
	world_run(&w, consumer_heartbeat, &a, &in);
}

static void do_join(char **f)
{
	struct asker a = asker(f[1], 11, 9);
	struct client *c = client(f[1]);
	struct join_group_request_join_group_request_protocol p;
	struct join_group_request in;
	wire_init(&wire_join_group_request, &in);
	wire_init(&wire_join_group_request_join_group_request_protocol, &p);
	in.group_id = span_of("g");
	in.member_id = !strcmp(f[2], "none") ? span_of("")
	             : !strcmp(f[2], "label") ? span_of(c->label) : span_of(c->id);
	if (!strcmp(f[2], "label"))
		strcpy(c->id, c->label);
	in.group_instance_id = text(f[3]);
	in.session_timeout_ms = atoi(f[4]);
	in.rebalance_timeout_ms = atoi(f[5]);
	in.protocol_type = span_of("consumer");
	p.name = span_of("range");
	p.metadata = hex(f[6]);
	in.protocols = &p;
	in.protocols_n = 1;
	world_run(&w, classic_join, &a, &in);
}

static void do_sync(char **f)
{
	static struct sync_group_request_sync_group_request_assignment v[clients_max];
	struct asker a = asker(f[1], 14, 5);
	struct sync_group_request in;
	wire_init(&wire_sync_group_request, &in);
	in.group_id = span_of("g");
	in.member_id = span_of(client(f[1])->id);
	in.generation_id = atoi(f[2]);
	in.group_instance_id = text(f[3]);
	in.protocol_type = span_of("consumer");
	in.protocol_name = span_of("range");
	in.assignments = v;
	in.assignments_n = 0;
	for (char *m; strcmp(f[4], "-") && (m = strsep(&f[4], ","));) {
		char *label = strsep(&m, ":");
		wire_init(&wire_sync_group_request_sync_group_request_assignment,
		          v + in.assignments_n);
		v[in.assignments_n].member_id = span_of(client(label)->id);
		v[in.assignments_n++].assignment = hex(m);
		if (!f[4])
			break;
	}
	world_run(&w, classic_sync, &a, &in);
}

static void do_heartbeat(char **f)
{
	struct asker a = asker(f[1], 12, 4);
	struct heartbeat_request in;
	wire_init(&wire_heartbeat_request, &in);
	in.group_id = span_of("g");
	in.member_id = span_of(client(f[1])->id);
	in.generation_id = atoi(f[2]);
	in.group_instance_id = text(f[3]);
	world_run(&w, classic_heartbeat, &a, &in);
}

static void do_leave(char **f)
{
	struct asker a = asker(f[1], 13, 5);
	struct leave_group_request_member_identity m;
	struct leave_group_request in;
	wire_init(&wire_leave_group_request, &in);
	wire_init(&wire_leave_group_request_member_identity, &m);
	in.group_id = span_of("g");
	m.member_id = span_of(client(f[1])->id);
	m.group_instance_id = text(f[2]);
	in.members = &m;
	in.members_n = 1;
	world_run(&w, classic_leave, &a, &in);
}

/* --- lives --- */

static bool started, failed;
static int lives, good, reloads, checked;
static char last[65536];

static int answer_order(const void *a, const void *b)
{
	return strcmp((const char *)((const struct answer *)a)->text.p,
	              (const char *)((const struct answer *)b)->text.p);
}

static void differs(const char *got, const char *want)
{
	failed = true;
	diag("life %d, after event %d: %s", life_of, events, last);
	diag("got  %s", got);
	diag("want %s", want);
}

/* Who waits for an answer would lose it with the partition: only groups that are at rest. */
static void end_life(void)
{
	struct group *g = groups_find(&w.groups, span_of("g"));
	if (!started)
		return;
	good += !failed;
	if (!failed && consumer_is(g)) {
		char *before = strdup(describe());
		world_unload(&w);
		world_load(&w);
		reloads += !strcmp(before, describe());
		if (strcmp(before, describe()))
			differs(describe(), before);
		free(before);
	} else {
		reloads += !failed;
	}
	answers_n = 0;
	world_free(&w);
	meta_image_free(&w.image);
}

static void begin_life(char **f)
{
	end_life();
	world_init(&w);
	meta_image_init(&w.image);
	meta_image_feature(&w.image, span_of("group.version"), 1);
	w.answer = on_answer;
	w.settings.consumer_assignors = "range";
	w.settings.consumer_assignment_interval = atoi(f[2]);
	life_of = atoi(f[1]);
	clients_n = events = answers_n = checked = 0;
	started = true;
	failed = false;
	lives++;
}

static const struct {
	const char *word;
	void (*fn)(char **);
} verbs[] = {
	{"topic", do_topic}, {"beat", do_beat}, {"join", do_join}, {"sync", do_sync},
	{"heartbeat", do_heartbeat}, {"leave", do_leave},
};

static void check(char *text_)
{
	if (*text_ == '=') {
		for (int i = 0; !checked && i < answers_n; i++)
			name_members(answers + i);
		if (!checked)
			qsort(answers, (size_t)answers_n, sizeof *answers, answer_order);
		const char *got =
			checked < answers_n ? (char *)answers[checked].text.p : "nothing";
		if (strcmp(got, text_ + 2))
			differs(got, text_ + 2);
		checked++;
		return;
	}
	if (checked < answers_n)
		differs("an answer more", "none");
	if (!failed && strcmp(describe(), text_ + 2))
		differs(describe(), text_ + 2);
	checked = answers_n = 0;
}

static void line(char *text_)
{
	char *f[fields_max] = {0};
	int n = 0;
	text_[strcspn(text_, "\n")] = 0;
	if (strncmp(text_, "life", 4) && failed)
		return;
	if (*text_ == '=' || *text_ == '@') {
		check(text_);
		return;
	}
	snprintf(last, sizeof last, "%s", text_);
	while (n < fields_max && (f[n] = strsep(&text_, "\t")))
		n++;
	events++;
	if (!strcmp(f[0], "life"))
		begin_life(f);
	else if (!strcmp(f[0], "time"))
		world_sleep(&w, atoi(f[1]));
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (!strcmp(f[0], verbs[i].word))
			verbs[i].fn(f);
}

int main(void)
{
	static char text_[65536];
	FILE *f = popen("gzip -dc t/vectors/consumer.tsv.gz", "r");
	while (f && fgets(text_, sizeof text_, f))
		line(text_);
	end_life();
	ok(f && pclose(f) == 0, "the vectors are read to their end");
	ok(lives > 100, "%d lives", lives);
	is_int(good, lives, "each event has the answers that Kafka gives");
	is_int(impossible, 0, "in versions that can have them");
	is_int(reloads, lives, "and the group is the same when it is loaded");
	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
		buf_free(&answers[i].text);
	return done_testing();
}
