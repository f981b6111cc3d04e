/* For tests of gate: owners that obey the request's client id, gate itself, and clients.
 *
 * An owner is a process of its own that serves run/NAME. What it does with a request is its client
 * id:  echo           its name, a space, the principal and host, a space, the body after the header
 *      park           nothing until `release`, which answers those parked, the last first
 *      count          how many are parked
 *      none  close    that kind of answer
 *      size N         N bytes        file N    the first N bytes of the node's file
 *      mix            bytes, a small range, a large range, a range of another file, bytes
 *      short          a range beyond the end of the file
 *      unknown        a range without its descriptor, every second time
 *      forget         tells gate to forget the files
 *      spread N       1000 ranges of as many files, the first of them number N
 *      forgotten      how many of them gate said it let go
 *      mute N         answers, and mutes the client for N ms     later N   answers after N ms
 *      exit           dies
 */
#ifndef T_GATE_H
#define T_GATE_H
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "port/loop.h"
#include "tap.h"
#include "wire/wire.h"

enum { PRODUCE = 0, FETCH = 1, METADATA = 3, API_VERSIONS = 18, CREATE_TOPICS = 19,
       FILE_SIZE = 3 << 20 };

/* --- owners ----------------------------------------------------------------------------------- */

static struct {
	struct port_loop *loop;
	const char *name;
	struct port_from parked[4096];
	uint32_t correlation[4096];
	int parked_n, file[2];
	bool given[2];
	int forgotten;
} owner;

static void answer(struct port_from to, uint32_t correlation, const void *p, size_t n)
{
	uint8_t head[4];
	put32(head, correlation);
	struct port_piece pieces[] = {{.bytes = {(char *)head, 4}, .fd = -1},
	                              {.bytes = {p, (int32_t)n}, .fd = -1}};
	port_answer(owner.loop, to, PORT_BYTES, 0, pieces, 2);
}

static struct port_piece range(int which, uint64_t offset, uint32_t n)
{
	struct port_piece p = {.bytes = SPAN_NULL, .slot = (uint32_t)which, .base = 100,
	                       .generation = 1, .offset = offset, .n = n, .fd = -1};
	if (!owner.given[which])
		p.fd = owner.file[which];
	owner.given[which] = true;
	return p;
}

static void answer_file(struct port_from to, uint32_t correlation, struct port_piece a,
                        const struct port_piece *more, uint16_t n)
{
	uint8_t head[4];
	put32(head, correlation);
	struct port_piece pieces[8] = {{.bytes = {(char *)head, 4}, .fd = -1}, a};
	if (n)
		memcpy(pieces + 2, more, n * sizeof *more);
	port_answer(owner.loop, to, PORT_BYTES, 0, pieces, (uint16_t)(2 + n));
}

static void answer_mix(struct port_from to, uint32_t correlation)
{
	struct port_piece first = range(0, 5, 1000);
	struct port_piece more[] = {
		range(0, 7, 100000), range(1, 9, 50), range(0, 0, 0), {.bytes = {"end", 3}, .fd = -1},
	};
	answer_file(to, correlation, first, more, 4);
}

/* Each is a file of its own to gate, with the content of the node's file. */
static void answer_spread(struct port_from to, uint32_t correlation, uint32_t first)
{
	static struct port_piece pieces[1001];
	uint8_t head[4];
	put32(head, correlation);
	pieces[0] = (struct port_piece){.bytes = {(char *)head, 4}, .fd = -1};
	for (uint32_t i = 0; i < 1000; i++)
		pieces[1 + i] = (struct port_piece){.bytes = SPAN_NULL, .slot = first + i, .base = 7,
		                                    .generation = 1, .offset = i, .n = 1,
		                                    .fd = owner.file[0]};
	port_answer(owner.loop, to, PORT_BYTES, 0, pieces, 1001);
}

static void release(void)
{
	while (owner.parked_n) {
		owner.parked_n--;
		answer(owner.parked[owner.parked_n], owner.correlation[owner.parked_n], "parked", 6);
	}
}

struct later {
	struct port_timer timer;
	struct port_from to;
	uint32_t correlation;
};

static void answer_later(void *arg)
{
	struct later *l = arg;
	answer(l->to, l->correlation, "later", 5);
	free(l);
}

static void start_later(struct port_from to, uint32_t correlation, int ms)
{
	struct later *l = calloc(1, sizeof *l);
	*l = (struct later){{.fn = answer_later, .arg = l}, to, correlation};
	port_timer_set(owner.loop, &l->timer, port_now_ms() + ms);
}

static void forget(struct port_from to)
{
	for (uint32_t i = 0; i < 2; i++)
		port_tell(owner.loop, to, &(struct port_message){.type = PORT_TFORGET, .fd = -1,
		                                                 .slot = i, .base = 100,
		                                                 .generation = 1});
	owner.given[0] = owner.given[1] = false;
}

static void obey(const struct port_call *c, uint32_t correlation, const char *what, long n)
{
	static char many[4 << 20], text[8 << 20];
	if (!strcmp(what, "echo")) {
		int32_t head = 8 + 2 + 4;
		int k = sprintf(text, "%s %.*s %.*s ", owner.name, c->principal.n, c->principal.p,
		                c->host.n, c->host.p);
		int32_t body = c->body.n > head ? c->body.n - head : 0;
		memcpy(text + k, c->body.p + c->body.n - body, (size_t)body);
		answer(c->from, correlation, text, (size_t)k + (size_t)body);
	} else if (!strcmp(what, "park")) {
		owner.parked[owner.parked_n] = c->from;
		owner.correlation[owner.parked_n++] = correlation;
	} else if (!strcmp(what, "release")) {
		release();
		answer(c->from, correlation, "released", 8);
	} else if (!strcmp(what, "count")) {
		answer(c->from, correlation, text, (size_t)sprintf(text, "%d", owner.parked_n));
	} else if (!strcmp(what, "none")) {
		port_answer(owner.loop, c->from, PORT_NONE, 0, 0, 0);
	} else if (!strcmp(what, "close")) {
		port_answer(owner.loop, c->from, PORT_CLOSE, 0, 0, 0);
	} else if (!strcmp(what, "size")) {
		answer(c->from, correlation, many, (size_t)n);
	} else if (!strcmp(what, "file")) {
		answer_file(c->from, correlation, range(0, 0, (uint32_t)n), 0, 0);
	} else if (!strcmp(what, "short")) {
		answer_file(c->from, correlation, range(0, FILE_SIZE - n / 2, (uint32_t)n), 0, 0);
	} else if (!strcmp(what, "unknown")) {
		owner.given[0] = !owner.given[0];
		answer_file(c->from, correlation, range(0, 0, 10), 0, 0);
	} else if (!strcmp(what, "mix")) {
		answer_mix(c->from, correlation);
	} else if (!strcmp(what, "forget")) {
		forget(c->from);
		answer_mix(c->from, correlation);
	} else if (!strcmp(what, "spread")) {
		answer_spread(c->from, correlation, (uint32_t)n);
	} else if (!strcmp(what, "forgotten")) {
		answer(c->from, correlation, text, (size_t)sprintf(text, "%d", owner.forgotten));
	} else if (!strcmp(what, "mute")) {
		struct port_piece p = {.bytes = {c->body.p + 4, 4}, .fd = -1};
		port_answer(owner.loop, c->from, PORT_BYTES, (uint32_t)n, &p, 1);
	} else if (!strcmp(what, "later")) {
		start_later(c->from, correlation, (int)n);
	} else if (!strcmp(what, "exit")) {
		_exit(0);
	}
}

static void owner_call(void *ctx, const struct port_call *c)
{
	char what[64] = "", id[64];
	long n = 0;
	uint16_t length = c->body.n >= 10 ? get16(c->body.p + 8) : 0;
	span_z((struct span){c->body.p + 10, length}, id, sizeof id);
	sscanf(id, "%63s %ld", what, &n);
	obey(c, get32(c->body.p + 4), what, n);
}

static void owner_flush(void *ctx, struct port_from from)
{
	for (int i = 0; i < owner.parked_n; i++) {
		if (owner.parked[i].tag != from.tag)
			continue;
		owner.parked_n--;
		owner.parked[i] = owner.parked[owner.parked_n];
		owner.correlation[i] = owner.correlation[owner.parked_n];
		return;
	}
}

static void owner_hello(void *ctx, struct port_from from, struct span name, int fd)
{
	owner.given[0] = owner.given[1] = false;
}

static void owner_other(void *ctx, struct port_from from, const struct port_message *m)
{
	owner.forgotten += m->type == PORT_TFORGET;
}

static char node[512];    /* the node's directory */

static pid_t owner_start(const char *name)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	char path[64];
	struct port_service s = {.call = owner_call, .flush = owner_flush, .hello = owner_hello,
	                         .other = owner_other, .page_fd = -1};
	owner.name = name;
	owner.loop = port_loop_new();
	snprintf(path, sizeof path, "run/%s", name);
	if (chdir(node) < 0)
		_exit(1);
	owner.file[0] = open("file", O_RDONLY | O_CLOEXEC);
	owner.file[1] = open("other", O_RDONLY | O_CLOEXEC);
	if (port_serve(owner.loop, path, &s, 0) < 0)
		_exit(1);
	for (;;)
		port_turn(owner.loop);
}

static void stop(pid_t pid, int signal)
{
	kill(pid, signal);
	waitpid(pid, 0, 0);
}

/* --- gate ------------------------------------------------------------------------------------- */

static int port;          /* clients on it, controllers on the next */
static uint8_t *content;  /* of the node's file */

static void write_file(const char *name, const void *p, size_t n)
{
	char path[600];
	snprintf(path, sizeof path, "%s/%s", node, name);
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	if (fd < 0 || write(fd, p, n) != (ssize_t)n)
		abort();
	close(fd);
}

/* Free, and taken from other tests for as long as this one lives. */
static bool port_is_free(int p)
{
	char lock[64];
	mkdir("/tmp/odradek-ports", 0777);
	snprintf(lock, sizeof lock, "/tmp/odradek-ports/%d", p);
	int held = open(lock, O_CREAT | O_RDWR | O_CLOEXEC, 0666);
	if (held < 0 || flock(held, LOCK_EX | LOCK_NB) < 0)
		return false;
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)p),
	                        .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	bool is = bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
	close(fd);
	return is;
}

/* A directory for the node with its files, and two ports. */
static void node_make(const char *name)
{
	char run[600];
	mkdir("build/tmp", 0755);
	snprintf(node, sizeof node, "build/tmp/%s.%d", name, (int)getpid());
	snprintf(run, sizeof run, "%s/run", node);
	if (mkdir(node, 0755) < 0 || mkdir(run, 0755) < 0)
		abort();
	content = malloc(FILE_SIZE);
	for (size_t i = 0; i < FILE_SIZE; i++)
		content[i] = (uint8_t)tap_random(256);
	write_file("file", content, FILE_SIZE);
	write_file("other", content + 1000, 1000);
	port = 20400 + (int)(getpid() % 50) * 2;
	while (!port_is_free(port) || !port_is_free(port + 1))
		port = port == 20498 ? 20400 : port + 2;
}

static void node_remove(void)
{
	char command[600];
	snprintf(command, sizeof command, "rm -rf '%s'", node);
	if (system(command) != 0)
		diag("%s is left", node);
	free(content);
}

static void gate_exec(const char *program, int limit, char *const more[])
{
	char listeners[200];
	snprintf(listeners, sizeof listeners, "PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d",
	         port, port + 1);
	setenv("listeners", listeners, 1);
	setenv("controller.listener.names", "CONTROLLER", 1);
	for (int i = 0; more && more[i]; i++)
		putenv(more[i]);
	if (limit)
		setrlimit(RLIMIT_NOFILE, &(struct rlimit){(rlim_t)limit, (rlim_t)limit});
	if (chdir(node) < 0)
		_exit(1);
	execl(program, "gate", (char *)0);
	_exit(126);
}

/* Started and listening; more: settings as NAME=VALUE. */
static pid_t gate_start(int limit, char *const more[])
{
	int ready[2];
	char *program = realpath("build/bin/gate", 0), c = 0;
	if (!program || pipe(ready) < 0)
		abort();
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		if (ready[1] != 3) {
			dup2(ready[1], 3);
			close(ready[1]);
		}
		gate_exec(program, limit, more);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1 || c != '\n')
		diag("gate did not say that it is ready");
	close(ready[0]);
	free(program);
	return pid;
}

TAP_FN long rss_kib(pid_t pid)
{
	char path[64], line[256];
	long kib = -1;
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

TAP_FN long cpu_ms(pid_t pid)
{
	char path[64];
	long user = 0, system = 0;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "r");
	if (f && fscanf(f, "%*d %*s %*s %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user,
	                &system) != 2)
		diag("no cpu time");
	if (f)
		fclose(f);
	return (user + system) * 1000 / sysconf(_SC_CLK_TCK);
}

/* --- clients ---------------------------------------------------------------------------------- */

static int dial(int at)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)at),
	                        .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct timeval patience = {8, 0};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
		return fd;
	close(fd);
	return -1;
}

static void send_all(int fd, const void *p, size_t n)
{
	for (const char *c = p; n;) {
		ssize_t k = send(fd, c, n, MSG_NOSIGNAL);
		if (k <= 0)
			return;
		c += k;
		n -= (size_t)k;
	}
}

/* A request whose client id is the command, with this after the header's client id. */
static void add_request_of(struct buf *b, int key, int version, uint32_t correlation,
                           const char *what, const void *body, size_t n)
{
	size_t id = strlen(what);
	buf_add32(b, (uint32_t)(8 + 2 + id + n));
	buf_add16(b, (uint16_t)key);
	buf_add16(b, (uint16_t)version);
	buf_add32(b, correlation);
	buf_add16(b, (uint16_t)id);
	buf_add(b, what, id);
	buf_add(b, body, n);
}

/* Metadata 4 goes to metaserve, Fetch 4 to logserve,
 * Produce 3 to logappend, CreateTopics 2 to elect; none has a tag section in its header. */
static void add_request(struct buf *b, int key, uint32_t correlation, const char *what,
                        const void *body, size_t n)
{
	static const int versions[] = {[PRODUCE] = 3, [FETCH] = 4, [METADATA] = 4, [CREATE_TOPICS] = 2};
	add_request_of(b, key, key == API_VERSIONS ? 0 : versions[key], correlation, what, body, n);
}

static void ask_with(int fd, int key, uint32_t correlation, const char *what, const void *body,
                     size_t n)
{
	struct buf b = {0};
	add_request(&b, key, correlation, what, body, n);
	send_all(fd, b.p, b.n);
	buf_free(&b);
}

/* The body says that a consumer asks, for Fetch. */
static void ask(int fd, int key, uint32_t correlation, const char *what)
{
	ask_with(fd, key, correlation, what, "\xff\xff\xff\xff", 4);
}

static bool read_all(int fd, void *p, size_t n)
{
	for (char *c = p; n;) {
		ssize_t k = read(fd, c, n);
		if (k <= 0)
			return false;
		c += k;
		n -= (size_t)k;
	}
	return true;
}

/* The next answer, after its correlation id, in a buffer of its own; its size, or -1 when the
 * connection was closed. */
static uint8_t *got;
static ssize_t next_answer(int fd, uint32_t *correlation)
{
	uint8_t head[8];
	static size_t size;
	if (!read_all(fd, head, 8))
		return -1;
	size_t n = get32(head) - 4;
	*correlation = get32(head + 4);
	if (n >= size) {
		free(got);
		got = malloc(size = n + 1);
	}
	if (!read_all(fd, got, n))
		return -1;
	got[n] = 0;
	return (ssize_t)n;
}

TAP_FN bool answers(int fd, uint32_t correlation, const char *want)
{
	uint32_t c = 0;
	ssize_t n = next_answer(fd, &c);
	if (n >= 0 && c == correlation && !strcmp((char *)got, want))
		return true;
	diag("got %d (%zd bytes) %.40s, want %d %s", (int)c, n, n < 0 ? "" : (char *)got,
	     (int)correlation, want);
	return false;
}

TAP_FN bool is_closed(int fd)
{
	char c;
	ssize_t n = read(fd, &c, 1);
	return n == 0 || (n < 0 && errno != EAGAIN);
}

/* Asks count of an owner on a connection of its own until it answers want, 5 s at most. */
TAP_FN bool counts(int key, const char *want)
{
	int64_t end = port_now_ms() + 5000;
	int fd = dial(port);
	uint32_t c;
	bool same = false;
	while (!same && port_now_ms() < end) {
		ask(fd, key, 1, "count");
		same = next_answer(fd, &c) >= 0 && !strcmp((char *)got, want);
		poll(0, 0, same ? 0 : 5);
	}
	close(fd);
	return same;
}
#endif
