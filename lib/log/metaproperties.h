/* meta.properties of a log directory: whose it is (Kafka's MetaProperties). Java properties text,
 * version 1: version, cluster.id, node.id, directory.id. Version 0 said broker.id and had no
 * directory.id. */
#ifndef LOG_METAPROPERTIES_H
#define LOG_METAPROPERTIES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define METAPROPERTIES_FILE "meta.properties"
struct metaproperties {
	int version;                /* 0 or 1 */
	char cluster_id[64];        /* "" when there is none */
	int32_t node_id;            /* -1 when there is none */
	struct uuid directory_id;   /* zero when there is none */
};
int metaproperties_read(struct metaproperties *m, int dirfd);  /* -1 with errno: ENOENT, EBADMSG */
int metaproperties_parse(struct metaproperties *m, const char *p, size_t n);
/* version 1, atomically and durably */
int metaproperties_write(const struct metaproperties *m, int dirfd);
#endif
