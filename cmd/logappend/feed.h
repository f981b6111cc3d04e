/* Fetch of replicas, between its files: replicafetch.c takes requests and answers them, feeds.c
 * knows which partitions of a session have something to say and who waits for it, feedread.c reads
 * one. */
#ifndef LOGAPPEND_FEED_H
#define LOGAPPEND_FEED_H
#include "daemon.h"
#include "fetch/read.h"
#include "fetch/session.h"
#include "wire/api.h"

struct fetch {                       /* one request, in its arena */
	struct request *q;
	struct fetch_set *set;
	enum fetch_kind kind;
	int32_t request_epoch, replica;
	int64_t broker_epoch, max_bytes, min_bytes, deadline_ms;
	struct port_timer timer;
	struct fetch *prev, *next;   /* those that wait */
	bool waits, woken;
};

/* A partition in a replica's session; fetch_part.owner. It is `ready` while the replica does not
 * know all there is: records, an error, a high watermark. */
struct feed {
	struct fetch_set *set;
	struct fetch_part *part;
	struct partition *p;         /* NULL: not here */
	struct feed *prev, *next;    /* of the same partition */
	struct feed *before, *after; /* ready ones of the same session */
	bool ready;
	bool early;                  /* asked in an epoch that has not begun here yet */
};
struct session {                     /* fetch_set.owner */
	struct feed *first, *last;   /* ready ones; what was read goes to the end */
	struct fetch *waiting;
	int64_t refreshed_ms;
};

/* --- feeds.c --- */
extern const struct fetch_hooks feed_hooks;
void feed_ready(struct feed *e);             /* at the end of its session's list */
void feed_done(struct feed *e);              /* nothing more to say */
void feed_bind(struct feed *e);              /* finds its partition, if it is here now */
void fetch_park(struct fetch *f);
void fetch_unpark(struct fetch *f);
struct fetch *fetch_woken(void);             /* takes one; NULL none */
struct fetch *fetch_parked_by(struct port_from from);

/* --- feedread.c --- */
struct found {                       /* what one feed has */
	struct feed *feed;
	int error;
	int32_t diverging_epoch;     /* -1 none */
	int64_t diverging_end;
	struct log_range range;      /* bytes 0: no records */
	bool more;                   /* records that found no room */
	bool early;                  /* the error may pass by itself soon */
};
/* Is the replica's offset part of this log, and may it fetch here? Sets all but range and more. */
void feed_check(const struct fetch *f, struct feed *e, struct found *to);
/* After feed_check said yes: records of at most `bytes`; min_one: one batch however large. */
void feed_read(const struct fetch *f, struct feed *e, int64_t bytes, bool min_one,
               struct found *to);
/* What the request says of itself: the replica has on disk what is before its offset. Once the
 * epoch that it asks in has begun here. */
void feed_progress(const struct fetch *f, struct feed *e, int64_t now_ms);

/* --- throttle.c --- */
bool throttle_stops(const struct fetch *f, const struct partition *p);   /* nothing for now */
void throttle_note(const struct fetch *f, const struct partition *p, int64_t bytes);
#endif
