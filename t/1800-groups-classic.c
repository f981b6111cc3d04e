/* The classic group protocol, rule by rule, as tables: what is done, and what comes of it.
 *
 * Clients are letters, each knows the member id and generation it was told last. Lines of the first
 * column:
 *     a join KEY=VALUE...       session, rebalance, type, instance, id, v; p=range:m1,other:m2
 *     a sync [b:x,...]          with assignments as a leader, or without; gen, id, instance, v
 *     a heartbeat               gen, id, instance
 *     a leave [b c ...]         itself, or these; v; instance=name for static members by name
 *     a commit                  gen, id, instance
 *     +1000 / reload            time goes on / the partition is lost and loaded again
 *     state / describe          what others see
 * The second column is all that came out: `a=ANSWER` for answers, `#` for records. A good answer to
 * JoinGroup is GENERATION/PROTOCOL/LEADER, the leader's with the members and their metadata.
 */
#include "groups.h"

enum { CLIENTS = 26 };

struct client {
	char id[300], instance[64];
	int32_t generation;
};
static struct client clients[CLIENTS];
static struct world w;
static struct buf said;

static char client_of(struct span id)
{
	struct group *g = groups_find(&w.groups, span_of("g"));
	const struct classic_member *m = NULL;

	for (int i = 0; i < 26; i++)
		if (clients[i].id[0] && span_is(id, clients[i].id))
			return (char)('a' + i);
	if (g && g->kind == &group_classic)
		m = classic_member_of(g, id);
	/* It may wait for the answer that tells it its id. */
	return m && m->joining ? (char)('a' + (int)m->join.from.tag) : id.n ? '?' : '-';
}

static void say_text(struct span t)
{
	buf_add(&said, t.p, t.n < 0 ? 0 : (size_t)t.n);
}

static void say_join(struct client *c, const struct join_group_response *r)
{
	if (r->error_code == WIRE_MEMBER_ID_REQUIRED || !r->error_code)
		span_z(r->member_id, c->id, sizeof c->id);
	if (r->error_code) {
		buf_addz(&said, wire_error_name(r->error_code));
		if (r->error_code != WIRE_MEMBER_ID_REQUIRED && r->member_id.n)
			buf_addf(&said, "(%c)", client_of(r->member_id));
		return;
	}
	c->generation = r->generation_id;
	buf_addf(&said, "%d/", r->generation_id);
	say_text(r->protocol_name);
	buf_addf(&said, "/%c", client_of(r->leader));
	if (r->members_n) {
		buf_addz(&said, "[");
		for (int32_t i = 0; i < r->members_n; i++) {
			buf_addf(&said, "%s%c:", i ? "," : "", client_of(r->members[i].member_id));
			say_text(r->members[i].metadata);
		}
		buf_addz(&said, "]");
	}
	if (r->skip_assignment)
		buf_addz(&said, "!");
}

static void say_error(int code)
{
	buf_addz(&said, code ? wire_error_name(code) : "ok");
}

static void on_answer(struct world *world, const struct asker *to, const struct wire_type *t,
                      const void *r)
{
	struct client *c = &clients[to->from.tag];
	struct buf wire = { 0 };

	ok(wire_encode(t, to->version, r, &wire, NULL) == 0, "an answer that version %d can have",
	   to->version);
	buf_free(&wire);
	buf_addf(&said, "%s%c=", said.n ? " " : "", 'a' + (int)to->from.tag);
	if (t == &wire_join_group_response)
		say_join(c, r);
	else if (t == &wire_sync_group_response) {
		const struct sync_group_response *s = r;

		if (s->error_code)
			say_error(s->error_code);
		else {
			buf_addz(&said, "'");
			say_text(s->assignment);
			buf_addz(&said, "'");
		}
	} else if (t == &wire_heartbeat_response)
		say_error(((const struct heartbeat_response *)r)->error_code);
	else if (t == &wire_leave_group_response) {
		const struct leave_group_response *l = r;

		say_error(l->error_code);
		for (int32_t i = 0; i < l->members_n; i++) {
			buf_addz(&said, "/");
			say_error(l->members[i].error_code);
		}
	}
}

static void on_record(struct world *world, const struct kept_record *k)
{
	struct replayed r;

	world_decode(&w, k, &r);
	const struct group_metadata_value *v = r.value;
	is_int(r.type, RECORD_GROUP, "a GroupMetadata record");
	buf_addf(&said, "%s#", said.n ? " " : "");
	if (!v) {
		buf_addz(&said, "gone");
		return;
	}
	buf_addf(&said, "%d/", v->generation);
	say_text(v->protocol);
	if (v->leader.n >= 0)
		buf_addf(&said, "/%c", client_of(v->leader));
	for (int32_t i = 0; i < v->members_n; i++) {
		buf_addf(&said, "%s%c:", i ? "," : "/", client_of(v->members[i].member_id));
		say_text(v->members[i].assignment);
	}
}

/* --- the language --- */

static char words[16][600];
static int words_n;

static const char *word(const char *key, const char *otherwise)
{
	size_t n = strlen(key);

	for (int i = 2; i < words_n; i++)
		if (!strncmp(words[i], key, n) && words[i][n] == '=')
			return words[i] + n + 1;
	return otherwise;
}

static struct asker asker(char who, int key)
{
	static const int newest[] = { [11] = 9, [12] = 4, [13] = 5, [14] = 5 };

	return (struct asker){ .from = { .tag = (uint32_t)(who - 'a') }, .key = (int16_t)key,
		               .version = (int16_t)atoi(word("v", key == 11 ? "9" : key == 13 ? "5"
		                                             : newest[key] == 5 ? "5" : "4")),
		               .client_id = span_of("client"), .host = span_of("/10.0.0.1"),
		               .principal = span_of("User:ANONYMOUS") };
}

/* What is meant by id=: a letter's id, `none`, or the text itself. */
static struct span id_of(const struct client *c)
{
	const char *text = word("id", NULL);

	if (!text)
		return span_of(c->id);
	if (!strcmp(text, "none"))
		return span_of("");
	return text[1] ? span_of(text) : span_of(clients[text[0] - 'a'].id);
}

static struct span instance_of(const struct client *c)
{
	const char *text = word("instance", c->instance[0] ? c->instance : NULL);

	return text && !strcmp(text, "none") ? SPAN_NULL : span_of(text);
}

static void do_join(char who, struct client *c)
{
	static char text[600];
	static struct join_group_request_join_group_request_protocol p[8];
	struct asker a = asker(who, 11);
	struct join_group_request in;

	wire_init(&wire_join_group_request, &in);
	in.group_id = span_of(word("group", "g"));
	in.session_timeout_ms = atoi(word("session", "10000"));
	in.rebalance_timeout_ms = a.version ? atoi(word("rebalance", "60000")) : -1;
	in.group_instance_id = instance_of(c);
	if (in.group_instance_id.n >= 0)
		span_z(in.group_instance_id, c->instance, sizeof c->instance);
	in.member_id = id_of(c);
	in.protocol_type = span_of(word("type", "consumer"));
	in.reason = span_of(word("reason", NULL));
	in.protocols = p;
	in.protocols_n = 0;
	strcpy(text, word("p", "range:m"));
	for (char *at = strtok(text, ","); at; at = strtok(NULL, ",")) {
		char *colon = strchr(at, ':');

		wire_init(&wire_join_group_request_join_group_request_protocol, &p[in.protocols_n]);
		*colon = 0;
		p[in.protocols_n].name = span_of(at);
		p[in.protocols_n++].metadata = span_of(colon + 1);
	}
	world_run(&w, classic_join, &a, &in);
}

static void do_sync(char who, struct client *c)
{
	static char text[600];
	static struct sync_group_request_sync_group_request_assignment v[26];
	struct asker a = asker(who, 14);
	struct sync_group_request in;

	wire_init(&wire_sync_group_request, &in);
	in.group_id = span_of(word("group", "g"));
	in.generation_id = atoi(word("gen", "-99"));
	if (in.generation_id == -99)
		in.generation_id = c->generation;
	in.member_id = id_of(c);
	in.group_instance_id = instance_of(c);
	if (a.version >= 5) {
		in.protocol_type = strcmp(word("type", "consumer"), "null")
			                   ? span_of(word("type", "consumer")) : SPAN_NULL;
		in.protocol_name = span_of(word("p", "range"));
	}
	in.assignments = v;
	in.assignments_n = 0;
	strcpy(text, words_n > 2 && strchr(words[2], ':') ? words[2] : "");
	for (char *at = strtok(text, ","); at; at = strtok(NULL, ",")) {
		wire_init(&wire_sync_group_request_sync_group_request_assignment,
		          &v[in.assignments_n]);
		v[in.assignments_n].member_id = span_of(clients[at[0] - 'a'].id);
		v[in.assignments_n++].assignment = span_of(at + 2);
	}
	world_run(&w, classic_sync, &a, &in);
}

static void do_heartbeat(char who, struct client *c)
{
	struct asker a = asker(who, 12);
	struct heartbeat_request in;

	wire_init(&wire_heartbeat_request, &in);
	in.group_id = span_of(word("group", "g"));
	in.generation_id = word("gen", NULL) ? atoi(word("gen", NULL)) : c->generation;
	in.member_id = id_of(c);
	in.group_instance_id = instance_of(c);
	world_run(&w, classic_heartbeat, &a, &in);
}

static void do_leave(char who, struct client *c)
{
	static struct leave_group_request_member_identity v[16];
	struct asker a = asker(who, 13);
	struct leave_group_request in;

	wire_init(&wire_leave_group_request, &in);
	in.group_id = span_of(word("group", "g"));
	in.members = v;
	in.members_n = 0;
	for (int i = 2; i < words_n; i++) {
		struct leave_group_request_member_identity *m = &v[in.members_n];

		if (!strncmp(words[i], "v=", 2) || !strncmp(words[i], "group=", 6))
			continue;
		wire_init(&wire_leave_group_request_member_identity, m);
		if (!strncmp(words[i], "instance=", 9))
			m->group_instance_id = span_of(words[i] + 9);
		else
			m->member_id = span_of(words[i][1] ? words[i]
			                                   : clients[words[i][0] - 'a'].id);
		in.members_n++;
	}
	if (a.version < 3)
		in.member_id = span_of(c->id);
	else if (!in.members_n) {
		wire_init(&wire_leave_group_request_member_identity, v);
		v->member_id = span_of(c->id);
		v->group_instance_id = instance_of(c);
		v->reason = span_of("enough");
		in.members_n = 1;
	}
	world_run(&w, classic_leave, &a, &in);
}

static void do_commit(char who, struct client *c)
{
	struct group *g = groups_find(&w.groups, span_of("g"));
	struct commit_claim by = { .member = id_of(c), .instance = instance_of(c),
		                   .generation = c->generation, .version = 8 };

	if (word("gen", NULL))
		by.generation = atoi(word("gen", NULL));
	by.transactional = word("txn", NULL);
	buf_addf(&said, "%c=", who);
	say_error(g->kind->commit_allowed(&w.groups, &w.step, g, &by));
}

static void do_state(const char *verb)
{
	struct group *g = groups_find(&w.groups, span_of("g"));
	struct describe_groups_response_described_group d;

	if (!g) {
		buf_addz(&said, "none");
		return;
	}
	if (!strcmp(verb, "state")) {
		buf_addf(&said, "%s %s ", g->kind->type, g->kind->state(g));
		say_text(g->kind->protocol_type(g));
		return;
	}
	wire_init(&wire_describe_groups_response_described_group, &d);
	is_int(g->kind->describe(&w.step, g, &d), 0, "described");
	say_text(d.group_state);
	buf_addz(&said, "/");
	say_text(d.protocol_type);
	buf_addz(&said, "/");
	say_text(d.protocol_data);
	for (int32_t i = 0; i < d.members_n; i++) {
		buf_addf(&said, " %c:", client_of(d.members[i].member_id));
		say_text(d.members[i].member_metadata);
		buf_addz(&said, ":");
		say_text(d.members[i].member_assignment);
		if (i == 0) {
			buf_addz(&said, ":");
			say_text(d.members[i].client_id);
			say_text(d.members[i].client_host);
		}
	}
	arena_reset(&w.arena);
}

static void run(const char *line)
{
	char copy[2000];
	struct client *c;

	words_n = 0;
	snprintf(copy, sizeof copy, "%s", line);
	for (char *at = copy, *end; *at; at = end) {
		end = at + strcspn(at, " ");
		snprintf(words[words_n++], sizeof *words, "%.*s", (int)(end - at), at);
		end += strspn(end, " ");
	}
	if (line[0] == '+') {
		world_sleep(&w, atoi(line + 1));
		return;
	}
	if (!strcmp(line, "reload")) {
		world_unload(&w);
		world_load(&w);
		return;
	}
	if (words_n == 1) {
		do_state(line);
		return;
	}
	if (!strcmp(words[0], "set")) {
		if (!strcmp(words[1], "max"))
			w.settings.max_size = atoi(words[2]);
		else if (!strcmp(words[1], "record"))
			w.settings.record_max = atoi(words[2]);
		else
			w.settings.initial_rebalance_delay = atoi(words[2]);
		return;
	}
	c = &clients[line[0] - 'a'];
	if (!strcmp(words[1], "join"))
		do_join(line[0], c);
	else if (!strcmp(words[1], "sync"))
		do_sync(line[0], c);
	else if (!strcmp(words[1], "heartbeat"))
		do_heartbeat(line[0], c);
	else if (!strcmp(words[1], "leave"))
		do_leave(line[0], c);
	else if (!strcmp(words[1], "commit"))
		do_commit(line[0], c);
	else if (!strcmp(words[1], "forgets"))
		c->id[0] = 0;
	else
		abort();
}

struct row {
	const char *does, *comes;
};

static void scenario(const char *name, const struct row *rows)
{
	memset(clients, 0, sizeof clients);
	for (int i = 0; i < CLIENTS; i++)
		clients[i].generation = -1;
	world_init(&w);
	w.answer = on_answer;
	w.record = on_record;
	printf("# %s\n", name);
	for (; rows->does; rows++) {
		said.n = 0;
		run(rows->does);
		buf_add8(&said, 0);
		is_str((char *)said.p, rows->comes, "%s: %s", name, rows->does);
	}
	world_free(&w);
}

#define SCENARIO(name, ...) scenario(name, (const struct row[]){ __VA_ARGS__, { NULL, NULL } })

/* Two members in a stable group, a leads. */
#define TWO \
	{ "a join", "#0/ a=MEMBER_ID_REQUIRED" }, { "a join", "" }, \
	{ "b join", "b=MEMBER_ID_REQUIRED" }, { "b join", "" }, \
	{ "+6000", "a=1/range/a[a:m,b:m] b=1/range/a" }, { "b sync", "" }, \
	{ "a sync a:x,b:y", "#1/range/a/a:x,b:y a='x' b='y'" }

/* The same with static members. */
#define TWO_STATIC \
	{ "a join instance=one", "#0/" }, { "b join instance=two", "" }, \
	{ "+6000", "a=1/range/a[a:m,b:m] b=1/range/a" }, { "b sync", "" }, \
	{ "a sync a:x,b:y", "#1/range/a/a:x,b:y a='x' b='y'" }

static void joining(void)
{
	SCENARIO("a group of one",
	         { "state", "none" },
	         { "a join", "#0/ a=MEMBER_ID_REQUIRED" },
	         { "state", "classic Empty " },
	         { "a join", "" },
	         { "state", "classic PreparingRebalance consumer" },
	         { "+2999", "" },
	         { "+1", "a=1/range/a[a:m]" },
	         { "state", "classic CompletingRebalance consumer" },
	         { "a sync a:x", "#1/range/a/a:x a='x'" },
	         { "describe", "Stable/consumer/range a:m:x:client/10.0.0.1" },
	         { "a heartbeat", "a=ok" },
	         { "a leave", "#2/ a=ok/ok" },
	         { "describe", "Empty/consumer/" },
	         { "a join id=none", "a=MEMBER_ID_REQUIRED" },
	         { "a join", "" },
	         { "+3000", "a=3/range/a[a:m]" });
	SCENARIO("before version 4 nobody comes back with an id",
	         { "a join v=3", "#0/" },
	         { "+3000", "a=1/range/a[a:m]" });
	SCENARIO("version 0 has the session for the rebalance timeout",
	         { "a join v=0 session=10000", "#0/" },
	         { "+3000", "a=1/range/a[a:m]" },
	         { "+9999", "" },
	         { "+1", "#2/" });
	SCENARIO("requests that are wrong",
	         { "a join group=", "a=INVALID_GROUP_ID" },
	         { "a join session=5999", "a=INVALID_SESSION_TIMEOUT" },
	         { "a join session=1800001", "a=INVALID_SESSION_TIMEOUT" },
	         { "a join id=nobody", "a=UNKNOWN_MEMBER_ID(?)" },
	         { "a join instance=i id=nobody", "a=UNKNOWN_MEMBER_ID(?)" },
	         { "state", "none" },
	         { "b join type=", "#0/ b=INCONSISTENT_GROUP_PROTOCOL" },
	         { "b join p=", "b=INCONSISTENT_GROUP_PROTOCOL" });
	SCENARIO("an id that is not used in a session is forgotten",
	         { "a join", "#0/ a=MEMBER_ID_REQUIRED" },
	         { "+10000", "" },
	         { "a join", "a=UNKNOWN_MEMBER_ID(a)" });
	SCENARIO("an id is not for static members",
	         { "a join", "#0/ a=MEMBER_ID_REQUIRED" },
	         { "a join instance=i", "a=UNKNOWN_SERVER_ERROR(a)" });
	SCENARIO("the same request twice: the first is answered too", TWO,
	         { "c join", "c=MEMBER_ID_REQUIRED" },
	         { "c join", "" },
	         { "c join", "c=REBALANCE_IN_PROGRESS(c)" },
	         { "a join", "" },
	         { "b join", "a=2/range/a[a:m,b:m,c:m] b=2/range/a c=2/range/a" },
	         { "c sync", "" },
	         { "c sync", "c=REBALANCE_IN_PROGRESS" },
	         { "a sync c:z", "#2/range/a/a:,b:,c:z a='' c='z'" });
}

static void forming(void)
{
	SCENARIO("a group that forms waits as long as members come",
	         { "a join v=3", "#0/" }, { "+2000", "" },
	         { "b join v=3", "" }, { "+2000", "" },
	         { "c join v=3", "" }, { "+2000", "" },
	         { "+2999", "" },
	         { "+1", "a=1/range/a[a:m,b:m,c:m] b=1/range/a c=1/range/a" });
	SCENARIO("but not longer than the rebalance timeout",
	         { "a join v=3 rebalance=7000", "#0/" }, { "+2000", "" },
	         { "b join v=3 rebalance=7000", "" }, { "+2000", "" },
	         { "c join v=3 rebalance=7000", "" }, { "+2000", "" },
	         { "d join v=3 rebalance=7000", "" }, { "+999", "" },
	         { "+1", "a=1/range/a[a:m,b:m,c:m,d:m] b=1/range/a c=1/range/a d=1/range/a" });
	SCENARIO("no delay", { "set delay 0", "" },
	         { "a join v=3", "#0/" }, { "+0", "a=1/range/a[a:m]" });
	SCENARIO("an id that was given does not delay a group that forms",
	         { "a join v=3", "#0/" },
	         { "b join", "b=MEMBER_ID_REQUIRED" },
	         { "+3000", "a=1/range/a[a:m]" },
	         { "b join", "" },
	         { "a heartbeat", "a=REBALANCE_IN_PROGRESS" });
	SCENARIO("all leave while it forms",
	         { "a join", "#0/ a=MEMBER_ID_REQUIRED" }, { "a join", "" },
	         { "b leave a", "a=UNKNOWN_MEMBER_ID b=ok/ok" },
	         { "state", "classic PreparingRebalance consumer" },
	         { "+3000", "#1/" });
	SCENARIO("a new member that is never answered is given up after five minutes",
	         { "set delay 400000", "" },
	         { "a join v=3 rebalance=500000", "#0/" },
	         { "+299999", "" },
	         { "+1", "a=UNKNOWN_MEMBER_ID #1/" },
	         { "state", "classic Empty consumer" });
}

static void protocols(void)
{
	SCENARIO("a protocol that all can do",
	         { "a join v=3 p=x:1,y:2", "#0/" },
	         { "b join v=3 p=y:3,z:4", "" },
	         { "c join v=3 p=z:5,x:6", "c=INCONSISTENT_GROUP_PROTOCOL" },
	         { "c join v=3 type=connect p=y:6", "c=INCONSISTENT_GROUP_PROTOCOL" },
	         { "+6000", "a=1/y/a[a:2,b:3] b=1/y/a" });
	SCENARIO("most votes win",
	         { "a join v=3 p=x:1,y:2", "#0/" },
	         { "b join v=3 p=y:3,x:4", "" },
	         { "c join v=3 p=y:5,x:6", "" },
	         { "+6000", "a=1/y/a[a:2,b:3,c:5] b=1/y/a c=1/y/a" });
	SCENARIO("of equals the one that was wanted first",
	         { "a join v=3 p=y:1,x:2", "#0/" },
	         { "b join v=3 p=x:3,y:4", "" },
	         { "+6000", "a=1/y/a[a:1,b:4] b=1/y/a" });
	SCENARIO("a name that comes twice counts once",
	         { "a join v=3 p=x:1,x:2,y:3", "#0/" },
	         { "b join v=3 p=y:3", "" },
	         { "+6000", "a=1/y/a[a:3,b:3] b=1/y/a" },
	         { "b leave", "b=ok/ok" },
	         { "a join p=x:1,y:3", "a=2/x/a[a:1]" });
	SCENARIO("other types than consumer",
	         { "a join v=3 type=connect p=sessioned:m1,compatible:m2", "#0/" },
	         { "+3000", "a=1/sessioned/a[a:m1]" },
	         { "a sync a:x type=connect p=sessioned", "#1/sessioned/a/a:x a='x'" },
	         { "describe", "Stable/connect/sessioned a:m1:x:client/10.0.0.1" },
	         { "reload", "" },
	         { "describe", "Stable/connect/sessioned a:m1:x:client/10.0.0.1" },
	         { "b join v=3 type=sr p=v0:m", "b=INCONSISTENT_GROUP_PROTOCOL" });
	SCENARIO("what a member can do may change", TWO,
	         { "b join p=range:m2", "" },
	         { "a heartbeat", "a=REBALANCE_IN_PROGRESS" },
	         { "a join", "a=2/range/a[a:m,b:m2] b=2/range/a" });
	SCENARIO("the last member's type is kept when all have gone", TWO,
	         { "a leave a b", "#2/ a=ok/ok/ok" },
	         { "state", "classic Empty consumer" },
	         { "c join v=3 type=connect p=x:y", "" },
	         { "+3000", "c=3/x/c[c:y]" },
	         { "state", "classic CompletingRebalance connect" });
}

static void rebalancing(void)
{
	SCENARIO("a third member", TWO,
	         { "c join", "c=MEMBER_ID_REQUIRED" },
	         { "a heartbeat", "a=ok" },
	         { "c join", "" },
	         { "a heartbeat", "a=REBALANCE_IN_PROGRESS" },
	         { "a join", "" },
	         { "b join", "a=2/range/a[a:m,b:m,c:m] b=2/range/a c=2/range/a" });
	SCENARIO("who does not join in time is out", TWO,
	         { "c join v=3", "" },
	         { "a join", "" },
	         { "+9999", "" },
	         { "b heartbeat", "b=REBALANCE_IN_PROGRESS" },
	         { "+9999", "" },
	         { "b heartbeat", "b=REBALANCE_IN_PROGRESS" },
	         { "+9999", "" }, { "b heartbeat", "b=REBALANCE_IN_PROGRESS" },
	         { "+9999", "" }, { "b heartbeat", "b=REBALANCE_IN_PROGRESS" },
	         { "+9999", "" }, { "b heartbeat", "b=REBALANCE_IN_PROGRESS" },
	         { "+9999", "" }, { "b heartbeat", "b=REBALANCE_IN_PROGRESS" },
	         { "+5", "" },
	         { "+1", "a=2/range/a[a:m,c:m] c=2/range/a" },
	         { "b heartbeat", "b=UNKNOWN_MEMBER_ID" },
	         { "b join", "b=UNKNOWN_MEMBER_ID(b)" });
	SCENARIO("a leader that does not join in time is followed by another", TWO,
	         { "c join v=3 rebalance=5000", "" },
	         { "b join rebalance=5000", "" },
	         { "+9999", "" },
	         { "+1", "b=2/range/b[b:m,c:m] c=2/range/b" });
	SCENARIO("the longest rebalance timeout counts",
	         { "a join v=3 rebalance=8000 session=30000", "#0/" },
	         { "b join v=3 rebalance=20000 session=30000", "" },
	         { "+6000", "a=1/range/a[a:m,b:m] b=1/range/a" },
	         { "b sync", "" }, { "a sync a:x", "#1/range/a/a:x,b: a='x' b=''" },
	         { "c join v=3 rebalance=1000 session=30000", "" },
	         { "+19999", "" },
	         { "+1", "c=2/range/c[c:m]" });
	SCENARIO("nobody has joined by the end of the time: it begins again",
	         { "a join instance=i rebalance=7000 session=30000", "#0/" },
	         { "+3000", "a=1/range/a[a:m]" },
	         { "a sync a:x", "#1/range/a/a:x a='x'" },
	         { "b join rebalance=7000", "b=MEMBER_ID_REQUIRED" },
	         { "b join rebalance=7000", "" },
	         { "b leave", "b=UNKNOWN_MEMBER_ID b=ok/ok" },
	         { "state", "classic PreparingRebalance consumer" },
	         { "+10000", "" },
	         { "a join", "a=2/range/a[a:m]" });
	SCENARIO("a leader that joins again wants a new assignment", TWO,
	         { "b join", "b=1/range/a" },
	         { "b heartbeat", "b=ok" },
	         { "a join", "" },
	         { "b heartbeat", "b=REBALANCE_IN_PROGRESS" },
	         { "b join", "a=2/range/a[a:m,b:m] b=2/range/a" });
	SCENARIO("an answer to JoinGroup that was lost is given again",
	         { "a join v=3", "#0/" }, { "b join v=3", "" },
	         { "+6000", "a=1/range/a[a:m,b:m] b=1/range/a" },
	         { "b join", "b=1/range/a" },
	         { "a join", "a=1/range/a[a:m,b:m]" },
	         { "b sync", "" },
	         { "b join p=range:other", "b=REBALANCE_IN_PROGRESS" },
	         { "a heartbeat", "a=REBALANCE_IN_PROGRESS" },
	         { "a join", "a=2/range/a[a:m,b:other] b=2/range/a" });
	SCENARIO("who does not sync in time is out",
	         { "a join v=3 rebalance=8000 session=30000", "#0/" },
	         { "b join v=3 rebalance=8000 session=30000", "" },
	         { "+6000", "a=1/range/a[a:m,b:m] b=1/range/a" },
	         { "b sync", "" },
	         { "+7999", "" },
	         { "+1", "b=REBALANCE_IN_PROGRESS" },
	         { "a heartbeat", "a=UNKNOWN_MEMBER_ID" },
	         { "b join rebalance=8000", "b=2/range/b[b:m]" });
	SCENARIO("who does not sync in time is out of a stable group too",
	         { "a join v=3 rebalance=8000 session=30000", "#0/" },
	         { "b join v=3 rebalance=8000 session=30000", "" },
	         { "+6000", "a=1/range/a[a:m,b:m] b=1/range/a" },
	         { "a sync a:x,b:y", "#1/range/a/a:x,b:y a='x'" },
	         { "+7999", "" },
	         { "a heartbeat", "a=ok" },
	         { "+1", "" },
	         { "a heartbeat", "a=REBALANCE_IN_PROGRESS" },
	         { "b sync", "b=UNKNOWN_MEMBER_ID" });
	SCENARIO("a generation that has begun is broken off by a new member",
	         { "a join v=3", "#0/" }, { "b join v=3", "" },
	         { "+6000", "a=1/range/a[a:m,b:m] b=1/range/a" },
	         { "b sync", "" },
	         { "c join v=3", "b=REBALANCE_IN_PROGRESS" },
	         { "a sync a:x", "a=REBALANCE_IN_PROGRESS" },
	         { "b join", "" },
	         { "a join", "a=2/range/a[a:m,b:m,c:m] b=2/range/a c=2/range/a" });
}

static void syncing(void)
{
	SCENARIO("requests that are wrong", TWO,
	         { "a sync group=", "a=INVALID_GROUP_ID" },
	         { "a sync group=other", "a=UNKNOWN_MEMBER_ID" },
	         { "a sync id=nobody", "a=UNKNOWN_MEMBER_ID" },
	         { "a sync id=none", "a=UNKNOWN_MEMBER_ID" },
	         { "a sync instance=i", "a=UNKNOWN_MEMBER_ID" },
	         { "a sync gen=0", "a=ILLEGAL_GENERATION" },
	         { "a sync gen=2", "a=ILLEGAL_GENERATION" },
	         { "a sync p=other", "a=INCONSISTENT_GROUP_PROTOCOL" },
	         { "a sync type=other", "a=INCONSISTENT_GROUP_PROTOCOL" },
	         { "a sync type=null", "a=INCONSISTENT_GROUP_PROTOCOL" },
	         { "a sync v=4", "a='x'" });
	SCENARIO("in a stable group it tells the assignment again", TWO,
	         { "b sync", "b='y'" },
	         { "a sync a:other", "a='x'" });
	SCENARIO("assignments to others than members are nothing",
	         { "a join v=3", "#0/" }, { "+3000", "a=1/range/a[a:m]" },
	         { "a sync a:x,b:y,a:z", "#1/range/a/a:z a='z'" });
	SCENARIO("an assignment that no record holds", TWO, { "set record 420", "" },
	         { "a join", "" },
	         { "b join", "a=2/range/a[a:m,b:m] b=2/range/a" }, { "b sync", "" },
	         { "a sync a:0123456789012345678901234567890123456789012345678901234567890123456789,"
	           "b:0123456789012345678901234567890123456789012345678901234567890123456789",
	           "a=UNKNOWN_SERVER_ERROR b=UNKNOWN_SERVER_ERROR" },
	         { "b heartbeat", "b=REBALANCE_IN_PROGRESS" },
	         { "a join", "" }, { "b join", "a=3/range/a[a:m,b:m] b=3/range/a" },
	         { "a sync a:x,b:y", "#3/range/a/a:x,b:y a='x'" }, { "b sync", "b='y'" });
	SCENARIO("a static member that no record holds", TWO_STATIC, { "set record 340", "" },
	         { "b forgets x", "" },
	         { "b join p=range:0123456789012345678901234567890123456789012345678901234567890123",
	           "" },
	         { "a heartbeat", "a=REBALANCE_IN_PROGRESS" });
	SCENARIO("a follower that waits is alive",
	         { "a join v=3", "#0/" }, { "b join v=3", "" },
	         { "+6000", "a=1/range/a[a:m,b:m] b=1/range/a" },
	         { "b sync", "" },
	         { "+9999", "" }, { "a heartbeat", "a=ok" },
	         { "+9999", "" }, { "a sync a:x,b:y", "#1/range/a/a:x,b:y a='x' b='y'" },
	         { "+9999", "" }, { "b heartbeat", "b=ok" });
}

static void heartbeats(void)
{
	SCENARIO("requests that are wrong", TWO,
	         { "a heartbeat group=", "a=INVALID_GROUP_ID" },
	         { "a heartbeat group=other", "a=UNKNOWN_MEMBER_ID" },
	         { "a heartbeat id=nobody", "a=UNKNOWN_MEMBER_ID" },
	         { "a heartbeat gen=0", "a=ILLEGAL_GENERATION" },
	         { "a heartbeat instance=i", "a=UNKNOWN_MEMBER_ID" },
	         { "a leave a b", "#2/ a=ok/ok/ok" },
	         { "a heartbeat", "a=UNKNOWN_MEMBER_ID" });
	SCENARIO("a member that is silent for a session is out", TWO,
	         { "+9999", "" },
	         { "a heartbeat", "a=ok" },
	         { "+1", "" },
	         { "a heartbeat", "a=REBALANCE_IN_PROGRESS" },
	         { "a join", "a=2/range/a[a:m]" });
	SCENARIO("all are silent", TWO,
	         { "+10000", "#2/" },
	         { "state", "classic Empty consumer" });
	SCENARIO("a heartbeat counts between JoinGroup and SyncGroup too",
	         { "a join v=3", "#0/" },
	         { "+3000", "a=1/range/a[a:m]" },
	         { "+9999", "" }, { "a heartbeat", "a=ok" },
	         { "+9999", "" }, { "a sync a:x", "#1/range/a/a:x a='x'" });
	SCENARIO("a commit is a heartbeat", TWO,
	         { "+9999", "" },
	         { "a commit", "a=ok" },
	         { "+1", "" },
	         { "a commit", "a=ok" },
	         { "a commit gen=0", "a=ILLEGAL_GENERATION" },
	         { "a commit gen=-1", "a=ILLEGAL_GENERATION" },
	         { "a commit id=none gen=-1", "a=UNKNOWN_MEMBER_ID" },
	         { "a commit id=none gen=-1 txn=1", "a=ok" },
	         { "a commit instance=i", "a=UNKNOWN_MEMBER_ID" },
	         { "b commit", "b=UNKNOWN_MEMBER_ID" },
	         { "a join", "a=2/range/a[a:m]" },
	         { "a commit", "a=REBALANCE_IN_PROGRESS" },
	         { "a commit txn=1", "a=ok" },
	         { "a leave", "#3/ a=ok/ok" },
	         { "a commit gen=-1", "a=ok" },
	         { "a commit", "a=UNKNOWN_MEMBER_ID" });
}

static void leaving(void)
{
	SCENARIO("one of two", TWO,
	         { "b leave", "b=ok/ok" },
	         { "a heartbeat", "a=REBALANCE_IN_PROGRESS" },
	         { "a join", "a=2/range/a[a:m]" });
	SCENARIO("the leader", TWO,
	         { "a leave", "a=ok/ok" },
	         { "b join", "b=2/range/b[b:m]" });
	SCENARIO("in the words of version 2", TWO,
	         { "b leave v=2", "b=ok" },
	         { "b leave v=2", "b=UNKNOWN_MEMBER_ID" });
	SCENARIO("several at once", TWO,
	         { "c leave a nobody b", "#2/ c=ok/ok/UNKNOWN_MEMBER_ID/ok" },
	         { "c leave group=other a", "c=ok/UNKNOWN_MEMBER_ID" },
	         { "c leave group= a", "c=INVALID_GROUP_ID" });
	SCENARIO("one that has an id but has not joined", TWO,
	         { "c join", "c=MEMBER_ID_REQUIRED" },
	         { "a join", "" },
	         { "b join", "" },
	         { "c leave", "a=2/range/a[a:m,b:m] b=2/range/a c=ok/ok" });
	SCENARIO("one that is waited for", TWO,
	         { "a join", "" },
	         { "b leave", "a=2/range/a[a:m] b=ok/ok" });
	SCENARIO("static members by their names", TWO_STATIC,
	         { "c leave instance=two instance=three", "c=ok/ok/UNKNOWN_MEMBER_ID" },
	         { "b heartbeat", "b=UNKNOWN_MEMBER_ID" },
	         { "a join", "a=2/range/a[a:m]" });
}

static void statics(void)
{
	SCENARIO("a static member that comes back takes its place without a rebalance", TWO_STATIC,
	         { "b forgets x", "" },
	         { "b join", "#1/range/a/a:x,?:y b=1/range/a" },
	         { "b sync", "b='y'" },
	         { "a heartbeat", "a=ok" },
	         { "b heartbeat", "b=ok" });
	SCENARIO("the one that was there is fenced", TWO_STATIC,
	         { "c join instance=two", "#1/range/a/a:x,?:y c=1/range/a" },
	         { "b heartbeat", "b=FENCED_INSTANCE_ID" },
	         { "b sync", "b=FENCED_INSTANCE_ID" },
	         { "b commit", "b=FENCED_INSTANCE_ID" },
	         { "b join", "b=FENCED_INSTANCE_ID(b)" },
	         { "b leave", "b=ok/FENCED_INSTANCE_ID" },
	         { "b heartbeat instance=none", "b=UNKNOWN_MEMBER_ID" },
	         { "c heartbeat", "c=ok" });
	SCENARIO("a leader that comes back is told to leave the assignment as it is", TWO_STATIC,
	         { "a forgets x", "" },
	         { "a join", "#1/range/?/?:x,b:y a=1/range/a[a:m,b:m]!" },
	         { "a sync", "a='x'" });
	SCENARIO("before version 9 it is not told that it leads", TWO_STATIC,
	         { "c join v=8 instance=one", "#1/range/?/?:x,b:y c=1/range/a" },
	         { "b heartbeat", "b=ok" });
	SCENARIO("but with a change of protocol there is a rebalance",
	         { "a join instance=one p=x:1,y:2", "#0/" }, { "b join instance=two p=x:1,y:2", "" },
	         { "+6000", "a=1/x/a[a:1,b:1] b=1/x/a" }, { "b sync p=x", "" },
	         { "a sync a:x,b:y p=x", "#1/x/a/a:x,b:y a='x' b='y'" },
	         { "b forgets x", "" },
	         { "b join p=y:2", "" },
	         { "a heartbeat", "a=REBALANCE_IN_PROGRESS" },
	         { "a join p=x:1,y:2", "a=2/y/a[a:2,b:2] b=2/y/a" });
	SCENARIO("one that comes back before the assignment begins a new generation",
	         { "a join instance=one", "#0/" }, { "b join instance=two", "" },
	         { "+6000", "a=1/range/a[a:m,b:m] b=1/range/a" }, { "b sync", "" },
	         { "c join instance=two", "b=FENCED_INSTANCE_ID" },
	         { "a sync a:x,b:y", "a=REBALANCE_IN_PROGRESS" },
	         { "a join", "a=2/range/a[a:m,c:m] c=2/range/a" });
	SCENARIO("one that comes twice while all join",
	         { "a join instance=one", "#0/" }, { "b join instance=one", "a=FENCED_INSTANCE_ID(a)" },
	         { "+3000", "b=1/range/b[b:m]" });
	SCENARIO("a static member that is away stays, until its session is over", TWO_STATIC,
	         { "a join rebalance=5000 session=30000", "" },
	         { "b join rebalance=5000 session=30000", "a=2/range/a[a:m,b:m] b=2/range/a" },
	         { "b sync", "" },
	         { "a sync a:x,b:y", "#2/range/a/a:x,b:y a='x' b='y'" },
	         { "a join rebalance=5000 session=30000", "" },
	         { "+5000", "a=3/range/a[a:m,b:m]" },
	         { "a sync a:x,b:y", "#3/range/a/a:x,b:y a='x'" },
	         { "b heartbeat", "b=ILLEGAL_GENERATION" },
	         { "b join rebalance=5000 session=30000", "b=3/range/a" },
	         { "b sync", "b='y'" });
	SCENARIO("a static leader that is away gives way",
	         { "a join instance=one rebalance=5000 session=30000", "#0/" },
	         { "b join instance=two rebalance=5000 session=30000", "" },
	         { "+5000", "a=1/range/a[a:m,b:m] b=1/range/a" }, { "b sync", "" },
	         { "a sync a:x,b:y", "#1/range/a/a:x,b:y a='x' b='y'" },
	         { "b join rebalance=5000 session=30000 p=range:new", "" },
	         { "+5000", "b=2/range/b[a:m,b:new]" },
	         { "b sync a:v,b:w", "#2/range/b/a:v,b:w b='w'" },
	         { "reload", "" },
	         { "a heartbeat", "a=ILLEGAL_GENERATION" },
	         { "a join rebalance=5000 session=30000", "a=2/range/b" },
	         { "a sync", "a='v'" },
	         { "b join rebalance=5000 session=30000 p=range:new", "" },
	         { "a heartbeat", "a=REBALANCE_IN_PROGRESS" });
	SCENARIO("members without any time to join keep nobody busy",
	         { "a join instance=one rebalance=1 session=30000", "#0/" },
	         { "+3000", "a=1/range/a[a:m]" },
	         { "a sync a:x", "#1/range/a/a:x a='x'" },
	         { "b join rebalance=1", "b=MEMBER_ID_REQUIRED" },
	         { "b join rebalance=1", "" },
	         { "b leave", "b=UNKNOWN_MEMBER_ID b=ok/ok" },
	         { "+900", "" },
	         { "a heartbeat", "a=REBALANCE_IN_PROGRESS" },
	         { "a join", "a=2/range/a[a:m]" });
	SCENARIO("ids that nobody has", TWO_STATIC,
	         { "c join instance=one id=nobody", "c=FENCED_INSTANCE_ID(?)" },
	         { "c join instance=three id=nobody", "c=UNKNOWN_MEMBER_ID(?)" });
}

static void sizes(void)
{
	SCENARIO("group.max.size", { "set max 2", "" }, TWO,
	         { "c join", "c=GROUP_MAX_SIZE_REACHED" },
	         { "a heartbeat", "a=ok" },
	         { "b join", "b=1/range/a" },
	         { "a join", "" },
	         { "b leave", "a=2/range/a[a:m] b=ok/ok" },
	         { "c join", "c=MEMBER_ID_REQUIRED" });
	SCENARIO("one more id than places", { "set max 2", "" },
	         { "a join v=3", "#0/" },
	         { "b join", "b=MEMBER_ID_REQUIRED" }, { "c join", "c=MEMBER_ID_REQUIRED" },
	         { "b join", "" },
	         { "c join", "c=GROUP_MAX_SIZE_REACHED" },
	         { "+6000", "a=1/range/a[a:m,b:m] b=1/range/a" });
	SCENARIO("a group that is too large when it is loaded", TWO,
	         { "set max 1", "" },
	         { "reload", "" },
	         { "a heartbeat", "a=REBALANCE_IN_PROGRESS" },
	         { "b join", "" },
	         { "a join", "a=GROUP_MAX_SIZE_REACHED b=2/range/b[b:m]" },
	         { "b sync b:all", "#2/range/b/b:all b='all'" });
}

static void loading(void)
{
	SCENARIO("a stable group is loaded as it was", TWO,
	         { "reload", "" },
	         { "describe", "Stable/consumer/range a:m:x:client/10.0.0.1 b:m:y" },
	         { "a heartbeat", "a=ok" },
	         { "b sync", "b='y'" },
	         { "b join", "b=1/range/a" },
	         { "+9999", "" }, { "a heartbeat", "a=ok" }, { "b heartbeat", "b=ok" },
	         { "+9999", "" }, { "a heartbeat", "a=ok" },
	         { "+1", "" },
	         { "a join", "a=2/range/a[a:m]" });
	SCENARIO("those who wait are told to look for the coordinator",
	         { "a join v=3", "#0/" },
	         { "reload", "a=NOT_COORDINATOR(a)" },
	         { "state", "classic Empty " });
	SCENARIO("those who wait for an assignment too", TWO,
	         { "a join", "" }, { "b join", "a=2/range/a[a:m,b:m] b=2/range/a" },
	         { "b sync", "" },
	         { "reload", "b=NOT_COORDINATOR" },
	         { "describe", "Stable/consumer/range a:m:x:client/10.0.0.1 b:m:y" },
	         { "a sync a:x", "a=ILLEGAL_GENERATION" });
	SCENARIO("static members, and one who has come back", TWO_STATIC,
	         { "c join instance=two", "#1/range/a/a:x,?:y c=1/range/a" },
	         { "reload", "" },
	         { "b heartbeat", "b=FENCED_INSTANCE_ID" },
	         { "c heartbeat", "c=ok" });
	SCENARIO("an empty group", TWO, { "a leave a b", "#2/ a=ok/ok/ok" },
	         { "reload", "" },
	         { "describe", "Empty/consumer/" },
	         { "c join v=3", "" },
	         { "+3000", "c=3/range/c[c:m]" });
}

/* --- what has no letters --- */

static void test_member_ids(void)
{
	struct client *c = &clients[0];

	memset(clients, 0, sizeof clients);
	world_init(&w);
	w.answer = on_answer;
	run("a join");
	ok(strlen(c->id) == 6 + 1 + 36 && !strncmp(c->id, "client-", 7) && c->id[7 + 14] == '4'
		   && strchr("89ab", c->id[7 + 19]) && c->id[7 + 8] == '-' && c->id[7 + 23] == '-',
	   "client id and a random UUID: %s", c->id);
	c->id[0] = 0;
	run("a join instance=name");
	run("+3000");
	ok(strlen(c->id) == 4 + 1 + 36 && !strncmp(c->id, "name-", 5),
	   "instance id and a random UUID: %s", c->id);
	world_free(&w);
}

/* A subscription as Java's and librdkafka's consumers write it: version 1, topics x and yy. */
static void test_subscriptions(void)
{
	static const char text[] = "\0\1\0\0\0\2\0\1x\0\2yy\xff\xff\xff\xff\0\0\0\0";
	struct join_group_request_join_group_request_protocol p = {
		.name = span_of("range"), .metadata = { text, sizeof text - 1 }
	};
	struct join_group_request in;
	struct asker a = asker('a', 11);
	struct group *g;

	world_init(&w);
	w.answer = on_answer;
	wire_init(&wire_join_group_request, &in);
	in.group_id = span_of("g");
	in.session_timeout_ms = 6000;
	in.rebalance_timeout_ms = 6000;
	in.group_instance_id = span_of("i");
	in.protocol_type = span_of("consumer");
	in.protocols = &p;
	in.protocols_n = 1;
	world_run(&w, classic_join, &a, &in);
	g = groups_find(&w.groups, span_of("g"));
	ok(g->kind->subscribed(g, span_of("z")), "not known yet: anything may be subscribed");
	world_sleep(&w, 3000);
	ok(g->kind->subscribed(g, span_of("x")) && g->kind->subscribed(g, span_of("yy")),
	   "subscribed topics");
	ok(!g->kind->subscribed(g, span_of("z")), "and others");
	is_int(g->kind->offset_delete_allowed(g), 0, "offsets of consumers may be deleted by topic");
	is_int(g->kind->delete_allowed(g), WIRE_NON_EMPTY_GROUP, "but not a group with members");
	world_sleep(&w, 6000);
	is_int(g->kind->delete_allowed(g), 0, "an empty one may");
	ok(!g->kind->subscribed(g, span_of("x")), "it is subscribed to nothing");
	world_free(&w);
}

static void test_reasons(void)
{
	memset(clients, 0, sizeof clients);
	world_init(&w);
	w.answer = on_answer;
	run("a join id=none v=3 reason=wants\nwork");
	is_str(w.told + strlen("group g: rebalance after generation 0: client-")
	               + strlen("01234567-0123-0123-0123-0123456789ab"),
	       " joins: wants?work", "why: %s", w.told);
	run("+3000");
	is_str(w.told, "group g: generation 1 has 1 members", "a generation");
	run("a leave");
	run("a join id=none v=3");
	ok(strlen(w.told) > 8 && !strcmp(w.told + strlen(w.told) - 5, "joins"), "no reason: %s",
	   w.told);
	world_free(&w);
}

int main(void)
{
	joining();
	forming();
	protocols();
	rebalancing();
	syncing();
	heartbeats();
	leaving();
	statics();
	sizes();
	loading();
	test_member_ids();
	test_subscriptions();
	test_reasons();
	return done_testing();
}
