/* logappend -d DIR: standard input into a partition directory that no broker owns. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "base/buf.h"
#include "log/batch.h"
#include "logappend.h"

enum { BATCH_BYTES = 64 << 10, READ_BYTES = 64 << 10 };

static struct log *part;
static uint32_t layout;
static uint64_t records_n;
static volatile sig_atomic_t stopped;

static void on_stop(int sig)
{
	stopped = sig;
}

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void die_append(const char *dir)
{
	int code = errno == EBADMSG || errno == EINVAL || errno == EMSGSIZE ? 1 : 111;
	char words[512];
	snprintf(words, sizeof words, "%s", *log_error(part) ? log_error(part) : strerror(errno));
	log_close(part);
	strerr_dief(code, "unable to append to ", dir, ": ", words);
}

/* A finished segment goes to disk at once: so the next opening has to check the last one only. */
static void sync_rolled(const char *dir)
{
	int fds[64];
	if (log_layout(part) == layout)
		return;
	layout = log_layout(part);
	int n = log_dirty_fds(part, fds, 64);
	for (int i = 0; i < n; i++)
		if (n > 64 || fdatasync(fds[i]) < 0)
			strerr_diefusys(111, "sync ", dir);
	log_synced(part, log_end(part));
}

static void tell(const struct standalone *o, bool last)
{
	static time_t told;
	char text[80];
	time_t t = time(0);
	if (!o->verbose || (!last && t == told))
		return;
	told = t;
	snprintf(text, sizeof text, "%llu records, next offset %lld", (unsigned long long)records_n,
	         (long long)log_end(part));
	strerr_warni(text);
}

/* --- lines -------------------------------------------------------------------------------------
 * --------------------------- */

static struct buf batch;
static struct batch_builder builder;

static void flush_batch(const struct standalone *o)
{
	int64_t base;
	int32_t epoch = log_last_epoch(part);
	if (!batch.n)
		return;
	batch_end(&builder);
	if (log_append(part, &builder.head, batch.p, epoch < 0 ? 0 : epoch, now_ms(), &base) < 0)
		die_append(o->dir);
	records_n += (uint64_t)builder.head.count;
	batch.n = 0;
	sync_rolled(o->dir);
	tell(o, false);
}

static void add_record(const struct standalone *o, const char *p, size_t n, int64_t now)
{
	struct span key = SPAN_NULL;
	size_t sep_n = o->separator ? strlen(o->separator) : 0;
	const char *at = sep_n ? memmem(p, n, o->separator, sep_n) : 0;
	if (n > INT32_MAX - 1024)
		strerr_dief(1, "a record is larger than 2 GiB");
	if (at) {
		key = (struct span){p, (int32_t)(at - p)};
		n -= (size_t)(at - p) + sep_n;
		p = at + sep_n;
	}
	struct span value = {p, (int32_t)n};
	if (batch.n && batch.n + n + (size_t)(key.n > 0 ? key.n : 0) + 64 > BATCH_BYTES)
		flush_batch(o);
	if ((!batch.n && batch_begin(&builder, &batch, 0, 0, 0, -1, -1, -1) < 0) ||
	    batch_add(&builder, now, key, value, 0, 0) < 0)
		strerr_diefusys(111, "build a batch");
}

static size_t add_lines(const struct standalone *o, const char *p, size_t n)
{
	int64_t now = now_ms();
	size_t at = 0;
	for (const char *end; (end = memchr(p + at, o->end, n - at)); at = (size_t)(end - p) + 1)
		add_record(o, p + at, (size_t)(end - p) - at, now);
	return at;
}

static bool input_waits(void)
{
	struct pollfd p = {.fd = 0, .events = POLLIN};
	return poll(&p, 1, 0) > 0;
}

static ssize_t read_more(struct buf *in)
{
	if (buf_need(in, READ_BYTES) < 0)
		strerr_diefusys(111, "read standard input");
	ssize_t r = stopped ? 0 : read(0, in->p + in->n, in->cap - in->n);
	if (r < 0 && errno == EINTR)
		return stopped ? 0 : read_more(in);
	if (r < 0)
		strerr_diefusys(111, "read standard input");
	in->n += (size_t)r;
	return r;
}

static void copy_lines(const struct standalone *o)
{
	struct buf in = {0};
	while (read_more(&in) > 0) {
		buf_take(&in, add_lines(o, (const char *)in.p, in.n));
		if (!input_waits())
			flush_batch(o);  /* whoever follows this log need not wait for the next line */
	}
	if (in.n)
		add_record(o, (const char *)in.p, in.n, now_ms());
	flush_batch(o);
	buf_free(&in);
}

/* --- batches -----------------------------------------------------------------------------------
 * --------------------------- */

/* Bytes of whole batches at the front. */
static size_t whole_batches(const struct standalone *o, const struct buf *in)
{
	struct batch b;
	size_t at = 0;
	while (in->n - at >= BATCH_HEADER) {
		if (batch_parse(&b, in->p + at, in->n - at) < 0) {
			log_close(part);
			strerr_dief(1, "standard input is not record batches: ", o->dir, " ends before the damage");
		}
		if (batch_bytes(&b) > (int64_t)(in->n - at))
			break;
		records_n += (uint64_t)(b.count > 0 ? b.count : 0);
		at += (size_t)batch_bytes(&b);
	}
	return at;
}

static void copy_batches(const struct standalone *o)
{
	struct buf in = {0};
	struct batch b;
	while (read_more(&in) > 0) {
		size_t n = whole_batches(o, &in);
		/* a copy into an empty log begins where the original does */
		if (n && log_start(part) == log_end(part) && batch_parse(&b, in.p, in.n) == 0 &&
		    b.base_offset > log_end(part) && log_restart_at(part, b.base_offset) < 0)
			die_append(o->dir);
		if (n && log_copy(part, in.p, n, now_ms()) < 0)
			die_append(o->dir);
		buf_take(&in, n);
		sync_rolled(o->dir);
		tell(o, false);
	}
	if (in.n) {
		log_close_clean(part);
		strerr_dief(1, "standard input ends in the middle of a batch");
	}
	buf_free(&in);
}

/* --- the directory -----------------------------------------------------------------------------
 * --------------------------- */

/* DIR itself is locked against a second logappend by flock, which leaves no file in it. Where DIR
 * lies in a broker's log directory, that one's .lock is taken too: nothing is ever written under
 * a running broker. */
static void lock(int parent, const char *name, const char *dir)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	if (mkdirat(parent, name, 0777) < 0 && errno != EEXIST)
		strerr_diefusys(111, "make ", dir);
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		strerr_diefusys(111, "open ", dir);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		strerr_diefusys(111, "lock ", dir);
	fd = openat(parent, ".lock", O_RDWR | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		strerr_diefusys(111, "open .lock above ", dir);
	if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &whole) < 0)
		strerr_diefusys(111, "take .lock above ", dir, ", a broker owns it");
}

static void open_part(const struct standalone *o)
{
	struct log_opening opening = {.recovery_point = LOG_RECOVER_LAST, .now_ms = now_ms()};
	char *copy = strdup(o->dir), *name = copy;
	if (!copy)
		strerr_diefusys(111, "copy a name");
	for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/';)
		copy[--n] = 0;
	char *slash = strrchr(copy, '/');
	if (slash) {
		*slash = 0;
		name = slash + 1;
	}
	const char *above = !slash ? "." : slash == copy ? "/" : copy;
	int parent = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		strerr_diefusys(111, "open ", above);
	lock(parent, name, o->dir);
	part = log_open(parent, name, &o->config, &opening);
	if (!part)
		strerr_dief(111, "unable to open ", o->dir, ": ", log_open_error());
	layout = log_layout(part);
	free(copy);
}

int standalone(const struct standalone *o)
{
	struct sigaction stop = {.sa_handler = on_stop};
	open_part(o);
	sigaction(SIGINT, &stop, 0);
	sigaction(SIGTERM, &stop, 0);
	if (o->follow)
		copy_batches(o);
	else
		copy_lines(o);
	tell(o, true);
	if (log_close_clean(part) < 0)
		strerr_dief(111, "unable to close ", o->dir, ": ", log_open_error());
	return 0;
}
