/* logput: records from standard input to a topic. What its files share.
 *
 * A lane is one partition of the topic. Records gather in the lane's batch; a sealed batch stays in
 * the lane's queue, in order, until it is answered. After an error that may pass, a lane sends
 * nothing until all it has in flight is answered, and then goes on from the first batch that is
 * still there: so order is kept, and with sequences nothing is written twice.
 */
#ifndef LOGPUT_LOGPUT_H
#define LOGPUT_LOGPUT_H
#include <stdbool.h>

#include "base/buf.h"
#include "log/batch.h"
#include "net/net.h"

enum { IN_FLIGHT = 5, HEADERS_MOST = 64 };

struct options {
	const char *brokers, *topic;
	int32_t partition; /* -1: by key, or spread */
	int acks;          /* -1 all, 0, 1 */
	bool idempotent, null_empty;
	struct span delimiter, key_separator, key; /* null: none */
	struct span headers[2 * HEADERS_MOST];
	int headers_n;
	int32_t batch_bytes;
	int codec; /* enum batch_codec */
};
extern struct options opt;
extern struct net *net;
extern struct net_topic topic;

struct batch_out {
	struct batch_out *next;
	struct buf bytes;
	struct batch_builder build;
	int64_t record; /* number in the input, from 1, of its first record */
	int64_t since;  /* net_now() when it was begun */
	bool flying;
};
struct lane {
	int32_t partition;
	struct batch_out *filling; /* NULL: none */
	struct batch_out *first, **last;
	int in_flight;
	bool hold;         /* an error: wait for all that is in flight */
	int alone;         /* so many batches fly one at a time */
	int32_t sequence;  /* of the next record */
	int32_t bytes_max; /* of a batch: less after MESSAGE_TOO_LARGE */
};
extern struct lane *lanes; /* topic.n of them */
extern int64_t bytes_held; /* in all batches: bounds what is read ahead */
extern bool rejected;      /* a record was refused for good: read no more */

void lanes_make(void);
void lane_add(struct lane *l, struct span key, struct span value);
struct lane *lane_for(struct span key);
void lane_seal(struct lane *l);
bool lanes_busy(void); /* something is held that is not answered */

void batch_free(struct batch_out *b);
void batch_halve(struct lane *l, struct batch_out *b); /* in its queue: two in its place */

void producer_begin(void); /* -i: a producer id from the cluster */
extern int64_t producer_id;
extern int16_t producer_epoch;

void send_ready(void);                /* all requests that may leave now */
bool send_room(const struct lane *l); /* a batch sealed now could leave at once */
int64_t send_again_at(void);          /* when send_ready must be called again, INT64_MAX never */
void send_barrier(void); /* acks 0: every node has read all that was sent; dies if not */

void die_net(void) __attribute__((noreturn));
void die_memory(void) __attribute__((noreturn));
void refuse(const struct lane *l, const struct batch_out *b, int code, struct span message);
#endif
