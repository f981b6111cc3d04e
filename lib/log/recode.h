/* What logappend, logserve and logdump say to recode, the program that opens compressed batches,
 * and what it answers.
 *
 * `recode -s`, on a stream socket that is its descriptors 0 and 1; big-endian, one answer a
 * request, in order:
 *   request  u32 bytes that follow | u8 kind | u8 codec | u8 flags | u8 0 | u32 most bytes |
 *            i64 now | i64 before max | i64 after max | i64 timestamp | i64 offset | the batch
 *   answer   u32 bytes that follow | i16 error: Kafka's code, 0 good | u16 bad records |
 *            i64 offset | i64 timestamp | text | per bad record { i32 index | text } | the batch
 *   text     u16 bytes | bytes | NUL
 *
 * RECODE_CHECK  the records are checked by the rules (log_validate_records) and written with codec
 *               (RECODE_AS_IT_CAME: their own); the batch that comes back replaces the request's,
 *               its header and CRC made right. Base offset and leader epoch stay as they came.
 * RECODE_WRITE  the same without rules: only the form of the records is checked.
 * RECODE_OPEN   the batch comes back without compression, otherwise as it was.
 * RECODE_TIME   no batch comes back, but offset and timestamp of its first record at or after
 *               `offset` with a timestamp >= `timestamp`; offset -1: there is none.
 * Records that would grow past `most bytes` give MESSAGE_TOO_LARGE: that bounds recode's memory.
 */
#ifndef LOG_RECODE_H
#define LOG_RECODE_H
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "log/validate.h"

enum { RECODE_CHECK = 1, RECODE_OPEN, RECODE_TIME, RECODE_WRITE };
enum { RECODE_COMPACT = 1, RECODE_LOG_APPEND_TIME = 2 };  /* flags, as in struct log_rules */
enum {
	RECODE_REQUEST = 48,        /* bytes of a request before the batch, without the length */
	RECODE_ANSWER = 20,         /* fixed bytes of an answer, without the length */
	RECODE_AS_IT_CAME = 255,
	RECODE_MOST = 256 << 20,    /* a good bound for most_bytes; larger ones are refused */
};

struct recode_request {
	uint8_t kind, codec, flags;
	uint32_t most_bytes;
	int64_t now_ms, before_max_ms, after_max_ms;
	int64_t timestamp, offset;
	const void *batch;          /* borrowed */
	size_t batch_n;
};
struct recode_answer {
	struct log_verdict verdict; /* error, message, bad; messages are borrowed from the frame */
	int64_t offset, timestamp;
	const void *batch;          /* borrowed from the frame */
	size_t batch_n;
};

/* The request that log_validate's verdict `recode` asks for. */
void recode_check(struct recode_request *q, const struct log_rules *r, int64_t now_ms,
                  const void *batch, size_t n);
/* These append a whole frame. -1: ENOMEM, EMSGSIZE (the frame would pass 2^31 bytes). */
int recode_put_request(struct buf *out, const struct recode_request *q);
int recode_put_answer(struct buf *out, const struct recode_answer *a);
/* These read the frame at the front of p[0..n): its bytes; 0: not whole yet; -1 EBADMSG. */
int64_t recode_get_request(struct recode_request *q, const void *p, size_t n);
int64_t recode_get_answer(struct recode_answer *a, const void *p, size_t n);
#endif
