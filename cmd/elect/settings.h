/* What elect knows of its node before it reads any log: environment, meta.properties,
 * run/incarnation. */
#ifndef ELECT_SETTINGS_H
#define ELECT_SETTINGS_H
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "meta/node.h"

enum { ENDPOINTS_MAX = 16 };
struct endpoint {
	char name[64], host[256];
	uint16_t port;
	int16_t protocol; /* 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL */
};
struct settings {
	struct meta_node node;
	struct uuid incarnation;
	const char *rack; /* NULL none */
	struct endpoint broker[ENDPOINTS_MAX], controller[ENDPOINTS_MAX];
	int broker_n, controller_n; /* controller_n 0: not a controller, it only follows them */
	const char *initial; /* odradek.initial.controllers: ID@HOST:PORT:DIRECTORY,...; "" none */
	const char *voters;  /* controller.quorum.voters: ID@HOST:PORT,...; "" none */
	const char *bootstrap; /* controller.quorum.bootstrap.servers: HOST:PORT,...; "" none */
	int voters_n;	       /* how many `voters` names */
};
/* The next item of a comma-separated list, without spaces; false at the end. */
bool settings_item(const char **list, struct span *item);

/* 0, or -1 with a message of one line in why: what a person must change when errno is EINVAL. */
int settings_read(struct settings *s, char *why, int why_n);
/* The incarnation in DIR/incarnation, made when it is not there. -1 with errno. */
int settings_incarnation(struct settings *s, const char *dir);
/* The broker epoch of the last life of this node, where that ended in order; else -1. */
int64_t settings_previous_epoch(void);
#endif
