/* What the files of replicate share. */
#ifndef REPLICATE_REPLICATE_H
#define REPLICATE_REPLICATE_H
#include <stdbool.h>
#include <stdint.h>

struct copy {                   /* replicate TOPIC PARTITION: a partition to standard output */
	const char *brokers, *topic;
	int32_t partition;
	int64_t from;           /* offset to begin with; -1: where the log begins */
	const char *behind;     /* directory of an earlier copy, to go on behind it; NULL none */
	bool follow;            /* at the end of the log, wait for more */
};
int copy_run(const struct copy *o);     /* the exit code */
int daemon_run(void);                   /* likewise */

/* Where the log in DIR ends, and the leader epoch of its last batch (-1 unknown): whole batches
 * with the right CRC only, as the next opening by logappend will leave it. A directory that is
 * not there is an empty log: 0. -1 with errno. */
int copy_end(const char *dir, int64_t *next, int32_t *epoch);
#endif
