#include "port/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW };

static void *fail(int fd, int e)
{
	close(fd);
	errno = e;
	return 0;
}

static void *map(int fd, int protection)
{
	void *at = mmap(0, PORT_ARENA, protection, MAP_SHARED, fd, 0);
	return at == MAP_FAILED ? fail(fd, errno) : at;
}

int port_arena_make(struct port_arena *a)
{
	*a = (struct port_arena){.free = UINT64_MAX, .fd = -1};
	int fd = memfd_create("odradek-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	if (ftruncate(fd, PORT_ARENA) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0) {
		fail(fd, errno);
		return -1;
	}
	a->at = map(fd, PROT_READ | PROT_WRITE);
	if (!a->at)
		return -1;
	a->fd = fd;
	return 0;
}

void port_arena_close(struct port_arena *a)
{
	if (!a->at)
		return;
	munmap(a->at, PORT_ARENA);
	close(a->fd);
	*a = (struct port_arena){.fd = -1};
}

static uint64_t bits(int chunk, unsigned n)
{
	return ((1ULL << n) - 1) << chunk;
}

int port_arena_take(struct port_arena *a, size_t n)
{
	unsigned run = (unsigned)((n + PORT_CHUNK - 1) / PORT_CHUNK);
	for (int i = 0; run < PORT_CHUNKS && i + (int)run <= PORT_CHUNKS; i++) {
		if ((a->free & bits(i, run)) != bits(i, run))
			continue;
		a->free &= ~bits(i, run);
		a->run[i] = (uint8_t)run;
		a->holds[i] = 1;
		return i;
	}
	return -1;
}

void port_arena_hold(struct port_arena *a, int chunk)
{
	a->holds[chunk]++;
}

void port_arena_drop(struct port_arena *a, int chunk)
{
	if (--a->holds[chunk] == 0)
		a->free |= bits(chunk, a->run[chunk]);
}

const uint8_t *port_arena_map(int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return fail(fd, errno);
	int seals = fcntl(fd, F_GET_SEALS);
	if (st.st_size != PORT_ARENA || seals < 0 || !(seals & F_SEAL_SHRINK))
		return fail(fd, EBADMSG);
	const uint8_t *at = map(fd, PROT_READ);
	if (at)
		close(fd);
	return at;
}

void port_arena_unmap(const uint8_t *at)
{
	if (at)
		munmap((void *)at, PORT_ARENA);
}
