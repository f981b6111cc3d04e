/* What the files of lib/log share and nobody else includes: the partition as its writer holds
 * it. */
#ifndef LOG_INTERNAL_H
#define LOG_INTERNAL_H
#include "base/buf.h"
#include "log/epochs.h"
#include "log/indexfile.h"
#include "log/log.h"
#include "log/names.h"
#include "log/producers.h"

enum { LOG_PATH = 320 };            /* NAME/00000000000000000000.timeindex.deleted and a NUL */
#define LOG_UNKNOWN INT64_MIN       /* a number not read from disk yet */

struct segment {
	int64_t base;
	int64_t bytes;              /* of .log */
	/* largest batch timestamp so far, last offset of that batch; -1, base when none */
	int64_t max_ts, max_ts_offset;
	int64_t first_ts;           /* of the first batch; -1 when none */
	int64_t created_ms;
};

struct rolled {                     /* a segment that was closed but is not on disk yet */
	struct rolled *next;        /* newer */
	int64_t end;                /* its first offset that is not in it */
	int fd[4];                  /* .log .index .timeindex .txnindex; -1 when there is none */
};

struct log {
	int dirfd;                  /* of the log directory; borrowed */
	char *name;
	char *error;                /* words for log_error; NULL before the first error */
	char *notes;                /* for log_notes; NULL none */
	int64_t durable;            /* while it is opened: all below was on disk, nothing of it is cut */
	bool one_by_one;            /* likewise, of its owner */
	bool index_odd;             /* an .index entry that was used proved wrong */
	struct uuid topic_id;
	struct log_config config;
	int64_t start, end, recovery_point;
	int64_t now_ms;             /* the latest time any call brought */
	uint32_t layout, shaped;
	bool broken;                /* an append could not be undone */
	bool dropped;               /* segments, which a power loss may bring back */

	struct segment *segments;   /* in order; the last is active; never empty once open */
	int segments_n, segments_cap;
	struct rolled *rolled;      /* oldest first */
	bool new_entries;           /* of the partition directory are not on disk */
	int own_dir;                /* its descriptor, once it was listed; else -1 */
	/* partition.metadata, likewise while above: who finds records must know whose */
	int meta_fd;
	bool above;                 /* the log directory's entry for it is not on disk either */
	int64_t own_dir_since;      /* log end when that began */

	int fd;                     /* the active segment's .log, opened at the first append; -1 before */
	int txn_fd;                 /* its .txnindex, likewise */
	int64_t txn_bytes;
	struct indexfile index, time;
	int64_t since_index;        /* bytes appended since the last index entry */
	int64_t reserved;           /* blocks of .log are there up to this; 0 not known */
	int64_t minute_ms, minute_bytes;    /* appended in the minute that began then, */
	int64_t before_bytes;               /* and in the one before */

	struct epochs epochs;
	struct producers producers;
	bool no_snapshots;          /* there is no file of them: none need be listed */
	int64_t marks[2];           /* producer snapshots inside a segment, older first; -1 none */
	int64_t marked_bytes;       /* of the active segment, when the last one was made */
	int64_t marked_ms;
};

/* files.c: names and descriptors */
char *log_path(const struct log *l, int64_t base, const char *suffix, char out[LOG_PATH]);
char *log_file(const struct log *l, const char *file, char out[LOG_PATH]);
/* keeps errno; -1 */
int log_fail(struct log *l, const char *path, int64_t position, const char *what);
/* adds to the notes; position -1 none */
void log_note(struct log *l, const char *path, int64_t position, const char *what);
int log_write_all(int fd, const void *p, size_t n, int64_t at);
int log_sync_dir(struct log *l);          /* fsync of the partition directory */
/* the directory's entries changed: list it among the dirty descriptors */
void log_note_dir(struct log *l);
int log_read_small(struct log *l, const char *file, char **p, size_t *n);  /* the caller frees *p */
/* atomically and durably */
int log_write_small(struct log *l, const char *file, const void *p, size_t n);
int log_write_epochs(struct log *l);
/* On disk with the data that is appended next, not before: thousands of partitions that get a new
 * epoch have one sync for all. A crash of the machine may leave the file empty: see load_epochs. */
int log_write_epochs_soon(struct log *l);
int log_own_fd(struct log *l);            /* opens the active segment's .log when needed; -1 */

/* segment.c */
struct segment *log_active(const struct log *l);
int log_segment_push(struct log *l, int64_t base, int64_t now_ms);
/* makes the files of an empty segment */
int log_segment_create(struct log *l, int64_t base, int64_t now_ms);
int log_segment_rename(struct log *l, int64_t base, const char *from, const char *to);
/* index of the last with base <= offset; -1 */
int log_segment_unlink(struct log *l, int64_t base);
int log_segment_find(const struct log *l, int64_t offset);
/* fills first_ts, max_ts, max_ts_offset from disk */
int log_segment_times(struct log *l, struct segment *s);
/* b was written there */
void log_segment_indexed(struct log *l, struct segment *s, const struct batch *b, int64_t position);
int log_open_indexes(struct log *l);  /* of the active segment, when needed */
int log_trim_indexes(struct log *l);  /* last time entry, then no preallocated tail */
int log_roll(struct log *l, int64_t base, int64_t now_ms);
/* LogSegment.shouldRoll for a batch that would follow pending unwritten bytes. */
bool log_should_roll(struct log *l, const struct batch *b, int64_t pending, int64_t now_ms);
void log_close_files(struct log *l);

/* txnindex.c */
int txnindex_append(struct log *l, const struct completed_txn *t, int64_t stable);
/* active segment: entries whose marker is at or after offset go */
int txnindex_cut(struct log *l, int64_t offset);

/* snapshot.c */
/* at producers.end, when that is past the last snapshot */
int snapshot_write(struct log *l, bool sync);
/* those outside (keep_above, keep_to] */
int snapshot_delete_range(struct log *l, int64_t keep_above, int64_t keep_to);
int snapshot_delete_strays(struct log *l);  /* ProducerStateManager.removeStraySnapshots */
/* replaces the state; damaged ones are deleted; none: empty at start */
int snapshot_load_newest(struct log *l, int64_t now_ms);
int64_t snapshot_newest(struct log *l);                /* -1 none, -2 error */
int snapshot_find_marks(struct log *l);  /* sets l->marks, deletes older ones */
int snapshot_drop(struct log *l, int64_t offset);      /* none there: done */

/* replay.c */
int64_t log_file_bytes(struct log *l, int64_t base, const char *suffix);  /* -1: ENOENT, or error */
int log_open_read(struct log *l, int64_t base, const char *suffix);  /* ENOENT brings no words */
/* A position at or before the first batch whose last offset is >= offset. */
int64_t log_before_offset(struct log *l, int fd, int64_t base, int64_t bytes, int64_t offset);
/* The first batch of segment i whose last offset is >= offset: 1; 0 none, *position is its end. */
int log_position(struct log *l, int i, int64_t offset, int64_t *position, struct batch *b);
/* the state at `to`; snapshots above it go */
int log_replay_producers(struct log *l, int64_t to, int64_t now_ms);
int log_rebuild_producers(struct log *l, int64_t to, int64_t now_ms);    /* and its snapshot */
int log_first_snapshots(struct log *l);

/* recover.c */
bool log_in_place(const struct segment *s, const struct batch *b, int64_t next);
/* The active segment. follows: the one before it was recovered just now. 1 when it was cut. */
int log_recover_segment(struct log *l, const struct log_opening *o, bool follows);
int log_sync_recovered(struct log *l);
/* The same, but what is below o->written is not read. -1 also where it has no place to begin. */
int log_recover_tail(struct log *l, const struct log_opening *o);
void log_marked(struct log *l);  /* what was loaded needs no mark */
int log_recover_from(struct log *l, int64_t position, int64_t next, int64_t file_size);

/* leftovers.c */
int log_unlink_entry(struct log *l, const struct log_entry *e);
int log_clear_leftovers(struct log *l, struct log_entry *v, int n);  /* 1 when any was */

/* load.c, open.c, truncate.c */
int log_load(struct log *l, const struct log_opening *o);
void log_release(struct log *l);                       /* closes and frees, writes nothing */
/* segment i and its snapshot are renamed to *.deleted */
int log_mark_deleted(struct log *l, int i);
#endif
