/* Batches and records: what is built is parsed back, and nothing cut or bent gets through. */
#include "logtest.h"

#include "base/varint.h"
#include "log/batch.h"
#include "log/validate.h"

enum { CORRUPT = 2, TOO_LARGE = 10, TIMESTAMP = 32, INVALID = 87 };

static struct buf out;

static void round_trip(void)
{
	struct batch_builder w;
	struct batch b;
	struct record r;
	struct span key, value, pairs[4] = {{"h1", 2}, {"v1", 2}, {"h2", 2}, SPAN_NULL};
	size_t at = 0, h = 0;
	out.n = 0;
	batch_begin(&w, &out, 7, 3, 0, 42, 1, 9);
	batch_add(&w, 1000, (struct span){"k", 1}, (struct span){"value", 5}, pairs, 2);
	batch_add(&w, 900, SPAN_NULL, SPAN_NULL, 0, 0);
	batch_add(&w, 1100, (struct span){"", 0}, (struct span){"", 0}, 0, 0);
	batch_end(&w);
	is_int(batch_parse(&b, out.p, out.n), 0, "parse");
	is_int(batch_bytes(&b), out.n, "length");
	ok(batch_crc_ok(&b, out.p), "crc");
	is_int(b.base_timestamp, 1000, "base timestamp");
	is_int(b.max_timestamp, 1100, "max timestamp");
	is_int(batch_last_offset(&b), 9, "last offset");
	is_int(b.count, 3, "count");
	is_int(b.producer_id, 42, "producer");
	is_int(b.base_sequence, 9, "sequence");
	const uint8_t *p = out.p + BATCH_HEADER;
	size_t n = out.n - BATCH_HEADER;
	is_int(record_next(&b, p, n, &at, &r), 1, "first record");
	is_mem(r.key.p, (size_t)r.key.n, "k", 1, "key");
	is_mem(r.value.p, (size_t)r.value.n, "value", 5, "value");
	is_int(r.headers_n, 2, "headers");
	is_int(record_header_next(&r, &h, &key, &value), 1, "first header");
	is_mem(value.p, (size_t)value.n, "v1", 2, "its value");
	is_int(record_header_next(&r, &h, &key, &value), 1, "second header");
	is_int(value.n, -1, "its null");
	is_int(record_header_next(&r, &h, &key, &value), 0, "no third");
	record_next(&b, p, n, &at, &r);
	is_int(r.timestamp, 900, "a time before the base");
	is_int(r.offset, 8, "offset");
	ok(r.key.n == -1 && r.value.n == -1, "nulls");
	record_next(&b, p, n, &at, &r);
	ok(r.key.n == 0 && r.value.n == 0, "empty is not null");
	is_int(record_next(&b, p, n, &at, &r), 0, "the end");
	batch_place(out.p, 1000, 5);
	batch_parse(&b, out.p, out.n);
	ok(b.base_offset == 1000 && b.epoch == 5 && batch_crc_ok(&b, out.p), "placing keeps the crc");
}

/* Every prefix of the records, and every byte changed, ends in an error or in other records. */
static void bent(void)
{
	struct batch b = make_batch(
		&out, (struct shape){.records = 3, .value_bytes = 9, .producer_id = -1});
	struct record r;
	size_t n = out.n - BATCH_HEADER, walked = 0;
	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *copy = malloc(cut + 1);
		size_t at = 0;
		memcpy(copy, out.p + BATCH_HEADER, cut);
		while (record_next(&b, copy, cut, &at, &r) > 0)
			walked++;
		free(copy);
	}
	ok(walked > 0, "cut at every byte");
	for (size_t i = 0; i < n; i++)
		for (int bit = 0; bit < 8; bit++) {
			size_t at = 0;
			out.p[BATCH_HEADER + i] ^= (uint8_t)(1 << bit);
			while (record_next(&b, out.p + BATCH_HEADER, n, &at, &r) > 0)
				;
			if (batch_crc_ok(&b, out.p))
				ok(0, "crc misses byte %zu", i);
			out.p[BATCH_HEADER + i] ^= (uint8_t)(1 << bit);
		}
	ok(1, "every bit turned");
}

/* --- validation --- */

static const struct log_rules lenient = {
	.max_message_bytes = 1 << 20, .before_max_ms = INT64_MAX, .after_max_ms = 3600000, .codec = -1};

static struct log_verdict judge(const struct log_rules *r, int64_t now)
{
	struct log_verdict v;
	struct batch b;
	log_validate(out.p, out.n, r, now, &b, &v);
	return v;
}

static void reseal(void (*bend)(struct batch *b))
{
	struct batch b;
	batch_parse(&b, out.p, out.n);
	bend(&b);
	batch_seal(&b, out.p, out.n - BATCH_HEADER);
}

static void bend_count(struct batch *b) { b->count = 5; }
static void bend_delta(struct batch *b) { b->last_offset_delta = 1; }
static void bend_offset(struct batch *b) { b->base_offset = 4; }
static void bend_control(struct batch *b) { b->attributes |= BATCH_CONTROL; }
static void bend_sequence(struct batch *b) { b->producer_id = 4; b->base_sequence = -1; }
static void bend_append(struct batch *b) { b->attributes |= BATCH_LOG_APPEND_TIME; }
static void bend_max(struct batch *b) { b->max_timestamp = 77; }
static void bend_codec(struct batch *b) { b->attributes = CODEC_ZSTD; }
static void bend_claim(struct batch *b)
{
	b->count = INT32_MAX;
	b->last_offset_delta = INT32_MAX - 1;
}

static void bends(void)
{
	static const struct {
		void (*bend)(struct batch *b);
		int error;
		const char *name;
	} cases[] = {{bend_count, INVALID, "count"}, {bend_delta, INVALID, "last offset delta"},
	             {bend_offset, INVALID, "base offset"}, {bend_control, INVALID, "control batch"},
	             {bend_sequence, INVALID, "sequence -1"}, {bend_claim, INVALID, "a claimed count"}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		make_batch(&out, (struct shape){.records = 3,
						.value_bytes = 9,
						.timestamp = 1000,
						.producer_id = -1});
		reseal(cases[i].bend);
		is_int(judge(&lenient, 1000).error, cases[i].error, "%s", cases[i].name);
	}
}

static void verdicts(void)
{
	struct shape s = {.records = 3, .value_bytes = 9, .timestamp = 1000, .producer_id = -1};
	struct log_rules r = lenient;
	struct log_verdict v;
	make_batch(&out, s);
	v = judge(&r, 1000);
	ok(!v.error && !v.recode && !v.restamp && !v.reseal, "a good batch");
	out.n--;
	is_int(judge(&r, 1000).error, INVALID, "cut short");
	out.n++;
	buf_add(&out, "x", 1);
	is_int(judge(&r, 1000).error, INVALID, "something behind it");
	out.n = 10;
	is_int(judge(&r, 1000).error, INVALID, "no batch at all");
	make_batch(&out, s);
	out.p[70] ^= 1;
	is_int(judge(&r, 1000).error, CORRUPT, "bad crc");
	make_batch(&out, s);
	out.p[16] = 1;
	is_int(judge(&r, 1000).error, INVALID, "magic 1");
	make_batch(&out, s);
	r.max_message_bytes = (int32_t)out.n - 1;
	is_int(judge(&r, 1000).error, TOO_LARGE, "too large");
	r = lenient;
	r.compact = true;
	v = judge(&r, 1000);
	ok(v.error == INVALID && v.bad_n == 3 && v.bad[2].index == 2, "compacted topic wants keys");
	r = lenient;
	v = judge(&r, 1000 - 3600001);
	ok(v.error == TIMESTAMP && v.bad_n == 3, "too far ahead");
	r.before_max_ms = 10;
	v = judge(&r, 1012);
	ok(v.error == TIMESTAMP && v.bad_n == 2 && v.bad[1].index == 1, "too old, which ones");
	r = lenient;
	r.log_append_time = true;
	v = judge(&r, 5);
	ok(!v.error && v.restamp, "log-append time");
	reseal(bend_append);
	is_int(judge(&r, 5).error, TIMESTAMP, "a producer may not claim log-append time");
	make_batch(&out, s);
	reseal(bend_max);
	v = judge(&lenient, 1000);
	ok(!v.error && v.reseal, "a wrong max timestamp is set right");
	make_batch(&out, s);
	r = lenient;
	r.codec = CODEC_ZSTD;
	ok(judge(&r, 1000).recode, "another codec is wanted");
	reseal(bend_codec);
	ok(!judge(&lenient, 1000).recode, "compressed and no rule");
	r = lenient;
	r.compact = true;
	ok(judge(&r, 1000).recode, "compressed and a key is wanted");
}

static void restamp(void)
{
	struct batch b = make_batch(
		&out, (struct shape){.records = 2, .timestamp = 1000, .producer_id = -1});
	struct record r;
	size_t at = 0;
	log_restamp(&b, out.p, 5555);
	batch_parse(&b, out.p, out.n);
	ok(batch_crc_ok(&b, out.p) && b.attributes & BATCH_LOG_APPEND_TIME, "restamped");
	record_next(&b, out.p + BATCH_HEADER, out.n - BATCH_HEADER, &at, &r);
	is_int(r.timestamp, 5555, "its records have that time");
}

int main(void)
{
	round_trip();
	bent();
	bends();
	verdicts();
	restamp();
	buf_free(&out);
	return done_testing();
}
