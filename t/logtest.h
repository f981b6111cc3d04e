/* What the tests of lib/log share: a directory of their own, batches, a look at files. */
#ifndef T_LOGTEST_H
#define T_LOGTEST_H
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "log/log.h"
#include "log/reader.h"
#include "tap.h"

static char tmp_path[256];
static int tmp_fd = -1;

TAP_FN void tmp_remove(void)
{
	char command[300];
	snprintf(command, sizeof command, "rm -rf '%s'", tmp_path);
	if (!getenv("KEEP") && system(command) != 0)
		diag("cannot remove %s", tmp_path);
}

/* A fresh directory under build/tmp, open in tmp_fd, removed at exit. */
TAP_FN void tmp_make(const char *name)
{
	mkdir("build", 0777);
	mkdir("build/tmp", 0777);
	snprintf(tmp_path, sizeof tmp_path, "build/tmp/%s.XXXXXX", name);
	if (!mkdtemp(tmp_path) || (tmp_fd = open(tmp_path, O_RDONLY | O_DIRECTORY)) < 0)
		abort();
	atexit(tmp_remove);
}

struct shape {                  /* of a batch to make */
	int records;
	int value_bytes;
	int64_t timestamp;      /* of the first record; each later one is a millisecond later */
	int64_t producer_id;
	int producer_epoch, sequence;
	int attributes;
};
static const struct shape plain = {.records = 1, .value_bytes = 10, .timestamp = 1000,
                                   .producer_id = -1, .producer_epoch = -1, .sequence = -1};

/* Makes a batch in out (emptied first) and parses it. */
TAP_FN struct batch make_batch(struct buf *out, struct shape s)
{
	struct batch_builder w;
	struct batch b;
	char value[70000];
	memset(value, 'v', sizeof value);
	out->n = 0;
	batch_begin(&w, out, 0, -1, (int16_t)s.attributes, s.producer_id, (int16_t)s.producer_epoch,
	            s.sequence);
	for (int i = 0; i < s.records; i++) {
		snprintf(value, 20, "%d", i);
		batch_add(&w, s.timestamp + i, SPAN_NULL, (struct span){value, s.value_bytes}, 0, 0);
	}
	batch_end(&w);
	if (batch_parse(&b, out->p, out->n) < 0)
		abort();
	return b;
}

/* A transaction marker as the coordinator writes it. */
TAP_FN struct batch make_marker(struct buf *out, int64_t pid, int epoch, int commit,
				int coordinator)
{
	struct batch_builder w;
	struct batch b;
	char key[4] = {0, 0, 0, (char)commit}, value[6] = {0, 0, 0, 0, 0, (char)coordinator};
	out->n = 0;
	batch_begin(&w, out, 0, -1, BATCH_CONTROL | BATCH_TRANSACTIONAL, pid, (int16_t)epoch, -1);
	batch_add(&w, 5000, (struct span){key, 4}, (struct span){value, 6}, 0, 0);
	batch_end(&w);
	if (batch_parse(&b, out->p, out->n) < 0)
		abort();
	return b;
}

/* Appends one batch; its base offset, or -1. */
TAP_FN int64_t put(struct log *l, struct shape s)
{
	static struct buf out;
	struct batch b = make_batch(&out, s);
	int64_t base = -1;
	int32_t epoch = log_last_epoch(l);
	return log_append(l, &b, out.p, epoch < 0 ? 0 : epoch, s.timestamp, &base) < 0 ? -1 : base;
}

TAP_FN struct log *open_log(const char *name, const struct log_config *c, bool clean,
			    int64_t recovery_point, int64_t start)
{
	struct log_opening o = {.clean = clean, .recovery_point = recovery_point, .log_start = start,
	                        .now_ms = 1000};
	struct log *l = log_open(tmp_fd, name, c, &o);
	if (!l)
		diag("%s", log_open_error());
	return l;
}

/* All file names of a directory with their sizes and checksums, one text: two are compared. */
TAP_FN char *dir_text(const char *name)
{
	static char text[2][1 << 16];
	static int which;
	char command[400], *t = text[which ^= 1];
	snprintf(command, sizeof command, "cd '%s/%s' && ls | sort | xargs cksum", tmp_path, name);
	FILE *f = popen(command, "r");
	size_t n = f ? fread(t, 1, sizeof text[0] - 1, f) : 0;
	t[n] = 0;
	if (f)
		pclose(f);
	return t;
}

TAP_FN int64_t file_size(const char *name, int64_t base, const char *suffix)
{
	struct stat st;
	char path[400];
	snprintf(path, sizeof path, "%s/%020lld%s", name, (long long)base, suffix);
	return fstatat(tmp_fd, path, &st, 0) < 0 ? -1 : st.st_size;
}
#endif
