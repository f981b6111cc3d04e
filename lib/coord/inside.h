/* What the files of lib/coord share. */
#ifndef COORD_INSIDE_H
#define COORD_INSIDE_H
#include "base/arena.h"
#include "coord/coord.h"
#include "page/page.h"

struct coord_partition {
	struct coord *coord;
	int32_t index;
	uint32_t slot;
	bool placed;                        /* slot is its slot */
	enum coord_state state;
	int32_t epoch;                      /* that it is loaded under */
	int64_t next;                       /* loading: to be read next; then: of the next batch */
	int64_t target;                     /* loading: its end */
	struct coord_load *load;            /* its Fetch under way */
	struct port_timer again;            /* its next Fetch */
	struct coord_batch *first, **last;  /* not settled, in order; sent ones first */
	int sent;
	int orphans;                        /* of an earlier load, under way: the end is not known */
};

struct coord {
	struct port_loop *loop;
	struct meta_follow *follow;
	int32_t self;
	const char *topic, *name;
	const struct coord_ops *ops;
	void *ctx;
	struct port_peer *writer, *reader;
	struct page page;
	bool mapped, stale;                 /* stale: look at the page at the end of the turn */
	uint64_t directory;                 /* of the page, as it was read last */
	struct uuid topic_id;
	struct coord_partition **v;
	int32_t n, loading;
	struct port_timer retry, late;
	int retry_ms;
	struct coord_batch *free;
	struct arena arena;
	struct buf frame;
};

/* partitions.c */
void partition_unload(struct coord_partition *p);       /* and nothing of it is under way */
/* load.c */
void load_begin(struct coord_partition *p, const struct page_slot *slot);
void load_end(struct coord_partition *p);       /* abandons it */
/* append.c */
void append_send(struct coord_partition *p);
/* Gives up what could not be sent for too long. When it would next; INT64_MAX: nothing waits. */
int64_t append_late(struct coord_partition *p, int64_t now_ms);
void append_abandon(struct coord_partition *p);
#endif
