#include "records.h"

#include <errno.h>

#include "wire/api.h"
#include "wire/wire.h"

#define PAIR(name) { &wire_##name##_key, &wire_##name##_value }
static const struct wire_type *const types[RECORD_TYPES][2] = {
	[RECORD_LEGACY_OFFSET_COMMIT] = PAIR(offset_commit),
	[RECORD_OFFSET_COMMIT] = PAIR(offset_commit),
	[RECORD_GROUP] = PAIR(group_metadata),
	[RECORD_CONSUMER_GROUP] = PAIR(consumer_group_metadata),
	[RECORD_CONSUMER_PARTITIONS] = PAIR(consumer_group_partition_metadata),
	[RECORD_CONSUMER_MEMBER] = PAIR(consumer_group_member_metadata),
	[RECORD_CONSUMER_TARGET] = PAIR(consumer_group_target_assignment_metadata),
	[RECORD_CONSUMER_TARGET_MEMBER] = PAIR(consumer_group_target_assignment_member),
	[RECORD_CONSUMER_CURRENT_MEMBER] = PAIR(consumer_group_current_member_assignment),
	[RECORD_CONSUMER_REGEX] = PAIR(consumer_group_regular_expression),
};

const struct wire_type *record_key_type(int type)
{
	return type < 0 || type >= RECORD_TYPES ? NULL : types[type][0];
}

const struct wire_type *record_value_type(int type)
{
	return type < 0 || type >= RECORD_TYPES ? NULL : types[type][1];
}

int record_encode_key(struct buf *b, int type, const void *key)
{
	const struct wire_type *t = record_key_type(type);
	if (!t) {
		errno = EINVAL;
		return -1;
	}
	return buf_add16(b, (uint16_t)type) ? -1 : wire_encode(t, 0, key, b, NULL);
}

int record_encode_value(struct buf *b, int type, int version, const void *value)
{
	const struct wire_type *t = record_value_type(type);
	if (!t) {
		errno = EINVAL;
		return -1;
	}
	return buf_add16(b, (uint16_t)version) ? -1 : wire_encode(t, version, value, b, NULL);
}

/* What stands after the two bytes of a type or version, in the arena. */
static const void *decode(const struct wire_type *t, int version, struct span s, struct arena *a)
{
	void *out = arena_get(a, wire_type_size(t));
	if (!out || wire_decode(t, version, s.p + 2, (size_t)s.n - 2, a, out) < 0)
		return NULL;
	return out;
}

int record_decode(struct replayed *r, struct span key, struct span value, struct arena *a)
{
	if (key.n < 2 || (value.n >= 0 && value.n < 2)) {
		errno = EBADMSG;
		return -1;
	}
	r->type = (int16_t)get16(key.p);
	const struct wire_type *t = record_key_type(r->type);
	if (!t)
		return 1;
	r->key = decode(t, 0, key, a);
	r->value = NULL;
	if (r->key && value.n >= 0)
		r->value = decode(record_value_type(r->type), (int16_t)get16(value.p), value, a);
	if (!r->key || (value.n >= 0 && !r->value))
		return -1;
	if (r->type == RECORD_LEGACY_OFFSET_COMMIT)
		r->type = RECORD_OFFSET_COMMIT;
	return 0;
}
