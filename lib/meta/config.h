/* What configs exist, their types, defaults, limits and words; and which value is in force (Kafka's LogConfig, KafkaConfig,
 * ConfigDef, ConfigurationControlManager, ConfigHelper).
 */
#ifndef META_CONFIG_H
#define META_CONFIG_H
#include <stdbool.h>
#include <stdint.h>

#include "meta/image.h"

enum meta_config_type {           /* numbers of DescribeConfigs' ConfigType */
	META_BOOLEAN = 1, META_STRING, META_INT, META_SHORT, META_LONG, META_DOUBLE, META_LIST, META_CLASS, META_PASSWORD,
};
enum meta_config_source {         /* numbers of DescribeConfigs' ConfigSource */
	META_SOURCE_TOPIC = 1, META_SOURCE_DYNAMIC_BROKER, META_SOURCE_DYNAMIC_DEFAULT_BROKER, META_SOURCE_STATIC_BROKER,
	META_SOURCE_DEFAULT,
};
struct meta_config_def {
	const char *name;
	enum meta_config_type type;
	const char *fallback;         /* default value as text, NULL none */
	const char *broker_name;      /* topic configs: the broker config that is its default (log.retention.ms), NULL none */
	bool dynamic;                 /* broker configs: may be altered while running */
	const char *words;            /* documentation, one paragraph of our own */
};
const struct meta_config_def *meta_config_defs(int resource, int *n);            /* META_TOPIC or META_BROKER, by name */
const struct meta_config_def *meta_config_def(int resource, struct span name);   /* NULL: unknown */
/* 0 when value is legal for the config; else a Kafka error code (INVALID_CONFIG 40) and a message in *why (static or in buf). */
int meta_config_check(const struct meta_config_def *d, struct span value, char *why, int why_n);

/* The value in force. topic may be NULL for broker configs. Layers: topic override, this broker's dynamic, cluster-wide dynamic,
 * static (the environment under Kafka's property name), default. *source may be NULL. Never NULL for a config with a default. */
const char *meta_config(const struct meta_image *m, int32_t node, const struct meta_topic *topic, const char *name,
                        enum meta_config_source *source);
int64_t meta_config_int(const struct meta_image *m, int32_t node, const struct meta_topic *topic, const char *name);
bool meta_config_bool(const struct meta_image *m, int32_t node, const struct meta_topic *topic, const char *name);
#endif
