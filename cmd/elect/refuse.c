/* Answers whose records found no room in the log: what would have been good is an error that
 * clients try again. */
#include <string.h>

#include "controller.h"
#include "wire/codes.h"

#define NO_ROOM "There is no room on the disk of the metadata log."

static bool refused(int16_t *error, struct span *message)
{
	if (*error)
		return false;
	*error = WIRE_KAFKA_STORAGE_ERROR;
	if (message)
		*message = span_of(NO_ROOM);
	return true;
}

static void refuse_topics(struct create_topics_response *r)
{
	for (int32_t i = 0; i < r->topics_n; i++) {
		struct create_topics_response_creatable_topic_result *t = &r->topics[i], was = *t;

		if (!refused(&was.error_code, &was.error_message))
			continue;
		wire_init(&wire_create_topics_response_creatable_topic_result, t);
		t->name = was.name;
		t->error_code = was.error_code;
		t->error_message = was.error_message;
	}
}

static void refuse_elections(struct elect_leaders_response *r)
{
	for (int32_t i = 0; i < r->replica_election_results_n; i++) {
		struct elect_leaders_response_replica_election_result *t =
			&r->replica_election_results[i];

		for (int32_t j = 0; j < t->partition_result_n; j++)
			refused(&t->partition_result[j].error_code,
				&t->partition_result[j].error_message);
	}
}

static void refuse_reassignments(struct alter_partition_reassignments_response *r)
{
	for (int32_t i = 0; i < r->responses_n; i++)
		for (int32_t j = 0; j < r->responses[i].partitions_n; j++)
			refused(&r->responses[i].partitions[j].error_code,
				&r->responses[i].partitions[j].error_message);
}

/* Of those that are for brokers the whole is refused: they ask again for all of it. */
static void refuse_isr(struct alter_partition_response *r)
{
	refused(&r->error_code, NULL);
	r->topics_n = 0;
}

static void refuse_directories(struct assign_replicas_to_dirs_response *r)
{
	refused(&r->error_code, NULL);
	r->directories_n = 0;
}

#define REFUSE_EACH(v, n)                                                \
	for (int32_t i = 0; i < (n); i++)                                \
		refused(&(v)[i].error_code, &(v)[i].error_message)

void operation_refuse(struct operation *op, int key, void *response)
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

	switch (key) {
	case 19: refuse_topics(response); break;
	case 20: REFUSE_EACH(deleted->responses, deleted->responses_n); break;
	case 33: REFUSE_EACH(altered->responses, altered->responses_n); break;
	case 37: REFUSE_EACH(partitions->results, partitions->results_n); break;
	case 43: refuse_elections(response); break;
	case 44: REFUSE_EACH(incremental->responses, incremental->responses_n); break;
	case 45: refuse_reassignments(response); break;
	case 56: refuse_isr(response); break;
	case 57: refused(&features->error_code, &features->error_message); break;
	case 62: refused(&registered->error_code, NULL); break;
	case 63: refused(&beaten->error_code, NULL); break;
	case 64: refused(&unregistered->error_code, &unregistered->error_message); break;
	case 67: refused(&ids->error_code, NULL); break;
	case 73: refuse_directories(response); break;
	}
}
