/* A step: one event of a group coordinator (a request, a timer, a record read while loading), and
 * all that its decision may look at. Steps are pure: no sockets, clocks, disks or random numbers
 * but what stands here, so that a test can run a year of them from a seed.
 *
 * Memory that a step cannot get ends the program: what it knew is in the log.
 */
#ifndef GROUPCOORD_STEP_H
#define GROUPCOORD_STEP_H
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "meta/image.h"
#include "port/loop.h"
#include "wire/api.h"
#include "wire/codes.h"
#include "wire/wire.h"

struct groups;

/* Who asks. It may be kept for a later answer, but for the spans: they are borrowed until the step
 * returns. */
struct asker {
	struct port_from from;
	int16_t key, version;
	int32_t correlation;
	uint8_t listener;                   /* enum wire_listener */
	struct span client_id, host, principal;
};

/* The configs of this node, under Kafka's names; times in ms. */
struct group_settings {
	/* classic groups */
	int32_t min_session_timeout, max_session_timeout;   /* group.{min,max}.session.timeout.ms */
	int32_t initial_rebalance_delay;                    /* group.initial.rebalance.delay.ms */
	int32_t max_size;                                   /* group.max.size */
	/* group.consumer.* */
	int32_t consumer_session_timeout;
	int32_t consumer_min_session_timeout, consumer_max_session_timeout;
	int32_t consumer_heartbeat_interval;
	int32_t consumer_min_heartbeat_interval, consumer_max_heartbeat_interval;
	int32_t consumer_max_size;
	const char *consumer_assignors;                     /* a list, the first is the default */
	const char *consumer_migration_policy;              /* BIDIRECTIONAL, UPGRADE ... */
	int32_t consumer_regex_refresh_interval;
	int32_t consumer_assignment_interval;       /* the least time between two targets */
	int32_t record_max;         /* of a record's key and value; of max.message.bytes */
	/* offsets */
	int32_t offset_metadata_max;                        /* offset.metadata.max.bytes */
	int64_t offsets_retention;                          /* offsets.retention.minutes, in ms */
	int64_t offsets_check_interval;     /* offsets.retention.check.interval.ms */
};

struct step_ops {
	/* One record for partition: type is an enum record_type of records.h, key and value structs
	 * of wire/api.h; value NULL is a tombstone. Encoded at once, together with its neighbours
	 * of this turn. */
	void (*record)(void *ctx, int32_t partition, int type, const void *key, int value_version,
	               const void *value);
	/* Answers `to`, in this step or in any later one. Encoded at once, and held until all that
	 * was recorded so far for partition is committed: no answer tells of what could be lost. */
	void (*answer)(void *ctx, const struct asker *to, int32_t partition,
	               const struct wire_type *t, const void *response);
	/* The request at hand is run again, with step.second set, once all that was recorded so far
	 * for these partitions is settled. Nothing else may be done with it in this step. */
	void (*again)(void *ctx, const struct asker *who, const int32_t *partitions, int n);
	uint64_t (*random)(void *ctx);
	/* One line for people about a group, without control characters; may be NULL. */
	void (*tell)(void *ctx, const char *line);
	/* As answer, for a request of several groups: held until all that was recorded so far for
	 * each of these partitions is committed. */
	void (*answer_many)(void *ctx, const struct asker *to, const int32_t *partitions, int n,
	                    const struct wire_type *t, const void *response);
	/* For requests of several groups: the partition of one. Not WIRE_NONE: it is not here
	 * (NOT_COORDINATOR), or still being loaded (COORDINATOR_LOAD_IN_PROGRESS). */
	int (*locate)(void *ctx, struct span group, int32_t *partition);
};

struct step {
	int64_t now_ms;                     /* monotonic: for timers */
	int64_t wall_ms;                    /* of records and commits */
	/* Where the request's group lives: this node leads it and has loaded it. -1 in steps that
	 * are not of one group. */
	int32_t partition;
	bool second;                        /* this request has been run before: see again */
	const struct meta_image *image;
	const struct group_settings *settings;
	struct arena *arena;                /* lives until the step ends */
	const struct step_ops *ops;
	void *ctx;
};

static inline void step_record(struct step *s, int32_t partition, int type, const void *key,
                               int value_version, const void *value)
{
	s->ops->record(s->ctx, partition, type, key, value_version, value);
}
static inline void step_answer(struct step *s, const struct asker *to, int32_t partition,
                               const struct wire_type *t, const void *response)
{
	s->ops->answer(s->ctx, to, partition, t, response);
}
static inline void step_again(struct step *s, const struct asker *who, const int32_t *partitions,
                              int n)
{
	s->ops->again(s->ctx, who, partitions, n);
}
static inline void step_answer_many(struct step *s, const struct asker *to,
                                    const int32_t *partitions, int n, const struct wire_type *t,
                                    const void *response)
{
	s->ops->answer_many(s->ctx, to, partitions, n, t, response);
}
static inline int step_locate(struct step *s, struct span group, int32_t *partition)
{
	return s->ops->locate(s->ctx, group, partition);
}
static inline uint64_t step_random(struct step *s)
{
	return s->ops->random(s->ctx);
}
/* n zeroed members in the step's arena; never NULL */
void *step_take(struct step *s, size_t n, size_t size);
struct span step_copy(struct step *s, struct span text);
struct span step_format(struct step *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Tells people about the group. */
void step_tell(struct step *s, struct span group, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A config of one group (ConfigResource GROUP, "consumer.session.timeout.ms"), if it has it. */
int64_t step_group_config(const struct step *s, struct span group, const char *name,
                          int64_t otherwise);

/* One request. `in` is the decoded request, borrowed until the step returns. */
typedef void step_fn(struct groups *, struct step *, const struct asker *, const void *in);
#endif
