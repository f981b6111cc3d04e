/* The controller step: a request and the image in, records and an answer out (Kafka's
 * *ControlManager classes).
 *
 * Nothing here writes, waits or sends: the caller appends the records as one atomic batch, applies
 * them to the image before the next request, and lets the answer go when they are committed.
 */
#ifndef ELECT_CONTROLLER_H
#define ELECT_CONTROLLER_H
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "meta/image.h"
#include "settings.h"
#include "wire/api.h"
#include "wire/wire.h"

struct session { /* of a broker that heartbeats */
	int32_t id;
	int64_t epoch;		 /* broker epoch */
	int64_t seen_ms;	 /* INT64_MIN: never by this controller */
	int64_t lost_ms;	 /* its connection closed, and it was not heard since; INT64_MAX: no */
	int64_t offset;		 /* metadata offset it has applied */
	int64_t shutdown_offset; /* of its controlled shutdown; -1 none */
};
enum { SESSIONS_MAX = 1024 };
struct controller {
	struct meta_image *image; /* borrowed; everything appended is in it */
	const struct settings *settings;
	struct session sessions[SESSIONS_MAX];
	int sessions_n;
	uint64_t random; /* state; controller_init seeds it, a simulation sets it */
	int64_t preferred_ms, unclean_ms; /* when the next elections are due */
};

struct operation {
	struct controller *c;
	struct arena arena; /* request and answer */
	struct buf values;  /* the records: u32 length, value */
	int values_n;
	bool failed;	/* no memory, or a record that cannot be written */
	int64_t offset; /* that the first record will get */
	int64_t now_ms; /* CLOCK_MONOTONIC */
	enum wire_listener listener;
	/* Takes the records before the answer is made; -1: there is no room for them, and the answer is
	 * to say so. NULL: the caller looks at `values`. */
	int (*append)(void *ctx, const struct buf *values, int n);
	void *ctx;
	int64_t timeout_ms; /* how long the answer may wait for the local programs to apply the
			       records */
};

void controller_init(struct controller *c, struct meta_image *m, const struct settings *s);
/* Does this key belong to the controller step? */
bool controller_has(int key);
/* Works on one request. The answer, a response frame without its length, is appended to `answer`.
 * 0; -1 EBADMSG: the connection must be closed; -1 ENOMEM. */
int controller_call(struct operation *op, const struct wire_request *q, struct buf *answer);

void operation_free(struct operation *op);

/* --- sessions of brokers --- */

/* This controller is the active one from now on: every broker gets a whole session. */
void controller_activated(struct controller *c, int64_t now_ms);
/* The connection on which the broker's heartbeats come was closed by its end (not because our own
 * gate or dial ended), or the node that was the active controller is gone: the broker is fenced
 * unless it is heard within a short grace. */
void broker_lost(struct controller *c, int32_t id, int64_t now_ms);
/* Fences a broker, not our own, whose session is over: one at a time, since the next is judged by
 * what this one changed. When to come again, after the records are applied; INT64_MAX: not before
 * something happens. */
int64_t brokers_expire(struct operation *op, int64_t session_ms);
/* Elections that are due by the clock: preferred leaders, and unclean ones where they are allowed;
 * at most so many at once. The same answer. */
int64_t elections_turn(struct operation *op);

/* --- for the files of this step --- */

struct fault { /* error and message of one item; code 0 is good */
	int16_t code;
	struct span message; /* null: none */
};
#define GOOD ((struct fault){ 0, SPAN_NULL })
struct fault fault(struct operation *op, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void operation_record(struct operation *op, int type, const void *record);
struct mark {
	size_t n;
	int values_n;
};
struct mark operation_mark(const struct operation *op);
void operation_undo(struct operation *op, struct mark m); /* forget the records after the mark */
int operation_level(const struct operation *op);	  /* metadata.version */
uint32_t controller_random(struct controller *c, uint32_t n); /* below n */
const char *operation_z(struct operation *op,
			struct span s); /* a copy in the arena that ends in NUL */

/* Another answer instead of this one: NOT_CONTROLLER for all that it is about. -1: there is
 * none. */
int controller_refuse(int key, int version, const struct buf *answer, struct buf *out);

/* refuse.c: instead of what was done: KAFKA_STORAGE_ERROR, which clients try again. */
void operation_refuse(struct operation *op, int key, void *response);

/* twice.c: for each of n keys, whether it is there once, or is the first or a later one of several.
 * In the arena; NULL: op->failed. */
enum { TWICE_NO, TWICE_FIRST, TWICE_AGAIN };
uint8_t *keys_twice(struct operation *op, const struct span *keys, int32_t n);

/* The same for partitions by name; those of unknown topics count as one topic's. */
struct partition_key {
	struct uuid topic;
	int32_t partition;
};
struct partition_keys {
	struct operation *op;
	struct partition_key *bytes;
	struct span *spans;
	int32_t n;
};
void partition_keys_begin(struct partition_keys *k, struct operation *op, int64_t n);
void partition_keys_add(struct partition_keys *k, struct span topic, int32_t partition);
const uint8_t *partition_keys_twice(struct partition_keys *k);

/* One function an API: request and answer are its structs. */
typedef void handler(struct operation *op, const struct wire_request *q, const void *request,
		     void *response);
handler create_topics, delete_topics, create_partitions, alter_configs, incremental_alter_configs;
handler update_features, allocate_producer_ids, register_broker, broker_heartbeat;
handler alter_partition, unregister_broker, elect_leaders;
handler alter_reassignments, list_reassignments, assign_directories;

/* configs.c: checks the configs of a topic that is being made and adds their records. */
struct fault configs_of_new_topic(struct operation *op,
				  const struct create_topics_request_creatable_topic *t);
bool topic_name_fault(struct operation *op, struct span name, struct fault *f);

/* brokers.c */
bool broker_is_active(const struct controller *c,
		      int32_t id); /* registered, not fenced, not shutting down */
bool broker_takes_replicas(const struct meta_broker *b); /* not all its directories are cordoned */
struct fault broker_epoch_fault(struct operation *op, int32_t id, int64_t epoch);

/* sessions.c */
struct session *session_of(struct controller *c, int32_t id); /* NULL: there are too many */
void session_begin(struct session *s, int32_t id);
void session_heard(struct session *s, int64_t now_ms);
void session_forget(struct controller *c, int32_t id);
bool session_is_valid(const struct operation *op, int32_t id);

/* directories.c: what a heartbeat says of the broker's log directories; n of cordoned ones is -1
 * where it says nothing. */
void directories_offline(struct operation *op, const struct meta_broker *b,
			 const struct uuid *offline, int32_t n);
void directories_cordoned(struct operation *op, const struct meta_broker *b, struct uuid *cordoned,
			  int32_t n);

/* leaders.c: PartitionChange records for what a change of brokers means
 * (generateLeaderAndIsrUpdates). */
void leaders_without(struct operation *op,
		     int32_t broker); /* it leaves leadership and, where others remain, the ISR */
/* The same, and what waits for it looks for somebody else. */
void leaders_without_for_ever(struct operation *op, int32_t broker);
/* The same, and it may have lost what it had: it is not eligible to lead either. */
void leaders_without_lost(struct operation *op, int32_t broker);
void leaders_with(struct operation *op, int32_t broker); /* it may lead again what has no leader */
bool leaders_any(const struct controller *c, int32_t broker); /* does it lead anything? */
#endif
