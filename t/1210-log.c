/* One partition directory: when it rolls, what its files hold, how it is cut and deleted. */
#include "logtest.h"

#include <signal.h>
#include <sys/resource.h>

static struct log_config config;
static struct buf out;

static int segments(struct log *l)
{
	return log_segments(l, 0, 0);
}

static void rolls(void)
{
	struct log_config c = config;
	struct shape s = plain;
	s.value_bytes = 400;
	c.segment_bytes = 1000;
	struct log *l = open_log("size-0", &c, true, 0, 0);
	is_int(put(l, s), 0, "first");
	is_int(put(l, s), 1, "second");
	is_int(segments(l), 1, "two fit");
	is_int(log_layout(l), 0, "layout");
	put(l, s);
	is_int(segments(l), 2, "the third rolls by size");
	is_int(log_layout(l), 1, "layout moved");
	is_int(file_size("size-0", 2, ".snapshot"), 10, "a snapshot at the roll");
	s.value_bytes = 1000;
	is_int(put(l, s), -1, "larger than a segment");
	is_int(errno, EMSGSIZE, "says so");
	log_close(l);

	c = config;
	c.segment_ms = 1000;
	c.segment_jitter_ms = 100;
	s = plain;
	l = open_log("time-0", &c, true, 0, 0);
	s.timestamp = 5000;
	put(l, s);
	s.timestamp = 5900;
	put(l, s);
	is_int(segments(l), 1, "within segment.ms less jitter");
	s.timestamp = 5901;
	put(l, s);
	is_int(segments(l), 2, "rolls by the records' time");
	log_close(l);

	c = config;
	c.segment_index_bytes = 5 * 12;
	c.index_interval_bytes = 0;
	s = plain;
	l = open_log("index-0", &c, true, 0, 0);
	for (int i = 0; i < 6; i++, s.timestamp++)
		put(l, s);
	is_int(segments(l), 2, "rolls when the time index is full but for one entry");
	is_int(file_size("index-0", 0, ".index"), 4 * 8, "the offset index, trimmed");
	is_int(file_size("index-0", 0, ".timeindex"), 4 * 12, "the time index, trimmed");
	log_close(l);

	l = open_log("far-0", &config, true, 0, 0);
	make_batch(&out, plain);
	batch_place(out.p, 10, 0);
	is_int(log_copy(l, out.p, out.n, 1000), 0, "copy");
	batch_place(out.p, (int64_t)INT32_MAX + 1, 0);
	is_int(log_copy(l, out.p, out.n, 1000), 0, "copy far ahead");
	is_int(segments(l), 2, "rolls when a relative offset would pass 2^31 - 1");
	log_close(l);
}

static void copies(void)
{
	struct log *l = open_log("copy-0", &config, true, 0, 0);
	make_batch(&out, plain);
	batch_place(out.p, 5, 3);
	is_int(log_copy(l, out.p, out.n, 1000), 0, "copy");
	is_int(log_end(l), 6, "offset kept");
	is_int(log_last_epoch(l), 3, "epoch kept");
	is_int(log_copy(l, out.p, out.n, 1000), -1, "it may not go back");
	is_int(errno, EINVAL, "says so");
	batch_place(out.p, 6, 3);
	is_int(log_copy(l, out.p, out.n - 1, 1000), 0, "cut short is ignored");
	is_int(log_end(l), 6, "and not in");
	out.p[out.n - 1] ^= 1;
	is_int(log_copy(l, out.p, out.n, 1000), -1, "a wrong crc");
	is_int(errno, EBADMSG, "says so");
	is_int(file_size("copy-0", 0, ".log"), (long long)out.n, "nothing of it is in the file");
	log_close(l);
}

static void epochs(void)
{
	int32_t epoch;
	int64_t end;
	struct log *l = open_log("epoch-0", &config, true, 0, 0);
	for (int e = 1; e < 6; e += 2) {
		is_int(log_epoch_start(l, e), 0, "epoch %d", e);
		put(l, plain);
		put(l, plain);
	}
	is_int(log_epoch_start(l, 2), -1, "epochs do not go back");
	log_epoch_end(l, 5, &epoch, &end);
	ok(epoch == 5 && end == 6, "the last ends at the log end");
	log_epoch_end(l, 3, &epoch, &end);
	ok(epoch == 3 && end == 4, "one before");
	log_epoch_end(l, 4, &epoch, &end);
	ok(epoch == 3 && end == 4, "one that never was: the one below it");
	log_epoch_end(l, 0, &epoch, &end);
	ok(epoch == 0 && end == 0, "before the first");
	log_epoch_end(l, 7, &epoch, &end);
	ok(epoch == -1 && end == -1, "after the last");
	is_int(log_epoch_of(l, 3), 3, "epoch of an offset");
	log_truncate(l, 4);
	is_int(log_last_epoch(l), 3, "truncation takes epochs along");
	log_set_start(l, 3);
	log_epoch_end(l, 1, &epoch, &end);
	ok(epoch == 1 && end == 3, "so does the log start");
	log_close_clean(l);
	l = open_log("epoch-0", &config, true, 0, 3);
	is_int(log_last_epoch(l), 3, "and it is on disk");
	log_close(l);
}

static void drops(void)
{
	struct log_config c = config;
	int dropped;
	c.segment_bytes = 200;
	struct log *l = open_log("drop-0", &c, true, 0, 0);
	for (int i = 0; i < 20; i++)
		put(l, plain);
	int before = segments(l);
	is_int(log_set_start(l, 5), 0, "log start");
	is_int(log_set_start(l, 21), -1, "not past the end");
	is_int(log_drop_below(l, 5, &dropped), 0, "drop");
	is_int(dropped, 2, "two whole segments");
	is_int(segments(l), before - 2, "are out of the list");
	is_int(file_size("drop-0", 0, ".log"), -1, "renamed");
	ok(file_size("drop-0", 0, ".log.deleted") > 0, "to .deleted");
	is_int(log_reap(l, 0), 0, "too young");
	ok(file_size("drop-0", 0, ".log.deleted") > 0, "stays");
	is_int(log_reap(l, INT64_MAX), 0, "old enough");
	is_int(file_size("drop-0", 0, ".log.deleted"), -1, "goes");
	is_int(log_drop_below(l, 1000, &dropped), 0, "drop all");
	is_int(segments(l), 1, "but the active one");
	char name[256];
	is_int(log_delete(l, name, sizeof name), 0, "delete");
	ok(!strncmp(name, "drop-0.", 7) && !strcmp(name + 39, "-delete"), "its new name: %s", name);
	is_int(log_remove_dir(tmp_fd, name), 0, "remove");
	is_int(faccessat(tmp_fd, name, F_OK, 0), -1, "gone");
}

static void topic_ids(void)
{
	struct uuid id, other;
	uuid_random(&id);
	uuid_random(&other);
	struct log_opening o = {.clean = true, .topic_id = id};
	struct log *l = log_open(tmp_fd, "id-0", &config, &o);
	struct uuid got = log_topic_id(l);
	ok(uuid_same(&got, &id), "topic id");
	log_close(l);
	o.topic_id = uuid_zero;
	l = log_open(tmp_fd, "id-0", &config, &o);
	got = log_topic_id(l);
	ok(uuid_same(&got, &id), "read back");
	log_close(l);
	o.topic_id = other;
	ok(!log_open(tmp_fd, "id-0", &config, &o) && errno == ESTALE, "another topic's directory");
}

static void dirty(void)
{
	struct log_config c = config;
	int fds[32];
	c.segment_bytes = 200;
	struct log *l = open_log("dirty-0", &c, false, 0, 0);
	put(l, plain);
	put(l, plain);
	int first = log_dirty_fds(l, fds, 32);
	ok(first >= 1, "something to sync");
	log_synced(l, 2);
	is_int(log_dirty_fds(l, fds, 32), 0, "synced");
	is_int(log_recovery_point(l), 2, "recovery point");
	put(l, plain);
	int n = log_dirty_fds(l, fds, 32);
	ok(n >= 3, "a roll lists the old segment's files, the directory and the new one: %d", n);
	log_synced(l, 2);
	ok(log_dirty_fds(l, fds, 32) == n, "a sync from before the roll says nothing of them");
	log_synced(l, 3);
	is_int(log_dirty_fds(l, fds, 32), 0, "one from after it does");
	is_int(log_recovery_point(l), 3, "recovery point");
	log_close(l);
}

/* A disk that is full: RLIMIT_FSIZE makes writes short and then fail. */
static void full(void)
{
	struct rlimit old, small = {.rlim_cur = 500, .rlim_max = RLIM_INFINITY};
	struct shape s = plain;
	struct log *l = open_log("full-0", &config, true, 0, 0);
	s.value_bytes = 200;
	signal(SIGXFSZ, SIG_IGN);
	put(l, s);
	int64_t size = file_size("full-0", 0, ".log");
	getrlimit(RLIMIT_FSIZE, &old);
	setrlimit(RLIMIT_FSIZE, &small);
	is_int(put(l, s), -1, "a write that is cut short fails");
	is_int(errno, EFBIG, "with the reason");
	is_int(file_size("full-0", 0, ".log"), size, "and leaves the file as it was");
	setrlimit(RLIMIT_FSIZE, &old);
	is_int(put(l, s), 1, "later it goes on");
	is_int(log_end(l), 2, "without a hole");
	log_close(l);
}

/* Several batches in one write. */
static void runs(void)
{
	enum { MANY = 100 };
	static struct buf bytes[MANY];
	static struct batch b[MANY];
	struct log_item v[MANY];
	struct log_config c = config;
	struct shape s = plain;
	s.value_bytes = 50;
	for (int i = 0; i < MANY; i++) {
		s.records = 1 + i % 3;
		b[i] = make_batch(&bytes[i], s);
		v[i] = (struct log_item){.batch = &b[i], .bytes = bytes[i].p};
	}
	struct log *l = open_log("run-0", &c, true, 0, 0);
	is_int(log_append_run(l, v, MANY, 0, 1000), LOG_RUN, "as many as one write takes");
	is_int(log_append_run(l, v + LOG_RUN, MANY - LOG_RUN, 0, 1000), MANY - LOG_RUN, "the rest");
	int64_t next = 0;
	for (int i = 0; i < MANY; next += b[i++].count)
		if (v[i].base_offset != next)
			is_int(v[i].base_offset, next, "base offset of batch %d", i);
	is_int(log_end(l), next, "one after the other");
	log_close(l);
	l = open_log("run-0", &c, false, 0, 0);
	is_int(log_end(l), next, "recovery finds them all");
	log_close(l);

	c.segment_bytes = 1000;
	l = open_log("runs-0", &c, true, 0, 0);
	int k = log_append_run(l, v, MANY, 0, 1000);
	ok(k > 1 && k < 10, "a full segment ends a run: %d", k);
	is_int(segments(l), 1, "nothing rolled");
	ok(log_append_run(l, v + k, MANY - k, 0, 1000) > 1, "the next run");
	is_int(segments(l), 2, "begins another segment");
	s.value_bytes = 2000;
	b[1] = make_batch(&bytes[1], s);
	v[1].bytes = bytes[1].p;
	is_int(log_append_run(l, v, 3, 0, 1000), 1, "one that is too large ends a run as well");
	is_int(log_append_run(l, v + 1, 2, 0, 1000), -1, "and fails when it is the first");
	is_int(errno, EMSGSIZE, "with its own error");
	s.value_bytes = 50;
	s.producer_id = 1;
	s.producer_epoch = s.sequence = 0;
	s.attributes = BATCH_TRANSACTIONAL;
	b[1] = make_batch(&bytes[1], s);
	v[1].bytes = bytes[1].p;
	is_int(log_append_run(l, v, 3, 0, 1000), 1, "a transactional one is in no run");
	is_int(log_append_run(l, v + 1, 2, 0, 1000), 1, "but alone");
	log_close(l);
	for (int i = 0; i < MANY; i++)
		buf_free(&bytes[i]);
}

int main(void)
{
	tmp_make("1210-log");
	log_config_default(&config);
	rolls();
	copies();
	epochs();
	drops();
	topic_ids();
	dirty();
	full();
	runs();
	buf_free(&out);
	return done_testing();
}
