/* ApiVersions (18): what is served where, and the feature levels (KIP-35, KIP-511, KIP-584). */
#include "metaserve.h"

#include <stdlib.h>
#include <string.h>

enum { KRAFT_VERSION_MAX = 1 };

static bool letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?  (ApiVersionsRequest.isValid) */
static bool software_ok(struct span s)
{
	if (s.n < 1 || !letter_or_digit(s.p[0]) || !letter_or_digit(s.p[s.n - 1]))
		return false;
	for (int i = 0; i < s.n; i++)
		if (!letter_or_digit(s.p[i]) && s.p[i] != '-' && s.p[i] != '.')
			return false;
	return true;
}

/* On the broker listener what is advertised, elsewhere what is answered. */
static int list_apis(struct request *r, struct api_versions_response *out)
{
	out->api_keys = request_take(r, wire_apis_n, sizeof *out->api_keys);
	if (!out->api_keys)
		return -1;
	out->api_keys_n = 0;
	for (size_t i = 0; i < wire_apis_n; i++) {
		const struct wire_api *a = &wire_apis[i];
		bool broker = r->listener == WIRE_BROKER;
		if (!a->owner[r->listener] || (broker && a->advertised_max < 0))
			continue;
		out->api_keys[out->api_keys_n++] = (struct api_versions_response_api_version){
			.api_key = a->key,
			.min_version = broker ? a->advertised_min : a->min,
			.max_version = broker ? a->advertised_max : a->max,
		};
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct api_versions_response_finalized_feature_key *x = a, *y = b;
	int n = x->name.n < y->name.n ? x->name.n : y->name.n;
	int c = memcmp(x->name.p, y->name.p, (size_t)n);
	return c ? c : x->name.n - y->name.n;
}

static int list_features(struct request *r, struct api_versions_response *out)
{
	static struct api_versions_response_supported_feature_key supported[] = {
		{.name = {"metadata.version", 16},
	         .min_version = META_LEVEL_MIN,
	         .max_version = META_LEVEL_MAX},
		{.name = {"kraft.version", 13}, .min_version = 0, .max_version = KRAFT_VERSION_MAX},
		{.name = {"group.version", 13},
	         .min_version = 0,
	         .max_version = META_GROUP_LEVEL_MAX},
		{.name = {"eligible.leader.replicas.version", 32},
	         .min_version = 0,
	         .max_version = META_ELR_LEVEL_MAX},
	};
	const struct map *m = &r->image->features;
	struct meta_feature *f;
	out->supported_features = supported;
	out->supported_features_n =
		r->head.version < 4 ? 1
				    : 4; /* KAFKA-17492: older clients cannot read a minimum of 0 */
	out->finalized_features_epoch = r->image->offset;
	out->finalized_features = request_take(r, m->n, sizeof *out->finalized_features);
	if (!out->finalized_features)
		return -1;
	for (size_t at = 0; (f = map_next(m, &at));)
		if (f->level)
			out->finalized_features[out->finalized_features_n++] =
				(struct api_versions_response_finalized_feature_key){
					.name = span_of(f->name), .min_version_level = f->level, .max_version_level = f->level,
				};
	qsort(out->finalized_features, (size_t)out->finalized_features_n,
	      sizeof *out->finalized_features, by_name);
	return 0;
}

void api_versions_unsupported(struct request *r)
{
	const struct wire_api *a = wire_api(18);
	struct api_versions_response_api_version self = {18, a->advertised_min, a->advertised_max, {0}};
	struct api_versions_response out;
	wire_init(&wire_api_versions_response, &out);
	out.error_code = WIRE_UNSUPPORTED_VERSION;
	out.api_keys = &self;
	out.api_keys_n = 1;
	request_answer_as(r, 0, &wire_api_versions_response, &out);
}

void api_versions(struct request *r)
{
	struct api_versions_request in;
	struct api_versions_response out;
	if (request_body(r, &wire_api_versions_request, &in))
		return;
	wire_init(&wire_api_versions_response, &out);
	if (r->head.version >= 3 &&
	    !(software_ok(in.client_software_name) && software_ok(in.client_software_version)))
		out.error_code = WIRE_INVALID_REQUEST;
	else if (list_apis(r, &out) || list_features(r, &out))
		return;
	request_answer(r, &wire_api_versions_response, &out);
}
