/* Where a topic's partitions are. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/net.h"
#include "wire/api.h"
#include "wire/codes.h"

enum { METADATA = 3, PARTITIONS_MOST = 1 << 20 };

void net_topic_free(struct net_topic *t)
{
	free(t->partitions);
	t->partitions = NULL;
	t->n = 0;
}

/* Partition numbers are 0..n-1; one that the answer leaves out has no leader. */
static int take_topic(struct net_topic *t,
		      const struct metadata_response_metadata_response_topic *from)
{
	int32_t n = 0;
	for (int32_t i = 0; i < from->partitions_n; i++)
		if (from->partitions[i].partition_index >= n)
			n = from->partitions[i].partition_index + 1;
	if (n < 0 || n > PARTITIONS_MOST) {
		errno = EBADMSG;
		return -1;
	}
	struct net_partition *p = n ? malloc((size_t)n * sizeof *p) : NULL;
	if (n && !p)
		return -1;
	for (int32_t i = 0; i < n; i++)
		p[i] = (struct net_partition){.leader = -1, .epoch = -1};
	for (int32_t i = 0; i < from->partitions_n; i++) {
		const struct metadata_response_metadata_response_partition *q =
			&from->partitions[i];
		if (q->partition_index >= 0)
			p[q->partition_index] = (struct net_partition){
				q->leader_id, q->leader_epoch, q->error_code};
	}
	net_topic_free(t);
	t->id = from->topic_id;
	t->error = from->error_code;
	t->n = n;
	t->partitions = p;
	return 0;
}

int net_topic_ask(struct net *n, const char *name, bool create, struct net_topic *t, int64_t until)
{
	struct metadata_request_metadata_request_topic one;
	struct metadata_request q;
	struct metadata_response r;
	struct arena mem = {0};
	memset(&one, 0, sizeof one);
	one.name = span_of(name);
	wire_init(&wire_metadata_request, &q);
	q.topics = &one;
	q.topics_n = 1;
	q.allow_auto_topic_creation = create;
	int result = net_call(n, NET_ANY, METADATA, -1, &q, &mem, &r, until);
	if (result == 0)
		result = net_learn(n, &r);
	if (result == 0 && r.topics_n != 1) {
		errno = EBADMSG;
		result = -1;
	}
	if (result == 0)
		result = take_topic(t, &r.topics[0]);
	strncpy(t->name, name, sizeof t->name - 1);
	arena_free(&mem);
	return result;
}

static bool whole(const struct net_topic *t)
{
	if (t->error || t->n == 0)
		return false;
	for (int32_t i = 0; i < t->n; i++)
		if (t->partitions[i].leader < 0)
			return false;
	return true;
}

int net_topic_wait(struct net *n, const char *name, bool create, struct net_topic *t, int64_t until)
{

	for (int attempt = 1;; attempt++) {
		if (net_topic_ask(n, name, create, t, until) < 0)
			return -1;
		if (whole(t) || net_now() >= until || (t->error && !wire_error_retriable(t->error)))
			return 0;
		if (t->error == WIRE_UNKNOWN_TOPIC_OR_PARTITION && !create)
			return 0;
		net_pause(n, attempt, until);
	}
}
