/* OffsetFetch (9): of one group, or from version 8 on of several
 * (KafkaApis.handleOffsetFetchRequest, OffsetMetadataManager.fetchOffsets). */
#include "offsets.h"

enum { GROUPS_SINCE = 8, TOP_ERROR_SINCE = 2 };

typedef struct offset_fetch_request_offset_fetch_request_group asked_group;
typedef struct offset_fetch_request_offset_fetch_request_topics asked_topic;
typedef struct offset_fetch_response_offset_fetch_response_group group_answer;
typedef struct offset_fetch_response_offset_fetch_response_topics topic_answer;
typedef struct offset_fetch_response_offset_fetch_response_partitions partition_answer;

static void one(const struct group *g, struct span topic, int32_t partition, bool stable,
                partition_answer *out)
{
	const struct committed *c = g ? offsets_find(g, topic, partition) : NULL;
	out->partition_index = partition;
	out->committed_offset = out->committed_leader_epoch = -1;
	out->metadata = span_of("");
	if (stable && g && offsets_unstable(g, topic, partition)) {
		out->error_code = WIRE_UNSTABLE_OFFSET_COMMIT;
	} else if (c) {
		out->committed_offset = c->offset;
		out->committed_leader_epoch = c->epoch;
		out->metadata = c->metadata.n > 0 ? c->metadata : span_of("");
	}
}

static void all_topics(struct step *s, const struct group *g, bool stable, group_answer *out)
{
	out->topics_n = g ? g->topics_n : 0;
	out->topics = step_take(s, (size_t)out->topics_n, sizeof *out->topics);
	for (int32_t i = 0; i < out->topics_n; i++) {
		const struct offsets_topic *t = g->topics[i];
		topic_answer *a = &out->topics[i];
		a->name = (struct span){t->name->text, t->name->n};
		a->partitions_n = t->n;
		a->partitions = step_take(s, (size_t)t->n, sizeof *a->partitions);
		for (int32_t k = 0; k < t->n; k++)
			one(g, a->name, t->v[k].partition, stable, &a->partitions[k]);
	}
}

static void some_topics(struct step *s, const struct group *g, const asked_group *in, bool stable,
                        group_answer *out)
{
	out->topics_n = in->topics_n;
	out->topics = step_take(s, (size_t)in->topics_n, sizeof *out->topics);
	for (int32_t i = 0; i < in->topics_n; i++) {
		const asked_topic *t = &in->topics[i];
		topic_answer *a = &out->topics[i];
		a->name = t->name;
		a->partitions_n = t->partition_indexes_n;
		a->partitions = step_take(s, (size_t)a->partitions_n, sizeof *a->partitions);
		for (int32_t k = 0; k < a->partitions_n; k++)
			one(g, t->name, t->partition_indexes[k], stable, &a->partitions[k]);
	}
}

static void fetch_group(struct groups *gs, struct step *s, const struct asker *who,
                        const asked_group *in, bool stable, group_answer *out)
{
	struct commit_claim c = {
		.member = in->member_id, .instance = SPAN_NULL,
		.generation = in->member_epoch, .version = who->version,
	};
	int32_t partition;
	int error = step_locate(s, in->group_id, &partition);
	const struct group *g = error ? NULL : groups_find(gs, in->group_id);
	out->group_id = in->group_id;
	if (g)
		error = g->kind->fetch_allowed(s, g, &c);
	if (error == WIRE_GROUP_ID_NOT_FOUND) {
		error = WIRE_NONE;
		g = NULL;
	}
	out->error_code = (int16_t)error;
	if (error)
		return;
	if (in->topics_n < 0)
		all_topics(s, g, stable, out);
	else
		some_topics(s, g, in, stable, out);
}

/* --- versions before 8 --- */

static asked_group *from_single(struct step *s, const struct offset_fetch_request *in)
{
	asked_group *g = step_take(s, 1, sizeof *g);
	g->group_id = in->group_id;
	g->member_id = SPAN_NULL;
	g->member_epoch = -1;
	g->topics_n = in->topics_n;
	g->topics = step_take(s, in->topics_n < 0 ? 0 : (size_t)in->topics_n, sizeof *g->topics);
	for (int32_t i = 0; i < in->topics_n; i++) {
		g->topics[i].name = in->topics[i].name;
		g->topics[i].partition_indexes = in->topics[i].partition_indexes;
		g->topics[i].partition_indexes_n = in->topics[i].partition_indexes_n;
	}
	return g;
}

/* Version 1 has errors of partitions only. */
static void to_single(struct step *s, const asked_group *in, int version, group_answer *g,
                      struct offset_fetch_response *out)
{
	int error = g->error_code;
	if (error && version < TOP_ERROR_SINCE)
		some_topics(s, NULL, in, false, g);
	else
		out->error_code = (int16_t)error;
	out->topics_n = g->topics_n;
	out->topics = step_take(s, (size_t)g->topics_n, sizeof *out->topics);
	for (int32_t i = 0; i < g->topics_n; i++) {
		const topic_answer *from = &g->topics[i];
		struct offset_fetch_response_offset_fetch_response_topic *to = &out->topics[i];
		to->name = from->name;
		to->partitions_n = from->partitions_n;
		to->partitions = step_take(s, (size_t)from->partitions_n, sizeof *to->partitions);
		for (int32_t k = 0; k < from->partitions_n; k++) {
			to->partitions[k].partition_index = from->partitions[k].partition_index;
			to->partitions[k].committed_offset = from->partitions[k].committed_offset;
			to->partitions[k].committed_leader_epoch =
				from->partitions[k].committed_leader_epoch;
			to->partitions[k].metadata = from->partitions[k].metadata;
			to->partitions[k].error_code =
				error ? (int16_t)error : from->partitions[k].error_code;
		}
	}
}

/* --- the request --- */

/* What the same client has committed just before, its answer still under way, is seen. */
static bool wait_for_commits(struct groups *gs, struct step *s, const struct asker *who,
                             const asked_group *v, int32_t n)
{
	int32_t *partitions = step_take(s, (size_t)n, sizeof *partitions), waits = 0;
	for (int32_t i = 0; i < n && !s->second; i++) {
		const struct group *g = groups_find(gs, v[i].group_id);
		if (g && g->unsettled)
			partitions[waits++] = g->partition;
	}
	if (waits)
		step_again(s, who, partitions, waits);
	return waits;
}

void offset_fetch(struct groups *gs, struct step *s, const struct asker *who, const void *request)
{
	const struct offset_fetch_request *in = request;
	bool several = who->version >= GROUPS_SINCE;
	const asked_group *v = several ? in->groups : from_single(s, in);
	int32_t n = several ? in->groups_n : 1;
	struct offset_fetch_response out;
	group_answer *answers = step_take(s, (size_t)n, sizeof *answers);
	if (wait_for_commits(gs, s, who, v, n))
		return;
	wire_init(&wire_offset_fetch_response, &out);
	for (int32_t i = 0; i < n; i++)
		fetch_group(gs, s, who, &v[i], in->require_stable, &answers[i]);
	if (several) {
		out.groups = answers;
		out.groups_n = n;
	} else {
		to_single(s, v, who->version, answers, &out);
	}
	step_answer_many(s, who, NULL, 0, &wire_offset_fetch_response, &out);
}
