/* leader.replication.throttled.rate: what replicas that are out of sync may fetch of throttled
 * partitions, all together (Kafka's ReplicationQuotaManager, ReplicaManager.shouldLeaderThrottle).
 * Who is in sync is never slowed: it would fall out. */
#include <stdlib.h>
#include <string.h>

#include "feed.h"

static int64_t rate = INT64_MAX;
static int64_t credit, credit_ms;    /* bytes, at most those of a second; less than 0 is a debt */

void throttle_rate(int64_t bytes_per_second)
{
	rate = bytes_per_second;
	if (credit > rate)
		credit = rate;
}

/* "*", or PARTITION:BROKER, ... */
bool throttle_lists(const char *list, int32_t partition, int32_t broker)
{
	while (list && *list) {
		char *end;
		if (*list == '*')
			return true;
		long p = strtol(list, &end, 10);
		if (*end == ':' && p == partition && strtol(end + 1, NULL, 10) == broker)
			return true;
		list = strchr(list, ',');
		list = list ? list + 1 : NULL;
	}
	return false;
}

static bool is_slowed(const struct fetch *f, const struct partition *p)
{
	for (int i = 0; p->throttled && i < p->step.members_n; i++)
		if (p->step.members[i].id == f->replica)
			return !p->step.members[i].in_isr;
	return false;
}

bool throttle_stops(const struct fetch *f, const struct partition *p)
{
	int64_t now = port_now_ms();
	if (rate == INT64_MAX || !is_slowed(f, p))
		return false;
	double more = (double)rate * (double)(now - credit_ms) / 1000;
	credit = (double)credit + more < (double)rate ? credit + (int64_t)more : rate;
	if (more >= 1)
		credit_ms = now;
	return credit <= 0;
}

void throttle_note(const struct fetch *f, const struct partition *p, int64_t bytes)
{
	if (rate != INT64_MAX && is_slowed(f, p))
		credit -= bytes;
}
