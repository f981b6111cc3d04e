/* A group of the consumer protocol (KIP-848; Kafka's ConsumerGroup and the consumerGroup* methods
 * of GroupMetadataManager).
 *
 * Members heartbeat with what they subscribe to and what they have. Each change of that raises the
 * group's epoch; for each epoch an assignor makes targets, at assignment_epoch; and each member is
 * led to its target by its own heartbeats: first it gives back (UNREVOKED), then it is given what
 * nobody has any more (UNRELEASED while some is still had), and then it is STABLE at that epoch.
 *
 * All this state is in the records, and changes by the functions under "state", in the step that
 * records it as when it is replayed; the rest is timers and what can be found out again.
 */
#ifndef GROUPCOORD_CONSUMER_H
#define GROUPCOORD_CONSUMER_H
#include "group.h"
#include "parts.h"

enum { CONSUMER_LEAVES = -1, CONSUMER_LEAVES_FOR_NOW = -2 };    /* member epochs */

enum consumer_member_state {
	MEMBER_STABLE = 0, MEMBER_UNREVOKED = 1, MEMBER_UNRELEASED = 2,
	MEMBER_UNKNOWN = 127,                /* written by a Kafka that knows more states */
};

struct consumer_member {
	struct group_timer session, rebalance;
	struct group_timer join, sync;          /* of one who speaks the classic protocol */
	struct group *group;
	struct span id;
	struct consumer_group_member_metadata_value said;   /* what it told, names in order */
	void *said_memory;                      /* all that said points to */
	int32_t epoch, previous_epoch;
	enum consumer_member_state state;
	struct parts assigned, revoking;
};
struct consumer_target {
	struct span member;
	struct parts parts;
};
struct consumer_topic {                 /* a name that is subscribed to */
	struct span name;
	int32_t by_name, by_regex;          /* how many members, how many expressions */
};
struct consumer_regex {
	struct span text;
	int32_t members;
	bool resolved;
	struct span *topics;                /* in order; owned, with what they point to */
	int32_t topics_n;
	int64_t version, at_ms;             /* of the image, and when: wall */
};
struct consumer_owner {                 /* of a partition: had, or being given back */
	struct part part;
	struct consumer_member *member;
};
struct consumer {
	struct group *group;
	int32_t epoch, assignment_epoch;
	int64_t assigned_ms;                /* when the targets were made, wall; 0 not known */
	int64_t hash;                       /* of the metadata of what is subscribed to */
	struct map members, statics;        /* by id; by instance id */
	struct map targets;                 /* struct consumer_target by member */
	struct map topics, regexes;
	struct map owners;                  /* struct consumer_owner by PART_KEY bytes of part */
	int32_t classic_members;            /* who speak the classic protocol */
	bool old_metadata;                  /* a record of Kafka 4.0 waits for its tombstone */
	bool look_again;                    /* topics may have changed since the hash was made */
	bool new_topics;                    /* and since expressions were resolved */
};

extern const struct group_kind group_consumer;

static inline struct consumer *consumer_of(const struct group *g)
{
	return g->members;
}
static inline bool consumer_is(const struct group *g)
{
	return g && g->kind == &group_consumer;
}
/* group.version 1 is finalized */
static inline bool consumer_protocol_on(const struct step *s)
{
	return meta_feature_level(s->image, "group.version") >= 1;
}
static inline bool consumer_member_classic(const struct consumer_member *m)
{
	return m->said.classic_member_metadata != NULL;
}

/* --- requests: steps --- */
step_fn consumer_heartbeat;
/* One group of ConsumerGroupDescribe, NULL if there is none: fills in all but its id, which stands
 * in it. 0, or the error it also sets. */
int consumer_describe(struct step *, const struct group *,
                      struct consumer_group_describe_response_described_group *);

/* Any record of this kind's types, while loading (consumer_replay.c). */
void consumer_replay(struct groups *, int32_t partition, const struct replayed *);

/* --- state (consumer_state.c) --- */

/* Gives a group of group_simple this kind: epoch 1, no members. */
struct consumer *consumer_begin(struct group *);
struct consumer_member *consumer_member_of(const struct consumer *, struct span id);
struct consumer_member *consumer_static_of(const struct consumer *, struct span instance);
/* The member of this id, a new one if there is none. */
struct consumer_member *consumer_member_get(struct consumer *, struct span id);
void consumer_member_remove(struct groups *, struct consumer *, struct consumer_member *);
/* Takes a copy of what it says; names need not be in order, nor each once. */
void consumer_member_say(struct consumer *, struct consumer_member *,
                         const struct consumer_group_member_metadata_value *);
/* Takes copies of assigned and revoking. */
void consumer_member_place(struct consumer *, struct consumer_member *, int32_t epoch,
                           int32_t previous, enum consumer_member_state,
                           const struct parts *assigned, const struct parts *revoking);
/* never NULL */
const struct parts *consumer_target_of(const struct consumer *, struct span member);
bool consumer_has_target(const struct consumer *, struct span member);
void consumer_target_set(struct consumer *, struct span member, const struct parts *);
void consumer_target_remove(struct consumer *, struct span member);
struct consumer_regex *consumer_regex_of(const struct consumer *, struct span text);
void consumer_regex_resolve(struct consumer *, struct span text, const struct span *topics,
                            int32_t topics_n, int64_t version, int64_t at_ms);
void consumer_regex_forget(struct consumer *, struct span text);    /* what it resolved to */
bool consumer_owned(const struct consumer *, const struct part *);  /* has anybody it? */
bool consumer_reconciled(const struct consumer *, const struct consumer_member *);
/* Members by id; in the step's arena. */
struct consumer_member **consumer_members(struct step *, const struct consumer *);
/* Does the member subscribe to the topic of this id? */
bool consumer_subscribed(const struct step *, const struct consumer *,
                         const struct consumer_member *, const struct uuid *topic);
/* What most members want, else the first of group.consumer.assignors. */
const char *consumer_assignor(const struct step *, const struct consumer *);
bool consumer_assignor_known(const struct step *, struct span name);
struct span consumer_host(struct step *, const struct asker *);
struct span consumer_new_id(struct step *);             /* Kafka's Uuid.randomUuid, as text */
struct span consumer_regex_text(const struct consumer_member *);    /* null: none */

/* --- records (consumer_records.c): each writes the state as it is, or a tombstone --- */
void consumer_record_group(struct step *, const struct consumer *);
void consumer_record_assignment(struct step *, const struct consumer *);
void consumer_record_member(struct step *, const struct consumer_member *);
void consumer_record_target(struct step *, const struct consumer *, struct span member);
void consumer_record_current(struct step *, const struct consumer_member *);
void consumer_record_regex(struct step *, const struct consumer *, const struct consumer_regex *);
void consumer_bury_member(struct step *, const struct group *, struct span member);
void consumer_bury_regex(struct step *, const struct group *, struct span text);
void consumer_bury_old_metadata(struct step *, const struct group *);
void consumer_bury(struct step *, const struct group *);            /* everything */

/* --- steps of a heartbeat --- */

/* consumer_hash.c: Kafka's Utils.computeTopicHash, and computeGroupHash over what is subscribed to
 * and is there */
int64_t consumer_topic_hash(struct step *, const struct meta_topic *);
int64_t consumer_hash(struct step *, const struct consumer *);

/* consumer_target.c: makes and records targets for the group's epoch, unless there are, or the last
 * were made too little ago (consumer.assignment.interval.ms). */
void consumer_assign(struct step *, struct consumer *);

/* consumer_reconcile.c: leads the member one step further to its target; owned: what it says it
 * has, NULL not said. Records the change and starts or stops its rebalance timer. */
void consumer_reconcile(struct groups *, struct step *, struct consumer *, struct consumer_member *,
                        bool subscription_changed, const struct parts *owned);

/* consumer_update.c: the member says v (names in order): records it, resolves expressions, raises
 * the group's epoch if that changes something. True: it subscribes to something else. */
bool consumer_update(struct step *, struct consumer *, struct consumer_member *,
                     const struct consumer_group_member_metadata_value *v, bool is_new);

/* consumer_regex.c: resolves the group's expressions if there is need and the last time is long
 * enough ago. True: the group's epoch must be raised. */
bool consumer_resolve(struct step *, struct consumer *);
/* Raises the epoch if told to, or if the metadata has changed, and records it. */
void consumer_raise(struct step *, struct consumer *, bool raise);

/* consumer_leave.c: removes members, or makes the group classic if that leaves only classic ones
 * and the policy allows it. */
void consumer_remove(struct groups *, struct step *, struct group *, struct consumer_member **,
                     int32_t n);
/* The static member's records under a new id, at epoch 0; the old one is gone. */
struct consumer_member *consumer_rename(struct groups *, struct step *, struct consumer *,
                                        struct consumer_member *, struct span id);

/* consumer_classic.c: requests of the classic protocol */
step_classic consumer_classic;

/* consumer_timers.c */
void consumer_session_start(struct groups *, struct step *, struct consumer_member *);
/* Runs while the member gives back, from the last time it was told to; else it stops. */
void consumer_rebalance_timer(struct groups *, struct step *, struct consumer_member *);
/* Of one who speaks the classic protocol: it was told to join again (runs from the first time), it
 * has joined and is to sync, it has synced. */
void consumer_join_wanted(struct groups *, struct step *, struct consumer_member *);
void consumer_joined(struct groups *, struct step *, struct consumer_member *,
                     int32_t rebalance_timeout_ms);
void consumer_synced(struct groups *, struct consumer_member *);
void consumer_timers_stop(struct groups *, struct consumer_member *);
#endif
