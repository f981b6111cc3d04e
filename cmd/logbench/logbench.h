/* logbench: how fast a Kafka cluster is. What its files share. */
#ifndef LOGBENCH_LOGBENCH_H
#define LOGBENCH_LOGBENCH_H
#include <stdbool.h>

#include "base/buf.h"
#include "net/net.h"

struct options {
	const char *brokers, *topic;
	bool header, json;
	int64_t record_bytes, batch_bytes, fetch_bytes;
	int64_t connections, in_flight, partitions; /* partitions 0: all */
	int64_t seconds, records;                   /* records 0: until the time is over */
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

/* Times in buckets of one part in 64, so a percentile is right to 1.6 %. */
void latency_add(int64_t us);
int64_t latency_at(double part); /* 0.99: 99 of 100 took at most this, us; -1 none were added */

void die_net(void) __attribute__((noreturn));
void die_memory(void) __attribute__((noreturn));
void die_lost(int error) __attribute__((noreturn)); /* a connection died: errno */
#endif
