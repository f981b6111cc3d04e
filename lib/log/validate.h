/* What a leader checks of a produced batch before it appends (Kafka's LogValidator,
 * UnifiedLog.analyzeAndValidateRecords). */
#ifndef LOG_VALIDATE_H
#define LOG_VALIDATE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log/batch.h"

struct log_rules {                     /* from topic and broker configs */
	int32_t max_message_bytes;     /* max.message.bytes */
	bool compact;                  /* cleanup.policy has compact: every record needs a key */
	bool log_append_time;          /* message.timestamp.type */
	/* message.timestamp.{before,after}.max.ms; INT64_MAX: no limit */
	int64_t before_max_ms, after_max_ms;
	int codec;                     /* compression.type as enum batch_codec; -1: producer */
	bool coordinator;              /* from inside the node: control batches are allowed */
};
struct log_record_error {
	int32_t index;                 /* the record's place in the batch */
	const char *message;           /* static */
};
struct log_verdict {
	int error;                     /* Kafka error code; 0 good */
	const char *message;           /* static, or NULL */
	bool malformed;                /* the error is the request's: no log needs to be asked */
	/* compressed and a rule must see inside, or another codec is wanted: pass through recode */
	bool recode;
	bool restamp;                  /* log-append time: log_restamp before the append */
	/* *b has a header that was set right (max timestamp): batch_seal before the append */
	bool reseal;
	struct log_record_error bad[16];
	int bad_n;
};
/* records: the whole `records` field of one partition of a Produce request: exactly one batch of
 * magic 2. Fills *b and *v. */
void log_validate(const void *records, size_t n, const struct log_rules *r, int64_t now_ms,
               struct batch *b, struct log_verdict *v);
/* The records alone, uncompressed: what recode checks after it opened a batch. Adds to *v. */
void log_validate_records(const struct batch *b, const void *records, size_t n,
	const struct log_rules *r,
                          int64_t now_ms, struct log_verdict *v, int64_t *max_timestamp);
/* Sets log-append time in place and re-seals the CRC. */
void log_restamp(struct batch *b, void *p, int64_t now_ms);
#endif
