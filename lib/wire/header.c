/* Headers of requests and responses (RequestHeader.json, ResponseHeader.json), by hand: the
 * header's version depends on the API, and the client id keeps its int16 length. */
#include <errno.h>

#include "base/varint.h"
#include "wire/type.h"

enum { api_versions = 18 };

static int fail(int e)
{
	errno = e;
	return -1;
}

/* Bytes of a tag section nobody reads, or -1. */
static int skip_tags(const uint8_t *p, size_t n)
{
	uint32_t tags, tag, size;
	int k = varint_getu32(p, n, &tags);
	if (k < 0)
		return fail(EBADMSG);
	size_t at = (size_t)k;
	while (tags-- > 0) {
		if ((k = varint_getu32(p + at, n - at, &tag)) < 0)
			return fail(EBADMSG);
		at += (size_t)k;
		if ((k = varint_getu32(p + at, n - at, &size)) < 0 || size > n - at - (size_t)k)
			return fail(EBADMSG);
		at += (size_t)k + size;
	}
	return at > INT32_MAX ? fail(EBADMSG) : (int)at;
}

int wire_request_parse(struct wire_request *r, const void *frame, size_t n)
{
	const uint8_t *p = frame;
	if (n < 8)
		return fail(EBADMSG);
	*r = (struct wire_request){
		.key = (int16_t)get16(p), .version = (int16_t)get16(p + 2),
		.correlation_id = (int32_t)get32(p + 4), .client_id = SPAN_NULL,
	};
	r->api = wire_api(r->key);
	if (!r->api || !wire_api_serves(r->api, r->version))
		return fail(EPROTONOSUPPORT);
	size_t at = 10;
	if (n < at)
		return fail(EBADMSG);
	int16_t id_n = (int16_t)get16(p + 8);
	if (id_n >= 0) {
		if ((size_t)id_n > n - at)
			return fail(EBADMSG);
		r->client_id = (struct span){(const char *)p + at, id_n};
		at += (size_t)id_n;
	}
	if (r->version >= r->api->flexible) {
		int k = skip_tags(p + at, n - at);
		if (k < 0)
			return -1;
		at += (size_t)k;
	}
	r->body = (const char *)p + at;
	r->body_n = n - at;
	return 0;
}

int wire_request_header(struct buf *b, int key, int version, int32_t correlation_id,
                        struct span client_id)
{
	const struct wire_api *a = wire_api(key);
	int16_t n = client_id.n < 0 ? -1 : (int16_t)client_id.n;
	if (!a || client_id.n > wire_string_max)
		return fail(EINVAL);
	if (buf_add16(b, (uint16_t)key) < 0 || buf_add16(b, (uint16_t)version) < 0)
		return -1;
	if (buf_add32(b, (uint32_t)correlation_id) < 0 || buf_add16(b, (uint16_t)n) < 0)
		return -1;
	if (n > 0 && buf_add(b, client_id.p, (size_t)n) < 0)
		return -1;
	return version >= a->flexible ? buf_add8(b, 0) : 0;
}

int wire_response_header(struct buf *b, int key, int version, int32_t correlation_id)
{
	const struct wire_api *a = wire_api(key);
	if (!a)
		return fail(EINVAL);
	if (buf_add32(b, (uint32_t)correlation_id) < 0)
		return -1;
	return version >= a->flexible && key != api_versions ? buf_add8(b, 0) : 0;
}

int wire_response_parse(int key, int version, const void *frame, size_t n, int32_t *correlation_id)
{
	const struct wire_api *a = wire_api(key);
	const uint8_t *p = frame;
	if (!a)
		return fail(EINVAL);
	if (n < 4)
		return fail(EBADMSG);
	*correlation_id = (int32_t)get32(p);
	if (version < a->flexible || key == api_versions)
		return 4;
	int k = skip_tags(p + 4, n - 4);
	return k < 0 ? -1 : 4 + k;
}
