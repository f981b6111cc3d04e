/* Answers that say no to all that was asked for: what would have been good, when its records found
 * no room in the log, and everything, when this node does not lead. Clients try both again. */
#include <string.h>

#include "controller.h"
#include "wire/codes.h"

struct refusal {
	int16_t error;
	const char *words;
	bool all; /* other errors too: they are of metadata that may be old */
};
static const struct refusal
	no_room = { WIRE_KAFKA_STORAGE_ERROR, "There is no room on the disk of the metadata log.",
		    false },
	no_quorum = { WIRE_NOT_LEADER_OR_FOLLOWER, "This node does not lead any more.", true },
	no_leader = { WIRE_NOT_CONTROLLER, "This is not the active controller.", true };

static bool refused(const struct refusal *how, int16_t *error, struct span *message)
{
	if (*error && !how->all)
		return false;
	*error = how->error;
	if (message)
		*message = span_of(how->words);
	return true;
}

static void refuse_topics(const struct refusal *how, struct create_topics_response *r)
{
	for (int32_t i = 0; i < r->topics_n; i++) {
		struct create_topics_response_creatable_topic_result *t = &r->topics[i], was = *t;

		if (!refused(how, &was.error_code, &was.error_message))
			continue;
		wire_init(&wire_create_topics_response_creatable_topic_result, t);
		t->name = was.name;
		t->error_code = was.error_code;
		t->error_message = was.error_message;
	}
}

static void refuse_elections(const struct refusal *how, struct elect_leaders_response *r)
{
	for (int32_t i = 0; i < r->replica_election_results_n; i++) {
		struct elect_leaders_response_replica_election_result *t =
			&r->replica_election_results[i];

		for (int32_t j = 0; j < t->partition_result_n; j++)
			refused(how, &t->partition_result[j].error_code,
				&t->partition_result[j].error_message);
	}
}

static void refuse_reassignments(const struct refusal *how,
				 struct alter_partition_reassignments_response *r)
{
	for (int32_t i = 0; i < r->responses_n; i++)
		for (int32_t j = 0; j < r->responses[i].partitions_n; j++)
			refused(how, &r->responses[i].partitions[j].error_code,
				&r->responses[i].partitions[j].error_message);
}

/* Of those that are for brokers the whole is refused: they ask again for all of it. */
static void refuse_isr(const struct refusal *how, struct alter_partition_response *r)
{
	refused(how, &r->error_code, NULL);
	r->topics_n = 0;
}

static void refuse_directories(const struct refusal *how,
			       struct assign_replicas_to_dirs_response *r)
{
	refused(how, &r->error_code, NULL);
	r->directories_n = 0;
}

static void refuse_list(const struct refusal *how, struct list_partition_reassignments_response *r)
{
	refused(how, &r->error_code, &r->error_message);
	r->topics_n = 0;
}

#define REFUSE_EACH(v, n)                                                \
	for (int32_t i = 0; i < (n); i++)                                \
		refused(how, &(v)[i].error_code, &(v)[i].error_message)

static void refuse(const struct refusal *how, int key, void *response)
{
	struct delete_topics_response *deleted = response;
	struct alter_configs_response *altered = response;
	struct incremental_alter_configs_response *incremental = response;
	struct create_partitions_response *partitions = response;
	struct update_features_response *features = response;
	struct broker_registration_response *registered = response;
	struct broker_heartbeat_response *beaten = response;
	struct unregister_broker_response *unregistered = response;
	struct allocate_producer_ids_response *ids = response;
	struct add_raft_voter_response *added = response; /* RemoveRaftVoter's is the same */

	switch (key) {
	case 19: refuse_topics(how, response); break;
	case 20: REFUSE_EACH(deleted->responses, deleted->responses_n); break;
	case 33: REFUSE_EACH(altered->responses, altered->responses_n); break;
	case 37: REFUSE_EACH(partitions->results, partitions->results_n); break;
	case 43: refuse_elections(how, response); break;
	case 44: REFUSE_EACH(incremental->responses, incremental->responses_n); break;
	case 45: refuse_reassignments(how, response); break;
	case 46: refuse_list(how, response); break;
	case 56: refuse_isr(how, response); break;
	case 57: refused(how, &features->error_code, &features->error_message); break;
	case 62: refused(how, &registered->error_code, NULL); break;
	case 63: refused(how, &beaten->error_code, NULL); break;
	case 64: refused(how, &unregistered->error_code, &unregistered->error_message); break;
	case 67: refused(how, &ids->error_code, NULL); break;
	case 80:
	case 81: refused(&no_quorum, &added->error_code, &added->error_message); break;
	case 73: refuse_directories(how, response); break;
	}
}

void operation_refuse(struct operation *op, int key, void *response)
{
	refuse(&no_room, key, response);
}

int controller_refuse(int key, int version, const struct buf *answer, struct buf *out)
{
	const struct wire_type *t = wire_api(key)->response;
	struct arena a = { 0 };
	void *response = arena_get(&a, wire_type_size(t));
	int32_t id;
	int at = wire_response_parse(key, version, answer->p, answer->n, &id), r = -1;

	if (response && at >= 0
	    && wire_decode(t, version, answer->p + at, answer->n - (size_t)at, &a, response) >= 0) {
		refuse(&no_leader, key, response);
		r = wire_response_header(out, key, version, id);
	}
	if (r == 0)
		r = wire_encode(t, version, response, out, NULL);
	arena_free(&a);
	return r;
}
