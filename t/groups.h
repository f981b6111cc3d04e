/* A group coordinator's steps with a clock, a log and a network that are the test's: one partition,
 * whose records are kept encoded, so that it can be unloaded and loaded again from them.
 */
#ifndef T_GROUPS_H
#define T_GROUPS_H
#include <assert.h>

#include "../cmd/groupcoord/classic.h"
#include "tap.h"

struct kept_record {
	int type;
	struct buf key, value;
	bool tombstone;
};
struct world {
	struct groups groups;
	struct group_settings settings;
	struct meta_image image;
	struct arena arena;
	struct step step;
	struct kept_record *log;
	size_t log_n, log_cap;
	void (*record)(struct world *, const struct kept_record *);
	void (*answer)(struct world *, const struct asker *, const struct wire_type *, const void *);
	void (*again)(struct world *, const struct asker *);
	uint64_t randomness;
	char told[1024];            /* the last line for people */
};
enum { PARTITION = 7 };

static inline void world_record(void *ctx, int32_t partition, int type, const void *key,
                                int value_version, const void *value)
{
	struct world *w = ctx;
	struct kept_record *r;

	assert(partition == PARTITION);
	if (w->log_n == w->log_cap) {
		w->log_cap = w->log_cap ? w->log_cap * 2 : 16;
		w->log = realloc(w->log, w->log_cap * sizeof *w->log);
	}
	r = &w->log[w->log_n++];
	*r = (struct kept_record){ .type = type, .tombstone = !value };
	if (record_encode_key(&r->key, type, key) < 0
	    || (value && record_encode_value(&r->value, type, value_version, value) < 0))
		abort();
	if (w->record)
		w->record(w, r);
}

static inline void world_answer(void *ctx, const struct asker *to, int32_t partition,
                                const struct wire_type *t, const void *response)
{
	struct world *w = ctx;

	assert(partition == PARTITION);
	w->answer(w, to, t, response);
}

static inline void world_again(void *ctx, const struct asker *who, const int32_t *partitions,
                               int n)
{
	struct world *w = ctx;

	w->again(w, who);
}

static inline void world_answer_many(void *ctx, const struct asker *to, const int32_t *partitions,
                                     int n, const struct wire_type *t, const void *response)
{
	world_answer(ctx, to, PARTITION, t, response);
}

static inline int world_locate(void *ctx, struct span group, int32_t *partition)
{
	*partition = PARTITION;
	return WIRE_NONE;
}

static inline uint64_t world_random(void *ctx)
{
	struct world *w = ctx;

	w->randomness ^= w->randomness << 13;
	w->randomness ^= w->randomness >> 7;
	w->randomness ^= w->randomness << 17;
	return w->randomness * 0x2545F4914F6CDD1DULL;
}

static inline void world_tell(void *ctx, const char *line)
{
	struct world *w = ctx;

	snprintf(w->told, sizeof w->told, "%s", line);
}

static const struct step_ops world_ops = {
	.record = world_record, .answer = world_answer, .again = world_again, .random = world_random,
	.tell = world_tell, .locate = world_locate, .answer_many = world_answer_many,
};

static inline void world_init(struct world *w)
{
	*w = (struct world){ .randomness = 1 };
	groups_init(&w->groups);
	w->settings = (struct group_settings){
		.min_session_timeout = 6000,
		.max_session_timeout = 1800000,
		.initial_rebalance_delay = 3000,
		.max_size = INT32_MAX,
		.record_max = 1000000,
		.offset_metadata_max = 4096,
		.offsets_retention = INT64_C(7) * 86400 * 1000,
		.offsets_check_interval = INT64_C(1000) * 86400 * 1000,
		.consumer_session_timeout = 45000,
		.consumer_heartbeat_interval = 5000,
		.consumer_max_size = INT32_MAX,
		.consumer_assignors = "uniform,range",
		.consumer_migration_policy = "bidirectional",
		.consumer_regex_refresh_interval = 600000,
		.consumer_assignment_interval = 1000,
	};
	w->step = (struct step){ .now_ms = 1000, .wall_ms = 1700000000000, .partition = PARTITION,
		                 .image = &w->image, .settings = &w->settings, .arena = &w->arena,
		                 .ops = &world_ops, .ctx = w };
}

static inline void world_free(struct world *w)
{
	groups_free(&w->groups);
	arena_free(&w->arena);
	for (size_t i = 0; i < w->log_n; i++) {
		buf_free(&w->log[i].key);
		buf_free(&w->log[i].value);
	}
	free(w->log);
}

static inline void world_run(struct world *w, step_fn *fn, const struct asker *who, const void *in)
{
	w->step.partition = PARTITION;
	fn(&w->groups, &w->step, who, in);
	arena_reset(&w->arena);
}

static inline void world_tick(struct world *w)
{
	w->step.partition = -1;
	groups_tick(&w->groups, &w->step);
	arena_reset(&w->arena);
}

/* Time goes on, and every timer runs at its moment. */
static inline void world_sleep(struct world *w, int64_t ms)
{
	int64_t until = w->step.now_ms + ms;

	while (groups_due(&w->groups) <= until) {
		int64_t at = groups_due(&w->groups);

		if (at > w->step.now_ms) {
			w->step.wall_ms += at - w->step.now_ms;
			w->step.now_ms = at;
		}
		world_tick(w);
	}
	w->step.wall_ms += until - w->step.now_ms;
	w->step.now_ms = until;
}

static inline struct span kept_span(const struct buf *b, bool null)
{
	return null ? SPAN_NULL : (struct span){ (char *)b->p, (int32_t)b->n };
}

static inline void world_decode(struct world *w, const struct kept_record *k, struct replayed *r)
{
	*r = (struct replayed){ .producer_id = -1, .timestamp = w->step.wall_ms };
	if (record_decode(r, kept_span(&k->key, false), kept_span(&k->value, k->tombstone), &w->arena))
		abort();
}

/* The coordinator loses the partition and gets it back, with what was recorded. */
static inline void world_unload(struct world *w)
{
	w->step.partition = -1;
	groups_unload(&w->groups, &w->step, PARTITION);
	arena_reset(&w->arena);
}

static inline void world_load(struct world *w)
{
	for (size_t i = 0; i < w->log_n; i++) {
		struct replayed r;

		world_decode(w, &w->log[i], &r);
		r.offset = (int64_t)i;
		groups_replay(&w->groups, PARTITION, &r);
		arena_reset(&w->arena);
	}
	w->step.partition = -1;
	groups_loaded(&w->groups, &w->step, PARTITION);
	arena_reset(&w->arena);
}
#endif
