/* A classic group: members that choose a protocol together and let one of them, the leader, assign
 * partitions (Kafka's ClassicGroup and the classic* methods of GroupMetadataManager).
 *
 * EMPTY -> PREPARING (JoinGroup requests are parked until all members have come or their rebalance
 * timeout is over) -> COMPLETING (a new generation; SyncGroup requests are parked until the
 * leader's comes) -> STABLE (its assignment is recorded), and from COMPLETING or STABLE back to
 * PREPARING when a member comes, goes, dies or changes what it can do. Only STABLE and EMPTY are
 * recorded: a group that is loaded is in one of them.
 */
#ifndef GROUPCOORD_CLASSIC_H
#define GROUPCOORD_CLASSIC_H
#include "group.h"

enum classic_state { CLASSIC_EMPTY, CLASSIC_PREPARING, CLASSIC_COMPLETING, CLASSIC_STABLE };

/* How long a new member's JoinGroup may be parked: it has no heartbeats yet
 * (group.new.member.join.timeout, which Kafka keeps to itself). */
enum { CLASSIC_NEW_MEMBER_MS = 5 * 60 * 1000 };

typedef struct join_group_request_join_group_request_protocol classic_wanted;
struct classic_protocol {
	struct span name, metadata;
};
struct classic_member {
	struct group_timer session;
	struct group *group;
	struct classic_member *prev, *next;
	struct span id, instance;           /* instance null: dynamic */
	struct span client_id, client_host;
	int32_t rebalance_timeout_ms, session_timeout_ms;
	struct classic_protocol *protocols; /* owned, with what they point to; most wanted first */
	int32_t protocols_n;
	struct span assignment;             /* owned; null is empty */
	bool joining, syncing;              /* join, sync: a parked request */
	bool is_new;                        /* has not had an answer to its first JoinGroup */
	bool owes_sync;                     /* has not sent SyncGroup in this generation */
	struct asker join, sync;
};

/* A member that was given an id by MEMBER_ID_REQUIRED and has not come back with it. */
struct classic_pending {
	struct group_timer session;
	struct group *group;
	struct span id;
};

struct classic_votes {                      /* for one protocol */
	struct span name;
	int32_t members_n;                  /* that can do it */
	int32_t votes;                      /* while one is chosen */
	uint32_t counted;                   /* in which count of classic.counts */
};

struct classic {
	enum classic_state state, before;
	int64_t since_ms;                   /* wall clock of the last change of state; -1 not known */
	int32_t generation;
	struct span type, protocol;         /* owned; null: none */
	struct classic_member *leader;      /* NULL: none */
	struct classic_member *first, *last;        /* as they came */
	struct map members, statics;        /* by id; those with an instance id, by that */
	struct map pending;                 /* struct classic_pending */
	struct map protocols;               /* struct classic_votes */
	uint32_t counts;
	int32_t joining_n, owing_n;
	/* The end of PREPARING and of waiting for SyncGroup. While a group forms the end is put off
	 * as long as members come: by delay_ms now, by remaining_ms more at most. */
	struct group_timer join_end, sync_end;
	bool newcomer;                      /* one came while the group forms */
	int32_t delay_ms, remaining_ms;
	/* Topics that members are subscribed to, when the protocol type is "consumer". */
	bool topics_known;
	struct map topics;                  /* values are the owned names */
	struct group *group;
};

extern const struct group_kind group_classic;

static inline struct classic *classic_of(const struct group *g)
{
	return g->members;
}

/* --- requests: steps --- */
step_fn classic_join, classic_sync, classic_heartbeat, classic_leave;

/* A GroupMetadata record while loading; value NULL is a tombstone. */
void classic_replay(struct groups *, int32_t partition, const struct group_metadata_key *key,
                    const struct group_metadata_value *value);

/* --- for those who make a classic group of another kind, and the other way round --- */

/* Gives a group of group_simple this kind: EMPTY, generation 0. */
struct classic *classic_begin(struct step *, struct group *);
struct classic_member_new {
	struct span id, instance, client_id, client_host, type, assignment;
	int32_t rebalance_timeout_ms, session_timeout_ms;
	const classic_wanted *protocols;
	int32_t protocols_n;
};
/* Copies all it is given. The id is new, and so is the instance. */
struct classic_member *classic_add(struct group *, const struct classic_member_new *);
/* Starts the member's session anew. */
void classic_touch(struct groups *, struct step *, struct classic_member *);
/* Why a rebalance begins, for people. */
struct classic_why {
	const char *what;                   /* "joins" */
	struct span member, reason;         /* reason: the client's own words; null: none */
};
/* Begins a rebalance, whatever the state but PREPARING. */
void classic_rebalance(struct groups *, struct step *, struct group *, struct classic_why);
/* Answers all parked requests with error. */
void classic_fail_all(struct step *, struct group *, int error);
/* Is the group's record one that the log takes? */
bool classic_fits(const struct step *, const struct group *);
/* Records the group as it is. */
void classic_record(struct step *, const struct group *);

/* --- for the files of this kind --- */

/* classic_members.c: what holds between members; no requests, no timers but stopping them */
struct classic_member *classic_member_of(const struct group *, struct span id);
struct classic_member *classic_static_of(const struct group *, struct span instance);
/* Kafka's validateMember: 0, UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID */
int classic_member_fault(const struct group *, struct span id, struct span instance);
/* Nothing may be parked for it. */
void classic_remove(struct groups *, struct group *, struct classic_member *);
void classic_pending_remove(struct groups *, struct group *, struct classic_pending *);
/* The static member m goes on under a new id. Nothing may be parked for it. */
void classic_rename(struct group *, struct classic_member *m, struct span id);
void classic_set_protocols(struct group *, struct classic_member *, const classic_wanted *,
                           int32_t n);
bool classic_same_protocols(const struct classic_member *, const classic_wanted *, int32_t n);
/* Could one who speaks these be a member? */
bool classic_supports(const struct group *, struct span type, const classic_wanted *, int32_t n);
struct span classic_choose(const struct group *);   /* by votes; there are members */
struct span classic_metadata(const struct classic_member *, struct span protocol); /* null: none */
int32_t classic_rebalance_timeout(const struct group *);
bool classic_all_joined(const struct group *);
void classic_set(struct span *owned, struct span value);
void classic_park_join(struct step *, struct group *, struct classic_member *,
                       const struct asker *);
void classic_park_sync(struct step *, struct group *, struct classic_member *,
                       const struct asker *);
void classic_turn(struct step *, struct classic *, enum classic_state);

/* classic_topics.c: reads the topics of all members' subscriptions */
void classic_topics(struct group *);

/* classic_rebalance.c */
void classic_rebalance_or_end(struct groups *, struct step *, struct group *, struct classic_why);
/* PREPARING is over when all members have joined, unless the group is still forming. */
void classic_maybe_end(struct groups *, struct step *, struct group *);
void classic_session_over(struct groups *, struct step *, struct group_timer *);
void classic_pending_over(struct groups *, struct step *, struct group_timer *);
void classic_paid_sync(struct groups *, struct group *, struct classic_member *);

/* classic_answer.c */
enum classic_join_answer { CLASSIC_JOINED, CLASSIC_JOINED_SKIP, CLASSIC_JOINED_FOLLOWER };
void classic_answer_join(struct step *, const struct group *, const struct classic_member *,
                         const struct asker *, enum classic_join_answer, struct span leader);
void classic_answer_sync(struct step *, const struct group *, const struct classic_member *,
                         const struct asker *);
void classic_fail_join(struct step *, int32_t partition, const struct asker *, struct span member,
                       int error);
void classic_fail_sync(struct step *, int32_t partition, const struct asker *, int error);
/* What is parked for m is answered with error and the id that Kafka gives then. */
void classic_fail_parked(struct step *, struct group *, struct classic_member *m,
                         struct span join_member, int error);

/* classic_record.c */
void classic_record_new(struct step *, const struct group *);   /* a group that was not there */
#endif
