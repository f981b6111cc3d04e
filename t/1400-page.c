/* lib/page: slots and their directory, adoption, torn slots, readers beside a writer, sleep bits */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "page/page.h"
#include "tap.h"

static char path[128];

static struct uuid id_of(int n)
{
	struct uuid u = {{0}};
	put32(u.b + 12, (uint32_t)n);
	return u;
}

/* All offsets say the same number, so that a mix of two states is visible. */
static struct page_slot state(int64_t n, int32_t epoch)
{
	return (struct page_slot){
		.epoch = epoch, .role = PAGE_LEADER, .layout = (uint32_t)n, .epoch_start = n,
		.log_start = n, .last_stable = n, .high_watermark = n, .flushed = n, .log_end = n,
	};
}

static bool whole(const struct page_slot *s)
{
	return s->log_start == s->log_end && s->last_stable == s->log_end
	       && s->high_watermark == s->log_end && s->flushed == s->log_end
	       && s->epoch_start == s->log_end && s->layout == (uint32_t)s->log_end;
}

static void slots_and_names(void)
{
	struct page p, r;
	struct page_slot s;
	struct page_entry e;
	bool adopted = true;
	is_int(page_make(&p, path, &adopted), 0, "make");
	ok(!adopted, "a new page is not adopted");
	ok(!page_read(&p, 0, &s, NULL), "no slot is used");
	struct uuid a = id_of(1), b = id_of(2);
	is_int(page_slot_for(&p, &a, 0, "a-0"), 0, "first slot");
	is_int(page_slot_for(&p, &a, 1, "a-1"), 1, "second slot");
	is_int(page_slot_for(&p, &b, 0, "b-0"), 2, "third slot");
	is_int(page_slot_for(&p, &a, 1, "a-1"), 1, "found again");
	is_int(page_open(&r, path), 0, "a reader opens it");
	ok(page_read(&r, 1, &s, &e), "the reader reads");
	is_int(s.role, PAGE_OFFLINE, "offline before it is written");
	is_str(e.name, "a-1", "its name");
	uint64_t before = r.head->directory;
	s = state(7, 3);
	page_write(&p, 1, &s);
	ok(page_read(&r, 1, &s, NULL) && s.high_watermark == 7 && s.epoch == 3, "what was written");
	page_free(&p, 1);
	ok(!page_read(&r, 1, &s, NULL), "freed");
	ok(r.head->directory != before, "the directory's number moved");
	struct uuid c = id_of(3);
	is_int(page_slot_for(&p, &c, 9, "c-9"), 1, "a free slot is used again");
	ok(page_read(&r, 1, &s, &e) && s.high_watermark == 0, "and begins anew");
	char longest[PAGE_NAME + 1];
	memset(longest, 'x', PAGE_NAME);
	longest[PAGE_NAME] = 0;
	ok(page_slot_for(&p, &c, 10, longest) == -1 && errno == ENAMETOOLONG, "a name too long");
	page_applied(&p, 44);
	is_int(r.head->applied, 44, "applied offset");
	uint64_t generation = p.head->generation;
	s = state(11, 3);
	page_write(&p, 2, &s);
	page_close(&p);
	is_int(page_make(&p, path, &adopted), 0, "made again");
	ok(adopted, "adopted");
	is_int(p.head->generation, (long long)generation + 1, "next generation");
	ok(page_read(&p, 2, &s, NULL) && s.high_watermark == 11, "slots survive");
	is_int(page_slot_for(&p, &b, 0, "b-0"), 2, "and are found by topic id");
	strcpy(p.head->boot_id, "another-boot");
	page_close(&p);
	is_int(page_make(&p, path, &adopted), 0, "made after a reboot");
	ok(!adopted && p.head->used == 0, "is empty");
	ok(page_read(&r, 2, &s, NULL), "who maps the old page still can read it");
	page_close(&r);
	page_close(&p);
}

static void full(void)
{
	struct page p;
	bool adopted;
	unlink(path);
	page_make(&p, path, &adopted);
	int bad = 0;
	/* A free slot is looked for from the front: fill the tail directly to keep this short. */
	for (int i = 0; i < 2000; i++) {
		struct uuid u = id_of(i);
		bad += page_slot_for(&p, &u, i % 7, "x-0") != i;
	}
	for (int i = 0; i < 2000; i++) {
		struct uuid u = id_of(i);
		bad += page_slot_for(&p, &u, i % 7, "x-0") != i;
	}
	is_int(bad, 0, "2000 partitions have a slot each and are found");
	for (uint32_t i = 0; i < 2000; i++)
		page_free(&p, i);
	for (uint32_t i = 0; i < PAGE_CAPACITY; i++)
		p.slots[i].role = PAGE_OFFLINE;
	p.head->used = PAGE_CAPACITY;
	struct uuid u = id_of(-1);
	ok(page_slot_for(&p, &u, 0, "x-0") == -1 && errno == ENOSPC, "a full page says so");
	page_close(&p);
}

static void no_page(void)
{
	struct page r;
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	ok(page_map(&r, fd) == -1 && errno == EBADMSG, "an empty file is no page");
	fd = open(path, O_RDWR);
	struct stat st;
	bool adopted;
	struct page p;
	is_int(page_make(&p, path, &adopted), 0, "a broken one is replaced");
	ok(!adopted, "and not adopted");
	fstat(p.fd, &st);
	page_close(&p);
	if (ftruncate(fd, st.st_size) < 0) diag("ftruncate: %s", strerror(errno));
	ok(page_map(&r, fd) == -1 && errno == EBADMSG, "zeros of the right size are no page");
}

static pid_t writer(int64_t rounds)
{
	pid_t pid = fork();
	if (pid) return pid;
	struct page p;
	bool adopted;
	if (page_make(&p, path, &adopted) < 0) _exit(1);
	struct uuid u = id_of(1);
	int i = page_slot_for(&p, &u, 0, "a-0");
	struct page_slot s;
	page_read(&p, (uint32_t)i, &s, NULL);
	int64_t n = s.high_watermark;
	while (rounds-- != 0) {
		n++;
		s = state(n, 1);
		page_write(&p, (uint32_t)i, &s);
	}
	_exit(0);
}

static void beside(void)
{
	unlink(path);
	struct page p;
	bool adopted;
	page_make(&p, path, &adopted);
	struct uuid u = id_of(1);
	page_slot_for(&p, &u, 0, "a-0");
	page_close(&p);
	struct page r;
	page_open(&r, path);
	pid_t pid = writer(300000);
	long reads = 0, torn = 0, back = 0;
	int64_t last = 0;
	while (last < 300000) {
		struct page_slot s;
		if (!page_read(&r, 0, &s, NULL)) continue;
		reads++;
		if (s.role == PAGE_OFFLINE) continue;
		torn += !whole(&s);
		back += s.high_watermark < last;
		last = s.high_watermark;
	}
	waitpid(pid, NULL, 0);
	diag("%ld reads", reads);
	is_int(torn, 0, "no read mixes two states");
	is_int(back, 0, "nothing goes back");
	page_close(&r);
}

static void killed(void)
{
	tap_seed();
	struct page r;
	struct page_slot s;
	page_open(&r, path);
	long torn = 0, back = 0;
	int64_t last = 0;
	for (int round = 0; round < 60; round++) {
		pid_t pid = writer(-1);
		nanosleep(&(struct timespec){.tv_nsec = (long)tap_random(3000000)}, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		if (r.slots[0].seq & 1) {
			torn++;
			ok(!page_read(&r, 0, &s, NULL), "a reader gives up on a torn slot");
		}
		struct page p;
		bool adopted;
		if (page_make(&p, path, &adopted) < 0 || !adopted) back++;
		if (!page_read(&p, 0, &s, NULL) || s.high_watermark < last) back++;
		last = s.high_watermark;
		page_close(&p);
	}
	diag("%ld slots were torn, %lld writes", torn, (long long)last);
	is_int(back, 0, "after each kill the page is adopted and the high watermark did not fall");
	page_close(&r);
}

static void mended(void)
{
	struct page p;
	struct page_slot s;
	bool adopted;
	page_make(&p, path, &adopted);
	page_read(&p, 0, &s, NULL);
	int64_t was = s.high_watermark;
	p.slots[0].seq++;
	p.slots[0].high_watermark = was + 5;
	page_close(&p);
	is_int(page_make(&p, path, &adopted), 0, "a page with a torn slot is adopted");
	ok(page_read(&p, 0, &s, NULL), "the slot can be read again");
	is_int(s.role, PAGE_OFFLINE, "it is offline until the owner writes it");
	is_int(s.high_watermark, was + 5, "its high watermark is kept");
	ok(s.flushed >= s.high_watermark && s.log_end >= s.flushed, "its offsets are in order");
	page_close(&p);
}

static bool dies(struct page_slot s)
{
	fflush(NULL);
	pid_t pid = fork();
	if (!pid) {
		struct page p;
		bool adopted;
		int null = open("/dev/null", O_WRONLY);
		dup2(null, 2);
		page_make(&p, path, &adopted);
		page_write(&p, 0, &s);
		_exit(0);
	}
	int status;
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void asserted(void)
{
	struct page p;
	bool adopted;
	page_make(&p, path, &adopted);
	struct page_slot s = state(1 << 30, 5);
	page_write(&p, 0, &s);
	page_close(&p);
	ok(!dies(s), "the same state again is fine");
	s.log_end--;
	ok(dies(s), "flushed beyond the log end is an assertion");
	s = state(1 << 29, 5);
	ok(dies(s), "a high watermark that falls within an epoch is an assertion");
	s.epoch = 6;
	ok(!dies(s), "in another epoch it may");
}

static void sleeping(void)
{
	struct page_sleep z, o;
	is_int(page_sleep_make(&z), 0, "a reader's bitmap");
	is_int(page_sleep_map(&o, dup(z.fd)), 0, "mapped by the owner");
	page_sleep_set(&z, 0);
	page_sleep_set(&z, PAGE_CAPACITY - 1);
	ok(page_sleep_is(&o, 0) && page_sleep_is(&o, PAGE_CAPACITY - 1), "set");
	ok(!page_sleep_is(&o, 1), "not set");
	page_sleep_clear(&z, 0);
	ok(!page_sleep_is(&o, 0), "cleared");
	page_sleep_close(&o);
	page_sleep_close(&z);
	int fd = memfd_create("x", MFD_CLOEXEC);
	ok(page_sleep_map(&o, fd) == -1 && errno == EBADMSG, "a bitmap of another size");
	fd = memfd_create("x", MFD_CLOEXEC);
	if (ftruncate(fd, PAGE_CAPACITY / 8) < 0) diag("ftruncate: %s", strerror(errno));
	ok(page_sleep_map(&o, fd) == -1 && errno == EBADMSG, "a bitmap that could be cut later");
}

int main(void)
{
	snprintf(path, sizeof path, "/dev/shm/odradek-page-test.%d", (int)getpid());
	slots_and_names();
	full();
	no_page();
	beside();
	killed();
	mended();
	asserted();
	sleeping();
	unlink(path);
	return done_testing();
}
