/* One TCP connection to a Kafka node: framing, requests in flight, answers in order. */
#include "net/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "wire/wire.h"

enum { READ_LEAST = 64 << 10, READ_MOST = 4 << 20 };

struct net_pending {
	struct net_pending *next;
	net_done *done;
	void *arg;
	int64_t deadline;
	int32_t correlation;
	int16_t key, version;
};

int64_t net_now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t net_now(void)
{
	return net_now_us() / 1000;
}

/* The callbacks may queue nothing on a dead connection, so the list only shrinks. */
static void kill_connection(struct net_connection *c, int error)
{
	if (c->fd < 0)
		return;
	close(c->fd);
	c->fd = -1;
	c->error = error;
	c->in_flight = 0;
	struct net_pending *p = c->first;
	c->first = NULL;
	c->last = &c->first;
	while (p) {
		struct net_pending *next = p->next;
		struct net_answer a = {.error = error, .key = p->key, .version = p->version};
		p->done(p->arg, &a);
		free(p);
		p = next;
	}
}

void net_connection_close(struct net_connection *c)
{
	kill_connection(c, ECANCELED);
	buf_free(&c->out);
	buf_free(&c->in);
	for (struct net_pending *p; (p = c->spare);) {
		c->spare = p->next;
		free(p);
	}
}

static int queue_pending(struct net_connection *c, int key, int version, int timeout_ms,
			 net_done *done, void *arg)
{
	struct net_pending *p = c->spare;
	if (p)
		c->spare = p->next;
	else if (!(p = malloc(sizeof *p)))
		return -1;
	*p = (struct net_pending){
		.done = done,
		.arg = arg,
		.deadline = net_now() + timeout_ms,
		.correlation = c->correlation,
		.key = (int16_t)key,
		.version = (int16_t)version,
	};
	if (!c->first || p->deadline < c->earliest)
		c->earliest = p->deadline;
	*c->last = p;
	c->last = &p->next;
	c->in_flight++;
	return 0;
}

static int encode(struct net_connection *c, const struct wire_api *api, int version,
		  const void *request)
{
	size_t start = c->out.n;
	if (buf_add32(&c->out, 0) < 0 ||
	    wire_request_header(&c->out, api->key, version, c->correlation, span_of(c->client)) <
		    0 ||
	    wire_encode(api->request, version, request, &c->out, NULL) < 0) {
		c->out.n = start;
		return -1;
	}
	put32(c->out.p + start, (uint32_t)(c->out.n - start - 4));
	return 0;
}

int net_connection_send(struct net_connection *c, int key, int version, const void *request,
			int timeout_ms, net_done *done, void *arg)
{
	const struct wire_api *api = wire_api(key);
	if (c->fd < 0) {
		errno = ENOTCONN;
		return -1;
	}
	if (version < 0)
		version = c->versions[key];
	if (!api || version < 0 || !wire_api_serves(api, version)) {
		errno = EPROTONOSUPPORT;
		return -1;
	}
	if (c->out_at > 0 && c->out_at == c->out.n)
		c->out_at = c->out.n = 0;
	c->correlation++;
	size_t before = c->out.n;
	if (encode(c, api, version, request) < 0)
		return -1;
	if (done && queue_pending(c, key, version, timeout_ms, done, arg) < 0) {
		c->out.n = before;
		return -1;
	}
	return 0;
}

int net_connection_repeat(struct net_connection *c, const void *frame, size_t n, int timeout_ms,
			  net_done *done, void *arg)
{
	enum { KEY = 4, VERSION = 6, CORRELATION = 8 };
	const uint8_t *p = frame;
	if (c->fd < 0) {
		errno = ENOTCONN;
		return -1;
	}
	if (c->out_at > 0 && c->out_at == c->out.n)
		c->out_at = c->out.n = 0;
	size_t before = c->out.n;
	if (buf_add(&c->out, frame, n) < 0)
		return -1;
	put32(c->out.p + before + CORRELATION, (uint32_t)++c->correlation);
	if (done && queue_pending(c, (int16_t)get16(p + KEY), (int16_t)get16(p + VERSION), timeout_ms,
				  done, arg) < 0) {
		c->out.n = before;
		return -1;
	}
	return 0;
}

short net_connection_events(const struct net_connection *c)
{
	if (c->fd < 0)
		return 0;
	return (short)(POLLIN | (c->out_at < c->out.n ? POLLOUT : 0));
}

size_t net_connection_unsent(const struct net_connection *c)
{
	return c->out.n - c->out_at;
}

int64_t net_connection_deadline(const struct net_connection *c)
{
	return c->first ? c->earliest : INT64_MAX;
}

/* What was the earliest may have been answered since. */
static void look_for_earliest(struct net_connection *c)
{
	c->earliest = INT64_MAX;
	for (const struct net_pending *p = c->first; p; p = p->next)
		if (p->deadline < c->earliest)
			c->earliest = p->deadline;
}

static void write_out(struct net_connection *c)
{
	while (c->out_at < c->out.n) {
		ssize_t r = send(c->fd, c->out.p + c->out_at, c->out.n - c->out_at, MSG_NOSIGNAL);
		if (r < 0) {
			if (errno == EINTR)
				continue;
			if (errno != EAGAIN)
				kill_connection(c, errno);
			return;
		}
		c->out_at += (size_t)r;
	}
	c->out_at = c->out.n = 0;
}

/* One whole frame: it must answer the oldest request. */
static int take_answer(struct net_connection *c, const uint8_t *frame, size_t n)
{
	struct net_pending *p = c->first;
	if (!p)
		return EBADMSG;
	int32_t correlation;
	int header = wire_response_parse(p->key, p->version, frame, n, &correlation);
	if (header < 0 || correlation != p->correlation)
		return EBADMSG;
	c->first = p->next;
	if (!c->first)
		c->last = &c->first;
	c->in_flight--;
	struct net_answer a = {
		.key = p->key,
		.version = p->version,
		.body = frame + header,
		.n = n - (size_t)header,
		.at_us = c->read_us,
	};
	p->done(p->arg, &a);
	p->next = c->spare;
	c->spare = p;
	return 0;
}

static void take_answers(struct net_connection *c)
{
	size_t at = 0;
	while (c->fd >= 0 && c->in.n - at >= 4) {
		uint32_t n = get32(c->in.p + at);
		int error = n > INT32_MAX ? EBADMSG : n > NET_ANSWER_MAX ? EMSGSIZE : 0;
		if (!error && c->in.n - at - 4 < n)
			break;
		if (!error)
			error = take_answer(c, c->in.p + at + 4, n);
		if (error) {
			kill_connection(c, error);
			return;
		}
		at += 4 + (size_t)n;
	}
	buf_take(&c->in, at);
}

/* Room grows with what has come, never with what is claimed. */
static void read_in(struct net_connection *c)
{
	size_t room = c->in.n < READ_LEAST ? READ_LEAST : c->in.n > READ_MOST ? READ_MOST : c->in.n;
	if (buf_need(&c->in, room) < 0) {
		kill_connection(c, ENOMEM);
		return;
	}
	ssize_t r = recv(c->fd, c->in.p + c->in.n, room, 0);
	if (r < 0) {
		if (errno != EAGAIN && errno != EINTR)
			kill_connection(c, errno);
		return;
	}
	if (r == 0) {
		kill_connection(c, ECONNRESET);
		return;
	}
	c->in.n += (size_t)r;
	c->read_us = net_now_us();
	take_answers(c);
}

void net_connection_turn(struct net_connection *c, short revents)
{
	if (c->fd >= 0 && revents & (POLLIN | POLLHUP | POLLERR))
		read_in(c);
	if (c->fd >= 0 && c->out_at < c->out.n)
		write_out(c);
	if (c->fd < 0 || net_connection_deadline(c) > net_now())
		return;
	look_for_earliest(c);
	if (net_connection_deadline(c) <= net_now())
		kill_connection(c, ETIMEDOUT);
}

int net_answer_decode(const struct net_answer *a, struct arena *mem, void *response)
{
	const struct wire_api *api = wire_api(a->key);
	return wire_decode(api->response, a->version, a->body, a->n, mem, response) < 0 ? -1 : 0;
}
