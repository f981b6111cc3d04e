/* Answers that say that a request cannot be served, or that what it did could not be kept. */
#include <skalibs/strerr.h>

#include "groupcoord.h"

enum { PROTOCOL_NAME_NULL_SINCE = 7 };

/* Where an answer has its one error code. */
static int error_at(int key)
{
	switch (key) {
	case 11: return offsetof(struct join_group_response, error_code);
	case 12: return offsetof(struct heartbeat_response, error_code);
	case 13: return offsetof(struct leave_group_response, error_code);
	case 14: return offsetof(struct sync_group_response, error_code);
	case 16: return offsetof(struct list_groups_response, error_code);
	case 47: return offsetof(struct offset_delete_response, error_code);
	case 68: return offsetof(struct consumer_group_heartbeat_response, error_code);
	default: return -1;
	}
}

/* An empty answer with that error. */
static void *bare(struct step *s, const struct asker *to, int error)
{
	const struct wire_type *t = wire_api(to->key)->response;
	void *out = step_take(s, 1, wire_type_size(t));
	wire_init(t, out);
	if (error_at(to->key) >= 0)
		*(int16_t *)((char *)out + error_at(to->key)) = (int16_t)error;
	if (to->key == 11)
		((struct join_group_response *)out)->protocol_name =
			to->version < PROTOCOL_NAME_NULL_SINCE ? span_of("") : SPAN_NULL;
	return out;
}

static void fail_commit(struct step *s, const struct offset_commit_request *in,
                        struct offset_commit_response *out, int error)
{
	out->topics_n = in->topics_n;
	out->topics = step_take(s, (size_t)in->topics_n, sizeof *out->topics);
	for (int32_t i = 0; i < in->topics_n; i++) {
		out->topics[i].name = in->topics[i].name;
		out->topics[i].topic_id = in->topics[i].topic_id;
		out->topics[i].partitions_n = in->topics[i].partitions_n;
		out->topics[i].partitions = step_take(s, (size_t)in->topics[i].partitions_n,
		                                      sizeof *out->topics[i].partitions);
		for (int32_t k = 0; k < in->topics[i].partitions_n; k++) {
			out->topics[i].partitions[k].partition_index =
				in->topics[i].partitions[k].partition_index;
			out->topics[i].partitions[k].error_code = (int16_t)error;
		}
	}
}

static void fail_describe(struct step *s, const struct consumer_group_describe_request *in,
                          struct consumer_group_describe_response *out, int error)
{
	out->groups_n = in->group_ids_n;
	out->groups = step_take(s, (size_t)in->group_ids_n, sizeof *out->groups);
	for (int32_t i = 0; i < in->group_ids_n; i++) {
		wire_init(&wire_consumer_group_describe_response_described_group, &out->groups[i]);
		out->groups[i].group_id = in->group_ids[i];
		out->groups[i].error_code = (int16_t)error;
	}
}

void answer_unfit(struct server *s, const struct asker *to, const void *in, int error)
{
	struct step step = {.arena = &s->arena};
	void *out = bare(&step, to, error);
	if (to->key == 8)
		fail_commit(&step, in, out, error);
	if (to->key == 69)
		fail_describe(&step, in, out, error);
	if (to->key == 11)
		((struct join_group_response *)out)->member_id =
			((const struct join_group_request *)in)->member_id;
	answer_now(s, to, wire_api(to->key)->response, out);
}

/* --- answers that waited in vain --- */

#define SET_ALL(v, n, error) \
	for (int32_t i_ = 0; i_ < (n); i_++) \
		(v)[i_].error_code = (v)[i_].error_code ? (v)[i_].error_code : (int16_t)(error)

/* Errors where the answer had none. */
static void turn(struct step *s, const struct asker *to, void *out, int error)
{
	struct offset_commit_response *commit = out;
	switch (to->key) {
	case 8:
		for (int32_t i = 0; i < commit->topics_n; i++)
			SET_ALL(commit->topics[i].partitions, commit->topics[i].partitions_n, error);
		break;
	case 15:
		SET_ALL(((struct describe_groups_response *)out)->groups,
		        ((struct describe_groups_response *)out)->groups_n, error);
		break;
	case 42:
		SET_ALL(((struct delete_groups_response *)out)->results,
		        ((struct delete_groups_response *)out)->results_n, error);
		break;
	case 69:
		SET_ALL(((struct consumer_group_describe_response *)out)->groups,
		        ((struct consumer_group_describe_response *)out)->groups_n, error);
		break;
	}
}

void answer_error(struct server *s, const struct asker *to, struct span frame, int error)
{
	const struct wire_type *t = wire_api(to->key)->response;
	struct step step = server_step(s, -1);
	void *out = step_take(&step, 1, wire_type_size(t)), *empty;
	int32_t id;
	int at = wire_response_parse(to->key, to->version, frame.p, (size_t)frame.n, &id);
	if (at < 0 || wire_decode(t, to->version, frame.p + at, (size_t)(frame.n - at), &s->arena,
	                          out) < 0) {
		port_answer(s->loop, to->from, PORT_CLOSE, 0, NULL, 0);
		return;
	}
	if (error_at(to->key) < 0) {
		turn(&step, to, out, error);
		answer_now(s, to, t, out);
		return;
	}
	empty = bare(&step, to, error);
	if (to->key == 11)
		((struct join_group_response *)empty)->member_id =
			((struct join_group_response *)out)->member_id;
	answer_now(s, to, t, empty);
}
