/* topic make, rm, grow. */
#include <string.h>

#include "topic.h"
#include "wire/codes.h"

enum { CREATE_TOPICS = 19, DELETE_TOPICS = 20, CREATE_PARTITIONS = 37 };
enum { WAIT_MS = 30000 };

void topic_make(const char *const *names, int n)
{
	struct create_topics_request q;
	struct create_topics_response r;
	struct create_topics_request_creatable_topic_config *c =
		room((size_t)opt.configs_n * sizeof *c);
	for (int i = 0; i < opt.configs_n; i++) {
		const char *equals = strchr(opt.configs[i], '=');
		c[i].name = (struct span){opt.configs[i], (int32_t)(equals - opt.configs[i])};
		c[i].value = span_of(equals + 1);
	}
	wire_init(&wire_create_topics_request, &q);
	q.timeout_ms = WAIT_MS;
	q.validate_only = opt.validate;
	q.topics_n = n;
	q.topics = room((size_t)n * sizeof *q.topics);
	for (int i = 0; i < n; i++) {
		q.topics[i].name = span_of(names[i]);
		q.topics[i].num_partitions = opt.partitions;
		q.topics[i].replication_factor = (int16_t)opt.replicas;
		q.topics[i].configs = c;
		q.topics[i].configs_n = opt.configs_n;
	}
	call(CREATE_TOPICS, &q, &r);
	for (int32_t i = 0; i < r.topics_n; i++) {
		int code = r.topics[i].error_code;
		if (code && !(code == WIRE_TOPIC_ALREADY_EXISTS && opt.exist_ok))
			complain("make", r.topics[i].name, code, r.topics[i].error_message);
	}
}

void topic_rm(const char *const *names, int n)
{
	struct delete_topics_request q;
	struct delete_topics_response r;
	wire_init(&wire_delete_topics_request, &q);
	q.timeout_ms = WAIT_MS;
	q.topics_n = q.topic_names_n = n;
	q.topics = room((size_t)n * sizeof *q.topics);
	q.topic_names = room((size_t)n * sizeof *q.topic_names);
	for (int i = 0; i < n; i++)
		q.topics[i].name = q.topic_names[i] = span_of(names[i]);
	call(DELETE_TOPICS, &q, &r);
	for (int32_t i = 0; i < r.responses_n; i++)
		if (r.responses[i].error_code)
			complain("rm", r.responses[i].name, r.responses[i].error_code,
				 r.responses[i].error_message);
}

void topic_grow(const char *name, int32_t count)
{
	struct create_partitions_request q;
	struct create_partitions_response r;
	wire_init(&wire_create_partitions_request, &q);
	struct create_partitions_request_create_partitions_topic one = {
		.name = span_of(name),
		.count = count,
		.assignments_n = -1,
	};
	q.topics = &one;
	q.topics_n = 1;
	q.timeout_ms = WAIT_MS;
	call(CREATE_PARTITIONS, &q, &r);
	for (int32_t i = 0; i < r.results_n; i++)
		if (r.results[i].error_code)
			complain("grow", r.results[i].name, r.results[i].error_code,
				 r.results[i].error_message);
}
