#include "log/snapfile.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/crc32c.h"

enum { CRC_FROM = 6 };

static int by_id(const void *a, const void *b)
{
	int64_t x = (*(struct producer *const *)a)->id, y = (*(struct producer *const *)b)->id;
	return x < y ? -1 : x > y;
}

static void put_entry(uint8_t *e, const struct producer *p)
{
	static const struct producer_batch none = {.last_offset = -1, .last_sequence = -1};
	const struct producer_batch *b = p->n ? p->batch + p->n - 1 : &none;
	put64(e, (uint64_t)p->id);
	put16(e + 8, (uint16_t)p->epoch);
	put32(e + 10, (uint32_t)b->last_sequence);
	put64(e + 14, (uint64_t)b->last_offset);
	put32(e + 22, (uint32_t)b->delta);
	put64(e + 26, (uint64_t)p->last_timestamp);
	put32(e + 34, (uint32_t)p->coordinator_epoch);
	put64(e + 38, (uint64_t)p->txn_first);
}

int snapfile_format(const struct producers *s, struct buf *out)
{
	size_t at = 0, n = 0;
	struct producer **v = malloc((s->map.n + 1) * sizeof *v);
	if (!v)
		return -1;
	/* an entry of epoch -1 was only reserved for an append that then failed */
	for (struct producer *p; (p = map_next(&s->map, &at));)
		if (p->epoch >= 0)
			v[n++] = p;
	qsort(v, n, sizeof *v, by_id);
	out->n = 0;
	int r = buf_need(out, SNAPFILE_HEADER + n * SNAPFILE_ENTRY);
	if (r == 0) {
		out->n = SNAPFILE_HEADER + n * SNAPFILE_ENTRY;
		put16(out->p, 1);
		put32(out->p + 6, (uint32_t)n);
		for (size_t i = 0; i < n; i++)
			put_entry(out->p + SNAPFILE_HEADER + i * SNAPFILE_ENTRY, v[i]);
		put32(out->p + 2, crc32c(0, out->p + CRC_FROM, out->n - CRC_FROM));
	}
	free(v);
	return r;
}

int snapfile_check(const void *from, size_t n)
{
	const uint8_t *p = from;
	if (n < SNAPFILE_HEADER || get16(p) != 1 || crc32c(0, p + CRC_FROM,
		n - CRC_FROM) != get32(p + 2) ||
	    get32(p + 6) > INT32_MAX || (uint64_t)get32(p + 6) * SNAPFILE_ENTRY + SNAPFILE_HEADER != n) {
		errno = EBADMSG;
		return -1;
	}
	return (int)get32(p + 6);
}

void snapfile_entry(const void *from, int i, struct producer *p)
{
	const uint8_t *e = (const uint8_t *)from + SNAPFILE_HEADER + (size_t)i * SNAPFILE_ENTRY;
	*p = (struct producer){
		.id = (int64_t)get64(e), .epoch = (int16_t)get16(e + 8), .last_timestamp = (int64_t)get64(e + 26),
		.coordinator_epoch = (int32_t)get32(e + 34), .txn_first = (int64_t)get64(e + 38)};
	if (p->txn_first < 0)
		p->txn_first = -1;
	int64_t last_offset = (int64_t)get64(e + 14);
	if (last_offset < 0)
		return;
	p->n = 1;
	p->batch[0] = (struct producer_batch){.last_offset = last_offset, .timestamp = p->last_timestamp,
	                                      .last_sequence = (int32_t)get32(e + 10),
	                                      	.delta = (int32_t)get32(e + 22)};
}
