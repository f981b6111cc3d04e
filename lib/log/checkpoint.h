/* The *-offset-checkpoint files of a log directory (Kafka's OffsetCheckpointFile): an offset for
 * each partition. Text: "0", the number of lines, then "TOPIC PARTITION OFFSET" a line. */
#ifndef LOG_CHECKPOINT_H
#define LOG_CHECKPOINT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/map.h"

#define CHECKPOINT_RECOVERY_POINT "recovery-point-offset-checkpoint"
#define CHECKPOINT_LOG_START "log-start-offset-checkpoint"
#define CHECKPOINT_HIGH_WATERMARK "replication-offset-checkpoint"
#define CHECKPOINT_CLEANER "cleaner-offset-checkpoint"

struct checkpoint_entry {
	int64_t offset;
	int32_t partition;
	uint16_t topic_n;           /* characters of name that are the topic */
	char name[];                /* "TOPIC-PARTITION", the directory's name */
};
struct checkpoint {
	struct checkpoint_entry **v;  /* owned, in the order of the file */
	size_t n, cap;
	struct map by_name;
};

/* Fills an empty c from DIRFD/FILE; a missing file is empty. -1 with errno; EBADMSG: damaged. */
int checkpoint_read(struct checkpoint *c, int dirfd, const char *file);
int checkpoint_parse(struct checkpoint *c, const char *p, size_t n);
/* Adds or replaces. name is TOPIC-PARTITION. -1: ENOMEM, EINVAL (no such name, or offset < 0). */
int checkpoint_set(struct checkpoint *c, const char *name, int64_t offset);
int64_t checkpoint_get(const struct checkpoint *c, const char *name, int64_t otherwise);
/* atomically and durably */
int checkpoint_write(const struct checkpoint *c, int dirfd, const char *file);
void checkpoint_free(struct checkpoint *c);

/* One that is made to be written and not looked into: thousands of lines in a moment. */
struct checkpoint_lines {
	struct buf text;
	size_t n;
};
/* name: as of checkpoint_set, each once. */
int checkpoint_line(struct checkpoint_lines *l, const char *name, int64_t offset);
/* Atomically for whoever reads it; durable: else it is on disk when the kernel likes, and a machine
 * that crashes before may leave a damaged one. Then l is empty. */
int checkpoint_lines_write(struct checkpoint_lines *l, int dirfd, const char *file, bool durable);
#endif
