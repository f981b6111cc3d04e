/* Fuzzing a partition directory: the input becomes its files, which are opened as after a crash or
 * as after a clean stop, read, cut and closed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/log.h"
#include "log/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int dir = -1;
static char path[64];

static void remove_dir(void)
{
	log_remove_dir(dir, "f-0");
	rmdir(path);
}

static void make_dir(void)
{
	/* in memory: a disk would be the limit */
	strcpy(path, access("/dev/shm", W_OK) == 0 ? "/dev/shm/fuzz.XXXXXX" : "/tmp/fuzz.XXXXXX");
	if (!mkdtemp(path) || (dir = open(path, O_RDONLY | O_DIRECTORY)) < 0)
		abort();
	atexit(remove_dir);
}

static void put_file(const char *name, const uint8_t *p, size_t n)
{
	char file[64];
	snprintf(file, sizeof file, "f-0/%s", name);
	int fd = openat(dir, file, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (fd < 0 || write(fd, p, n) != (ssize_t)n)
		abort();
	close(fd);
}

/* Each file takes a byte of name, two of length, then its bytes. A .log's batches get right CRCs,
 * so that recovery goes on to what is behind them. */
static void put_files(const uint8_t *p, size_t n)
{
	static const char *const names[] = {
		"00000000000000000000.log", "00000000000000000000.index",
		"00000000000000000000.timeindex", "00000000000000000000.txnindex",
		"00000000000000000005.log", "00000000000000000005.index",
		"00000000000000000005.snapshot", "leader-epoch-checkpoint",
		"partition.metadata", "00000000000000000000.log.swap",
		"00000000000000000005.timeindex", "00000000000000000009.snapshot"};
	while (n > 3) {
		unsigned which = p[0] % (sizeof names / sizeof *names);
		size_t size = get16(p + 1);
		p += 3;
		n -= 3;
		if (size > n)
			size = n;
		uint8_t *copy = malloc(size + 1);
		memcpy(copy, p, size);
		struct batch b;
		for (size_t at = 0; strstr(names[which], ".log") && size - at >= BATCH_HEADER &&
		     batch_parse(&b, copy + at, size - at) == 0 &&
		     batch_bytes(&b) <= (int64_t)(size - at); at += (size_t)batch_bytes(&b))
			batch_seal(&b, copy + at, (size_t)batch_bytes(&b) - BATCH_HEADER);
		put_file(names[which], copy, size);
		free(copy);
		p += size;
		n -= size;
	}
}

static void read_all(int64_t start, int64_t end)
{
	struct log_reader *r = log_reader_new(dir, "f-0");
	struct log_range g;
	struct log_aborted a[4];
	int64_t offset, timestamp;
	bool compressed;
	int rounds = 0;
	for (int64_t at = start; at < end && rounds++ < 50; at += 1 + (end - start) / 50)
		if (log_reader_find(r, at, end, 1000, true, &g) < 0)
			break;
	log_reader_by_time(r, 1000, start, end, &offset, &timestamp, &compressed, &g);
	log_reader_max_time(r, start, end, &offset, &timestamp, &compressed, &g);
	log_reader_aborted(r, start, end, a, 4);
	log_reader_epoch_of(r, start);
	log_reader_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct log_config c;
	if (dir < 0)
		make_dir();
	if (!n)
		return 0;
	mkdirat(dir, "f-0", 0777);
	put_files(p + 1, n - 1);
	log_config_default(&c);
	struct log_opening o = {.clean = *p & 1, .recovery_point = *p & 2 ? 0 : LOG_RECOVER_LAST,
	                        .log_start = *p & 4 ? 3 : 0, .now_ms = 1000};
	struct log *l = log_open(dir, "f-0", &c, &o);
	if (l) {
		read_all(log_start(l), log_end(l));
		if (*p & 8)
			log_truncate(l, log_start(l) + (log_end(l) - log_start(l)) / 2);
		if (log_close_clean(l) == 0) {
			o.clean = true;
			/* what was closed in order opens again, or says what in it is damaged */
			l = log_open(dir, "f-0", &c, &o);
			if (!l && errno != EBADMSG)
				abort();
			if (l)
				log_close(l);
		}
	}
	log_remove_dir(dir, "f-0");
	return 0;
}
