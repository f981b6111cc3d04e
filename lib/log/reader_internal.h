/* What the files of the reader share. */
#ifndef LOG_READER_INTERNAL_H
#define LOG_READER_INTERNAL_H
#include "log/batch.h"
#include "log/epochs.h"
#include "log/reader.h"

enum { READER_HINTS = 4, READER_OPEN = 16, READER_RECENT = 8 };

struct reader_hint {            /* a batch that begins with this offset begins at this position */
	int64_t offset, position;
};
struct reader_checked {         /* bytes of a file: whole batches, found good */
	int64_t from, to;
};
struct reader_place {           /* what a batch may begin with: an offset, a leader epoch */
	int64_t next;
	int32_t epoch;
};
struct reader_segment {
	int64_t base;
	struct reader_checked *checked; /* owned */
	int checked_n;
	int64_t next;           /* base of the next when it was listed; -1: it was the last */
	bool index_told;        /* that an index of it is wrong */
	int fd, index_fd;       /* -1: not opened */
	uint32_t used;          /* in which find */
	int64_t near;           /* the index entry where a reader stopped */
	uint8_t next_hint;
	struct reader_hint hint[READER_HINTS];  /* where readers stopped; offset -1 is free */
};
struct log_reader {
	int dirfd;              /* borrowed */
	char *name;
	char *error, *note;
	struct reader_segment *v;   /* in order */
	int n, cap;
	int files;              /* open ones */
	int64_t open[READER_OPEN];  /* a ring: bases of segments that were opened */
	uint32_t open_at, finds;
	bool listed;
	int64_t trusted;            /* batches from this offset on need no check */
	struct epochs epochs;       /* cache of leader-epoch-checkpoint, valid for this inode and time */
	uint64_t epochs_ino;
	int64_t epochs_mtime;
	uint8_t *buf;               /* owned; one batch that had to be looked into */
	size_t buf_cap;
};

int reader_fail(struct log_reader *r, int64_t base, const char *suffix, int64_t position,
	const char *what);
/* words for log_reader_note, once a segment */
void reader_note(struct log_reader *r, struct reader_segment *s, const char *suffix);
int reader_list(struct log_reader *r);  /* the segments as they are in the directory now */
/* last with base <= offset; -1 */
int reader_find_segment(const struct log_reader *r, int64_t offset);
/* of .log, and its size now */
int reader_fd(struct log_reader *r, struct reader_segment *s, int64_t *bytes);
/* -1; ENOENT is no error worth words */
int reader_open(struct log_reader *r, int64_t base, const char *suffix);
int reader_epochs(struct log_reader *r);  /* r->epochs is as the file is now; -1 */
/* Nothing at or after offset is in that segment, whose size that is: -1 when its indexes name more.
 */
int reader_lost_end(struct log_reader *r, struct reader_segment *s, int64_t offset, int64_t size);
/* reader_check.c: the batch that the scan gave last; *before moves behind it. end: as of
 * log_reader_find. 0, or -1 with words. */
struct scan;
int reader_check_batch(struct log_reader *r, struct reader_segment *s, struct scan *sc,
	const struct batch *b, struct reader_place *before, int64_t end);
/* The batches from `from` to *to, not all of a large range: *to comes back to the end of what was
 * found good. -1 with words: the first is not good. */
int reader_check_range(struct log_reader *r, struct reader_segment *s,
	const struct reader_place *before, int64_t end, int64_t from, int64_t *to);
/* The first batch with last offset >= offset: 1, 0 none in this segment, -1. */
int reader_locate(struct log_reader *r, struct reader_segment *s, int64_t offset, int64_t *position,
	struct batch *b, struct reader_place *place);
#endif
