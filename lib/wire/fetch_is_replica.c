/* Who sends this Fetch, learnt without decoding it: gate asks for every Fetch, and must neither
 * allocate nor believe a length. Up to version 14 the replica id comes first; from 15 on it is in
 * tagged field 1 behind the topics (KIP-903), which are stepped over by their table. */
#include <errno.h>

#include "base/varint.h"
#include "wire/api.h"
#include "wire/type.h"

enum { tag_replica_state = 1, first_with_state = 15 };

struct skip {
	const uint8_t *p, *end;
	int version;
};

static int bad(void)
{
	errno = EBADMSG;
	return -1;
}

static int skip_bytes(struct skip *s, uint64_t n)
{
	if (n > (size_t)(s->end - s->p))
		return bad();
	s->p += n;
	return 0;
}

static int skip_varint(struct skip *s, uint32_t *v)
{
	int n = varint_getu32(s->p, (size_t)(s->end - s->p), v);
	if (n < 0)
		return bad();
	s->p += n;
	return 0;
}

static int skip_field(struct skip *s, const struct wire_field *f);

static int skip_tags(struct skip *s)
{
	uint32_t n, tag, size;
	if (skip_varint(s, &n) < 0)
		return -1;
	while (n-- > 0)
		if (skip_varint(s, &tag) < 0 || skip_varint(s, &size) < 0 || skip_bytes(s, size) < 0)
			return -1;
	return 0;
}

static int skip_plain(struct skip *s, const struct wire_type *t)
{
	for (const struct wire_field *f = t->fields; f < t->fields + t->plain_n; f++)
		if (wire_has(f, s->version) && skip_field(s, f) < 0)
			return -1;
	return 0;
}

static int skip_field(struct skip *s, const struct wire_field *f)
{
	uint32_t n;
	size_t fixed = wire_fixed_sizes[f->kind];
	if (!(f->flags & WIRE_ARRAY) && fixed)
		return skip_bytes(s, fixed);
	if (skip_varint(s, &n) < 0)
		return -1;
	n = n ? n - 1 : 0;
	if (!(f->flags & WIRE_ARRAY))
		return skip_bytes(s, n);
	if (fixed)
		return skip_bytes(s, (uint64_t)n * fixed);
	if (f->kind != WIRE_STRUCT)
		return bad();
	while (n-- > 0)
		if (skip_plain(s, f->type) < 0 || skip_tags(s) < 0)
			return -1;
	return 0;
}

int wire_fetch_is_replica(const struct wire_request *r)
{
	struct skip s = {(const uint8_t *)r->body, (const uint8_t *)r->body + r->body_n, r->version};
	uint32_t n, tag, size;
	int replica = 0;
	if (r->version < first_with_state)
		return r->body_n < 4 ? bad() : (int32_t)get32(r->body) >= 0;
	if (skip_plain(&s, &wire_fetch_request) < 0 || skip_varint(&s, &n) < 0)
		return -1;
	while (n-- > 0) {
		if (skip_varint(&s, &tag) < 0 || skip_varint(&s, &size) < 0)
			return -1;
		const uint8_t *value = s.p;
		if (skip_bytes(&s, size) < 0)
			return -1;
		if (tag == tag_replica_state)
			replica = size < 4 ? bad() : (int32_t)get32(value) >= 0;
		if (replica < 0)
			return -1;
	}
	return replica;
}
