/* Reading a partition from its start to the end that it had when it became ours. */
#include <stdlib.h>

#include "coord/inside.h"
#include "wire/api.h"
#include "wire/codes.h"
#include "wire/wire.h"

enum {
	FETCH = 1, FETCH_VERSION = 12, FETCH_BYTES = 1 << 20, WAIT_MS = 500, ASK_MS = 10000,
	AGAIN_MS = 20, AGAIN_LATER_MS = 1000,
	CONTROL_ABORT = 0, CONTROL_COMMIT = 1,
};

struct coord_load {                         /* one Fetch */
	struct coord_partition *partition;  /* NULL: nobody waits for it any more */
};

static void ask(struct coord_partition *p);

static void ask_later(struct coord_partition *p, int ms)
{
	if (port_timer_set(p->coord->loop, &p->again, port_now_ms() + ms))
		abort();
}

static void on_again(void *arg)
{
	ask(arg);
}

static void finish(struct coord_partition *p)
{
	struct coord *c = p->coord;
	p->next = p->target > p->next ? p->target : p->next;
	p->state = COORD_LOADED;
	c->loading--;
	c->ops->loaded(c->ctx, p->index);
}

void load_end(struct coord_partition *p)
{
	if (p->load)
		p->load->partition = NULL;
	p->load = NULL;
	port_timer_stop(p->coord->loop, &p->again);
}

/* --- batches --- */

static void complain(struct coord_partition *p, const char *what)
{
	if (p->coord->ops->say)
		p->coord->ops->say(p->coord->ctx, what, p->index);
}

static int hand_out(struct coord_partition *p, const struct batch *b, struct span bytes)
{
	struct coord *c = p->coord;
	struct record r;
	size_t at = 0;
	int n;
	while ((n = record_next(b, bytes.p + BATCH_HEADER, (size_t)bytes.n - BATCH_HEADER, &at,
	                        &r)) == 1) {
		if (r.offset < p->next)
			continue;
		if (!(b->attributes & BATCH_CONTROL))
			c->ops->record(c->ctx, p->index, b, &r);
		else if (r.key.n >= 4 && get16(r.key.p + 2) <= CONTROL_COMMIT)
			c->ops->marker(c->ctx, p->index, b, get16(r.key.p + 2) == CONTROL_COMMIT);
	}
	return n;
}

static int one_batch(struct coord_partition *p, const struct batch *b, struct span bytes)
{
	struct coord *c = p->coord;
	struct batch opened = *b;
	if (batch_last_offset(b) < p->next)
		return 0;
	if (!batch_crc_ok(b, bytes.p)) {
		complain(p, "a batch has a wrong CRC");
		return -1;
	}
	if (b->attributes & BATCH_CODEC &&
	    (!c->ops->open || c->ops->open(c->ctx, bytes, &bytes) ||
	     batch_parse(&opened, bytes.p, (size_t)bytes.n))) {
		complain(p, "a compressed batch cannot be opened");
		return -1;
	}
	if (hand_out(p, &opened, bytes)) {
		complain(p, "a batch cannot be read");
		return -1;
	}
	p->next = batch_last_offset(b) + 1;
	return 0;
}

static int all_batches(struct coord_partition *p, struct span records)
{
	struct batch b;
	for (int64_t at = 0; at < records.n; at += batch_bytes(&b)) {
		struct span rest = {records.p + at, (int32_t)(records.n - at)};
		if (batch_parse(&b, rest.p, (size_t)rest.n) || batch_bytes(&b) > rest.n)
			return 0;           /* cut off: it comes again */
		rest.n = (int32_t)batch_bytes(&b);
		if (one_batch(p, &b, rest))
			return -1;
	}
	return 0;
}

/* --- Fetch --- */

static struct fetch_response_partition_data *only(struct fetch_response *out)
{
	return out->error_code || out->responses_n != 1 || out->responses[0].partitions_n != 1
	       ? NULL : &out->responses[0].partitions[0];
}

static void take(struct coord_partition *p, const struct fetch_response_partition_data *d)
{
	struct page_slot slot;
	int64_t before = p->next;
	if (d->error_code == WIRE_OFFSET_OUT_OF_RANGE &&
	    page_read(&p->coord->page, p->slot, &slot, NULL) && slot.log_start > p->next) {
		p->next = slot.log_start;   /* what lay before it has been deleted */
		ask(p);
	} else if (d->error_code) {
		ask_later(p, AGAIN_MS);
	} else if (all_batches(p, d->records)) {
		ask_later(p, AGAIN_LATER_MS);
	} else if (p->next >= p->target ||
	           (p->next == before && d->high_watermark >= p->target && d->records.n <= 0)) {
		finish(p);
	} else {
		ask(p);
	}
}

static void on_reply(void *arg, const struct port_reply *reply)
{
	struct coord_load *l = arg;
	struct coord_partition *p = l->partition;
	struct fetch_response out;
	struct fetch_response_partition_data *d = NULL;
	int32_t id;
	int at = -1;
	free(l);
	if (!p)
		return;
	struct coord *c = p->coord;
	p->load = NULL;
	arena_reset(&c->arena);
	if (!reply->failed && reply->kind == PORT_BYTES)
		at = wire_response_parse(FETCH, FETCH_VERSION, reply->bytes.p,
		                         (size_t)reply->bytes.n, &id);
	if (at >= 0 && wire_decode(&wire_fetch_response, FETCH_VERSION, reply->bytes.p + at,
	                           (size_t)(reply->bytes.n - at), &c->arena, &out) >= 0)
		d = only(&out);
	if (d)
		take(p, d);
	else
		ask_later(p, AGAIN_MS);
}

static int encode(struct coord_partition *p)
{
	struct coord *c = p->coord;
	struct fetch_request_fetch_partition part;
	struct fetch_request_fetch_topic topic;
	struct fetch_request in;
	wire_init(&wire_fetch_request, &in);
	wire_init(&wire_fetch_request_fetch_topic, &topic);
	wire_init(&wire_fetch_request_fetch_partition, &part);
	part.partition = p->index;
	part.fetch_offset = p->next;
	part.current_leader_epoch = p->epoch;
	part.partition_max_bytes = FETCH_BYTES;
	topic.topic = span_of(c->topic);
	topic.partitions = &part;
	topic.partitions_n = 1;
	in.max_wait_ms = WAIT_MS;
	in.min_bytes = 1;
	in.max_bytes = FETCH_BYTES;
	in.topics = &topic;
	in.topics_n = 1;
	c->frame.n = 0;
	if (wire_request_header(&c->frame, FETCH, FETCH_VERSION, 0, span_of(c->name)))
		return -1;
	return wire_encode(&wire_fetch_request, FETCH_VERSION, &in, &c->frame, NULL);
}

static void ask(struct coord_partition *p)
{
	struct coord *c = p->coord;
	p->load = malloc(sizeof *p->load);
	if (!p->load)
		abort();
	p->load->partition = p;
	if (!encode(p) && !port_ask(c->reader, WIRE_LOCAL, span_of(""), span_of(""), c->frame.p,
	                            c->frame.n, port_now_ms() + ASK_MS, on_reply, p->load))
		return;
	free(p->load);
	p->load = NULL;
	ask_later(p, AGAIN_MS);
}

void load_begin(struct coord_partition *p, const struct page_slot *slot)
{
	p->again = (struct port_timer){.fn = on_again, .arg = p};
	p->epoch = slot->epoch;
	p->next = slot->log_start;
	p->target = slot->log_end;
	if (p->next >= p->target)
		finish(p);
	else
		ask(p);
}
