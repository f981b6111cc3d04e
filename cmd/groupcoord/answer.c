/* From a request to its step, and from a step's actions to batches and answers. */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include <skalibs/strerr.h>

#include "base/javahash.h"
#include "classic.h"
#include "consumer.h"
#include "groupcoord.h"
#include "offsets.h"

enum { SEVERAL = -1, LARGE = 16 << 10 };

static const struct row {
	int16_t key;
	step_fn *step;
	int group_at;               /* where the request has its group; SEVERAL: more than one */
	bool empty;                 /* the empty group id is as good as any other */
} rows[] = {
	{8, offset_commit, offsetof(struct offset_commit_request, group_id), true},
	{9, offset_fetch, SEVERAL, true},
	{11, classic_join, offsetof(struct join_group_request, group_id), false},
	{12, classic_heartbeat, offsetof(struct heartbeat_request, group_id), false},
	{13, classic_leave, offsetof(struct leave_group_request, group_id), false},
	{14, classic_sync, offsetof(struct sync_group_request, group_id), false},
	{15, groups_describe, SEVERAL, true},
	{16, groups_list, SEVERAL, true},
	{42, groups_delete, SEVERAL, true},
	{47, offset_delete, offsetof(struct offset_delete_request, group_id), false},
	{68, consumer_heartbeat, offsetof(struct consumer_group_heartbeat_request, group_id), true},
	{69, groups_describe_consumer, SEVERAL, true},
};

static const struct row *row_of(int key)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].key == key)
			return &rows[i];
	return NULL;
}

static int64_t wall_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct step server_step(struct server *s, int32_t partition)
{
	arena_reset(&s->arena);
	return (struct step){
		.now_ms = port_now_ms(), .wall_ms = wall_ms(), .partition = partition,
		.image = meta_follow_image(s->follow), .settings = &s->settings, .arena = &s->arena,
		.ops = &server_ops, .ctx = s,
	};
}

/* --- what steps do --- */

static void record(void *ctx, int32_t partition, int type, const void *key, int value_version,
                   const void *value)
{
	struct server *s = ctx;
	s->key.n = s->value.n = 0;
	if (record_encode_key(&s->key, type, key) ||
	    (value && record_encode_value(&s->value, type, value_version, value)))
		strerr_diefu1sys(111, "encode a record");
	struct span v = {(const char *)s->value.p, (int32_t)s->value.n};
	struct coord_batch *b = coord_add(s->coord, partition, wall_ms(),
	                                  (struct span){(const char *)s->key.p, (int32_t)s->key.n},
	                                  value ? v : SPAN_NULL, -1, -1);
	if (!b)
		strerr_diefu1sys(111, "keep a record");
	b->flags |= type == RECORD_OFFSET_COMMIT ? 0 : BATCH_HAS_GROUPS;
}

static bool encode(struct server *s, const struct asker *to, const struct wire_type *t,
                   const void *response)
{
	s->out.n = 0;
	if (!wire_response_header(&s->out, to->key, to->version, to->correlation) &&
	    !wire_encode(t, to->version, response, &s->out, NULL))
		return true;
	strerr_warnwu2sys("encode an answer: ", wire_type_name(t));
	port_answer(s->loop, to->from, PORT_CLOSE, 0, NULL, 0);
	return false;
}

void answer_now(struct server *s, const struct asker *to, const struct wire_type *t,
                const void *response)
{
	if (encode(s, to, t, response))
		port_answer_bytes(s->loop, to->from, s->out.p, s->out.n);
}

static struct span frame(const struct server *s)
{
	return (struct span){(const char *)s->out.p, (int32_t)s->out.n};
}

static void answer(void *ctx, const struct asker *to, int32_t partition, const struct wire_type *t,
                   const void *response)
{
	struct server *s = ctx;
	struct coord_batch *b = coord_newest(s->coord, partition);
	if (!b)
		answer_now(s, to, t, response);
	else if (encode(s, to, t, response))
		hold_answer(s, b, to, frame(s));
}

/* The newest batches of these partitions, each once. */
static struct coord_batch **batches(struct server *s, const int32_t *partitions, int n, int *found)
{
	struct coord_batch **v = arena_get(&s->arena, ((size_t)n + 1) * sizeof *v);
	if (!v)
		strerr_diefu1sys(111, "keep an answer");
	*found = 0;
	for (int i = 0; i < n; i++) {
		struct coord_batch *b = coord_newest(s->coord, partitions[i]);
		for (int k = 0; b && k < *found; k++)
			b = v[k] == b ? NULL : b;
		if (b)
			v[(*found)++] = b;
	}
	return v;
}

static void answer_many(void *ctx, const struct asker *to, const int32_t *partitions, int n,
                        const struct wire_type *t, const void *response)
{
	struct server *s = ctx;
	int found;
	struct coord_batch **v = batches(s, partitions, n, &found);
	if (!encode(s, to, t, response))
		return;
	if (found)
		hold_answer_many(s, v, found, to, frame(s));
	else
		port_answer_bytes(s->loop, to->from, s->out.p, s->out.n);
}

static void again(void *ctx, const struct asker *who, const int32_t *partitions, int n)
{
	struct server *s = ctx;
	int found;
	struct coord_batch **v = batches(s, partitions, n, &found);
	if (found)
		hold_again(s, v, found, s->call);
	else
		port_answer(s->loop, who->from, PORT_CLOSE, 0, NULL, 0);
}

static uint64_t random_number(void *ctx)
{
	uint64_t v;
	if (getrandom(&v, sizeof v, 0) != sizeof v)
		strerr_diefu1sys(111, "get a random number");
	return v;
}

static int locate(void *ctx, struct span group, int32_t *partition)
{
	struct server *s = ctx;
	*partition = javahash_partition(group, coord_partitions(s->coord));
	switch (coord_state(s->coord, *partition)) {
	case COORD_LOADED: return WIRE_NONE;
	case COORD_LOADING: return WIRE_COORDINATOR_LOAD_IN_PROGRESS;
	default: return WIRE_NOT_COORDINATOR;
	}
}

static void tell(void *ctx, const char *line)
{
	strerr_warni1x(line);
}

const struct step_ops server_ops = {
	.record = record, .answer = answer, .again = again, .random = random_number, .tell = tell,
	.answer_many = answer_many, .locate = locate,
};

/* --- requests --- */

/* KafkaApis.isConsumerGroupProtocolEnabled. */
static bool has_consumer_protocol(const struct server *s)
{
	return s->consumer_protocol &&
	       meta_feature_level(meta_follow_image(s->follow), "group.version") > 0;
}

/* Why the request cannot be run. */
static int unfit(struct server *s, const struct row *row, const void *in, int32_t *partition)
{
	*partition = -1;
	if ((row->key == 68 || row->key == 69) && !has_consumer_protocol(s))
		return WIRE_UNSUPPORTED_VERSION;
	if (row->group_at == SEVERAL)
		return row->step == groups_list && coord_loading(s->coord)
		       ? WIRE_COORDINATOR_LOAD_IN_PROGRESS : WIRE_NONE;
	struct span group = *(const struct span *)((const char *)in + row->group_at);
	if (group.n <= 0 && !row->empty)
		return WIRE_INVALID_GROUP_ID;
	return locate(s, group, partition);
}

void answer_call(struct server *s, const struct port_call *c, bool second)
{
	struct wire_request r;
	const struct row *row = NULL;
	struct step step = server_step(s, -1);
	void *in = NULL;
	if (!wire_request_parse(&r, c->body.p, (size_t)c->body.n) && (row = row_of(r.key)))
		in = arena_get(&s->arena, wire_type_size(r.api->request));
	if (!in || wire_decode(r.api->request, r.version, r.body, r.body_n, &s->arena, in) < 0) {
		port_answer(s->loop, c->from, PORT_CLOSE, 0, NULL, 0);
		return;
	}
	struct asker who = {
		.from = c->from, .key = r.key, .version = r.version,
		.correlation = r.correlation_id, .listener = c->listener,
		.client_id = r.client_id, .host = c->host, .principal = c->principal,
	};
	int error = unfit(s, row, in, &step.partition);
	if (error) {
		answer_unfit(s, &who, in, error);
		return;
	}
	if (c->body.n > LARGE)
		coord_seal(s->coord, step.partition);
	step.second = second;
	s->call = c;
	row->step(&s->groups, &step, &who, in);
	s->call = NULL;
	if (step.partition >= 0)
		coord_step_done(s->coord, step.partition);
}
