#include "codec.h"

#include <errno.h>
#include <lz4frame.h>
#include <snappy-c.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/bytes.h"
#include "log/batch.h"

enum { STEP = 64 << 10, SNAPPY_BLOCK = 32 << 10, XERIAL = 16 };
static const uint8_t xerial[XERIAL] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0,
				       0,    0,   0,   1,   0,   0,   0,   1};

static int fail(int e)
{
	errno = e;
	return -1;
}

/* Room for a step of output, never past most bytes after from. */
static int step_room(struct buf *out, size_t from, size_t most, size_t *room)
{
	size_t left = most - (out->n - from);
	if (!left)
		return fail(EMSGSIZE);
	*room = left < STEP ? left : STEP;
	return buf_need(out, *room);
}

/* --- gzip --- */

static int gunzip(const void *p, size_t n, size_t most, struct buf *out)
{
	z_stream z = {.next_in = (void *)p, .avail_in = (uInt)n};
	size_t from = out->n, room;
	int r = Z_OK, e = 0;
	if (inflateInit2(&z, 15 + 16) != Z_OK)
		return fail(ENOMEM);
	while (!e) {
		if (r == Z_STREAM_END) {
			if (!z.avail_in)
				break;
			inflateReset(&z);
		}
		if (step_room(out, from, most, &room) < 0) {
			e = errno;
			break;
		}
		z.next_out = out->p + out->n;
		z.avail_out = (uInt)room;
		r = inflate(&z, Z_NO_FLUSH);
		out->n += room - z.avail_out;
		if ((r != Z_OK && r != Z_STREAM_END) || (r == Z_OK && !z.avail_in && z.avail_out))
			e = r == Z_MEM_ERROR ? ENOMEM : EBADMSG;
	}
	inflateEnd(&z);
	return e ? fail(e) : 0;
}

static int gzip(const void *p, size_t n, struct buf *out)
{
	z_stream z = {.next_in = (void *)p, .avail_in = (uInt)n};
	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return fail(ENOMEM);
	size_t bound = deflateBound(&z, (uLong)n);
	int r = buf_need(out, bound);
	if (r == 0) {
		z.next_out = out->p + out->n;
		z.avail_out = (uInt)bound;
		r = deflate(&z, Z_FINISH) == Z_STREAM_END ? 0 : fail(EBADMSG);
		out->n += bound - z.avail_out;
	}
	deflateEnd(&z);
	return r;
}

/* --- snappy --- */

static int unsnap_block(const char *p, size_t n, size_t from, size_t most, struct buf *out)
{
	size_t size;
	/* the length a block claims is believed only as far as its bytes could make it: 64 to 3 */
	if (snappy_uncompressed_length(p, n, &size) != SNAPPY_OK || size / 64 > n)
		return fail(EBADMSG);
	if (size > most - (out->n - from))
		return fail(EMSGSIZE);
	if (buf_need(out, size) < 0)
		return -1;
	if (snappy_uncompress(p, n, (char *)out->p + out->n, &size) != SNAPPY_OK)
		return fail(EBADMSG);
	out->n += size;
	return 0;
}

static int unsnap(const char *p, size_t n, size_t most, struct buf *out)
{
	size_t from = out->n, at = XERIAL;
	if (n < XERIAL || memcmp(p, xerial, 8))
		return unsnap_block(p, n, from, most, out);
	while (at < n) {
		if (n - at < 4)
			return fail(EBADMSG);
		uint32_t size = get32(p + at);
		at += 4;
		if (size > n - at)
			return fail(EBADMSG);
		if (unsnap_block(p + at, size, from, most, out) < 0)
			return -1;
		at += size;
	}
	return 0;
}

static int snap(const char *p, size_t n, struct buf *out)
{
	if (buf_add(out, xerial, sizeof xerial) < 0)
		return -1;
	for (size_t at = 0; at < n;) {
		size_t take = n - at < SNAPPY_BLOCK ? n - at : SNAPPY_BLOCK;
		size_t size = snappy_max_compressed_length(take);
		if (buf_need(out, size + 4) < 0)
			return -1;
		if (snappy_compress(p + at, take, (char *)out->p + out->n + 4, &size) != SNAPPY_OK)
			return fail(EBADMSG);
		put32(out->p + out->n, (uint32_t)size);
		out->n += size + 4;
		at += take;
	}
	return 0;
}

/* --- lz4 --- */

static int unlz4(const char *p, size_t n, size_t most, struct buf *out)
{
	LZ4F_dctx *c;
	size_t from = out->n, at = 0, room, hint = 1;
	int e = 0;
	if (LZ4F_isError(LZ4F_createDecompressionContext(&c, LZ4F_VERSION)))
		return fail(ENOMEM);
	while (!e && (at < n || hint)) {
		if (step_room(out, from, most, &room) < 0) {
			/* what is left may be no more than an end mark */
			uint8_t none[1];
			size_t in = n - at, zero = 0;
			bool full = errno == EMSGSIZE;
			e = errno;
			if (full) {
				hint = LZ4F_decompress(c, none, &zero, p + at, &in, 0);
				at += in;
				e = hint == 0 && at == n ? 0 : EMSGSIZE;
			}
			break;
		}
		size_t in = n - at;
		hint = LZ4F_decompress(c, out->p + out->n, &room, p + at, &in, 0);
		if (LZ4F_isError(hint) || (!in && !room))
			e = EBADMSG;
		else
			out->n += room;
		at += in;
	}
	LZ4F_freeDecompressionContext(c);
	return e ? fail(e) : 0;
}

static int lz4(const void *p, size_t n, struct buf *out)
{
	LZ4F_preferences_t prefs = {
		.frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent}};
	size_t bound = LZ4F_compressFrameBound(n, &prefs);
	if (buf_need(out, bound) < 0)
		return -1;
	size_t size = LZ4F_compressFrame(out->p + out->n, bound, p, n, &prefs);
	if (LZ4F_isError(size))
		return fail(EBADMSG);
	out->n += size;
	return 0;
}

/* --- zstd --- */

static int unzstd(const void *p, size_t n, size_t most, struct buf *out)
{
	ZSTD_DStream *z = ZSTD_createDStream();
	ZSTD_inBuffer in = {p, n, 0};
	size_t from = out->n, room, left = 1;
	int e = z ? 0 : ENOMEM;
	while (!e && (in.pos < n || left)) {
		bool full = step_room(out, from, most, &room) < 0;
		if (full && errno != EMSGSIZE) {
			e = errno;
			break;
		}
		uint8_t spare[1];
		size_t before = in.pos;
		ZSTD_outBuffer to = {full ? spare : out->p + out->n, full ? 1 : room, 0};
		left = ZSTD_decompressStream(z, &to, &in);
		if (ZSTD_isError(left) || (!to.pos && in.pos == before))
			e = EBADMSG;
		else if (full && to.pos)
			e = EMSGSIZE;
		else
			out->n += to.pos;
	}
	ZSTD_freeDStream(z);
	return e ? fail(e) : 0;
}

static int zstd(const void *p, size_t n, struct buf *out)
{
	size_t bound = ZSTD_compressBound(n);
	if (buf_need(out, bound) < 0)
		return -1;
	size_t size = ZSTD_compress(out->p + out->n, bound, p, n, ZSTD_CLEVEL_DEFAULT);
	if (ZSTD_isError(size))
		return fail(EBADMSG);
	out->n += size;
	return 0;
}

/* --- */

int codec_expand(int codec, const void *p, size_t n, size_t most, struct buf *out)
{
	switch (codec) {
	case CODEC_NONE: return n > most ? fail(EMSGSIZE) : buf_add(out, p, n);
	case CODEC_GZIP: return gunzip(p, n, most, out);
	case CODEC_SNAPPY: return unsnap(p, n, most, out);
	case CODEC_LZ4: return unlz4(p, n, most, out);
	case CODEC_ZSTD: return unzstd(p, n, most, out);
	}
	return fail(EBADMSG);
}

int codec_shrink(int codec, const void *p, size_t n, struct buf *out)
{
	switch (codec) {
	case CODEC_NONE: return buf_add(out, p, n);
	case CODEC_GZIP: return gzip(p, n, out);
	case CODEC_SNAPPY: return snap(p, n, out);
	case CODEC_LZ4: return lz4(p, n, out);
	case CODEC_ZSTD: return zstd(p, n, out);
	}
	return fail(EBADMSG);
}
