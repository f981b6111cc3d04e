/* floor: what no broker can undercut. One process takes Produce requests of a topic of its own,
 * checks the CRC of the one batch in each, writes it to a file with pwrite, answers; nothing else.
 * floor PORT DIRECTORY PARTITIONS: every topic that is asked for exists. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log/batch.h"
#include "wire/api.h"

enum { PRODUCE = 0, METADATA = 3, API_VERSIONS = 18 };
enum { PARTITIONS_MOST = 1000, RECV_MOST = 256 << 10 };

struct client {
	int fd;
	struct buf in, out;
};
struct file {
	int fd;
	int64_t bytes, offset;
};
static struct file files[PARTITIONS_MOST];
static int port, partitions;
static struct arena mem;

static void fail(const char *what)
{
	perror(what);
	exit(111);
}

static void answer_versions(const struct wire_request *r, struct buf *out)
{
	static const int keys[] = {PRODUCE, METADATA, API_VERSIONS};
	struct api_versions_response_api_version v[3];
	struct api_versions_response a;
	wire_init(&wire_api_versions_response, &a);
	for (int i = 0; i < 3; i++) {
		wire_init(&wire_api_versions_response_api_version, &v[i]);
		v[i].api_key = (int16_t)keys[i];
		v[i].min_version = wire_api(keys[i])->min;
		v[i].max_version = wire_api(keys[i])->max;
	}
	a.api_keys = v;
	a.api_keys_n = 3;
	wire_encode(&wire_api_versions_response, r->version, &a, out, NULL);
}

static void answer_metadata(const struct wire_request *r, struct buf *out)
{
	struct metadata_request q;
	struct metadata_response a;
	struct metadata_response_metadata_response_broker b;
	struct metadata_response_metadata_response_topic t;
	struct metadata_response_metadata_response_partition p[PARTITIONS_MOST];
	if (wire_decode(&wire_metadata_request, r->version, r->body, r->body_n, &mem, &q) < 0)
		fail("floor: Metadata");
	wire_init(&wire_metadata_response, &a);
	wire_init(&wire_metadata_response_metadata_response_broker, &b);
	wire_init(&wire_metadata_response_metadata_response_topic, &t);
	b.node_id = 1;
	b.host = span_of("127.0.0.1");
	b.port = port;
	a.brokers = &b;
	a.brokers_n = 1;
	if (q.topics_n > 0) {
		t.name = q.topics[0].name;
		t.topic_id.b[0] = 1;
		for (int i = 0; i < partitions; i++) {
			wire_init(&wire_metadata_response_metadata_response_partition, &p[i]);
			p[i].partition_index = i;
			p[i].leader_id = 1;
		}
		t.partitions = p;
		t.partitions_n = partitions;
		a.topics = &t;
		a.topics_n = 1;
	}
	wire_encode(&wire_metadata_response, r->version, &a, out, NULL);
}

static void append(int32_t partition, struct span records, int64_t *base)
{
	struct batch b;
	struct file *f = &files[partition];
	uint8_t *p = (uint8_t *)records.p;
	if (batch_parse(&b, p, (size_t)records.n) < 0 || !batch_crc_ok(&b, p))
		fail("floor: batch");
	batch_place(p, f->offset, 0);
	if (pwrite(f->fd, p, (size_t)records.n, f->bytes) != records.n)
		fail("floor: pwrite");
	*base = f->offset;
	f->bytes += records.n;
	f->offset += b.count;
}

static void answer_produce(const struct wire_request *r, struct buf *out)
{
	struct produce_request q;
	struct produce_response a;
	struct produce_response_topic_produce_response t;
	struct produce_response_partition_produce_response p;
	if (wire_decode(&wire_produce_request, r->version, r->body, r->body_n, &mem, &q) < 0 ||
	    q.topic_data_n != 1 || q.topic_data[0].partition_data_n != 1 ||
	    (unsigned)q.topic_data[0].partition_data[0].index >= (unsigned)partitions)
		fail("floor: Produce");
	wire_init(&wire_produce_response, &a);
	wire_init(&wire_produce_response_topic_produce_response, &t);
	wire_init(&wire_produce_response_partition_produce_response, &p);
	p.index = q.topic_data[0].partition_data[0].index;
	append(p.index, q.topic_data[0].partition_data[0].records, &p.base_offset);
	t.name = q.topic_data[0].name;
	t.topic_id = q.topic_data[0].topic_id;
	t.partition_responses = &p;
	t.partition_responses_n = 1;
	a.responses = &t;
	a.responses_n = 1;
	wire_encode(&wire_produce_response, r->version, &a, out, NULL);
}

static void serve(struct client *c, const uint8_t *frame, size_t n)
{
	struct wire_request r;
	size_t start = c->out.n;
	if (wire_request_parse(&r, frame, n) < 0)
		fail("floor: request");
	buf_add32(&c->out, 0);
	wire_response_header(&c->out, r.key, r.version, r.correlation_id);
	if (r.key == PRODUCE)
		answer_produce(&r, &c->out);
	else if (r.key == METADATA)
		answer_metadata(&r, &c->out);
	else
		answer_versions(&r, &c->out);
	put32(c->out.p + start, (uint32_t)(c->out.n - start - 4));
	arena_reset(&mem);
}

/* -1: the client is gone. An answer is small: the socket takes it. */
static int turn(struct client *c)
{
	size_t at = 0;
	if (buf_need(&c->in, RECV_MOST) < 0)
		fail("floor");
	ssize_t r = recv(c->fd, c->in.p + c->in.n, RECV_MOST, 0);
	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (r <= 0)
		return -1;
	c->in.n += (size_t)r;
	while (c->in.n - at >= 4 && c->in.n - at - 4 >= get32(c->in.p + at)) {
		size_t n = get32(c->in.p + at);
		serve(c, c->in.p + at + 4, n);
		at += 4 + n;
	}
	buf_take(&c->in, at);
	if (c->out.n && send(c->fd, c->out.p, c->out.n, MSG_NOSIGNAL) != (ssize_t)c->out.n)
		return -1;
	c->out.n = 0;
	return 0;
}

static int listen_on(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof a) < 0 || listen(s, 1000) < 0)
		fail("floor: listen");
	return s;
}

static void welcome(int ep, int listener)
{
	int on = 1;
	struct client *c = calloc(1, sizeof *c);
	if (!c || (c->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) < 0)
		fail("floor: accept");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &(struct epoll_event){EPOLLIN, {.ptr = c}});
}

static void farewell(struct client *c)
{
	close(c->fd);
	buf_free(&c->in);
	buf_free(&c->out);
	free(c);
}

int main(int argc, char **argv)
{
	if (argc != 4 || (partitions = atoi(argv[3])) < 1 || partitions > PARTITIONS_MOST) {
		fprintf(stderr, "usage: floor PORT DIRECTORY PARTITIONS\n");
		return 100;
	}
	port = atoi(argv[1]);
	if (chdir(argv[2]) < 0)
		fail(argv[2]);
	for (int i = 0; i < partitions; i++) {
		char name[16];
		snprintf(name, sizeof name, "%d", i);
		files[i].fd = open(name, O_CREAT | O_TRUNC | O_RDWR, 0644);
		if (files[i].fd < 0)
			fail(name);
	}
	int ep = epoll_create1(0), listener = listen_on();
	epoll_ctl(ep, EPOLL_CTL_ADD, listener, &(struct epoll_event){EPOLLIN, {.ptr = NULL}});
	for (;;) {
		struct epoll_event e[64];
		int n = epoll_wait(ep, e, 64, -1);
		for (int i = 0; i < n; i++)
			if (!e[i].data.ptr)
				welcome(ep, listener);
			else if (turn(e[i].data.ptr) < 0)
				farewell(e[i].data.ptr);
	}
}
