/* lib/fetch/read.h over partitions made by lib/log: bounds, limits, epochs, damage */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fetch/read.h"
#include "log/log.h"
#include "tap.h"
#include "wire/codes.h"

static char dir[128];
static int dirfd_;
static struct log *l;
static struct log_reader *r;
static struct page_slot slot;
static struct fetch_found f;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *w)
{
	return remove(path);
}

static void begin(const char *name, int64_t segment_bytes)
{
	struct log_config c;
	struct log_opening o = {.recovery_point = 0, .now_ms = 1000, .topic_id = {{1}}};
	log_config_default(&c);
	c.segment_bytes = segment_bytes;
	l = log_open(dirfd_, name, &c, &o);
	r = log_reader_new(dirfd_, name);
	ok(l && r, "%s: made", name);
	log_epoch_start(l, 4);
	slot = (struct page_slot){.role = PAGE_LEADER, .epoch = 4};
}

static void finish(void)
{
	log_reader_free(r);
	log_close(l);
}

/* A batch of n records of value_n bytes each; codec is only claimed. */
static int64_t append(int n, int value_n, int codec)
{
	struct buf b = {0};
	struct batch_builder w;
	struct batch h;
	int64_t base = -1;
	char *value = calloc(1, (size_t)value_n + 1);
	batch_begin(&w, &b, 0, 0, (int16_t)codec, -1, -1, -1);
	for (int i = 0; i < n; i++)
		batch_add(&w, 5000 + i, SPAN_NULL, (struct span){value, value_n}, NULL, 0);
	batch_end(&w);
	if (batch_parse(&h, b.p, b.n) || log_append(l, &h, b.p, slot.epoch, 6000, &base))
		diag("append: %s", strerror(errno));
	free(value);
	buf_free(&b);
	slot.log_end = slot.flushed = slot.high_watermark = slot.last_stable = log_end(l);
	return base;
}

static void get(int64_t offset, int32_t epoch, int32_t last, int64_t max, bool one, bool committed)
{
	struct fetch_ask a = {
		.offset = offset, .current_leader_epoch = epoch, .last_fetched_epoch = last,
		.max_bytes = INT32_MAX, .committed = committed, .leader_only = true,
	};
	log_reader_layout(r, log_layout(l));
	fetch_read(r, &slot, &a, max, one, &f);
}

/* Base offset of the first batch of what was found. */
static int64_t first(void)
{
	char h[BATCH_HEADER];
	return pread(f.range.fd, h, sizeof h, f.range.position) == sizeof h ? (int64_t)get64(h) : -1;
}

static void bounds(void)
{
	begin("bounds-0", 1 << 20);
	for (int i = 0; i < 10; i++)
		append(10, 100, CODEC_NONE);
	slot.high_watermark = 50;
	slot.last_stable = 20;
	get(0, -1, -1, 1 << 20, true, false);
	is_int(f.error, 0, "from the start");
	int64_t half = f.range.bytes;
	is_int(fetch_range_end(&f), 50, "up to the high watermark");
	is_int(f.high_watermark, 50, "high watermark");
	is_int(f.last_stable, 20, "last stable offset");
	get(0, -1, -1, 1 << 20, true, true);
	is_int(f.range.bytes * 5, half * 2, "read_committed: up to the last stable offset");
	get(20, -1, -1, 1 << 20, true, true);
	is_int(f.error + f.range.bytes, 0, "nothing at the last stable offset");
	get(37, -1, -1, 1 << 20, true, false);
	is_int(first(), 30, "the whole batch around an offset");
	get(50, -1, -1, 1 << 20, true, false);
	is_int(f.error + f.range.bytes, 0, "nothing at the high watermark");
	get(100, -1, -1, 1 << 20, true, false);
	is_int(f.error + f.range.bytes, 0, "nothing at the log end");
	get(101, -1, -1, 1 << 20, true, false);
	is_int(f.error, WIRE_OFFSET_OUT_OF_RANGE, "beyond the log end");
	is_int(f.high_watermark, -1, "and then no high watermark");
	get(-1, -1, -1, 1 << 20, true, false);
	is_int(f.error, WIRE_OFFSET_OUT_OF_RANGE, "a negative offset");
	slot.log_start = 15;
	get(14, -1, -1, 1 << 20, true, false);
	is_int(f.error, WIRE_OFFSET_OUT_OF_RANGE, "before the log start");
	get(15, -1, -1, 1 << 20, true, false);
	is_int(first(), 10, "the log start may lie in a batch");
	finish();
}

static void limits(void)
{
	begin("limits-0", 1 << 20);
	for (int i = 0; i < 10; i++)
		append(1, 1000, CODEC_NONE);
	get(0, -1, -1, 1 << 20, true, false);
	int64_t one = f.range.bytes / 10;
	get(0, -1, -1, 10, true, false);
	is_int(f.range.bytes, one, "the first batch, however small the limit (KIP-74)");
	get(0, -1, -1, 10, false, false);
	is_int(f.error + f.range.bytes, 0, "but not when others had theirs");
	get(0, -1, -1, 3 * one + 1, false, false);
	is_int(f.range.bytes, 3 * one, "whole batches only");
	get(0, -1, -1, -7, false, false);
	is_int(f.error + f.range.bytes, 0, "a negative limit is none");
	finish();
}

static void epochs(void)
{
	begin("epochs-0", 1 << 20);
	append(10, 10, CODEC_NONE);
	slot.epoch = 6;
	log_epoch_start(l, 6);
	append(10, 10, CODEC_NONE);
	get(0, 5, -1, 1 << 20, true, false);
	is_int(f.error, WIRE_FENCED_LEADER_EPOCH, "an old leader epoch");
	get(0, 7, -1, 1 << 20, true, false);
	is_int(f.error, WIRE_UNKNOWN_LEADER_EPOCH, "one to come");
	get(0, 6, -1, 1 << 20, true, false);
	is_int(f.error, 0, "the right one");
	get(10, 6, 4, 1 << 20, true, false);
	ok(!f.error && f.diverging_epoch < 0 && f.range.bytes, "what was read last still stands");
	get(12, 6, 4, 1 << 20, true, false);
	is_int(f.error, 0, "what was read last was cut off: no error");
	is_int(f.diverging_epoch, 4, "the epoch that diverged");
	is_int(f.diverging_end, 10, "and where it ends");
	is_int(f.range.bytes, 0, "no records beside it");
	get(12, 6, 5, 1 << 20, true, false);
	is_int(f.diverging_epoch, 4, "an epoch that never was here");
	get(12, 6, 3, 1 << 20, true, false);
	ok(f.diverging_epoch == 3 && f.diverging_end == 0, "an epoch before all that are known");
	get(12, 6, 7, 1 << 20, true, false);
	is_int(f.error, WIRE_OFFSET_OUT_OF_RANGE, "an epoch after all that are known");
	slot.role = PAGE_FOLLOWER;
	get(0, 6, -1, 1 << 20, true, false);
	is_int(f.error, WIRE_NOT_LEADER_OR_FOLLOWER, "a follower does not answer old versions");
	is_int(fetch_check(&slot, 6, false), 0, "but newer ones");
	fetch_read(r, &slot, &(struct fetch_ask){ .offset = slot.log_end + 1, .current_leader_epoch = -1,
	           .last_fetched_epoch = -1, .max_bytes = 1000 }, 1000, true, &f);
	is_int(f.error, WIRE_NOT_LEADER_OR_FOLLOWER, "that is behind does not say what is out of range");
	slot.role = PAGE_OFFLINE;
	get(0, 5, -1, 1 << 20, true, false);
	is_int(f.error, WIRE_KAFKA_STORAGE_ERROR, "offline comes first");
	finish();
}

static void files(void)
{
	begin("files-0", 4096);
	for (int i = 0; i < 12; i++)
		append(1, 1000, CODEC_NONE);
	get(0, -1, -1, 1 << 20, true, false);
	ok(f.range.bytes > 0 && f.range.bytes <= 4096 && fetch_range_end(&f) <= 12, "one file at a time");
	ok(fetch_more_files(r, &f), "and more in others");
	get(11, -1, -1, 1 << 20, true, false);
	ok(!fetch_more_files(r, &f), "none after the last");
	finish();
}

/* A consumer that passes many segments holds few of them, and one where others were added and
 * dropped is followed without listing. */
static void many_files(void)
{
	int most = 0, bad = 0;
	begin("many-0", 2000);
	for (int i = 0; i < 200; i++)
		append(1, 1000, CODEC_NONE);
	for (int i = 0; i < 200; i++) {
		get(i, -1, -1, 1 << 20, true, false);
		bad += f.error || first() != i;
		if (log_reader_open_files(r) > most)
			most = log_reader_open_files(r);
	}
	ok(!bad && most <= 32, "of 200 files %d are open at most", most);
	for (int i = 200; i < 220; i++) {
		append(1, 1000, CODEC_NONE);
		bad += !log_reader_follow(r, i - 150, log_last_base(l, 1), log_last_base(l, 0));
		bad += log_reader_first(r) != i - 150;
		struct fetch_ask a = {.offset = i, .current_leader_epoch = -1,
		                      .last_fetched_epoch = -1, .max_bytes = 1 << 20};
		fetch_read(r, &slot, &a, 1 << 20, true, &f);
		bad += f.error || first() != i;
	}
	is_int(bad, 0, "rolls and drops are followed");
	append(1, 1000, CODEC_NONE);
	append(1, 1000, CODEC_NONE);
	ok(!log_reader_follow(r, 0, log_last_base(l, 1), log_last_base(l, 0)), "two rolls are not");
	renameat(dirfd_, "many-0/00000000000000000210.log", dirfd_, "many-0/hidden");
	log_reader_layout(r, log_layout(l));
	renameat(dirfd_, "many-0/hidden", dirfd_, "many-0/00000000000000000210.log");
	struct fetch_ask a = {.offset = 210, .current_leader_epoch = -1, .last_fetched_epoch = -1,
	                      .max_bytes = 1 << 20};
	fetch_read(r, &slot, &a, 1 << 20, true, &f);
	is_int(first(), 210, "a list that lacks a segment is read again");
	finish();
}

static long read_calls(void)
{
	char line[80];
	long n = -1;
	FILE *io = fopen("/proc/self/io", "r");
	while (io && fgets(line, sizeof line, io))
		sscanf(line, "syscr: %ld", &n);
	fclose(io);
	return n;
}

/* Who reads a log from its beginning makes a few calls a fetch, however large that and the log. */
static void few_reads(const char *name, int batches, int value_bytes)
{
	int fetches = 0;
	begin(name, 1 << 30);
	for (int i = 0; i < batches; i++)
		append(1, value_bytes, CODEC_NONE);
	log_reader_trust(r, 0);
	log_reader_layout(r, log_layout(l));
	struct fetch_ask a = {.current_leader_epoch = -1, .last_fetched_epoch = -1,
	                      .max_bytes = INT32_MAX};
	long before = read_calls(), own = read_calls() - before;
	for (f.error = 0; a.offset < batches && !f.error; a.offset = fetch_range_end(&f), fetches++)
		fetch_read(r, &slot, &a, 1 << 20, true, &f);
	long calls = read_calls() - before - 2 * own - fetches;    /* fetch_range_end is one */
	is_int(a.offset, batches, "%s: read to its end", name);
	diag("%s: %ld reads for %d fetches", name, calls, fetches);
	ok(fetches > 10 && calls < 7 * fetches, "%s: a few reads a fetch", name);
	finish();
}

static void damage(void)
{
	char path[256];
	begin("damage-0", 1 << 20);
	for (int i = 0; i < 3; i++)
		append(1, 100, CODEC_NONE);
	snprintf(path, sizeof path, "%s/damage-0/00000000000000000000.log", dir);
	int fd = open(path, O_WRONLY);
	ok(pwrite(fd, "\xff\xff\xff\xff", 4, 8) == 4, "a length is overwritten");
	close(fd);
	get(0, -1, -1, 1 << 20, true, false);
	is_int(f.error, WIRE_CORRUPT_MESSAGE, "is not served");
	finish();
	begin("gone-0", 1 << 20);
	append(1, 100, CODEC_NONE);
	snprintf(path, sizeof path, "%s/gone-0", dir);
	nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	get(0, -1, -1, 1 << 20, true, false);
	is_int(f.error, WIRE_NOT_LEADER_OR_FOLLOWER, "a directory that was deleted");
	finish();
}

int main(void)
{
	mkdir("build/tmp", 0777);
	snprintf(dir, sizeof dir, "build/tmp/1710.%d", getpid());
	mkdir(dir, 0777);
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY);
	bounds();
	limits();
	epochs();
	files();
	many_files();
	few_reads("large-0", 500, 60000);
	few_reads("small-0", 20000, 1000);
	damage();
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return done_testing();
}
