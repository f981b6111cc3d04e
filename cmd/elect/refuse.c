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
	struct allocate_producer_ids_response *ids = response;

	switch (key) {
	case 19: refuse_topics(response); break;
	case 20: REFUSE_EACH(deleted->responses, deleted->responses_n); break;
	case 33: REFUSE_EACH(altered->responses, altered->responses_n); break;
	case 37: REFUSE_EACH(partitions->results, partitions->results_n); break;
	case 44: REFUSE_EACH(incremental->responses, incremental->responses_n); break;
	case 57: refused(&features->error_code, &features->error_message); break;
	case 62: refused(&registered->error_code, NULL); break;
	case 63: refused(&beaten->error_code, NULL); break;
	case 67: refused(&ids->error_code, NULL); break;
	}
}
