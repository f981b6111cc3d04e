/* logbench: how fast a Kafka cluster takes and gives records. */
#include "logbench.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "cli/table.h"
#include "cli/words.h"

#define USAGE \
	"logbench [-b brokers] [-HJ] [-a 0|1|all] [-s record-bytes] [-B batch-bytes] [-F " \
	"fetch-bytes] " \
	"[-c connections] [-f in-flight] [-p partitions] [-R rate] [-t seconds | -n records] " \
	"produce|tiny|consume|e2e topic"
#define dieusage() strerr_die(100, "logbench: usage: " USAGE)

enum { START_MS = 15000 };

const char *PROG = "logbench";
struct options opt = {
	.record_bytes = 100,
	.batch_bytes = 65536,
	.fetch_bytes = 4 << 20,
	.connections = 1,
	.in_flight = 5,
	.seconds = 5,
	.acks = -1,
};
struct net *net;
struct net_topic topic;
struct result result;
int64_t start_us;

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

void die_lost(int error)
{
	errno = error;
	strerr_diesys(1, PROG, ": ", opt.topic, ": connection lost");
}

int64_t now_us(void)
{
	return net_now_us();
}

bool time_over(void)
{
	return now_us() - start_us >= opt.seconds * 1000000;
}

int bench_partitions(void)
{
	return opt.partitions && opt.partitions < topic.n ? (int)opt.partitions : topic.n;
}

static void number(const char *z, int64_t least, int64_t most, int64_t *v)
{
	if (!cli_int(z, least, most, v))
		dieusage();
}

static void parse_acks(const char *z)
{
	int64_t v = -1;
	if (strcmp(z, "all"))
		number(z, -1, 1, &v);
	opt.acks = (int)v;
}

static const char *parse(int argc, const char *const *argv)
{
	subgetopt g = SUBGETOPT_ZERO;
	for (int c; (c = subgetopt_r(argc, argv, "HJb:a:s:B:F:c:f:p:R:t:n:", &g)) != -1;) {
		switch (c) {
		case 'H': opt.header = true; break;
		case 'J': opt.json = true; break;
		case 'b': opt.brokers = g.arg; break;
		case 'a': parse_acks(g.arg); break;
		case 's': number(g.arg, 0, 1 << 28, &opt.record_bytes); break;
		case 'B': number(g.arg, 1, 1 << 28, &opt.batch_bytes); break;
		case 'F': number(g.arg, 1, 1 << 28, &opt.fetch_bytes); break;
		case 'c': number(g.arg, 1, 100000, &opt.connections); break;
		case 'f': number(g.arg, 1, 4096, &opt.in_flight); break;
		case 'p': number(g.arg, 1, 1 << 20, &opt.partitions); break;
		case 'R': number(g.arg, 1, 100000000, &opt.rate); break;
		case 't': number(g.arg, 1, 86400, &opt.seconds); break;
		case 'n': number(g.arg, 1, INT64_MAX, &opt.records); break;
		default: dieusage();
		}
	}
	if (g.ind + 2 != argc || strlen(argv[g.ind + 1]) >= NET_TOPIC)
		dieusage();
	opt.topic = argv[g.ind + 1];
	return argv[g.ind];
}

static void print(const char *mode)
{
	static const char *const columns[] = {
		"mode", "connections", "requests", "records", "seconds", "rate",   "mbs",
		"p50",  "p95",         "p99",      "p999",    "max",     "errors", NULL};
	struct table t;
	double seconds = (double)(result.end_us - start_us) / 1e6;
	seconds = seconds > 0 ? seconds : 1e-6;
	table_begin(&t, table_style(opt.json, opt.header, isatty(1)), columns);
	table_z(&t, mode);
	table_int(&t, opt.connections);
	table_int(&t, result.requests);
	table_int(&t, result.records);
	table_real(&t, seconds, 3);
	table_real(&t, (double)result.records / seconds, 0);
	table_real(&t, (double)result.bytes / seconds / 1e6, 2);
	table_intnull(&t, latency_at(0.5));
	table_intnull(&t, latency_at(0.95));
	table_intnull(&t, latency_at(0.99));
	table_intnull(&t, latency_at(0.999));
	table_intnull(&t, latency_at(1));
	table_int(&t, result.errors);
	if (table_end(&t) < 0)
		die_memory();
	if (allwrite(1, (const char *)t.out.p, t.out.n) < t.out.n)
		strerr_diefusys(111, "write to standard output");
}

int main(int argc, const char *const *argv)
{
	struct buf words = {0};
	const char *mode = parse(argc, argv);
	opt.tiny = !strcmp(mode, "tiny");
	bool consume = !strcmp(mode, "consume"), e2e = !strcmp(mode, "e2e");
	if (!opt.tiny && !consume && !e2e && strcmp(mode, "produce"))
		dieusage();
	if (e2e && !opt.rate)
		opt.rate = 1000;
	if (opt.rate && (consume || !opt.acks || (e2e && opt.record_bytes < STAMP)))
		dieusage();
	net = net_new(cli_brokers(opt.brokers), "odradek-logbench");
	if (!net)
		strerr_die(100, PROG,
			   ": usage: not a list of HOST:PORT: ", cli_brokers(opt.brokers));
	if (net_topic_wait(net, opt.topic, !consume, &topic, net_now() + START_MS) < 0)
		die_net();
	if (topic.error || topic.n == 0)
		strerr_die(1, PROG, ": ",
			   cli_kafka_words(&words, opt.topic, topic.error, SPAN_NULL));
	if (consume)
		bench_consume();
	else if (opt.rate)
		bench_open(e2e);
	else
		bench_produce();
	print(mode);
	if (result.error)
		strerr_die(1, PROG, ": ",
			   cli_kafka_words(&words, opt.topic, result.error, SPAN_NULL));
	if (result.errors)
		strerr_die(1, PROG, ": ", opt.topic, ": records were written and not read");
	return 0;
}
