/* The quorum step: Raft by KRaft's rules as a pure function of events (KafkaRaftClient,
 * QuorumState, LeaderState).
 *
 * No clock, socket or disk: what was asked of the caller in `todo` it does before the next event:
 * first `save`, then the messages and the reply. So a vote is on disk before anybody hears of it,
 * and so is an epoch before a record of it is written. Times are CLOCK_MONOTONIC milliseconds.
 */
#ifndef ELECT_QUORUM_H
#define ELECT_QUORUM_H
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* A voter is an id and the directory that its log lies in: who lost the disk is somebody else. A
 * zero directory: not known (kraft.version 0), matches any. */
struct quorum_key {
	int32_t id; /* -1: nobody */
	struct uuid directory;
};
enum quorum_role {
	QUORUM_UNATTACHED,  /* knows no leader of this epoch */
	QUORUM_FOLLOWER,
	QUORUM_PROSPECTIVE, /* asks whether an election would be won, in the old epoch */
	QUORUM_CANDIDATE,
	QUORUM_LEADER,
	QUORUM_RESIGNED,    /* led this epoch, and told the others that it does not any more */
};
enum quorum_vote { QUORUM_NO_VOTE, QUORUM_GRANTED, QUORUM_REJECTED };
struct quorum_voter {
	struct quorum_key key;
	enum quorum_vote vote; /* on this candidate */
	int64_t end;	       /* what it has on disk: its fetch position; -1 unknown in this epoch */
	int64_t fetched_ms;    /* its last fetch in this epoch; INT64_MIN none */
	int64_t asked_ms;      /* last message to it; INT64_MIN none in this role */
	bool in_check;	       /* fetched since the leader last heard from a majority */
	bool acknowledged;     /* that this leader resigned */
};
enum { QUORUM_VOTERS_MAX = 64 };
struct quorum_timeouts {
	int32_t election_ms, fetch_ms, backoff_ms; /* controller.quorum.* */
};
struct quorum {
	struct quorum_key self;
	struct quorum_timeouts timeouts;
	uint64_t random;
	enum quorum_role role;
	int32_t epoch, leader;	  /* leader -1: none known */
	struct quorum_key voted;  /* in this epoch */
	struct quorum_voter voters[QUORUM_VOTERS_MAX];
	int voters_n;
	int64_t voters_at;	  /* leader: the record that made them so is committed above this */
	int64_t log_end;	  /* of the own log, */
	int32_t log_epoch;	  /* and the epoch of its last record */
	int64_t epoch_start;	  /* leader: offset of the first record of its epoch */
	int64_t high_watermark;	  /* all below is committed; -1: not known yet; never falls */
	int64_t deadline_ms;	  /* election, fetch or resignation timeout; INT64_MAX none */
	int64_t check_ms;	  /* leader: it resigns unless a majority fetches before */
	bool heard;		  /* follower: the leader has answered a fetch */
	bool stopping;
	bool hurt; /* it may have lost what it said to have: no votes, no elections */
};

enum quorum_event_type {
	/* epoch, leader, from (whom we voted for): quorum-state; end, log_epoch: of the log. */
	QUORUM_START,
	QUORUM_TICK,	 /* now_ms only */
	/* end, log_epoch: the log ends there now. high_watermark: the leader's, when what came from
	 * it fitted on at the end; -1 after a cut: what is left may still differ. */
	QUORUM_APPENDED,
	QUORUM_FLUSHED,	 /* end: everything below is on disk here */
	QUORUM_VOTERS,	 /* keys, keys_n: as of a record at offset `end` of the log */
	QUORUM_STOP,	 /* leaves for good: no more appends, no more elections */
	/* Requests of others: `error` and `granted` of todo are the answer. `from`: who asks; `to`:
	 * whom it means, id -1 when it did not say. */
	QUORUM_VOTE,	 /* epoch, end, log_epoch: of the candidate; pre: only a question */
	QUORUM_BEGIN,	 /* epoch; `from` leads */
	QUORUM_END,	 /* epoch; `from` does not lead any more; keys: whom it would have next */
	/* epoch, end; valid: our log has what is below (end, epoch of it). end -1: a snapshot is
	 * fetched, which says no more than that the voter follows. */
	QUORUM_FETCH,
	/* Answers of others; error, epoch, leader as they came, from.id: who answers. */
	QUORUM_VOTED,	 /* pre, granted */
	QUORUM_BEGUN,
	QUORUM_ENDED,
	QUORUM_FETCHED,	 /* todo.accept: use what it brought; high_watermark */
	QUORUM_LOST,	 /* the connection to from.id was closed */
};
struct quorum_event {
	enum quorum_event_type type;
	int64_t now_ms;
	struct quorum_key from, to;
	int32_t epoch, leader;
	int64_t end, high_watermark;
	int32_t log_epoch;
	int16_t error;
	bool pre, granted, valid;
	const struct quorum_key *keys;
	int keys_n;
};
struct quorum_message {
	/* QUORUM_VOTE (pre while prospective), QUORUM_BEGIN or QUORUM_END, of the state as it is */
	enum quorum_event_type type;
	struct quorum_key to;
};
struct quorum_todo {
	bool save;	/* write quorum-state durably, before all else */
	bool begin;	/* just became leader: append the records that begin an epoch */
	bool committed; /* the high watermark moved */
	bool lost;	/* leads no more: fail what waits for commits */
	bool accept;	/* QUORUM_FETCHED: append, cut or load what it brought */
	bool granted;
	int16_t error;	/* Kafka's, for the answer */
	struct quorum_message messages[QUORUM_VOTERS_MAX];
	int messages_n;
};

void quorum_init(struct quorum *q, struct quorum_key self, struct quorum_timeouts t, uint64_t seed);
/* Before QUORUM_START. -1 EINVAL: too many, or twice. */
int quorum_voter_add(struct quorum *q, struct quorum_key key);
void quorum_step(struct quorum *q, const struct quorum_event *e, struct quorum_todo *todo);
int64_t quorum_due(const struct quorum *q); /* when QUORUM_TICK is wanted; INT64_MAX never */
bool quorum_is_voter(const struct quorum *q);
bool quorum_acknowledged(const struct quorum *q); /* that this leader resigned: by a majority */
/* The other voters, who has most first; how many. */
int quorum_successors(const struct quorum *q, struct quorum_key keys[QUORUM_VOTERS_MAX]);

/* --- for the files of this step: quorum.c states and time, votes.c elections, leader.c what a
 * leader does --- */

enum { QUORUM_RETRY_MS = 100 }; /* an unanswered message is sent again */
struct quorum_voter *quorum_voter(struct quorum *q, struct quorum_key key); /* NULL: it is none */
bool quorum_majority(const struct quorum *q, int n);
void quorum_unattach(struct quorum *q, int32_t epoch, int64_t now_ms, struct quorum_todo *todo);
void quorum_follow(struct quorum *q, int32_t epoch, int32_t leader, int64_t now_ms,
		   struct quorum_todo *todo);
void quorum_stand(struct quorum *q, int64_t now_ms, struct quorum_todo *todo);
/* What any message says of the leader of its epoch (maybeTransition). */
void quorum_learn(struct quorum *q, int32_t epoch, int32_t leader, int64_t now_ms,
		  struct quorum_todo *todo);
void quorum_send(struct quorum *q, struct quorum_voter *v, enum quorum_event_type type,
		 int64_t now_ms, struct quorum_todo *todo);
void quorum_back_off(struct quorum *q, int64_t now_ms); /* lost: stands again soon */
int64_t quorum_election_ms(struct quorum *q); /* a random time between once and twice */

void quorum_vote(struct quorum *q, const struct quorum_event *e, struct quorum_todo *todo);
void quorum_voted(struct quorum *q, const struct quorum_event *e, struct quorum_todo *todo);
void quorum_ask_votes(struct quorum *q, int64_t now_ms, struct quorum_todo *todo);
void quorum_end(struct quorum *q, const struct quorum_event *e, struct quorum_todo *todo);

void quorum_lead(struct quorum *q, int64_t now_ms, struct quorum_todo *todo);
void quorum_lead_tick(struct quorum *q, int64_t now_ms, struct quorum_todo *todo);
void quorum_resign(struct quorum *q, int64_t now_ms, struct quorum_todo *todo);
void quorum_reached(struct quorum *q, struct quorum_voter *v, int64_t end,
		    struct quorum_todo *todo, int64_t now_ms);
void quorum_fetch(struct quorum *q, const struct quorum_event *e, struct quorum_todo *todo);
#endif
