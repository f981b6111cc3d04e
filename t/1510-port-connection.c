/* Connections: any split of the stream, many descriptors in order, a full socket, broken bytes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "port/connection.h"
#include "tap.h"

static struct port_connection *a, *b;

static void pair_open(void)
{
	int fd[2];
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		abort();
	a = port_connection_new(fd[0]);
	b = port_connection_new(fd[1]);
}

static void pair_close(void)
{
	port_connection_free(a);
	port_connection_free(b);
}

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* A descriptor that can be told from others: a memfd of n bytes. */
static int mark(int n)
{
	int fd = memfd_create("mark", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, n) < 0)
		abort();
	return fd;
}

static int mark_of(int fd)
{
	struct stat st;
	int n = fstat(fd, &st) < 0 ? -1 : (int)st.st_size;
	close(fd);
	return n;
}

/* The next message, flushing the other side as often as it takes. */
static bool next(struct port_message *m)
{
	for (int i = 0; i < 100000; i++) {
		if (port_next(b, m) == 1)
			return true;
		if (port_flush(a) < 0 || port_receive(b) < 0)
			return false;
	}
	return false;
}

static void test_many_fds(void)
{
	enum { N = 600 };
	static struct port_piece pieces[N + 1];
	int before = open_fds();
	pair_open();
	pieces[0] = (struct port_piece){.bytes = {"head", 4}, .fd = -1};
	for (int i = 1; i <= N; i++)
		pieces[i] = (struct port_piece){.bytes = SPAN_NULL, .slot = (uint32_t)i, .n = 1,
		                                .fd = mark(i)};
	struct port_message m = {.type = PORT_RCALL, .tag = 1, .fd = -1, .pieces = pieces,
	                         .pieces_n = N + 1};
	is_int(port_send(a, &m), 0, "an answer with 600 descriptors is queued");
	for (int i = 1; i <= N; i++)
		close(pieces[i].fd);
	struct port_message hello = {.type = PORT_RHELLO, .tag = 2, .fd = mark(7777)};
	port_send(a, &hello);
	close(hello.fd);
	int wrong = 0;
	ok(next(&m) && m.pieces_n == N + 1, "it comes with all its pieces");
	for (int i = 1; i <= N && m.pieces_n == N + 1; i++)
		wrong += mark_of(m.pieces[i].fd) != i;
	is_int(wrong, 0, "each piece has its own descriptor");
	ok(next(&m) && mark_of(m.fd) == 7777, "so has the message behind it");
	pair_close();
	is_int(open_fds(), before, "no descriptor is left open");
}

static void send_random(uint32_t i)
{
	static char body[200000];
	struct port_message m = {.type = PORT_TCALL, .tag = i, .fd = -1,
	                         .principal = span_of("User:ANONYMOUS"),
	                         .host = span_of("/127.0.0.1")};
	m.body = (struct span){body, (int32_t)tap_random(tap_random(20) ? 500 : sizeof body)};
	memset(body, (int)i, (size_t)m.body.n);
	if (i % 7 == 0)
		m = (struct port_message){.type = PORT_RHELLO, .tag = i, .fd = mark((int)i + 1)};
	if (port_send(a, &m) < 0)
		abort();
	if (m.type == PORT_RHELLO)
		close(m.fd);
}

static bool check_random(const struct port_message *m, uint32_t i)
{
	if (m->tag != i)
		return false;
	if (i % 7 == 0)
		return m->type == PORT_RHELLO && mark_of(m->fd) == (int)i + 1;
	for (int32_t k = 0; k < m->body.n; k++)
		if (m->body.p[k] != (char)i)
			return false;
	return m->type == PORT_TCALL;
}

static void test_stream(void)
{
	enum { N = 4000 };
	uint32_t sent = 0, got = 0, wrong = 0, full = 0;
	struct port_message m;
	int before = open_fds();
	pair_open();
	while (got < N) {
		for (uint64_t k = tap_random(300); k && sent < N; k--)
			send_random(sent++);
		int r = port_flush(a);
		full += r == 1;
		if (r < 0 || port_receive(b) < 0)
			break;
		while (port_next(b, &m) == 1)
			wrong += !check_random(&m, got++);
	}
	is_int(got, N, "4000 messages of any size arrive");
	is_int(wrong, 0, "in order, with their bytes and descriptors");
	ok(full > 0, "the socket was full %u times", full);
	is_int(port_queued_bytes(a), 0, "nothing is left in the queue");
	pair_close();
	is_int(open_fds(), before, "no descriptor is left open");
}

static void test_bytewise(void)
{
	struct port_message m = {.type = PORT_THELLO, .tag = 3, .version = 1, .fd = -1,
	                         .name = span_of("gate")};
	struct buf bytes = {0};
	pair_open();
	port_pack(&bytes, &m);
	int early = 0;
	for (size_t i = 0; i < bytes.n; i++) {
		early += port_next(b, &m) != 0;
		if (write(port_connection_fd(a), bytes.p + i, 1) != 1)
			abort();
		port_receive(b);
	}
	is_int(early, 0, "byte by byte: no message before its last byte");
	ok(port_next(b, &m) == 1 && span_is(m.name, "gate"), "then it is there");
	is_int(port_next(b, &m), 0, "once");
	port_connection_free(a);
	a = 0;
	is_int(port_receive(b), -1, "the end is told");
	pair_close();
	buf_free(&bytes);
}

static void refused(const char *what, const void *p, size_t n)
{
	struct port_message m;
	pair_open();
	if (write(port_connection_fd(a), p, n) != (ssize_t)n)
		abort();
	port_receive(b);
	ok(port_next(b, &m) == -1 && errno == EBADMSG, "%s is refused", what);
	pair_close();
}

static void test_broken(void)
{
	refused("a length of 4 GiB", "\xff\xff\xff\xff", 4);
	refused("a length below a head", "\0\0\0\1", 4);
	refused("an unknown type", "\0\0\0\10\77\0\0\0\0\0\0\0", 12);
	refused("a descriptor that is told and does not come", "\0\0\0\22\2\1\0\0\0\0\0\0\0\1"
	        "\0\0\0\0\0\0\0\1", 22);
	refused("an answer that claims 4097 pieces", "\0\0\0\17\4\0\0\0\0\0\0\0\0\0\0\0\0\20\1", 19);
	refused("an answer that claims 4096 pieces", "\0\0\0\17\4\0\0\0\0\0\0\0\0\0\0\0\0\20\0", 19);
}

static void test_bind(void)
{
	const char *path = "build/tmp-1510.sock";
	unlink(path);
	int fd = port_connect(path);
	ok(fd == -1 && errno == ENOENT, "nobody is there");
	int s = port_bind(path);
	ok(s >= 0, "bound");
	ok(port_bind(path) == -1 && errno == EADDRINUSE, "not twice");
	fd = port_connect(path);
	ok(fd >= 0, "connected");
	close(fd);
	close(s);
	fd = port_connect(path);
	ok(fd == -1 && errno == ECONNREFUSED, "the owner died");
	s = port_bind(path);
	ok(s >= 0, "the next takes the stale file's place");
	close(s);
	unlink(path);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	ok(port_bind(path) == -1 && errno == EEXIST, "what is no socket stays");
	unlink(path);
	char longer[200];
	memset(longer, 'x', sizeof longer);
	longer[199] = 0;
	ok(port_bind(longer) == -1 && errno == ENAMETOOLONG, "a path that is too long");
}

int main(void)
{
	tap_seed();
	test_bytewise();
	test_many_fds();
	test_stream();
	test_broken();
	test_bind();
	return done_testing();
}
