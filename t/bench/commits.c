/* commits: how many offsets a coordinator takes. commits PORT TOPIC CONNECTIONS IN-FLIGHT SECONDS:
 * on each connection a group of its own commits an offset of the topic's partition 0, one a
 * request, so many requests at a time. Prints requests, seconds, and the 99th percentile of the
 * time that an answer takes in microseconds. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "wire/api.h"
#include "wire/wire.h"

enum {
	OFFSET_COMMIT = 8, COMMIT_VERSION = 9, FIND_COORDINATOR = 10, FIND_VERSION = 4,
	IN_FLIGHT_MAX = 100, BUCKETS = 200000,     /* of 10 us */
};
struct client {
	int fd;
	struct buf request, in;
	int64_t sent[IN_FLIGHT_MAX];
	int64_t asked, answered;
	size_t offset_at;
};
static int ep, port;
static int64_t buckets[BUCKETS + 1];

static void fail(const char *what)
{
	perror(what);
	exit(111);
}

static int64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void make_request(struct buf *b, int key, int version, const void *request)
{
	b->n = 0;
	buf_add32(b, 0);
	wire_request_header(b, key, version, 7, span_of("commits"));
	wire_encode(wire_api(key)->request, version, request, b, NULL);
	put32(b->p, (uint32_t)(b->n - 4));
}

static void make_commit(struct client *c, struct span group, struct span topic)
{
	static const int64_t mark = 0x1122334455667788;
	struct offset_commit_request in;
	struct offset_commit_request_offset_commit_request_topic t;
	struct offset_commit_request_offset_commit_request_partition p;
	uint8_t bytes[8];
	wire_init(&wire_offset_commit_request, &in);
	wire_init(&wire_offset_commit_request_offset_commit_request_topic, &t);
	wire_init(&wire_offset_commit_request_offset_commit_request_partition, &p);
	in.group_id = group;
	in.topics = &t;
	in.topics_n = t.partitions_n = 1;
	t.name = topic;
	t.partitions = &p;
	p.committed_offset = mark;
	p.committed_metadata = span_of("");
	make_request(&c->request, OFFSET_COMMIT, COMMIT_VERSION, &in);
	put64(bytes, (uint64_t)mark);
	uint8_t *at = memmem(c->request.p, c->request.n, bytes, sizeof bytes);
	c->offset_at = (size_t)(at - c->request.p);
}

static void ask(struct client *c, int in_flight)
{
	put64(c->request.p + c->offset_at, (uint64_t)c->asked);
	c->sent[c->asked++ % in_flight] = now_us();
	if (send(c->fd, c->request.p, c->request.n, MSG_NOSIGNAL) != (ssize_t)c->request.n)
		fail("commits: send");
}

/* A whole answer at the front of in: its bytes with the length; 0 none. */
static size_t whole(const struct client *c)
{
	size_t n = c->in.n < 4 ? 0 : 4 + (size_t)get32(c->in.p);
	return n && n <= c->in.n ? n : 0;
}

static void receive(struct client *c)
{
	buf_need(&c->in, 65536);
	ssize_t n = read(c->fd, c->in.p + c->in.n, 65536);
	if (n <= 0)
		fail("commits: read");
	c->in.n += (size_t)n;
}

/* The answer's first error. */
static int error_of(const uint8_t *p, size_t n, int key, int version)
{
	struct arena a = {.limit = 1 << 20};
	struct offset_commit_response commit;
	struct find_coordinator_response find;
	int32_t id;
	int at = wire_response_parse(key, version, p, n, &id), error = -1;
	if (key == OFFSET_COMMIT &&
	    wire_decode(&wire_offset_commit_response, version, p + at, n - (size_t)at, &a, &commit) > 0)
		error = commit.topics[0].partitions[0].error_code;
	if (key == FIND_COORDINATOR &&
	    wire_decode(&wire_find_coordinator_response, version, p + at, n - (size_t)at, &a, &find) > 0)
		error = find.coordinators[0].error_code;
	arena_free(&a);
	return error;
}

static int call(struct client *c, const struct buf *request, int key, int version)
{
	size_t n;
	if (send(c->fd, request->p, request->n, MSG_NOSIGNAL) != (ssize_t)request->n)
		fail("commits: send");
	while (!(n = whole(c)))
		receive(c);
	int error = error_of(c->in.p + 4, n - 4, key, version);
	buf_take(&c->in, n);
	return error;
}

static void until_good(struct client *c, const struct buf *request, int key, int version)
{
	for (int i = 0; call(c, request, key, version); i++) {
		if (i > 1000) {
			fprintf(stderr, "commits: no coordinator\n");
			exit(1);
		}
		usleep(20000);
	}
}

static void begin(struct client *c, int number, struct span topic)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct find_coordinator_request find;
	struct buf b = {0};
	char group[32];
	snprintf(group, sizeof group, "commits-%d", number);
	struct span id = span_of(group);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0)
		fail("commits: connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	wire_init(&wire_find_coordinator_request, &find);
	find.coordinator_keys = &id;
	find.coordinator_keys_n = 1;
	make_request(&b, FIND_COORDINATOR, FIND_VERSION, &find);
	until_good(c, &b, FIND_COORDINATOR, FIND_VERSION);
	make_commit(c, id, topic);
	until_good(c, &c->request, OFFSET_COMMIT, COMMIT_VERSION);
	buf_free(&b);
	if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &(struct epoll_event){EPOLLIN, {.ptr = c}}) < 0)
		fail("commits: epoll_ctl");
}

static void answers(struct client *c, int in_flight, bool more)
{
	size_t n;
	receive(c);
	while ((n = whole(c))) {
		if (error_of(c->in.p + 4, n - 4, OFFSET_COMMIT, COMMIT_VERSION)) {
			fprintf(stderr, "commits: a commit failed\n");
			exit(1);
		}
		int64_t took = (now_us() - c->sent[c->answered++ % in_flight]) / 10;
		buckets[took < BUCKETS ? took : BUCKETS]++;
		buf_take(&c->in, n);
		if (more)
			ask(c, in_flight);
	}
}

static int64_t percentile(int64_t requests)
{
	int64_t at = 0, seen = 0;
	while (at < BUCKETS && (seen += buckets[at]) < requests * 99 / 100)
		at++;
	return 10 * at;
}

int main(int argc, char **argv)
{
	if (argc != 6)
		return 100;
	int n = atoi(argv[3]), in_flight = atoi(argv[4]);
	if (n < 1 || in_flight < 1 || in_flight > IN_FLIGHT_MAX)
		return 100;
	struct client *v = calloc((size_t)n, sizeof *v);
	port = atoi(argv[1]);
	ep = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < n; i++)
		begin(&v[i], i, span_of(argv[2]));
	int64_t start = now_us(), end = start + atoi(argv[5]) * INT64_C(1000000), requests = 0;
	for (int i = 0; i < n * in_flight; i++)
		ask(&v[i % n], in_flight);
	while (now_us() < end) {
		struct epoll_event e[64];
		int ready = epoll_wait(ep, e, 64, 100);
		for (int i = 0; i < ready; i++)
			answers(e[i].data.ptr, in_flight, true);
	}
	for (int i = 0; i < n; i++)
		requests += v[i].answered;
	printf("%lld\t%.3f\t%lld\n", (long long)requests, (double)(now_us() - start) / 1e6,
	       (long long)percentile(requests));
	return 0;
}
