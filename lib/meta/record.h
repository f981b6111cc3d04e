/* Records of the metadata log: value = varint frame version 1, varint type, varint version, message
 * (Kafka's AbstractApiMessageSerde), and which version a finalized metadata.version calls for
 * (MetadataVersion).
 */
#ifndef META_RECORD_H
#define META_RECORD_H
#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"

enum meta_record_type { /* apiKey of Kafka's metadata record messages */
			META_REGISTER_BROKER = 0,
			META_UNREGISTER_BROKER = 1,
			META_TOPIC_RECORD = 2,
			META_PARTITION = 3,
			META_CONFIG = 4,
			META_PARTITION_CHANGE = 5,
			META_FENCE_BROKER = 7,
			META_UNFENCE_BROKER = 8,
			META_REMOVE_TOPIC = 9,
			META_DELEGATION_TOKEN = 10,
			META_SCRAM = 11,
			META_FEATURE_LEVEL = 12,
			META_CLIENT_QUOTA = 14,
			META_PRODUCER_IDS = 15,
			META_BROKER_CHANGE = 17,
			META_ACL = 18,
			META_REMOVE_ACL = 19,
			META_NO_OP = 20,
			META_ZK_MIGRATION = 21,
			META_REMOVE_SCRAM = 22,
			META_BEGIN_TRANSACTION = 23,
			META_END_TRANSACTION = 24,
			META_ABORT_TRANSACTION = 25,
			META_REMOVE_DELEGATION_TOKEN = 26,
			META_REGISTER_CONTROLLER = 27,
			META_CLEAR_ELR = 28,
			META_UNREGISTER_CONTROLLER = 29,
};
struct wire_type;

const struct wire_type *meta_record_wire(int type); /* NULL: no such type */
/* The head of a value: its type and version, and where the message begins. -1 EBADMSG. */
int meta_record_peek(struct span value, int *type, int *version, struct span *message);
/* *record is made in a, NULL when the type or its version is unknown (returns 1). 0 decoded; -1
 * EBADMSG, ENOMEM. */
int meta_record_decode(struct span value, struct arena *a, int *type, void **record);
/* Appends a value. -1 ENOMEM, EINVAL. */
int meta_record_encode(struct buf *b, int type, int version, const void *record);
int meta_record_version(int type, int level); /* for a finalized metadata.version */
#endif
