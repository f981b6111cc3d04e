/* Records into batches, a lane for each partition. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <skalibs/strerr.h>

#include "base/murmur2.h"
#include "cli/recoder.h"
#include "logput.h"
#include "wire/wire.h"

enum { RECORD_OVERHEAD = 40 }; /* more than the lengths and deltas of a record take */

struct lane *lanes;
int64_t bytes_held;
static int64_t records;
static int32_t sticky = -1; /* lane of records without a key until its batch is full */
static struct batch_out *spare;

void lanes_make(void)
{
	lanes = calloc((size_t)topic.n, sizeof *lanes);
	if (!lanes)
		die_memory();
	for (int32_t i = 0; i < topic.n; i++) {
		lanes[i].partition = i;
		lanes[i].last = &lanes[i].first;
		lanes[i].bytes_max = opt.batch_bytes;
		lanes[i].alone = opt.idempotent;
	}
	srand((unsigned)time(NULL));
}

/* As the Java producer: murmur2 of the key; without a key one partition for a batch, then another,
 * those with a leader first. */
struct lane *lane_for(struct span key)
{
	if (opt.partition >= 0)
		return &lanes[opt.partition];
	if (key.n >= 0)
		return &lanes[murmur2_partition(key.p, (size_t)key.n, topic.n)];
	if (sticky < 0)
		sticky = rand() % topic.n;
	for (int32_t i = 0; i < topic.n && topic.partitions[sticky].leader < 0; i++)
		sticky = (sticky + 1) % topic.n;
	return &lanes[sticky];
}

static int64_t wall_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME_COARSE, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct batch_out *batch_new(const struct lane *l, int64_t record, int32_t sequence)
{
	struct batch_out *b = spare;
	if (b)
		spare = b->next;
	else
		b = calloc(1, sizeof *b);
	if (!b || buf_need(&b->bytes, BATCH_HEADER) < 0)
		die_memory();
	b->next = NULL;
	b->flying = false;
	b->bytes.n = 0;
	b->record = record;
	b->since = net_now();
	if (batch_begin(&b->build, &b->bytes, 0, -1, 0, producer_id, producer_epoch,
			opt.idempotent ? sequence : -1) < 0)
		die_memory();
	return b;
}

void batch_free(struct batch_out *b)
{
	bytes_held -= (int64_t)b->bytes.n;
	b->next = spare;
	spare = b;
}

static int32_t sequence_after(int32_t sequence, int32_t n)
{
	return (int32_t)(((int64_t)sequence + n) & INT32_MAX);
}

static struct recoder recoder = {.fd = -1};

/* The batch compressed, or open again, in place. */
static void recode(struct batch_out *b, int kind)
{
	struct recode_request q = {
		.kind = (uint8_t)kind,
		.codec = kind == RECODE_OPEN ? RECODE_AS_IT_CAME : (uint8_t)opt.codec,
		.most_bytes = RECODE_MOST,
		.before_max_ms = INT64_MAX,
		.after_max_ms = INT64_MAX,
		.batch = b->bytes.p,
		.batch_n = b->bytes.n,
	};
	struct recode_answer a;
	if (recoder_ask(&recoder, &q, &a) < 0)
		strerr_diesys(errno == EPIPE || errno == EBADMSG ? 102 : 111,
			      "logput: unable to ask recode");
	if (a.verdict.error)
		strerr_die(1, "logput: recode: ", wire_error_name(a.verdict.error));
	bytes_held += (int64_t)a.batch_n - (int64_t)b->bytes.n;
	b->bytes.n = 0;
	if (buf_add(&b->bytes, a.batch, a.batch_n) < 0)
		die_memory();
}

static void finish_batch(struct batch_out *b)
{
	batch_end(&b->build);
	if (opt.codec != CODEC_NONE)
		recode(b, RECODE_CHECK);
}

void lane_seal(struct lane *l)
{
	struct batch_out *b = l->filling;
	if (!b)
		return;
	finish_batch(b);
	l->sequence = sequence_after(l->sequence, b->build.head.count);
	*l->last = b;
	l->last = &b->next;
	l->filling = NULL;
	if (sticky == l->partition && topic.n > 1)
		sticky = (sticky + 1 + rand() % (topic.n - 1)) % topic.n;
}

void lane_add(struct lane *l, struct span key, struct span value)
{
	size_t most = RECORD_OVERHEAD + (size_t)(key.n > 0 ? key.n : 0) +
		      (size_t)(value.n > 0 ? value.n : 0);
	for (int i = 0; i < 2 * opt.headers_n; i++)
		most += 5 + (size_t)(opt.headers[i].n > 0 ? opt.headers[i].n : 0);
	if (l->filling && l->filling->bytes.n + most > (size_t)l->bytes_max)
		lane_seal(l);
	records++;
	if (!l->filling)
		l->filling = batch_new(l, records, l->sequence);
	else
		bytes_held -= (int64_t)l->filling->bytes.n;
	if (batch_add(&l->filling->build, wall_ms(), key, value, opt.headers, opt.headers_n) < 0)
		die_memory();
	bytes_held += (int64_t)l->filling->bytes.n;
}

bool lanes_busy(void)
{
	for (int32_t i = 0; i < topic.n; i++)
		if (lanes[i].first || lanes[i].filling)
			return true;
	return false;
}

static void copy_records(struct batch_out *to, const struct batch_out *from, int32_t skip,
			 int32_t n)
{
	struct batch head;
	struct record r;
	size_t at = 0;
	if (batch_parse(&head, from->bytes.p, from->bytes.n) < 0)
		abort();
	for (int32_t i = 0; i < skip + n; i++) {
		if (record_next(&head, from->bytes.p + BATCH_HEADER, from->bytes.n - BATCH_HEADER,
				&at, &r) != 1)
			abort();
		if (i >= skip && batch_add(&to->build, r.timestamp, r.key, r.value, opt.headers,
					   opt.headers_n) < 0)
			die_memory();
	}
	bytes_held += (int64_t)to->bytes.n;
	finish_batch(to);
}

void batch_halve(struct lane *l, struct batch_out *b)
{
	int32_t n = b->build.head.count, half = n / 2;
	struct batch_out *one = batch_new(l, b->record, b->build.head.base_sequence);
	struct batch_out *two =
		batch_new(l, b->record + half, sequence_after(b->build.head.base_sequence, half));
	if (opt.codec != CODEC_NONE)
		recode(b, RECODE_OPEN);
	copy_records(one, b, 0, half);
	copy_records(two, b, half, n - half);
	struct batch_out **p = &l->first;
	while (*p != b)
		p = &(*p)->next;
	one->next = two;
	two->next = b->next;
	*p = one;
	if (l->last == &b->next)
		l->last = &two->next;
	if (l->bytes_max > (int32_t)(b->bytes.n / 2))
		l->bytes_max = (int32_t)(b->bytes.n / 2);
	batch_free(b);
}
