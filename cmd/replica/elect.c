/* replica elect: preferred leaders, or with -u leaders that may lack records. */
#include <stdlib.h>

#include "replica.h"

enum { ELECT = 43, PREFERRED = 0, UNCLEAN = 1, NOT_NEEDED = 84 };

void replica_elect(const char *const *argv, int n)
{
	static const char *const columns[] = {"topic", "partition", NULL};
	struct elect_leaders_request q;
	struct elect_leaders_response r;
	struct elect_leaders_request_topic_partitions one = {0};
	struct table t;
	wire_init(&wire_elect_leaders_request, &q);
	q.election_type = opt.unclean ? UNCLEAN : PREFERRED;
	q.timeout_ms = 30000;
	q.topic_partitions_n = -1;
	if (n > 0) {
		struct metadata_response *m = n == 1 ? metadata() : NULL;
		one.topic = span_of(argv[0]);
		one.partitions_n = n - 1;
		for (int32_t i = 0; m && i < m->topics_n; i++)
			if (span_is(m->topics[i].name, argv[0]))
				one.partitions_n = m->topics[i].partitions_n;
		/* A topic that is not there: partition 0 of it is refused in Kafka's words. */
		if (one.partitions_n == 0)
			one.partitions_n = 1;
		one.partitions = room((size_t)one.partitions_n * sizeof *one.partitions);
		for (int32_t i = 0; i < one.partitions_n; i++)
			one.partitions[i] = n > 1 ? atoi(argv[i + 1]) : i;
		q.topic_partitions = &one;
		q.topic_partitions_n = 1;
	}
	call(ELECT, &q, &r);
	if (r.error_code)
		die_kafka("elect", r.error_code, SPAN_NULL);
	begin(&t, columns);
	for (int32_t i = 0; i < r.replica_election_results_n; i++)
		for (int32_t k = 0; k < r.replica_election_results[i].partition_result_n; k++) {
			const struct elect_leaders_response_replica_election_result *of =
				&r.replica_election_results[i];
			const struct elect_leaders_response_partition_result *p =
				&of->partition_result[k];
			if (p->error_code == NOT_NEEDED)
				continue;
			if (p->error_code) {
				complain("elect", of->topic, p->partition_id, p->error_code,
					 p->error_message);
				continue;
			}
			table_text(&t, of->topic);
			table_int(&t, p->partition_id);
		}
	finish(&t);
}
