/* The daemon: follows the metadata and the page; its loop. */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <skalibs/selfpipe.h>
#include <skalibs/strerr.h>

#include "replicate.h"
#include "wire/api.h"

enum {                          /* record types, Kafka's metadata records */
	REGISTER_BROKER_RECORD = 0,
	UNREGISTER_BROKER_RECORD = 1,
	PARTITION_RECORD = 3,
	PARTITION_CHANGE_RECORD = 5,
	REMOVE_TOPIC_RECORD = 9,
	BROKER_REGISTRATION_CHANGE_RECORD = 17,
	READY_FD = 3,
};

struct daemon d;
static bool ready_wanted, stop;

/* --- metadata --------------------------------------------------------------------------------- */

static void awake(const struct uuid *topic_id, int32_t partition)
{
	struct lane *x = lane_of(topic_id, partition);
	if (x)
		lane_awake(x);
}

static void on_record(void *ctx, struct meta_image *image, int type, const void *record)
{
	if (!d.caught_up)
		return;
	switch (type) {
	case PARTITION_RECORD: {
		const struct partition_record *r = record;
		awake(&r->topic_id, r->partition_id);
		break;
	}
	case PARTITION_CHANGE_RECORD: {
		const struct partition_change_record *r = record;
		awake(&r->topic_id, r->partition_id);
		break;
	}
	case REMOVE_TOPIC_RECORD:
		lanes_look_all();
		break;
	case REGISTER_BROKER_RECORD: case UNREGISTER_BROKER_RECORD:
	case BROKER_REGISTRATION_CHANGE_RECORD:
		leaders_moved();
	}
}

static void on_reset(void *ctx, struct meta_image *image)
{
	if (!d.caught_up)
		return;
	leaders_moved();
	lanes_look_all();
}

static int32_t setting(const char *name)
{
	return (int32_t)meta_config_int(d.image, d.me.id, NULL, name);
}

static void ready(void)
{
	static bool said;
	if (said || !d.caught_up || !d.mapped)
		return;
	said = true;
	if (ready_wanted && (write(READY_FD, "\n", 1) != 1 || close(READY_FD) < 0))
		strerr_warnwu1sys("tell that it is ready");
}

static void on_caught_up(void *ctx, struct meta_image *image)
{
	d.caught_up = true;
	d.backoff_ms = setting("replica.fetch.backoff.ms");
	d.wait_ms = setting("replica.fetch.wait.max.ms");
	d.min_bytes = setting("replica.fetch.min.bytes");
	d.max_bytes = setting("replica.fetch.response.max.bytes");
	d.partition_bytes = setting("replica.fetch.max.bytes");
	d.timeout_ms = setting("replica.socket.timeout.ms");
	lanes_look_all();
	ready();
}

static void on_broken(void *ctx, const char *why)
{
	strerr_dief(111, "unable to follow the metadata: ", why);
}

/* --- the page --------------------------------------------------------------------------------- */

static void on_owner_up(void *ctx, int page_fd, uint64_t generation)
{
	if (page_fd < 0)
		strerr_dief(111, "logappend has no page");
	lanes_map(page_fd);
	ready();
}

static void on_owner_message(void *ctx, const struct port_message *m)
{
	for (int i = 0; m->type == PORT_TWAKE && i < m->list_n; i++) {
		uint32_t slot = get32(m->list + 4 * i);
		if (slot < PAGE_CAPACITY && d.slots[slot])
			lane_look(d.slots[slot]);
	}
}

static void on_turn(void *ctx)
{
	lanes_refresh();
	leaders_turn();
}

/* --- start ------------------------------------------------------------------------------------ */

static void on_signal(void *arg)
{
	for (int c; (c = selfpipe_read()) > 0;)
		stop = stop || c == SIGTERM || c == SIGINT;
}

static const struct meta_follow_ops follow_ops = {
	.record = on_record, .reset = on_reset, .caught_up = on_caught_up, .broken = on_broken,
};
static const struct port_peer_ops owner_ops = {.up = on_owner_up, .message = on_owner_message};
static const struct port_peer_ops copier_ops = {.down = owner_down, .message = owner_message};

static void start(void)
{
	d.slots = calloc(PAGE_CAPACITY, sizeof *d.slots);
	d.loop = port_loop_new();
	int fd = selfpipe_init();
	if (!d.slots || !d.loop || page_sleep_make(&d.sleep) < 0 || port_arena_make(&d.arena) < 0)
		strerr_diefusys(111, "start");
	if (fd < 0 || !selfpipe_trap(SIGTERM) || !selfpipe_trap(SIGINT)
	    || port_watch(d.loop, fd, on_signal, NULL) < 0)
		strerr_diefusys(111, "catch signals");
	signal(SIGPIPE, SIG_IGN);
	d.follow = meta_follow_new(d.loop, "run/elect", "replicate", &follow_ops, NULL);
	d.owner = port_dial(d.loop, "run/logappend", "replicate", d.sleep.fd, &owner_ops, NULL);
	d.copier = port_dial_arena(d.loop, "run/logappend", "replicate", d.arena.fd, &copier_ops,
	                           NULL);
	if (!d.follow || !d.owner || !d.copier)
		strerr_diefusys(111, "start");
	d.image = meta_follow_image(d.follow);
	port_at_end_of_turn(d.loop, on_turn, NULL);
}

int daemon_run(void)
{
	ready_wanted = fcntl(READY_FD, F_GETFD) >= 0;
	if (meta_node_read(&d.me, "log") < 0) {
		if (errno != EINVAL)
			strerr_diefusys(111, "read log/meta.properties");
		strerr_dief(100, "node.id or listeners is not in the environment");
	}
	start();
	while (!stop)
		if (port_turn(d.loop) < 0)
			strerr_diefusys(111, "wait for events");
	return 0;
}
