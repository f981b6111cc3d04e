/* DescribeConfigs (32): values in force, where each comes from, and what else is set under it
 * (Kafka's ConfigHelper). */
#include "metaserve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOPIC = 2, BROKER = 4, BROKER_LOGGER = 8, CLIENT_METRICS = 16 };
enum { SOURCE_CLIENT_METRICS = 7 };

typedef struct describe_configs_request_describe_configs_resource asked_resource;
typedef struct describe_configs_response_describe_configs_result answer_resource;
typedef struct describe_configs_response_describe_configs_resource_result answer_config;
typedef struct describe_configs_response_describe_configs_synonym answer_synonym;

static bool wanted(const asked_resource *in, const char *name)
{
	for (int i = 0; i < in->configuration_keys_n; i++)
		if (span_is(in->configuration_keys[i], name))
			return true;
	return in->configuration_keys_n <= 0;
}

static void synonym(answer_config *a, const char *name, const char *value, int source)
{
	if (value)
		a->synonyms[a->synonyms_n++] = (answer_synonym){
			.name = span_of(name), .value = span_of(value), .source = (int8_t)source,
		};
}

/* What is set under a config, strongest first. Names of broker configs that merely stand for the
 * asked one (log.retention.hours) are left out before it is met itself, as Kafka does.
 * cluster: only what is set for all brokers. */
static void list_synonyms(const struct request *r, const struct meta_topic *t,
                          const struct meta_config_def *d, bool cluster, answer_config *a)
{
	struct meta_config_layer v[META_LAYERS];
	int n = meta_config_layers(r->image, cluster ? -1 : r->server->node.id, t, d, v);
	const char *base = t || d->broker_name ? d->broker_name : d->name;
	bool met = false;
	for (int i = 0; i < n; i++) {
		met = met || (base && !strcmp(v[i].name, base));
		if (cluster ? v[i].source == META_SOURCE_DYNAMIC_DEFAULT_BROKER
		            : met || v[i].source == META_SOURCE_TOPIC)
			synonym(a, v[i].name, v[i].value, (int)v[i].source);
	}
}

/* The config's type, words and value; its synonyms are there already, but kept only when asked for.
 */
static void finish(const struct describe_configs_request *in, answer_config *a,
                   const struct meta_config_def *d, const char *value)
{
	a->name = span_of(d->name);
	a->config_type = (int8_t)d->type;
	a->config_source = (int8_t)(a->synonyms_n ? a->synonyms[0].source : META_SOURCE_DEFAULT);
	a->is_sensitive = d->type == META_PASSWORD;
	a->value = a->is_sensitive ? SPAN_NULL : span_of(value);
	a->documentation = in->include_documentation ? span_of(d->words) : SPAN_NULL;
	for (int i = 0; a->is_sensitive && i < a->synonyms_n; i++)
		a->synonyms[i].value = SPAN_NULL;
	if (!in->include_synonyms)
		a->synonyms_n = 0;
}

/* Room for a config and its synonyms at the end of the result. */
static answer_config *add(struct request *r, answer_resource *out)
{
	answer_config *a = &out->configs[out->configs_n];
	wire_init(&wire_describe_configs_response_describe_configs_resource_result, a);
	a->synonyms = request_take(r, META_LAYERS, sizeof *a->synonyms);
	a->synonyms_n = 0;
	if (!a->synonyms)
		return 0;
	out->configs_n++;
	return a;
}

static int describe_topic(struct request *r, const struct describe_configs_request *in,
                          const asked_resource *what, answer_resource *out)
{
	int n;
	const struct meta_config_def *defs = meta_config_defs(META_TOPIC, &n);
	const struct meta_topic *t = meta_topic_named(r->image, what->resource_name);
	const char *why;
	if (!topic_name_ok(what->resource_name, &why)) {
		out->error_code = WIRE_INVALID_TOPIC_EXCEPTION;
		out->error_message = span_of(why);
		return 0;
	}
	if (!t) {
		out->error_code = WIRE_UNKNOWN_TOPIC_OR_PARTITION;
		return 0;
	}
	out->configs = request_take(r, (size_t)n, sizeof *out->configs);
	for (int i = 0; out->configs && i < n; i++) {
		const struct meta_config_def *d = &defs[i];
		if (!wanted(what, d->name))
			continue;
		answer_config *a = add(r, out);
		if (!a)
			return -1;
		list_synonyms(r, t, d, false, a);
		finish(in, a, d, meta_config(r->image, r->server->node.id, t, d->name, 0));
	}
	return out->configs ? 0 : -1;
}

/* "" are the cluster-wide dynamic configs that are set; a node's id is everything that node has. */
static int describe_broker(struct request *r, const struct describe_configs_request *in,
                           const asked_resource *what, answer_resource *out)
{
	int n;
	const struct meta_config_def *defs = meta_config_defs(META_BROKER, &n);
	bool cluster = what->resource_name.n == 0;
	out->configs = request_take(r, (size_t)n, sizeof *out->configs);
	for (int i = 0; out->configs && i < n; i++) {
		const struct meta_config_def *d = &defs[i];
		if (!wanted(what, d->name))
			continue;
		answer_config *a = add(r, out);
		if (!a)
			return -1;
		list_synonyms(r, 0, d, cluster, a);
		if (cluster && !a->synonyms_n) {
			out->configs_n--;
			continue;
		}
		a->read_only = !d->dynamic;
		finish(in, a, d, a->synonyms_n ? a->synonyms[0].value.p : 0);
	}
	return out->configs ? 0 : -1;
}

static int describe_client_metrics(struct request *r, const struct describe_configs_request *in,
                                   const asked_resource *what, answer_resource *out)
{
	static const struct meta_config_def defs[] = {
		{.name = "interval.ms", .type = META_INT, .fallback = "300000",
		 .words = "How often a client pushes these metrics."},
		{.name = "match", .type = META_LIST, .fallback = "",
		 .words = "Which clients these metrics are asked of."},
		{.name = "metrics", .type = META_LIST, .fallback = "",
		 .words = "Prefixes of the names of the metrics to push."},
	};
	const int n = sizeof defs / sizeof *defs;
	const struct meta_configs *own = meta_configs_of(r->image, CLIENT_METRICS, what->resource_name);
	out->configs = request_take(r, (size_t)n, sizeof *out->configs);
	for (int i = 0; out->configs && i < n; i++) {
		answer_config *a = wanted(what, defs[i].name) ? add(r, out) : 0;
		if (!a)
			continue;
		const char *value = own ? meta_config_value(own, defs[i].name) : 0;
		synonym(a, defs[i].name, value, SOURCE_CLIENT_METRICS);
		finish(in, a, &defs[i], value ? value : defs[i].fallback);
	}
	return out->configs ? 0 : -1;
}

static int describe_group(struct request *r, const struct describe_configs_request *in,
                          const asked_resource *what, answer_resource *out)
{
	int n;
	const struct meta_config_def *defs = meta_config_defs(META_GROUP, &n);
	const struct meta_configs *own = meta_configs_of(r->image, META_GROUP, what->resource_name);
	out->configs = request_take(r, (size_t)n, sizeof *out->configs);
	for (int i = 0; out->configs && i < n; i++) {
		answer_config *a = wanted(what, defs[i].name) ? add(r, out) : 0;
		if (!a)
			continue;
		synonym(a, defs[i].name, own ? meta_config_value(own, defs[i].name) : 0,
		        META_SOURCE_GROUP);
		list_synonyms(r, 0, &defs[i], false, a);
		finish(in, a, &defs[i],
		       a->synonyms_n ? a->synonyms[0].value.p : defs[i].fallback);
	}
	return out->configs ? 0 : -1;
}

/* Whether the name of a broker resource is this node. */
static bool is_self(const struct request *r, struct span name, answer_resource *out)
{
	char text[16], *end;
	span_z(name, text, sizeof text);
	long id = strtol(text, &end, 10);
	out->error_code = WIRE_INVALID_REQUEST;
	if (name.n <= 0)
		out->error_message = span_of("Broker id must not be empty");
	else if (*end || name.n >= (int32_t)sizeof text || name.p[0] == ' ')
		out->error_message = span_of("Broker id must be an integer");
	else if (id != r->server->node.id)
		out->error_message = span_of("Unexpected broker id: a broker describes only itself");
	else
		out->error_code = WIRE_NONE;
	return !out->error_code;
}

static int refuse(answer_resource *out, const char *why)
{
	out->error_code = WIRE_INVALID_REQUEST;
	out->error_message = span_of(why);
	return 0;
}

static int describe(struct request *r, const struct describe_configs_request *in,
                    const asked_resource *what, answer_resource *out)
{
	wire_init(&wire_describe_configs_response_describe_configs_result, out);
	out->resource_type = what->resource_type;
	out->resource_name = what->resource_name;
	out->error_message = span_of("");   /* Kafka's has words of no error, too */
	switch (what->resource_type) {
	case TOPIC:
		return describe_topic(r, in, what, out);
	case BROKER:
		return what->resource_name.n == 0 || is_self(r, what->resource_name, out)
		               ? describe_broker(r, in, what, out)
		               : 0;
	case BROKER_LOGGER:
		is_self(r, what->resource_name, out);   /* and it has no loggers */
		return 0;
	case CLIENT_METRICS:
		if (what->resource_name.n == 0)
			return refuse(out, "Client metrics subscription name must not be empty");
		return describe_client_metrics(r, in, what, out);
	case META_GROUP:
		if (what->resource_name.n == 0)
			return refuse(out, "Group name must not be empty");
		return describe_group(r, in, what, out);
	}
	return refuse(out, "Unexpected resource type");
}

void describe_configs(struct request *r)
{
	struct describe_configs_request in;
	struct describe_configs_response out;
	if (request_body(r, &wire_describe_configs_request, &in))
		return;
	wire_init(&wire_describe_configs_response, &out);
	out.results_n = in.resources_n;
	out.results = request_take(r, (size_t)in.resources_n, sizeof *out.results);
	if (!out.results)
		return;
	for (int i = 0; i < in.resources_n; i++)
		if (describe(r, &in, &in.resources[i], &out.results[i]))
			return;
	request_answer(r, &wire_describe_configs_response, &out);
}
