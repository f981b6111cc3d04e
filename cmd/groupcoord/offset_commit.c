/* OffsetCommit (8) and OffsetDelete (47) (KafkaApis.handleOffsetCommitRequest and its kin,
 * OffsetMetadataManager.commitOffset, deleteOffsets). */
#include "offsets.h"

static int topic_error(const struct step *s, struct span topic, int32_t partition,
                       const struct meta_topic **t)
{
	*t = meta_topic_named(s->image, topic);
	return *t && meta_partition(*t, partition) ? WIRE_NONE : WIRE_UNKNOWN_TOPIC_OR_PARTITION;
}

/* --- OffsetCommit --- */

/* The answer with an error for each partition; those that are not known have theirs already.
 * Returns how many are known. */
static int32_t commit_answer(struct step *s, const struct offset_commit_request *in,
                             struct offset_commit_response *out)
{
	const struct meta_topic *t;
	int32_t known = 0;
	wire_init(&wire_offset_commit_response, out);
	out->topics_n = in->topics_n;
	out->topics = step_take(s, (size_t)in->topics_n, sizeof *out->topics);
	for (int32_t i = 0; i < in->topics_n; i++) {
		const struct offset_commit_request_offset_commit_request_topic *from = &in->topics[i];
		struct offset_commit_response_offset_commit_response_topic *to = &out->topics[i];
		to->name = from->name;
		to->partitions_n = from->partitions_n;
		to->partitions = step_take(s, (size_t)from->partitions_n, sizeof *to->partitions);
		for (int32_t k = 0; k < from->partitions_n; k++) {
			to->partitions[k].partition_index = from->partitions[k].partition_index;
			to->partitions[k].error_code = (int16_t)topic_error(
				s, from->name, from->partitions[k].partition_index, &t);
			known += !to->partitions[k].error_code;
		}
	}
	return known;
}

static void refuse(struct step *s, const struct asker *who, struct offset_commit_response *out,
                   int error)
{
	for (int32_t i = 0; i < out->topics_n; i++)
		for (int32_t k = 0; k < out->topics[i].partitions_n; k++)
			out->topics[i].partitions[k].error_code = (int16_t)error;
	step_answer(s, who, s->partition, &wire_offset_commit_response, out);
}

static int allowed(struct groups *gs, struct step *s, struct group **g,
                   const struct offset_commit_request *in, const struct commit_claim *c)
{
	*g = groups_find(gs, in->group_id);
	if (*g)
		return (*g)->kind->commit_allowed(gs, s, *g, c);
	if (c->generation >= 0)
		return c->version >= 9 ? WIRE_GROUP_ID_NOT_FOUND : WIRE_ILLEGAL_GENERATION;
	*g = groups_make(gs, in->group_id, s->partition);
	return WIRE_NONE;
}

static int each_allowed(struct step *s, const struct group *g,
                        const struct offset_commit_request *in, const struct commit_claim *c)
{
	const struct meta_topic *t;
	int error = WIRE_NONE;
	if (!g->kind->partition_allowed)
		return WIRE_NONE;
	for (int32_t i = 0; !error && i < in->topics_n; i++)
		for (int32_t k = 0; !error && k < in->topics[i].partitions_n; k++) {
			int32_t partition = in->topics[i].partitions[k].partition_index;
			if (!topic_error(s, in->topics[i].name, partition, &t))
				error = g->kind->partition_allowed(g, c, &t->id, partition);
		}
	return error;
}

/* String.length() of the metadata: UTF-16 units. */
static int32_t length(struct span text)
{
	int32_t n = 0;
	for (int32_t i = 0; i < text.n; i++)
		n += ((uint8_t)text.p[i] & 0xc0) != 0x80 ? 1 + ((uint8_t)text.p[i] >= 0xf0) : 0;
	return n;
}

static void commit_one(struct step *s, struct group *g, const struct offset_commit_request *in,
                       struct span topic,
                       const struct offset_commit_request_offset_commit_request_partition *p,
                       struct offset_commit_response_offset_commit_response_partition *answer)
{
	struct offset_commit_value v = {
		.offset = p->committed_offset, .leader_epoch = p->committed_leader_epoch,
		.metadata = p->committed_metadata.n < 0 ? span_of("") : p->committed_metadata,
		.commit_timestamp = s->wall_ms, .expire_timestamp = -1,
	};
	if (length(p->committed_metadata) > s->settings->offset_metadata_max) {
		answer->error_code = WIRE_OFFSET_METADATA_TOO_LARGE;
		return;
	}
	if (in->retention_time_ms != -1)
		v.expire_timestamp = s->wall_ms + in->retention_time_ms;
	offsets_record(s, g, topic, p->partition_index, &v);
}

static void commit_all(struct step *s, struct group *g, const struct offset_commit_request *in,
                       struct offset_commit_response *out)
{
	for (int32_t i = 0; i < in->topics_n; i++)
		for (int32_t k = 0; k < in->topics[i].partitions_n; k++)
			if (!out->topics[i].partitions[k].error_code)
				commit_one(s, g, in, in->topics[i].name,
				           &in->topics[i].partitions[k],
				           &out->topics[i].partitions[k]);
}

void offset_commit(struct groups *gs, struct step *s, const struct asker *who, const void *request)
{
	const struct offset_commit_request *in = request;
	struct commit_claim c = {
		.member = in->member_id, .instance = in->group_instance_id,
		.generation = in->generation_id_or_member_epoch, .version = who->version,
	};
	struct offset_commit_response out;
	struct group *g = groups_find(gs, in->group_id);
	if (g && g->deleting && g->unsettled) {
		step_again(s, who, &g->partition, 1);
		return;
	}
	int error = commit_answer(s, in, &out) ? allowed(gs, s, &g, in, &c) : WIRE_NONE;
	if (!error && g)
		error = each_allowed(s, g, in, &c);
	if (error) {
		refuse(s, who, &out, error);
		return;
	}
	if (g)
		commit_all(s, g, in, &out);
	step_answer(s, who, s->partition, &wire_offset_commit_response, &out);
	if (g)
		groups_tidy(gs, g);
}

/* --- OffsetDelete --- */

static void delete_one(struct step *s, struct group *g, struct span topic, int32_t partition,
                       struct offset_delete_response_offset_delete_response_partition *answer)
{
	const struct meta_topic *t;
	answer->partition_index = partition;
	answer->error_code = (int16_t)topic_error(s, topic, partition, &t);
	if (answer->error_code)
		return;
	if (g->kind->subscribed(g, topic))
		answer->error_code = WIRE_GROUP_SUBSCRIBED_TO_TOPIC;
	else if (offsets_find(g, topic, partition) || offsets_unstable(g, topic, partition))
		offsets_record(s, g, topic, partition, NULL);
}

void offset_delete(struct groups *gs, struct step *s, const struct asker *who, const void *request)
{
	const struct offset_delete_request *in = request;
	struct offset_delete_response out;
	struct group *g = groups_find(gs, in->group_id);
	if (g && offsets_wait(s, who, g))
		return;
	wire_init(&wire_offset_delete_response, &out);
	out.error_code = (int16_t)(g ? g->kind->offset_delete_allowed(g) : WIRE_GROUP_ID_NOT_FOUND);
	if (!out.error_code) {
		out.topics_n = in->topics_n;
		out.topics = step_take(s, (size_t)in->topics_n, sizeof *out.topics);
	}
	for (int32_t i = 0; i < out.topics_n; i++) {
		out.topics[i].name = in->topics[i].name;
		out.topics[i].partitions_n = in->topics[i].partitions_n;
		out.topics[i].partitions = step_take(s, (size_t)in->topics[i].partitions_n,
		                                     sizeof *out.topics[i].partitions);
		for (int32_t k = 0; k < in->topics[i].partitions_n; k++)
			delete_one(s, g, in->topics[i].name,
			           in->topics[i].partitions[k].partition_index,
			           &out.topics[i].partitions[k]);
	}
	step_answer(s, who, s->partition, &wire_offset_delete_response, &out);
}
