/* The records of __consumer_offsets: a key begins with its type, a value with its version (Kafka's
 * GroupCoordinatorRecordSerde). */
#ifndef GROUPCOORD_RECORDS_H
#define GROUPCOORD_RECORDS_H
#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"

enum record_type {
	RECORD_LEGACY_OFFSET_COMMIT = 0,    /* read as RECORD_OFFSET_COMMIT, as Kafka does */
	RECORD_OFFSET_COMMIT = 1,
	RECORD_GROUP = 2,                           /* GroupMetadata, of classic groups */
	RECORD_CONSUMER_GROUP = 3,
	RECORD_CONSUMER_PARTITIONS = 4,             /* ConsumerGroupPartitionMetadata */
	RECORD_CONSUMER_MEMBER = 5,
	RECORD_CONSUMER_TARGET = 6,                 /* TargetAssignmentMetadata */
	RECORD_CONSUMER_TARGET_MEMBER = 7,
	RECORD_CONSUMER_CURRENT_MEMBER = 8,
	RECORD_CONSUMER_REGEX = 16,
	RECORD_TYPES = 17,
};
/* Versions written: Burrow 1.2.1 reads these. Only version 1 of an offset says when it expires. */
enum {
	OFFSET_COMMIT_VERSION = 3, OFFSET_COMMIT_EXPIRING = 1, GROUP_VERSION = 3,
	CONSUMER_VERSION = 0,
};

struct replayed {
	int type;                   /* enum record_type */
	const void *key;            /* a struct of wire/api.h, in the arena */
	const void *value;          /* likewise; NULL: a tombstone */
	int64_t offset, timestamp;
	int64_t producer_id;        /* -1: not of a transaction */
	int16_t producer_epoch;
};

/* NULL: no such type. The key's version is 0. */
const struct wire_type *record_key_type(int type);
const struct wire_type *record_value_type(int type);

/* Append an encoded key or value. -1 ENOMEM, EINVAL. */
int record_encode_key(struct buf *b, int type, const void *key);
int record_encode_value(struct buf *b, int type, int version, const void *value);
/* 0; 1: a type that is not known (a newer Kafka's, a share group's), to be skipped; -1 EBADMSG or
 * ENOMEM. Sets type, key and value of r. */
int record_decode(struct replayed *r, struct span key, struct span value, struct arena *a);
#endif
