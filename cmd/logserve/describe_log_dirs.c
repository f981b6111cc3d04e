/* DescribeLogDirs (35): the one log directory, and what each partition takes of it (KIP-113,
 * KIP-827). */
#include "logserve.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

typedef struct describe_log_dirs_response_describe_log_dirs_result answer_dir;
typedef struct describe_log_dirs_response_describe_log_dirs_topic answer_topic;
typedef struct describe_log_dirs_response_describe_log_dirs_partition answer_partition;

static struct span topic_of(const struct partition *p)
{
	const char *dash = strrchr(p->entry.name, '-');
	return (struct span){p->entry.name, dash ? (int32_t)(dash - p->entry.name) : 0};
}

static bool wanted(const struct describe_log_dirs_request *in, struct span topic, int32_t partition)
{
	for (int i = 0; i < in->topics_n; i++)
		if (span_same(in->topics[i].topic, topic))
			for (int k = 0; k < in->topics[i].partitions_n; k++)
				if (in->topics[i].partitions[k] == partition)
					return true;
	return in->topics_n < 0;
}

static int add(struct request *r, const struct describe_log_dirs_request *in, struct partition *p,
               answer_partition *room, answer_dir *out)
{
	struct span topic = topic_of(p);
	answer_topic *t = out->topics_n ? &out->topics[out->topics_n - 1] : 0;
	if (!wanted(in, topic, p->entry.partition))
		return 0;
	int64_t bytes = log_reader_bytes(p->reader);
	if (bytes < 0)
		return 0;                /* it is being deleted */
	if (!t || !span_same(t->name, topic)) {
		t = &out->topics[out->topics_n++];
		wire_init(&wire_describe_log_dirs_response_describe_log_dirs_topic, t);
		t->name = topic;
		t->partitions = room;
	}
	t->partitions[t->partitions_n++] = (answer_partition){
		.partition_index = p->entry.partition, .partition_size = bytes,
	};
	return 1;
}

static int fill(struct request *r, const struct describe_log_dirs_request *in, answer_dir *out)
{
	int n, k = 0;
	struct partition **v = partitions_sorted(r->server, &r->server->arena, &n);
	answer_partition *a = v ? request_take(r, (size_t)n, sizeof *a) : 0;
	out->topics = a ? request_take(r, (size_t)n, sizeof *out->topics) : 0;
	if (!out->topics)
		return -1;
	for (int i = 0; i < n; i++)
		k += add(r, in, v[i], &a[k], out);
	return 0;
}

void describe_log_dirs(struct request *r)
{
	static char path[PATH_MAX];
	struct describe_log_dirs_request in;
	struct describe_log_dirs_response out;
	struct statvfs fs;
	answer_dir dir;
	if (request_body(r, &wire_describe_log_dirs_request, &in))
		return;
	wire_init(&wire_describe_log_dirs_response, &out);
	wire_init(&wire_describe_log_dirs_response_describe_log_dirs_result, &dir);
	out.results = &dir;
	out.results_n = 1;
	dir.log_dir = span_of(realpath("log", path) ? path : "log");
	if (fstatvfs(r->server->dirfd, &fs)) {
		dir.error_code = WIRE_KAFKA_STORAGE_ERROR;
	} else {
		dir.total_bytes = (int64_t)(fs.f_blocks * fs.f_frsize);
		dir.usable_bytes = (int64_t)(fs.f_bavail * fs.f_frsize);
		if (fill(r, &in, &dir))
			return;
	}
	request_answer(r, &wire_describe_log_dirs_response, &out);
}
