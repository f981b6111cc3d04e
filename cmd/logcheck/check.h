/* What the files of logcheck share. */
#ifndef LOGCHECK_CHECK_H
#define LOGCHECK_CHECK_H
#include <stdbool.h>
#include <stdint.h>

#include "log/epochs.h"
#include "log/names.h"
#include "log/producers.h"

struct check {                  /* of one partition directory */
	const char *path;
	struct log_entry *v;    /* its files by base and suffix */
	int n;
	struct epochs epochs;
	int32_t odd_epoch;      /* of the batch before, when it was not that of the file */
	bool epochs_known;
	int64_t start, end;     /* found by walking the segments */
	int64_t deleted;        /* DeleteRecords has removed what is below; -1 nothing */
	int64_t last_base;      /* of the last segment; -1: there is none */
	bool closed;            /* in order: a clean-shutdown marker is above it */
	struct producers producers;     /* up to end */
	bool producers_known;
	int snapshot;           /* first file that the walk has not come to */
};

/* logcheck.c: one line of damage on standard output */
void damage(const char *dir, const char *file, int64_t position, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void die_file(const char *dir, const char *file);
/* The whole of DIR/FILE, freed by the caller; false when there is no such file. */
bool slurp(const char *dir, const char *file, char **p, size_t *n);

/* partition.c: 1 with start and end of the log set, 0 when it has none */
int check_partition(const char *path, int64_t *start, int64_t *end);
/* segment.c: the segment whose .log is v[i]; next_base: of the one after it, INT64_MAX none */
void check_segment(struct check *c, int64_t base, int64_t next_base);
/* producers.c. *stable: the last stable offset after the marker, when *done is set */
void producers_track(struct check *c, const struct batch *b, const struct marker *m,
		     struct completed_txn *done, int64_t *stable);
/* reached: the walk is at its offset, so that the producers can be compared */
void check_snapshot(const struct check *c, int64_t base, bool reached);
void check_snapshots(struct check *c);
/* directory.c: a whole log directory */
void check_directory(const char *path);
#endif
