/* The frame of a metadata record, and the table of types. */
#include "meta/record.h"

#include <errno.h>

#include "base/varint.h"
#include "wire/api.h"
#include "wire/wire.h"

static const struct {
	const struct wire_type *wire;
	int max; /* newest version we read */
} types[] = {
	[META_REGISTER_BROKER] = { &wire_register_broker_record, 4 },
	[META_UNREGISTER_BROKER] = { &wire_unregister_broker_record, 0 },
	[META_TOPIC_RECORD] = { &wire_topic_record, 0 },
	[META_PARTITION] = { &wire_partition_record, 2 },
	[META_CONFIG] = { &wire_config_record, 0 },
	[META_PARTITION_CHANGE] = { &wire_partition_change_record, 2 },
	[META_FENCE_BROKER] = { &wire_fence_broker_record, 0 },
	[META_UNFENCE_BROKER] = { &wire_unfence_broker_record, 0 },
	[META_REMOVE_TOPIC] = { &wire_remove_topic_record, 0 },
	[META_DELEGATION_TOKEN] = { &wire_delegation_token_record, 0 },
	[META_SCRAM] = { &wire_user_scram_credential_record, 0 },
	[META_FEATURE_LEVEL] = { &wire_feature_level_record, 0 },
	[META_CLIENT_QUOTA] = { &wire_client_quota_record, 0 },
	[META_PRODUCER_IDS] = { &wire_producer_ids_record, 0 },
	[META_BROKER_CHANGE] = { &wire_broker_registration_change_record, 3 },
	[META_ACL] = { &wire_access_control_entry_record, 0 },
	[META_REMOVE_ACL] = { &wire_remove_access_control_entry_record, 0 },
	[META_NO_OP] = { &wire_no_op_record, 0 },
	[META_ZK_MIGRATION] = { &wire_zk_migration_state_record, 0 },
	[META_REMOVE_SCRAM] = { &wire_remove_user_scram_credential_record, 0 },
	[META_BEGIN_TRANSACTION] = { &wire_begin_transaction_record, 0 },
	[META_END_TRANSACTION] = { &wire_end_transaction_record, 0 },
	[META_ABORT_TRANSACTION] = { &wire_abort_transaction_record, 0 },
	[META_REMOVE_DELEGATION_TOKEN] = { &wire_remove_delegation_token_record, 0 },
	[META_REGISTER_CONTROLLER] = { &wire_register_controller_record, 0 },
	[META_CLEAR_ELR] = { &wire_clear_elr_record, 0 },
	[META_UNREGISTER_CONTROLLER] = { &wire_unregister_controller_record, 0 },
};
enum { TYPES = sizeof types / sizeof *types };

const struct wire_type *meta_record_wire(int type)
{
	return type >= 0 && type < TYPES ? types[type].wire : NULL;
}

int meta_record_peek(struct span value, int *type, int *version, struct span *message)
{
	uint32_t v[3];
	size_t at = 0;

	if (value.n < 0)
		goto bad;
	for (int i = 0; i < 3; i++) {
		int n = varint_getu32(value.p + at, (size_t)value.n - at, &v[i]);

		if (n < 0)
			goto bad;
		at += (size_t)n;
	}
	if (v[0] != 1 || v[1] > INT16_MAX || v[2] > INT16_MAX)
		goto bad;
	*type = (int)v[1];
	*version = (int)v[2];
	*message = (struct span){ value.p + at, value.n - (int32_t)at };
	return 0;
bad:
	errno = EBADMSG;
	return -1;
}

int meta_record_decode(struct span value, struct arena *a, int *type, void **record)
{
	const struct wire_type *t;
	struct span message;
	int version;

	*record = NULL;
	if (meta_record_peek(value, type, &version, &message) < 0)
		return -1;
	t = meta_record_wire(*type);
	if (!t || version > types[*type].max)
		return 1;
	*record = arena_get(a, wire_type_size(t));
	if (!*record)
		return -1;
	return wire_decode(t, version, message.p, (size_t)message.n, a, *record) < 0 ? -1 : 0;
}

int meta_record_encode(struct buf *b, int type, int version, const void *record)
{
	size_t start = b->n;
	const struct wire_type *t = meta_record_wire(type);

	if (!t) {
		errno = EINVAL;
		return -1;
	}
	if (buf_need(b, 3 * VARINT_MAX) < 0)
		return -1;
	b->n += (size_t)varint_putu64(b->p + b->n, 1);
	b->n += (size_t)varint_putu64(b->p + b->n, (uint64_t)type);
	b->n += (size_t)varint_putu64(b->p + b->n, (uint64_t)version);
	if (wire_encode(t, version, record, b, NULL) < 0) {
		b->n = start;
		return -1;
	}
	return 0;
}

int meta_record_version(int type, int level)
{
	switch (type) {
	case META_REGISTER_BROKER: return level >= 30 ? 4 : level >= 17 ? 3 : level >= 8 ? 2 : 1;
	case META_PARTITION:
	case META_PARTITION_CHANGE: return level >= 23 ? 2 : level >= 17 ? 1 : 0;
	case META_BROKER_CHANGE: return level >= 30 ? 3 : level >= 17 ? 2 : 1;
	default: return 0;
	}
}
