/* Following the metadata: which partitions are here, who leads them, what configs they have. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "base/atomicfile.h"
#include "daemon.h"
#include "wire/api.h"
#include "wire/codes.h"

enum {                          /* record types, Kafka's metadata records */
	REGISTER_BROKER_RECORD = 0,
	UNREGISTER_BROKER_RECORD = 1,
	PARTITION_RECORD = 3,
	CONFIG_RECORD = 4,
	PARTITION_CHANGE_RECORD = 5,
	FENCE_BROKER_RECORD = 7,
	UNFENCE_BROKER_RECORD = 8,
	REMOVE_TOPIC_RECORD = 9,
	BROKER_REGISTRATION_CHANGE_RECORD = 17,
};

static bool caught_up;

/* --- configs ---------------------------------------------------------------------------------- */

static int64_t number(const struct meta_topic *t, const char *name)
{
	return meta_config_int(node.image, node.me.id, t, name);
}

static const char *word(const struct meta_topic *t, const char *name)
{
	const char *z = meta_config(node.image, node.me.id, t, name, NULL);
	return z ? z : "";
}

static int codec(const char *z)
{
	static const char *const names[] = {"uncompressed", "gzip", "snappy", "lz4", "zstd"};
	for (int i = 0; i < 5; i++)
		if (!strcmp(z, names[i]))
			return i;
	return -1;
}

void partition_configure(struct partition *p)
{
	const struct meta_topic *t = meta_topic_with_id(node.image, &p->key.topic_id);
	struct log_config *c = &p->config;
	if (!t)
		return;
	p->rules = (struct log_rules){
		.max_message_bytes = (int32_t)number(t, "max.message.bytes"),
		.compact = strstr(word(t, "cleanup.policy"), "compact"),
		.log_append_time = !strcmp(word(t, "message.timestamp.type"), "LogAppendTime"),
		.before_max_ms = number(t, "message.timestamp.before.max.ms"),
		.after_max_ms = number(t, "message.timestamp.after.max.ms"),
		.codec = codec(word(t, "compression.type")),
	};
	p->plain_delete = strstr(word(t, "cleanup.policy"), "delete");
	p->delete_delay_ms = number(t, "file.delete.delay.ms");
	p->step.min_insync = (int)number(t, "min.insync.replicas");
	p->throttled = throttle_lists(word(t, "leader.replication.throttled.replicas"),
	                              p->key.index, node.me.id);
	p->step.lag_ms = number(NULL, "replica.lag.time.max.ms");
	c->compacted = p->rules.compact;
	c->segment_bytes = number(t, "segment.bytes");
	c->segment_ms = number(t, "segment.ms");
	c->segment_jitter_ms = number(t, "segment.jitter.ms");
	c->index_interval_bytes = (int32_t)number(t, "index.interval.bytes");
	c->segment_index_bytes = (int32_t)number(t, "segment.index.bytes");
	c->producer_expiration_ms = number(NULL, "producer.id.expiration.ms");
	if (p->log)
		log_configure(p->log, c);
}

/* --- brokers ---------------------------------------------------------------------------------- */

/* Who may be in sync is asked of these with every fetch of a replica. */
static void note_brokers(struct meta_image *image)
{
	struct replica_brokers *to = &node.brokers;
	size_t at = 0;
	struct replica_broker *v = realloc(to->v, (image->brokers.n + 1) * sizeof *v);
	if (!v)
		abort();    /* with an old list a broker that is gone could be taken for in sync */
	*to = (struct replica_brokers){v, 0};
	for (const struct meta_broker *b; (b = map_next(&image->brokers, &at));)
		v[to->n++] = (struct replica_broker){
			b->id, b->epoch, b->fenced, b->in_controlled_shutdown};
}

/* --- partitions ------------------------------------------------------------------------------- */

static bool is_here(const struct meta_partition *m)
{
	for (int32_t i = 0; i < m->replicas_n; i++)
		if (m->replicas[i] == node.me.id)
			return true;
	return false;
}

static void settle(const struct meta_topic *t, const struct meta_partition *m)
{
	struct partition *p = partition_known(&t->id, m->id);
	if (!is_here(m)) {
		if (p)
			partition_delete(p, WIRE_NOT_LEADER_OR_FOLLOWER);
		return;
	}
	if (!p)
		p = partition_open(t, m->id);
	if (p)
		partition_role(p, m);
}

static void settle_one(struct meta_image *image, const struct uuid *topic_id, int32_t index)
{
	const struct meta_topic *t = meta_topic_with_id(image, topic_id);
	const struct meta_partition *m = t ? meta_partition(t, index) : NULL;
	if (m)
		settle(t, m);
}

/* Those for which the image has no topic, some at a time: a map that is walked is not changed. */
static void delete_orphans(struct meta_image *image)
{
	struct partition *some[256];
	int n;
	do {
		size_t at = 0;
		n = 0;
		for (struct partition *p; n < 256 && (p = map_next(&node.partitions, &at));)
			if (!meta_topic_with_id(image, &p->key.topic_id))
				some[n++] = p;
		for (int i = 0; i < n; i++)
			partition_delete(some[i], WIRE_UNKNOWN_TOPIC_OR_PARTITION);
	} while (n == 256);
}

static void settle_all(struct meta_image *image)
{
	size_t at = 0;
	delete_orphans(image);
	for (struct meta_topic *t; (t = map_next(&image->topics_by_id, &at));)
		for (int32_t i = 0; i < t->partitions_n; i++)
			settle(t, &t->partitions[i]);
}

static void configure_node(void)
{
	node.session_ms = number(NULL, "broker.session.timeout.ms");
	throttle_rate(number(NULL, "leader.replication.throttled.rate"));
}

static void configure_all(void)
{
	size_t at = 0;
	configure_node();
	for (struct partition *p; (p = map_next(&node.partitions, &at));)
		partition_configure(p);
}

static void configure_topic(struct meta_image *image, struct span name)
{
	const struct meta_topic *t = meta_topic_named(image, name);
	for (int32_t i = 0; t && i < t->partitions_n; i++) {
		struct partition *p = partition_known(&t->id, t->partitions[i].id);
		if (p)
			partition_configure(p);
	}
}

static void on_record(void *ctx, struct meta_image *image, int type, const void *record)
{
	if (!node.serving)
		return;
	switch (type) {
	case PARTITION_RECORD: {
		const struct partition_record *r = record;
		settle_one(image, &r->topic_id, r->partition_id);
		break;
	}
	case PARTITION_CHANGE_RECORD: {
		const struct partition_change_record *r = record;
		settle_one(image, &r->topic_id, r->partition_id);
		break;
	}
	case REMOVE_TOPIC_RECORD:
		delete_orphans(image);
		break;
	case CONFIG_RECORD: {
		const struct config_record *r = record;
		if (r->resource_type == META_TOPIC)
			configure_topic(image, r->resource_name);
		else if (r->resource_type == META_BROKER)
			configure_all();
		break;
	}
	case REGISTER_BROKER_RECORD: case UNREGISTER_BROKER_RECORD:
	case FENCE_BROKER_RECORD: case UNFENCE_BROKER_RECORD:
	case BROKER_REGISTRATION_CHANGE_RECORD:
		note_brokers(image);
	}
}

static void on_reset(void *ctx, struct meta_image *image)
{
	if (!node.serving)
		return;
	note_brokers(image);
	settle_all(image);
	configure_all();
}

/* Slots of an earlier run whose partition is gone. */
static void free_slots(void)
{
	struct page_slot s;
	struct page_entry e;
	for (uint32_t i = 0; i < node.page.head->used; i++)
		if (page_read(&node.page, i, &s, &e) && !partition_known(&e.topic_id, e.partition))
			page_free(&node.page, i);
}

/* Is this life of the node registered? Metadata from before may say that it leads in an epoch in
 * which it has lost what it led: to go on there would give other records the same place. A restart
 * of programs alone is no new life. Where elect keeps no run/incarnation, nobody can tell. */
static bool is_registered(const struct meta_image *image)
{
	const struct meta_broker *b = meta_broker(image, node.me.id);
	struct uuid life;
	char *text;
	size_t n;
	if (atomicfile_read(AT_FDCWD, "run/incarnation", 256, &text, &n) < 0)
		return true;
	bool good = uuid_parse(&life, (struct span){text, (int32_t)strcspn(text, "\n")}) == 0;
	free(text);
	return !good || (b && uuid_same(&b->incarnation, &life));
}

/* The directory as it was left is compared with the metadata once, before anybody is served. */
static void serve_when_registered(struct meta_image *image)
{
	if (node.serving || !caught_up || !is_registered(image))
		return;
	/* Metadata that does not know this node yet has nothing to say about its directories. */
	if (meta_broker(image, node.me.id))
		strays_put_away();
	deleted_find();
	configure_node();
	note_brokers(image);
	settle_all(image);
	free_slots();
	page_applied(&node.page, image->offset);
	serve();
}

static void on_batch(void *ctx, struct meta_image *image)
{
	page_applied(&node.page, image->offset);
	serve_when_registered(image);
}

static void on_caught_up(void *ctx, struct meta_image *image)
{
	caught_up = true;
	serve_when_registered(image);
}

static void on_broken(void *ctx, const char *why)
{
	strerr_dief(111, "unable to follow the metadata: ", why);
}

void metadata_start(void)
{
	static const struct meta_follow_ops ops = {
		.record = on_record, .batch = on_batch, .reset = on_reset,
		.caught_up = on_caught_up, .broken = on_broken,
	};
	node.follow = meta_follow_new(node.loop, "run/elect", "logappend", &ops, NULL);
	if (!node.follow)
		strerr_diefusys(111, "follow run/elect");
	node.image = meta_follow_image(node.follow);
}
