/* ListOffsets (2): log ends and starts, and offsets by time (Kafka's ReplicaManager.fetchOffset,
 * Partition.fetchOffsetForTimestamp, UnifiedLog.fetchOffsetByTimestamp). */
#include "logserve.h"

#include <errno.h>
#include <skalibs/strerr.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log/recode.h"

enum {
	LATEST = -1, EARLIEST = -2, MAX_TIMESTAMP = -3, EARLIEST_LOCAL = -4, LATEST_TIERED = -5,
	CONSUMER = -1, DEBUGGER = -2, NO_EPOCH = -1, EPOCH_VERSION = 4, OFFSET_NOT_AVAILABLE_VERSION = 5,
	BATCH_MAX = 256 << 20,
};

typedef struct list_offsets_request_list_offsets_partition asked;
typedef struct list_offsets_response_list_offsets_partition_response answer;

struct lookup;
struct listing { /* a request; it outlives its turn when batches must be opened */
	struct server *server;
	struct request request;
	struct arena arena;
	struct list_offsets_response out;
	int replica_id;
	bool committed;
	int open;                    /* lookups under way */
	bool started;                /* all partitions were looked at */
	bool is_bad;                 /* no memory: it ends with a closed connection */
};
struct lookup {                      /* the time of a record inside a compressed batch */
	struct recode_job job;
	struct listing *listing;
	answer *a;
	struct span topic;
	int32_t partition;
	int64_t asked;               /* timestamp */
	int64_t base_offset;
};

/* --- one partition ---------------------------------------------------------------------------- */

/* Versions before 4 have no leader epoch, and a field that they lack may not be set. */
static void set(const struct listing *l, answer *a, int64_t offset, int64_t timestamp,
                int32_t epoch)
{
	a->offset = offset;
	a->timestamp = timestamp;
	if (l->request.version >= EPOCH_VERSION)
		a->leader_epoch = epoch;
}

static int resolve(struct listing *l, struct span topic, int32_t partition, struct partition **p,
                   struct page_slot *slot)
{
	struct meta_topic *t = meta_topic_named(meta_follow_image(l->server->follow), topic);
	if (!t || !meta_partition(t, partition))
		return WIRE_UNKNOWN_TOPIC_OR_PARTITION;
	l->server->user++;
	int error = partition_find(l->server, topic, partition, &t->id, p, slot);
	if (!error && partition_is_stale(l->server, t, partition, slot))
		return WIRE_NOT_LEADER_OR_FOLLOWER;
	return error == WIRE_INCONSISTENT_TOPIC_ID ? WIRE_NOT_LEADER_OR_FOLLOWER : error;
}

static int64_t visible_end(const struct listing *l, const struct page_slot *slot)
{
	return l->replica_id != CONSUMER ? slot->log_end
	     : l->committed ? slot->last_stable : slot->high_watermark;
}

static int not_available(const struct listing *l)
{
	return l->request.version >= OFFSET_NOT_AVAILABLE_VERSION ? WIRE_OFFSET_NOT_AVAILABLE
	                                                          : WIRE_LEADER_NOT_AVAILABLE;
}

/* 1 found, 0 none, -1: as log_reader_by_time and log_reader_max_time. */
static int search(struct partition *p, int64_t when, const struct page_slot *slot, int64_t end,
                  int64_t *offset, int64_t *timestamp, bool *compressed, struct log_range *range)
{
	if (end <= slot->log_start)
		return 0;
	if (when == MAX_TIMESTAMP)
		return log_reader_max_time(p->reader, slot->log_start, end, offset, timestamp, compressed, range);
	return log_reader_by_time(p->reader, when, slot->log_start, end, offset, timestamp,
	                          compressed, range);
}

/* Reads the batch again, since its file may have gone meanwhile, and asks for the record in it. */
static int prepare(struct recode_job *j, struct buf *out)
{
	struct lookup *k = (struct lookup *)j;
	struct partition *p;
	struct page_slot slot;
	struct log_range range;
	int64_t offset, timestamp;
	bool compressed;
	partitions_refresh(k->listing->server);
	if (resolve(k->listing, k->topic, k->partition, &p, &slot) ||
	    search(p, k->asked, &slot, visible_end(k->listing, &slot), &offset, &timestamp,
	           &compressed, &range) <= 0 ||
	    !compressed || offset != k->base_offset || range.bytes > BATCH_MAX)
		return -1;
	char *batch = malloc((size_t)range.bytes);
	struct batch head;
	int bad = -1;
	if (batch && pread(range.fd, batch, (size_t)range.bytes, range.position) == range.bytes &&
	    !batch_parse(&head, batch, (size_t)range.bytes)) {
		struct recode_request q = {
			.kind = RECODE_TIME, .codec = RECODE_AS_IT_CAME, .most_bytes = RECODE_MOST,
			.timestamp = k->asked == MAX_TIMESTAMP ? head.max_timestamp : k->asked,
			.offset = slot.log_start, .batch = batch, .batch_n = (size_t)range.bytes,
		};
		bad = recode_put_request(out, &q);
	}
	free(batch);
	return bad;
}

static void finish(struct listing *l)
{
	if (l->open || !l->started)
		return;
	if (l->is_bad)
		request_close(&l->request);
	else
		request_answer(&l->request, &wire_list_offsets_response, &l->out);
	arena_free(&l->arena);
	free(l);
}

static void on_time(struct recode_job *j, bool found, int64_t offset, int64_t timestamp)
{
	struct lookup *k = (struct lookup *)j;
	struct listing *l = k->listing;
	if (found)
		set(l, k->a, offset, timestamp, k->a->leader_epoch);
	l->open--;
	finish(l);
}

static int open_batch(struct listing *l, struct span topic, const asked *q, answer *a)
{
	struct lookup *k = arena_get(&l->arena, sizeof *k);
	if (!k)
		return -1;
	*k = (struct lookup){
		.job = {.prepare = prepare, .done = on_time}, .listing = l, .a = a, .topic = topic,
		.partition = q->partition_index, .asked = q->timestamp, .base_offset = a->offset,
	};
	l->open++;
	recode_ask(l->server->recode, &k->job);
	return 0;
}

static int by_time(struct listing *l, struct span topic, const asked *q, struct partition *p,
                   const struct page_slot *slot, answer *a)
{
	int64_t offset, timestamp;
	bool compressed, lagging = l->replica_id == CONSUMER && slot->epoch_start > slot->high_watermark;
	struct log_range range;
	int got = search(p, q->timestamp, slot, visible_end(l, slot), &offset, &timestamp,
	                 &compressed, &range);
	if (got < 0) {
		int e = errno;
		strerr_warnw3x(p->entry.name, ": ", log_reader_error(p->reader));
		return e == EBADMSG ? WIRE_CORRUPT_MESSAGE : WIRE_KAFKA_STORAGE_ERROR;
	}
	if (!got)
		return lagging ? not_available(l) : WIRE_NONE;
	set(l, a, offset, timestamp, log_reader_epoch_of(p->reader, offset));
	return compressed && open_batch(l, topic, q, a) ? WIRE_UNKNOWN_SERVER_ERROR : WIRE_NONE;
}

static int look_up(struct listing *l, struct span topic, const asked *q, answer *a)
{
	struct partition *p;
	struct page_slot slot;
	int error = resolve(l, topic, q->partition_index, &p, &slot);
	if (!error)
		error = fetch_check(&slot, q->current_leader_epoch, l->replica_id != DEBUGGER);
	if (!error && q->current_leader_epoch < NO_EPOCH)
		error = WIRE_FENCED_LEADER_EPOCH;
	if (error)
		return error;
	switch (q->timestamp) {
	case LATEST:
		if (l->replica_id == CONSUMER && slot.epoch_start > slot.high_watermark)
			return not_available(l);
		set(l, a, visible_end(l, &slot), -1, slot.epoch);
		return WIRE_NONE;
	case EARLIEST:
	case EARLIEST_LOCAL:
		set(l, a, slot.log_start, -1, slot.log_start >= slot.epoch_start ? slot.epoch
		    : log_reader_epoch_of(p->reader, slot.log_start));
		return WIRE_NONE;
	case LATEST_TIERED:
		return WIRE_NONE;        /* nothing is tiered: -1 */
	}
	return by_time(l, topic, q, p, &slot, a);
}

/* --- version 0: a list of segment bases, newest first ----------------------------------------- */

static void old_style(struct listing *l, struct span topic, const asked *q, answer *a)
{
	struct partition *p;
	struct page_slot slot;
	int64_t offset = -1, timestamp, *v = arena_get(&l->arena, 2 * sizeof *v);
	bool compressed;
	struct log_range range;
	int error = v ? resolve(l, topic, q->partition_index, &p, &slot) : WIRE_UNKNOWN_SERVER_ERROR;
	if (!error)
		error = fetch_check(&slot, -1, true);
	a->error_code = (int16_t)error;
	a->old_style_offsets = v;
	if (error || q->max_num_offsets <= 0)
		return;
	if (q->timestamp == LATEST)
		v[a->old_style_offsets_n++] = visible_end(l, &slot);
	else if (q->timestamp >= 0 && search(p, q->timestamp, &slot, visible_end(l, &slot), &offset,
	                                     &timestamp, &compressed, &range) > 0)
		v[a->old_style_offsets_n++] = offset;
	if (a->old_style_offsets_n < q->max_num_offsets && q->timestamp != EARLIEST && q->timestamp < 0 &&
	    v[0] != slot.log_start)
		v[a->old_style_offsets_n++] = slot.log_start;
	if (q->timestamp == EARLIEST)
		v[a->old_style_offsets_n++] = slot.log_start;
}

/* --- the request -------------------------------------------------------------------------------
 */

static bool supported(int64_t timestamp, int version)
{
	static const int since[] = {[-LATEST] = 0, [-EARLIEST] = 0, [-MAX_TIMESTAMP] = 7,
	                            [-EARLIEST_LOCAL] = 8, [-LATEST_TIERED] = 9};
	return timestamp >= 0 || (timestamp >= LATEST_TIERED && version >= since[-timestamp]);
}

/* Counts how often each partition is named. The map's keys and values are in the arena. */
static int count(struct listing *l, const struct list_offsets_request *in, struct map *times)
{
	for (int i = 0; i < in->topics_n; i++) {
		struct span topic = in->topics[i].name;
		for (int k = 0; k < in->topics[i].partitions_n; k++) {
			size_t n = (size_t)topic.n + 4;
			char *key = arena_get(&l->arena, n + 1), *seen;
			if (!key)
				return -1;
			memcpy(key, topic.p, (size_t)topic.n);
			put32(key + topic.n, (uint32_t)in->topics[i].partitions[k].partition_index);
			seen = map_get(times, key, n);
			if (seen)
				*seen = 2;
			else if (key[n] = 1, map_put(times, key, n, key + n))
				return -1;
		}
	}
	return 0;
}

static bool is_twice(const struct map *times, struct span topic, int32_t partition)
{
	static char key[INT16_MAX + 4];
	memcpy(key, topic.p, (size_t)topic.n);
	put32(key + topic.n, (uint32_t)partition);
	const char *seen = map_get(times, key, (size_t)topic.n + 4);
	return seen && *seen > 1;
}

static void fill_partition(struct listing *l, const struct map *times, struct span topic,
                           const asked *q, answer *a)
{
	wire_init(&wire_list_offsets_response_list_offsets_partition_response, a);
	a->partition_index = q->partition_index;
	if (is_twice(times, topic, q->partition_index))
		a->error_code = WIRE_INVALID_REQUEST;
	else if (!supported(q->timestamp, l->request.version))
		a->error_code = WIRE_UNSUPPORTED_VERSION;
	else if (l->request.version == 0)
		old_style(l, topic, q, a);
	else
		a->error_code = (int16_t)look_up(l, topic, q, a);
}

static int fill(struct listing *l, const struct list_offsets_request *in, const struct map *times)
{
	l->out.topics = arena_get(&l->arena, (size_t)(in->topics_n + 1) * sizeof *l->out.topics);
	for (int i = 0; l->out.topics && i < in->topics_n; i++) {
		struct list_offsets_response_list_offsets_topic_response *t = &l->out.topics[i];
		int n = in->topics[i].partitions_n;
		wire_init(&wire_list_offsets_response_list_offsets_topic_response, t);
		t->name.p = arena_copy(&l->arena, in->topics[i].name.p, (size_t)in->topics[i].name.n);
		t->name.n = in->topics[i].name.n;
		t->partitions = arena_get(&l->arena, (size_t)(n + 1) * sizeof *t->partitions);
		if (!t->name.p || !t->partitions)
			return -1;
		t->partitions_n = n;
		l->out.topics_n++;
		for (int k = 0; k < n; k++)
			fill_partition(l, times, t->name, &in->topics[i].partitions[k], &t->partitions[k]);
	}
	return l->out.topics ? 0 : -1;
}

void list_offsets(struct request *r)
{
	struct list_offsets_request in;
	struct map times = {0};
	if (request_body(r, &wire_list_offsets_request, &in))
		return;
	struct listing *l = calloc(1, sizeof *l);
	if (!l) {
		request_close(r);
		return;
	}
	l->server = r->server;
	l->request = *r;
	l->arena.limit = r->server->arena.limit;
	l->replica_id = in.replica_id;
	l->committed = in.isolation_level == 1;
	wire_init(&wire_list_offsets_response, &l->out);
	if (count(l, &in, &times) || fill(l, &in, &times))
		l->is_bad = true;
	map_free(&times);
	l->started = true;
	finish(l);
}
