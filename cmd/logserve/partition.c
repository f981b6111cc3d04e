/* From a topic and a number to a slot of the page and a reader of the files behind it. */
#include "logserve.h"

#include <errno.h>
#include <skalibs/strerr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRESH_MS = 2000 }; /* longer than a poll of the metadata log takes; no session is shorter */

static void drop(struct server *s, struct partition *p)
{
	map_del(&s->names, p->entry.name, strlen(p->entry.name));
	sleep_drop(s, p);
	segments_forget(s, p);
	files_forget(s, p);
	log_reader_free(p->reader);
	s->slots[p->slot] = 0;
	free(p);
}

static bool same(const struct partition *p, const struct page_entry *e)
{
	return uuid_same(&p->entry.topic_id, &e->topic_id) && p->entry.partition == e->partition &&
	       !strcmp(p->entry.name, e->name);
}

/* What was there when logappend opened it may have been damaged on disk since it was written. */
static int add(struct server *s, uint32_t slot, const struct page_entry *e)
{
	struct partition *p = calloc(1, sizeof *p);
	if (!p)
		return -1;
	p->slot = slot;
	p->entry = *e;
	p->reader = log_reader_new(s->dirfd, p->entry.name);
	if (!p->reader || map_put(&s->names, p->entry.name, strlen(p->entry.name), p)) {
		log_reader_free(p->reader);
		free(p);
		return -1;
	}
	log_reader_trust(p->reader, e->files.opened);
	s->slots[slot] = p;
	return 0;
}

static int grow(struct server *s, uint32_t n)
{
	if (n <= s->slots_n)
		return 0;
	struct partition **v = realloc(s->slots, n * sizeof *v);
	if (!v)
		return -1;
	memset(v + s->slots_n, 0, (n - s->slots_n) * sizeof *v);
	s->slots = v;
	s->slots_n = n;
	return 0;
}

static void leave(struct server *s, uint32_t i)
{
	struct page_slot slot;
	struct page_entry e;
	if (i < s->slots_n && s->slots[i] && (!page_read(&s->page, i, &slot, &e) ||
	                                      !same(s->slots[i], &e)))
		drop(s, s->slots[i]);
}

static int enter(struct server *s, uint32_t i)
{
	struct page_slot slot;
	struct page_entry e;
	return i < s->slots_n && !s->slots[i] && page_read(&s->page, i, &slot, &e) ? add(s, i, &e) : 0;
}

static int grow_to_used(struct server *s)
{
	uint32_t used = __atomic_load_n(&s->page.head->used, __ATOMIC_ACQUIRE);
	return used > PAGE_CAPACITY ? -1 : grow(s, used);
}

static void say_bad(void)
{
	strerr_warnwu1sys("take in all partitions of the page");
}

/* What left its slot goes first, so that a name can move. */
static void index_names(struct server *s)
{
	uint64_t directory = __atomic_load_n(&s->page.head->directory, __ATOMIC_ACQUIRE);
	for (uint32_t i = 0; i < s->slots_n; i++)
		leave(s, i);
	int bad = grow_to_used(s);
	for (uint32_t i = 0; !bad && i < s->slots_n; i++)
		bad = enter(s, i);
	if (bad)
		say_bad();
	else
		s->directory = directory;
}

/* Only the slots whose entries changed are looked at, unless there are too many. */
void partitions_refresh(struct server *s)
{
	uint32_t changed[PAGE_CHANGES];
	uint64_t directory = s->directory;
	if (!s->mapped || __atomic_load_n(&s->page.head->directory, __ATOMIC_ACQUIRE) == directory)
		return;
	int n = page_changes(&s->page, &directory, changed);
	if (n < 0) {
		index_names(s);
		return;
	}
	for (int i = 0; i < n; i++)
		leave(s, changed[i]);
	int bad = grow_to_used(s);
	for (int i = 0; !bad && i < n; i++)
		bad = enter(s, changed[i]);
	if (bad)
		say_bad();
	else
		s->directory = directory;
}

/* logappend is back. Its page is the old one, adopted, or a new one with other slots: either way
 * partitions that still stand in their slot keep their files. */
void partitions_map(struct server *s, int page_fd)
{
	struct page next;
	if (page_map(&next, page_fd)) {
		strerr_warnwu1sys("map the page of logappend");
		return;
	}
	if (s->mapped)
		page_close(&s->page);
	s->page = next;
	s->mapped = true;
	index_names(s);
}

/* Rolls and drops of the oldest are followed; else a reader lists its directory again when the page
 * says that files have come or gone. */
static int know_layout(struct server *s, struct partition *p, const struct page_slot *slot,
                       const struct page_files *f)
{
	if (p->listed && p->layout == slot->layout)
		return 0;
	if (p->listed && (int32_t)(f->shaped - p->layout) <= 0 &&
	    log_reader_follow(p->reader, slot->log_start, f->before, f->active)) {
		p->layout = slot->layout;
		segments_drop(s, p, log_reader_first(p->reader));
		return 0;
	}
	if (log_reader_layout(p->reader, slot->layout)) {
		/* a new partition: its directory is made when something is put into it */
		return errno == ENOENT && slot->log_start == slot->log_end ? 0 : -1;
	}
	p->listed = true;
	p->layout = slot->layout;
	segments_refresh(s, p);
	return 0;
}

int partition_find(struct server *s, struct span topic, int32_t partition, const struct uuid *id,
                   struct partition **p, struct page_slot *slot)
{
	char name[PAGE_NAME];
	struct page_entry now;
	*p = 0;
	int n = topic.n < 0 ? -1 : snprintf(name, sizeof name, "%.*s-%d", topic.n, topic.p, partition);
	if (n > 0 && n < (int)sizeof name)
		*p = map_get(&s->names, name, (size_t)n);
	if (!*p || !page_read(&s->page, (*p)->slot, slot, &now) || !same(*p, &now))
		return WIRE_NOT_LEADER_OR_FOLLOWER;
	if (id && !uuid_same(id, &(*p)->entry.topic_id))
		return WIRE_INCONSISTENT_TOPIC_ID;
	files_use(s, *p);
	if (slot->role != PAGE_OFFLINE && know_layout(s, *p, slot, &now.files))
		return errno == ENOENT ? WIRE_NOT_LEADER_OR_FOLLOWER : WIRE_KAFKA_STORAGE_ERROR;
	return WIRE_NONE;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct partition *const *)a)->entry.name,
	              (*(struct partition *const *)b)->entry.name);
}

struct partition **partitions_sorted(struct server *s, struct arena *a, int *n)
{
	struct partition **v = arena_get(a, (s->names.n + 1) * sizeof *v), *p;
	*n = 0;
	for (size_t at = 0; v && (p = map_next(&s->names, &at));)
		v[(*n)++] = p;
	if (v)
		qsort(v, (size_t)*n, sizeof *v, by_name);
	return v;
}

void partitions_sweep(struct server *s)
{
	struct page_slot slot;
	struct page_entry e;
	partitions_refresh(s);
	for (uint32_t i = 0; i < s->slots_n; i++) {
		struct partition *p = s->slots[i];
		if (p && p->segments_n && page_read(&s->page, i, &slot, &e) &&
		    slot.layout != p->layout)
			know_layout(s, p, &slot, &e.files);
	}
}

/* Who was stopped for longer than a session has most likely been replaced, and where the log of a
 * new leader ends he cannot say: to a consumer that has read on there, its offset would be out of
 * range. Nor can logappend, before it has read the metadata that we have. Where there is no other
 * replica nobody can have taken over. */
bool partition_is_stale(struct server *s, const struct meta_topic *t, int32_t partition,
                        const struct page_slot *slot)
{
	const struct meta_partition *p = meta_partition(t, partition);
	int64_t age = port_now_ms() - meta_follow_heard(s->follow);
	if (!p || p->replicas_n < 2 || slot->role != PAGE_LEADER)
		return false;
	return p->leader_epoch > slot->epoch
	       || (age > FRESH_MS
	           && age > meta_config_int(meta_follow_image(s->follow), s->node.id, 0,
	                                    "broker.session.timeout.ms"));
}
