/* The configs of this node that steps look at. */
#include <string.h>

#include "groupcoord.h"
#include "meta/config.h"

enum {
	REGEX_REFRESH_MS = 10 * 60 * 1000,      /* Kafka's, which it does not show either */
	AROUND_RECORD = 128,                    /* the rest of a batch of one record, at most */
};

static const struct {
	const char *name;
	size_t at;
} numbers[] = {
#define N(name, member) {name, offsetof(struct group_settings, member)}
	N("group.min.session.timeout.ms", min_session_timeout),
	N("group.max.session.timeout.ms", max_session_timeout),
	N("group.initial.rebalance.delay.ms", initial_rebalance_delay),
	N("group.max.size", max_size),
	N("group.consumer.session.timeout.ms", consumer_session_timeout),
	N("group.consumer.min.session.timeout.ms", consumer_min_session_timeout),
	N("group.consumer.max.session.timeout.ms", consumer_max_session_timeout),
	N("group.consumer.heartbeat.interval.ms", consumer_heartbeat_interval),
	N("group.consumer.min.heartbeat.interval.ms", consumer_min_heartbeat_interval),
	N("group.consumer.max.heartbeat.interval.ms", consumer_max_heartbeat_interval),
	N("group.consumer.max.size", consumer_max_size),
	N("group.consumer.assignment.interval.ms", consumer_assignment_interval),
	N("offset.metadata.max.bytes", offset_metadata_max),
#undef N
};

void settings_read(struct server *s)
{
	const struct meta_image *m = meta_follow_image(s->follow);
	struct group_settings *g = &s->settings;
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		*(int32_t *)((char *)g + numbers[i].at) =
			(int32_t)meta_config_int(m, s->node.id, NULL, numbers[i].name);
	g->record_max = (int32_t)meta_config_int(m, s->node.id,
	                                         meta_topic_named(m, span_of("__consumer_offsets")),
	                                         "max.message.bytes") - AROUND_RECORD;
	g->consumer_regex_refresh_interval = REGEX_REFRESH_MS;
	g->consumer_assignors = meta_config(m, s->node.id, NULL, "group.consumer.assignors", NULL);
	g->consumer_migration_policy =
		meta_config(m, s->node.id, NULL, "group.consumer.migration.policy", NULL);
	s->consumer_protocol = strstr(meta_config(m, s->node.id, NULL,
	                                          "group.coordinator.rebalance.protocols", NULL),
	                              "consumer");
	g->offsets_retention =
		meta_config_int(m, s->node.id, NULL, "offsets.retention.minutes") * 60000;
	g->offsets_check_interval =
		meta_config_int(m, s->node.id, NULL, "offsets.retention.check.interval.ms");
}
