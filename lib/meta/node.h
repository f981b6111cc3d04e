/* What a node's directory and environment say about the node: env/ holds Kafka's property names,
 * log/meta.properties its ids. */
#ifndef META_NODE_H
#define META_NODE_H
#include <stdint.h>

#include "base/bytes.h"

struct meta_node {
	int32_t id;                /* node.id */
	char cluster_id[64];       /* cluster.id of meta.properties; "" when it is not there */
	struct uuid directory;     /* directory.id of meta.properties; zero when it is not there */
	/* the listener for clients: the first of `listeners` that is not a controller's */
	char broker[64];
	char controller[64];       /* the first of `controller.listener.names`; "" none */
};

/* Reads the environment and LOG_DIR/meta.properties ("log"). -1 EINVAL: no node.id or listeners in
 * the environment; else the errno of reading the file. A missing one is no error. */
int meta_node_read(struct meta_node *n, const char *log_dir);
#endif
