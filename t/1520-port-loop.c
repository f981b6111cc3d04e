/* The loop: calls and answers, callers and owners that die, deadlines, back-pressure, timers. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "port/loop.h"
#include "tap.h"

static const char *path = "build/tmp-1520.sock";
static struct port_loop *l;

/* The service parks "park", answers "none" and "close" by kind, "file N" with bytes and a range of
 * file N, whose descriptor comes along once, all else with its own bytes. */
static struct {
	struct port_from parked[5000];
	int calls, flushes, hellos, gones, parked_n;
	uint32_t flushed_tag;
	char caller[32];
	int hello_mark;
	bool handed[100];
	int forgotten;
} seen;
static int file;

static void answer_file(const struct port_call *c)
{
	char text[16];
	int n = atoi(span_z(c->body, text, sizeof text) + 5);
	struct port_piece pieces[] = {
		{.bytes = {"<", 1}, .fd = -1},
		{.slot = 7, .generation = (uint32_t)n, .base = 100, .offset = (uint64_t)n, .n = 3,
		 .fd = seen.handed[n] ? -1 : file},
		{.bytes = {">", 1}, .fd = -1},
	};
	seen.handed[n] = true;
	port_answer(l, c->from, PORT_BYTES, 0, pieces, 3);
}

static void on_other(void *ctx, struct port_from from, const struct port_message *m)
{
	if (m->type != PORT_TFORGET || m->slot != 7 || m->base != 100 || m->generation >= 100)
		abort();
	seen.handed[m->generation] = false;
	seen.forgotten++;
}

static void on_call(void *ctx, const struct port_call *c)
{
	seen.calls++;
	span_z(c->caller, seen.caller, sizeof seen.caller);
	if (span_is(c->body, "park"))
		seen.parked[seen.parked_n++] = c->from;
	else if (c->body.n > 5 && !memcmp(c->body.p, "file ", 5))
		answer_file(c);
	else if (span_is(c->body, "none"))
		port_answer(l, c->from, PORT_NONE, 0, 0, 0);
	else if (span_is(c->body, "close"))
		port_answer(l, c->from, PORT_CLOSE, 0, 0, 0);
	else
		port_answer_bytes(l, c->from, c->body.p, (size_t)c->body.n);
}

static void on_flush(void *ctx, struct port_from from)
{
	seen.flushes++;
	seen.flushed_tag = from.tag;
	port_answer_bytes(l, from, "too late", 8);
}

static void on_hello(void *ctx, struct port_from from, struct span name, int fd)
{
	seen.hellos++;
	if (fd >= 0) {
		seen.hello_mark = (int)lseek(fd, 0, SEEK_END);
		close(fd);
	}
}

static void on_gone(void *ctx, struct port_from from, struct span name)
{
	seen.gones++;
}

static struct port_service service = {.call = on_call, .flush = on_flush, .hello = on_hello,
                                      .gone = on_gone, .other = on_other, .page_fd = -1,
                                      .generation = 42};

struct answer {
	int n, failed;
	enum port_kind kind;
	char text[32];
	int32_t size;
};

static void on_reply(void *arg, const struct port_reply *r)
{
	struct answer *a = arg;
	a->n++;
	a->failed += r->failed;
	a->kind = r->kind;
	a->size = r->bytes.n;
	if (r->bytes.n >= 0)
		span_z(r->bytes, a->text, sizeof a->text);
}

static void ask(struct port_peer *p, const char *what, int64_t deadline_ms, struct answer *a)
{
	if (port_ask(p, 0, span_of("User:A"), span_of("/::1"), what, strlen(what), deadline_ms,
	             on_reply, a) < 0)
		abort();
}

static void on_tick(void *arg)
{
}

/* Turns until *n reaches want, 10 s at most. */
static bool turns_until(const int *n, int want)
{
	struct port_timer tick = {.fn = on_tick};
	int64_t end = port_now_ms() + 10000;
	while (*n < want && port_now_ms() < end) {
		port_timer_set(l, &tick, port_now_ms() + 20);
		if (port_turn(l) < 0)
			abort();
	}
	port_timer_stop(l, &tick);
	return *n >= want;
}

static int ups, downs, woken;
static uint64_t up_generation;

static void on_up(void *ctx, int page_fd, uint64_t generation)
{
	ups++;
	up_generation = generation;
	if (page_fd >= 0)
		close(page_fd);
}

static void on_down(void *ctx)
{
	downs++;
}

static void on_message(void *ctx, const struct port_message *m)
{
	woken += m->type == PORT_TWAKE ? (int)get32(m->list) : 0;
}

static const struct port_peer_ops ops = {on_up, on_down, on_message};

static void test_calls(void)
{
	struct answer a = {0}, b = {0}, c = {0}, d = {0}, e = {0};
	int page = memfd_create("page", MFD_CLOEXEC);
	if (ftruncate(page, 123) < 0)
		abort();
	struct port_peer *p = port_dial(l, path, "test", page, &ops, 0);
	ask(p, "early", 0, &a);
	ok(!port_is_up(p) && a.n == 0, "nobody is there: a question waits");
	service.page_fd = page;
	is_int(port_serve(l, path, &service, 0), 0, "the owner comes");
	ok(turns_until(&a.n, 1), "the question is asked");
	is_str(a.text, "early", "and answered");
	ok(port_is_up(p) && ups == 1 && up_generation == 42, "the peer is up, with its generation");
	is_str(seen.caller, "test", "the caller's name is known");
	is_int(seen.hello_mark, 123, "its descriptor arrived");
	ask(p, "park", 0, &b);
	ask(p, "none", 0, &c);
	ask(p, "close", 0, &d);
	ask(p, "echo", 0, &e);
	turns_until(&e.n, 1);
	ok(c.n == 1 && c.kind == PORT_NONE && !c.failed, "an answer of kind none");
	ok(d.n == 1 && d.kind == PORT_CLOSE && !d.failed, "an answer of kind close");
	is_int(b.n, 0, "a parked one is open");
	struct port_piece pieces[] = {{.bytes = {"one ", 4}, .fd = -1}, {.bytes = {"two", 3}, .fd = -1}};
	port_answer(l, seen.parked[0], PORT_BYTES, 0, pieces, 2);
	port_answer(l, seen.parked[0], PORT_BYTES, 0, pieces, 2);
	turns_until(&b.n, 1);
	ok(b.n == 1 && !strcmp(b.text, "one two"), "pieces are joined, a second answer is dropped");
	uint8_t slots[4] = {0, 0, 0, 9};
	port_tell(l, seen.parked[0], &(struct port_message){.type = PORT_TWAKE, .fd = -1,
	                                                     .list = slots, .list_n = 1});
	ok(turns_until(&woken, 9), "a wake arrives");
	close(page);
	service.page_fd = -1;
}

static void test_ranges(void)
{
	enum { FILES = 70 };        /* more than a peer holds */
	struct answer a = {0}, b = {0};
	char text[16], want[16];
	int wrong = 0;
	struct port_peer *p = port_dial(l, path, "ranges", -1, 0, 0);
	file = memfd_create("file", MFD_CLOEXEC);
	for (int i = 0; i < 100; i++)
		wrong += write(file, &(char){(char)('!' + i % 90)}, 1) != 1;
	for (int i = 0; i < 2 * FILES; i++) {
		struct answer x = {0};
		int n = i % FILES;
		snprintf(text, sizeof text, "file %d", n);
		snprintf(want, sizeof want, "<%c%c%c>", '!' + n, '!' + n + 1, '!' + n + 2);
		ask(p, text, 0, &x);
		wrong += !turns_until(&x.n, 1) || x.failed || strcmp(x.text, want);
	}
	is_int(wrong, 0, "ranges of 70 files are read, twice each");
	ok(seen.forgotten > 0, "the owner hears of those that were let go");
	seen.handed[99] = true;
	ask(p, "file 99", 0, &a);
	turns_until(&a.n, 1);
	ok(a.failed, "without its descriptor the answer cannot be read");
	seen.forgotten = 0;
	turns_until(&seen.forgotten, 1);
	ask(p, "file 97", 0, &b);
	turns_until(&b.n, 1);
	ok(!b.failed && !seen.handed[99], "but it will come with the next");
	if (ftruncate(file, 50) < 0)
		abort();
	b = (struct answer){0};
	ask(p, "file 97", 0, &b);
	turns_until(&b.n, 1);
	ok(b.failed, "nor can one that ends too early");
	close(file);
}

static void test_deadlines(void)
{
	struct answer a = {0}, b = {0}, c = {0};
	int flushes = seen.flushes;
	struct port_peer *p = port_dial(l, path, "late", -1, 0, 0);
	struct port_peer *nobody = port_dial(l, "build/tmp-1520.none", "late", -1, 0, 0);
	int64_t start = port_now_ms();
	seen.parked_n = 0;
	ask(p, "park", start + 60, &a);
	ask(nobody, "x", start + 40, &b);
	turns_until(&a.n, 1);
	ok(a.failed && b.failed && b.n == 1, "deadlines fail a sent question and a waiting one");
	ok(port_now_ms() - start >= 60, "not before their time");
	turns_until(&seen.flushes, flushes + 1);
	is_int(seen.flushes, flushes + 1, "the owner hears that nobody waits any more");
	port_answer_bytes(l, seen.parked[0], "late", 4);
	ask(p, "after", 0, &c);
	turns_until(&c.n, 1);
	ok(a.n == 1 && !strcmp(c.text, "after"), "its late answer goes nowhere");
}

/* Forked before the loop of the test exists: a caller, or an owner, in a process of its own. */
static pid_t child(void (*run)(void))
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid)
		return pid;
	l = port_loop_new();
	run();
	_exit(0);
}

static void run_caller(void)
{
	struct answer a = {0};
	struct port_peer *p = port_dial(l, path, "child", -1, 0, 0);
	for (int i = 0; i < 50; i++)
		ask(p, "park", 0, &a);
	turns_until(&a.n, 1);
}

static void test_caller_dies(void)
{
	seen.parked_n = 0;
	int flushes = seen.flushes, gones = seen.gones;
	pid_t pid = child(run_caller);
	ok(turns_until(&seen.parked_n, 50), "another process has 50 calls open");
	kill(pid, SIGKILL);
	waitpid(pid, 0, 0);
	turns_until(&seen.gones, gones + 1);
	is_int(seen.flushes - flushes, 50, "it is killed: each is flushed");
	port_answer_bytes(l, seen.parked[0], "x", 1);
	is_int(port_turn(l), 0, "an answer to it is dropped");
}

static const char *child_path = "build/tmp-1520.child";

static void run_owner(void)
{
	struct port_service s = {.call = on_call, .page_fd = -1};
	if (port_serve(l, child_path, &s, 0) < 0)
		_exit(1);
	for (;;)
		port_turn(l);
}

static void test_owner_dies(void)
{
	struct answer parked = {0}, after = {0}, again = {0};
	ups = downs = 0;
	struct port_peer *p = port_dial(l, child_path, "test", -1, &ops, 0);
	pid_t pid = child(run_owner);
	ok(turns_until(&ups, 1), "the owner, a process of its own, is up");
	for (int i = 0; i < 20; i++)
		ask(p, "park", 0, &parked);
	ask(p, "x", 0, &after);
	turns_until(&after.n, 1);
	kill(pid, SIGKILL);
	waitpid(pid, 0, 0);
	ok(turns_until(&parked.n, 20) && parked.failed == 20, "it is killed: 20 failed replies");
	is_int(downs, 1, "and the peer is down");
	ask(p, "again", 0, &again);
	port_turn(l);
	is_int(again.n, 0, "the next question waits");
	pid = child(run_owner);
	ok(turns_until(&again.n, 1) && !strcmp(again.text, "again"), "for the owner's next life");
	kill(pid, SIGKILL);
	waitpid(pid, 0, 0);
	turns_until(&downs, 2);
	unlink(child_path);
}

static void test_many(void)
{
	enum { PEERS = 200, EACH = 50 };
	struct answer a = {0};
	static char big[300000];
	for (int i = 0; i < PEERS; i++) {
		struct port_peer *p = port_dial(l, path, "many", -1, 0, 0);
		for (int k = 0; k < EACH; k++)
			ask(p, "echo", 0, &a);
	}
	ok(turns_until(&a.n, PEERS * EACH) && !a.failed, "200 connections, 50 calls each");
	struct answer b = {0};
	struct port_peer *p = port_dial(l, path, "big", -1, 0, 0);
	memset(big, 'x', sizeof big);
	for (int i = 0; i < 200; i++)
		if (port_ask(p, 0, SPAN_NULL, SPAN_NULL, big, sizeof big, 0, on_reply, &b) < 0)
			abort();
	ok(turns_until(&b.n, 200) && b.size == sizeof big && !b.failed,
	   "60 MB there and back, more than a queue holds");
}

static int ticks, order[3], order_n, watched;
static struct port_timer timers[3];

static void on_timer(void *arg)
{
	order[order_n++] = (int)((struct port_timer *)arg - timers);
	if (order_n == 2)
		port_timer_set(l, arg, port_now_ms());
}

static void on_watch(void *arg)
{
	char x[8];
	int fd = *(int *)arg;
	watched += (int)read(fd, x, sizeof x);
	port_unwatch(l, fd);
}

static void on_end_of_turn(void *ctx)
{
	ticks++;
}

static void test_rest(void)
{
	int fd[2];
	if (pipe2(fd, O_NONBLOCK) < 0 || write(fd[1], "abc", 3) != 3)
		abort();
	port_watch(l, fd[0], on_watch, fd);
	for (int i = 0; i < 3; i++) {
		timers[i] = (struct port_timer){.fn = on_timer, .arg = &timers[i]};
		port_timer_set(l, &timers[i], port_now_ms() + 30 - 10 * i);
	}
	port_timer_stop(l, &timers[0]);
	ok(turns_until(&order_n, 3), "timers run");
	ok(order[0] == 2 && order[1] == 1 && order[2] == 1, "in order, stopped ones do not");
	is_int(watched, 3, "a watched descriptor is read once");
	port_at_end_of_turn(l, on_end_of_turn, 0);
	port_timer_set(l, &timers[0], port_now_ms());
	order_n = 0;
	turns_until(&order_n, 1);
	is_int(ticks, 1, "the end of a turn is told once");
	close(fd[0]);
	close(fd[1]);
}

int main(void)
{
	unlink(path);
	l = port_loop_new();
	test_calls();
	test_ranges();
	test_deadlines();
	test_caller_dies();
	test_owner_dies();
	test_many();
	test_rest();
	port_loop_free(l);
	unlink(path);
	return done_testing();
}
