/* The writer's side of .index and .timeindex: entries of a fixed width, appended in groups, in a
 * file that is preallocated while its segment is active and trimmed when it is closed. A lost group
 * is legal: an index may always be sparser.
 */
#ifndef LOG_INDEXFILE_H
#define LOG_INDEXFILE_H
#include <stdbool.h>
#include <stdint.h>

enum {
	INDEX_ENTRY = 8,  /* i32 last offset of the batch - base offset, i32 position of the batch */
	TIMEINDEX_ENTRY = 12,  /* i64 timestamp, i32 last offset of the batch that has it - base offset */
	INDEX_GROUP = 16,           /* entries written at once */
};

struct indexfile {
	int fd;                     /* -1 until the first write */
	int8_t width;
	uint8_t pending_n;
	bool grown;                 /* preallocated */
	uint32_t n;                 /* entries in the file */
	int64_t last;  /* key of the last entry: offset for .index, timestamp for .timeindex; -1 none */
	uint8_t pending[INDEX_GROUP * TIMEINDEX_ENTRY];
};

void indexfile_init(struct indexfile *f, int width);
/* Opens DIRFD/PATH, making it when missing. trusted: its length counts entries; else it is
 * emptied. */
int indexfile_open(struct indexfile *f, int dirfd, const char *path, bool trusted);
/* Adds an entry with this key. Written with the group; a group that cannot be written stays pending
 * and new entries are left out, which is legal, until indexfile_flush says why. */
void indexfile_add(struct indexfile *f, const void *entry, int64_t key, int64_t prealloc_bytes);
int indexfile_flush(struct indexfile *f, int64_t prealloc_bytes);
int indexfile_trim(struct indexfile *f);             /* flush, then cut the preallocated tail */
int indexfile_get(struct indexfile *f, uint32_t i, uint8_t *entry);  /* flushed entries only; -1 */
/* How many entries, which are none of a preallocated tail, have an offset (less the base) below
 * that one; -1. */
int64_t indexfile_below(struct indexfile *f, int64_t offset);
int indexfile_cut(struct indexfile *f, uint32_t n);  /* keep n entries; the caller sets last */
void indexfile_close(struct indexfile *f);
static inline uint32_t indexfile_entries(const struct indexfile *f)
{
	return f->n + f->pending_n;
}
#endif
