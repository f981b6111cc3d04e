/* The parts of elect and what they share: one loop drives the quorum, controller and agent steps
 * over one store. */
#ifndef ELECT_ELECT_H
#define ELECT_ELECT_H
#include <stdbool.h>
#include <stdint.h>

#include "agent.h"
#include "controller.h"
#include "meta/load.h"
#include "port/loop.h"
#include "pull.h"
#include "quorum.h"
#include "store.h"

struct poll { /* a Fetch that waits for records */
	struct port_from from;
	struct lease *lease; /* NULL: of none */
	int32_t correlation_id;
	int16_t version;
	int64_t offset, max_bytes, deadline_ms;
	bool remote;		   /* of another node: the leader alone answers it */
	struct quorum_key replica; /* id -1: a consumer, which sees what is committed */
};
struct waiting { /* an answer that waits: its records must be committed, and applied here */
	struct port_from from;
	int key, version;
	int64_t end;	     /* all records below */
	int64_t deadline_ms; /* after it the local programs are not waited for */
	bool known;	     /* it is committed: that this node hears of it is not waited for then either */
	struct buf answer;
};
struct replica { /* a node that fetches the log from this leader */
	struct quorum_key key;
	int64_t end, fetched_ms;
	int64_t told; /* the high watermark it was told last */
};
enum { VOTER_ADDRESS = 280, REPLICAS_MAX = 128 };
struct elect {
	struct settings settings;
	struct store store;
	struct quorum quorum;
	struct controller controller;
	struct agent agent;
	struct meta_image image; /* all that was appended */
	struct meta_load load;
	int64_t woke_ms; /* this program slept until then, */
	int64_t hold_ms; /* and knows nothing new: until then polls of this node wait for the leader */
	bool footer; /* the snapshot that was read has its end */
	struct buf voters; /* the last VotersRecord; empty with kraft.version 0 */
	bool voters_new;   /* the quorum step has not heard of it, */
	int64_t voters_offset; /* nor that it lies there */
	int32_t learned_id;    /* what the leader itself said of its address; -1 nothing */
	char learned[VOTER_ADDRESS];
	struct port_peer *dial;
	struct forward *forwards; /* requests that wait for the leader of the quorum */
	size_t forwards_bytes;
	struct heard {		  /* on which connection a broker's last heartbeat came */
		int32_t id;
		struct port_from from;
	} heard[SESSIONS_MAX];
	int heard_n;
	int64_t beaten_offset; /* applied here, as the last heartbeat said */
	struct envelope { /* a call that came in one; its answer is to go in one */
		struct port_from from;
		int32_t correlation;
		int16_t key, version; /* of what is in it */
	} *envelopes;
	int envelopes_n, envelopes_cap;
	int32_t lost_leader; /* the connection to it is lost; -1: to none */
	struct pull pull;
	int64_t members_ms; /* when the voters are looked at again */
	bool rejoins;	    /* the place of this node's lost directory is free */
	struct replica replicas[REPLICAS_MAX];
	int replicas_n;
	struct port_loop *loop;
	struct port_timer wake;
	struct poll *polls;
	int polls_n, polls_cap;
	struct waiting *waiting;
	int waiting_n, waiting_cap;
	bool stop;
	int64_t records;	/* that the log itself held at start */
	int64_t snapshot_ms;	/* when the last snapshot was made, or the start */
	int64_t snapshot_bytes; /* log bytes since */
	int64_t snapshot_end;	/* its offset */
	int64_t snapshot_retry_ms, reserve_ms; /* when to try again */
	bool full;		/* the disk; it was said */
	bool deletes;		/* the request under way does */
};
enum { ROOM_MS = 2000 }; /* between tries that need room on the disk */
#define LEFT_FILE "run/left"
#define RESERVE "scratch/elect.reserve"

int64_t wall_ms(void);
void die_store(const struct elect *e);			  /* the disk failed: one line, exit */
void say_full(struct elect *e);				  /* it has no room: one line, once */
int64_t setting(const struct elect *e, const char *name); /* a broker config as a number */

/* The answer goes when all that the log holds now is committed. Takes answer. */
void elect_wait(struct elect *e, const struct port_call *c, const struct wire_request *q,
		struct buf *answer, int64_t deadline_ms);
void elect_call(struct elect *e, const struct port_call *c);
/* To a request that only the active controller may answer: NOT_CONTROLLER, on which clients try
 * again. -1: close. */
int elect_refuse(struct elect *e, const struct port_call *c, const struct wire_request *q);
/* Answers when all records below `end`, of which the leader knows that they are committed, are
 * applied here, or at the deadline. Takes the answer. */
void elect_answer_at(struct elect *e, struct port_from from, struct buf *answer, int64_t end,
		     int64_t deadline_ms);

/* start.c: format, load, take part. Ends the program when it cannot. */
void elect_start(struct elect *e);
void elect_reload(struct elect *e); /* the image and the voters anew, of what is on disk */
/* Image, load and voters of copy: what the log says below `end`, which is committed. The caller
 * frees these. */
void elect_load_copy(const struct elect *e, int64_t end, struct elect *copy);
bool elect_snapshot_good(struct snapshot_id id, const struct buf *b); /* whole, and readable */
void elect_check_level(const struct elect *e);
/* role.c */
/* One event for the quorum step, and all that it asks for; todo may be NULL. */
void elect_quorum(struct elect *e, const struct quorum_event *ev, struct quorum_todo *todo);
void make_room(struct elect *e); /* on a full disk, or ends the program */
static inline bool leads(const struct elect *e)
{
	return e->quorum.role == QUORUM_LEADER;
}
/* append.c */
/* As one atomic change, and into the image. -1: there is no room on the disk, nothing happened. */
int elect_append(struct elect *e, const struct buf *values, int n);
int elect_append_control(struct elect *e, const struct buf *values); /* the same, of control */
void elect_commit(struct elect *e);		      /* sync, tell the quorum */
void elect_snapshot(struct elect *e, int64_t now_ms); /* if one is due */
/* fetch.c */
int fetch_call(struct elect *e, const struct port_call *c,
	       const struct wire_request *q); /* -1: close */
int fetch_snapshot_call(struct elect *e, const struct port_call *c, const struct wire_request *q);
void fetch_turn(struct elect *e, int64_t now_ms); /* answer polls that need not wait any more */
void fetch_refuse(struct elect *e); /* other nodes: this one leads no more */
void fetch_forget(struct elect *e, struct port_from from);
int64_t fetch_wake(const struct elect *e); /* the earliest deadline */
/* describe.c */
int describe_quorum_call(struct elect *e, const struct port_call *c, const struct wire_request *q);
/* forward.c: requests for the active controller, where this node is not it */
int forward_call(struct elect *e, const struct port_call *c, const struct wire_request *q);
/* A request of our own. fn is called once, never from here; bytes: the answer, a response frame;
 * null: none came by the deadline, or this node leads now. */
typedef void forward_fn(struct elect *e, int key, int version, struct span bytes);
int forward_ask(struct elect *e, int key, int version, const void *request, int64_t deadline_ms,
		forward_fn *fn);
void forward_forget(struct elect *e, struct port_from from);
int64_t forward_turn(struct elect *e, int64_t now_ms); /* when to come again */
/* envelope.c */
int envelope_call(struct elect *e, const struct port_call *c, const struct wire_request *q);
bool envelope_forget(struct elect *e, struct port_from from, struct envelope *out);
/* An answer to a call, in an envelope if it came in one. */
void elect_send(struct elect *e, struct port_from to, const void *p, size_t n);
/* hangup.c */
void hangup_heard(struct elect *e, const struct port_call *c, const struct wire_request *q);
void hangup(struct elect *e, struct port_from from); /* that call's connection was closed */
/* self.c: registers and heartbeats this broker */
void self_leave(struct elect *e); /* hands over its leaderships, then makes LEFT_FILE */
int64_t self_turn(struct elect *e, int64_t now_ms); /* when to come again */
#endif
