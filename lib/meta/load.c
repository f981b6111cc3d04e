/* Batches into the image; the records of a transaction wait for its end. */
#include "meta/load.h"

#include <errno.h>
#include <string.h>

#include "log/batch.h"
#include "meta/record.h"
#include "wire/api.h"
#include "wire/wire.h"

void meta_load_init(struct meta_load *l, struct meta_image *m)
{
	memset(l, 0, sizeof *l);
	l->image = m;
	l->epoch = -1;
	l->timestamp = -1;
}

void meta_load_free(struct meta_load *l)
{
	buf_free(&l->held);
}

static int apply(struct meta_load *l, struct span value, int64_t offset, int32_t epoch)
{
	const void *record;
	int type, r = meta_apply_decoded(l->image, value, offset, epoch, &type, &record);

	if (r < 0)
		return -1;
	l->skipped += r;
	if (l->record)
		l->record(l->ctx, l->image, type, record);
	return 0;
}

static int hold(struct meta_load *l, struct span value, int64_t offset, int32_t epoch)
{
	if (buf_add64(&l->held, (uint64_t)offset) < 0 || buf_add32(&l->held, (uint32_t)epoch) < 0
	    || buf_add32(&l->held, (uint32_t)value.n) < 0)
		return -1;
	return buf_add(&l->held, value.p, (size_t)value.n);
}

static int apply_held(struct meta_load *l)
{
	size_t at = 0;

	while (at < l->held.n) {
		const uint8_t *p = l->held.p + at;
		struct span value = { (const char *)p + 16, (int32_t)get32(p + 12) };

		if (apply(l, value, (int64_t)get64(p), (int32_t)get32(p + 8)) < 0)
			return -1;
		at += 16 + (size_t)value.n;
	}
	l->held.n = 0;
	return 0;
}

/* A record of the log, which may begin or end a transaction. */
static int data_record(struct meta_load *l, struct span value, int64_t offset, int32_t epoch)
{
	int type, version;
	struct span message;

	if (meta_record_peek(value, &type, &version, &message) < 0)
		return -1;
	switch (type) {
	case META_BEGIN_TRANSACTION:
		if (l->in_transaction)
			break;
		l->in_transaction = true;
		l->held.n = 0;
		return 0;
	case META_ABORT_TRANSACTION:
		if (!l->in_transaction)
			break;
		l->in_transaction = false;
		l->held.n = 0;
		l->image->offset = offset;
		l->image->epoch = epoch;
		return 0;
	case META_END_TRANSACTION:
		if (!l->in_transaction)
			break;
		l->in_transaction = false;
		if (apply_held(l) < 0)
			return -1;
		l->image->offset = offset;
		l->image->epoch = epoch;
		return 0;
	default:
		return l->in_transaction ? hold(l, value, offset, epoch)
					 : apply(l, value, offset, epoch);
	}
	errno = EBADMSG;
	return -1;
}

/* A control record: the key is i16 version, i16 type. */
static int control_record(struct meta_load *l, const struct record *r, int64_t offset,
			  int32_t epoch)
{
	struct kraft_version_record v;
	struct arena a = { .limit = 4096 };
	int type, e = 0;

	if (r->key.n < 4 || r->value.n < 0) {
		errno = EBADMSG;
		return -1;
	}
	type = get16(r->key.p + 2);
	if (type == META_KRAFT_VERSION) {
		if (wire_decode(&wire_kraft_version_record, 0, r->value.p, (size_t)r->value.n, &a,
				&v)
		    < 0)
			return -1;
		e = meta_image_feature(l->image, span_of("kraft.version"), v.kraft_version);
		arena_free(&a);
	}
	if (e == 0 && l->control)
		l->control(l->ctx, type, r->value, offset, epoch);
	return e;
}

static int load_batch(struct meta_load *l, const struct batch *b, const char *p, int64_t from,
		      const struct meta_load_at *at)
{
	size_t n = (size_t)batch_bytes(b), pos = 0;
	struct record r;
	int got;

	while ((got = record_next(b, p + BATCH_HEADER, n - BATCH_HEADER, &pos, &r)) == 1) {
		int64_t offset = at ? at->offset : r.offset;
		int32_t epoch = at ? at->epoch : b->epoch;
		int e;

		if (!at && r.offset < from)
			continue;
		if (b->attributes & BATCH_CONTROL)
			e = control_record(l, &r, offset, epoch);
		else
			e = data_record(l, r.value, offset, epoch);
		if (e < 0)
			return -1;
		if (!l->in_transaction && !at) {
			l->image->offset = offset;
			l->image->epoch = epoch;
		}
	}
	return got;
}

int64_t meta_load(struct meta_load *l, const void *p, size_t n, int64_t from,
		  const struct meta_load_at *at)
{
	size_t used = 0;

	while (n - used >= BATCH_HEADER) {
		const char *q = (const char *)p + used;
		struct batch b;

		if (batch_parse(&b, q, n - used) < 0)
			return -1;
		if ((uint64_t)batch_bytes(&b) > n - used)
			break;
		if (!batch_crc_ok(&b, q) || (b.attributes & BATCH_CODEC)) {
			errno = EBADMSG;
			return -1;
		}
		if (at || batch_last_offset(&b) >= from) {
			if (load_batch(l, &b, q, from, at) < 0)
				return -1;
			l->end = batch_last_offset(&b) + 1;
			l->epoch = b.epoch;
			l->timestamp = b.max_timestamp;
			if (l->batch && !l->in_transaction)
				l->batch(l->ctx, l->image);
		}
		used += (size_t)batch_bytes(&b);
	}
	return (int64_t)used;
}
