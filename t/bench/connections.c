/* connections: what a connection itself costs a broker. On 127.0.0.1:PORT,
 * connections PORT churn N: N times connect, ApiVersions, Metadata, close, 8 at a time; prints how
 * many a second. connections PORT hold N: N that have asked the same stay open until the end of
 * standard input; prints a line when all are there. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "wire/api.h"

enum { METADATA = 3, METADATA_VERSION = 12, API_VERSIONS = 18, API_VERSIONS_VERSION = 3, SIDE = 8 };

struct client {
	int fd, answers;
	uint8_t in[4096]; /* an answer's length, and as much of it as fits */
	size_t n;
};
static struct buf requests[2];
static int ep, port, wanted, begun, done;

static void fail(const char *what)
{
	perror(what);
	exit(111);
}

static void make_request(struct buf *b, int key, int version, const void *request)
{
	buf_add32(b, 0);
	wire_request_header(b, key, version, 7, span_of("connections"));
	wire_encode(wire_api(key)->request, version, request, b, NULL);
	put32(b->p, (uint32_t)(b->n - 4));
}

static void make_requests(void)
{
	struct api_versions_request versions;
	struct metadata_request metadata;
	wire_init(&wire_api_versions_request, &versions);
	versions.client_software_name = span_of("connections");
	versions.client_software_version = span_of("1");
	make_request(&requests[0], API_VERSIONS, API_VERSIONS_VERSION, &versions);
	wire_init(&wire_metadata_request, &metadata);
	metadata.topics_n = 0;
	make_request(&requests[1], METADATA, METADATA_VERSION, &metadata);
}

static void ask(struct client *c)
{
	const struct buf *b = &requests[c->answers];
	c->n = 0;
	if (send(c->fd, b->p, b->n, MSG_NOSIGNAL) != (ssize_t)b->n)
		fail("connections: send");
}

/* Many source addresses, so that ports in TIME_WAIT do not run out. */
static void begin(struct client *c)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in from = {.sin_family = AF_INET};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)begun % 100);
	begun++;
	c->answers = 0;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&from, sizeof from) < 0 ||
	    connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0)
		fail("connections: connect");
	if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &(struct epoll_event){EPOLLIN, {.ptr = c}}) < 0)
		fail("connections: epoll_ctl");
	ask(c);
}

/* True when the whole answer is there. Its end is near: neither answer is longer than the room. */
static bool answered(struct client *c)
{
	ssize_t r = recv(c->fd, c->in + c->n, sizeof c->in - c->n, MSG_DONTWAIT);
	if (r < 0 && errno == EAGAIN)
		return false;
	if (r <= 0)
		fail("connections: recv");
	c->n += (size_t)r;
	if (c->n >= 4 && get32(c->in) > sizeof c->in - 4) {
		errno = EMSGSIZE;
		fail("connections: recv");
	}
	return c->n >= 4 && c->n == get32(c->in) + 4;
}

static void turn(struct client *c, bool hold)
{
	if (!answered(c))
		return;
	if (++c->answers < 2) {
		ask(c);
		return;
	}
	done++;
	if (!hold)
		close(c->fd);
	else
		c = calloc(1, sizeof *c);
	if (c && begun < wanted)
		begin(c);
}

int main(int argc, char **argv)
{
	bool hold = argc == 4 && !strcmp(argv[2], "hold");
	struct rlimit most;
	struct timespec from, to;
	if (argc != 4 || (!hold && strcmp(argv[2], "churn"))) {
		fprintf(stderr, "usage: connections PORT churn|hold N\n");
		return 100;
	}
	port = atoi(argv[1]);
	wanted = atoi(argv[3]);
	getrlimit(RLIMIT_NOFILE, &most);
	most.rlim_cur = most.rlim_max;
	setrlimit(RLIMIT_NOFILE, &most);
	ep = epoll_create1(EPOLL_CLOEXEC);
	make_requests();
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < SIDE && i < wanted; i++)
		begin(calloc(1, sizeof(struct client)));
	while (done < wanted) {
		struct epoll_event e[SIDE];
		int n = epoll_wait(ep, e, SIDE, -1);
		for (int i = 0; i < n; i++)
			turn(e[i].data.ptr, hold);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%.0f\n", wanted / ((double)(to.tv_sec - from.tv_sec) +
				   (double)(to.tv_nsec - from.tv_nsec) / 1e9));
	fflush(stdout);
	while (hold && getchar() != EOF)
		;
	return 0;
}
