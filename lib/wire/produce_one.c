/* Produce as most producers send it, of one batch, without the table: with tiny requests the table
 * is most of what a broker does. What has another form is left to it. */
#include "wire/produce_one.h"

#include <string.h>

#include "base/varint.h"

enum { FIRST = 9, LAST = 12 };    /* versions: compact and by name */

struct in {
	const uint8_t *p, *end;
	bool other;               /* not of the form, or cut short */
};

static const uint8_t *take(struct in *in, size_t n)
{
	static const uint8_t nothing[8];
	if (in->other || n > (size_t)(in->end - in->p)) {
		in->other = true;
		return nothing;
	}
	in->p += n;
	return in->p - n;
}

static void expect(struct in *in, uint8_t v)
{
	if (*take(in, 1) != v)
		in->other = true;
}

static struct span take_span(struct in *in)
{
	uint32_t n = 0;
	int k = varint_getu32(in->p, in->other ? 0 : (size_t)(in->end - in->p), &n);
	if (k < 0 || !n)
		in->other = true;
	take(in, k < 0 ? 0 : (size_t)k);
	const uint8_t *p = take(in, n - 1);
	return (struct span){(const char *)p, in->other ? 0 : (int32_t)(n - 1)};
}

bool wire_produce_one(const struct wire_request *r, struct produce_request *q,
                      struct produce_request_topic_produce_data *t,
                      struct produce_request_partition_produce_data *p)
{
	struct in in = {(const uint8_t *)r->body, (const uint8_t *)r->body + r->body_n, false};
	if (r->version < FIRST || r->version > LAST)
		return false;
	expect(&in, 0);    /* no transactional id */
	*q = (struct produce_request){.transactional_id = SPAN_NULL, .topic_data = t,
	                              .topic_data_n = 1};
	q->acks = (int16_t)get16(take(&in, 2));
	q->timeout_ms = (int32_t)get32(take(&in, 4));
	expect(&in, 2);    /* one topic */
	*t = (struct produce_request_topic_produce_data){.name = take_span(&in),
	                                                 .partition_data = p,
	                                                 .partition_data_n = 1};
	expect(&in, 2);    /* one partition */
	p->index = (int32_t)get32(take(&in, 4));
	p->records = take_span(&in);
	p->tags = (struct wire_tags){0};
	for (int i = 0; i < 3; i++)
		expect(&in, 0);    /* no tagged fields */
	return !in.other && in.p == in.end && t->name.n <= INT16_MAX;
}

static bool is_plain(const struct produce_response_partition_produce_response *p)
{
	return !p->record_errors_n && p->error_message.n < 0 && p->current_leader.leader_id == -1
	       && p->current_leader.leader_epoch == -1 && !p->current_leader.tags.n && !p->tags.n;
}

int wire_produce_one_answer(const struct produce_response *a, int version, struct buf *b)
{
	const struct produce_response_topic_produce_response *t = a->responses;
	if (version < FIRST || version > LAST || a->responses_n != 1 || a->node_endpoints_n
	    || a->tags.n || t->partition_responses_n != 1 || t->tags.n
	    || !is_plain(t->partition_responses) || t->name.n < 0 || t->name.n > INT16_MAX)
		return 0;
	const struct produce_response_partition_produce_response *p = t->partition_responses;
	size_t name = (size_t)t->name.n;
	if (buf_need(b, name + 64) < 0)
		return -1;
	uint8_t *at = b->p + b->n;
	*at++ = 2;
	at += varint_putu64(at, name + 1);
	memcpy(at, t->name.p, name);
	at += name;
	*at++ = 2;
	put32(at, (uint32_t)p->index);
	put16(at + 4, (uint16_t)p->error_code);
	put64(at + 6, (uint64_t)p->base_offset);
	put64(at + 14, (uint64_t)p->log_append_time_ms);
	put64(at + 22, (uint64_t)p->log_start_offset);
	put32(at + 30, 1 << 24);    /* no record errors, no message, no tags of it and of its topic */
	put32(at + 34, (uint32_t)a->throttle_time_ms);
	at[38] = 0;
	b->n = (size_t)(at + 39 - b->p);
	return 1;
}
