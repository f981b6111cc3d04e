/* What the files of the reader share. */
#ifndef LOG_READER_INTERNAL_H
#define LOG_READER_INTERNAL_H
#include "log/batch.h"
#include "log/epochs.h"
#include "log/reader.h"

enum { READER_HINTS = 4 };

struct reader_hint {            /* a batch that begins with this offset begins at this position */
	int64_t offset, position;
};
struct reader_segment {
	int64_t base;
	int fd, index_fd;       /* -1: not opened */
	uint8_t next_hint;
	struct reader_hint hint[READER_HINTS];  /* where readers stopped; offset -1 is free */
};
struct log_reader {
	int dirfd;              /* borrowed */
	char *name;
	char *error;
	struct reader_segment *v;   /* in order */
	int n, cap;
	bool listed;
	struct epochs epochs;       /* cache of leader-epoch-checkpoint, valid for this inode and time */
	uint64_t epochs_ino;
	int64_t epochs_mtime;
	uint8_t *buf;               /* owned; one batch that had to be looked into */
	size_t buf_cap;
};

int reader_fail(struct log_reader *r, int64_t base, const char *suffix, int64_t position,
	const char *what);
int reader_list(struct log_reader *r);  /* the segments as they are in the directory now */
/* last with base <= offset; -1 */
int reader_find_segment(const struct log_reader *r, int64_t offset);
/* of .log, and its size now */
int reader_fd(struct log_reader *r, struct reader_segment *s, int64_t *bytes);
/* -1; ENOENT is no error worth words */
int reader_open(struct log_reader *r, int64_t base, const char *suffix);
/* The first batch with last offset >= offset: 1, 0 none in this segment, -1. */
int reader_locate(struct log_reader *r, struct reader_segment *s, int64_t offset, int64_t *position,
	struct batch *b);
#endif
