/* Clients that follow no rules: random requests of every kind that groupcoord answers, in every
 * version, with ids, epochs and names that other clients were given, between timers, failed appends
 * and reloads. Nothing may break what holds of a group, each request is answered once, and a group
 * that is loaded again is what it was. SEED=n the first seed; COUNT=n seeds.
 */
#include "../cmd/groupcoord/consumer.h"
#include "../cmd/groupcoord/offsets.h"
#include "classic.h"
#include "groups.h"
#include "meta/record.h"
#include "wire/type.h"

enum { STEPS = 400, IDS = 5, TAGS = 4096, COUNT = 300, ARRAY_MOST = 3 };

static struct world w;
static uint64_t seed;
static int step_n;
/* What members were told, and what they said of themselves then: most requests are of one. */
static struct known {
	char id[128], group[4], instance[4];
	int32_t epoch;
} known[IDS], said[TAGS], *now;
static int known_n;
static uint8_t asked[TAGS], answered[TAGS];
static size_t settled_n;
static struct again { struct again *next; struct asker who; struct buf bytes; } *again_first;
static struct asker current;
static struct buf current_bytes;

__attribute__((format(printf, 1, 2))) static void wrong(const char *format, ...)
{
	va_list args;

	printf("not ok 1 - seed %llu, step %d: ", (unsigned long long)seed, step_n);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n1..1\n");
	exit(1);
}

/* --- random messages --- */

static uint64_t pick(uint64_t below)
{
	return tap_random(below);
}

static struct span one_of(const char *const *v, int n)
{
	return span_of(v[pick((uint64_t)n)]);
}
#define ONE_OF(...) \
	one_of((const char *const[]){ __VA_ARGS__ }, \
	       sizeof(const char *[]){ __VA_ARGS__ } / sizeof(char *))

static bool called(const struct wire_field *f, const char *part)
{
	return strcasestr(f->name, part);
}

static struct span text_for(const struct wire_type *t, const struct wire_field *f)
{
	if (called(f, "Instance"))
		return pick(8) ? span_of(now->instance) : ONE_OF("i1", "i2", "i3", "");
	if (called(f, "MemberId"))
		return pick(8) ? span_of(now->id) : pick(2) && known_n
			? span_of(known[pick((uint64_t)known_n)].id) : ONE_OF("", "", "nobody");
	if (called(f, "Group"))
		return pick(12) ? span_of(now->group) : ONE_OF("g", "g", "h", "");
	if (called(f, "ProtocolType"))
		return pick(12) ? span_of("consumer") : ONE_OF("connect", "");
	if (called(f, "Regex"))
		return ONE_OF("t.*", "(", "", "u");
	if (called(f, "Assignor"))
		return ONE_OF("uniform", "range", "none");
	if (called(f, "Filter"))
		return ONE_OF("Stable", "empty", "classic", "x");
	if (called(f, "Protocol") || strstr(wire_type_name(t), "Protocol"))
		return pick(8) ? span_of("range") : ONE_OF("sticky", "x");
	return ONE_OF("t", "u", "t", "none", "");
}

/* Subscriptions and assignments of the consumer protocol, whole and cut short. */
static struct span bytes_for(void)
{
	static const char subscription[] = "\0\1\0\0\0\2\0\1t\0\1u\xff\xff\xff\xff\0\0\0\1\0\1t\0\0\0\1"
	                                   "\0\0\0\1";
	static const char assignment[] = "\0\0\0\0\0\1\0\1t\0\0\0\2\0\0\0\0\0\0\0\1\xff\xff\xff\xff";

	switch (pick(5)) {
	case 0:
		return span_of("");
	case 1:
		return (struct span){ assignment, sizeof assignment - 1 };
	case 2:
		return (struct span){ subscription, (int32_t)pick(sizeof subscription) };
	default:
		return (struct span){ subscription, sizeof subscription - 1 };
	}
}

static int64_t number_for(const struct wire_field *f)
{
	static const int64_t numbers[] = { -3, -2, -1, 0, 1, 2, 3, 7, 100, 6000, 10000, 20000,
		                           INT32_MAX };

	if ((called(f, "Epoch") || called(f, "GenerationId")) && pick(5))
		return now->epoch - (int64_t)(pick(9) == 0);
	if (called(f, "SessionTimeout"))
		return pick(20) ? 6000 + (int64_t)pick(10000) : 1;
	if (called(f, "Partition"))
		return (int64_t)pick(4);
	return numbers[pick(sizeof numbers / sizeof *numbers)];
}

static void fill(const struct wire_type *t, int version, void *out);

static bool no_text(const struct wire_field *f)
{
	if (called(f, "Instance"))
		return pick(8) ? !now->instance[0] : pick(2);
	return pick(called(f, "Protocol") ? 40 : 4) == 0;
}

static void fill_one(const struct wire_type *t, const struct wire_field *f, int version, void *at)
{
	int64_t n = number_for(f);

	switch (f->kind) {
	case WIRE_BOOL:
		*(bool *)at = n & 1;
		break;
	case WIRE_INT8:
		*(int8_t *)at = (int8_t)n;
		break;
	case WIRE_INT16:
	case WIRE_UINT16:
		*(int16_t *)at = (int16_t)n;
		break;
	case WIRE_INT32:
	case WIRE_UINT32:
		*(int32_t *)at = (int32_t)n;
		break;
	case WIRE_INT64:
		*(int64_t *)at = n;
		break;
	case WIRE_UUID:
		memset(at, pick(4) ? 1 : 0, sizeof(struct uuid));
		break;
	case WIRE_STRING:
		*(struct span *)at = wire_nullable(f, version) && no_text(f)
		                             ? SPAN_NULL : text_for(t, f);
		break;
	case WIRE_BYTES:
		*(struct span *)at = wire_nullable(f, version) && pick(3) == 0 ? SPAN_NULL
		                                                               : bytes_for();
		break;
	case WIRE_STRUCT:
		fill(f->type, version, at);
		break;
	default:
		break;
	}
}

static struct arena message;

static void fill(const struct wire_type *t, int version, void *out)
{
	wire_init(t, out);
	for (int i = 0; i < t->fields_n; i++) {
		const struct wire_field *f = &t->fields[i];
		char *at = (char *)out + f->at;
		size_t size = wire_member_size(f);
		int32_t n = (int32_t)pick(ARRAY_MOST + 1);

		if (!wire_has(f, version))
			continue;
		if (f->flags & WIRE_ARRAY) {
			char *v = arena_get(&message, size * (size_t)n + 1);

			if (wire_nullable(f, version) && pick(3) == 0)
				n = -1;
			for (int32_t k = 0; k < n; k++)
				fill_one(t, f, version, v + (size_t)k * size);
			*(void **)at = n < 0 ? NULL : v;
			*(int32_t *)((char *)out + f->at_n) = n;
		} else if (!(f->flags & WIRE_POINTER))
			fill_one(t, f, version, at);
	}
}

/* --- the world --- */

static void learn(uint32_t tag, struct span id, int32_t epoch)
{
	struct known k = said[tag];

	if (id.n <= 0 || id.n > 127)
		return;
	span_z(id, k.id, sizeof k.id);
	k.epoch = epoch;
	for (int i = 0; i < known_n; i++)
		if (!strcmp(known[i].id, k.id)) {
			known[i] = k;
			return;
		}
	known[known_n < IDS ? known_n++ : (int)pick(IDS)] = k;
}

static void on_answer(struct world *world, const struct asker *to, const struct wire_type *t,
                      const void *response)
{
	struct buf b = { 0 };

	if (wire_encode(t, to->version, response, &b, NULL) < 0)
		wrong("an answer of %s that version %d cannot have", wire_type_name(t), to->version);
	buf_free(&b);
	if (answered[to->from.tag]++)
		wrong("a second answer to %s", wire_type_name(t));
	if (t == &wire_join_group_response) {
		const struct join_group_response *r = response;

		if (!r->error_code || r->error_code == WIRE_MEMBER_ID_REQUIRED)
			learn(to->from.tag, r->member_id, r->generation_id);
	} else if (t == &wire_consumer_group_heartbeat_response) {
		const struct consumer_group_heartbeat_response *r = response;

		if (!r->error_code)
			learn(to->from.tag, r->member_id, r->member_epoch);
	}
}

static void on_again(struct world *world, const struct asker *who)
{
	struct again *a = calloc(1, sizeof *a);

	a->who = current;
	buf_add(&a->bytes, current_bytes.p, current_bytes.n);
	a->next = again_first;
	again_first = a;
}

static const struct { int16_t key; step_fn *fn; } steps[] = {
	{ 8, offset_commit }, { 9, offset_fetch }, { 11, classic_join }, { 12, classic_heartbeat },
	{ 13, classic_leave }, { 14, classic_sync }, { 15, groups_describe }, { 16, groups_list },
	{ 42, groups_delete }, { 47, offset_delete }, { 68, consumer_heartbeat },
	{ 69, groups_describe_consumer },
};
enum { STEPS_N = sizeof steps / sizeof *steps };

static step_fn *fn_of(int key)
{
	for (int i = 0; i < STEPS_N; i++)
		if (steps[i].key == key)
			return steps[i].fn;
	abort();
}

static void run(const struct asker *who, const struct buf *b, bool second)
{
	const struct wire_type *t = wire_api(who->key)->request;
	struct arena a = { 0 };
	void *in = arena_get(&a, wire_type_size(t));

	if (wire_decode(t, who->version, b->p, b->n, &a, in) < 0)
		abort();
	w.step.second = second;
	world_run(&w, fn_of(who->key), who, in);
	w.step.second = false;
	arena_free(&a);
}

static void say(void)
{
	int which = (int)pick(STEPS_N + 30);
	int16_t key = which < STEPS_N ? steps[which].key : pick(4) == 0 ? 68
	            : known_n ? (int16_t)(11 + pick(4)) : 11;
	const struct wire_api *api = wire_api(key);
	int version = api->min + (int)pick((uint64_t)(api->max - api->min + 1));
	void *in;

	if (key == 11 && pick(2) && known_n)
		version = 3;        /* no MEMBER_ID_REQUIRED */
	now = &said[step_n];
	*now = (struct known){ .group = "g", .epoch = key == 68 ? 0 : -1 };
	if (pick(4) == 0)
		strcpy(now->group, "h");
	if (pick(4) == 0)
		snprintf(now->instance, sizeof now->instance, "i%d", (int)pick(3));
	if (known_n && pick(5))
		*now = known[pick((uint64_t)known_n)];
	arena_reset(&message);
	in = arena_get(&message, wire_type_size(api->request));
	fill(api->request, version, in);
	current_bytes.n = 0;
	if (wire_encode(api->request, version, in, &current_bytes, NULL) < 0)
		return;             /* null where none may be */
	current = (struct asker){ .from = { .tag = (uint32_t)step_n }, .key = key,
		                  .version = (int16_t)version, .client_id = span_of("c"),
		                  .host = span_of("/h"), .principal = span_of("User:ANONYMOUS") };
	asked[step_n] = 1;
	run(&current, &current_bytes, false);
}

static void run_again(void)
{
	struct again *all = again_first;

	again_first = NULL;
	while (all) {
		struct again *a = all;

		all = a->next;
		current = a->who;
		current_bytes.n = 0;
		buf_add(&current_bytes, a->bytes.p, a->bytes.n);
		run(&a->who, &a->bytes, true);
		buf_free(&a->bytes);
		free(a);
	}
}

static void load(void)
{
	world_load(&w);
	settled_n = w.log_n;
}

/* A classic group as its record would be, but for the time. */
static void as_record(const struct group *g, struct buf *out)
{
	const struct classic *c = classic_of(g);

	buf_addf(out, "%.*s %d %.*s %.*s", g->id.n, g->id.p, c->generation,
	         c->type.n < 0 ? 0 : c->type.n, c->type.p, c->leader ? c->leader->id.n : 0,
	         c->leader ? c->leader->id.p : "");
	for (const struct classic_member *m = c->first; m; m = m->next) {
		buf_addf(out, " %.*s %.*s %d %d ", m->id.n, m->id.p,
		         m->instance.n < 0 ? 0 : m->instance.n,
		         m->instance.p, m->session_timeout_ms,
		         m->rebalance_timeout_ms < 0 ? m->session_timeout_ms : m->rebalance_timeout_ms);
		buf_add(out, m->assignment.p, m->assignment.n < 0 ? 0 : (size_t)m->assignment.n);
	}
	buf_add8(out, '\n');
}

static void picture(const char *id, struct buf *out)
{
	const struct group *g = groups_find(&w.groups, span_of(id));

	out->n = 0;
	if (g && g->kind == &group_classic
	    && (classic_of(g)->state == CLASSIC_STABLE || classic_of(g)->state == CLASSIC_EMPTY))
		as_record(g, out);
}

static void reload(void)
{
	static struct buf before[2], after[2];

	for (int i = 0; i < 2; i++)
		picture(i ? "g" : "h", &before[i]);
	world_unload(&w);
	for (struct again *a = again_first, *next; a; a = next) {
		next = a->next;
		answered[a->who.from.tag] = 1;      /* the daemon says NOT_COORDINATOR */
		buf_free(&a->bytes);
		free(a);
	}
	again_first = NULL;
	for (int i = 0; i < step_n; i++)
		if (asked[i] && !answered[i])
			wrong("request %d was not answered when the partition was lost", i);
	load();
	for (int i = 0; i < 2; i++) {
		picture(i ? "g" : "h", &after[i]);
		if (before[i].n && after[i].n
		    && (before[i].n != after[i].n || memcmp(before[i].p, after[i].p, before[i].n)))
			wrong("a group is loaded as another:\n%.*s%.*s", (int)before[i].n,
			      (char *)before[i].p, (int)after[i].n, (char *)after[i].p);
	}
}

/* What was recorded is committed, or fails: then the partition is loaded again without it. */
static void settle(void)
{
	bool good = pick(20), groups = false;
	size_t n = w.log_n;

	for (size_t i = settled_n; i < n; i++) {
		struct replayed r;

		world_decode(&w, &w.log[i], &r);
		r.offset = (int64_t)i;
		if (r.type == RECORD_OFFSET_COMMIT)
			offsets_settled(&w.groups, PARTITION, &r, good);
		else
			groups = true;
		arena_reset(&w.arena);
	}
	if (good) {
		settled_n = n;
		run_again();
		return;
	}
	for (size_t i = settled_n; i < n; i++) {
		buf_free(&w.log[i].key);
		buf_free(&w.log[i].value);
	}
	w.log_n = settled_n;
	if (groups) {
		world_unload(&w);
		run_again();
		load();
	} else
		run_again();
}

static void check(void)
{
	struct group *g;

	for (size_t at = 0; (g = map_next(&w.groups.by_id, &at));)
		if (g->kind == &group_classic)
			classic_whole(g, wrong);
}

static void topic(const char *name, uint8_t n)
{
	struct topic_record t;
	struct partition_record p;
	int32_t replica = 1;
	struct buf b = { 0 };

	wire_init(&wire_topic_record, &t);
	t.name = span_of(name);
	memset(t.topic_id.b, n, sizeof t.topic_id.b);
	meta_record_encode(&b, META_TOPIC_RECORD, 0, &t);
	if (meta_apply(&w.image, (struct span){ (char *)b.p, (int32_t)b.n }, n * 10, 1))
		abort();
	for (int i = 0; i < 3; i++) {
		b.n = 0;
		wire_init(&wire_partition_record, &p);
		p.partition_id = i;
		p.topic_id = t.topic_id;
		p.replicas = p.isr = &replica;
		p.replicas_n = p.isr_n = 1;
		p.leader = 1;
		meta_record_encode(&b, META_PARTITION, 0, &p);
		if (meta_apply(&w.image, (struct span){ (char *)b.p, (int32_t)b.n }, n * 10 + 1 + i, 1))
			abort();
	}
	buf_free(&b);
}

static void one(void)
{
	world_init(&w);
	meta_image_init(&w.image);
	if (meta_image_feature(&w.image, span_of("group.version"), 1) < 0)
		abort();
	w.answer = on_answer;
	w.again = on_again;
	w.randomness = seed * 2 + 1;
	w.settings.initial_rebalance_delay = pick(2) ? 0 : 3000;
	w.settings.record_max = pick(10) ? 1000000 : 400;
	topic("t", 1);
	topic("u", 2);
	memset(asked, 0, sizeof asked);
	memset(answered, 0, sizeof answered);
	settled_n = 0;
	known_n = 0;
	for (step_n = 0; step_n < STEPS; step_n++) {
		w.settings.max_size = pick(20) ? INT32_MAX : 2;
		say();
		check();
		if (pick(3) == 0)
			settle();
		if (pick(3) == 0)
			world_sleep(&w, (int64_t)pick(pick(12) ? 500 : 20000));
		check();
		if (pick(60) == 0) {
			settle();
			reload();
			check();
		}
	}
	settle();
	reload();
	meta_image_free(&w.image);
	world_free(&w);
}

int main(void)
{
	uint64_t first = tap_seed();
	long count = getenv("COUNT") ? atol(getenv("COUNT")) : COUNT;

	for (long i = 0; i < count; i++) {
		seed = first + (uint64_t)i;
		tap_state = seed * 2 + 1;
		for (int k = 0; k < 8; k++)
			pick(2);
		one();
	}
	arena_free(&message);
	buf_free(&current_bytes);
	ok(true, "%ld seeds of %d requests", count, STEPS);
	return done_testing();
}
