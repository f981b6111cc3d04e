/* metaserve: every read of the cluster's metadata. One request is answered within one turn of the
 * loop; only a Metadata request that makes topics is parked. */
#ifndef METASERVE_H
#define METASERVE_H
#include "base/arena.h"
#include "meta/config.h"
#include "meta/follow.h"
#include "meta/image.h"
#include "meta/node.h"
#include "port/loop.h"
#include "wire/api.h"
#include "wire/codes.h"

struct parked;
struct server {
	struct port_loop *loop;
	struct meta_follow *follow;
	struct meta_node node;
	struct arena arena;          /* of the request at hand */
	struct buf out;
	struct map creating;         /* topic name: struct creation */
	struct parked *parked;       /* Metadata requests that wait for topics to be made */
	int parked_n;
};
struct request {
	struct server *server;
	struct meta_image *image;
	struct port_from from;
	uint8_t listener;
	struct span frame;           /* borrowed */
	struct wire_request head;
};

/* answer.c */
void request_handle(struct server *s, const struct port_call *c);
/* Decodes the body; -1: it was malformed and the connection has been closed. */
int request_body(struct request *r, const struct wire_type *t, void *out);
void request_answer(struct request *r, const struct wire_type *t, const void *response);
void request_answer_as(struct request *r, int version, const struct wire_type *t,
                       const void *response);
void request_close(struct request *r);
/* Zeroed memory for n members. NULL past the limit, and then the connection has been closed. */
void *request_take(struct request *r, size_t n, size_t size);
/* The name of the asking listener, under which brokers advertise endpoints. */
const char *request_listener(const struct request *r);
/* A broker config of this node. */
int64_t request_config(const struct request *r, const char *name, int64_t otherwise);

/* cluster.c: who is there, as the asking listener sees it */
/* Those registered that have the listener, by id. NULL: the connection has been closed. */
struct meta_broker **cluster_brokers(struct request *r, int *n);
/* The lowest unfenced broker (any forwards to the controller); -1 none. */
int32_t cluster_controller(const struct request *r);
int32_t cluster_leader(const struct request *r, const struct meta_partition *p, bool *listed);
int32_t *cluster_offline(struct request *r, const struct meta_partition *p, int32_t *n);
int32_t *cluster_alive(struct request *r, const int32_t *ids, int32_t ids_n, int32_t *n);

/* topic.c: names, and what anybody may do with them */
bool topic_name_ok(struct span name, const char **why);
bool topic_is_internal(struct span name);
int32_t topic_operations(void);
int32_t cluster_operations(void);

/* create.c: topics that come into being because somebody asked for them */
struct creation {
	char *name;
	int error;               /* WIRE_NONE: under way */
	int64_t until;           /* when a failure is forgotten */
};
void create_topics(struct server *s, const struct span *names, int n);
struct creation *create_status(struct server *s, struct span name);
bool create_park(struct request *r);             /* false: too many wait already, answer now */
void create_unpark(struct server *s); /* answers those that have nothing to wait for any more */
void create_flush(struct server *s, struct port_from from);

/* one a request */
void api_versions(struct request *r);
void api_versions_unsupported(struct request *r);
void metadata(struct request *r);
void metadata_late(struct request *r); /* as metadata, but nothing is made or waited for */
void find_coordinator(struct request *r);
void describe_configs(struct request *r);
void describe_cluster(struct request *r);
void list_config_resources(struct request *r);
void describe_topic_partitions(struct request *r);
#endif
