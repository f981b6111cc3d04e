/* A reader beside a writer in another process, which rolls, drops and truncates: the reader knows
 * only offsets that the writer has published, in shared memory, and must see nothing else. */
#include "logtest.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { BATCHES = 30000 };

struct slot {
	_Atomic int64_t start, end;
	_Atomic uint32_t layout;
	_Atomic bool done;
};
static struct slot *slot;

static void publish(const struct log *l)
{
	atomic_store(&slot->layout, log_layout(l));
	atomic_store(&slot->start, log_start(l));
	atomic_store(&slot->end, log_end(l));
}

/* Records hold their own offset as their timestamp, so that the reader can tell. */
static void writer(void)
{
	struct log_config c;
	struct shape s = plain;
	int dropped;
	log_config_default(&c);
	c.segment_bytes = 20000;
	c.index_interval_bytes = 300;
	c.segment_index_bytes = 2400;
	struct log *l = open_log("busy-0", &c, false, 0, 0);
	for (int i = 0; l && i < BATCHES; i++) {
		s.records = 1 + i % 7;
		s.timestamp = log_end(l);
		s.value_bytes = i % 90;
		if (put(l, s) < 0)
			_exit(1);
		publish(l);
		if (i % 500 == 499) {
			/* what is above the published end may be cut: nobody may have seen it */
			int64_t base = log_end(l);
			put(l, s);
			put(l, s);
			if (log_truncate(l, base) < 0)
				_exit(1);
			publish(l);
		}
		if (i % 1000 == 999 && (log_drop_below(l, log_end(l) - 3000, &dropped) < 0 ||
		                        log_reap(l, INT64_MAX) < 0))
			_exit(1);
	}
	publish(l);
	atomic_store(&slot->done, true);
	_exit(l && log_close_clean(l) == 0 ? 0 : 1);
}

static bool check(const struct log_range *g, int64_t *offset, int64_t end)
{
	static uint8_t bytes[1 << 16];
	struct batch b;
	if (pread(g->fd, bytes, (size_t)g->bytes, g->position) != g->bytes)
		return false;
	for (int64_t at = 0; at < g->bytes; at += batch_bytes(&b)) {
		if (batch_parse(&b, bytes + at, (size_t)(g->bytes - at)) < 0 ||
		    !batch_crc_ok(&b, bytes + at) || b.base_offset > *offset ||
		    batch_last_offset(&b) < *offset || batch_last_offset(&b) >= end ||
		    b.base_timestamp != b.base_offset)
			return false;
		*offset = batch_last_offset(&b) + 1;
	}
	return true;
}

static bool by_time(struct log_reader *r, int64_t start, int64_t end)
{
	struct log_range g;
	int64_t offset, timestamp, want = start + (end - start) / 2;
	bool compressed;
	int got = log_reader_by_time(r, want, start, end, &offset, &timestamp, &compressed, &g);
	/* the start may have moved past what was asked for */
	return got == 1 && timestamp >= want && offset == timestamp;
}

/* A segment is gone a moment before the writer publishes the new start. */
static bool start_moves(int64_t start)
{
	while (atomic_load(&slot->start) == start && !atomic_load(&slot->done))
		;
	return atomic_load(&slot->start) != start;
}

static void reader(bool told)
{
	struct log_reader *r = log_reader_new(tmp_fd, "busy-0");
	struct log_range g;
	uint32_t layout = ~0u;
	int64_t at = 0;
	int jumps = 0, finds = 0, times = 0;
	bool good = true;
	while (good) {
		bool done = atomic_load(&slot->done);
		int64_t end = atomic_load(&slot->end), start = atomic_load(&slot->start);
		if (told && layout != atomic_load(&slot->layout)) {
			layout = atomic_load(&slot->layout);
			if (log_reader_layout(r, layout) < 0 && errno != ENOENT)
				good = false;
		}
		if (at < start)
			at = start, jumps++;
		if (at >= end && done)
			break;
		if (at >= end)
			continue;
		int got = log_reader_find(r, at, end, 1 + (finds % 50) * 400, true, &g);
		if (got < 0 || !g.bytes) {
			good = (got == 0 || errno == ERANGE || errno == ENOENT) &&
			       start_moves(start) && at < atomic_load(&slot->start);
			continue;
		}
		finds++;
		good = check(&g, &at, end);
		if (good && finds % 100 == 0 && ++times && !by_time(r, start, end))
			good = start_moves(start);
	}
	ok(good, "a reader that is %s of changes: %d reads, %d by time, %d jumps%s%s",
	   told ? "told" : "never told", finds, times, jumps, good ? "" : ": ",
	   good ? "" : log_reader_error(r));
	is_int(at, atomic_load(&slot->end), "it came to the end");
	log_reader_free(r);
}

int main(void)
{
	tmp_make("1250-log-reader");
	slot = mmap(0, sizeof *slot, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int told = 1; told >= 0; told--) {
		int status;
		*slot = (struct slot){0};
		pid_t pid = fork();
		if (!pid)
			writer();
		reader(told);
		waitpid(pid, &status, 0);
		is_int(status, 0, "the writer was content");
		char command[400];
		snprintf(command, sizeof command, "rm -rf '%s/busy-0'", tmp_path);
		if (system(command) != 0)
			diag("cannot remove");
	}
	return done_testing();
}
