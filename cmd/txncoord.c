/* txncoord: hands out producer ids. Blocks of them come from the controller; ids are never given
 * twice. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "base/arena.h"
#include "base/buf.h"
#include "meta/follow.h"
#include "meta/node.h"
#include "port/loop.h"
#include "wire/api.h"
#include "wire/codes.h"
#include "wire/wire.h"

#define USAGE "txncoord"

char const *PROG = "txncoord";

enum {
	READY_FD = 3, INIT_PRODUCER_ID = 22, ALLOCATE_PRODUCER_IDS = 67, ALLOCATE_VERSION = 0,
	ASK_MS = 10000, RETRY_MS = 50,
	WAIT_MS = 2000,            /* then COORDINATOR_LOAD_IN_PROGRESS: the client asks again */
	DECODE_MOST = 1 << 20,
};

struct waiting {
	struct waiting *next;
	struct port_from from;
	int16_t version;
	int32_t correlation;
	int64_t deadline_ms;
};

static struct meta_node me;
static struct port_loop *loop;
static struct meta_follow *follow;
static int64_t next_id, end_id;              /* the block in use */
static int64_t ahead_id, ahead_end;          /* the one after it */
static bool asking, stop_wanted, ready_wanted, serving;
static struct waiting *first, **last = &first;
static struct port_timer retry, deadline;
static int signals;

/* --- answers ---------------------------------------------------------------------------------- */

static void answer(struct port_from to, int version, int32_t correlation, int error, int64_t id)
{
	static struct buf out;
	struct init_producer_id_response r;
	wire_init(&wire_init_producer_id_response, &r);
	r.error_code = (int16_t)error;
	r.producer_id = id;
	r.producer_epoch = error ? -1 : 0;
	out.n = 0;
	if (wire_response_header(&out, INIT_PRODUCER_ID, version, correlation) < 0
	    || wire_encode(&wire_init_producer_id_response, version, &r, &out, NULL) < 0)
		port_answer(loop, to, PORT_CLOSE, 0, NULL, 0);
	else
		port_answer_bytes(loop, to, out.p, out.n);
}

static bool take(int64_t *id)
{
	if (next_id == end_id) {
		next_id = ahead_id;
		end_id = ahead_end;
		ahead_id = ahead_end = 0;
	}
	if (next_id == end_id)
		return false;
	*id = next_id++;
	return true;
}

static void answer_first(int error, int64_t id)
{
	struct waiting *w = first;
	first = w->next;
	if (!first)
		last = &first;
	answer(w->from, w->version, w->correlation, error, id);
	free(w);
}

/* They wait equally long, so the first is the first to be late. */
static void late(void *arg)
{
	while (first && first->deadline_ms <= port_now_ms())
		answer_first(WIRE_COORDINATOR_LOAD_IN_PROGRESS, -1);
	if (first)
		port_timer_set(loop, &deadline, first->deadline_ms);
}

/* --- blocks from the controller ----------------------------------------------------------------
 */

static void ask(void *arg);

static void ask_again(void)
{
	asking = false;
	port_timer_set(loop, &retry, port_now_ms() + RETRY_MS);
}

/* RPCProducerIdManager.sanityCheckResponse: a block never overlaps what was given before. */
static bool good_block(const struct allocate_producer_ids_response *r)
{
	return !r->error_code && r->producer_id_start >= end_id && r->producer_id_len > 0
	       && r->producer_id_start <= INT64_MAX - r->producer_id_len;
}

static void serve_if_ready(void);

static void on_block(void *arg, const struct port_reply *reply)
{
	struct allocate_producer_ids_response r;
	struct arena a = {.limit = DECODE_MOST};
	int32_t correlation;
	int64_t id;
	int head = -1;
	if (!reply->failed && reply->kind == PORT_BYTES)
		head = wire_response_parse(ALLOCATE_PRODUCER_IDS, ALLOCATE_VERSION, reply->bytes.p,
		                           (size_t)reply->bytes.n, &correlation);
	bool whole = head >= 0
	             && wire_decode(&wire_allocate_producer_ids_response, ALLOCATE_VERSION,
	                            reply->bytes.p + head, (size_t)(reply->bytes.n - head), &a,
	                            &r) >= 0;
	bool good = whole && good_block(&r);
	arena_free(&a);
	if (!good) {
		if (whole && r.error_code == WIRE_KAFKA_STORAGE_ERROR)
			serve_if_ready();    /* a full disk is no reason to keep the door shut */
		ask_again();
		return;
	}
	asking = false;
	ahead_id = r.producer_id_start;
	ahead_end = r.producer_id_start + r.producer_id_len;
	while (first && take(&id))
		answer_first(0, id);
	serve_if_ready();
	if (next_id == end_id || first)
		ask(NULL);
}

/* One block is always kept ahead. */
static void ask(void *arg)
{
	static struct buf b;
	const struct meta_broker *self = meta_broker(meta_follow_image(follow), me.id);
	struct allocate_producer_ids_request r = {.broker_id = me.id};
	if (asking || ahead_id != ahead_end)
		return;
	asking = true;
	if (!self) {
		ask_again();
		return;
	}
	r.broker_epoch = self->epoch;
	b.n = 0;
	if (wire_request_header(&b, ALLOCATE_PRODUCER_IDS, ALLOCATE_VERSION, 0, SPAN_NULL) < 0
	    || wire_encode(&wire_allocate_producer_ids_request, ALLOCATE_VERSION, &r, &b, NULL) < 0
	    || port_ask(meta_follow_peer(follow), WIRE_LOCAL, span_of(""), span_of(""), b.p, b.n,
	                port_now_ms() + ASK_MS, on_block, NULL) < 0)
		ask_again();
}

/* --- requests ----------------------------------------------------------------------------------
 */

static void park(const struct port_call *c, const struct wire_request *r)
{
	struct waiting *w = malloc(sizeof *w);
	if (!w) {
		answer(c->from, r->version, r->correlation_id, WIRE_COORDINATOR_LOAD_IN_PROGRESS,
		       -1);
		return;
	}
	*w = (struct waiting){NULL, c->from, r->version, r->correlation_id,
	                      port_now_ms() + WAIT_MS};
	*last = w;
	last = &w->next;
	if (w == first)
		port_timer_set(loop, &deadline, w->deadline_ms);
}

/* KafkaApis.handleInitProducerIdRequest, TransactionCoordinator.handleInitProducerId. */
static int refused(const struct init_producer_id_request *in)
{
	if ((in->producer_id == -1) != (in->producer_epoch == -1))
		return WIRE_INVALID_REQUEST;
	if (in->transactional_id.n < 0)
		return 0;
	return in->transactional_id.n == 0 ? WIRE_INVALID_REQUEST : WIRE_COORDINATOR_NOT_AVAILABLE;
}

static void init_producer_id(const struct port_call *c, const struct wire_request *r)
{
	struct init_producer_id_request in;
	struct arena a = {.limit = DECODE_MOST};
	int64_t id, n = wire_decode(&wire_init_producer_id_request, r->version, r->body, r->body_n,
	                            &a, &in);
	int error = n < 0 ? 0 : refused(&in);
	arena_free(&a);
	if (n < 0)
		port_answer(loop, c->from, PORT_CLOSE, 0, NULL, 0);
	else if (error)
		answer(c->from, r->version, r->correlation_id, error, -1);
	else if (take(&id))
		answer(c->from, r->version, r->correlation_id, 0, id);
	else
		park(c, r);
	ask(NULL);
}

static void on_call(void *ctx, const struct port_call *c)
{
	struct wire_request r;
	if (wire_request_parse(&r, c->body.p, (size_t)c->body.n) == 0 && r.key == INIT_PRODUCER_ID)
		init_producer_id(c, &r);
	else
		port_answer(loop, c->from, PORT_CLOSE, 0, NULL, 0);
}

/* A caller that lost interest costs an id at most; its answer is dropped. */
static void on_flush(void *ctx, struct port_from from)
{
}

/* --- life
 * --------------------------------------------------------------------------------------- */

static void serve_if_ready(void)
{
	static const struct port_service service = {
		.call = on_call, .flush = on_flush, .page_fd = -1,
	};
	if (serving)
		return;
	if (port_serve(loop, "run/txncoord", &service, NULL) < 0)
		strerr_diefusys(111, "bind run/txncoord");
	serving = true;
	if (ready_wanted && write(READY_FD, "\n", 1) < 0)
		strerr_warnwusys("say that we are ready");
	if (ready_wanted)
		close(READY_FD);
}

static void on_caught_up(void *ctx, struct meta_image *m)
{
	ask(NULL);
}

static void on_broken(void *ctx, const char *why)
{
	strerr_dief(111, "unable to follow the metadata: ", why);
}

static void on_signal(void *arg)
{
	struct signalfd_siginfo s;
	while (read(signals, &s, sizeof s) == sizeof s)
		stop_wanted = true;
}

static void catch_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		strerr_diefusys(111, "block signals");
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0 || port_watch(loop, signals, on_signal, NULL) < 0)
		strerr_diefusys(111, "watch signals");
}

int main(int argc, char const *const *argv)
{
	static const struct meta_follow_ops ops = {.caught_up = on_caught_up, .broken = on_broken};
	if (argc != 1)
		strerr_dieusage(100, USAGE);
	ready_wanted = fcntl(READY_FD, F_GETFD) >= 0;
	if (meta_node_read(&me, "log") < 0) {
		if (errno != EINVAL)
			strerr_diefu1sys(111, "read log/meta.properties");
		strerr_dief(100, "node.id or listeners is not in the environment");
	}
	retry.fn = ask;
	deadline.fn = late;
	loop = port_loop_new();
	if (!loop)
		strerr_diefusys(111, "make the loop");
	catch_signals();
	follow = meta_follow_new(loop, "run/elect", "txncoord", &ops, NULL);
	if (!follow)
		strerr_diefusys(111, "follow run/elect");
	while (!stop_wanted)
		if (port_turn(loop) < 0)
			strerr_diefusys(111, "wait for events");
	return 0;
}
