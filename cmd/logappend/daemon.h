/* logappend as a daemon: the state of the one log directory it owns, and its steps, a file each. */
#ifndef LOGAPPEND_DAEMON_H
#define LOGAPPEND_DAEMON_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/map.h"
#include "log/checkpoint.h"
#include "log/log.h"
#include "log/reader.h"
#include "log/validate.h"
#include "meta/config.h"
#include "meta/follow.h"
#include "meta/image.h"
#include "meta/node.h"
#include "page/page.h"
#include "port/loop.h"
#include "replica/isr.h"
#include "replica/replica.h"
#include "wire/wire.h"

struct part;                            /* one partition of a Produce request: produce.c */

struct partition {
	struct {
		struct uuid topic_id;
		int32_t index;
	} key;
	char *name;                     /* TOPIC-PARTITION, the directory */
	char *topic;
	struct log *log;                /* NULL: offline, or unmade */
	struct partition **unmade;      /* where making.c has it in its queue; NULL: it is made */
	struct partition *next_unmade;
	struct replica step;
	/* The epoch in which an earlier life of this program may have led: the page knows it as
	 * long as this machine runs, a log to which nothing was added does not. -1 none. */
	int32_t led_before;
	int32_t leading;                /* leads in this epoch when it is on disk; -1: it does not */
	uint64_t leading_ticket;        /* of logsync: then it is */
	uint32_t slot, layout_base;     /* published layout: layout_base + log_layout */
	uint32_t layout;                /* as published last */
	int32_t last_epoch;             /* likewise: of the log's last record */
	struct log_rules rules;
	struct log_config config;
	bool plain_delete;              /* cleanup.policy has delete */
	int64_t delete_delay_ms;        /* file.delete.delay.ms */
	bool full;                      /* the last try found no room: said once */
	bool touched, dirty;            /* in node.touched, in node.dirty */
	struct partition *next_touched, *next_dirty;
	struct part *recoding, **recoding_end;   /* appends that wait for recode, in order */
	struct part *gathered, **gathered_end;   /* appends for the next write, in order */
	struct partition *next_gathered;
	struct port_timer timer;        /* the first deadline of what is parked */
	struct port_timer isr_timer;    /* the next look at who is in sync */
	bool isr_wanted;                /* in insync.c's queue */
	struct partition *next_isr;
	bool throttled;                 /* leader.replication.throttled.replicas has it */
	struct feed *feeds;             /* in fetch sessions of replicas: feed.h */
	struct log_reader *reader;      /* for replicas' fetches; NULL until one comes */
	uint32_t reader_layout;
	bool reader_known;
	int64_t leader_start;           /* as its leader said last; 0 nothing */
	struct partition *older, *newer;    /* by last use, those that may hold files */
	int files;                      /* as counted last */
	int64_t opened_end;             /* of the log when it was opened */
};

struct node {
	struct meta_node me;
	struct port_loop *loop;
	struct meta_follow *follow;
	struct meta_image *image;
	int64_t session_ms;             /* broker.session.timeout.ms */
	struct page page;
	int dirfd;                      /* log/ */
	bool flush_os;                  /* odradek.flush=os */
	bool clean;                     /* the last stop was a clean one */
	int64_t clean_epoch;            /* broker epoch of its marker */
	bool drop_cache;                /* a sync failed since the machine started */
	bool serving, stopping;
	struct map partitions;          /* by key */
	struct replica_brokers brokers; /* as the metadata has them */
	struct partition *touched, *dirty;
	struct checkpoint recovery_points, high_watermarks;   /* as read at the start */
	struct checkpoint log_starts;   /* as in the file */
	bool log_starts_changed;
	bool epochs_written;            /* while loading: not synced yet */
};
extern struct node node;

int daemon_run(void);                                   /* the exit code */
void serve(void);                                       /* everything is loaded: open the port */
/* In a child: FD becomes its 0 and 1. */
void exec_coprocess(int fd, const char *program, const char *option) __attribute__((noreturn));
void die_sync(const char *what) __attribute__((noreturn));   /* the disk said no to a sync: 102 */
bool is_shortage(int e);                                /* of room or descriptors: it passes */
/* errno says that the disk is full, at the start: some of what was set aside is free now. */
bool make_room(void);
void reserve_refill(void);                              /* now and then */
int64_t wall_ms(void);
void say(const char *a, const char *b, const char *c);  /* one warning line; each may be NULL */

/* --- partitions.c --- */
struct partition *partition_get(const struct uuid *topic_id, int32_t index);   /* NULL: not here */
struct partition *partition_known(const struct uuid *topic_id, int32_t index); /* maybe unmade */
struct partition *partition_open(const struct meta_topic *t, int32_t index);   /* NULL: no slot */
/* It is here no longer; what is parked fails with error. */
void partition_delete(struct partition *p, int error);
void partition_leave(struct partition *p);              /* clean stop: what is parked fails */
int partition_finish(struct partition *p);              /* its log, unsynced; -1 it was said */
void partition_offline(struct partition *p, const char *why);
void partition_touch(struct partition *p);              /* publish it at the end of this turn */
void partition_written(struct partition *p);            /* log end moved */
void partition_watch(struct partition *p);              /* something was parked: arm the timer */
void partitions_publish(void);                          /* end of turn: slots, wakes, acks */

/* --- roles.c --- */
void partition_role(struct partition *p, const struct meta_partition *m);      /* lead or follow */
void partition_synced(struct partition *p, uint64_t ticket);    /* that ticket was for it too */
void roles_turn(void);

/* --- insync.c: changes of ISRs, asked of the controller --- */
void insync_note(struct partition *p);                  /* its step may want one */
void insync_forget(struct partition *p);
void insync_turn(void);                                 /* end of turn */

/* --- making.c --- */
void partition_make_later(struct partition *p);         /* it has no directory yet */
void partition_make(struct partition *p);               /* now */
void partition_make_never(struct partition *p);
void partitions_make_some(void);                        /* end of turn */

/* --- files.c: how many files partitions hold --- */
void files_start(void);                                 /* takes all that the system gives */
void files_note(struct partition *p);                   /* it may have opened some */
void files_forget(struct partition *p);                 /* it closed all */
int files_most_ranges(void);                            /* of one fetch of a replica */

/* --- metadata.c, strays.c, retention.c, removal.c --- */
void metadata_start(void);
void partition_configure(struct partition *p);
void strays_put_away(void);                             /* what the metadata does not know */
bool stray_check(struct partition *p);                  /* was another topic's: put away */
void retention_turn(void);                              /* log starts moved, and are on disk */
void deleted_later(const char *renamed, int64_t delay_ms);   /* remove this directory then */
void deleted_files_later(const struct partition *p);    /* remove what it has renamed by now */
void deleted_find(void);                                /* those that an earlier run left */
void deleted_turn(void);

/* --- flush.c, checkpoints.c, wake.c --- */
void flush_start(void);
void flush_dirty(struct partition *p);
void flush_forget(struct partition *p);
void flush_directory(void);                             /* log/ too; nobody waits for it */
void flush_everything(void);
uint64_t flush_all_for(struct partition *p);    /* the ticket that syncs the whole file system */
void flush_turn(void);
bool flush_busy(void);
void checkpoints_read(void);
void checkpoints_lower(void);                             /* after loading, before appends */
void checkpoints_start(void);
void checkpoints_note(void);                            /* some published offset moved */
void checkpoints_turn(void);
/* A log was cut: its recovery point is on disk before it is written to again. -1: it was said. */
int checkpoints_cut(void);
int checkpoints_write_all(void);                        /* -1: it was said */
void wake_hello(void *ctx, struct port_from from, struct span name, int fd);
void wake_gone(void *ctx, struct port_from from, struct span name);
void wake_note(uint32_t slot);
void wake_turn(void);

/* What is parked on a partition's step. */
struct parked {
	struct replica_wait wait;       /* first */
	void (*done)(struct parked *w); /* wait.error says how it ended */
};

/* --- request.c: an answer that may take several turns --- */
struct request {
	struct arena arena;
	struct port_from from;
	int16_t key, version;
	uint8_t listener;
	int32_t correlation;
	const struct wire_type *type;   /* of the answer */
	void *answer;                   /* in the arena */
	int holds;                      /* what it waits for; the handler's own is one of them */
	bool silent;                    /* acks=0: no answer, close after an error */
	bool failed;
	void (*finish)(struct request *q);   /* before it is encoded; may be NULL */
	struct request *next;           /* of free ones */
};
/* NULL, -1: it was answered with close. */
struct request *request_new(const struct port_call *c, const struct wire_request *r);
void *request_get(struct request *q, size_t n);          /* zeroed; never fails */
void *request_answer(struct request *q);                 /* makes the answer with its defaults */
int request_decode(struct request *q, const struct wire_request *r, void *in);
struct span request_keep(struct request *q, struct span s);   /* a copy that lives as long as q */
void request_release(struct request *q);                 /* answers when it was the last hold */
void request_drop(struct request *q);                    /* it was answered by other means */
bool topic_is_internal(struct span name);

/* --- one file each --- */
void produce(const struct port_call *c, const struct wire_request *r);
void produce_write(void);                                /* appends what was gathered */
void produce_abandon(struct partition *p, int error);    /* fails what waits for recode */
void delete_records(const struct port_call *c, const struct wire_request *r);
void offset_for_leader_epoch(const struct port_call *c, const struct wire_request *r);
void describe_producers(const struct port_call *c, const struct wire_request *r);
void replica_fetch(const struct port_call *c, const struct wire_request *r);
void replica_fetch_turn(void);                           /* end of turn: those that waited */
void replica_fetch_flush(struct port_from from);         /* no answer is wanted */

/* --- follower.c: Tcopy and Tbounds of replicate --- */
void follower_message(struct port_from from, const struct port_message *m);
void follower_flushed(struct partition *p);              /* more of it is on disk */

/* --- throttle.c --- */
void throttle_rate(int64_t bytes_per_second);
bool throttle_lists(const char *list, int32_t partition, int32_t broker);

/* --- feeds.c: partitions that replicas fetch --- */
void feeds_published(struct partition *p);               /* something of it changed */
void feeds_leave(struct partition *p);                   /* it is about to go */

/* --- recode.c --- */
struct recode_job {
	void (*done)(struct recode_job *j, const struct log_verdict *v, const void *batch,
	             size_t n);
	struct recode_job *next;
};
/* Sends the batch (copied). done is called once, in order, never from within. -1 ENOMEM. */
int recode_ask(struct recode_job *j, const struct log_rules *rules, const void *batch, size_t n);
#endif
