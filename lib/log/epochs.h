/* Leader epochs of a partition: where each began (Kafka's LeaderEpochFileCache), and their text
 * file. File: "0", the number of lines, then "EPOCH START" a line, rising. */
#ifndef LOG_EPOCHS_H
#define LOG_EPOCHS_H
#include <stdint.h>

#include "base/buf.h"

#define EPOCHS_FILE "leader-epoch-checkpoint"

struct epoch {
	int32_t epoch;
	int64_t start;
};
struct epochs {
	struct epoch *v;            /* owned; epochs and starts strictly rising */
	int n, cap;
};

/* fills an empty e; -1 EBADMSG, ENOMEM */
int epochs_parse(struct epochs *e, const char *p, size_t n);
int epochs_format(const struct epochs *e, struct buf *out);    /* -1 ENOMEM */
/* Notes that epoch begins at start; entries that contradict it go. 1 changed, 0 known already, -1
 * ENOMEM or EINVAL (negative). */
int epochs_assign(struct epochs *e, int32_t epoch, int64_t start);
/* entries that start at or after end go; 1 when any did */
int epochs_cut_end(struct epochs *e, int64_t end);
/* what lies before start shrinks to one entry; 1 when changed */
int epochs_cut_start(struct epochs *e, int64_t start);
int32_t epochs_last(const struct epochs *e);                   /* -1 none */
/* The largest epoch <= asked and where it ends; -1, -1 when undefined (KIP-101, KIP-279). */
void epochs_end(const struct epochs *e, int32_t asked, int64_t log_end, int32_t *epoch,
	int64_t *end);
int32_t epochs_at(const struct epochs *e, int64_t offset);     /* -1 unknown */
void epochs_free(struct epochs *e);
#endif
