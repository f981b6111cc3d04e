/* replicate as a daemon: a lane for each partition in the page, a leader for each node that leads
 * some of them, and the way to logappend. The decisions are in lib/replica/pull.h. */
#ifndef REPLICATE_DAEMON_H
#define REPLICATE_DAEMON_H
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "meta/config.h"
#include "meta/follow.h"
#include "meta/node.h"
#include "page/page.h"
#include "port/arena.h"
#include "port/loop.h"
#include "replica/pull.h"

struct leader;
struct lane {
	struct page_entry entry;        /* which partition it is; its id is its key */
	uint32_t slot;
	struct pull pull;
	struct leader *at;              /* whom it asks; NULL nobody */
	bool told;                      /* the leader's fetch session has it */
	bool queued;                    /* in at->ready */
	struct lane *prev, *next;       /* of the same leader */
	struct lane *next_ready;
	struct port_timer timer;        /* the end of a pause */
};

enum {
	SENT_MOST = 4, ANSWER_FIRST = 4 + PORT_BODY_MIN,
	FORGET_BYTES = 20,              /* topic id, partition */
	CONNECT_MS = 5000, PAUSE_LEAST_MS = 5,
};
enum asked_what { ASKED_FETCH, ASKED_END, ASKED_START };
struct sent {                           /* a request that waits for its answer */
	enum asked_what what;
	bool full;                      /* a Fetch that makes a session */
	int16_t version;
	int32_t correlation;
};
struct leader {
	struct leader *next;
	int32_t id;
	char host[256];
	uint16_t port;                  /* 0: not known */
	int fd;                         /* -1: none */
	bool connected, writing;
	int pause_ms;
	struct port_timer timer;        /* to connect again; or the time of its answers is over */
	bool silent;                    /* that it is away was said */
	struct lane *lanes, *ready;
	/* lanes that logappend works on; that the leader has; of which it has not that offset */
	int busy, asked, out_of_range;
	struct buf forget;              /* lanes that its session has and should not */
	struct sent sent[SENT_MOST];
	int sent_n, fetches;            /* fetches: those among them */
	int32_t correlation;
	int32_t session, epoch;         /* epoch 0: the next request makes a session */
	bool sessionless;               /* it keeps none */
	struct buf out;
	size_t out_at;
	uint8_t head[ANSWER_FIRST];     /* what comes first of an answer, its length included */
	size_t head_n;
	size_t need, have;              /* bytes of the answer, of which there are; need 0: not known */
	int chunk;                      /* of the arena, where it lies; -1: in body, or in head */
	struct buf body;
	struct bounds {
		bool busy;
		uint32_t slot;
		int32_t epoch;
		int64_t offset, start, end;
		int left;               /* answers to come */
		int error;
	} bounds;
};
struct daemon {
	struct port_loop *loop;
	struct meta_node me;
	struct meta_follow *follow;
	struct meta_image *image;
	struct page page;
	bool mapped, caught_up;
	uint64_t directory;             /* of the page, as it was read */
	struct page_sleep sleep;
	struct port_arena arena;
	struct port_peer *owner, *copier;   /* logappend: for the page, for bodies */
	struct map lanes;               /* by topic id and partition */
	struct lane **slots;            /* by slot; PAGE_CAPACITY of them */
	struct leader *leaders;
	/* replica.fetch.{backoff.ms,wait.max.ms,min.bytes,response.max.bytes,max.bytes},
	 * replica.socket.timeout.ms */
	int32_t backoff_ms, wait_ms, min_bytes, max_bytes, partition_bytes, timeout_ms;
};
extern struct daemon d;

/* --- lanes.c --- */
void lanes_map(int page_fd);                    /* logappend is there; takes page_fd */
void lanes_refresh(void);                       /* the page may have other partitions */
void lanes_look_all(void);
void lane_look(struct lane *x);                 /* its slot may have changed */
void lane_awake(struct lane *x);                /* the metadata may say something else of it */
struct lane *lane_of(const struct uuid *topic_id, int32_t partition);
void lane_asked(struct lane *x);
bool lane_answered(struct lane *x, int error);  /* true: its answer goes to logappend */
void lane_done(struct lane *x, int error);      /* logappend has done what it did */
void lane_lost(struct lane *x);                 /* whatever was under way is not any more */

/* --- leader.c: connections --- */
struct leader *leader_of(int32_t id);           /* made when it is new; NULL ENOMEM */
void leaders_moved(void);                       /* brokers may be elsewhere now */
void leaders_turn(void);                        /* end of turn: connects, asks, sends */
void leader_close(struct leader *l, const char *why);
uint8_t *leader_answer_at(struct leader *l);    /* the answer that was read whole */

/* --- request.c, answer.c: what is asked of a leader, and what it says --- */
void leader_ask(struct leader *l);              /* queues what is due */
void leader_forget(struct leader *l, struct lane *x);
void leader_renew(struct leader *l);            /* its session is of no use */
int leader_answer(struct leader *l);            /* a whole one has come; -1: it makes no sense */

/* --- owner.c: what logappend is handed --- */
/* The answer that l has read. Of its partitions those in lanes[0..n) are wanted, the others are
 * NULL. Keeps the chunk of the arena in which it lies. -1: it could not be sent. */
int owner_copy(struct leader *l, int16_t version, size_t header, struct lane *const *lanes, int n);
int owner_bounds(const struct leader *l);       /* l->bounds are known; -1 likewise */
void owner_message(void *ctx, const struct port_message *m);
void owner_down(void *ctx);
#endif
