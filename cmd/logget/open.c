/* Compressed batches, opened by the co-process recode. */
#include <errno.h>

#include <skalibs/strerr.h>

#include "cli/recoder.h"
#include "logget.h"

static struct recoder recoder = { .fd = -1 };

const uint8_t *batch_open(struct batch *b, const uint8_t *bytes)
{
	struct recode_request q = {
		.kind = RECODE_OPEN,
		.codec = RECODE_AS_IT_CAME,
		.most_bytes = RECODE_MOST,
		.batch = bytes,
		.batch_n = (size_t)batch_bytes(b),
	};
	struct recode_answer a;
	if (recoder_ask(&recoder, &q, &a) < 0)
		strerr_diesys(errno == EPIPE || errno == EBADMSG ? 102 : 111,
			      "logget: unable to ask recode");
	if (a.verdict.error || batch_parse(b, a.batch, a.batch_n) < 0
	    || (size_t)batch_bytes(b) != a.batch_n)
		return NULL;
	return a.batch;
}
