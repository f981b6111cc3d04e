/* Kafka's compression codecs over whole buffers. Here and nowhere else they are linked in.
 *   gzip    RFC 1952, members one after another
 *   snappy  the framing of snappy-java: 82 'SNAPPY' 00, i32 1, i32 1, then i32 bytes and a raw
 *           block, again and again; read also without it, as one raw block
 *   lz4     the frame format, independent blocks of at most 64 KiB (Kafka reads no others)
 *   zstd    frames
 */
#ifndef RECODE_CODEC_H
#define RECODE_CODEC_H
#include <stddef.h>

#include "base/buf.h"

/* Append to out. -1: EBADMSG (damaged, unknown codec), EMSGSIZE (more than most bytes), ENOMEM. */
int codec_expand(int codec, const void *p, size_t n, size_t most, struct buf *out);
int codec_shrink(int codec, const void *p, size_t n, struct buf *out);
#endif
