/* From request to answer: decode, hand to the API's function, encode. */
#include "controller.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "meta/record.h"

enum { DECODE_MAX = 64 << 20, WAIT_MS = 30000 };

static const struct {
	int16_t key;
	handler *fn;
} handlers[] = {
	{ 19, create_topics },
	{ 20, delete_topics },
	{ 33, alter_configs },
	{ 37, create_partitions },
	{ 43, elect_leaders },
	{ 44, incremental_alter_configs },
	{ 45, alter_reassignments },
	{ 46, list_reassignments },
	{ 56, alter_partition },
	{ 57, update_features },
	{ 62, register_broker },
	{ 63, broker_heartbeat },
	{ 64, unregister_broker },
	{ 67, allocate_producer_ids },
	{ 73, assign_directories },
};

static handler *handler_of(int key)
{
	for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++)
		if (handlers[i].key == key)
			return handlers[i].fn;
	return NULL;
}

void controller_init(struct controller *c, struct meta_image *m, const struct settings *s)
{
	struct uuid seed = { { 1 } };

	memset(c, 0, sizeof *c);
	c->image = m;
	c->settings = s;
	uuid_random(&seed); /* it only spreads replicas: where there is no chance, the same will do */
	c->random = get64(seed.b);
}

uint32_t controller_random(struct controller *c, uint32_t n)
{
	uint64_t x = c->random += 0x9e3779b97f4a7c15; /* splitmix64 */

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return (uint32_t)((x ^ (x >> 31)) % n);
}

bool controller_has(int key)
{
	return handler_of(key) != NULL;
}

int controller_call(struct operation *op, const struct wire_request *q, struct buf *answer)
{
	void *request, *response;

	op->arena.limit = DECODE_MAX;
	op->timeout_ms = WAIT_MS;
	request = arena_get(&op->arena, wire_type_size(q->api->request));
	response = arena_get(&op->arena, wire_type_size(q->api->response));
	if (!request || !response)
		return -1;
	if (wire_decode(q->api->request, q->version, q->body, q->body_n, &op->arena, request) < 0)
		return -1;
	wire_init(q->api->response, response);
	handler_of(q->key)(op, q, request, response);
	if (op->failed) {
		errno = ENOMEM;
		return -1;
	}
	if (op->append && op->values_n > 0 && op->append(op->ctx, &op->values, op->values_n) < 0) {
		op->values_n = 0;
		operation_refuse(op, q->key, response);
	}
	if (wire_response_header(answer, q->key, q->version, q->correlation_id) < 0)
		return -1;
	return wire_encode(q->api->response, q->version, response, answer, NULL);
}

void operation_free(struct operation *op)
{
	arena_free(&op->arena);
	buf_free(&op->values);
}

struct fault fault(struct operation *op, int code, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n;
	struct fault f = { (int16_t)code, SPAN_NULL };

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof text)
		n = sizeof text - 1;
	f.message.p = arena_copy(&op->arena, text, (size_t)n + 1);
	if (f.message.p)
		f.message.n = n;
	return f;
}

void operation_record(struct operation *op, int type, const void *record)
{
	size_t at = op->values.n;

	if (buf_add32(&op->values, 0) < 0
	    || meta_record_encode(&op->values, type, meta_record_version(type, operation_level(op)),
				  record)
		       < 0) {
		op->values.n = at;
		op->failed = true;
		return;
	}
	put32(op->values.p + at, (uint32_t)(op->values.n - at - 4));
	op->values_n++;
}

struct mark operation_mark(const struct operation *op)
{
	return (struct mark){ op->values.n, op->values_n };
}

void operation_undo(struct operation *op, struct mark m)
{
	op->values.n = m.n;
	op->values_n = m.values_n;
}

int operation_level(const struct operation *op)
{
	return meta_feature_level(op->c->image, "metadata.version");
}

const char *operation_z(struct operation *op, struct span s)
{
	size_t n = (size_t)(s.n < 0 ? 0 : s.n) + 1;
	char *z = arena_get(&op->arena, n);

	if (!z) {
		op->failed = true;
		return "";
	}
	return span_z(s, z, n);
}
