/* Making, adopting, mapping, reading and writing the page. */
#include "page/page.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/planted.h"

enum {
	HEAD_BYTES = 4096,
	SPINS = 200,                     /* tries before giving up the processor */
	PATIENCE_NS = 100 * 1000 * 1000, /* a preempted owner is back by then */
	END = 0,                         /* end of a hash chain; a link is 1 + slot */
};
static const char magic[8] = "odradek2";

_Static_assert(sizeof(struct page_slot) == 64, "a slot is one cache line");
_Static_assert(sizeof(struct page_entry) == 312, "readers of other builds know this size");
_Static_assert(sizeof(struct page_head) <= HEAD_BYTES, "the head has a page of memory to itself");

static size_t bytes_for(size_t capacity)
{
	return HEAD_BYTES + capacity * (sizeof(struct page_slot) + sizeof(struct page_entry));
}

static int boot_id(char out[40])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0) return -1;
	memset(out, 0, 40);
	ssize_t n = read(fd, out, 39);
	close(fd);
	if (n < 36) {
		errno = EIO;
		return -1;
	}
	out[36] = 0;
	return 0;
}

/* Maps fd and sets the pointers. The size of the file bounds what the head may claim. */
static int map(struct page *p, int fd, int prot)
{
	struct stat st;
	if (fstat(fd, &st) < 0) return -1;
	if (st.st_size != (off_t)bytes_for(PAGE_CAPACITY)) {
		errno = EBADMSG;
		return -1;
	}
	void *at = mmap(NULL, (size_t)st.st_size, prot, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) return -1;
	*p = (struct page){
		.head = at,
		.slots = (void *)((char *)at + HEAD_BYTES),
		.entries = (void *)((char *)at + HEAD_BYTES
		                    + PAGE_CAPACITY * sizeof(struct page_slot)),
		.size = (size_t)st.st_size,
		.fd = fd,
	};
	return 0;
}

static bool well_formed(const struct page *p)
{
	return !memcmp(p->head->magic, magic, 8) && p->head->capacity == PAGE_CAPACITY
	       && __atomic_load_n(&p->head->used, __ATOMIC_ACQUIRE) <= PAGE_CAPACITY;
}

/* --- the owner's directory: hash chains, heads first, then links ----------------------------- */

static uint32_t *chain_of(const struct page *p, const struct uuid *id, int32_t partition)
{
	uint32_t h = get32(id->b) ^ get32(id->b + 4) ^ get32(id->b + 8) ^ get32(id->b + 12);
	h = (h ^ (uint32_t)partition * 2654435761u) * 2246822519u;
	return &p->chains[(h >> 16) % PAGE_CAPACITY];
}

static void chain_in(struct page *p, uint32_t i)
{
	uint32_t *head = chain_of(p, &p->entries[i].topic_id, p->entries[i].partition);
	p->chains[PAGE_CAPACITY + i] = *head;
	*head = i + 1;
}

static void chain_out(struct page *p, uint32_t i)
{
	uint32_t *link = chain_of(p, &p->entries[i].topic_id, p->entries[i].partition);
	while (*link != END && *link != i + 1)
		link = &p->chains[PAGE_CAPACITY + *link - 1];
	assert(*link == i + 1);
	*link = p->chains[PAGE_CAPACITY + i];
}

/* --- seqlock --------------------------------------------------------------------------------- */

static void begin_change(struct page_slot *s)
{
	uint32_t seq = __atomic_load_n(&s->seq, __ATOMIC_RELAXED);
	assert((seq & 1) == 0);
	__atomic_store_n(&s->seq, seq + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

/* The full fence lets the owner look at sleep bits next: see page.h. */
static void end_change(struct page_slot *s)
{
	__atomic_store_n(&s->seq, s->seq + 1, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Every field of a torn slot is its old or its new value. Raised in this order none passes its
 * new value. */
static void mend(struct page_slot *s)
{
	if (s->role != PAGE_FREE) s->role = PAGE_OFFLINE;
	s->last_stable = larger(s->last_stable, s->log_start);
	s->high_watermark = larger(s->high_watermark, s->last_stable);
	s->flushed = larger(s->flushed, s->high_watermark);
	s->log_end = larger(s->log_end, s->flushed);
	end_change(s);
}

static int adopt(struct page *p)
{
	p->chains = calloc(2 * PAGE_CAPACITY, sizeof *p->chains);
	if (!p->chains) return -1;
	for (uint32_t i = 0; i < p->head->used; i++) {
		if (p->slots[i].seq & 1) mend(&p->slots[i]);
		if (p->slots[i].role != PAGE_FREE) chain_in(p, i);
	}
	p->head->generation++;
	p->head->applied = -1;
	return 0;
}

/* --- opening --------------------------------------------------------------------------------- */

static int open_ours(struct page *p, const char *path, const char *boot)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) return -1;
	if (map(p, fd, PROT_READ | PROT_WRITE) < 0) {
		close(fd);
		return -1;
	}
	if (well_formed(p) && !strcmp(p->head->boot_id, boot)) return 0;
	page_close(p);
	errno = EBADMSG;
	return -1;
}

static int make_new(struct page *p, const char *path, const char *boot)
{
	if (unlink(path) < 0 && errno != ENOENT) return -1;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0) return -1;
	if (ftruncate(fd, (off_t)bytes_for(PAGE_CAPACITY)) < 0
	    || map(p, fd, PROT_READ | PROT_WRITE) < 0) {
		int e = errno;
		close(fd);
		errno = e;
		return -1;
	}
	p->head->capacity = PAGE_CAPACITY;
	memcpy(p->head->boot_id, boot, sizeof p->head->boot_id);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memcpy(p->head->magic, magic, 8);
	return 0;
}

int page_make(struct page *p, const char *path, bool *adopted)
{
	char boot[40];
	if (boot_id(boot) < 0) return -1;
	errno = ENOENT;
	*adopted = !PLANTED(PAGE_NOT_ADOPTED) && open_ours(p, path, boot) == 0;
	if (!*adopted) {
		if (errno != ENOENT && errno != EBADMSG) return -1;
		if (make_new(p, path, boot) < 0) return -1;
	}
	if (adopt(p) == 0) return 0;
	page_close(p);
	errno = ENOMEM;
	return -1;
}

int page_map(struct page *p, int fd)
{
	if (map(p, fd, PROT_READ) == 0) {
		if (well_formed(p)) return 0;
		page_close(p);
		errno = EBADMSG;
		return -1;
	}
	int e = errno;
	close(fd);
	errno = e;
	return -1;
}

int page_open(struct page *p, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -1 : page_map(p, fd);
}

void page_close(struct page *p)
{
	munmap(p->head, p->size);
	close(p->fd);
	free(p->chains);
	*p = (struct page){.fd = -1};
}

/* --- reading --------------------------------------------------------------------------------- */

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* One attempt: true when nothing changed while we copied. */
static bool copy(const struct page *p, uint32_t i, struct page_slot *s, struct page_entry *e)
{
	const struct page_slot *from = &p->slots[i];
	uint32_t seq = __atomic_load_n(&from->seq, __ATOMIC_ACQUIRE);
	if (seq & 1) return false;
	for (size_t w = 0; w < sizeof *s / 8; w++)
		((uint64_t *)s)[w] = __atomic_load_n((const uint64_t *)from + w, __ATOMIC_RELAXED);
	if (e) memcpy(e, &p->entries[i], sizeof *e);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&from->seq, __ATOMIC_RELAXED) == seq;
}

bool page_read(const struct page *p, uint32_t i, struct page_slot *s, struct page_entry *e)
{
	if (i >= __atomic_load_n(&p->head->used, __ATOMIC_ACQUIRE) || i >= PAGE_CAPACITY)
		return false;
	int64_t until = 0;
	for (int spin = 0; !copy(p, i, s, e); spin++) {
		if (spin < SPINS) continue;
		int64_t now = now_ns();
		if (!until) until = now + PATIENCE_NS;
		if (now > until) return false;
		nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
	}
	if (e) e->name[PAGE_NAME - 1] = 0;
	return s->role != PAGE_FREE;
}

int page_changes(const struct page *p, uint64_t *at, uint32_t slots[PAGE_CHANGES])
{
	int n = 0;
	uint64_t to = __atomic_load_n(&p->head->directory, __ATOMIC_ACQUIRE);
	if (to - *at >= PAGE_CHANGES) return -1;
	for (uint64_t i = *at; i < to; i++)
		slots[n++] = __atomic_load_n(&p->head->changed[i % PAGE_CHANGES], __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	/* the owner may have come round while they were read */
	if (__atomic_load_n(&p->head->directory, __ATOMIC_RELAXED) - *at >= PAGE_CHANGES) return -1;
	*at = to;
	return n;
}

/* --- writing --------------------------------------------------------------------------------- */

static void entry_changed(struct page *p, uint32_t i)
{
	uint64_t n = p->head->directory;
	__atomic_store_n(&p->head->changed[n % PAGE_CHANGES], i, __ATOMIC_RELAXED);
	__atomic_store_n(&p->head->directory, n + 1, __ATOMIC_RELEASE);
}

static int find_free(const struct page *p)
{
	uint32_t i = p->taken;
	while (i < p->head->used && p->slots[i].role != PAGE_FREE)
		i++;
	return i < PAGE_CAPACITY ? (int)i : -1;
}

int page_slot_for(struct page *p, const struct uuid *topic_id, int32_t partition, const char *name)
{
	uint32_t link = *chain_of(p, topic_id, partition);
	for (; link != END; link = p->chains[PAGE_CAPACITY + link - 1]) {
		const struct page_entry *e = &p->entries[link - 1];
		if (e->partition == partition && uuid_same(&e->topic_id, topic_id))
			return (int)link - 1;
	}
	if (strlen(name) >= PAGE_NAME) {
		errno = ENAMETOOLONG;
		return -1;
	}
	int i = find_free(p);
	if (i < 0) {
		errno = ENOSPC;
		return -1;
	}
	p->taken = (uint32_t)i + 1;
	struct page_slot *s = &p->slots[i];
	uint32_t layout = s->layout;
	begin_change(s);
	struct page_entry e = {.topic_id = *topic_id, .partition = partition, .last_epoch = -1};
	strcpy(e.name, name);
	p->entries[i] = e;
	memset((char *)s + sizeof s->seq, 0, sizeof *s - sizeof s->seq);
	s->epoch = -1;
	s->layout = layout + 1;
	__atomic_store_n(&s->role, PAGE_OFFLINE, __ATOMIC_RELEASE);
	end_change(s);
	chain_in(p, (uint32_t)i);
	if ((uint32_t)i >= p->head->used)
		__atomic_store_n(&p->head->used, (uint32_t)i + 1, __ATOMIC_RELEASE);
	entry_changed(p, (uint32_t)i);
	return i;
}

void page_write(struct page *p, uint32_t i, const struct page_slot *s)
{
	page_write_with(p, i, s, p->entries[i].last_epoch);
}

void page_write_with(struct page *p, uint32_t i, const struct page_slot *s, int32_t last_epoch)
{
	struct page_slot *to = &p->slots[i];
	assert(i < p->head->used && to->role != PAGE_FREE);
	assert(s->role > PAGE_FREE && s->role <= PAGE_OFFLINE);
	assert(0 <= s->log_start && s->log_start <= s->last_stable);
	assert(s->last_stable <= s->high_watermark);
	assert(s->high_watermark <= s->flushed && s->flushed <= s->log_end);
	assert(s->epoch != to->epoch || s->high_watermark >= to->high_watermark
	       || (s->role == PAGE_FOLLOWER && s->layout != to->layout));
	begin_change(to);
	p->entries[i].last_epoch = last_epoch;
	struct page_slot next = *s;
	next.seq = to->seq;
	for (size_t w = 0; w < sizeof next / 8; w++)
		__atomic_store_n((uint64_t *)to + w, ((uint64_t *)&next)[w], __ATOMIC_RELAXED);
	end_change(to);
}

void page_free(struct page *p, uint32_t i)
{
	struct page_slot *s = &p->slots[i];
	assert(i < p->head->used && s->role != PAGE_FREE);
	chain_out(p, i);
	begin_change(s);
	s->role = PAGE_FREE;
	s->layout++;
	end_change(s);
	if (i < p->taken) p->taken = i;
	entry_changed(p, i);
}

void page_shape(struct page *p, uint32_t i, const struct page_files *files)
{
	assert(i < p->head->used && p->slots[i].role != PAGE_FREE);
	begin_change(&p->slots[i]);
	p->entries[i].files = *files;
	end_change(&p->slots[i]);
}

void page_applied(struct page *p, int64_t metadata_offset)
{
	__atomic_store_n(&p->head->applied, metadata_offset, __ATOMIC_RELEASE);
}
