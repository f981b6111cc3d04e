/* Records of the metadata log and control records in words. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/varint.h"
#include "dump.h"
#include "wire/api.h"
#include "wire/wire.h"

/* Decodes a message and appends it as JSON. */
static bool to_json(const struct wire_type *t, int version, const char *p, size_t n,
		    struct buf *out)
{
	static struct arena arena = {.limit = 256 << 20};
	arena_reset(&arena);
	void *m = arena_get(&arena, wire_type_size(t));
	out->n = 0;
	return m && wire_decode(t, version, p, n, &arena, m) >= 0 && wire_json(t, version, m, out) == 0;
}

/* Kafka's frame: unsigned varints frame version (1), type, version, then the message. */
const char *decode_metadata(struct span value, struct buf *out)
{
	uint32_t head[3];
	int32_t at = 0;
	for (int i = 0; i < 3; i++) {
		int r = value.n > at ? varint_getu32(value.p + at, (size_t)(value.n - at), head + i) : -1;
		if (r < 0)
			return 0;
		at += r;
	}
	const struct wire_type *t = head[0] == 1 && head[1] <= INT16_MAX ? wire_record((int)head[1]) : 0;
	if (!t || (int)head[2] > wire_record_max((int)head[1]) ||
	    !to_json(t, (int)head[2], value.p + at, (size_t)(value.n - at), out))
		return 0;
	return wire_type_name(t);
}

const char *decode_control(struct span key, struct span value, struct buf *out)
{
	static const struct {
		const char *name;
		const struct wire_type *type;
		int version_max;
	} known[] = {
		{"ABORT", &wire_end_txn_marker, 0}, {"COMMIT", &wire_end_txn_marker, 0},
		{"LEADER_CHANGE", &wire_leader_change_message, 1},
		{"SNAPSHOT_HEADER", &wire_snapshot_header_record, 0},
		{"SNAPSHOT_FOOTER", &wire_snapshot_footer_record, 0},
		{"KRAFT_VERSION", &wire_kraft_version_record, 0}, {"KRAFT_VOTERS", &wire_voters_record, 0},
	};
	if (key.n < 4 || value.n < 2)
		return 0;
	unsigned type = get16(key.p + 2);
	if (type >= sizeof known / sizeof *known)
		return 0;
	/* a marker's value begins with its version; the others have it as their first field */
	int version = get16(value.p), skip = type < 2 ? 2 : 0;
	if (version > known[type].version_max ||
	    !to_json(known[type].type, version, value.p + skip, (size_t)(value.n - skip), out))
		return 0;
	return known[type].name;
}
