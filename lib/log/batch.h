/* Record batches, magic 2: the one format on the wire and on disk.
 *
 *   0 base offset i64 | 8 length i32 (bytes after this field) | 12 leader epoch i32 | 16 magic i8 |
 *   17 crc u32 over 21..end
 *  21 attributes i16: 0-2 codec, 3 log-append time, 4 transactional, 5 control, 6 delete horizon
 *  23 last offset delta i32 | 27 base timestamp i64 | 35 max timestamp i64 | 43 producer id i64
 *  51 producer epoch i16 | 53 base sequence i32 | 57 record count i32 | 61 records
 */
#ifndef LOG_BATCH_H
#define LOG_BATCH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

enum {
	BATCH_HEADER = 61,         /* bytes before the first record */
	BATCH_OVERHEAD = 12,       /* base offset and length: a batch takes length + 12 bytes */
	BATCH_CODEC = 7,           /* attribute bits */
	BATCH_LOG_APPEND_TIME = 8,
	BATCH_TRANSACTIONAL = 16,
	BATCH_CONTROL = 32,
	BATCH_DELETE_HORIZON = 64,
};
enum batch_codec { CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD };

struct batch {                     /* a parsed header; all numbers in host order */
	int64_t base_offset;
	int32_t length, epoch;
	int8_t magic;
	uint32_t crc;
	int16_t attributes;
	int32_t last_offset_delta;
	int64_t base_timestamp, max_timestamp;
	int64_t producer_id;
	int16_t producer_epoch;
	int32_t base_sequence, count;
};

static inline int64_t batch_bytes(const struct batch *b)
{
	return (int64_t)b->length + BATCH_OVERHEAD;
}
static inline int64_t batch_last_offset(const struct batch *b)
{
	return (int64_t)((uint64_t)b->base_offset + (uint64_t)(int64_t)b->last_offset_delta);
}

/* Reads a header from n bytes; the body may be absent. 0, or -1 EBADMSG when n < BATCH_HEADER,
 * magic is not 2 or length < 49. */
int batch_parse(struct batch *b, const void *p, size_t n);
/* p holds the whole batch: true when its CRC is right. */
bool batch_crc_ok(const struct batch *b, const void *p);
/* Assigns offset and leader epoch in place: bytes 0-7 and 12-15, which the CRC does not cover. */
void batch_place(void *p, int64_t base_offset, int32_t epoch);
/* Writes the header of *b, crc included. */
void batch_head(const struct batch *b, void *p);
/* Writes the header of *b at p and computes the CRC over it and the records after it; sets
 * b->length and b->crc. */
void batch_seal(struct batch *b, void *p, size_t records_bytes);

struct record {                    /* borrowed from the batch */
	int8_t attributes;
	int64_t timestamp;         /* absolute, ms */
	int64_t offset;            /* absolute */
	struct span key, value;    /* n == -1 null */
	int32_t headers_n;
	struct span headers;       /* the encoded headers; walk with record_header_next */
};
/* The record at *at (0 first) of uncompressed records p[0..n). 1 and *at moves on; 0 at the end; -1
 * EBADMSG. */
int record_next(const struct batch *b, const void *p, size_t n, size_t *at, struct record *r);
int record_header_next(const struct record *r, size_t *at, struct span *key, struct span *value);

/* Building a batch record by record, uncompressed, at the end of a buffer. */
struct batch_builder {
	struct buf *out;           /* borrowed */
	size_t start;              /* where the batch began in out */
	struct batch head;
};
int batch_begin(struct batch_builder *w, struct buf *out, int64_t base_offset, int32_t epoch,
                int16_t attributes, int64_t producer_id, int16_t producer_epoch,
                int32_t base_sequence);                                   /* -1 ENOMEM */
int batch_add(struct batch_builder *w, int64_t timestamp, struct span key, struct span value,
              /* pairs: key, value, key, value ... */
              const struct span *header_pairs, int32_t headers);
void batch_end(struct batch_builder *w);                                  /* seals it */
#endif
