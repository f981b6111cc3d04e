/* groupcoord: the coordinator of the groups whose partitions of __consumer_offsets this node leads.
 */
#include "groupcoord.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <skalibs/selfpipe.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "cli/recoder.h"
#include "meta/record.h"
#include "offsets.h"

#define USAGE "groupcoord"

enum { READY_FD = 3, DECODED_MAX = 256 << 20 };

static struct server server;
static bool tell_ready, caught_up, serving, stop;

/* --- the partitions --- */

static void complain(void *ctx, const char *what, int32_t partition)
{
	char number[16];
	snprintf(number, sizeof number, "%d", partition);
	strerr_warnw4x("__consumer_offsets-", number, ": ", what);
}

static void on_record(void *ctx, int32_t partition, const struct batch *b, const struct record *r)
{
	struct server *s = ctx;
	struct replayed rep = {
		.offset = r->offset, .timestamp = r->timestamp, .producer_id = b->producer_id,
		.producer_epoch = b->producer_epoch,
	};
	arena_reset(&s->replay);
	int bad = record_decode(&rep, r->key, r->value, &s->replay);
	if (bad < 0)
		complain(s, "a record makes no sense and is skipped", partition);
	else if (!bad)
		groups_replay(&s->groups, partition, &rep);
}

static void on_marker(void *ctx, int32_t partition, const struct batch *b, bool commit)
{
	struct server *s = ctx;
	offsets_marker(&s->groups, partition, b->producer_id, commit);
}

static void on_loaded(void *ctx, int32_t partition)
{
	struct server *s = ctx;
	struct step step = server_step(s, partition);
	groups_loaded(&s->groups, &step, partition);
}

static void on_unload(void *ctx, int32_t partition)
{
	struct server *s = ctx;
	struct step step = server_step(s, partition);
	groups_unload(&s->groups, &step, partition);
}

/* CoordinatorOperationExceptionHelper. */
static int for_clients(int error)
{
	switch (error) {
	case WIRE_NONE: return WIRE_NONE;
	case COORD_UNKNOWN:
	case WIRE_KAFKA_STORAGE_ERROR: return WIRE_NOT_COORDINATOR;
	case WIRE_UNKNOWN_TOPIC_OR_PARTITION:
	case WIRE_NOT_ENOUGH_REPLICAS: return WIRE_COORDINATOR_NOT_AVAILABLE;
	case WIRE_MESSAGE_TOO_LARGE:
	case WIRE_RECORD_LIST_TOO_LARGE: return WIRE_UNKNOWN_SERVER_ERROR;
	default: return error;
	}
}

/* Offsets become visible, or not; groups have been changed already, and what is not in the log must
 * not stand in memory either. */
static void on_settled(void *ctx, int32_t partition, struct coord_batch *b, int error)
{
	struct server *s = ctx;
	struct record r;
	size_t at = 0;
	while (coord_batch_next(b, &at, &r)) {
		struct replayed rep = {
			.offset = b->base + r.offset, .timestamp = r.timestamp,
			.producer_id = b->builder.head.producer_id,
			.producer_epoch = b->builder.head.producer_epoch,
		};
		if (get16(r.key.p) != RECORD_OFFSET_COMMIT)
			continue;
		arena_reset(&s->replay);
		if (record_decode(&rep, r.key, r.value, &s->replay) == 0)
			offsets_settled(&s->groups, partition, &rep, !error);
	}
	if (error > 0)
		complain(s, wire_error_name(error), partition);
	hold_release(s, b, for_clients(error));
	if (error > 0 && b->flags & BATCH_HAS_GROUPS)
		coord_reload(s->coord, partition);
}

static int on_open(void *ctx, struct span batch, struct span *out)
{
	static struct recoder recoder = {.fd = -1};
	struct recode_request q = {
		.kind = RECODE_OPEN, .codec = RECODE_AS_IT_CAME, .most_bytes = RECODE_MOST,
		.batch = batch.p, .batch_n = (size_t)batch.n,
	};
	struct recode_answer a;
	if (recoder_ask(&recoder, &q, &a)) {
		if (recoder.fd >= 0)
			close(recoder.fd);
		recoder.fd = -1;
		return -1;
	}
	*out = (struct span){a.batch, (int32_t)a.batch_n};
	return a.verdict.error ? -1 : 0;
}

static const struct coord_ops coord_ops = {
	.record = on_record, .marker = on_marker, .loaded = on_loaded, .unload = on_unload,
	.settled = on_settled, .open = on_open, .say = complain,
};

/* --- the metadata --- */

static void on_meta_record(void *ctx, struct meta_image *m, int type, const void *record)
{
	struct server *s = ctx;
	switch (type) {
	case META_TOPIC_RECORD:
	case META_PARTITION:
	case META_REMOVE_TOPIC:
	case META_CONFIG:
	case META_REGISTER_BROKER:
	case META_FEATURE_LEVEL:
		s->image_changed = true;
		break;
	}
	if (type != META_NO_OP)
		coord_look(s->coord);
}

static void on_meta_reset(void *ctx, struct meta_image *m)
{
	struct server *s = ctx;
	s->image_changed = true;
	coord_look(s->coord);
}

static void on_caught_up(void *ctx, struct meta_image *m)
{
	struct server *s = ctx;
	caught_up = s->image_changed = true;
}

static void on_broken(void *ctx, const char *why)
{
	strerr_diefu2sys(111, "follow the metadata log: ", why);
}

static const struct meta_follow_ops follow_ops = {
	.record = on_meta_record, .reset = on_meta_reset, .caught_up = on_caught_up,
	.broken = on_broken,
};

/* --- requests and turns --- */

static void on_call(void *ctx, const struct port_call *c)
{
	answer_call(ctx, c, false);
}

/* As in Kafka, a member whose connection goes away is none the less for it. */
static void on_flush(void *ctx, struct port_from from)
{
}

static const struct port_service service = {.call = on_call, .flush = on_flush, .page_fd = -1};

static void serve(struct server *s)
{
	serving = true;
	if (port_serve(s->loop, "run/groupcoord", &service, s))
		strerr_diefu1sys(111, "bind run/groupcoord");
	if (tell_ready && (write(READY_FD, "\n", 1) != 1 || close(READY_FD)))
		strerr_warnwu1sys("tell that it is ready");
}

static void on_tick(void *arg)
{
}

static void on_end_of_turn(void *ctx)
{
	struct server *s = ctx;
	if (!caught_up)
		return;
	if (s->image_changed) {
		struct step step = server_step(s, -1);
		s->image_changed = false;
		settings_read(s);
		groups_image_changed(&s->groups, &step);
	}
	if (groups_due(&s->groups) <= port_now_ms()) {
		struct step step = server_step(s, -1);
		groups_tick(&s->groups, &step);
	}
	coord_turn(s->coord);
	if (!serving && coord_mapped(s->coord))
		serve(s);
	if (groups_due(&s->groups) == INT64_MAX)
		port_timer_stop(s->loop, &s->tick);
	else if ((!s->tick.node.place || s->tick.node.at != groups_due(&s->groups)) &&
	         port_timer_set(s->loop, &s->tick, groups_due(&s->groups)))
		strerr_diefu1sys(111, "set a timer");
}

static void on_signal(void *arg)
{
	for (int c; (c = selfpipe_read()) > 0;)
		stop = stop || c == SIGTERM || c == SIGINT;
}

static void catch_signals(struct server *s)
{
	int fd = selfpipe_init();
	if (fd < 0 || !selfpipe_trap(SIGTERM) || !selfpipe_trap(SIGINT) ||
	    port_watch(s->loop, fd, on_signal, NULL))
		strerr_diefu1sys(111, "catch signals");
	signal(SIGPIPE, SIG_IGN);
}

static void start(struct server *s)
{
	s->arena.limit = s->replay.limit = DECODED_MAX;
	s->tick.fn = on_tick;
	groups_init(&s->groups);
	s->loop = port_loop_new();
	if (!s->loop)
		strerr_diefu1sys(111, "start");
	catch_signals(s);
	s->follow = meta_follow_new(s->loop, "run/elect", "groupcoord", &follow_ops, s);
	if (!s->follow)
		strerr_diefu1sys(111, "start");
	s->coord = coord_new(s->loop, s->follow, s->node.id, "__consumer_offsets", "groupcoord",
	                     &coord_ops, s);
	if (!s->coord)
		strerr_diefu1sys(111, "start");
	port_at_end_of_turn(s->loop, on_end_of_turn, s);
}

int main(int argc, char const *const *argv)
{
	struct server *s = &server;
	subgetopt options = SUBGETOPT_ZERO;
	PROG = "groupcoord";
	if (subgetopt_r(argc, argv, "", &options) != -1 || options.ind != argc)
		strerr_dieusage(100, USAGE);
	tell_ready = fcntl(READY_FD, F_GETFD) != -1;
	if (meta_node_read(&s->node, "log")) {
		if (errno != EINVAL)
			strerr_diefu1sys(111, "read log/meta.properties");
		strerr_dief1x(100, "node.id and listeners must be in the environment");
	}
	start(s);
	while (!stop)
		if (port_turn(s->loop))
			strerr_diefu1sys(111, "wait for events");
	return 0;
}
