/* topic: list, show, make, remove, grow and trim topics. What its files share. */
#ifndef TOPIC_TOPIC_H
#define TOPIC_TOPIC_H
#include "base/arena.h"
#include "cli/table.h"
#include "cli/words.h"
#include "net/net.h"
#include "wire/api.h"

enum { CONFIGS_MOST = 64 };
struct options {
	const char *brokers;
	bool header, json;
	bool exist_ok;                /* -e */
	bool under_replicated;        /* -u */
	bool execute;                 /* -x */
	bool validate;                /* -n */
	int32_t partitions, replicas; /* -1: the broker's default */
	const char *configs[CONFIGS_MOST];
	int configs_n;
};

extern struct options opt;
extern struct net *net;
extern struct arena mem;
extern int status; /* exit code so far */

void call(int key, const void *request,
	  void *response); /* any node; dies when there is no answer */
int64_t deadline(void);
void complain(const char *verb, struct span name, int code,
	      struct span message); /* to stderr; status = 1 */
void begin(struct table *t, const char *const *columns);
void finish(struct table *t);
void *room(size_t n); /* zeroed, from mem; dies */
struct metadata_response *metadata(const char *const *names, int n);

void topic_ls(void);
void topic_show(const char *const *names, int n);
void topic_make(const char *const *names, int n);
void topic_rm(const char *const *names, int n);
void topic_grow(const char *name, int32_t count);
void topic_trim(const char *name, const char *partition, int64_t offset);

/* Log start and end of partitions of one topic, by asking their leaders. -1 where unknown. */
struct place {
	int32_t partition, leader, epoch;
	int64_t offset;
	int16_t error;
};
void offsets(struct span topic, struct place *v, int n, int64_t timestamp); /* -2 start, -1 end */
#endif
