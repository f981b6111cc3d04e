/* Random operations on a partition against a model that is a plain array: after each step what a
 * reader finds, and what the writer says, must be what the model holds. SEED=n repeats a run. */
#include "logtest.h"

#include "log/internal.h"
#include "log/scan.h"

enum { STEPS = 1500, MOST = 20000 };

struct piece {                  /* a batch of the model */
	int64_t base, last, max_ts;
	int32_t epoch;
	uint32_t crc;
	int64_t producer;
	int32_t sequence;
};
static struct piece model[MOST];
static int model_n;
static int64_t start, end, clock_ms = 10000;
static int32_t epoch;
static int32_t next_sequence[4];
static struct log *l;
static struct log_reader *reader;
static struct log_config config;
static uint32_t seen_layout;
static bool may_configure = true;

static void random_config(void)
{
	log_config_default(&config);
	config.segment_bytes = 2000 + (int64_t)tap_random(6000);
	config.segment_index_bytes = 100 + (int32_t)tap_random(400);
	config.index_interval_bytes = (int32_t)tap_random(600);
	config.segment_ms = 5000 + (int64_t)tap_random(5000);
	config.compacted = true;    /* copies leave offsets out */
	config.mark_bytes = 100 + (int64_t)tap_random(1000);
	config.mark_ms = 0;
}

static void remember(const struct batch *b, int64_t base)
{
	model[model_n++] = (struct piece){base, base + b->last_offset_delta, b->max_timestamp, epoch,
	                                  b->crc, b->producer_id, b->base_sequence};
	end = base + b->last_offset_delta + 1;
}

static struct batch random_batch(struct buf *out)
{
	struct shape s = plain;
	clock_ms += (int64_t)tap_random(300);
	s.records = 1 + (int)tap_random(8);
	s.value_bytes = (int)tap_random(200);
	s.timestamp = clock_ms - (int64_t)tap_random(1000);
	if (tap_random(2)) {
		s.producer_id = (int64_t)tap_random(4);
		s.producer_epoch = 0;
		s.sequence = next_sequence[s.producer_id];
	}
	return make_batch(out, s);
}

static void step_append(void)
{
	static struct buf out;
	struct batch b = random_batch(&out);
	struct log_duplicate dup;
	int64_t base;
	if (b.producer_id >= 0 && log_check_sequence(l, &b, &dup) != LOG_SEQ_OK) {
		ok(0, "sequence %d of producer %lld", b.base_sequence, (long long)b.producer_id);
		return;
	}
	if (log_append(l, &b, out.p, epoch, clock_ms, &base) < 0 || base != end)
		ok(0, "append: %s", log_error(l));
	remember(&b, base);
	if (b.producer_id >= 0)
		next_sequence[b.producer_id] += b.last_offset_delta + 1;
}

static void ask_producers(void)
{
	for (int p = 0; p < 4; p++) {
		const struct producer *x = producers_get(&l->producers, p);
		next_sequence[p] = x && x->n ? x->batch[x->n - 1].last_sequence + 1 : 0;
	}
}

/* Whatever batch of a producer is left in the log, its sequence must be known. */
static bool check_producers(void)
{
	for (int i = model_n - 1, seen = 0; i >= 0 && seen != 15; i--) {
		int p = (int)model[i].producer;
		if (p < 0 || seen & 1 << p)
			continue;
		seen |= 1 << p;
		const struct producer *x = producers_get(&l->producers, p);
		if (!x || !x->n || x->batch[x->n - 1].last_sequence !=
		    model[i].sequence + (int32_t)(model[i].last - model[i].base))
			return false;
	}
	return true;
}

static void step_copy(void)
{
	static struct buf out, all;
	struct batch got[8];
	int n = 1 + (int)tap_random(8);
	int64_t base = end;
	all.n = 0;
	for (int i = 0; i < n; i++) {
		got[i] = random_batch(&out);
		if (!tap_random(10))
			base += (int64_t)tap_random(50);  /* a hole that cleaning left */
		batch_place(out.p, base, epoch);
		got[i].base_offset = base;
		base += got[i].last_offset_delta + 1;
		if (got[i].producer_id >= 0)
			next_sequence[got[i].producer_id] = got[i].base_sequence + got[i].last_offset_delta + 1;
		buf_add(&all, out.p, out.n);
	}
	if (log_copy(l, all.p, all.n - (tap_random(2) ? 0 : 1), clock_ms) < 0)
		ok(0, "copy: %s", log_error(l));
	for (int i = 0; i < n && got[i].base_offset < log_end(l); i++)
		remember(got + i, got[i].base_offset);
	ask_producers();
}

static void step_truncate(void)
{
	if (!model_n)
		return;
	int keep = (int)tap_random((uint64_t)(tap_random(3) ? model_n < 4 ? model_n : 4 : model_n) + 1);
	keep = model_n - keep;
	/* the end of a batch: an end inside a hole would not outlive a restart, in Kafka neither */
	int64_t to = keep ? model[keep - 1].last + 1 : model[0].base;
	if (to < start)
		return;
	if (log_truncate(l, to) < 0)
		ok(0, "truncate to %lld: %s", (long long)to, log_error(l));
	model_n = keep;
	end = to;
	if (start > end)
		start = end;
	ask_producers();
}

static void model_drop(void)
{
	int n = 0;
	while (n < model_n && model[n].last < start)
		n++;
	memmove(model, model + n, (size_t)(model_n - n) * sizeof *model);
	model_n -= n;
}

static void step_start(void)
{
	int dropped;
	if (!model_n || tap_random(4))
		return;
	start = model[tap_random((uint64_t)model_n)].base;
	if (start < log_start(l))
		start = log_start(l);
	if (log_set_start(l, start) < 0 || log_drop_below(l, start, &dropped) < 0)
		ok(0, "start: %s", log_error(l));
	start = log_start(l);
	model_drop();
	if (log_reap(l, INT64_MAX) < 0)
		ok(0, "reap: %s", log_error(l));
}

static void step_sync(void)
{
	int fds[200];
	int64_t up_to = log_end(l) - (int64_t)tap_random(5);
	int n = log_dirty_fds(l, fds, 200);
	for (int i = 0; i < n && i < 200; i++)
		if (fcntl(fds[i], F_GETFD) < 0)
			ok(0, "a dirty descriptor is open");
	log_synced(l, up_to < 0 ? 0 : up_to);
}

static void step_rest(void)
{
	int fds[200];
	if (log_rest(l) < 0)
		ok(0, "rest: %s", log_error(l));
	int n = log_open_files(l);
	log_reader_rest(reader);
	if (log_reader_open_files(reader))
		ok(0, "a reader that rests holds files");
	if (log_dirty_fds(l, fds, 200) < n)
		ok(0, "what it holds is rolled and not synced");
}

static void step_epoch(void)
{
	epoch += (int32_t)tap_random(3);
	if (log_epoch_start(l, epoch) < 0)
		ok(0, "epoch: %s", log_error(l));
}

static void reopen(bool clean)
{
	int64_t recovery_point = log_recovery_point(l);
	if (clean) {
		if (log_close_clean(l) < 0)
			ok(0, "close: %s", log_open_error());
	} else {
		log_release(l);  /* as kill -9 leaves it */
	}
	if (may_configure && !tap_random(3))
		random_config();
	struct log_opening o = {.clean = clean, .recovery_point = recovery_point, .log_start = start,
	                        .now_ms = clock_ms};
	if (!clean && may_configure && tap_random(2))
		o.written = end - (int64_t)tap_random(20);
	else if (!clean && !may_configure)
		o.written = end - 1;
	l = log_open(tmp_fd, "random-0", &config, &o);
	if (!l) {
		ok(0, "open: %s", log_open_error());
		exit(1);
	}
	seen_layout = ~0u;
	ask_producers();
}

/* --- checks --- */

static int find_piece(int64_t offset)
{
	int i = 0;
	while (i < model_n && model[i].last < offset)
		i++;
	return i;
}

static bool check_range(const struct log_range *g, int first, int64_t bound, int64_t max_bytes)
{
	struct scan sc;
	struct batch b;
	int i = first, got;
	scan_begin(&sc, g->fd, g->position, g->position + g->bytes, 4096);
	while ((got = scan_next(&sc, &b)) > 0) {
		if (i == model_n || b.base_offset != model[i].base || b.crc != model[i].crc ||
		    b.epoch != model[i].epoch || batch_last_offset(&b) >= bound)
			break;
		i++;
	}
	scan_end(&sc);
	return got == 0 && i > first && (g->bytes <= max_bytes || i == first + 1);
}

static bool check_find(void)
{
	struct log_range g;
	int64_t offset = start + (int64_t)tap_random((uint64_t)(end - start + 1));
	int64_t bound = tap_random(2) ? end : start + (int64_t)tap_random((uint64_t)(end - start + 1));
	int64_t max_bytes = 1 + (int64_t)tap_random(20000);
	int i = find_piece(offset);
	if (log_reader_find(reader, offset, bound, max_bytes, true, &g) < 0)
		return ok(0, "find %lld: %s", (long long)offset, log_reader_error(reader));
	if (i == model_n || offset >= bound || model[i].last >= bound)
		return g.bytes == 0;
	return g.bytes && check_range(&g, i, bound, max_bytes);
}

static bool check_time(void)
{
	int64_t ts = clock_ms - (int64_t)tap_random(20000), offset, timestamp;
	bool compressed;
	struct log_range g;
	int got = log_reader_by_time(reader, ts, start, end, &offset, &timestamp, &compressed, &g);
	int i = 0;
	while (i < model_n && model[i].max_ts < ts)
		i++;
	if (got < 0)
		return ok(0, "by time: %s", log_reader_error(reader));
	if (i == model_n)
		return got == 0;
	/* a batch whose tail alone lies at or after log start may hold no such record: the next has it */
	return got == 1 && timestamp >= ts && offset >= start && offset >= model[i].base &&
	       (offset <= model[i].last || model[i].base < start);
}

static bool check_max_time(void)
{
	int64_t offset, timestamp, best = -1;
	bool compressed;
	struct log_range g;
	for (int i = 0; i < model_n; i++)
		best = model[i].max_ts > best ? model[i].max_ts : best;
	int got = log_reader_max_time(reader, start, end, &offset, &timestamp, &compressed, &g);
	return model_n ? got == 1 && timestamp == best : got == 0;
}

static bool check_epochs(void)
{
	if (!model_n)
		return true;
	const struct piece *p = model + tap_random((uint64_t)model_n);
	if (p->base < start)
		return true;
	return log_epoch_of(l, p->base) == p->epoch && log_reader_epoch_of(reader, p->base) == p->epoch;
}

static bool check_all(const char *step, int n)
{
	if (seen_layout != log_layout(l) && log_reader_layout(reader, seen_layout = log_layout(l)) < 0)
		return ok(0, "layout: %s", log_reader_error(reader));
	if (log_start(l) != start || log_end(l) != end)
		return ok(0, "step %d %s: [%lld,%lld), model [%lld,%lld)", n, step, (long long)log_start(l),
		          (long long)log_end(l), (long long)start, (long long)end);
	if (log_recovery_point(l) > end)
		return ok(0, "step %d %s: recovery point", n, step);
	if (!check_producers())
		return ok(0, "step %d %s: producers", n, step);
	for (int i = 0; i < 3; i++)
		if (!check_find())
			return ok(0, "step %d %s: find", n, step);
	if (!check_time() || !check_max_time())
		return ok(0, "step %d %s: time", n, step);
	return check_epochs() || ok(0, "step %d %s: epochs", n, step);
}

static const char *step(void)
{
	unsigned r = (unsigned)tap_random(100);
	if (r < 50) return step_append(), "append";
	if (r < 65) return step_copy(), "copy";
	if (r < 72) return step_truncate(), "truncate";
	if (r < 78) return step_start(), "start";
	if (r < 84) return step_sync(), "sync";
	if (r < 86) return step_rest(), "rest";
	if (r < 90) return step_epoch(), "epoch";
	if (r < 95) return reopen(true), "clean reopen";
	return reopen(false), "reopen";
}

int main(void)
{
	tap_seed();
	tmp_make("1240-log-random");
	random_config();
	struct log_opening o = {.recovery_point = 0, .now_ms = clock_ms};
	l = log_open(tmp_fd, "random-0", &config, &o);
	reader = log_reader_new(tmp_fd, "random-0");
	ok(l && reader, "open");
	seen_layout = ~0u;
	bool good = true;
	for (int n = 0; n < STEPS && good && !tap_failures && model_n < MOST - 100; n++)
		good = check_all(step(), n) && log_mark(l) == 0;
	ok(good, "%d random steps", STEPS);
	may_configure = false;
	reopen(false);
	char *once = dir_text("random-0");
	reopen(false);
	is_str(dir_text("random-0"), once, "a second recovery changes no byte");
	is_int(log_close_clean(l), 0, "close");
	log_reader_free(reader);
	return done_testing();
}
