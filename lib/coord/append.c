/* Writing: what a turn records goes into one batch a partition, several of them under way. */
#include <stddef.h>
#include <stdlib.h>

#include "base/varint.h"
#include "coord/inside.h"
#include "wire/api.h"
#include "wire/codes.h"
#include "wire/wire.h"

enum {
	PRODUCE = 0, PRODUCE_VERSION = 11,
	SENT_MAX = 4,                       /* batches of a partition under way; others gather */
	FULL = 256 << 10,                   /* bytes after which a batch takes no further step */
	TIMEOUT_MS = 5000, ASK_MS = 15000,  /* offsets.commit.timeout.ms; until the port gives up */
	KEPT = 1 << 20,
};

/* --- batches --- */

static struct coord_batch *batch_new(struct coord *c)
{
	struct coord_batch *b = c->free;
	if (b)
		c->free = b->next;
	else if (!(b = calloc(1, sizeof *b)))
		return NULL;
	struct buf bytes = b->bytes, held = b->held;
	bytes.n = held.n = 0;
	*b = (struct coord_batch){.bytes = bytes, .held = held, .base = -1};
	return b;
}

static void batch_free(struct coord *c, struct coord_batch *b)
{
	if (b->bytes.cap > KEPT)
		buf_free(&b->bytes);
	if (b->held.cap > KEPT)
		buf_free(&b->held);
	b->next = c->free;
	c->free = b;
}

static struct coord_batch *newest(struct coord_partition *p)
{
	return p->first ? (struct coord_batch *)((char *)p->last - offsetof(struct coord_batch, next))
	                : NULL;
}

struct coord_batch *coord_newest(struct coord *c, int32_t partition)
{
	return partition >= 0 && partition < c->n ? newest(c->v[partition]) : NULL;
}

static struct coord_batch *open_batch(struct coord_partition *p, int64_t producer_id,
                                      int16_t producer_epoch)
{
	struct coord_batch *b = newest(p);
	if (b && !b->sent && !b->full && b->builder.head.producer_id == producer_id &&
	    b->builder.head.producer_epoch == producer_epoch)
		return b;
	b = batch_new(p->coord);
	if (!b)
		return NULL;
	if (batch_begin(&b->builder, &b->bytes, 0, -1, producer_id >= 0 ? BATCH_TRANSACTIONAL : 0,
	                producer_id, producer_epoch, -1)) {
		batch_free(p->coord, b);
		return NULL;
	}
	b->partition = p;
	b->since_ms = port_now_ms();
	*p->last = b;
	p->last = &b->next;
	return b;
}

struct coord_batch *coord_add(struct coord *c, int32_t partition, int64_t timestamp,
                              struct span key, struct span value, int64_t producer_id,
                              int16_t producer_epoch)
{
	struct coord_partition *p = c->v[partition];
	struct coord_batch *b = newest(p);
	/* A large record has a batch of its own, so that it fits if it would fit alone. */
	if (b && !b->sent && b->builder.head.count && (int64_t)key.n + value.n > FULL)
		b->full = true;
	b = open_batch(p, producer_id, producer_id < 0 ? -1 : producer_epoch);
	if (!b || batch_add(&b->builder, timestamp, key, value, NULL, 0))
		return NULL;
	return b;
}

int coord_batch_next(const struct coord_batch *b, size_t *at, struct record *r)
{
	return record_next(&b->builder.head, b->bytes.p + BATCH_HEADER, b->bytes.n - BATCH_HEADER, at,
	                   r) == 1;
}

/* --- how it ends --- */

static struct coord_batch *take_first(struct coord_partition *p)
{
	struct coord_batch *b = p->first;
	p->first = b->next;
	if (!p->first)
		p->last = &p->first;
	p->sent -= b->sent;
	return b;
}

/* Those that were sent are freed when their answers come. */
void append_abandon(struct coord_partition *p)
{
	struct coord *c = p->coord;
	while (p->first) {
		struct coord_batch *b = take_first(p);
		bool waits = b->sent && !b->done;
		c->ops->settled(c->ctx, p->index, b, COORD_UNKNOWN);
		b->orphan = true;
		p->orphans += waits;
		if (!waits)
			batch_free(c, b);
	}
}

/* From the front, as far as it is known: whoever reads the log sees them in this order. */
static void settle(struct coord_partition *p)
{
	struct coord *c = p->coord;
	while (p->first && p->first->done) {
		struct coord_batch *b = p->first;
		if (b->error == COORD_UNKNOWN) {
			coord_reload(c, p->index);
			return;
		}
		take_first(p);
		bool misplaced = !b->error && b->base != p->next;
		if (!b->error)
			p->next = b->base + b->builder.head.count;
		c->ops->settled(c->ctx, p->index, b, b->error);
		batch_free(c, b);
		if (misplaced && p->state == COORD_LOADED) {
			coord_reload(c, p->index);
			return;
		}
	}
}

/* Errors after which nobody knows whether it is in the log. */
static int outcome(int error)
{
	switch (error) {
	case WIRE_REQUEST_TIMED_OUT:
	case WIRE_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
	case WIRE_NOT_LEADER_OR_FOLLOWER:
	case WIRE_FENCED_LEADER_EPOCH:
	case WIRE_UNKNOWN_SERVER_ERROR:
		return COORD_UNKNOWN;
	default:
		return error;
	}
}

static int read_answer(struct coord *c, const struct port_reply *reply, int64_t *base)
{
	struct produce_response out;
	int32_t id;
	int at = -1;
	arena_reset(&c->arena);
	if (!reply->failed && reply->kind == PORT_BYTES)
		at = wire_response_parse(PRODUCE, PRODUCE_VERSION, reply->bytes.p,
		                         (size_t)reply->bytes.n, &id);
	if (at < 0 || wire_decode(&wire_produce_response, PRODUCE_VERSION, reply->bytes.p + at,
	                          (size_t)(reply->bytes.n - at), &c->arena, &out) < 0)
		return COORD_UNKNOWN;
	if (out.responses_n != 1 || out.responses[0].partition_responses_n != 1)
		return COORD_UNKNOWN;
	*base = out.responses[0].partition_responses[0].base_offset;
	return outcome(out.responses[0].partition_responses[0].error_code);
}

static void on_reply(void *arg, const struct port_reply *reply)
{
	struct coord_batch *b = arg;
	struct coord_partition *p = b->partition;
	if (b->orphan) {
		p->orphans--;
		p->coord->stale = true;
		batch_free(p->coord, b);
		return;
	}
	b->done = true;
	b->error = read_answer(p->coord, reply, &b->base);
	settle(p);
}

/* --- Produce --- */

static int encode(struct coord_partition *p, const struct coord_batch *b)
{
	struct coord *c = p->coord;
	struct produce_request_partition_produce_data part;
	struct produce_request_topic_produce_data topic;
	struct produce_request in;
	char tag[2 * VARINT_MAX + 4];
	int n = varint_putu64(tag, WIRE_TAG_LEADER_EPOCH);
	n += varint_putu64(tag + n, 4);
	put32(tag + n, (uint32_t)p->epoch);
	wire_init(&wire_produce_request, &in);
	wire_init(&wire_produce_request_topic_produce_data, &topic);
	wire_init(&wire_produce_request_partition_produce_data, &part);
	part.index = p->index;
	part.records = (struct span){(const char *)b->bytes.p, (int32_t)b->bytes.n};
	part.tags = (struct wire_tags){tag, n + 4, 1};
	topic.name = span_of(c->topic);
	topic.partition_data = &part;
	topic.partition_data_n = 1;
	in.transactional_id = b->builder.head.producer_id >= 0 ? span_of("") : SPAN_NULL;
	in.acks = -1;
	in.timeout_ms = TIMEOUT_MS;
	in.topic_data = &topic;
	in.topic_data_n = 1;
	c->frame.n = 0;
	if (wire_request_header(&c->frame, PRODUCE, PRODUCE_VERSION, 0, span_of(c->name)))
		return -1;
	return wire_encode(&wire_produce_request, PRODUCE_VERSION, &in, &c->frame, NULL);
}

static int send(struct coord_partition *p, struct coord_batch *b)
{
	struct coord *c = p->coord;
	batch_end(&b->builder);
	return encode(p, b) || port_ask(c->writer, WIRE_LOCAL, span_of(""), span_of(""), c->frame.p,
	                                c->frame.n, port_now_ms() + ASK_MS, on_reply, b);
}

/* While logappend is away batches gather: one that waited in the port could be written by its next
 * life, after this partition has been read again. */
void append_send(struct coord_partition *p)
{
	struct coord_batch *b = p->first;
	while (b && b->sent)
		b = b->next;
	for (; b && p->sent < SENT_MAX && port_is_up(p->coord->writer); b = b->next) {
		if (send(p, b)) {
			coord_reload(p->coord, p->index);
			return;
		}
		b->sent = true;
		p->sent++;
	}
}

int64_t append_late(struct coord_partition *p, int64_t now_ms)
{
	const struct coord_batch *b = p->first;
	while (b && b->sent)
		b = b->next;
	if (b && b->since_ms + TIMEOUT_MS <= now_ms) {
		coord_reload(p->coord, p->index);
		return INT64_MAX;
	}
	return b ? b->since_ms + TIMEOUT_MS : INT64_MAX;
}

void coord_seal(struct coord *c, int32_t partition)
{
	struct coord_batch *b = coord_newest(c, partition);
	if (b)
		b->full = true;
}

void coord_step_done(struct coord *c, int32_t partition)
{
	const struct coord_batch *b = coord_newest(c, partition);
	if (b && b->bytes.n > FULL)
		coord_seal(c, partition);
}
