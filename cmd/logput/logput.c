/* logput: records from standard input to a topic. */
#include "logput.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "cli/text.h"
#include "cli/words.h"

#define USAGE \
	"logput [-b brokers] [-p partition] [-a 0|1|all] [-i] [-D delimiter | -0] [-K separator] " \
	"[-k key] [-H name=value]... [-Z] [-B bytes] [-z codec] topic"
#define dieusage() strerr_die(100, "logput: usage: " USAGE)

enum { READ_BYTES = 1 << 20, HELD_BYTES = 64 << 20, RECORD_MOST = 1 << 30, START_MS = 15000 };

const char *PROG = "logput";
struct options opt = {
	.partition = -1,
	.acks = -1,
	.delimiter = {"\n", 1},
	.key_separator = {NULL, -1},
	.key = {NULL, -1},
	.batch_bytes = 1 << 20,
};
struct net *net;
struct net_topic topic;
bool rejected;
static struct buf in;
static int64_t bytes_in, records_in;

void die_net(void)
{
	strerr_die(errno == EPROTONOSUPPORT || errno == EBADMSG ? 1 : 111, PROG, ": ",
		   net_why(net));
}

void die_memory(void)
{
	errno = ENOMEM;
	strerr_diefsys(111, "out of memory");
}

void refuse(const struct lane *l, const struct batch_out *b, int code, struct span message)
{
	static struct buf words;
	char what[NET_TOPIC + 120];
	int64_t last = b->record + b->build.head.count - 1;
	if (rejected)
		return;
	if (b->build.head.count == 1)
		snprintf(what, sizeof what, "%s %d: record %lld", opt.topic, l->partition,
			 (long long)last);
	else
		snprintf(what, sizeof what, "%s %d: records %lld to %lld", opt.topic, l->partition,
			 (long long)b->record, (long long)last);
	strerr_warn(PROG, ": ", cli_kafka_words(&words, what, code, message));
	rejected = true;
}

static void add_record(const char *p, size_t n)
{
	struct span key = opt.key, value = {p, (int32_t)n};
	const char *at = opt.key_separator.n > 0 ?
				 memmem(p, n, opt.key_separator.p, (size_t)opt.key_separator.n) :
				 NULL;
	if (at) {
		key = (struct span){p, (int32_t)(at - p)};
		value.p = at + opt.key_separator.n;
		value.n = (int32_t)(p + n - value.p);
	}
	if (opt.null_empty && value.n == 0)
		value = SPAN_NULL;
	if (opt.null_empty && key.n == 0)
		key = SPAN_NULL;
	lane_add(lane_for(key), key, value);
	records_in++;
}

static const char *find_delimiter(const char *p, size_t n)
{
	if (opt.delimiter.n == 1)
		return memchr(p, opt.delimiter.p[0], n);
	return memmem(p, n, opt.delimiter.p, (size_t)opt.delimiter.n);
}

/* Whole records out of what was read; `seen` bytes of the last one are known to hold no delimiter.
 */
static void split(bool end)
{
	static size_t seen;
	size_t at = 0;
	for (;;) {
		const char *from = (const char *)in.p + at, *p = NULL;
		if (in.n > at + seen)
			p = find_delimiter(from + seen, in.n - at - seen);
		if (!p)
			break;
		add_record(from, (size_t)(p - from));
		at = (size_t)(p - (const char *)in.p) + (size_t)opt.delimiter.n;
		seen = 0;
	}
	if (end && in.n > at) {
		add_record((const char *)in.p + at, in.n - at);
		at = in.n;
	}
	buf_take(&in, at);
	seen = in.n > (size_t)opt.delimiter.n ? in.n - (size_t)opt.delimiter.n + 1 : 0;
	if (in.n > RECORD_MOST)
		strerr_die(1, PROG, ": a record of more than 1 GiB: is the delimiter right?");
}

/* false at the end of the input. */
static bool read_input(void)
{
	if (buf_need(&in, READ_BYTES) < 0)
		die_memory();
	ssize_t r = read(0, in.p + in.n, READ_BYTES);
	if (r < 0) {
		if (errno == EINTR || errno == EAGAIN)
			return true;
		strerr_diefusys(111, "read standard input");
	}
	in.n += (size_t)r;
	bytes_in += r;
	split(r == 0);
	return r > 0;
}

static void seal_all(bool even_waiting)
{
	for (int32_t i = 0; i < topic.n; i++)
		if (lanes[i].filling && (even_waiting || send_room(&lanes[i])))
			lane_seal(&lanes[i]);
}

static bool flying(void)
{
	for (int32_t i = 0; i < topic.n; i++)
		if (lanes[i].in_flight)
			return true;
	return false;
}

static bool filling(void)
{
	for (int32_t i = 0; i < topic.n; i++)
		if (lanes[i].filling && send_room(&lanes[i]))
			return true;
	return false;
}

static void progress(bool last)
{
	static int64_t next;
	int64_t now = net_now();
	if (!last && now < next)
		return;
	if (next)
		fprintf(stderr, "\r%lld records, %.1f MB%s", (long long)records_in,
			(double)bytes_in / 1e6, last ? "\n" : "");
	next = now + 1000;
}

/* The input has paused when a poll finds nothing: what there is then leaves at once. */
static void turn(bool *end, bool show)
{
	bool want = !*end && !rejected && bytes_held < HELD_BYTES;
	struct pollfd p = {.fd = want ? 0 : -1, .events = POLLIN};
	bool gathering = want && filling();
	int64_t until = gathering ? 0 : send_again_at(), second = net_now() + 1000;
	if (show && until > second)
		until = second;
	if (net_turn(net, &p, 1, until) < 0 && errno != EINTR)
		die_memory();
	if (want && p.revents) {
		*end = !read_input();
		if (*end)
			seal_all(true);
	} else if (gathering) {
		seal_all(false);
	}
	if (!rejected)
		send_ready();
	if (show)
		progress(false);
}

static void run(void)
{
	bool end = false, show = isatty(2) && !isatty(0);
	fcntl(0, F_SETPIPE_SZ, READ_BYTES);
	while (rejected ? flying() : !end || lanes_busy())
		turn(&end, show);
	if (opt.acks == 0) {
		send_barrier();
	}
	if (show)
		progress(true);
}

static struct span text(const char *z)
{
	struct buf b = {0};
	if (cli_unescape(&b, z) < 0)
		die_memory();
	return (struct span){(const char *)b.p, (int32_t)b.n};
}

static void add_header(const char *z)
{
	const char *equals = strchr(z, '=');
	if (opt.headers_n == HEADERS_MOST)
		strerr_die(100, PROG, ": usage: at most 64 headers");
	struct span *h = &opt.headers[2 * opt.headers_n++];
	h[0] = equals ? (struct span){z, (int32_t)(equals - z)} : span_of(z);
	h[1] = equals ? span_of(equals + 1) : SPAN_NULL;
}

static void parse_acks(const char *z)
{
	int64_t v;
	if (!strcmp(z, "all"))
		opt.acks = -1;
	else if (cli_int(z, -1, 1, &v))
		opt.acks = (int)v;
	else
		dieusage();
}

static void parse_codec(const char *z)
{
	static const char *const names[] = {"none", "gzip", "snappy", "lz4", "zstd"};
	for (int i = 0; i < 5; i++) {
		if (!strcmp(z, names[i])) {
			opt.codec = i;
			return;
		}
	}
	dieusage();
}

static void parse(int argc, const char *const *argv)
{
	subgetopt g = SUBGETOPT_ZERO;
	int64_t v;
	for (int c; (c = subgetopt_r(argc, argv, "0b:p:a:iD:K:k:H:ZB:z:", &g)) != -1;) {
		switch (c) {
		case '0': opt.delimiter = (struct span){"", 1}; break;
		case 'b': opt.brokers = g.arg; break;
		case 'a': parse_acks(g.arg); break;
		case 'i': opt.idempotent = true; break;
		case 'D': opt.delimiter = text(g.arg); break;
		case 'K': opt.key_separator = text(g.arg); break;
		case 'k': opt.key = span_of(g.arg); break;
		case 'H': add_header(g.arg); break;
		case 'z': parse_codec(g.arg); break;
		case 'Z': opt.null_empty = true; break;
		case 'p':
			if (!cli_int(g.arg, -1, INT32_MAX, &v))
				dieusage();
			opt.partition = (int32_t)v;
			break;
		case 'B':
			if (!cli_int(g.arg, 128, 1 << 30, &v))
				dieusage();
			opt.batch_bytes = (int32_t)v;
			break;
		default: dieusage();
		}
	}
	if (g.ind + 1 != argc || strlen(argv[g.ind]) >= NET_TOPIC || opt.delimiter.n < 1 ||
	    opt.key_separator.n == 0)
		dieusage();
	if (opt.idempotent && opt.acks != -1)
		strerr_die(100, PROG, ": usage: -i needs -a all");
	opt.topic = argv[g.ind];
}

static void find_topic(void)
{
	struct buf words = {0};
	if (net_topic_wait(net, opt.topic, true, &topic, net_now() + START_MS) < 0)
		die_net();
	if (topic.error)
		strerr_die(1, PROG, ": ",
			   cli_kafka_words(&words, opt.topic, topic.error, SPAN_NULL));
	if (topic.n == 0 || opt.partition >= topic.n)
		strerr_die(1, PROG, ": ", opt.topic, ": no such partition");
}

int main(int argc, const char *const *argv)
{
	parse(argc, argv);
	net = net_new(cli_brokers(opt.brokers), "odradek-logput");
	if (!net)
		strerr_die(100, PROG,
			   ": usage: not a list of HOST:PORT: ", cli_brokers(opt.brokers));
	find_topic();
	lanes_make();
	if (opt.idempotent)
		producer_begin();
	run();
	return rejected;
}
