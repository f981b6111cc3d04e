/* A cluster in one process, for t/4200-cluster.c: the steps of elect, logappend and replicate as
 * they are, with models in place of sockets, clocks and disks.
 *
 * A node is a machine with two programs: elect (quorum, controller, agent) and logappend (which
 * stands for logsync and replicate too). One seed decides all. world.c: time, chance, letters;
 * elect.c, store.c: the programs; clients.c: producers, topics; faults.c: what goes wrong;
 * truth.c: what must hold after every event.
 */
#ifndef T_SIM_SIM_H
#define T_SIM_SIM_H
#include <stdbool.h>
#include <stdint.h>

#include "../../cmd/elect/agent.h"
#include "../../cmd/elect/controller.h"
#include "../../cmd/elect/quorum.h"
#include "base/heap.h"
#include "log/epochs.h"
#include "replica/follow.h"
#include "replica/isr.h"
#include "replica/replica.h"

enum {
	NODES = 5, VOTERS = 3, METADATA_MAX = 2048, LETTER_ENTRIES = 64,
	TOPICS = 2, WIDTH = 2, PARTITIONS = TOPICS * WIDTH, /* topic t, index i: t * WIDTH + i */
	PRODUCERS = 2, /* of each partition */
	RECORDS = 1024, LETTER_RECORDS = 24,
};

/* --- world.c --- */

struct event {
	struct heap_node node;
	void (*fn)(struct event *);
};
#define OF(event, type, field) ((type *)((char *)(event)-offsetof(type, field)))

struct world {
	uint64_t seed;
	int64_t now; /* ms */
	bool turbulent, tracing;
	bool flush_os; /* odradek.flush=os: a record counts as flushed when it is written */
	bool elr;      /* eligible.leader.replicas.version 1 */
	int min_insync;
	bool unclean[TOPICS];
	int nodes_n, voters_n;
	bool blocked[NODES][NODES]; /* from, to */
	char wrong[256];	    /* what did not hold; "" all is well */
	long events, elections, commits, records;
};
extern struct world world;

uint64_t chance(uint64_t below);
int64_t between(int64_t least, int64_t most);
bool now_and_then(int in_thousand); /* only while faults go on */
void trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
void at(struct event *e, int64_t when, void (*fn)(struct event *)); /* in order of time, else by
								       chance; moves */
void never(struct event *e);
void world_begin(uint64_t seed);
void world_run(int64_t until);
void world_end(void);

struct value { /* of a metadata record; lives as long as the world */
	int32_t n;
	uint8_t p[];
};
const struct value *value_copy(const uint8_t *p, int32_t n);

/* --- letters --- */

struct entry {			/* of the metadata log */
	const struct value *v;	/* NULL: the record that begins an epoch */
	int32_t epoch;
	bool last;		/* of its batch */
};
struct datum { /* a record of a partition: the seq'th of that producer */
	int32_t epoch, seq;
	int32_t producer;
};
static inline bool datum_same(const struct datum *a, const struct datum *b)
{
	return a->epoch == b->epoch && a->seq == b->seq && a->producer == b->producer;
}
struct ask_part { /* of a Fetch */
	int part;
	int32_t epoch, last_epoch;
	int64_t offset;
};
struct got_part { /* of its answer */
	int part, error;
	int32_t asked_epoch, diverging_epoch;
	int64_t asked_offset, diverging_end, high_watermark, log_start, end;
	int n;
	struct datum records[LETTER_RECORDS];
};

enum letter_kind {
	LETTER_QUORUM,
	/* to the controller; a hang-up: the sender's connection was closed by its end */
	LETTER_REGISTER, LETTER_HEARTBEAT, LETTER_ALTER, LETTER_CREATE, LETTER_HANGUP,
	LETTER_FETCH, LETTER_PRODUCE,					/* to logappend */
};
enum { LOST = -1000 }; /* error of an answer: the connection was refused */
struct letter {
	struct event arrival;
	struct letter *next;	/* in the pool, or in a queue */
	int from, to;
	enum letter_kind kind;
	bool answer;
	uint32_t number;	/* of the request */
	int error;
	union {
		struct {
			struct quorum_event e;
			struct quorum_key keys[NODES];
			int64_t base;
			bool cut;
			int32_t cut_epoch;
			int n;
			struct entry entries[LETTER_ENTRIES];
		} q;
		struct {
			struct uuid incarnation;
			int64_t previous, epoch;
		} registration;
		struct {
			int64_t epoch, offset;
			bool want_fence, want_shut_down, fenced;
		} beat;
		struct {
			int topic;
			bool unclean;
		} create;
		struct {
			int part;
			uint32_t life; /* of logappend */
			int64_t broker_epoch;
			struct uuid topic_id;
			int32_t partition, epoch, partition_epoch;
			int8_t recovery;
			bool anew;
			int32_t isr[NODES];
			int64_t epochs[NODES];
			int32_t isr_n;
		} alter;
		struct {
			int64_t broker_epoch;
			int n;
			struct ask_part parts[PARTITIONS];
		} ask;
		struct {
			int n;
			struct got_part parts[PARTITIONS];
		} got;
		struct {
			struct replica_wait wait; /* of the one that waits for its end */
			int part, producer;
			int32_t seq;
			int64_t offset;
		} produce;
	};
};
struct letter *letter_new(int from, int to, enum letter_kind kind);
struct letter *letter_answer(const struct letter *asked); /* to its sender */
void letter_post(struct letter *l);			  /* takes it */
void letter_drop(struct letter *l);

/* --- a node --- */

struct waiting { /* an answer that waits until all below `end` is committed */
	struct letter *answer;
	int64_t end;
};
enum { WAITING = 64 };
struct elector {
	bool up;
	struct quorum q;
	struct controller c;
	struct agent agent;
	struct meta_image image;
	int64_t applied;
	int64_t committed; /* as checked; -1 not known in this run */
	uint32_t fetching, asking;
	int64_t asked_until;
	int asked;	      /* whom the fetch that is out */
	bool fetch_out, lost; /* lost: the leader cannot be reached, others may know another */
	struct event tick, flush, fetch, self, expire;
	struct waiting waiting[WAITING];
	int waiting_n;
	struct letter *parked[NODES]; /* fetches that wait for records */
	int64_t told[NODES];	      /* the high watermark, to those who fetch */
	/* on disk */
	struct entry log[METADATA_MAX];
	int64_t end, flushed;
	struct {
		int32_t epoch, leader;
		struct quorum_key voted;
	} saved;
};
struct part { /* a partition on a node */
	bool here;
	struct replica step;
	int32_t leader; /* as this node knows it */
	int64_t compared; /* below it, what is committed was compared with the truth */
	int64_t promised; /* what will be on disk when the sync that goes on is over; -1 none */
	struct event sync, tick, check, alter;
	uint32_t asked;	   /* the proposal in flight */
	bool changed;
	/* on tmpfs */
	struct page_slot page;
	/* on disk */
	struct datum log[RECORDS];
	int64_t end, synced, checkpoint;
	struct epochs epochs;
};
struct storage { /* logappend */
	bool up;
	struct meta_image image;
	int64_t applied;
	int64_t broker_epoch; /* of this life, once it is registered; -1 */
	struct replica_brokers brokers;
	struct replica_broker broker[NODES];
	struct event follow;
	uint32_t life;	      /* counts starts */
	bool serving;	      /* it has read the metadata up to this life's registration */
	struct part parts[PARTITIONS];
	struct event fetch[NODES]; /* from that leader */
	uint32_t fetching[NODES];
	bool fetch_out[NODES];
	struct letter *parked[NODES]; /* fetches of followers that wait */
};
struct node {
	int id;
	int64_t skew;		/* its steady clock minus the world's */
	int64_t stopped_until;	/* SIGSTOP: nothing happens before */
	bool away;		/* is never started again */
	struct uuid directory, incarnation;
	int64_t previous_epoch; /* broker epoch of the clean stop before; -1 */
	struct settings settings;
	struct elector elect;
	struct storage store;
};
extern struct node nodes[NODES];
int64_t clock_of(const struct node *n);
int64_t world_of(const struct node *n, int64_t clock_ms); /* when that clock will say it */
/* Does its program run? Else e is moved to when it does. */
bool node_runs(struct node *n, struct event *e);

/* --- elect.c --- */
void elect_boot(struct node *n);
void elect_die(struct node *n);
void elect_leave(struct node *n); /* stop in order: machine_stop when the controller allows it */
void elect_receive(struct letter *l);
/* The connection to a peer was closed, with the request of this number unanswered. */
void elect_lost(struct node *n, int peer, uint32_t number);
void elect_polled(struct node *n, int64_t next); /* by logappend: all below is applied */
void elect_hung_up(struct node *n);		 /* logappend did */
struct node *elect_active(void);		 /* the controller in force, or NULL */

/* --- store.c --- */
void store_boot(struct node *n);
void store_die(struct node *n);
void store_stop(struct node *n); /* in order: all is on disk */
void store_committed(struct node *n); /* the local elect knows more to be committed */
void store_receive(struct node *n, const struct letter *l);
void store_lose(struct node *n);	/* what is not synced, or a part of it */
int part_of(const struct meta_topic *t, int32_t index);

/* --- faults.c --- */
void faults_begin(void);
void faults_end(void);		  /* all is healed; some nodes may stay away for good */
void machine_die(struct node *n); /* what is not synced is lost, at least in part */
void machine_stop(struct node *n); /* in order */
void machine_boot(struct node *n);

/* --- clients.c --- */
void clients_begin(void);
void clients_receive(const struct letter *l);
long clients_acknowledged(int part);

/* --- truth.c --- */
void truth_begin(void);
void truth_end(void);
void truth_leads(const struct node *n);		/* the quorum, its epoch */
void truth_committed(struct node *n);		/* its high watermark moved */
void truth_leads_partition(const struct node *n, int part);
void truth_published(struct node *n, int part, const struct page_slot *was,
		     const struct page_slot *is);
void truth_cut(struct node *n, int part, int64_t end);
void truth_acknowledged(int part, int producer, int32_t seq, int64_t offset);
bool truth_tainted(int part);  /* it was led uncleanly, where that is allowed */
bool truth_can_live(int part); /* can it be led without those who stay away? */
bool truth_all_in_sync(int part); /* all who are there */
bool truth_can_lose(const struct node *n);
void truth_final(void);
extern struct meta_image truth_image;		/* of all that was committed */
#endif
