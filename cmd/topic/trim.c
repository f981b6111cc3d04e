/* topic trim: move the log start of partitions up (DeleteRecords, KIP-107). */
#include <stdlib.h>
#include <string.h>

#include <skalibs/strerr.h>

#include "topic.h"
#include "wire/codes.h"

enum { DELETE_RECORDS = 21 };

static void ask(const char *name, struct place *v, int n, int32_t leader, int64_t offset)
{
	struct delete_records_request q;
	struct delete_records_response r;
	struct delete_records_request_delete_records_topic one = {.name = span_of(name)};
	wire_init(&wire_delete_records_request, &q);
	q.timeout_ms = 30000;
	q.topics = &one;
	q.topics_n = 1;
	one.partitions = room((size_t)n * sizeof *one.partitions);
	for (int i = 0; i < n; i++)
		if (v[i].leader == leader)
			one.partitions[one.partitions_n++] =
				(struct delete_records_request_delete_records_partition){
					.partition_index = v[i].partition,
					.offset = offset,
				};
	if (net_call(net, leader, DELETE_RECORDS, -1, &q, &mem, &r, deadline()) < 0)
		strerr_die(111, "topic: ", net_why(net));
	for (int32_t i = 0; r.topics_n == 1 && i < r.topics[0].partitions_n; i++) {
		const struct delete_records_response_delete_records_partition_result *p =
			&r.topics[0].partitions[i];
		for (int k = 0; k < n; k++)
			if (v[k].partition == p->partition_index) {
				v[k].offset = p->error_code ? -1 : p->low_watermark;
				v[k].error = p->error_code;
			}
	}
}

/* One row a partition: where it began, where it begins now or would. */
static void print(const char *name, const struct place *start, const struct place *now, int n)
{
	static const char *const columns[] = {"topic", "partition", "start", "new", NULL};
	struct table t;
	begin(&t, columns);
	for (int i = 0; i < n; i++) {
		table_z(&t, name);
		table_int(&t, now[i].partition);
		table_intnull(&t, start[i].offset);
		table_intnull(&t, now[i].offset);
		if (now[i].error)
			complain("trim", span_of(name), now[i].error, SPAN_NULL);
	}
	finish(&t);
}

void topic_trim(const char *name, const char *partition, int64_t offset)
{
	struct metadata_response *r = metadata(&name, 1);
	struct place *start = NULL, *now;
	bool all = !strcmp(partition, "all");
	int n = 0, wanted = all ? -1 : atoi(partition);
	if (r->topics_n != 1 || r->topics[0].error_code) {
		complain("trim", span_of(name),
			 r->topics_n == 1 ? r->topics[0].error_code :
					    WIRE_UNKNOWN_TOPIC_OR_PARTITION,
			 SPAN_NULL);
		return;
	}
	start = room((size_t)r->topics[0].partitions_n * sizeof *start);
	for (int32_t i = 0; i < r->topics[0].partitions_n; i++) {
		const struct metadata_response_metadata_response_partition *p =
			&r->topics[0].partitions[i];
		if (all || p->partition_index == wanted)
			start[n++] = (struct place){p->partition_index, p->leader_id,
						    p->leader_epoch, -1, 0};
	}
	if (n == 0) {
		complain("trim", span_of(name), WIRE_UNKNOWN_TOPIC_OR_PARTITION, SPAN_NULL);
		return;
	}
	now = room((size_t)n * sizeof *now);
	memcpy(now, start, (size_t)n * sizeof *now);
	offsets(span_of(name), start, n, -2);
	offsets(span_of(name), now, n, -1);
	for (int i = 0; i < n && !(all && !opt.execute); i++) {
		bool seen = now[i].leader < 0;
		for (int k = 0; k < i && !seen; k++)
			seen = now[k].leader == now[i].leader;
		if (!seen)
			ask(name, now, n, now[i].leader, offset);
	}
	for (int i = 0; i < n && all && !opt.execute; i++)
		if (offset >= 0 && now[i].offset >= 0)
			now[i].offset = offset > start[i].offset ? offset : start[i].offset;
	print(name, start, now, n);
	if (all && !opt.execute)
		strerr_warn("topic: nothing is deleted yet: -x does it");
}
