/* The idempotent producer's contract as a partition keeps it, and transactions, over restarts. */
#include "logtest.h"

static struct log *l;
static struct buf out;
static struct log_duplicate twin;

static struct shape data(int64_t id, int epoch, int sequence, int records)
{
	return (struct shape){.records = records, .value_bytes = 5, .timestamp = 1000, .producer_id = id,
	                      .producer_epoch = epoch, .sequence = sequence};
}

static enum log_sequence ask(struct shape s)
{
	struct batch b = make_batch(&out, s);
	return log_check_sequence(l, &b, &twin);
}

static void open_part(bool clean)
{
	struct log_config c;
	log_config_default(&c);
	c.segment_bytes = 2000;
	l = open_log("p-0", &c, clean, clean ? INT64_MAX : 0, 0);
	if (!l)
		exit(1);
}

static void reopen(bool clean)
{
	if (clean)
		log_close_clean(l);
	else
		log_close(l);
	open_part(clean);
}

static void duplicates(void)
{
	is_int(ask(data(1, 0, 777, 3)), LOG_SEQ_OK, "an unknown producer may begin anywhere");
	int64_t first = put(l, data(1, 0, 0, 3));
	for (int i = 1; i < 6; i++)
		put(l, data(1, 0, 3 * i, 3));
	is_int(ask(data(1, 0, 18, 1)), LOG_SEQ_OK, "the next sequence");
	is_int(ask(data(1, 0, 19, 1)), LOG_SEQ_OUT_OF_ORDER, "a gap");
	for (int i = 1; i < 6; i++) {
		is_int(ask(data(1, 0, 3 * i, 3)), LOG_SEQ_DUPLICATE, "batch %d of the last five", i);
		is_int(twin.base_offset, first + 3 * i, "its offset");
		is_int(twin.last_offset, first + 3 * i + 2, "its last offset");
		is_int(twin.timestamp, 1002, "its time");
	}
	is_int(ask(data(1, 0, 0, 3)), LOG_SEQ_OUT_OF_ORDER, "the sixth is forgotten");
	is_int(ask(data(1, 0, 15, 2)), LOG_SEQ_OUT_OF_ORDER, "the same start with another length");
}

static void epochs(void)
{
	is_int(ask(data(1, 1, 4, 1)), LOG_SEQ_OUT_OF_ORDER, "a new epoch begins with 0");
	is_int(ask(data(1, 1, 0, 1)), LOG_SEQ_OK, "a new epoch");
	put(l, data(1, 1, 0, 1));
	is_int(ask(data(1, 0, 18, 1)), LOG_SEQ_OLD_EPOCH, "the old epoch is fenced");
	is_int(ask(data(1, 0, 15, 3)), LOG_SEQ_OLD_EPOCH, "its duplicates too");
	is_int(ask(data(1, 1, 1, 1)), LOG_SEQ_OK, "and the new goes on");
}

static void wraps(void)
{
	put(l, data(2, 0, INT32_MAX - 1, 2));
	is_int(ask(data(2, 0, 0, 1)), LOG_SEQ_OK, "0 follows 2^31 - 1");
	put(l, data(2, 0, 0, 1));
	put(l, data(3, 0, INT32_MAX, 3));
	is_int(ask(data(3, 0, 2, 1)), LOG_SEQ_OK, "a batch over the edge");
	is_int(ask(data(3, 0, INT32_MAX, 3)), LOG_SEQ_DUPLICATE, "and its duplicate");
}

static void survives(void)
{
	for (int clean = 0; clean < 2; clean++) {
		reopen(clean);
		is_int(ask(data(1, 1, 0, 1)), LOG_SEQ_DUPLICATE, "last batch after a %s restart",
		       clean ? "clean" : "hard");
		is_int(ask(data(2, 0, 1, 1)), LOG_SEQ_OK, "next sequence after it");
		is_int(ask(data(2, 0, 5, 1)), LOG_SEQ_OUT_OF_ORDER, "a gap after it");
	}
}

static void truncated(void)
{
	int64_t at = put(l, data(5, 0, 0, 1));
	put(l, data(5, 0, 1, 1));
	put(l, data(6, 0, 0, 1));
	log_truncate(l, at + 1);
	is_int(ask(data(5, 0, 1, 1)), LOG_SEQ_OK, "truncation takes a sequence back");
	is_int(ask(data(6, 0, 44, 1)), LOG_SEQ_OK, "and forgets a producer that is gone");
}

static void expires(void)
{
	struct log_producer v[16];
	int n = log_producers(l, v, 16);
	ok(n >= 4, "%d producers", n);
	log_expire_producers(l, 1000 + 24 * 3600 * 1000 - 1);
	is_int(log_producers(l, v, 16), n, "not yet expired");
	log_expire_producers(l, 10000 + 24 * 3600 * 1000);
	is_int(log_producers(l, v, 16), 1, "expired");
	ok(v[0].id == 13 && v[0].txn_first_offset >= 0, "but for one whose transaction is open");
	is_int(ask(data(1, 1, 333, 1)), LOG_SEQ_OK, "then any sequence is taken");
}

/* --- transactions --- */

static struct shape txn(int64_t id, int epoch, int sequence, int records)
{
	struct shape s = data(id, epoch, sequence, records);
	s.attributes = BATCH_TRANSACTIONAL;
	return s;
}

static int64_t marker(int64_t id, int epoch, int commit)
{
	int64_t base;
	struct batch b = make_marker(&out, id, epoch, commit, 3);
	return log_append(l, &b, out.p, 0, 1000, &base) < 0 ? -1 : base;
}

static void transactions(void)
{
	struct log_aborted a[8];
	struct log_reader *r = log_reader_new(tmp_fd, "p-0");
	is_int(log_first_unstable(l), INT64_MAX, "no transaction");
	int64_t one = put(l, txn(11, 0, 0, 2));
	int64_t two = put(l, txn(12, 0, 0, 2));
	is_int(log_first_unstable(l), one, "the oldest open one");
	is_int(ask(data(11, 0, 2, 1)), LOG_SEQ_INVALID_TXN, "plain data inside a transaction");
	int64_t end_one = marker(11, 0, 0);
	is_int(log_first_unstable(l), two, "aborted: the next holds");
	is_int(log_stable_end(l, end_one), one, "until the marker is below the high watermark");
	is_int(log_stable_end(l, end_one + 1), two, "then the open one does");
	reopen(false);
	is_int(log_first_unstable(l), two, "after a hard restart too");
	int64_t end_two = marker(12, 0, 1);
	is_int(log_stable_end(l, end_two + 1), end_two + 1, "committed: all is stable");
	is_int(log_reader_aborted(r, one, end_two, a, 8), 1, "one aborted transaction");
	ok(a[0].producer_id == 11 && a[0].first_offset == one && a[0].last_offset == end_one, "that one");
	is_int(log_reader_aborted(r, end_one + 1, end_two, a, 8), 0, "none after it");
	is_int(ask(txn(11, 0, 2, 1)), LOG_SEQ_OK, "the sequence goes on in the next transaction");
	marker(12, 1, 0);
	is_int(log_reader_aborted(r, 0, INT64_MAX, a, 8), 1, "an empty abort leaves no entry");
	is_int(ask(txn(12, 0, 2, 1)), LOG_SEQ_OLD_EPOCH, "but its epoch fences");
	put(l, txn(13, 0, 0, 1));
	put(l, data(14, 0, 0, 20));
	reopen(true);
	ok(log_first_unstable(l) < log_end(l), "an open transaction is in the snapshot");
	int64_t abort = marker(13, 0, 0);
	is_int(log_truncate(l, abort), 0, "truncate the marker");
	is_int(log_reader_layout(r, log_layout(l)), 0, "layout");
	is_int(log_reader_aborted(r, 0, INT64_MAX, a, 8), 1, "its entry is gone");
	ok(log_first_unstable(l) < abort, "and it is open again");
	log_reader_free(r);
}

int main(void)
{
	tmp_make("1220-producers");
	open_part(false);
	duplicates();
	epochs();
	wraps();
	survives();
	truncated();
	transactions();
	expires();
	log_close_clean(l);
	buf_free(&out);
	return done_testing();
}
