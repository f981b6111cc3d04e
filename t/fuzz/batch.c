/* Fuzzing batches and records: as produced by a client, as found on disk, as recode's frames. */
#include <stdlib.h>
#include <string.h>

#include "log/batch.h"
#include "log/producers.h"
#include "log/recode.h"
#include "log/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void walk(const struct batch *b, const void *records, size_t n)
{
	struct record r;
	size_t at = 0;
	while (record_next(b, records, n, &at, &r) > 0) {
		struct span key, value;
		size_t h = 0;
		int32_t headers = 0;
		while (record_header_next(&r, &h, &key, &value) > 0)
			headers++;
		if (headers != r.headers_n)
			abort();
	}
}

static void judge(const uint8_t *p, size_t n)
{
	struct log_rules rules = {.max_message_bytes = 1 << 20, .before_max_ms = 1000,
	                          .after_max_ms = 1000, .codec = -1, .compact = n & 1,
	                          .log_append_time = n & 2, .coordinator = n & 4};
	struct log_verdict v;
	struct batch b;
	log_validate(p, n, &rules, 1000, &b, &v);
	if (v.bad_n < 0 || v.bad_n > 16 || (v.error && !v.message))
		abort();
}

/* The header as it came over records that the fuzzer wrote, with a CRC that is right: else it would
 * hardly ever get past that. */
static void sealed(const uint8_t *p, size_t n)
{
	struct batch b;
	struct marker m;
	uint8_t *copy = malloc(n);
	memcpy(copy, p, n);
	if (batch_parse(&b, copy, n) == 0) {
		batch_seal(&b, copy, n - BATCH_HEADER);
		judge(copy, n);
		marker_read(&b, copy, &m);
		walk(&b, copy + BATCH_HEADER, n - BATCH_HEADER);
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct recode_request q;
	struct recode_answer a;
	judge(p, n);
	recode_get_request(&q, p, n);
	recode_get_answer(&a, p, n);
	if (n >= BATCH_HEADER)
		sealed(p, n);
	return 0;
}
