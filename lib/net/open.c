/* Connecting to a node and agreeing on the versions of its APIs (KIP-35; KIP-511: an unknown
 * version of ApiVersions is answered in version 0 with the range that is known). */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/connection.h"
#include "wire/api.h"
#include "wire/codes.h"

enum { API_VERSIONS = 18 };

static int wait_for(int fd, short events, int64_t until)
{
	for (;;) {
		int64_t left = until - net_now();
		struct pollfd p = {.fd = fd, .events = events};
		int r = left <= 0 ? 0 : poll(&p, 1, (int)(left < INT32_MAX ? left : INT32_MAX));
		if (r > 0)
			return p.revents;
		if (r == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		if (errno != EINTR)
			return -1;
	}
}

static int connect_to(const struct addrinfo *a, int64_t until)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	int on = 1, error = 0;
	socklen_t n = sizeof error;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
		return fd;
	if (errno == EINPROGRESS && wait_for(fd, POLLOUT, until) > 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0) {
		if (!error)
			return fd;
		errno = error;
	}
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int connect_host(const char *host, int port, int64_t until)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list;
	char service[8];
	snprintf(service, sizeof service, "%d", port);
	if (getaddrinfo(host, service, &hints, &list) != 0) {
		errno = ENOENT;
		return -1;
	}
	int fd = -1;
	errno = ENOENT;
	for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
		fd = connect_to(a, until);
	int error = errno;
	freeaddrinfo(list);
	errno = error;
	return fd;
}

struct hello {
	struct net_connection *c;
	int error; /* errno; -1: not answered yet */
	int retry; /* version to ask again with; -1 none */
};

static void learn(struct net_connection *c, const struct api_versions_response *r)
{
	for (int i = 0; i < NET_KEYS; i++)
		c->versions[i] = -1;
	for (int32_t i = 0; i < r->api_keys_n; i++) {
		const struct api_versions_response_api_version *v = &r->api_keys[i];
		const struct wire_api *api =
			v->api_key >= 0 && v->api_key < NET_KEYS ? wire_api(v->api_key) : NULL;
		if (!api)
			continue;
		int16_t high = v->max_version < api->max ? v->max_version : api->max;
		if (high >= v->min_version && high >= api->min)
			c->versions[v->api_key] = high;
	}
}

static void on_versions(void *arg, const struct net_answer *a)
{
	struct hello *h = arg;
	struct api_versions_response r;
	struct arena mem = {.limit = 1 << 20};
	struct net_answer as = *a;
	h->error = a->error;
	if (a->error)
		return;
	if (a->n >= 2 && get16(a->body) == WIRE_UNSUPPORTED_VERSION)
		as.version = 0;
	if (net_answer_decode(&as, &mem, &r) < 0) {
		h->error = errno;
	} else if (r.error_code == WIRE_UNSUPPORTED_VERSION) {
		h->error = EPROTONOSUPPORT;
		h->retry = 0;
		for (int32_t i = 0; i < r.api_keys_n; i++)
			if (r.api_keys[i].api_key == API_VERSIONS)
				h->retry = r.api_keys[i].max_version;
	} else if (r.error_code) {
		h->error = EPROTO;
	} else {
		learn(h->c, &r);
	}
	arena_free(&mem);
}

static int ask_versions(struct net_connection *c, struct hello *h, int version, int64_t until)
{
	struct api_versions_request q;
	wire_init(&wire_api_versions_request, &q);
	q.client_software_name = span_of("odradek");
	q.client_software_version = span_of("1");
	*h = (struct hello){.c = c, .error = -1, .retry = -1};
	int64_t left = until - net_now();
	if (left > INT32_MAX / 2)
		left = INT32_MAX / 2;
	if (net_connection_send(c, API_VERSIONS, version, &q, (int)left, on_versions, h) < 0)
		return -1;
	while (h->error == -1) {
		int r = wait_for(c->fd, net_connection_events(c), until);
		if (r < 0 && errno != ETIMEDOUT)
			return -1;
		net_connection_turn(c, (short)(r < 0 ? 0 : r));
	}
	errno = h->error;
	return h->error ? -1 : 0;
}

int net_connection_open(struct net_connection *c, const char *host, int port, const char *client,
			int64_t until)
{
	memset(c, 0, sizeof *c);
	c->last = &c->first;
	snprintf(c->client, sizeof c->client, "%s", client);
	c->fd = connect_host(host, port, until);
	c->error = c->fd < 0 ? errno : 0;
	if (c->fd < 0)
		return -1;
	const struct wire_api *api = wire_api(API_VERSIONS);
	struct hello h;
	int r = ask_versions(c, &h, api->max, until);
	if (r < 0 && h.retry >= 0 && h.retry < api->max)
		r = ask_versions(c, &h, h.retry, until);
	if (r < 0) {
		int error = errno;
		net_connection_close(c);
		c->error = error;
		errno = error;
	}
	return r;
}
