#include "log/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cold.h"
#include "base/crc32c.h"

int scan_begin(struct scan *s, int fd, int64_t at, int64_t end, size_t chunk)
{
	*s = (struct scan){.fd = fd, .at = at, .end = end, .chunk = chunk, .cap = chunk,
	                   .ahead = chunk};
	s->buf = malloc(chunk);
	return s->buf ? 0 : -1;
}

void scan_end(struct scan *s)
{
	free(s->buf);
	s->buf = 0;
}

/* Makes the bytes [at, at + need) available; need was checked against the end of the file. */
static const uint8_t *fill(struct scan *s, int64_t at, size_t need, size_t want)
{
	if (at >= s->buf_at && at + (int64_t)need <= s->buf_at + (int64_t)s->have)
		return s->buf + (at - s->buf_at);
	if (need > s->cap) {
		uint8_t *p = realloc(s->buf, need);
		if (!p)
			return 0;
		s->buf = p;
		s->cap = need;
	}
	if (want < need)
		want = need;
	if ((int64_t)want > s->end - at)
		want = (size_t)(s->end - at);
	s->buf_at = at;
	s->have = 0;
	while (s->have < need) {
		ssize_t r = cold_pread(s->fd, s->buf + s->have, want - s->have, at + (int64_t)s->have);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			if (r == 0)
				errno = EBADMSG;
			return 0;
		}
		s->have += (size_t)r;
	}
	return s->buf;
}

int scan_next(struct scan *s, struct batch *b)
{
	int64_t left = s->end - s->at;
	if (left <= 0)
		return 0;
	s->position = s->at;
	if (left < BATCH_HEADER) {
		errno = EBADMSG;
		return -1;
	}
	const uint8_t *p = fill(s, s->at, BATCH_HEADER, s->ahead);
	if (!p || batch_parse(b, p, BATCH_HEADER) < 0)
		return -1;
	if (batch_bytes(b) > left) {
		errno = EBADMSG;
		return -1;
	}
	/* between large batches only headers are worth reading */
	s->ahead = batch_bytes(b) > (int64_t)s->chunk ? BATCH_HEADER : s->chunk;
	s->at += batch_bytes(b);
	return 1;
}

int scan_crc(struct scan *s, const struct batch *b)
{
	enum { from = 21 };
	uint32_t crc = 0;
	int64_t end = s->position + batch_bytes(b);
	for (int64_t at = s->position + from; at < end;) {
		int64_t inside = s->buf_at + (int64_t)s->have - at;
		int64_t n = at >= s->buf_at && inside > 0 ? inside : (int64_t)s->chunk;
		if (n > end - at)
			n = end - at;
		const uint8_t *p = fill(s, at, (size_t)n, s->chunk);
		if (!p)
			return -1;
		crc = crc32c(crc, p, (size_t)n);
		at += n;
	}
	return crc == b->crc;
}

const void *scan_batch(struct scan *s, const struct batch *b)
{
	return fill(s, s->position, (size_t)batch_bytes(b), s->chunk);
}
