/* What opening does to a directory that was left in disorder. */
#include "logtest.h"

static struct log_config config;

enum { BATCHES = 30 };

/* A log of several segments, closed as kill -9 leaves it; *ends[i]: bytes of the last file after
 * its i-th batch. */
static void make(const char *name)
{
	struct shape s = plain;
	struct log *l = open_log(name, &config, false, 0, 0);
	for (int i = 0; i < BATCHES; i++, s.timestamp += 10) {
		s.producer_id = i % 3;
		s.producer_epoch = 0;
		s.sequence = i / 3;
		put(l, s);
	}
	log_close_clean(l);
}

static void alter(const char *name, int64_t base, const char *suffix, int64_t at, const char *bytes,
                  size_t n)
{
	char path[300];
	snprintf(path, sizeof path, "%s/%020lld%s", name, (long long)base, suffix);
	int fd = openat(tmp_fd, path, O_WRONLY | O_CREAT, 0666);
	if (fd < 0 || pwrite(fd, bytes, n, at < 0 ? file_size(name, base, suffix) : at) != (ssize_t)n)
		abort();
	close(fd);
}

static void cut(const char *name, int64_t base, const char *suffix, int64_t size)
{
	char path[400];
	snprintf(path, sizeof path, "%s/%s/%020lld%s", tmp_path, name, (long long)base, suffix);
	if (truncate(path, size) < 0)
		abort();
}

/* Opens without a clean marker; the log end. A second opening must change nothing. */
static int64_t recover(const char *name, int64_t recovery_point)
{
	struct log *l = open_log(name, &config, false, recovery_point, 0);
	if (!l)
		return -1;
	int64_t end = log_end(l);
	log_close(l);
	char *once = dir_text(name);
	l = open_log(name, &config, false, recovery_point, 0);
	log_close(l);
	is_str(dir_text(name), once, "%s: a second recovery changes no byte", name);
	return end;
}

static void intact(void)
{
	make("intact-0");
	char *before = dir_text("intact-0");
	is_int(recover("intact-0", 0), BATCHES, "all is there");
	is_str(dir_text("intact-0"), before, "recovery of an intact log changes no byte");
}

static void torn_tails(void)
{
	make("tail-0");
	struct log *l = open_log("tail-0", &config, true, 0, 0);
	struct log_segment_info v[32];
	int n = log_segments(l, v, 32);
	log_close(l);
	int64_t base = v[n - 1].base, one = v[n - 1].bytes / (BATCHES - base);
	alter("tail-0", base, ".log", -1, "half a batch", 12);
	is_int(recover("tail-0", 0), BATCHES, "rubbish at the end goes");
	is_int(file_size("tail-0", base, ".log"), v[n - 1].bytes, "cut where it begins");
	cut("tail-0", base, ".log", v[n - 1].bytes - 1);
	is_int(recover("tail-0", 0), BATCHES - 1, "a batch cut short goes");
	alter("tail-0", base, ".log", one + 70, "?", 1);
	is_int(recover("tail-0", 0), base + 1, "a bad crc cuts there");
	alter("tail-0", v[1].base, ".log", 70, "!", 1);
	is_int(recover("tail-0", base), base + 1, "below the recovery point nothing is read");
	is_int(recover("tail-0", 0), v[1].base, "above it all that follows damage goes");
	is_int(file_size("tail-0", base, ".log"), -1, "later segments too");
	is_int(file_size("tail-0", v[1].base, ".log"), 0, "the damaged one is empty");
}

static void zeros(void)
{
	char zero[4096] = {0};
	make("zero-0");
	struct log *l = open_log("zero-0", &config, true, 0, 0);
	struct log_segment_info v[32];
	int n = log_segments(l, v, 32);
	log_close(l);
	alter("zero-0", v[n - 1].base, ".log", -1, zero, sizeof zero);
	is_int(recover("zero-0", LOG_RECOVER_LAST), BATCHES, "zeros that a crash left go");
}

static void indexes(void)
{
	char zero[800] = {0};
	make("index-0");
	char *before = strdup(dir_text("index-0"));
	char path[300];
	unlinkat(tmp_fd, "index-0/00000000000000000000.index", 0);
	alter("index-0", 7, ".index", -1, "orphan", 6);
	snprintf(path, sizeof path, "index-0/%020d.timeindex", 8);
	alter("index-0", 8, ".timeindex", -1, zero, sizeof zero);
	is_int(recover("index-0", 0), BATCHES, "indexes are made anew");
	unlinkat(tmp_fd, "index-0/00000000000000000000.index", 0);
	struct log *l = open_log("index-0", &config, true, 0, 0);
	is_int(log_end(l), BATCHES, "a lost index after a clean stop");
	ok(file_size("index-0", 0, ".index") > 0, "is made anew");
	log_close_clean(l);
	is_str(dir_text("index-0"), before, "all as it was");
	free(before);
}

static void leftovers(void)
{
	make("left-0");
	char *before = strdup(dir_text("left-0"));
	alter("left-0", 3, ".log.deleted", -1, "x", 1);
	alter("left-0", 3, ".index.deleted", -1, "x", 1);
	alter("left-0", 3, ".log.cleaned", -1, "x", 1);
	alter("left-0", 3, ".txnindex", -1, "x", 1);
	is_int(recover("left-0", 0), BATCHES, "leftovers");
	is_str(dir_text("left-0"), before, "of deletions and cleanings go");
	free(before);
}

/* The first two segments were cleaned into one, and the renames were interrupted. */
static void swaps(void)
{
	char from[400], to[1200];
	make("swap-0");
	struct log *l = open_log("swap-0", &config, true, 0, 0);
	struct log_segment_info v[32];
	log_segments(l, v, 32);
	log_close(l);
	snprintf(from, sizeof from, "%s/swap-0/%020lld.log", tmp_path, (long long)v[0].base);
	snprintf(to, sizeof to, "cat '%s' '%s/swap-0/%020lld.log' >'%s.swap'", from, tmp_path,
	         (long long)v[1].base, from);
	if (system(to) != 0)
		abort();
	l = open_log("swap-0", &config, true, 0, 0);
	is_int(log_end(l), BATCHES, "an interrupted swap is finished");
	is_int(file_size("swap-0", v[1].base, ".log"), -1, "what it replaces goes");
	is_int(file_size("swap-0", 0, ".log"), v[0].bytes + v[1].bytes, "and it stands in its place");
	ok(file_size("swap-0", 0, ".index") > 0, "with an index");
	log_close_clean(l);
}

static void snapshots(void)
{
	make("snap-0");
	alter("snap-0", BATCHES, ".snapshot", 12, "damage", 6);
	struct log *l = open_log("snap-0", &config, true, 0, 0);
	struct log_producer v[8];
	is_int(log_producers(l, v, 8), 3, "a damaged snapshot: the one before, and the records since");
	log_close_clean(l);
	is_int(recover("snap-0", 0), BATCHES, "and it is written anew");
}

static void starts(void)
{
	make("start-0");
	struct log *l = open_log("start-0", &config, true, 0, 12);
	is_int(log_start(l), 12, "log start inside");
	log_close_clean(l);
	ok(!open_log("start-0", &config, true, 0, 1000), "one behind the end that the epochs deny");
	unlinkat(tmp_fd, "start-0/leader-epoch-checkpoint", 0);
	l = open_log("start-0", &config, true, 0, 1000);
	is_int(log_start(l), 1000, "log start behind the end:");
	is_int(log_end(l), 1000, "the log begins anew there");
	is_int(put(l, plain), 1000, "and goes on");
	log_close_clean(l);
}

/* A crash of the machine can leave the file of leader epochs empty, or of NULs: what it said is
 * read from the records of all segments, also after a clean stop. */
static void epochs(void)
{
	static const char *const left[] = {"", "\0\0\0\0\0\0\0\0"};
	for (int k = 0; k < 4; k++) {
		const char *name = k < 2 ? "epochs-0" : "epochs-1";
		struct log *l = open_log(name, &config, true, 0, 0);
		for (int e = 1; k % 2 == 0 && e <= 7; e += 3) {
			is_int(log_epoch_start(l, e), 0, "epoch %d", e);
			for (int i = 0; i < 10; i++)
				put(l, plain);
		}
		is_int(log_end(l), 30, "thirty records in three epochs");
		log_close_clean(l);
		char path[400];
		snprintf(path, sizeof path, "%s/%s/leader-epoch-checkpoint", tmp_path, name);
		int fd = open(path, O_WRONLY | O_TRUNC);
		if (fd < 0 || write(fd, left[k % 2], k % 2 ? 8 : 0) < 0)
			abort();
		close(fd);
		l = open_log(name, &config, k < 2, k < 2 ? 30 : 25, 0);
		bool good = l && log_end(l) == 30 && log_last_epoch(l) == 7;
		for (int i = 0; good && i < 30; i++)
			good = log_epoch_of(l, i) == 1 + i / 10 * 3;
		ok(good, "%s, %s: every record has its epoch again", k % 2 ? "NULs" : "empty",
		   k < 2 ? "a clean stop" : "a recovery past a point");
		log_close_clean(l);
		l = open_log(name, &config, true, 30, 0);
		is_int(log_last_epoch(l), 7, "and the file is whole again");
		log_close_clean(l);
	}
}

int main(void)
{
	tmp_make("1230-recover");
	log_config_default(&config);
	config.segment_bytes = 700;
	config.index_interval_bytes = 100;
	intact();
	torn_tails();
	zeros();
	indexes();
	leftovers();
	swaps();
	snapshots();
	starts();
	epochs();
	return done_testing();
}
