/* DescribeCluster (60): brokers on the broker listener, controllers on the controller listener
 * (KIP-700, KIP-919). */
#include "metaserve.h"

enum { ENDPOINT_BROKER = 1, ENDPOINT_CONTROLLER = 2 };

static int check_endpoint(struct request *r, int asked, struct span *why)
{
	int here = r->listener == WIRE_CONTROLLER ? ENDPOINT_CONTROLLER : ENDPOINT_BROKER;
	if (asked == here)
		return 0;
	if (asked != ENDPOINT_BROKER && asked != ENDPOINT_CONTROLLER) {
		*why = span_of("Unsupported endpoint type.");
		return r->head.version ? WIRE_UNSUPPORTED_ENDPOINT_TYPE : WIRE_INVALID_REQUEST;
	}
	*why = span_of(here == ENDPOINT_BROKER
	                       ? "This endpoint is a broker's, but a controller's was asked for."
	                       : "This endpoint is a controller's, but a broker's was asked for.");
	return r->head.version ? WIRE_MISMATCHED_ENDPOINT_TYPE : WIRE_INVALID_REQUEST;
}

static int list_nodes(struct request *r, bool fenced_too, struct describe_cluster_response *out)
{
	int n;
	struct meta_broker **v = cluster_brokers(r, &n);
	out->brokers = v ? request_take(r, (size_t)n, sizeof *out->brokers) : 0;
	if (!out->brokers)
		return -1;
	for (int i = 0; i < n; i++) {
		const struct meta_endpoint *e = meta_broker_endpoint(v[i], request_listener(r));
		bool fenced = v[i]->fenced && r->listener != WIRE_CONTROLLER;
		if (fenced && !fenced_too)
			continue;
		out->brokers[out->brokers_n++] =
			(struct describe_cluster_response_describe_cluster_broker){
				.broker_id = v[i]->id,
				.host = span_of(e->host),
				.port = e->port,
				.rack = span_of(v[i]->rack),
				.is_fenced = fenced,
			};
	}
	return 0;
}

void describe_cluster(struct request *r)
{
	struct describe_cluster_request in;
	struct describe_cluster_response out;
	if (request_body(r, &wire_describe_cluster_request, &in))
		return;
	wire_init(&wire_describe_cluster_response, &out);
	out.error_code = (int16_t)check_endpoint(r, in.endpoint_type, &out.error_message);
	if (!out.error_code) {
		if (list_nodes(r, in.include_fenced_brokers, &out))
			return;
		out.endpoint_type = in.endpoint_type;
		out.cluster_id = span_of(r->server->node.cluster_id);
		out.controller_id =
			r->listener == WIRE_CONTROLLER ? r->server->node.id : cluster_controller(r);
		if (in.include_cluster_authorized_operations)
			out.cluster_authorized_operations = cluster_operations();
	}
	request_answer(r, &wire_describe_cluster_response, &out);
}
