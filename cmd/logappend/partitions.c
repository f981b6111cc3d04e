/* The partitions of this log directory: opened, led or followed, published, closed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon.h"
#include "wire/codes.h"

struct partition *partition_known(const struct uuid *topic_id, int32_t index)
{
	__typeof__(((struct partition *)0)->key) key = {*topic_id, index};
	return map_get(&node.partitions, &key, sizeof key);
}

struct partition *partition_get(const struct uuid *topic_id, int32_t index)
{
	struct partition *p = partition_known(topic_id, index);
	if (p && p->unmade)
		partition_make(p);
	return p;
}

void partition_touch(struct partition *p)
{
	if (p->touched)
		return;
	p->touched = true;
	p->next_touched = node.touched;
	node.touched = p;
}

/* --- opening ---------------------------------------------------------------------------------- */

static struct partition *new_partition(const struct meta_topic *t, int32_t index)
{
	struct partition *p = calloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->key.topic_id = t->id;
	p->key.index = index;
	p->recoding_end = &p->recoding;
	p->gathered_end = &p->gathered;
	log_config_default(&p->config);
	replica_init(&p->step, node.me.id);
	p->step.brokers = &node.brokers;
	p->leading = p->led_before = -1;
	p->topic = strdup(t->name);
	if (p->topic && asprintf(&p->name, "%s-%d", t->name, index) >= 0)
		return p;
	free(p->topic);
	free(p);
	return NULL;
}

static void free_partition(struct partition *p)
{
	files_forget(p);
	if (p->reader)
		log_reader_free(p->reader);
	replica_free(&p->step);
	free(p->name);
	free(p->topic);
	free(p);
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* What is known from before: the checkpoints, and the page when this machine has not been
 * restarted. Only the first loading asks them: a topic that is made later is a new one whatever
 * its name. */
static struct log *open_log(struct partition *p, const struct page_slot *before)
{
	struct log_opening o = {.topic_id = p->key.topic_id, .now_ms = wall_ms()};
	bool exists = faccessat(node.dirfd, p->name, F_OK, 0) == 0 && !stray_check(p);
	if (!node.serving && exists) {
		o.clean = node.clean;
		o.drop_cache = node.drop_cache;
		o.recovery_point = checkpoint_get(&node.recovery_points, p->name, 0);
		/* One short of it: a roll right there may not be there whole. */
		if (before->flushed > 0 && !node.drop_cache)
			o.written = before->flushed - 1;
		if (!node.flush_os)
			o.recovery_point = larger(o.recovery_point, o.written);
		o.log_start = checkpoint_get(&node.log_starts, p->name, 0);
		o.log_start = larger(o.log_start, before->log_start);
	}
	return log_open(node.dirfd, p->name, &p->config, &o);
}

static void settle_offsets(struct partition *p, const struct page_slot *before)
{
	int64_t hw = 0, end = log_end(p->log);
	if (!node.serving)
		hw = checkpoint_get(&node.high_watermarks, p->name, 0);
	hw = larger(hw, before->high_watermark);
	if (!node.serving && checkpoint_get(&node.recovery_points, p->name, 0) > end)
		say(p->name, ": its files end before what was on disk: records are lost", NULL);
	if (before->high_watermark > end) {
		say(p->name, ": its files end before what was committed: records are lost", NULL);
		page_free(&node.page, p->slot);
		p->slot = (uint32_t)page_slot_for(&node.page, &p->key.topic_id, p->key.index,
		                                  p->name);
	}
	replica_opened(&p->step, log_start(p->log), end, hw);
}

static void open_now(struct partition *p, const struct page_slot *before)
{
	do
		p->log = open_log(p, before);
	while (!p->log && make_room());
	if (p->log) {
		p->opened_end = log_end(p->log);
		files_note(p);
		if (*log_notes(p->log))
			say(log_notes(p->log), NULL, NULL);
		settle_offsets(p, before);
	} else {
		say(p->name, ": offline: ", log_open_error());
		replica_opened(&p->step, before->log_start, before->log_end, before->high_watermark);
	}
	partition_touch(p);
}

struct partition *partition_open(const struct meta_topic *t, int32_t index)
{
	struct page_slot before = {0};
	struct partition *p = new_partition(t, index);
	int slot = p ? page_slot_for(&node.page, &t->id, index, p->name) : -1;
	if (slot < 0 || map_put(&node.partitions, &p->key, sizeof p->key, p) < 0) {
		say(t->name, ": no place for its partition: ", strerror(errno));
		if (p)
			free_partition(p);
		return NULL;
	}
	p->slot = (uint32_t)slot;
	page_read(&node.page, p->slot, &before, NULL);
	p->layout_base = before.layout + 1;
	if (before.role == PAGE_LEADER || (before.role == PAGE_OFFLINE && before.epoch > 0))
		p->led_before = before.epoch;
	partition_configure(p);
	if (node.serving && faccessat(node.dirfd, p->name, F_OK, 0) < 0 && errno == ENOENT)
		partition_make_later(p);
	else
		open_now(p, &before);
	return p;
}

/* --- publishing ------------------------------------------------------------------------------- */

void partition_written(struct partition *p)
{
	int64_t end = log_end(p->log);
	replica_appended(&p->step, end);
	if (node.flush_os)
		replica_flushed(&p->step, end);
	/* Under odradek.flush=os a full segment is synced, so that recovery does not read it
	 * again. */
	if (!node.flush_os || p->layout != p->layout_base + log_layout(p->log))
		flush_dirty(p);
	files_note(p);
	partition_touch(p);
}

static void tick(void *arg)
{
	struct partition *p = arg;
	replica_tick(&p->step, port_now_ms());
	partition_touch(p);
	partition_watch(p);
}

void partition_watch(struct partition *p)
{
	int64_t at = replica_next_tick(&p->step);
	if (at == INT64_MAX || (p->timer.node.place && p->timer.node.at <= at))
		return;
	p->timer.fn = tick;
	p->timer.arg = p;
	if (port_timer_set(node.loop, &p->timer, at) < 0)
		abort();    /* what is parked would have no deadline */
}

static void look_at_isr(void *arg)
{
	struct partition *p = arg;
	replica_isr_check(&p->step, port_now_ms());
	partition_touch(p);
}

static void watch_isr(struct partition *p)
{
	if (!p->step.members_n || p->isr_timer.node.place)
		return;
	int64_t at = replica_isr_next_check(&p->step, port_now_ms());
	if (at == INT64_MAX)
		return;
	p->isr_timer.fn = look_at_isr;
	p->isr_timer.arg = p;
	if (port_timer_set(node.loop, &p->isr_timer, at) < 0)
		abort();    /* a replica that is gone would hold the others up for ever */
}

static void publish_files(const struct partition *p)
{
	struct page_files f = {
		.opened = p->opened_end, .before = log_last_base(p->log, 1),
		.active = log_last_base(p->log, 0), .shaped = p->layout_base + log_shaped(p->log),
	};
	page_shape(&node.page, p->slot, &f);
}

static void publish(struct partition *p)
{
	struct page_slot s;
	uint32_t layout = p->layout;
	int32_t last_epoch = p->log ? log_last_epoch(p->log) : -1;
	if (p->log) {
		if (log_mark(p->log) < 0)
			say(p->name, ": ", log_error(p->log));
		replica_stable(&p->step, log_stable_end(p->log, p->step.high_watermark));
		layout = p->layout_base + log_layout(p->log);
	}
	if (!p->step.changed && layout == p->layout && last_epoch == p->last_epoch)
		return;
	if (p->log && layout != p->layout)
		publish_files(p);
	replica_slot(&p->step, &s);
	s.layout = p->layout = layout;
	page_write_with(&node.page, p->slot, &s, p->last_epoch = last_epoch);
	p->step.changed = false;
	wake_note(p->slot);
	feeds_published(p);
	checkpoints_note();
}

static void finish(struct partition *p)
{
	for (struct replica_wait *w; (w = replica_done(&p->step));) {
		struct parked *k = (struct parked *)w;
		k->done(k);
	}
}

void partitions_publish(void)
{
	for (struct partition *p; (p = node.touched);) {
		node.touched = p->next_touched;
		p->touched = false;
		publish(p);
		finish(p);
		insync_note(p);
		watch_isr(p);
	}
}

/* --- closing ---------------------------------------------------------------------------------- */

static void fail_parked(struct partition *p, int error)
{
	produce_abandon(p, error);
	replica_offline(&p->step, error);
	finish(p);
}

void partition_offline(struct partition *p, const char *why)
{
	say(p->name, ": offline: ", why);
	flush_forget(p);
	p->leading = -1;
	fail_parked(p, WIRE_KAFKA_STORAGE_ERROR);
	files_forget(p);
	log_close(p->log);
	p->log = NULL;
	partition_touch(p);
}

void partition_delete(struct partition *p, int error)
{
	char renamed[PAGE_NAME * 2];
	flush_forget(p);
	insync_forget(p);
	feeds_leave(p);
	fail_parked(p, error);
	if (p->unmade) {
		partition_make_never(p);
	} else if (p->log && log_delete(p->log, renamed, sizeof renamed) == 0) {
		flush_directory();
		deleted_later(renamed, p->delete_delay_ms);
	} else {
		say(p->name, ": cannot rename its directory: ", strerror(errno));
	}
	for (struct partition **at = &node.touched; *at; at = &(*at)->next_touched) {
		if (*at != p)
			continue;
		*at = p->next_touched;
		break;
	}
	port_timer_stop(node.loop, &p->timer);
	port_timer_stop(node.loop, &p->isr_timer);
	page_free(&node.page, p->slot);
	wake_note(p->slot);
	map_del(&node.partitions, &p->key, sizeof p->key);
	free_partition(p);
}

void partition_leave(struct partition *p)
{
	flush_forget(p);
	fail_parked(p, WIRE_NOT_LEADER_OR_FOLLOWER);
	partition_touch(p);
}

int partition_finish(struct partition *p)
{
	if (!p->log)
		return 0;
	int r = log_finish(p->log);
	if (r < 0)
		say(p->name, ": cannot close: ", log_error(p->log));
	return r;
}
