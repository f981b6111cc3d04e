/* ListConfigResources (74): version 0 is the old ListClientMetricsResources (KIP-1142). */
#include "metaserve.h"

#include <stdio.h>

enum { TOPIC = 2, BROKER = 4, BROKER_LOGGER = 8, CLIENT_METRICS = 16, GROUP = 32 };

typedef struct list_config_resources_response_config_resource answer_resource;

static bool known(int type, int version)
{
	if (version == 0)
		return type == CLIENT_METRICS;
	return type == TOPIC || type == BROKER || type == BROKER_LOGGER || type == CLIENT_METRICS ||
	       type == GROUP;
}

static void add(struct list_config_resources_response *out, struct span name, int type)
{
	answer_resource *a = &out->config_resources[out->config_resources_n++];
	*a = (answer_resource){.resource_name = name, .resource_type = (int8_t)type};
}

static void add_configured(struct request *r, struct list_config_resources_response *out, int type)
{
	struct meta_configs *c;
	for (size_t at = 0; (c = map_next(&r->image->configs, &at));)
		if (c->type == type)
			add(out, span_of(c->name), type);
}

static int add_brokers(struct request *r, struct list_config_resources_response *out, int type)
{
	int n;
	struct meta_broker **v = cluster_brokers(r, &n);
	char *text = v ? request_take(r, (size_t)n, 12) : 0;
	if (!text)
		return -1;
	for (int i = 0; i < n; i++, text += 12) {
		snprintf(text, 12, "%d", v[i]->id);
		add(out, span_of(text), type);
	}
	return 0;
}

static int add_type(struct request *r, struct list_config_resources_response *out, int type)
{
	struct meta_topic *t;
	if (type == BROKER || type == BROKER_LOGGER)
		return add_brokers(r, out, type);
	if (type != TOPIC) {
		add_configured(r, out, type);
		return 0;
	}
	for (size_t at = 0; (t = map_next(&r->image->topics_by_name, &at));)
		add(out, span_of(t->name), TOPIC);
	return 0;
}

void list_config_resources(struct request *r)
{
	static const int order[] = {GROUP, CLIENT_METRICS, BROKER_LOGGER, BROKER, TOPIC};
	struct list_config_resources_request in;
	struct list_config_resources_response out;
	int asked = 0;
	if (request_body(r, &wire_list_config_resources_request, &in))
		return;
	wire_init(&wire_list_config_resources_response, &out);
	for (int i = 0; i < in.resource_types_n; i++) {
		if (!known(in.resource_types[i], r->head.version))
			out.error_code = WIRE_UNSUPPORTED_VERSION;
		else
			asked |= in.resource_types[i];
	}
	const struct meta_image *m = r->image;
	size_t most = m->topics_by_name.n + m->configs.n + 2 * m->brokers.n;
	out.config_resources = request_take(r, most, sizeof *out.config_resources);
	if (!out.config_resources)
		return;
	for (size_t i = 0; !out.error_code && i < sizeof order / sizeof *order; i++)
		if (known(order[i], r->head.version) && (in.resource_types_n <= 0 || asked & order[i]))
			if (add_type(r, &out, order[i]))
				return;
	request_answer(r, &wire_list_config_resources_response, &out);
}
