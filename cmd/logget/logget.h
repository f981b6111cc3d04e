/* logget: records of a topic to standard output. What its files share.
 *
 * A lane is one partition. A feed is one node that leads lanes: one Fetch request is always on its
 * way, in one incremental session (KIP-227). When an answer comes, the next request leaves before
 * the records are printed.
 */
#ifndef LOGGET_LOGGET_H
#define LOGGET_LOGGET_H
#include <stdbool.h>

#include "base/buf.h"
#include "log/batch.h"
#include "net/net.h"

struct options {
	const char *brokers, *topic, *format;
	int32_t *partitions; /* owned; NULL: all */
	int partitions_n;
	int64_t from;              /* offset; negative: before the end; or FROM_ */
	int64_t from_ms, until_ms; /* times; -1 none */
	bool exit_at_end, json, null_word, committed;
	int64_t count; /* -1: no end */
};
enum { FROM_BEGINNING = INT64_MIN, FROM_END, FROM_LEAST }; /* in from; -N is N before the end */
extern struct options opt;
extern struct net *net;
extern struct net_topic topic;
extern struct buf out; /* what is to be written to standard output */
extern int64_t left;   /* of opt.count; -1: no end */

struct lane {
	int32_t partition, leader, epoch;
	int64_t next; /* offset */
	int64_t stop; /* read below it; INT64_MAX: for ever */
	int64_t told; /* offset that the session knows; -1 it does not know the lane */
	bool done;
};
extern struct lane *lanes;
extern int lanes_n;

void lanes_place(void); /* where each begins and ends; dies */
bool lanes_done(void);

void feeds_run(void); /* until all lanes are done or enough is printed */

/* One batch of a lane, whole and with the right CRC: its records in [from, stop). */
void print_batch(const struct lane *l, int64_t from, const struct batch *b, const uint8_t *bytes);
void print_begin(void); /* reads the format */
void flush_out(void);

const uint8_t *batch_open(struct batch *b,
			  const uint8_t *bytes); /* without compression, through recode; dies */

void die_net(void) __attribute__((noreturn));
void die_memory(void) __attribute__((noreturn));
void die_kafka(int32_t partition, int code) __attribute__((noreturn));
void die_bad(int32_t partition, int64_t offset, const char *why) __attribute__((noreturn));
#endif
