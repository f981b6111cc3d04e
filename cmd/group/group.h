/* group: consumer groups of a Kafka cluster, their members, offsets and lag. What its files share.
 *
 * A command asks in batches: one FindCoordinator for all groups, then each coordinator once for all
 * its groups, then each leader once for all partitions. All memory is in one arena, for the whole
 * run.
 */
#ifndef GROUP_GROUP_H
#define GROUP_GROUP_H
#include "base/arena.h"
#include "cli/table.h"
#include "cli/words.h"
#include "net/net.h"
#include "wire/api.h"

enum { TOPICS_MOST = 64 };
struct options {
	const char *brokers;
	bool header, json;
	bool execute;      /* -x */
	bool judge;        /* -s */
	int64_t threshold; /* -l: records of lag that are never bad */
	int64_t window_s;  /* -W */
	const char *where; /* -w */
	const char *topics[TOPICS_MOST]; /* -t: TOPIC or TOPIC:P,P... */
	int topics_n;
};

struct part {
	struct span topic;
	int32_t partition;
};
struct member {
	struct span id, instance, client, host;
	int32_t epoch;        /* -1: the classic protocol tells none */
	struct span *topics;  /* that it subscribes to, sorted */
	int32_t topics_n;
	struct span regex;    /* null: none */
	struct part *parts;   /* that it reads, sorted */
	int32_t parts_n;
};
struct group {
	struct span id;
	int32_t node; /* its coordinator; -1 not known yet */
	int error;    /* Kafka's; 0 or what became of the last request about it */
	struct span message;
	struct span type; /* "consumer", "classic" */
	struct span state, protocol;
	int32_t epoch;
	struct member *members;
	int32_t members_n;
	struct place *places; /* where it has committed or is assigned, sorted */
	int32_t places_n;
};
enum status { STATUS_NONE, STATUS_OK, STATUS_WARN, STATUS_STALL, STATUS_STOP };
struct place {
	struct part part;
	int64_t committed, start, end; /* -1: none, unknown */
	int64_t to;                    /* reset: what will be committed; -1 not known yet */
	int32_t epoch;          /* leader epoch of what is committed; -1 unknown */
	const struct member *member;
	struct commit *commits; /* newest first: those of the window */
	int32_t commits_n;
	enum status status;
};
struct commit {
	struct commit *next;
	int64_t at_ms, offset; /* read_commits: offset -1 is a tombstone */
};

extern struct options opt;
extern struct net *net;
extern struct arena mem;
extern int status; /* exit code so far */

/* --- group.c --- */
void *room(size_t n); /* zeroed, from mem; dies */
void die_net(void) __attribute__((noreturn));
int64_t deadline(void);
void complain(const char *verb, struct span name, int code,
	      struct span message); /* to stderr; status = 1 */
void begin(struct table *t, const char *const *columns);
void finish(struct table *t);
int span_order(struct span a, struct span b);
int part_order(const void *a, const void *b); /* of struct part: topic, then partition */
/* The partition is named by -t, or there is no -t. */
bool chosen(struct span topic, int32_t partition);
int64_t time_ms(const char *z); /* milliseconds since 1970, or RFC 3339 in UTC; -1: neither */
int64_t wall_ms(void);

/* --- find.c --- */
struct metadata_response *metadata(const struct span *names, int n); /* n == -1: all topics */
/* Groups by their names, without doubles; n == 0: all that the brokers list. */
struct group *groups_named(const char *const *names, int n, int *count);
/* The group of that name, sought at place `hint` first: brokers answer in the order of the
 * request. NULL: none. */
struct group *group_at(struct group **v, int n, struct span id, int hint);
/* Calls ask() for each coordinator with its groups until none has a retriable error or time is
 * out. */
typedef void asker(int32_t node, struct group **v, int n);
void ask_coordinators(struct group *v, int n, asker *ask);

/* --- describe.c --- */
void describe(struct group *v, int n);
void warn_differing(const struct group *g, const char *verb);

/* --- offsets.c --- */
void ask_committed(int32_t node, struct group **v, int n); /* fills places */
/* One row of places: committed, start and end unknown. */
struct place *add_place(struct group *g, int *room_n, struct part part);
int place_order(const void *a, const void *b);
struct place *place_of(struct group *g, struct span topic, int32_t partition);

enum { LATEST = -1, EARLIEST = -2 };
struct ask { /* one answer of ListOffsets */
	struct part part;
	int64_t timestamp; /* or LATEST, EARLIEST */
	int64_t offset;    /* -1: none */
	int error;
	int32_t leader, epoch;
	bool settled;
};
void ask_offsets(struct ask *v, int n); /* several of one partition are several requests */

/* --- judge.c, commits.c --- */
void judge(struct group *v, int n); /* the status of places that have an end */
/* All commits in __consumer_offsets since then, each partition's in their order. */
void read_commits(int64_t from_ms,
		  void (*each)(struct span group, const struct part *part, const struct commit *c,
			       void *arg),
		  void *arg);

void group_ls(void);
void group_show(const char *const *names, int n);
void group_lag(const char *const *names, int n);
void group_rm(const char *const *names, int n);
void group_reset(const char *group, const char *to, const char *argument);
void group_apply(void); /* the plan on stdin */
#endif
