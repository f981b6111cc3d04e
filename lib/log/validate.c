#include "log/validate.h"

#include <string.h>

/* Kafka's error codes (Errors.java). */
enum {
	CORRUPT_MESSAGE = 2,
	MESSAGE_TOO_LARGE = 10,
	INVALID_TIMESTAMP = 32,
	INVALID_RECORD = 87,
};

static void fail(struct log_verdict *v, int error, const char *message)
{
	v->error = error;
	v->message = message;
}

static void fail_record(struct log_verdict *v, int error, int32_t index, const char *message)
{
	if (v->bad_n < (int)(sizeof v->bad / sizeof *v->bad))
		v->bad[v->bad_n++] = (struct log_record_error){index, message};
	/* one bad timestamp makes the whole answer INVALID_TIMESTAMP (LogValidator.processRecordErrors) */
	if (v->error == INVALID_TIMESTAMP || error == INVALID_TIMESTAMP)
		fail(v, INVALID_TIMESTAMP, "One or more records have been rejected due to invalid timestamp");
	else
		fail(v, error, "One or more records have been rejected due to record errors");
}

/* ProduceRequest.validateRecords, and DefaultRecordBatch.ensureValid. */
static void check_frame(const void *records, size_t n, struct batch *b, struct log_verdict *v)
{
	const uint8_t *p = records;
	v->malformed = true;
	if (n < BATCH_HEADER) {
		fail(v, INVALID_RECORD, "Produce requests must have exactly one record batch per partition");
	} else if (p[16] > 2) {
		fail(v, CORRUPT_MESSAGE, "Record batch of an unknown magic");
	} else if (p[16] < 2) {
		fail(v, INVALID_RECORD,
			"Produce requests are only allowed to contain record batches with magic version 2");
	} else if (batch_parse(b, p, n) < 0) {
		fail(v, CORRUPT_MESSAGE, "Record batch size is less than the minimum");
	} else if (batch_bytes(b) > (int64_t)n) {
		fail(v, INVALID_RECORD, "Produce requests must have exactly one record batch per partition");
	} else if (batch_bytes(b) < (int64_t)n) {
		fail(v, INVALID_RECORD,
			"Produce requests are only allowed to contain exactly one record batch per partition");
	} else {
		v->malformed = false;
	}
}

/* UnifiedLog.analyzeAndValidateRecords. */
static void check_whole(const void *records, const struct log_rules *r, const struct batch *b,
	struct log_verdict *v)
{
	if (!r->coordinator && b->base_offset != 0)
		fail(v, INVALID_RECORD, "The base offset of the record batch should be 0");
	else if (batch_bytes(b) > r->max_message_bytes)
		fail(v, MESSAGE_TOO_LARGE, "The record batch is larger than the maximum configured size");
	else if (!batch_crc_ok(b, records))
		fail(v, CORRUPT_MESSAGE, "Record is corrupt: its CRC is wrong");
}

/* LogValidator.validateBatch for AppendOrigin.CLIENT. */
static void check_client(const struct batch *b, struct log_verdict *v)
{
	int64_t span = (int64_t)b->last_offset_delta + 1;
	if (span <= 0)
		fail(v, INVALID_RECORD, "Batch has an invalid offset range");
	else if (b->count <= 0)
		fail(v, INVALID_RECORD, "Invalid reported count for record batch");
	else if (span != b->count)
		fail(v, INVALID_RECORD, "Inconsistent batch offset range and count of records");
	else if (b->attributes & BATCH_CONTROL)
		fail(v, INVALID_RECORD, "Clients are not allowed to write control records");
	else if (b->producer_id >= 0 && b->base_sequence < 0)
		fail(v, INVALID_RECORD, "Invalid sequence number in record batch with producer id");
	else if ((b->attributes & BATCH_CODEC) > CODEC_ZSTD)
		fail(v, CORRUPT_MESSAGE, "Unknown compression type");
}

static bool out_of_range(int64_t timestamp, const struct log_rules *r, int64_t now_ms)
{
	int64_t age;
	if (timestamp == -1)
		return false;
	if (__builtin_sub_overflow(now_ms, timestamp, &age))
		return true;
	return age > r->before_max_ms || (age < 0 && -age > r->after_max_ms);
}

/* validateKey, validateTimestamp. */
static void check_record(const struct batch *b, const struct record *rec, int32_t index,
               const struct log_rules *r, int64_t now_ms, struct log_verdict *v)
{
	if (r->compact && rec->key.n < 0)
		fail_record(v, INVALID_RECORD, index, "Compacted topic cannot accept message without key");
	else if (!r->log_append_time && rec->timestamp != -1 && out_of_range(rec->timestamp, r, now_ms))
		fail_record(v, INVALID_TIMESTAMP, index, "Timestamp of message is out of range");
	else if ((r->log_append_time || rec->timestamp == -1) && b->attributes & BATCH_LOG_APPEND_TIME)
		fail_record(v, INVALID_TIMESTAMP, index,
		            "Invalid timestamp type: producer should not set timestamp type to LogAppendTime");
}

void log_validate_records(const struct batch *b, const void *records, size_t n,
	const struct log_rules *r,
                          int64_t now_ms, struct log_verdict *v, int64_t *max_timestamp)
{
	struct record rec;
	size_t at = 0;
	int32_t index = 0;
	int64_t before = -1;
	/* a batch that cleaning thinned out has holes; a producer's has none */
	bool dense = b->count == (int64_t)b->last_offset_delta + 1;
	*max_timestamp = -1;
	while (index < b->count && record_next(b, records, n, &at, &rec) > 0) {
		int64_t delta = (int64_t)((uint64_t)rec.offset - (uint64_t)b->base_offset);
		if (delta <= before || delta > b->last_offset_delta || (dense && delta != index)) {
			fail(v, INVALID_RECORD, "Record offsets are not consecutive");
			return;
		}
		before = delta;
		check_record(b, &rec, index, r, now_ms, v);
		if (rec.timestamp > *max_timestamp)
			*max_timestamp = rec.timestamp;
		index++;
	}
	if (index < b->count || at != n)
		fail(v, INVALID_RECORD, "Records do not match the declared count and size of the batch");
}

static void check_plain(const struct log_rules *r, int64_t now_ms, const void *p, struct batch *b,
	struct log_verdict *v)
{
	int64_t max;
	log_validate_records(b, (const char *)p + BATCH_HEADER, (size_t)batch_bytes(b) - BATCH_HEADER, r,
		now_ms, v, &max);
	if (v->error || r->log_append_time)
		return;
	/* Kafka sets the header right when the producer was wrong (setMaxTimestamp) */
	if (max != b->max_timestamp || b->attributes & BATCH_LOG_APPEND_TIME) {
		b->max_timestamp = max;
		b->attributes = (int16_t)(b->attributes & ~BATCH_LOG_APPEND_TIME);
		v->reseal = true;
	}
}

/* A compressed batch is opened, by recode, only when a rule must see inside; its header is believed
 * otherwise. */
static bool must_open(const struct log_rules *r, int64_t now_ms, const struct batch *b)
{
	int codec = b->attributes & BATCH_CODEC;
	if (r->codec >= 0 && r->codec != codec)
		return true;
	if (!codec)
		return false;
	return r->compact || (!r->log_append_time && (r->before_max_ms != INT64_MAX
		|| out_of_range(b->max_timestamp, r, now_ms))) ||
	       b->attributes & BATCH_LOG_APPEND_TIME;
}

void log_validate(const void *records, size_t n, const struct log_rules *r, int64_t now_ms,
               struct batch *b, struct log_verdict *v)
{
	*v = (struct log_verdict){0};
	check_frame(records, n, b, v);
	if (!v->error)
		check_whole(records, r, b, v);
	if (!v->error && !r->coordinator)
		check_client(b, v);
	if (v->error)
		return;
	bool control = b->attributes & BATCH_CONTROL;
	if (!control && !(b->attributes & BATCH_CODEC))
		check_plain(r, now_ms, records, b, v);
	v->recode = !v->error && !control && must_open(r, now_ms, b);
	v->restamp = !v->error && r->log_append_time;
}

void log_restamp(struct batch *b, void *p, int64_t now_ms)
{
	b->attributes |= BATCH_LOG_APPEND_TIME;
	b->max_timestamp = now_ms;
	batch_seal(b, p, (size_t)batch_bytes(b) - BATCH_HEADER);
}
