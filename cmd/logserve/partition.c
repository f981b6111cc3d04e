/* From a topic and a number to a slot of the page and a reader of the files behind it. */
#include "logserve.h"

#include <errno.h>
#include <skalibs/strerr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* What is there now may have been damaged on disk since it was written; what comes is new. */
static int add(struct server *s, uint32_t slot, const struct page_entry *e, int64_t log_end)
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
	log_reader_trust(p->reader, log_end);
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

/* The page's directory has changed: what left its slot goes first, so that a name can move. */
static void index_names(struct server *s)
{
	struct page_slot slot;
	struct page_entry e;
	uint64_t directory = __atomic_load_n(&s->page.head->directory, __ATOMIC_ACQUIRE);
	uint32_t used = __atomic_load_n(&s->page.head->used, __ATOMIC_ACQUIRE);
	for (uint32_t i = 0; i < s->slots_n; i++)
		if (s->slots[i] && (i >= used || !page_read(&s->page, i, &slot, &e) ||
		                    !same(s->slots[i], &e)))
			drop(s, s->slots[i]);
	int bad = used > PAGE_CAPACITY || grow(s, used);
	for (uint32_t i = 0; !bad && i < used; i++)
		if (!s->slots[i] && page_read(&s->page, i, &slot, &e))
			bad = add(s, i, &e, slot.log_end);
	if (bad)
		strerr_warnwu1sys("take in all partitions of the page");
	else
		s->directory = directory;
}

void partitions_refresh(struct server *s)
{
	if (s->mapped && __atomic_load_n(&s->page.head->directory, __ATOMIC_ACQUIRE) != s->directory)
		index_names(s);
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

/* A reader lists its directory again when the page says that files have come or gone. */
static int know_layout(struct server *s, struct partition *p, const struct page_slot *slot)
{
	if (p->listed && p->layout == slot->layout)
		return 0;
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
	if (slot->role != PAGE_OFFLINE && know_layout(s, *p, slot))
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
	partitions_refresh(s);
	for (uint32_t i = 0; i < s->slots_n; i++) {
		struct partition *p = s->slots[i];
		if (p && p->segments && page_read(&s->page, i, &slot, 0) && slot.layout != p->layout)
			know_layout(s, p, &slot);
	}
}
