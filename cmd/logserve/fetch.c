/* Fetch (1) from consumers (Kafka's KafkaApis.handleFetchRequest, ReplicaManager.fetchMessages). */
#include "logserve.h"

#include <errno.h>
#include <skalibs/strerr.h>
#include <stdlib.h>
#include <string.h>

enum {
	RANGES_MAX = 2000, FOLLOWERS_VERSION = 11,
	COLD_TRIES = 64,             /* after so many it waits for the disk */
};

/* What the metadata says of the topic. Without it no partition is served: a name or an id means
 * nothing by itself. */
static int resolve(struct fetch *f, struct result *r)
{
	struct meta_image *m = meta_follow_image(f->server->follow);
	struct meta_topic *t = f->set->by_id ? meta_topic_with_id(m, &r->part->topic_id)
	                                     : meta_topic_named(m, r->part->topic);
	r->topic = r->part->topic;
	r->topic_id = r->part->topic_id;
	if (!t)
		return f->set->by_id ? WIRE_UNKNOWN_TOPIC_ID : WIRE_UNKNOWN_TOPIC_OR_PARTITION;
	r->topic = span_of(t->name);
	if (!meta_partition(t, r->part->partition))
		return WIRE_UNKNOWN_TOPIC_OR_PARTITION;
	int error = partition_find(f->server, r->topic, r->part->partition, &t->id, &r->partition,
	                           &r->slot);
	/* another topic of this name is here still: ask again later, unless the id was asked for */
	if (error == WIRE_INCONSISTENT_TOPIC_ID && !f->set->by_id)
		return WIRE_NOT_LEADER_OR_FOLLOWER;
	if (!error && partition_is_stale(f->server, t, r->part->partition, &r->slot))
		return WIRE_NOT_LEADER_OR_FOLLOWER;
	return error;
}

static void fail(struct result *r, int error)
{
	r->found = (struct fetch_found){
		.error = error, .high_watermark = -1, .last_stable = -1, .log_start = -1,
		.diverging_epoch = -1, .diverging_end = -1, .range.fd = -1,
	};
}

static void say_note(struct log_reader *r)
{
	char *note = log_reader_note(r);
	if (note)
		strerr_warnw1x(note);
	free(note);
}

/* What is cold is left out: r->cold says what has to be read first. */
static void read_warm(struct fetch *f, struct result *r, const struct fetch_ask *a,
                      int64_t max_bytes, bool min_one)
{
	struct log_range *range = &r->found.range;
	bool patient = f->cold_tries >= COLD_TRIES;
	cold_refuse(!patient);
	fetch_read(r->partition->reader, &r->slot, a, max_bytes, min_one, &r->found);
	if (patient)
		return;
	if (!cold_missed(&r->cold)) {
		r->cold = (struct cold_miss){range->fd, range->position, range->bytes};
		if (!range->bytes || cold_is_here(range->fd, range->position, range->bytes))
			r->cold.n = 0;
	}
	cold_refuse(false);
	if (r->cold.n)
		fetch_read(r->partition->reader, &r->slot, a, 0, false, &r->found);
}

/* Nothing is read: the consumer goes there at once. */
static void send_away(const struct fetch_ask *a, struct result *r)
{
	int error = fetch_check(&r->slot, a->current_leader_epoch, false);
	fail(r, error);
	if (error) {
		r->nearest = -1;
		return;
	}
	r->found.high_watermark = r->slot.high_watermark;
	r->found.last_stable = r->slot.last_stable;
	r->found.log_start = r->slot.log_start;
}

static void read_part(struct fetch *f, struct result *r, int64_t max_bytes, bool min_one)
{
	struct fetch_ask a = {
		.offset = r->part->offset, .current_leader_epoch = r->part->current_leader_epoch,
		.last_fetched_epoch = r->part->last_fetched_epoch, .max_bytes = r->part->max_bytes,
		.committed = f->committed, .leader_only = f->request.version < FOLLOWERS_VERSION,
	};
	int error = resolve(f, r);
	r->aborted_n = r->nearest = -1;
	r->cold.n = 0;
	if (error) {
		/* what is not known has none; what cannot be read has no list of them */
		if (error == WIRE_UNKNOWN_TOPIC_OR_PARTITION || error == WIRE_UNKNOWN_TOPIC_ID)
			r->aborted_n = 0;
		fail(r, error);
		return;
	}
	r->nearest = nearest_replica(f, r);
	if (r->nearest >= 0) {
		send_away(&a, r);
		return;
	}
	read_warm(f, r, &a, max_bytes, min_one);
	if (r->cold.n)
		return;
	if (r->found.error == WIRE_CORRUPT_MESSAGE || r->found.error == WIRE_KAFKA_STORAGE_ERROR)
		strerr_warnw3x(r->partition->entry.name, ": ",
		               r->slot.role == PAGE_OFFLINE ? "offline" : log_reader_error(r->partition->reader));
	say_note(r->partition->reader);
}

static bool finished(struct fetch *f, struct result *v, int n, int64_t bytes)
{
	if (bytes >= f->min_bytes)
		return true;
	for (int i = 0; i < n; i++)
		if (v[i].found.error || v[i].found.diverging_epoch >= 0 || v[i].nearest >= 0 ||
		    (v[i].found.range.bytes && fetch_more_files(v[i].partition->reader, &v[i].found)))
			return true;
	return false;
}

static bool list_aborted(struct fetch *f, struct result *r)
{
	struct log_reader *l = r->partition->reader;
	r->aborted_n = 0;
	if (!r->found.range.bytes)
		return true;
	int64_t to = fetch_range_end(&r->found);
	int n = log_reader_aborted(l, r->part->offset, to, 0, 0);
	if (n > 0) {
		r->aborted = arena_get(&f->server->arena, (size_t)n * sizeof *r->aborted);
		if (!r->aborted)
			return false;
		int again = log_reader_aborted(l, r->part->offset, to, r->aborted, n);
		n = again < n ? again : n;
	}
	if (n < 0)
		fail(r, WIRE_KAFKA_STORAGE_ERROR);
	r->aborted_n = n;
	return true;
}

static bool any_cold(const struct result *v, int n)
{
	for (int i = 0; i < n; i++)
		if (v[i].cold.n)
			return true;
	return false;
}

/* When nobody can be asked, the next try waits for the disk. */
static void warm_up(struct fetch *f, const struct result *v, int n)
{
	if (f->warming)
		return;
	f->cold_tries++;
	for (int i = 0; i < n; i++) {
		if (!v[i].cold.n)
			continue;
		if (warm_ask(f->server->warm, &v[i].cold, f->key)) {
			f->warming++;
			continue;
		}
		f->cold_tries = COLD_TRIES;
		if (f->is_waiting)
			sleep_rouse(f);
	}
}

void fetch_warmed(struct server *s, const uint8_t key[12], int32_t error)
{
	struct fetch *f = sleep_find(s, key);
	if (!f || !f->warming)
		return;
	f->warming--;
	if (error)
		f->cold_tries = COLD_TRIES;    /* it shall meet the error */
	sleep_rouse(f);
}

/* Reads every partition once, and answers when there is enough. now: answer in any case. */
bool fetch_try(struct fetch *f, bool now)
{
	struct server *s = f->server;
	int n = (int)f->set->parts.n, i = 0, ranges = 0;
	int64_t left = f->max_bytes, bytes = 0;
	int ranges_max = s->files_max / 8 < RANGES_MAX ? s->files_max / 8 : RANGES_MAX;
	struct result *v = arena_get(&s->arena, (size_t)(n + 1) * sizeof *v);
	s->user++;
	if (!v) {
		request_close(&f->request);
		return true;
	}
	for (struct fetch_part *p = f->set->first; p; p = p->next, i++) {
		v[i].part = p;
		read_part(f, &v[i], ranges < ranges_max ? left : 0, !ranges);
		int64_t got = v[i].found.range.bytes;
		ranges += got > 0;
		bytes += got;
		left = left > got ? left - got : 0;
	}
	bool cold = any_cold(v, n);
	if ((!now || (cold && !bytes)) && n && !finished(f, v, n, bytes)) {
		struct fetch *waits = f->is_waiting ? f : sleep_begin(f, v, n);
		if (!waits)
			request_close(&f->request);
		else if (cold)
			warm_up(waits, v, n);
		return !waits;
	}
	if (cold)
		warm_up(f, v, n);
	for (i = 0; f->committed && i < n; i++)
		if (!v[i].found.error && v[i].found.diverging_epoch < 0 && !list_aborted(f, &v[i])) {
			request_close(&f->request);
			return true;
		}
	fetch_answer(f, v, n);
	return true;
}

static int64_t fetch_max_bytes(const struct request *r)
{
	struct server *s = r->server;
	if (!meta_config(r->image, s->node.id, 0, "fetch.max.bytes", 0))
		return 57671680;
	return meta_config_int(r->image, s->node.id, 0, "fetch.max.bytes");
}

void fetch_request(struct request *r)
{
	struct server *s = r->server;
	struct fetch_request in;
	struct fetch f = {.server = s, .request = *r};
	if (request_body(r, &wire_fetch_request, &in))
		return;
	if (in.replica_id >= 0 || in.replica_state.replica_id >= 0) {
		request_close(r);        /* replicas are answered by logappend */
		return;
	}
	int error = fetch_begin(s->sessions, &in, r->version, port_now_ms(), &f.set, &f.kind);
	if (error) {
		if (error > 0)
			fetch_error(r, error, 0);
		else
			request_close(r);
		return;
	}
	int64_t most = fetch_max_bytes(r);
	f.request_epoch = in.session_epoch;
	f.committed = in.isolation_level == 1;
	f.max_bytes = in.max_bytes < most ? in.max_bytes : most;
	f.min_bytes = in.min_bytes < f.max_bytes ? in.min_bytes : (int32_t)f.max_bytes;
	f.deadline_ms = port_now_ms() + in.max_wait_ms;
	f.rack = in.rack_id.n > 0 && nearest_wanted(s) ? in.rack_id : SPAN_NULL;
	if (fetch_try(&f, in.max_wait_ms <= 0))
		fetch_set_drop(f.set);
}
