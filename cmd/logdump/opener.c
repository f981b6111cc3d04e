/* Compressed batches, opened by the co-process recode: logdump links no codec. */
#include <errno.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/strerr.h>

#include "cli/sibling.h"
#include "dump.h"
#include "log/recode.h"

static int fd = -1;
static struct buf request, answer;

static void read_more(void)
{
	enum { READ_BYTES = 256 << 10 };
	if (buf_need(&answer, READ_BYTES) < 0)
		strerr_diefusys(111, "read from recode");
	ssize_t r = read(fd, answer.p + answer.n, READ_BYTES);
	if (r <= 0 && !(r < 0 && errno == EINTR))
		strerr_dief(102, "recode has died");
	answer.n += r > 0 ? (size_t)r : 0;
}

const uint8_t *open_batch(struct batch *b, const uint8_t *bytes)
{
	struct recode_request q = {.kind = RECODE_OPEN, .most_bytes = RECODE_MOST, .batch = bytes,
	                           .batch_n = (size_t)batch_bytes(b)};
	struct recode_answer a;
	int64_t n;
	if (fd < 0 && (fd = cli_coprocess("recode")) < 0)
		strerr_diefusys(111, "run recode");
	request.n = answer.n = 0;
	if (recode_put_request(&request, &q) < 0)
		strerr_diefusys(111, "ask recode");
	if (allwrite(fd, (const char *)request.p, request.n) < request.n)
		strerr_dief(102, "recode has died");
	while ((n = recode_get_answer(&a, answer.p, answer.n)) == 0)
		read_more();
	if (n < 0 || a.verdict.error || batch_parse(b, a.batch, a.batch_n) < 0 ||
	    (size_t)batch_bytes(b) != a.batch_n)
		return 0;
	return a.batch;
}
