/* run/state: what the owner of a log directory knows of each partition, published for everyone
 * else on the node.
 *
 * A file on tmpfs, written by logappend alone, mapped read-only by others. Host byte order, fixed
 * size, sparse:
 *
 *     0                 struct page_head (4096 bytes)
 *     4096              capacity x struct page_slot (64 bytes: one cache line is one consistent
 *                       snapshot of a partition)
 *     then              capacity x struct page_entry (the directory: which partition slot i is)
 *
 * Slot i and entry i are guarded by the slot's seqlock: odd while they change. Order in the
 * owner: log files first, then the slot, then wakes. After a crash of the owner on the same boot
 * the page is adopted: the high watermark never falls.
 */
#ifndef PAGE_PAGE_H
#define PAGE_PAGE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum { PAGE_CAPACITY = 65536, PAGE_NAME = 256, PAGE_CHANGES = 512 };
/* OFFLINE: here, but not to be served (damage, closing). */
enum page_role { PAGE_FREE, PAGE_LEADER, PAGE_FOLLOWER, PAGE_OFFLINE };

struct page_slot {
	uint32_t seq;
	int32_t epoch;        /* leader epoch */
	uint32_t layout;      /* changes when files appear, vanish or are cut: list them again */
	uint32_t role;        /* enum page_role */
	int64_t epoch_start;  /* first offset of this leader epoch */
	int64_t log_start;
	int64_t log_end;
	int64_t flushed;      /* all below is on disk (page cache under odradek.flush=os) */
	int64_t high_watermark;
	int64_t last_stable;
};
/* What lets a reader follow the files without listing them. */
struct page_files {
	int64_t opened;        /* log end when the owner opened it: what lies behind it wrote */
	int64_t before;        /* base of the segment before the active one; -1 none */
	int64_t active;
	uint32_t shaped;       /* layout of the last change that was more than a roll, or a drop of
	                        * segments below log_start */
	uint32_t reserved;
};
struct page_entry {
	struct uuid topic_id;
	int32_t partition;
	int32_t last_epoch;    /* leader epoch of the log's last record; -1 none or not known */
	struct page_files files;
	char name[PAGE_NAME];  /* directory under log/: TOPIC-PARTITION */
};
struct page_head {
	char magic[8];          /* "odradek2" */
	uint32_t capacity;
	uint32_t used;          /* slots 0..used-1 have been in use */
	char boot_id[40];       /* /proc/sys/kernel/random/boot_id */
	uint64_t generation;    /* starts of the owner */
	uint64_t directory;     /* changes of entries: an index of names is stale then */
	int64_t applied;        /* metadata offset that the owner has applied; -1 none */
	uint32_t changed[PAGE_CHANGES]; /* change i of the directory was of slot changed[i % ...] */
};

struct page {
	struct page_head *head;
	struct page_slot *slots;
	struct page_entry *entries;
	size_t size;
	int fd;
	uint32_t *chains;             /* owner: hash chains over the directory; NULL for readers */
	uint32_t taken;               /* owner: slots below are in use */
};

/* Owner: opens PATH (makes it when missing). *adopted: it is of this boot and well-formed, slots
 * are valid; else it is a new, empty file (who still maps the old one keeps the old one). A slot
 * that the last owner was writing when it died holds a mix of two states: it comes back as
 * PAGE_OFFLINE with its offsets in order again, none above what was about to be published. */
int page_make(struct page *p, const char *path, bool *adopted);
/* Reader: maps fd (taken) read-only. -1 EBADMSG when it is no page. */
int page_map(struct page *p, int fd);
int page_open(struct page *p, const char *path);    /* page_map of a path, for commands */
void page_close(struct page *p);

/* A consistent copy of slot i (and of its entry, when e is not NULL). false: never used or free.
 * Spins only while the owner writes; gives up after a bounded time when the owner died in the
 * middle and answers false. */
bool page_read(const struct page *p, uint32_t i, struct page_slot *s, struct page_entry *e);
/* The slots whose entries changed since the directory's number was *at, each once or more; *at
 * moves on. -1: too many have, and *at stays: any of them may be another. */
int page_changes(const struct page *p, uint64_t *at, uint32_t slots[PAGE_CHANGES]);

/* Owner. page_write publishes *s (its seq is ignored) and asserts log_start <= last_stable <=
 * high_watermark <= flushed <= log_end, and that the high watermark does not fall within an
 * epoch but where a follower's log was cut, which the layout tells. */
/* The partition's slot: found, or a free one, which becomes PAGE_OFFLINE with zero offsets. -1
 * ENOSPC, ENAMETOOLONG. */
int page_slot_for(struct page *p, const struct uuid *topic_id, int32_t partition, const char *name);
void page_write(struct page *p, uint32_t i, const struct page_slot *s);
void page_write_with(struct page *p, uint32_t i, const struct page_slot *s, int32_t last_epoch);
void page_free(struct page *p, uint32_t i);
/* Before the slot says that the layout is another. */
void page_shape(struct page *p, uint32_t i, const struct page_files *files);
void page_applied(struct page *p, int64_t metadata_offset);

/* --- sleeping and waking: a reader that sleeps on slots has a bitmap in a memfd of its own,
 * which it hands the owner in Thello and which only the reader writes. Set the bit, then look at
 * the slot once more, then sleep: the owner publishes first and looks at the bits second, so no
 * change is missed. The owner sends one Twake a loop turn naming changed slots whose bit is set. */
struct page_sleep {
	uint8_t *bits;   /* PAGE_CAPACITY / 8 bytes */
	int fd;
	bool mine;       /* the reader's own: writable */
};
int page_sleep_make(struct page_sleep *z);            /* reader */
/* Owner: takes fd, maps it read-only. EBADMSG when its size is wrong or it could shrink. */
int page_sleep_map(struct page_sleep *z, int fd);
void page_sleep_close(struct page_sleep *z);
void page_sleep_set(struct page_sleep *z, uint32_t slot);
void page_sleep_clear(struct page_sleep *z, uint32_t slot);
bool page_sleep_is(const struct page_sleep *z, uint32_t slot);
#endif
