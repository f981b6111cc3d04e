/* All groups whose partitions this node leads: a map by id, and one heap of timers. Pure: see
 * step.h. What a group's members mean to each other is its kind's business: classic_*.c and
 * consumer_*.c; its committed offsets are in offsets.h, whatever its kind.
 */
#ifndef GROUPCOORD_GROUP_H
#define GROUPCOORD_GROUP_H
#include "base/heap.h"
#include "base/map.h"
#include "records.h"
#include "step.h"

struct group;
struct commit_claim {               /* who says that it may commit or read offsets */
	struct span member, instance;       /* instance null: none */
	int32_t generation;                 /* or member epoch; -1 none */
	bool transactional;
	int16_t version;                    /* of the request */
};
struct committed;

typedef void step_classic(struct groups *, struct step *, struct group *, const struct asker *who,
                          const void *in);

/* What a kind of group answers about its members (Kafka's Group). A group of group_simple has none:
 * it was made by commits alone, and JoinGroup or ConsumerGroupHeartbeat may give it another kind.
 * Errors are codes of wire/codes.h. */
struct group_kind {
	const char *type;           /* ListGroups' type: "classic", "consumer" */
	/* Kafka's word: "Empty", "Stable" ... */
	const char *(*state)(const struct group *);
	struct span (*protocol_type)(const struct group *);
	bool (*empty)(const struct group *);                    /* has no members */
	/* May these offsets be committed? The commit of a classic member is a heartbeat too. */
	int (*commit_allowed)(struct groups *, struct step *, struct group *,
	                      const struct commit_claim *);
	/* If so, of this partition? Its refusal is that of the whole commit. NULL: of every one.
	 * (Kafka's CommitPartitionValidator: consumer groups let an older epoch commit what the
	 * member has had since then.) */
	int (*partition_allowed)(const struct group *, const struct commit_claim *,
	                         const struct uuid *topic, int32_t partition);
	int (*fetch_allowed)(struct step *, const struct group *, const struct commit_claim *);
	/* OffsetDelete: whether at all; offsets of subscribed topics are left alone. */
	int (*offset_delete_allowed)(const struct group *);
	int (*delete_allowed)(const struct group *);            /* DeleteGroups */
	bool (*subscribed)(const struct group *, struct span topic);
	/* From when the retention of an offset counts, wall ms; INT64_MAX: it does not expire
	 * (Kafka's offsetExpirationCondition). */
	int64_t (*expires_from)(const struct group *, const struct committed *);
	/* Records the tombstones of all that the kind has written about the group. */
	void (*tombstones)(struct step *, const struct group *);
	/* DescribeGroups: fills in all but error and id. */
	int (*describe)(struct step *, const struct group *,
	                struct describe_groups_response_described_group *);
	/* The partition has been loaded: timers start, members get a whole session. */
	void (*loaded)(struct groups *, struct step *, struct group *);
	/* The partition is no longer ours: answer those who wait with NOT_COORDINATOR. */
	void (*unload)(struct groups *, struct step *, struct group *);
	/* A JoinGroup, SyncGroup, Heartbeat or LeaveGroup (who->key) for a group of another kind
	 * than group_classic; NULL: it has no members that send these. */
	step_classic *classic;
	/* Topics or partitions have changed; may be NULL. */
	void (*image_changed)(struct groups *, struct step *, struct group *);
	/* Frees members and stops timers: the group is about to be forgotten. */
	void (*forget)(struct groups *, struct group *);
};
extern const struct group_kind group_simple;

struct group {
	const struct group_kind *kind;
	void *members;              /* the kind's own */
	struct span id;             /* owned */
	int32_t partition;
	uint16_t topics_n;
	bool deleting;              /* DeleteGroups waits for what is not settled */
	uint32_t unsettled;         /* commits recorded, but neither committed nor failed */
	struct offsets_topic **topics;      /* committed offsets, by name */
	struct txn_offset *pending;         /* of transactions that have not ended */
};

/* --- timers: embedded in what is timed, one heap for all --- */
struct group_timer {
	struct heap_node node;      /* first; at: monotonic ms */
	void (*fn)(struct groups *, struct step *, struct group_timer *);
};

struct groups {
	struct map by_id;           /* struct group */
	struct heap timers;         /* struct group_timer */
	struct map topics;          /* offsets.c: names of topics, each kept once */
	struct map transactions;    /* offsets.c: those that have not ended */
	struct group_timer expiry;  /* expiry.c */
};

void groups_init(struct groups *);
void groups_free(struct groups *);

struct group *groups_find(const struct groups *, struct span id);       /* NULL: none */
/* A new group of group_simple without offsets; there must be none of this id. */
struct group *groups_make(struct groups *, struct span id, int32_t partition);
/* Calls the kind's forget and frees the group and its offsets. Records nothing. */
void groups_forget(struct groups *, struct group *);
/* Takes kind and members away, which leaves a group of group_simple. Records nothing. */
void groups_simplify(struct groups *, struct group *);
/* Forgets a group of group_simple that has nothing left, which is to say that it is not there. */
void groups_tidy(struct groups *, struct group *);

void groups_timer_set(struct groups *, struct group_timer *, int64_t at_ms);
void groups_timer_stop(struct groups *, struct group_timer *);

/* --- what the daemon, or a test in its place, calls --- */
int64_t groups_due(const struct groups *);              /* the next timer; INT64_MAX none */
void groups_tick(struct groups *, struct step *);       /* all that is due at now_ms */
/* A record of partition: of any type while loading; while leading only those of offsets, when they
 * are committed (all else was changed in memory in the step that recorded it). */
void groups_replay(struct groups *, int32_t partition, const struct replayed *);
void groups_loaded(struct groups *, struct step *, int32_t partition);
void groups_unload(struct groups *, struct step *, int32_t partition);
void groups_image_changed(struct groups *, struct step *);

/* --- memory that is there: the program ends when there is none --- */
void *group_get(size_t n);                              /* zeroed; freed with free */
void *group_resize(void *p, size_t n);
struct span group_copy(struct span text);               /* null stays null; p freed with free */
#endif
