/* What configs exist, their types, defaults, limits and words; and which value is in force (Kafka's
 * LogConfig, DynamicBrokerConfig, ConfigDef, ConfigHelper). The list itself is config.def.
 */
#ifndef META_CONFIG_H
#define META_CONFIG_H
#include <stdbool.h>
#include <stdint.h>

#include "meta/image.h"

enum meta_config_type { /* numbers of DescribeConfigs' ConfigType */
			META_BOOLEAN = 1,
			META_STRING,
			META_INT,
			META_SHORT,
			META_LONG,
			META_DOUBLE,
			META_LIST,
			META_CLASS,
			META_PASSWORD,
};
enum meta_config_source { /* numbers of DescribeConfigs' ConfigSource */
			  META_SOURCE_TOPIC = 1,
			  META_SOURCE_DYNAMIC_BROKER,
			  META_SOURCE_DYNAMIC_DEFAULT_BROKER,
			  META_SOURCE_STATIC_BROKER,
			  META_SOURCE_DEFAULT,
			  META_SOURCE_GROUP = 8,
};
enum meta_config_mode {
	META_STATIC,
	META_EACH,
	META_CLUSTER
}; /* altered: never; for one broker; for one or all */
struct meta_config_def {
	const char *name;
	enum meta_config_type type;
	const char *fallback; /* default value as text, NULL none */
	const char *rule;     /* see config.def */
	const char
		*broker_name; /* topic, group configs: the broker config behind it; NULL none */
	enum meta_config_mode mode; /* broker configs */
	bool dynamic; /* mode is not META_STATIC, or a topic config: DescribeConfigs' not ReadOnly
		       */
	const char *words; /* documentation, one paragraph of our own */
};
const struct meta_config_def *meta_config_defs(int resource,
					       int *n); /* of topics, brokers or groups, by name */
const struct meta_config_def *meta_config_def(int resource, struct span name); /* NULL: unknown */
/* 0 when value is legal for the config; else a Kafka error code (INVALID_CONFIG 40) and a message
 * in why. */
int meta_config_check(const struct meta_config_def *d, struct span value, char *why, int why_n);

/* Every layer that has a value for d, the one in force first: topic override, this broker's dynamic
 * configs, those of all brokers, static (the environment under Kafka's property name), default; in
 * each broker layer the names of Kafka's synonyms (log.retention.ms, .minutes, .hours). These are
 * DescribeConfigs' synonyms. A broker config's own value there is that of the first layer whose
 * name is its own, else null. topic is NULL for broker configs; node -1 leaves out that broker's
 * layer. Fills at most META_LAYERS; returns how many. Values are borrowed from image and
 * environment. */
struct meta_config_layer {
	enum meta_config_source source;
	const char *name, *value;
	int64_t unit; /* value x unit is in the unit of d: 3600000 for hours in place of ms */
};
enum { META_LAYERS = 16 };
int meta_config_layers(const struct meta_image *m, int32_t node, const struct meta_topic *topic,
		       const struct meta_config_def *d, struct meta_config_layer v[META_LAYERS]);

/* The value in force, in the unit of name. topic NULL: name is a broker config. *source may be
 * NULL. Never NULL for a config with a default. Valid until the image changes and until the next
 * call for the same name. */
const char *meta_config(const struct meta_image *m, int32_t node, const struct meta_topic *topic,
			const char *name, enum meta_config_source *source);
/* As numbers; a value that does not parse counts as the default, no value at all as 0 (false). */
int64_t meta_config_int(const struct meta_image *m, int32_t node, const struct meta_topic *topic,
			const char *name);
bool meta_config_bool(const struct meta_image *m, int32_t node, const struct meta_topic *topic,
		      const char *name);
#endif
