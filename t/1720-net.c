/* lib/net against a node that answers wrongly: bad lengths, cut answers, foreign correlation ids,
 * silence. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/net.h"
#include "tap.h"
#include "wire/api.h"

typedef void script(int fd);

static uint8_t frame[1 << 16];

static void get_bytes(int fd, void *p, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t r = read(fd, (char *)p + at, n - at);
		if (r <= 0)
			_exit(0);
		at += (size_t)r;
	}
}

/* The next request; returns its correlation id. */
static int32_t get_request(int fd, struct wire_request *r)
{
	uint8_t length[4];
	get_bytes(fd, length, 4);
	size_t n = get32(length);
	if (n > sizeof frame)
		_exit(9);
	get_bytes(fd, frame, n);
	if (wire_request_parse(r, frame, n) < 0 && errno != EPROTONOSUPPORT)
		_exit(9);
	return r->correlation_id;
}

static void put_bytes(int fd, const void *p, size_t n)
{
	if (write(fd, p, n) != (ssize_t)n)
		_exit(0);
}

static void frame_begin(struct buf *b, int key, int version, int32_t correlation)
{
	b->n = 0;
	buf_add32(b, 0);
	wire_response_header(b, key, version, correlation);
}

static void frame_send(int fd, struct buf *b)
{
	put32(b->p, (uint32_t)b->n - 4);
	put_bytes(fd, b->p, b->n);
}

static void add_versions(struct buf *b, int version, int error, int16_t most)
{
	struct api_versions_response_api_version v[] = {
		{.api_key = 18, .max_version = most},
		{.api_key = 3, .max_version = 12},
		{.api_key = 2, .min_version = 99, .max_version = 99},
	};
	struct api_versions_response r;
	wire_init(&wire_api_versions_response, &r);
	r.error_code = (int16_t)error;
	r.api_keys = v;
	r.api_keys_n = error ? 1 : 3;
	wire_encode(&wire_api_versions_response, version, &r, b, NULL);
}

static void greet(int fd)
{
	struct wire_request r;
	struct buf b = {0};
	int32_t correlation = get_request(fd, &r);
	frame_begin(&b, 18, r.version, correlation);
	add_versions(&b, r.version, 0, 4);
	frame_send(fd, &b);
	buf_free(&b);
}

static void make_metadata(struct buf *b, int version, int32_t correlation, struct span topic)
{
	struct metadata_response_metadata_response_broker node = {
		.node_id = 7, .host = span_of("127.0.0.1"), .port = 1};
	struct metadata_response_metadata_response_partition p[2] = {
		{.partition_index = 1, .leader_id = 7, .leader_epoch = 3},
		{.partition_index = 0, .leader_id = -1, .error_code = 5},
	};
	struct metadata_response_metadata_response_topic t = {
		.name = topic, .partitions = p, .partitions_n = 2};
	struct metadata_response r;
	wire_init(&wire_metadata_response, &r);
	r.brokers = &node;
	r.brokers_n = 1;
	r.topics = &t;
	r.topics_n = 1;
	frame_begin(b, 3, version, correlation);
	if (wire_encode(&wire_metadata_response, version, &r, b, NULL) < 0)
		_exit(9);
}

static void good(int fd)
{
	struct wire_request r;
	struct buf b = {0};
	greet(fd);
	int32_t correlation = get_request(fd, &r);
	make_metadata(&b, r.version, correlation, span_of("orders"));
	put32(b.p, (uint32_t)b.n - 4);
	for (size_t i = 0; i < b.n; i++)
		put_bytes(fd, b.p + i, 1);
	get_request(fd, &r);
}

static void foreign_correlation(int fd)
{
	struct wire_request r;
	struct buf b = {0};
	greet(fd);
	int32_t correlation = get_request(fd, &r);
	make_metadata(&b, r.version, correlation + 1, span_of("orders"));
	frame_send(fd, &b);
	get_request(fd, &r);
}

static void claim(int fd, uint32_t length, size_t bytes)
{
	struct wire_request r;
	uint8_t p[4 + 64] = {0};
	greet(fd);
	int32_t correlation = get_request(fd, &r);
	put32(p, length);
	put32(p + 4, (uint32_t)correlation);
	put_bytes(fd, p, 4 + bytes);
}

static void negative(int fd)
{
	struct wire_request r;
	claim(fd, UINT32_MAX, 8);
	get_request(fd, &r);
}

static void too_long(int fd)
{
	struct wire_request r;
	claim(fd, INT32_MAX, 8);
	get_request(fd, &r);
}

static void too_short(int fd)
{
	struct wire_request r;
	claim(fd, 3, 3);
	get_request(fd, &r);
}

static void cut(int fd)
{
	claim(fd, 200 << 20, 64);
}

static void lying_count(int fd)
{
	struct wire_request r;
	struct buf b = {0};
	greet(fd);
	int32_t correlation = get_request(fd, &r);
	frame_begin(&b, 3, r.version, correlation);
	buf_add32(&b, 0);
	buf_add(&b, "\xff\xff\xff\xff\x07", 5);
	frame_send(fd, &b);
	get_request(fd, &r);
}

static void silent(int fd)
{
	struct wire_request r;
	greet(fd);
	for (;;)
		get_request(fd, &r);
}

static void unasked(int fd)
{
	struct wire_request r;
	struct buf b = {0};
	greet(fd);
	frame_begin(&b, 3, 12, 99);
	frame_send(fd, &b);
	for (;;)
		get_request(fd, &r);
}

static void no_kafka(int fd)
{
	put_bytes(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
}

/* Knows ApiVersions to version 2 only: answers in version 0, and the client comes again. */
static void old(int fd)
{
	struct wire_request r;
	struct buf b = {0};
	int32_t correlation = get_request(fd, &r);
	frame_begin(&b, 18, 0, correlation);
	add_versions(&b, 0, 35, 2);
	frame_send(fd, &b);
	correlation = get_request(fd, &r);
	if (r.version != 2)
		_exit(9);
	frame_begin(&b, 18, 2, correlation);
	add_versions(&b, 2, 0, 2);
	frame_send(fd, &b);
	get_request(fd, &r);
	make_metadata(&b, r.version, r.correlation_id, span_of("orders"));
	frame_send(fd, &b);
	get_request(fd, &r);
}

static pid_t server;
static int server_port;

/* A node on a port of the system's choice that plays the script to one client. */
static struct net *meet(script *play)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	char place[32];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(fd, (struct sockaddr *)&a, n) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		abort();
	fflush(stdout);
	server = fork();
	if (server == 0) {
		play(accept(fd, NULL, NULL));
		_exit(0);
	}
	close(fd);
	server_port = ntohs(a.sin_port);
	snprintf(place, sizeof place, "127.0.0.1:%d", server_port);
	return net_new(place, "test");
}

static void part(struct net *n)
{
	int status;
	net_free(n);
	waitpid(server, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the node saw what it should");
}

static void wrong(script *play, int error, const char *what)
{
	struct net_topic t = {0};
	struct net *n = meet(play);
	errno = 0;
	int r = net_topic_ask(n, "orders", false, &t, net_now() + 1500);
	int got = errno;
	ok(r < 0 && got == error, "%s: %s (%s)", what, strerror(error), net_why(n));
	net_topic_free(&t);
	part(n);
}

static void right(script *play, const char *what)
{
	struct net_topic t = {0};
	struct net *n = meet(play);
	is_int(net_topic_ask(n, "orders", false, &t, net_now() + 10000), 0, what);
	is_int(t.n, 2, "two partitions");
	ok(t.n == 2 && t.partitions[1].leader == 7 && t.partitions[1].epoch == 3,
	   "one with a leader");
	ok(t.n == 2 && t.partitions[0].leader == -1 && t.partitions[0].error == 5, "one without");
	const struct net_node *v = net_node(n, 7);
	ok(v && v->port == 1 && !strcmp(v->host, "127.0.0.1"), "the node is known now");
	ok(!net_connect(n, 7, net_now() + 1000) && errno == ECONNREFUSED, "nobody is there");
	ok(!net_connect(n, 8, net_now() + 1000) && errno == ESRCH, "an unknown node");
	net_topic_free(&t);
	part(n);
}

static void no_version(void)
{
	struct net *n = meet(silent);
	struct list_offsets_request q;
	struct list_offsets_response r;
	struct arena mem = {0};
	wire_init(&wire_list_offsets_request, &q);
	ok(net_call(n, NET_ANY, 2, -1, &q, &mem, &r, net_now() + 1000) < 0 &&
		   errno == EPROTONOSUPPORT,
	   "no common version");
	ok(net_call(n, NET_ANY, 1, -1, &q, &mem, &r, net_now() + 1000) < 0 &&
		   errno == EPROTONOSUPPORT,
	   "an API that the node does not name");
	part(n);
}

static void never(void *arg, const struct net_answer *a)
{
	*(int *)arg = a->error;
}

/* A claim of 200 MiB takes no memory; the requests in flight learn why there is no answer. */
static void memory(void)
{
	struct net *n = meet(cut);
	struct net_connection c;
	struct metadata_request q;
	int error = 0;
	wire_init(&wire_metadata_request, &q);
	is_int(net_connection_open(&c, "127.0.0.1", server_port, "test", net_now() + 5000), 0,
	       "open");
	is_int(net_connection_send(&c, 3, -1, &q, 5000, never, &error), 0, "send");
	while (c.fd >= 0) {
		struct pollfd p = {.fd = c.fd, .events = net_connection_events(&c)};
		poll(&p, 1, 5000);
		net_connection_turn(&c, p.revents);
		ok(c.in.cap < 1 << 20, "buffer has %zu bytes", c.in.cap);
	}
	is_int(error, ECONNRESET, "the request was answered with the reason");
	ok(net_connection_send(&c, 3, -1, &q, 5000, never, &error) < 0 && errno == ENOTCONN,
	   "dead now");
	net_connection_close(&c);
	part(n);
}

static void lists(void)
{
	static const char *const bad[] = {"",    ",",     "a:",   "a:0", "a:65536",
					  "a:x", ":9092", "a,,b", "a:1,"};
	static const char *const fine[] = {"a",          "a:1",   "a:1,b:2",
					   "[::1]:9092", "[::1]", "1.2.3.4:65535"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		errno = 0;
		ok(!net_new(bad[i], "test") && errno == EINVAL, "refused: \"%s\"", bad[i]);
	}
	for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
		struct net *n = net_new(fine[i], "test");
		ok(n != NULL, "taken: %s", fine[i]);
		net_free(n);
	}
}

int main(void)
{
	lists();
	right(good, "an answer that comes byte by byte");
	right(old, "a node that knows older ApiVersions only");
	wrong(foreign_correlation, EBADMSG, "a foreign correlation id");
	wrong(negative, EBADMSG, "a negative length");
	wrong(too_long, EMSGSIZE, "a length of 2 GiB");
	wrong(too_short, EBADMSG, "an answer shorter than its header");
	wrong(cut, ECONNRESET, "an answer cut short");
	wrong(lying_count, EBADMSG, "a count beyond the bytes");
	wrong(silent, ETIMEDOUT, "silence");
	wrong(unasked, EBADMSG, "an answer that nobody asked for");
	wrong(no_kafka, EMSGSIZE, "a web server");
	no_version();
	memory();
	return done_testing();
}
