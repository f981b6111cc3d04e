/* logbench: how fast a Kafka cluster is. What its files share. */
#ifndef LOGBENCH_LOGBENCH_H
#define LOGBENCH_LOGBENCH_H
#include <stdbool.h>

#include "base/buf.h"
#include "net/net.h"

enum {
	IN_FLIGHT_MOST = 4096,
	STAMP = 16 /* bytes of a value that say when it was due, and in which run */
};

struct options {
	const char *brokers, *topic;
	bool header, json;
	int64_t record_bytes, batch_bytes, fetch_bytes;
	int64_t connections, in_flight, partitions; /* partitions 0: all */
	int64_t seconds, records;                   /* records 0: until the time is over */
	int64_t rate;                               /* records a second; 0: a closed loop */
	int acks;
	bool tiny; /* one record a request */
};
extern struct options opt;
extern struct net *net;
extern struct net_topic topic;

struct result {
	int64_t requests, records, bytes, errors;
	int64_t end_us; /* when the last answer came */
	int error;      /* Kafka's, the first one */
};
extern struct result result;
extern int64_t start_us;

int64_t now_us(void);
bool time_over(void);
int bench_partitions(void); /* how many are used */

void bench_produce(void);
void bench_consume(void);
void bench_open(bool read); /* -R: produce at a rate; read: and consume what it produces */

/* Steps that they share. All end the program when the connection is lost. */
char *random_value(void);       /* owned */
bool batch_has_room(size_t n);  /* for one more record */
void send_batch(struct net_connection *c, int32_t partition, const struct buf *b, net_done *done,
		void *arg);
int answer_code(const struct net_answer *a); /* Kafka's error code */
void count_answer(int code, int64_t records);
int64_t offset_of(int32_t partition, int64_t timestamp); /* -2 the first, -1 the end */
void send_fetch(struct net_connection *c, int32_t partition, int64_t offset, net_done *done,
		void *arg);
/* What a Fetch brought, in mem; n == -1: an error, counted. */
struct span fetched(const struct net_answer *a, struct arena *mem);

/* Times in buckets of one part in 64, so a percentile is right to 1.6 %. */
void latency_add(int64_t us);
int64_t latency_at(double part); /* 0.99: 99 of 100 took at most this, us; -1 none were added */

void die_net(void) __attribute__((noreturn));
void die_memory(void) __attribute__((noreturn));
void die_lost(int error) __attribute__((noreturn)); /* a connection died: errno */
#endif
