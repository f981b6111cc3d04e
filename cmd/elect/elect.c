/* elect: keeps the cluster's metadata log, decides as its controller, and registers this broker.
 * See elect(8). */
#include "elect.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include <skalibs/selfpipe.h>
#include <skalibs/sig.h>

#include "base/reserve.h"
#include "base/syncfile.h"
#include "meta/config.h"
#include "members.h"
#include "others.h"
#include "wire/codes.h"

#define USAGE "elect"
char const *PROG = "elect";

enum { FETCH = 1, DELETE_TOPICS = 20, DESCRIBE_QUORUM = 55, ENVELOPE = 58, FETCH_SNAPSHOT = 59 };
enum { READY_FD = 3, LEAVE_MS = 500 };

static struct elect elect;

int64_t wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* 102: a sync failed, and a restart would take for good what only looks so. */
void die_store(const struct elect *e)
{
	strerr_diefu1sys(syncfile_failed() ? 102 : 111, e->store.why);
}

void say_full(struct elect *e)
{
	if (!e->full)
		strerr_warnwu1sys(e->store.why);
	e->full = true;
}

int64_t setting(const struct elect *e, const char *name)
{
	return meta_config_int(&e->image, e->settings.node.id, NULL, name);
}

/* --- answers that wait --- */

static struct waiting *wait_for(struct elect *e, struct port_from from, struct buf *answer,
				int64_t end, int64_t deadline_ms)
{
	struct waiting *w;

	if (e->waiting_n == e->waiting_cap) {
		int cap = e->waiting_cap ? 2 * e->waiting_cap : 64;
		struct waiting *v = realloc(e->waiting, (size_t)cap * sizeof *v);

		if (!v)
			strerr_diefu1sys(111, "hold an answer");
		e->waiting = v;
		e->waiting_cap = cap;
	}
	w = &e->waiting[e->waiting_n++];
	*w = (struct waiting){
		.from = from, .end = end, .deadline_ms = deadline_ms, .answer = *answer
	};
	*answer = (struct buf){ 0 };
	return w;
}

void elect_wait(struct elect *e, const struct port_call *c, const struct wire_request *q,
		struct buf *answer, int64_t deadline_ms)
{
	struct waiting *w = wait_for(e, c->from, answer, log_end(e->store.log), deadline_ms);

	w->key = q->key;
	w->version = q->version;
}

void elect_answer_at(struct elect *e, struct port_from from, struct buf *answer, int64_t end,
		     int64_t deadline_ms)
{
	wait_for(e, from, answer, end, deadline_ms)->known = true;
}

static bool waits(const struct elect *e, const struct waiting *w, int64_t now_ms)
{
	bool committed = w->end <= e->quorum.high_watermark;

	if (now_ms >= w->deadline_ms)
		return !committed && !w->known;
	return !committed || !agent_applied(&e->agent, w->end, now_ms);
}

static void answer_waiting(struct elect *e, int64_t now_ms)
{
	int kept = 0;

	for (int i = 0; i < e->waiting_n; i++) {
		struct waiting *w = &e->waiting[i];

		if (waits(e, w, now_ms)) {
			e->waiting[kept++] = *w;
			continue;
		}
		elect_send(e, w->from, w->answer.p, w->answer.n);
		buf_free(&w->answer);
	}
	e->waiting_n = kept;
}

static void forget_waiting(struct elect *e, struct port_from from)
{
	for (int i = 0; i < e->waiting_n; i++) {
		struct waiting *w = &e->waiting[i];

		if (w->from.place == from.place && w->from.generation == from.generation
		    && w->from.tag == from.tag) {
			buf_free(&w->answer);
			*w = e->waiting[--e->waiting_n];
			return;
		}
	}
}

/* --- calls --- */

static int append_operation(void *ctx, const struct buf *values, int n)
{
	struct elect *e = ctx;
	int r = elect_append(e, values, n);

	/* Who deletes topics makes room for everybody. */
	while (r < 0 && e->deletes && reserve_use(RESERVE) == 0) {
		e->reserve_ms = port_now_ms() + ROOM_MS;
		r = elect_append(e, values, n);
	}
	if (r < 0)
		say_full(e);
	else
		e->full = false;
	return r;
}

static int controller_turn(struct elect *e, const struct port_call *c, const struct wire_request *q)
{
	struct operation op = { .c = &e->controller,
				.offset = log_end(e->store.log),
				.now_ms = port_now_ms(),
				.listener = c->listener,
				.append = append_operation,
				.ctx = e };
	struct buf answer = { 0 };
	int r;

	if (c->listener == WIRE_CONTROLLER)
		hangup_heard(e, c, q);
	e->deletes = q->key == DELETE_TOPICS;
	r = controller_call(&op, q, &answer);
	e->deletes = false;
	if (r == 0) {
		if (c->listener == WIRE_CONTROLLER || op.timeout_ms < 0)
			op.timeout_ms = 0; /* who asks at another node waits there */
		/* Without records it may still tell of what others wrote and nobody has committed
		 * (QuorumController.ControllerWriteEvent: that waits too). */
		if (op.values_n > 0)
			elect_wait(e, c, q, &answer, op.now_ms + op.timeout_ms);
		else if (log_end(e->store.log) > e->quorum.high_watermark)
			elect_wait(e, c, q, &answer, op.now_ms);
		else
			elect_send(e, c->from, answer.p, answer.n);
	}
	buf_free(&answer);
	operation_free(&op);
	return r;
}

/* What a controller would answer, each good or bad result of it refused. */
int elect_refuse(struct elect *e, const struct port_call *c, const struct wire_request *q)
{
	struct operation op = { .c = &e->controller,
				.offset = log_end(e->store.log),
				.now_ms = port_now_ms(),
				.listener = c->listener };
	struct buf answer = { 0 }, b = { 0 };
	int r = controller_call(&op, q, &answer);

	if (r == 0)
		r = controller_refuse(q->key, q->version, &answer, &b);
	if (r == 0)
		elect_send(e, c->from, b.p, b.n);
	buf_free(&answer);
	buf_free(&b);
	operation_free(&op);
	return r;
}

static bool ours(const struct port_call *c, const struct wire_request *q)
{
	const char *owner;

	if (c->listener >= WIRE_LISTENERS)
		return false;
	owner = q->api->owner[c->listener];
	return c->listener == WIRE_LOCAL || (owner && strcmp(owner, PROG) == 0);
}

void elect_call(struct elect *e, const struct port_call *c)
{
	struct envelope envelope;
	struct wire_request q;
	int r = -1;

	if (wire_request_parse(&q, c->body.p, (size_t)c->body.n) == 0 && ours(c, &q)) {
		if (q.key == FETCH)
			r = fetch_call(e, c, &q);
		else if (q.key == FETCH_SNAPSHOT)
			r = fetch_snapshot_call(e, c, &q);
		else if (!leads(e) && c->listener != WIRE_CONTROLLER
			 && (controller_has(q.key) || members_have(q.key) || q.key == DESCRIBE_QUORUM))
			r = forward_call(e, c, &q);
		else if (q.key == DESCRIBE_QUORUM)
			r = describe_quorum_call(e, c, &q);
		else if (q.key == ENVELOPE)
			r = envelope_call(e, c, &q);
		else if (others_have(q.key))
			r = others_call(e, c, &q);
		else if (members_have(q.key))
			r = members_call(e, c, &q);
		else if (controller_has(q.key))
			r = leads(e) ? controller_turn(e, c, &q) : elect_refuse(e, c, &q);
	}
	if (r < 0) {
		envelope_forget(e, c->from, &envelope);
		port_answer(e->loop, c->from, PORT_CLOSE, 0, NULL, 0);
	}
}

static void on_call(void *ctx, const struct port_call *c)
{
	elect_call(ctx, c);
}

static void on_flush(void *ctx, struct port_from from)
{
	struct elect *e = ctx;
	struct envelope envelope;

	hangup(e, from);
	envelope_forget(e, from, &envelope);
	fetch_forget(e, from);
	forward_forget(e, from);
	forget_waiting(e, from);
}

/* Its last request was answered. */
static void on_late(void *ctx, struct port_from from)
{
	struct envelope envelope;

	envelope_forget(ctx, from, &envelope);
	hangup(ctx, from);
}

/* --- turns --- */

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Brokers that fell silent, elections that are due. When to come again. */
static int64_t clock_turn(struct elect *e, int64_t now_ms)
{
	struct operation op = { .c = &e->controller,
				.offset = log_end(e->store.log),
				.now_ms = now_ms,
				.listener = WIRE_LOCAL };
	int64_t at = brokers_expire(&op, setting(e, "broker.session.timeout.ms"));

	if (op.values_n == 0)
		at = sooner(at, elections_turn(&op));
	if (op.failed)
		strerr_diefu1sys(111, "fence a broker or elect a leader");
	if (op.values_n > 0)
		at = append_operation(e, &op.values, op.values_n) < 0 ? now_ms + ROOM_MS : now_ms;
	operation_free(&op);
	return at;
}

/* Room that a start took from what was set aside. */
static void refill(struct elect *e, int64_t now_ms)
{
	if (now_ms < e->reserve_ms)
		return;
	e->reserve_ms = reserve_fill(RESERVE) == 0 ? INT64_MAX : now_ms + ROOM_MS;
}

/* What a broker, and a leader, has to do by itself. */
static int64_t own_turn(struct elect *e, int64_t now_ms)
{
	int64_t at = self_turn(e, now_ms);

	if (!leads(e))
		return at;
	at = sooner(at, clock_turn(e, now_ms));
	elect_commit(e);
	return at;
}

static void on_turn(void *ctx)
{
	struct elect *e = ctx;
	int64_t now = port_now_ms(), at;
	struct quorum_event tick = { .type = QUORUM_TICK, .now_ms = now };

	if (quorum_due(&e->quorum) <= now)
		elect_quorum(e, &tick, NULL);
	at = sooner(forward_turn(e, now), own_turn(e, now));
	at = sooner(at, members_turn(e, now));
	pull_turn(e, now);
	fetch_turn(e, now);
	answer_waiting(e, now);
	elect_snapshot(e, now);
	refill(e, now);
	at = sooner(at, sooner(fetch_wake(e), sooner(pull_wake(e), quorum_due(&e->quorum))));
	for (int i = 0; i < e->waiting_n; i++)
		if (e->waiting[i].deadline_ms > now)
			at = sooner(at, e->waiting[i].deadline_ms);
	if (port_timer_set(e->loop, &e->wake, at > now ? at : now + 1) < 0)
		strerr_diefu1sys(111, "set a timer");
}

/* The connections to other nodes are closed with it: the controller is to hear from us soon. */
static void on_dial_down(void *ctx)
{
	struct elect *e = ctx;

	if (!e->agent.asking)
		agent_unheard(&e->agent, port_now_ms());
}

static void on_wake(void *arg)
{
	/* The end of the turn does the work. */
}

static void on_signal(void *arg)
{
	struct elect *e = arg;
	int s;

	while ((s = selfpipe_read()) > 0)
		if (s == SIGUSR1)
			self_leave(e);
		else if (s == SIGTERM || s == SIGINT || s == SIGHUP)
			e->stop = true;
	if (s < 0)
		strerr_diefu1sys(111, "read a signal");
}

/* A leader that goes tells the others, so that they need not find out. */
static void leave(struct elect *e)
{
	struct quorum_event stop = { .type = QUORUM_STOP, .now_ms = port_now_ms() };
	int64_t end = stop.now_ms + LEAVE_MS;

	elect_commit(e);
	if (e->quorum.voters_n == 1 && quorum_is_voter(&e->quorum))
		return;
	elect_quorum(e, &stop, NULL);
	while (e->quorum.role == QUORUM_RESIGNED && !quorum_acknowledged(&e->quorum)
	       && port_now_ms() < end)
		if (port_turn(e->loop) < 0)
			strerr_diefu1sys(111, "wait for events");
}

static void catch_signals(struct elect *e)
{
	int fd = selfpipe_init();

	if (fd < 0 || sig_ignore(SIGPIPE) < 0 || selfpipe_trap(SIGTERM) < 0
	    || selfpipe_trap(SIGINT) < 0 || selfpipe_trap(SIGHUP) < 0
	    || selfpipe_trap(SIGUSR1) < 0)
		strerr_diefu1sys(111, "catch signals");
	if (port_watch(e->loop, fd, on_signal, e) < 0)
		strerr_diefu1sys(111, "watch signals");
}

static void say_ready(void)
{
	if (write(READY_FD, "\n", 1) == 1 || errno == EBADF)
		close(READY_FD);
}

int main(int argc, char const *const *argv)
{
	static const struct port_peer_ops dial_ops = { .down = on_dial_down };
	static const struct port_service service = {
		.call = on_call, .flush = on_flush, .late = on_late, .page_fd = -1, .generation = 1
	};
	struct elect *e = &elect;
	subgetopt options = SUBGETOPT_ZERO;
	char why[256];

	if (subgetopt_r(argc, argv, "", &options) != -1 || options.ind != argc)
		strerr_dieusage(100, USAGE);
	if (settings_read(&e->settings, why, sizeof why) < 0)
		strerr_dief1x(errno == EINVAL ? 100 : 111, why);
	if (mkdir("run", 0777) < 0 && errno != EEXIST)
		strerr_diefu1sys(111, "make run");
	unlink(LEFT_FILE);
	if (settings_incarnation(&e->settings, "run") < 0)
		strerr_diefu1sys(111, "keep run/incarnation");
	e->loop = port_loop_new();
	if (!e->loop)
		strerr_diefu1sys(111, "make the loop");
	catch_signals(e);
	e->dial = port_dial(e->loop, "run/dial", PROG, -1, &dial_ops, e);
	if (!e->dial)
		strerr_diefu1sys(111, "dial run/dial");
	controller_init(&e->controller, &e->image, &e->settings);
	pull_init(e);
	elect_start(e);
	agent_init(&e->agent, setting(e, "broker.session.timeout.ms"),
		   setting(e, "broker.heartbeat.interval.ms"), port_now_ms());
	e->wake.fn = on_wake;
	port_at_end_of_turn(e->loop, on_turn, e);
	if (port_timer_set(e->loop, &e->wake, port_now_ms()) < 0)
		strerr_diefu1sys(111, "set a timer");
	if (port_serve(e->loop, "run/elect", &service, e) < 0)
		strerr_diefu1sys(111, "serve run/elect");
	say_ready();
	while (!e->stop)
		if (port_turn(e->loop) < 0)
			strerr_diefu1sys(111, "wait for events");
	leave(e);
	if (store_close(&e->store) < 0)
		die_store(e);
	return 0;
}
