/* logbench -R, e2e: an open loop. Record g is due g/rate seconds after the start, whatever the
 * broker does, and its time runs from then. A connection sends at once all that is due, in one
 * batch, unless its requests in flight are as many as allowed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "log/batch.h"
#include "logbench.h"

enum { LAST_MS = 30000 };

struct lane {
	struct net_connection *out, *in; /* in: NULL when nobody reads */
	int32_t partition;
	int64_t next;                           /* its next record */
	int64_t first_sent[IN_FLIGHT_MOST];     /* a ring: the first record of a request */
	int64_t count_sent[IN_FLIGHT_MOST];
	unsigned answered, sent;
	int64_t offset; /* to read next */
	struct arena mem;
};
static struct lane *lanes;
static int lanes_n, waiting;
static int64_t written, arrived;
static bool reads;
static char *value;
static struct buf batch;

/* The lanes take turns: record k of lane i is the k * lanes_n + i th. */
static int64_t number_of(const struct lane *l, int64_t k)
{
	return k * lanes_n + (l - lanes);
}

static int64_t due_us(const struct lane *l, int64_t k)
{
	int64_t g = number_of(l, k);
	return start_us + g / opt.rate * 1000000 + g % opt.rate * 1000000 / opt.rate;
}

static bool ended(const struct lane *l)
{
	if (opt.records)
		return number_of(l, l->next) >= opt.records;
	return due_us(l, l->next) >= start_us + opt.seconds * 1000000;
}

static bool may_send(const struct lane *l)
{
	return l->sent - l->answered < (unsigned)opt.in_flight && !ended(l);
}

static void on_answer(void *arg, const struct net_answer *a)
{
	struct lane *l = arg;
	unsigned at = l->answered++ % IN_FLIGHT_MOST;
	int code = answer_code(a);
	result.end_us = a->at_us;
	waiting--;
	written += code ? 0 : l->count_sent[at];
	count_answer(code, l->count_sent[at]);
	for (int64_t i = 0; i < l->count_sent[at] && !reads; i++)
		latency_add(result.end_us - due_us(l, l->first_sent[at] + i));
}

static void send_due(struct lane *l, int64_t now)
{
	struct batch_builder w;
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	int64_t ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000, n = 0;
	batch.n = 0;
	if (batch_begin(&w, &batch, 0, -1, 0, -1, -1, -1) < 0)
		die_memory();
	l->first_sent[l->sent % IN_FLIGHT_MOST] = l->next;
	do {
		if (reads) {
			put64(value, (uint64_t)due_us(l, l->next));
			put64(value + 8, (uint64_t)start_us);
		}
		if (batch_add(&w, ms, SPAN_NULL, (struct span){value, (int32_t)opt.record_bytes},
			      NULL, 0) < 0)
			die_memory();
		n++;
		l->next++;
	} while (!opt.tiny && !ended(l) && due_us(l, l->next) <= now && batch_has_room(batch.n));
	batch_end(&w);
	l->count_sent[l->sent++ % IN_FLIGHT_MOST] = n;
	waiting++;
	send_batch(l->out, l->partition, &batch, on_answer, l);
}

static void read_more(struct lane *l);

static void take(const struct batch *b, const uint8_t *p)
{
	struct record r;
	size_t at = 0, n = (size_t)batch_bytes(b) - BATCH_HEADER;
	while (record_next(b, p + BATCH_HEADER, n, &at, &r) > 0) {
		if (r.value.n < STAMP || get64(r.value.p + 8) != (uint64_t)start_us)
			continue; /* somebody else's */
		latency_add(result.end_us - (int64_t)get64(r.value.p));
		arrived++;
	}
}

static void on_read(void *arg, const struct net_answer *a)
{
	struct lane *l = arg;
	struct batch b;
	struct span records = fetched(a, &l->mem);
	result.end_us = a->at_us;
	const uint8_t *p = (const uint8_t *)records.p;
	for (size_t n = records.n > 0 ? (size_t)records.n : 0;
	     n >= BATCH_HEADER && batch_parse(&b, p, n) == 0 && (size_t)batch_bytes(&b) <= n;) {
		take(&b, p);
		l->offset = batch_last_offset(&b) + 1;
		p += batch_bytes(&b);
		n -= (size_t)batch_bytes(&b);
	}
	if (records.n >= 0)
		read_more(l);
}

static void read_more(struct lane *l)
{
	send_fetch(l->in, l->partition, l->offset, on_read, l);
}

static struct net_connection *connection(const struct lane *l)
{
	struct net_connection *c =
		net_connect_more(net, topic.partitions[l->partition].leader, net_now() + 10000);
	if (!c)
		die_net();
	return c;
}

static void open_lanes(void)
{
	lanes_n = (int)opt.connections;
	lanes = calloc((size_t)lanes_n, sizeof *lanes);
	if (!lanes)
		die_memory();
	for (int i = 0; i < lanes_n; i++) {
		struct lane *l = &lanes[i];
		l->partition = i % bench_partitions();
		l->out = connection(l);
		if (!reads || i >= bench_partitions())
			continue;
		l->in = connection(l);
		l->offset = offset_of(l->partition, -1);
		read_more(l);
	}
}

/* Sleeps until something comes or the next record is due. */
static void turn(struct pollfd *timer, int64_t due)
{
	struct itimerspec at = {.it_value = {due / 1000000, due % 1000000 * 1000}};
	uint64_t expired;
	if (due == INT64_MAX)
		at.it_value = (struct timespec){0, 0};
	if (timerfd_settime(timer->fd, TFD_TIMER_ABSTIME, &at, NULL) < 0)
		strerr_diefusys(111, "set a timer");
	if (net_turn(net, timer, 1, net_now() + 1000) < 0 && errno != EINTR)
		die_memory();
	if (timer->revents && read(timer->fd, &expired, sizeof expired) < 0 && errno != EAGAIN)
		strerr_diefusys(111, "read a timer");
}

void bench_open(bool read)
{
	struct pollfd timer = {.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK),
			       .events = POLLIN};
	if (timer.fd < 0)
		strerr_diefusys(111, "make a timer");
	reads = read;
	value = random_value();
	open_lanes();
	start_us = result.end_us = now_us();
	for (int64_t last = 0; !result.error && (!last || net_now() < last);) {
		int64_t now = now_us(), due = INT64_MAX;
		bool more = false;
		for (int i = 0; i < lanes_n; i++) {
			struct lane *l = &lanes[i];
			while (may_send(l) && due_us(l, l->next) <= now)
				send_due(l, now);
			if (may_send(l) && due_us(l, l->next) < due)
				due = due_us(l, l->next);
			more |= !ended(l);
		}
		if (!more && !waiting && (!reads || arrived >= written))
			break;
		if (!more && !last)
			last = net_now() + LAST_MS;
		turn(&timer, due);
	}
	if (reads && arrived < written)
		result.errors += written - arrived;
	close(timer.fd);
	free(value);
}
