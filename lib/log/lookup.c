#include "log/lookup.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/cold.h"
#include "log/indexfile.h"

struct table {
	int fd, width;
	int64_t n;
};

static int entry(const struct table *t, int64_t i, uint8_t *e)
{
	for (;;) {
		ssize_t r = cold_pread(t->fd, e, (size_t)t->width, i * t->width);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		return r == t->width;  /* a file trimmed meanwhile just ends earlier */
	}
}

/* The last entry for which before() holds; before() is false from some entry on. 1, 0 none, -1. */
static int last_before(const struct table *t, bool (*before)(const uint8_t *e, int64_t key),
	int64_t key, uint8_t *out)
{
	uint8_t e[TIMEINDEX_ENTRY];
	int64_t lo = 0, hi = t->n;
	while (lo < hi) {
		int64_t mid = (lo + hi) / 2;
		int r = entry(t, mid, e);
		if (r < 0)
			return -1;
		if (r && before(e, key))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? entry(t, lo - 1, out) : 0;
}

/* No index entry has position 0: the first batch of a segment never gets one. */
static bool offset_before(const uint8_t *e, int64_t key)
{
	return get32(e + 4) && (int64_t)get32(e) <= key;
}

static bool position_before(const uint8_t *e, int64_t key)
{
	return get32(e + 4) && (int64_t)get32(e + 4) <= key;
}

static bool time_is(const uint8_t *e)
{
	return get64(e) || get32(e + 8);
}

static bool time_before(const uint8_t *e, int64_t key)
{
	return time_is(e) && (int64_t)get64(e) <= key;
}

static bool time_offset_before(const uint8_t *e, int64_t key)
{
	return time_is(e) && (int64_t)get32(e + 8) <= key;
}

int lookup_index(int fd, int64_t n_bytes, int64_t relative_offset, int64_t *entry_offset,
	int64_t *position)
{
	struct table t = {fd, INDEX_ENTRY, n_bytes / INDEX_ENTRY};
	uint8_t e[TIMEINDEX_ENTRY];
	int r = last_before(&t, offset_before, relative_offset, e);
	if (r > 0) {
		*entry_offset = (int64_t)get32(e);
		*position = (int64_t)get32(e + 4);
	}
	return r;
}

/* Leading ones of n entries that lie within both bounds. */
static int64_t within(const uint8_t *e, int64_t n, int64_t offset, int64_t position)
{
	int64_t k = 0;
	for (; k < n && offset_before(e, offset) && position_before(e, position); k++)
		e += INDEX_ENTRY;
	return k;
}

int lookup_index_within(int fd, int64_t n_bytes, int64_t offset, int64_t at_most, int64_t *near,
	int64_t *position)
{
	enum { BLOCK = 512 };
	struct table t = {fd, INDEX_ENTRY, n_bytes / INDEX_ENTRY};
	uint8_t block[BLOCK * INDEX_ENTRY];
	int64_t lo = 0, hi = t.n;
	ssize_t got = *near < t.n ? cold_pread(fd, block, sizeof block, *near * INDEX_ENTRY) : 0;
	int64_t there = got > 0 ? got / INDEX_ENTRY : 0, k = within(block, there, offset, at_most);
	if (k && (k < there || there < BLOCK)) {
		*position = (int64_t)get32(block + (k - 1) * INDEX_ENTRY + 4);
		*near += k - 1;
		return 1;
	}
	while (lo < hi) {
		int64_t mid = (lo + hi) / 2;
		int r = entry(&t, mid, block);
		if (r < 0)
			return -1;
		if (r && within(block, 1, offset, at_most))
			lo = mid + 1;
		else
			hi = mid;
	}
	int r = lo ? entry(&t, lo - 1, block) : 0;
	if (r > 0) {
		*position = (int64_t)get32(block + 4);
		*near = lo - 1;
	}
	return r;
}

static int time_entry(int r, const uint8_t *e, int64_t *timestamp, int64_t *offset)
{
	if (r > 0) {
		*timestamp = (int64_t)get64(e);
		*offset = (int64_t)get32(e + 8);
	}
	return r;
}

int lookup_time(int fd, int64_t n_bytes, int64_t timestamp, int64_t *entry_timestamp,
	int64_t *relative_offset)
{
	struct table t = {fd, TIMEINDEX_ENTRY, n_bytes / TIMEINDEX_ENTRY};
	uint8_t e[TIMEINDEX_ENTRY];
	return time_entry(last_before(&t, time_before, timestamp, e), e, entry_timestamp, relative_offset);
}

int lookup_time_offset(int fd, int64_t n_bytes, int64_t relative_offset, int64_t *entry_timestamp,
	int64_t *entry_offset)
{
	struct table t = {fd, TIMEINDEX_ENTRY, n_bytes / TIMEINDEX_ENTRY};
	uint8_t e[TIMEINDEX_ENTRY];
	return time_entry(last_before(&t, time_offset_before, relative_offset, e), e, entry_timestamp,
		entry_offset);
}
