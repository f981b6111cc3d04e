/* logget: records of topics to standard output. What its files share.
 *
 * A lane is one partition. A feed is one node that leads lanes: one Fetch request is always on its
 * way, in one incremental session (KIP-227). When an answer comes, the next request leaves before
 * the records are printed.
 */
#ifndef LOGGET_LOGGET_H
#define LOGGET_LOGGET_H
#include <stdbool.h>

#include "base/buf.h"
#include "log/batch.h"
#include "net/net.h"

struct options {
	const char *brokers, *format;
	const char *group; /* NULL: read by ourselves */
	int32_t *partitions; /* owned; NULL: all */
	int partitions_n;
	int64_t from;              /* offset; negative: before the end; or FROM_ */
	int64_t from_ms, until_ms; /* times; -1 none */
	bool exit_at_end, json, null_word, committed;
	bool at_most_once; /* of a group: commit first, write then */
	int64_t count; /* -1: no end */
};
enum { FROM_BEGINNING = INT64_MIN, FROM_END, FROM_LEAST }; /* in from; -N is N before the end */
extern struct options opt;
extern struct net *net;
extern struct net_topic *topics;
extern int topics_n;
extern struct buf out; /* what is to be written to standard output */
extern int64_t left;   /* of opt.count; -1: no end */

struct lane {
	struct net_topic *topic;
	int32_t partition, leader, epoch;
	int64_t next;      /* offset to fetch; -1 not known yet */
	int64_t printed;   /* offset after what is in out */
	int64_t written;   /* offset after what is on standard output */
	int64_t committed; /* -1 nothing */
	int64_t stop; /* read below it; INT64_MAX: for ever */
	int64_t told; /* offset that the session knows; -1 it does not know the lane */
	bool done;
};
extern struct lane *lanes; /* those of a topic stand together */
extern int lanes_n;

void lanes_choose(void); /* those that the options name */
void lanes_place(void); /* where each begins, unless it is known, and ends; dies */
bool lanes_done(void);
struct lane *lane_of(struct span topic, const struct uuid *id, int32_t partition); /* NULL none */

void feeds_send(void);   /* a request to each leader that has none */
void feeds_forget(void); /* the lanes are others now: answers on their way are for nobody */
int64_t feeds_due(void); /* when to call feeds_send again although nothing comes; INT64_MAX */
void feeds_run(void);    /* until all lanes are done or enough is printed */

/* One batch of a lane, whole and with the right CRC: its records in [from, stop). */
void print_batch(struct lane *l, int64_t from, const struct batch *b, const uint8_t *bytes);
void print_begin(void); /* reads the format */
void flush_out(void);

/* --- a member of opt.group: member.c --- */
void member_run(void); /* until it is stopped, all lanes are done, or enough is printed */
void member_end(void); /* writes, commits, leaves, as far as that can be done soon */

/* --- what a member has printed and not yet written: drain.c --- */
extern bool out_broken;        /* nobody reads standard output any more */
extern size_t out_limit;       /* of an at-most-once member: what may be written of out */
void out_mark(struct lane *l); /* l->printed is the offset after what is in out now */
bool out_pending(void);
bool out_ready(void);          /* there is something that may be written */
bool out_in_record(void);    /* a part of a record is written */
void out_drain(void);        /* what can be written without waiting */
void out_cut(void);          /* takes back the records of which nothing is written */

/* --- the leader's part: assign.c --- */
struct join_group_response;
struct sync_group_request;
/* Kafka's range assignor: fills q->assignments from mem. partitions(name): how many a topic has, 0
 * when there is none. -1 ENOMEM. */
int assign_range(const struct join_group_response *r, struct sync_group_request *q,
		 struct arena *mem, int32_t (*partitions)(struct span topic));

const uint8_t *batch_open(struct batch *b,
			  const uint8_t *bytes); /* without compression, through recode; dies */

void die_net(void) __attribute__((noreturn));
void die_memory(void) __attribute__((noreturn));
void die_kafka(const struct lane *l, int code) __attribute__((noreturn));
void die_bad(const struct lane *l, int64_t offset, const char *why) __attribute__((noreturn));
#endif
