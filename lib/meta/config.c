/* The table of configs, its layers, and the value in force. */
#include "meta/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BOOLEAN META_BOOLEAN
#define STRING META_STRING
#define INT META_INT
#define SHORT META_SHORT
#define LONG META_LONG
#define DOUBLE META_DOUBLE
#define LIST META_LIST
#define STATIC META_STATIC
#define EACH META_EACH
#define CLUSTER META_CLUSTER
#define CLASS META_CLASS

#define T(name, type, value, rule, broker, words)                                                  \
	{ name, type, value, rule, broker, META_CLUSTER, true, words },
#define B(name, type, value, rule, mode, words)
#define G(name, type, value, rule, broker, words)
static const struct meta_config_def topic_defs[] = {
#include "meta/config.def"
};
#undef T
#undef B
#define T(name, type, value, rule, broker, words)
#define B(name, type, value, rule, mode, words)                                                    \
	{ name, type, value, rule, NULL, mode, mode != META_STATIC, words },
static const struct meta_config_def broker_defs[] = {
#include "meta/config.def"
};
#undef B
#undef G
#define B(name, type, value, rule, mode, words)
#define G(name, type, value, rule, broker, words)                                                  \
	{ name, type, value, rule, broker, META_CLUSTER, true, words },
static const struct meta_config_def group_defs[] = {
#include "meta/config.def"
};

/* Broker configs that stand in for another, in its place in the order
 * (DynamicBrokerConfig.brokerConfigSynonyms). */
static const struct {
	const char *name, *other;
	int64_t unit;
} stand_ins[] = {
	{ "log.flush.interval.ms", "log.flush.scheduler.interval.ms", 1 },
	{ "log.retention.ms", "log.retention.minutes", 60000 },
	{ "log.retention.ms", "log.retention.hours", 3600000 },
	{ "log.roll.jitter.ms", "log.roll.jitter.hours", 3600000 },
	{ "log.roll.ms", "log.roll.hours", 3600000 },
};
enum { STAND_INS = sizeof stand_ins / sizeof *stand_ins };

const struct meta_config_def *meta_config_defs(int resource, int *n)
{
	*n = resource == META_TOPIC    ? (int)(sizeof topic_defs / sizeof *topic_defs)
	     : resource == META_BROKER ? (int)(sizeof broker_defs / sizeof *broker_defs)
	     : resource == META_GROUP  ? (int)(sizeof group_defs / sizeof *group_defs)
				       : 0;
	return resource == META_TOPIC	? topic_defs
	       : resource == META_GROUP ? group_defs
					: broker_defs;
}

const struct meta_config_def *meta_config_def(int resource, struct span name)
{
	int n, lo = 0;
	const struct meta_config_def *v = meta_config_defs(resource, &n);

	while (name.n >= 0 && lo < n) {
		int mid = lo + (n - lo) / 2;
		int cmp = strncmp(v[mid].name, name.p, (size_t)name.n);

		if (cmp == 0)
			cmp = v[mid].name[name.n] != 0;
		if (cmp == 0)
			return &v[mid];
		if (cmp < 0)
			lo = mid + 1;
		else
			n = mid;
	}
	return NULL;
}

struct layers {
	struct meta_config_layer *v;
	int n;
};

static void add(struct layers *l, enum meta_config_source source, const char *name,
		const char *value, int64_t unit)
{
	if (value && l->n < META_LAYERS)
		l->v[l->n++] = (struct meta_config_layer){ source, name, value, unit };
}

static const char *broker_value(const struct meta_image *m, int32_t node,
				enum meta_config_source source, const char *name)
{
	char id[16] = "";
	const struct meta_config_def *d;

	switch (source) {
	case META_SOURCE_DYNAMIC_BROKER:
		if (!m || node < 0)
			return NULL;
		snprintf(id, sizeof id, "%d", node);
		/* fall through */
	case META_SOURCE_DYNAMIC_DEFAULT_BROKER:
		return m ? meta_config_value(meta_configs_of(m, META_BROKER, span_of(id)), name)
			 : NULL;
	case META_SOURCE_STATIC_BROKER: return getenv(name);
	default: d = meta_config_def(META_BROKER, span_of(name)); return d ? d->fallback : NULL;
	}
}

int meta_config_layers(const struct meta_image *m, int32_t node, const struct meta_topic *topic,
		       const struct meta_config_def *d, struct meta_config_layer v[META_LAYERS])
{
	struct layers l = { v, 0 };
	const char *broker = topic || d->broker_name ? d->broker_name : d->name;

	if (topic && m)
		add(&l, META_SOURCE_TOPIC, d->name,
		    meta_config_value(meta_configs_of(m, META_TOPIC, span_of(topic->name)),
				      d->name),
		    1);
	for (int s = META_SOURCE_DYNAMIC_BROKER; broker && s <= META_SOURCE_DEFAULT; s++) {
		add(&l, s, broker, broker_value(m, node, s, broker), 1);
		for (int i = 0; i < STAND_INS; i++)
			if (strcmp(stand_ins[i].name, broker) == 0)
				add(&l, s, stand_ins[i].other,
				    broker_value(m, node, s, stand_ins[i].other),
				    stand_ins[i].unit);
	}
	return l.n;
}

static bool number(const char *z, int64_t *v)
{
	char *end;

	errno = 0;
	*v = strtoll(z, &end, 10);
	while (*end == ' ' || *end == '\t')
		end++;
	return end != z && !*end && !errno;
}

/* value x unit as text: one place for each stand-in, since a value is borrowed by the caller. */
static const char *converted(const struct meta_config_layer *l, const char *fallback)
{
	static char text[STAND_INS][24];
	int64_t v;

	if (l->unit == 1)
		return l->value;
	if (!number(l->value, &v) || __builtin_mul_overflow(v, l->unit, &v))
		return fallback;
	if (v < 0)
		return "-1";
	for (int i = 0; i < STAND_INS; i++)
		if (strcmp(stand_ins[i].other, l->name) == 0) {
			snprintf(text[i], sizeof text[i], "%lld", (long long)v);
			return text[i];
		}
	return fallback;
}

const char *meta_config(const struct meta_image *m, int32_t node, const struct meta_topic *topic,
			const char *name, enum meta_config_source *source)
{
	const struct meta_config_def *d =
		meta_config_def(topic ? META_TOPIC : META_BROKER, span_of(name));
	struct meta_config_layer v[META_LAYERS];
	int n;

	if (source)
		*source = META_SOURCE_DEFAULT;
	if (!d)
		return NULL;
	n = meta_config_layers(m, node, topic, d, v);
	if (n == 0)
		return d->fallback;
	if (source)
		*source = v[0].source;
	return converted(&v[0], d->fallback);
}

int64_t meta_config_int(const struct meta_image *m, int32_t node, const struct meta_topic *topic,
			const char *name)
{
	const struct meta_config_def *d =
		meta_config_def(topic ? META_TOPIC : META_BROKER, span_of(name));
	const char *z = meta_config(m, node, topic, name, NULL);
	int64_t v = 0;

	if (z && number(z, &v))
		return v;
	return d && d->fallback && number(d->fallback, &v) ? v : 0;
}

bool meta_config_bool(const struct meta_image *m, int32_t node, const struct meta_topic *topic,
		      const char *name)
{
	const struct meta_config_def *d =
		meta_config_def(topic ? META_TOPIC : META_BROKER, span_of(name));
	const char *z = meta_config(m, node, topic, name, NULL);

	if (z && strcasecmp(z, "true") != 0 && strcasecmp(z, "false") != 0)
		z = d ? d->fallback : NULL;
	return z && strcasecmp(z, "true") == 0;
}
