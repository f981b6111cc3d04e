/* quorum-state: who leads in which epoch, and whom we voted for (FileQuorumStateStore). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/atomicfile.h"
#include "store.h"

enum { STATE_MAX = 65536 };

static int32_t number(const json_t *o, const char *key, int32_t missing)
{
	const json_t *v = json_object_get(o, key);

	return json_is_integer(v) ? (int32_t)json_integer_value(v) : missing;
}

int store_state_read(struct store *s, struct quorum_state *q)
{
	char *p;
	size_t n;
	json_t *o;
	const char *id;

	*q = (struct quorum_state){ .leader = -1, .epoch = 0, .voted = -1 };
	if (atomicfile_read(s->partfd, "quorum-state", STATE_MAX, &p, &n) < 0)
		return -1;
	o = json_loadb(p, n, 0, NULL);
	free(p);
	if (!json_is_object(o) || number(o, "data_version", -1) < 0
	    || number(o, "data_version", -1) > 1 || number(o, "leaderEpoch", -1) < 0
	    || number(o, "leaderId", -2) < -1 || number(o, "votedId", -2) < -1) {
		json_decref(o);
		errno = EBADMSG;
		return -1;
	}
	q->leader = number(o, "leaderId", -1);
	q->epoch = number(o, "leaderEpoch", 0);
	q->voted = number(o, "votedId", -1);
	id = json_string_value(json_object_get(o, "votedDirectoryId"));
	if (id)
		uuid_parse(&q->voted_directory, span_of(id));
	json_decref(o);
	return 0;
}

/* A leader's file names no vote: that it leads says it. */
int store_state_write(struct store *s, const struct quorum *q, int version)
{
	char text[4096], id[UUID_TEXT], *p = text;
	size_t left = sizeof text;
	bool leads = q->leader == q->self.id;
	int n;

	uuid_text(leads || q->voted.id < 0 ? &uuid_zero : &q->voted.directory, id);
	if (version >= 1) {
		n = snprintf(p, left,
			     "{\"leaderId\":%d,\"leaderEpoch\":%d,\"votedId\":%d,"
			     "\"votedDirectoryId\":\"%s\","
			     "\"data_version\":1}",
			     q->leader, q->epoch, leads ? -1 : q->voted.id, id);
	} else {
		n = snprintf(
			p, left,
			"{\"clusterId\":\"\",\"leaderId\":%d,\"leaderEpoch\":%d,\"votedId\":%d,"
			"\"appliedOffset\":0,\"currentVoters\":[",
			q->leader, q->epoch, leads ? -1 : q->voted.id);
		for (int i = 0; i < q->voters_n; i++)
			n += snprintf(p + n, left - (size_t)n, "%s{\"voterId\":%d}", i ? "," : "",
				      q->voters[i].key.id);
		n += snprintf(p + n, left - (size_t)n, "],\"data_version\":0}");
	}
	if (atomicfile_write(s->partfd, "quorum-state", text, (size_t)n) == 0)
		return 0;
	snprintf(s->why, sizeof s->why, "write log/__cluster_metadata-0/quorum-state");
	return -1;
}
