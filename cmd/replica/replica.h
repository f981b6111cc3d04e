/* replica: where the replicas of partitions are, plans to move them, elections. What its files
 * share. */
#ifndef REPLICA_REPLICA_H
#define REPLICA_REPLICA_H
#include "base/arena.h"
#include "cli/table.h"
#include "cli/words.h"
#include "net/net.h"
#include "wire/api.h"

enum { LEAVING_MOST = 64 };
struct options {
	const char *brokers;
	bool header, json;
	bool execute;		      /* -x */
	bool dry;		      /* -n */
	bool unclean;		      /* -u */
	int32_t factor;		      /* -r; 0: as it is */
	int32_t leaving[LEAVING_MOST]; /* -d */
	int leaving_n;
};
struct wish { /* one partition's replicas as they are to be */
	const char *topic;
	int32_t partition;
	int32_t *then;
	int32_t then_n;
	bool pending; /* it is not there yet */
	bool moving;  /* but on its way */
	bool failed;  /* it was said */
};
struct wishes {
	struct wish *v;
	int n, cap;
};

extern struct options opt;
extern struct net *net;
extern struct arena mem;
extern int status; /* exit code so far */

int64_t deadline(void);
void call(int key, const void *request, void *response); /* any node; dies without an answer */
void call_version(int key, int version, const void *request, void *response);
void *room(size_t n);					  /* zeroed, from mem; dies */
/* To stderr; status = 1. */
void complain(const char *verb, struct span topic, int32_t partition, int code,
	      struct span message);
/* What is wrong with all of it: exits. */
void die_kafka(const char *verb, int code, struct span message) __attribute__((noreturn));
void begin(struct table *t, const char *const *columns);
void finish(struct table *t);
struct metadata_response *metadata(void); /* of all topics */
void wish_add(struct wishes *w, const char *topic, int32_t partition, const int32_t *then,
	      int32_t n);

void replica_ls(const char *const *topics, int n);
void replica_cancel(const char *const *topics, int n);
void replica_plan(const char *const *topics, int n);
void replica_apply(const char *file); /* NULL: standard input */
void replica_elect(const char *const *argv, int n);
/* apply.c: asks for all of it and waits until it is so. */
void wishes_fulfil(struct wishes *w);
#endif
