/* The bytes of a producer snapshot (Kafka's ProducerSnapshot.json):
 *   i16 version 1 | u32 crc32c of all after it | i32 entries | entries of 46 bytes, ours by rising
 *   id: i64 id | i16 epoch | i32 last sequence | i64 last offset | i32 offset delta | i64 timestamp
 *   | i32 coordinator epoch | i64 first offset of the open transaction, -1 none
 */
#ifndef LOG_SNAPFILE_H
#define LOG_SNAPFILE_H
#include <stddef.h>

#include "base/buf.h"
#include "log/producers.h"

enum { SNAPFILE_HEADER = 10, SNAPFILE_ENTRY = 46 };

int snapfile_format(const struct producers *s, struct buf *out);     /* -1 ENOMEM */
/* Entries in p, or -1 EBADMSG: wrong version, CRC or length. */
int snapfile_check(const void *p, size_t n);
void snapfile_entry(const void *p, int i, struct producer *out);     /* after snapfile_check */
#endif
