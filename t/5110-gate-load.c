/* gate under load: clients that are slow, idle, many or half dead cost little and harm nobody. */
#include "gate.h"

#include <limits.h>

static pid_t gate, metaserve, logserve;

/* A well-behaved client beside the others is served at once. */
static bool others_served(void)
{
	int64_t start = port_now_ms();
	int fd = dial(port);
	uint32_t c;
	ask(fd, METADATA, 1, "echo");
	ask(fd, FETCH, 2, "file 100000");
	bool good = next_answer(fd, &c) > 0 && next_answer(fd, &c) == 100000 &&
	            !memcmp(got, content, 100000);
	close(fd);
	return good && port_now_ms() - start < 5000;
}

static void test_half_sent(void)
{
	enum { N = 1000 };
	static int fd[N];
	long before = rss_kib(gate);
	for (int i = 0; i < N; i++) {
		fd[i] = dial(port);
		send_all(fd[i], "\0\0\1\0\0\0\0\3\0\0\0\1\0\7half", 17);
	}
	ok(others_served(), "1000 half-sent frames: others are served");
	long grown = rss_kib(gate) - before;
	ok(grown < 4096, "they cost %ld KiB", grown);
	for (int i = 0; i < N; i++)
		close(fd[i]);
	static int claims[N];
	before = rss_kib(gate);
	for (int i = 0; i < N; i++) {
		claims[i] = dial(port);
		send_all(claims[i], "\6\x3f\xff\xff\0\0\0\3", 8);
	}
	ok(others_served(), "1000 claims of 100 MiB: others are served");
	grown = rss_kib(gate) - before;
	ok(grown < 4096, "they cost %ld KiB", grown);
	for (int i = 0; i < N; i++)
		close(claims[i]);
}

static void test_slow_readers(void)
{
	enum { N = 500 };
	static int fd[N];
	char one;
	int read_n = 0;
	long before = rss_kib(gate);
	for (int i = 0; i < N; i++) {
		int small = 4096;
		fd[i] = dial(port);
		setsockopt(fd[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
		for (uint32_t k = 0; k < 20; k++)
			ask(fd[i], FETCH, k, "file 3000000");
	}
	ok(others_served(), "500 readers that do not read 20 answers of 3 MB: others are served");
	for (int i = 0; i < N; i++)
		read_n += read(fd[i], &one, 1) == 1;
	is_int(read_n, N, "each reads a byte");
	ok(others_served(), "others are served");
	long grown = rss_kib(gate) - before;
	ok(grown < 16384, "they cost %ld KiB", grown);
	long cpu = cpu_ms(gate);
	poll(0, 0, 500);
	cpu = cpu_ms(gate) - cpu;
	ok(cpu < 100, "and, when nothing moves, no time (%ld ms of 500)", cpu);
	for (int i = 0; i < N; i++)
		close(fd[i]);
}

static void test_memory_answers(void)
{
	enum { N = 20 };
	static int fd[N];
	long before = rss_kib(gate);
	for (int i = 0; i < N; i++) {
		fd[i] = dial(port);
		for (uint32_t k = 0; k < 100; k++)
			ask(fd[i], METADATA, k, "size 200000");
	}
	ok(others_served(), "20 readers that do not read 100 answers from memory: others are served");
	long grown = rss_kib(gate) - before;
	ok(grown < 20 * 4 * 1024, "no more of them are fetched than are in flight (%ld KiB)", grown);
	for (int i = 0; i < N; i++)
		close(fd[i]);
}

static void test_idle(void)
{
	struct rlimit r;
	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
	int n = r.rlim_max > 5200 ? 5000 : (int)r.rlim_max - 200, made = 0;
	int *fd = malloc((size_t)n * sizeof *fd);
	others_served();
	long before = rss_kib(gate);
	for (int i = 0; i < n; i++)
		made += (fd[i] = dial(port)) >= 0;
	is_int(made, n, "%d idle connections", n);
	ok(others_served(), "others are served");
	long each = (rss_kib(gate) - before) * 1024 / n;
	ok(each < 2048, "one costs %ld bytes", each);
	for (int i = 0; i < n; i++) {
		ask(fd[i], METADATA, 1, "echo");
		made -= next_answer(fd[i], &(uint32_t){0}) > 0;
	}
	is_int(made, 0, "each is answered");
	each = (rss_kib(gate) - before) * 1024 / n;
	ok(each < 2048, "and then costs %ld bytes", each);
	for (int i = 0; i < n; i++)
		close(fd[i]);
	free(fd);
}

static void gate_again(int limit, char *const settings[])
{
	stop(gate, SIGTERM);
	gate = gate_start(limit, settings);
	ok(others_served(), "another gate, %s", settings[0]);
}

static void test_idle_timeout(void)
{
	gate_again(0, (char *[]){"connections.max.idle.ms=300", 0});
	int64_t start = port_now_ms();
	int idle = dial(port), half = dial(port), waiting = dial(port);
	send_all(half, "\0\0", 2);
	ask(waiting, METADATA, 1, "later 800");
	ok(is_closed(idle) && is_closed(half), "idle ones are closed, half-sent frames as well");
	ok(port_now_ms() - start >= 290 && port_now_ms() - start < 2000, "when their time is over");
	ok(answers(waiting, 1, "later"), "one that waits for an answer is not idle");
	close(idle);
	close(half);
	close(waiting);
}

static void test_limits(void)
{
	gate_again(0, (char *[]){"max.connections=3", 0});
	int a = dial(port), b = dial(port), c = dial(port), d = dial(port);
	ask(a, METADATA, 1, "echo");
	ask(b, METADATA, 1, "echo");
	ask(c, METADATA, 1, "echo");
	ask(d, METADATA, 1, "later 1");
	uint32_t x;
	ok(next_answer(a, &x) > 0 && next_answer(b, &x) > 0 && next_answer(c, &x) > 0,
	   "three are served");
	struct pollfd p = {d, POLLIN, 0};
	is_int(poll(&p, 1, 300), 0, "the fourth is not");
	close(a);
	ok(answers(d, 1, "later"), "until one of them goes");
	close(b);
	close(c);
	close(d);
}

static void test_descriptors(void)
{
	enum { N = 60 };
	int fd[N];
	char *const nothing[] = {"max.connections=1000", 0};
	gate_again(18, nothing);
	for (int i = 0; i < N; i++) {
		fd[i] = dial(port);
		ask(fd[i], METADATA, (uint32_t)i, "echo");
	}
	long cpu = cpu_ms(gate);
	poll(0, 0, 600);
	cpu = cpu_ms(gate) - cpu;
	ok(cpu < 150, "out of descriptors: no spinning (%ld ms of 600)", cpu);
	uint32_t c;
	int served = 0;
	for (int i = 0; i < N; i++) {
		served += next_answer(fd[i], &c) > 0 && c == (uint32_t)i;
		close(fd[i]);
	}
	is_int(served, N, "as they close all are served");
}

/* Bytes until the end of the connection. */
static size_t drained(int fd)
{
	static char b[1 << 16];
	size_t all = 0;
	for (ssize_t n; (n = read(fd, b, sizeof b)) > 0;)
		all += (size_t)n;
	return all;
}

/* A minute passes in an instant. */
static void test_stall(void)
{
	enum { SIZE = 3000000, N = 4 };
	char shim[PATH_MAX + 16], later[600];
	char *clock = realpath("build/crash/shim-clock.so", 0);
	snprintf(shim, sizeof shim, "LD_PRELOAD=%s", clock ? clock : "");
	gate_again(0, (char *[]){"CLOCK_JUMP=later", shim, 0});
	free(clock);
	int stuck = dial(port), idle = dial(port);
	for (uint32_t k = 0; k < N; k++)
		ask(stuck, FETCH, k, "file 3000000");
	ask(idle, METADATA, 1, "echo");
	ok(next_answer(idle, &(uint32_t){0}) > 0 && others_served(), "a client reads nothing");
	struct pollfd p = {stuck, POLLIN, 0};
	poll(&p, 1, 5000);
	write_file("later", "", 0);
	ok(others_served() && others_served(), "a minute later others are served");
	size_t all = drained(stuck);
	ok(all > 0 && all < (size_t)N * SIZE, "it was cut (%zu bytes of %d)", all, N * SIZE);
	ask(idle, METADATA, 2, "echo");
	ok(next_answer(idle, &(uint32_t){0}) > 0, "one that was only idle was not");
	close(stuck);
	close(idle);
	snprintf(later, sizeof later, "%s/later", node);
	unlink(later);
}

/* Two gates share a port: each takes a part of the connections, and one is enough. */
static void test_two(void)
{
	enum { N = 40 };
	int fd[N], closed = 0, good = 0;
	uint32_t c;
	gate_again(0, (char *[]){"connections.max.idle.ms=600000", 0});
	pid_t other = gate_start(0, 0);
	for (int i = 0; i < N; i++) {
		fd[i] = dial(port);
		ask(fd[i], METADATA, (uint32_t)i, "echo");
		good += next_answer(fd[i], &c) > 0 && c == (uint32_t)i;
	}
	is_int(good, N, "two gates on one port: all are served");
	stop(other, SIGKILL);
	for (int i = 0; i < N; i++) {
		struct pollfd p = {fd[i], POLLIN, 0};
		if (poll(&p, 1, 0) == 1)
			closed++;
		else
			ask(fd[i], METADATA, 9, "echo"), good -= next_answer(fd[i], &c) > 0;
		close(fd[i]);
	}
	ok(closed > 0 && closed < N && good == closed,
	   "one dies: %d of %d connections were its own, the others live on", closed, N);
	good = 0;
	for (int i = 0; i < N; i++)
		good += others_served();
	is_int(good, N, "who comes then is served by the one that is left");
}

/* Every address of both kinds, told apart as Java would. */
static void test_addresses(void)
{
	static char listeners[64];
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port),
	                         .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	sprintf(listeners, "listeners=PLAINTEXT://:%d", port);
	gate_again(0, (char *[]){listeners, 0});
	int fd = dial(port);
	ask(fd, METADATA, 1, "echo");
	ok(answers(fd, 1, "metaserve User:ANONYMOUS /127.0.0.1 \xff\xff\xff\xff"), "IPv4");
	close(fd);
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0) {
		ask(fd, METADATA, 2, "echo");
		ok(answers(fd, 2, "metaserve User:ANONYMOUS /0:0:0:0:0:0:0:1 \xff\xff\xff\xff"),
		   "IPv6");
	} else {
		ok(1, "IPv6 # SKIP there is none");
	}
	close(fd);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	tap_seed();
	node_make("5110-gate-load");
	metaserve = owner_start("metaserve");
	logserve = owner_start("logserve");
	gate = gate_start(0, 0);
	ok(others_served(), "gate is there");
	test_idle();
	test_half_sent();
	test_slow_readers();
	test_memory_answers();
	test_idle_timeout();
	test_limits();
	test_descriptors();
	test_stall();
	test_two();
	test_addresses();
	stop(gate, SIGTERM);
	stop(metaserve, SIGKILL);
	stop(logserve, SIGKILL);
	node_remove();
	return done_testing();
}
