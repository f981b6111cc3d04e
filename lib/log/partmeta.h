/* partition.metadata: which topic a partition directory belongs to (Kafka's PartitionMetadataFile).
 * Text:
 * "version: 0", a newline, "topic_id: " and 22 characters, no newline at the end. */
#ifndef LOG_PARTMETA_H
#define LOG_PARTMETA_H
#include <stddef.h>

#include "base/bytes.h"

#define PARTMETA_FILE "partition.metadata"
enum { PARTMETA_TEXT = 64 };
int partmeta_parse(struct uuid *topic_id, const char *p, size_t n);             /* -1 EBADMSG */
size_t partmeta_format(const struct uuid *topic_id, char out[PARTMETA_TEXT]);   /* bytes written */
#endif
