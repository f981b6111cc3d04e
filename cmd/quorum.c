/* quorum: who keeps the metadata of a cluster, and how far each has come. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <skalibs/allreadwrite.h>
#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "cli/table.h"
#include "cli/words.h"
#include "net/net.h"
#include "wire/api.h"

#define USAGE      "quorum [-b brokers] [-HJ] show"
#define dieusage() strerr_die(100, "quorum: usage: " USAGE)

enum { DESCRIBE_QUORUM = 55, WAIT_MS = 30000 };

const char *PROG = "quorum";

typedef struct describe_quorum_response_partition_data quorum;
typedef struct describe_quorum_response_replica_state replica;

static void check(int code, struct span message)
{
	struct buf b = {0};
	if (code)
		strerr_die(1, PROG, ": ", cli_kafka_words(&b, "show", code, message));
}

static int64_t leader_end(const quorum *q)
{
	for (int32_t i = 0; i < q->current_voters_n; i++)
		if (q->current_voters[i].replica_id == q->leader_id)
			return q->current_voters[i].log_end_offset;
	return q->high_watermark;
}

static void row(struct table *t, const quorum *q, const replica *r, const char *role)
{
	char id[UUID_TEXT];
	int64_t lag = leader_end(q) - r->log_end_offset;
	table_int(t, r->replica_id);
	table_z(t, r->replica_id == q->leader_id ? "leader" : role);
	table_int(t, q->leader_epoch);
	table_intnull(t, q->high_watermark);
	table_intnull(t, r->log_end_offset);
	table_intnull(t, r->log_end_offset < 0 ? -1 : lag > 0 ? lag : 0);
	table_intnull(t, r->last_fetch_timestamp);
	table_intnull(t, r->last_caught_up_timestamp);
	table_z(t, uuid_is_zero(&r->replica_directory_id) ?
			   NULL :
			   uuid_text(&r->replica_directory_id, id));
}

static void show(struct net *net, struct table *t)
{
	struct describe_quorum_request_partition_data partition = {.partition_index = 0};
	struct describe_quorum_request_topic_data one = {
		.topic_name = span_of("__cluster_metadata"),
		.partitions = &partition,
		.partitions_n = 1,
	};
	struct describe_quorum_request q;
	struct describe_quorum_response r;
	struct arena mem = {0};
	wire_init(&wire_describe_quorum_request, &q);
	q.topics = &one;
	q.topics_n = 1;
	if (net_call(net, NET_ANY, DESCRIBE_QUORUM, -1, &q, &mem, &r, net_now() + WAIT_MS) < 0)
		strerr_die(errno == EPROTONOSUPPORT || errno == EBADMSG ? 1 : 111, PROG, ": ",
			   net_why(net));
	check(r.error_code, r.error_message);
	for (int32_t i = 0; i < r.topics_n; i++)
		for (int32_t k = 0; k < r.topics[i].partitions_n; k++) {
			const quorum *p = &r.topics[i].partitions[k];
			check(p->error_code, p->error_message);
			for (int32_t v = 0; v < p->current_voters_n; v++)
				row(t, p, &p->current_voters[v], "voter");
			for (int32_t v = 0; v < p->observers_n; v++)
				row(t, p, &p->observers[v], "observer");
		}
	arena_free(&mem);
}

int main(int argc, const char *const *argv)
{
	static const char *const columns[] = {"node", "role",    "epoch",    "committed", "end",
					      "lag",  "fetched", "caughtup", "directory", NULL};
	subgetopt g = SUBGETOPT_ZERO;
	const char *brokers = NULL;
	bool header = false, json = false;
	struct table t;
	for (int c; (c = subgetopt_r(argc, argv, "HJb:", &g)) != -1;) {
		switch (c) {
		case 'H': header = true; break;
		case 'J': json = true; break;
		case 'b': brokers = g.arg; break;
		default: dieusage();
		}
	}
	if (g.ind + 1 != argc || strcmp(argv[g.ind], "show"))
		dieusage();
	struct net *net = net_new(cli_brokers(brokers), "odradek-quorum");
	if (!net)
		strerr_die(100, PROG, ": usage: not a list of HOST:PORT: ", cli_brokers(brokers));
	table_begin(&t, table_style(json, header, isatty(1)), columns);
	show(net, &t);
	if (table_end(&t) < 0)
		strerr_diefsys(111, "out of memory");
	if (allwrite(1, (const char *)t.out.p, t.out.n) < t.out.n)
		strerr_diefusys(111, "write to standard output");
	net_free(net);
	return 0;
}
