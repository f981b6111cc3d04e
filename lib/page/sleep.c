/* The bitmap by which a sleeping reader tells the owner which slots it waits for. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "page/page.h"

enum { BYTES = PAGE_CAPACITY / 8, SEALS = F_SEAL_SHRINK | F_SEAL_GROW };

static int fail(int fd, int e)
{
	close(fd);
	errno = e;
	return -1;
}

int page_sleep_make(struct page_sleep *z)
{
	int fd = memfd_create("odradek-sleep", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) return -1;
	if (ftruncate(fd, BYTES) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0) return fail(fd, errno);
	void *at = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) return fail(fd, errno);
	*z = (struct page_sleep){.bits = at, .fd = fd, .mine = true};
	return 0;
}

int page_sleep_map(struct page_sleep *z, int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0) return fail(fd, errno);
	/* Unsealed it could be cut later, and looking at it would then be a SIGBUS here. */
	int seals = fcntl(fd, F_GET_SEALS);
	if (st.st_size != BYTES || seals < 0 || !(seals & F_SEAL_SHRINK)) return fail(fd, EBADMSG);
	void *at = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) return fail(fd, errno);
	*z = (struct page_sleep){.bits = at, .fd = fd};
	return 0;
}

void page_sleep_close(struct page_sleep *z)
{
	munmap(z->bits, BYTES);
	close(z->fd);
	*z = (struct page_sleep){.fd = -1};
}

void page_sleep_set(struct page_sleep *z, uint32_t slot)
{
	__atomic_fetch_or(&z->bits[slot / 8], (uint8_t)(1u << slot % 8), __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void page_sleep_clear(struct page_sleep *z, uint32_t slot)
{
	__atomic_fetch_and(&z->bits[slot / 8], (uint8_t)~(1u << slot % 8), __ATOMIC_SEQ_CST);
}

bool page_sleep_is(const struct page_sleep *z, uint32_t slot)
{
	return __atomic_load_n(&z->bits[slot / 8], __ATOMIC_SEQ_CST) >> slot % 8 & 1;
}
