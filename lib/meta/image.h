/* The cluster's metadata as an image: what the records of __cluster_metadata-0 add up to (Kafka's
 * *Image, *Delta).
 *
 * One image a program, changed only by meta_apply, in log order. Pointers into it are borrowed and
 * valid until the next apply.
 */
#ifndef META_IMAGE_H
#define META_IMAGE_H
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/map.h"

struct meta_partition {
	int32_t id;
	int32_t leader; /* -1 none */
	int32_t leader_epoch, partition_epoch;
	int32_t *replicas, *isr, *removing, *adding, *elr,
		*last_known_elr; /* each owned by the image */
	int32_t replicas_n, isr_n, removing_n, adding_n, elr_n, last_known_elr_n;
	struct uuid *directories; /* as many as replicas, or none */
	int32_t directories_n;
	int8_t leader_recovery_state;
};
struct meta_topic {
	struct uuid id;
	char *name;
	struct meta_partition *partitions; /* by id, dense from 0; one without replicas is a hole:
					      not there (yet) */
	int32_t partitions_n;
};
struct meta_endpoint {
	char *name, *host; /* listener name */
	uint16_t port;
	int16_t security_protocol;
};
struct meta_feature_range {
	char *name;
	int16_t min, max;
};
struct meta_broker {
	int32_t id;
	struct uuid incarnation;
	int64_t epoch;
	bool fenced, in_controlled_shutdown;
	char *rack; /* NULL none */
	struct meta_endpoint *endpoints;
	int32_t endpoints_n;
	struct meta_feature_range *features; /* what it supports */
	int32_t features_n;
	struct uuid *log_dirs, *cordoned;
	int32_t log_dirs_n, cordoned_n; /* cordoned_n is -1 when not known */
};
enum meta_resource { META_TOPIC = 2, META_BROKER = 4, META_GROUP = 32 }; /* ConfigResource.Type */

struct meta_image {
	int64_t offset;				 /* last record applied; -1 none */
	int32_t epoch;				 /* of that record */
	struct map topics_by_name, topics_by_id; /* struct meta_topic */
	struct map brokers;			 /* key int32 id: struct meta_broker */
	struct map controllers; /* RegisterController; key int32 id: struct meta_broker without
				   epoch's meaning */
	struct map configs;	/* struct meta_configs: see meta_configs_of */
	struct map features;	/* name: struct meta_feature; kraft.version too, which comes from a
				   control record */
	struct map others; /* struct meta_other: ACLs, quotas, credentials, tokens: kept whole for
			      snapshots */
	int64_t next_producer_id; /* -1: no block was handed out */
	struct arena scratch;	  /* of the apply in progress */
};
struct meta_feature {
	char *name;
	int16_t level;
};
struct meta_other {
	char *key;
	int32_t key_n, value_n;
	char *value; /* the record value as it came */
};
struct meta_config_entry {
	char *key, *value;
};
struct meta_configs {
	int8_t type;		     /* enum meta_resource or any other resource type */
	char *name;		     /* "" is the cluster-wide default of brokers */
	struct meta_config_entry *v; /* sorted by key */
	int32_t n;
	char *map_key;
};

enum {
	META_LEVEL_MIN = 7,
	META_LEVEL_NEW = 25,
	META_LEVEL_MAX = 33
}; /* metadata.version: oldest, of new clusters, newest */
enum { META_GROUP_LEVEL_MAX = 1 }; /* group.version: 1 has the consumer group protocol */
enum {
	META_ELR_LEVEL_MAX = 1,
	META_ELR_NEEDS = 23
}; /* eligible.leader.replicas.version: 1 has them (KIP-966); metadata.version that it needs */

void meta_image_init(struct meta_image *m);
void meta_image_free(struct meta_image *m);

/* One record value (frame version, type, version, message) as it stands in the log. Unknown types:
 * 1, skipped. 0 applied. -1 EBADMSG, ENOMEM, EINVAL (it refers to what is not there: the log is not
 * ours to interpret); the image may then be half changed and is to be thrown away. Transactions are
 * the caller's business: see meta/load.h. */
int meta_apply(struct meta_image *m, struct span value, int64_t offset, int32_t epoch);
/* The same, and shows the decoded record (a struct of wire/api.h; valid until the next apply) and
 * its type. */
int meta_apply_decoded(struct meta_image *m, struct span value, int64_t offset, int32_t epoch,
		       int *type, const void **record);
/* A finalized feature that no metadata record carries: kraft.version. */
int meta_image_feature(struct meta_image *m, struct span name, int16_t level);

struct meta_topic *meta_topic_named(const struct meta_image *m, struct span name);
struct meta_topic *meta_topic_with_id(const struct meta_image *m, const struct uuid *id);
struct meta_partition *meta_partition(const struct meta_topic *t,
				      int32_t partition); /* NULL when there is none */
struct meta_broker *meta_broker(const struct meta_image *m, int32_t id);
const struct meta_endpoint *meta_broker_endpoint(const struct meta_broker *b, const char *listener);
struct meta_configs *meta_configs_of(const struct meta_image *m, int type,
				     struct span name);			      /* NULL: none set */
const char *meta_config_value(const struct meta_configs *c, const char *key); /* NULL: not set */
int16_t meta_feature_level(const struct meta_image *m, const char *name);     /* 0: not finalized */

/* The image as record values that make it again, for snapshots: fn is called with each value (at
 * the versions of the finalized metadata.version). Stops at and returns fn's first non-zero. */
struct partition_record;
void meta_partition_record(
	const struct meta_topic *t, const struct meta_partition *p, int level,
	struct partition_record *r); /* the PartitionRecord that makes p; borrows from it */
int meta_image_records(const struct meta_image *m, int (*fn)(void *arg, struct span value),
		       void *arg);
#endif
