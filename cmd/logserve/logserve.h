/* logserve: reads of the log directory that logappend writes. State is read from its page, once a
 * partition and request; what is kept here are open files, fetch sessions and those who wait. */
#ifndef LOGSERVE_H
#define LOGSERVE_H
#include "base/arena.h"
#include "base/cold.h"
#include "fetch/read.h"
#include "fetch/session.h"
#include "log/batch.h"
#include "log/reader.h"
#include "meta/config.h"
#include "meta/follow.h"
#include "meta/node.h"
#include "page/page.h"
#include "port/loop.h"
#include "wire/api.h"
#include "wire/codes.h"

struct fetch;
struct sleeper {                     /* a waiting Fetch on one of its partitions */
	struct sleeper *prev, *next; /* others on the same slot */
	struct fetch *fetch;
	struct partition *partition; /* NULL when it has gone */
	uint32_t role;               /* what it saw before it went to sleep */
	int32_t epoch;
	int64_t end;
};
struct segment;
struct partition {                   /* what stands in a slot of the page */
	uint32_t slot;
	struct page_entry entry;
	struct log_reader *reader;
	bool listed;
	uint32_t layout;             /* that the reader knows */
	struct segment *segments;    /* files whose descriptors were handed out, in order */
	int segments_n, segments_cap;
	struct sleeper *sleepers;
	struct partition *older, *newer; /* by last use, those that may hold files */
	int files;                   /* as counted last */
	uint64_t used_by;
};
struct server {
	struct port_loop *loop;
	struct meta_follow *follow;
	struct port_peer *owner;     /* logappend */
	struct meta_node node;
	int dirfd;                   /* log/ */
	struct page page;
	bool mapped;
	struct page_sleep sleep;
	uint64_t directory;          /* change of the page's directory that `names` is of */
	struct map names;            /* TOPIC-PARTITION: struct partition */
	struct partition **slots;    /* by slot; NULL where none */
	uint32_t slots_n;
	uint32_t generation;         /* last one given to a segment's file */
	struct partition *oldest, *newest;
	int files, files_max;        /* that readers hold */
	uint64_t user;               /* who holds ranges now: moved on, nobody does */
	struct fetch_sessions *sessions;
	struct map waiting;          /* Fetch requests that sleep, by who asked */
	struct fetch *woken;         /* list: to be looked at when the turn ends */
	struct arena arena;          /* of the request at hand */
	struct buf out;
	struct wire_gaps gaps;
	struct recode *recode;
	struct warm *warm;
};
struct request {
	struct server *server;
	struct meta_image *image;
	struct port_from from;
	uint8_t listener;
	int16_t key, version;
	int32_t correlation_id;
	const char *body;
	size_t body_n;
};

/* answer.c */
void request_handle(struct server *s, const struct port_call *c);
/* Decodes the body. -1: it was malformed, and the connection has been closed. */
int request_body(struct request *r, const struct wire_type *t, void *out);
/* Encodes header and body into server->out and its gaps into server->gaps; -1 closes. */
int request_encode(struct request *r, const struct wire_type *t, const void *response);
void request_answer(struct request *r, const struct wire_type *t, const void *response);
void request_close(struct request *r);
/* Zeroed memory for n members. NULL past the limit, and then the connection has been closed. */
void *request_take(struct request *r, size_t n, size_t size);

/* partition.c: from names to slots and readers */
void partitions_map(struct server *s, int page_fd);      /* takes the descriptor of a page */
void partitions_refresh(struct server *s);  /* before each request: what left the page is freed */
/* The partition of that name and its slot, read once, its reader made to know the slot's layout.
 * id: it must be of this topic, when not NULL. A Kafka error code otherwise. */
int partition_find(struct server *s, struct span topic, int32_t partition, const struct uuid *id,
                   struct partition **p, struct page_slot *slot);
/* Is the slot, or all that this node knows, so old that another replica may lead by now? */
bool partition_is_stale(struct server *s, const struct meta_topic *t, int32_t partition,
                        const struct page_slot *slot);
struct partition **partitions_sorted(struct server *s, struct arena *a, int *n);  /* by name */
void partitions_sweep(struct server *s);  /* closes, here and elsewhere, files that are gone */

/* files.c: how many files readers hold */
void files_start(struct server *s);
void files_use(struct server *s, struct partition *p);     /* before it is read */
void files_forget(struct server *s, struct partition *p);

/* segment.c: descriptors handed to callers, once a caller and file */
struct segment;
int segment_piece(struct server *s, struct partition *p, struct port_from to,
                  const struct log_range *r, struct port_piece *piece);
/* The reader has listed the directory anew: what is another file now is forgotten. */
void segments_refresh(struct server *s, struct partition *p);
void segments_drop(struct server *s, struct partition *p, int64_t first);    /* those below */
void segments_forget(struct server *s, struct partition *p);
/* A caller has closed one descriptor, or all: it gets them again with the next ranges. */
void segment_closed(struct server *s, struct port_from who, uint32_t slot, int64_t base,
                    uint32_t generation);
void segments_left(struct server *s, struct port_from who);

/* fetch.c, fetch_answer.c, sleep.c */
struct result {                      /* what one partition of a Fetch has come to */
	struct fetch_part *part;
	struct span topic;           /* "" when it is not known */
	struct uuid topic_id;
	struct partition *partition; /* NULL: not here */
	struct page_slot slot;       /* read once */
	struct fetch_found found;
	struct cold_miss cold;       /* n: what must be read before there is more; 0 nothing */
	struct log_aborted *aborted; /* in the request's arena */
	int aborted_n;               /* -1: not asked for */
	int32_t nearest;             /* to be read in place of this one; -1 none */
};
struct fetch {
	struct fetch *next_woken;
	bool is_woken, is_waiting, is_gone;
	uint8_t key[12];             /* who asked */
	struct request request;      /* body: not kept */
	struct fetch_set *set;
	enum fetch_kind kind;
	int32_t request_epoch;
	bool committed;
	struct span rack;            /* the consumer's; borrowed, so it is null once the fetch waits */
	int32_t min_bytes;
	int cold_tries;              /* so often something was cold */
	int warming;                 /* so much is being read for it */
	int64_t max_bytes, deadline_ms;
	struct server *server;
	struct port_timer timer;
	struct sleeper *sleepers;    /* owned */
	int sleepers_n;
};
void fetch_request(struct request *r);
bool fetch_try(struct fetch *f, bool now);        /* answered: f is used up */
/* What the Fetch of that key waited for is in memory, or cannot be read. */
void fetch_warmed(struct server *s, const uint8_t key[12], int32_t error);
void fetch_answer(struct fetch *f, struct result *v, int n);
void fetch_error(struct request *r, int error, int32_t session_id);
/* The one that waits, a copy; NULL ENOMEM */
struct fetch *sleep_begin(struct fetch *f, const struct result *v, int n);
struct fetch *sleep_find(struct server *s, const uint8_t key[12]);    /* NULL: it waits no more */
void sleep_rouse(struct fetch *f);        /* look at it at the end of the turn */
void sleep_wake(struct server *s, uint32_t slot);
void sleep_wake_all(struct server *s);
void sleep_drop(struct server *s, struct partition *p);   /* it is about to be freed */
void sleep_work(struct server *s);                /* end of turn */
void sleep_flush(struct server *s, struct port_from from);

/* nearest.c */
bool nearest_wanted(struct server *s);            /* replica.selector.class asks for it */
int32_t nearest_replica(const struct fetch *f, const struct result *r);    /* -1 none */

/* list_offsets.c, describe_log_dirs.c */
void list_offsets(struct request *r);
void describe_log_dirs(struct request *r);

/* recode.c: the co-process that looks into compressed batches */
struct recode_job {
	struct recode_job *next;
	/* Appends the request to out: 0; -1: not possible (any more), done is called with found false. */
	int (*prepare)(struct recode_job *j, struct buf *out);
	void (*done)(struct recode_job *j, bool found, int64_t offset, int64_t timestamp);
};
struct recode *recode_new(struct server *s);
void recode_ask(struct recode *r, struct recode_job *j);

/* warm.c: the co-process that reads cold files. False: it cannot be asked. */
struct warm *warm_new(struct server *s);
bool warm_ask(struct warm *w, const struct cold_miss *m, const uint8_t key[12]);
#endif
