/* UpdateFeatures, AllocateProducerIds (FeatureControlManager, ProducerIdControlManager). */
#include <stdio.h>
#include <string.h>

#include "controller.h"
#include "meta/config.h"
#include "meta/record.h"
#include "wire/codes.h"

#define ELR "eligible.leader.replicas.version"
enum { UPGRADE = 1, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE, BLOCK = 1000 };

/* Levels of metadata.version at which a record changed: going back over one would lose data
 * (MetadataVersion). */
static bool level_changed_records(int level)
{
	static const int levels[] = { 8, 11, 13, 14, 15, 17, 23, 30, 32, 33 };

	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
		if (levels[i] == level)
			return true;
	return false;
}

static struct fault invalid(struct operation *op, struct span name, int level, const char *why)
{
	return fault(op, WIRE_INVALID_UPDATE_VERSION,
		     "Invalid update version %d for feature %.*s. %s", level, name.n, name.p, why);
}

/* What this node supports. */
static bool supported(struct span name, int *min, int *max)
{
	*min = *max = 0;
	if (span_is(name, "metadata.version")) {
		*min = META_LEVEL_MIN;
		*max = META_LEVEL_MAX;
	} else if (span_is(name, "kraft.version")) {
		*max = 1;
	} else if (span_is(name, "group.version")) {
		*max = META_GROUP_LEVEL_MAX;
	} else if (span_is(name, ELR)) {
		*max = META_ELR_LEVEL_MAX;
	}
	return *max > 0;
}

static struct fault check_support(struct operation *op, struct span name, int level)
{
	const struct meta_broker *b;
	size_t at = 0;
	int min, max;
	char why[128];

	if (level == 0 && !span_is(name, "metadata.version"))
		return GOOD;
	snprintf(why, sizeof why, "Local controller %d does not support this feature.",
		 op->c->settings->node.id);
	if (!supported(name, &min, &max))
		return invalid(op, name, level, why);
	snprintf(why, sizeof why, "Local controller %d only supports versions %d-%d",
		 op->c->settings->node.id, min, max);
	if (level < min || level > max)
		return invalid(op, name, level, why);
	while ((b = map_next(&op->c->image->brokers, &at))) {
		min = max = 0;
		for (int32_t i = 0; i < b->features_n; i++)
			if (span_is(name, b->features[i].name)) {
				min = b->features[i].min;
				max = b->features[i].max;
			}
		snprintf(why, sizeof why,
			 max ? "Broker %d only supports versions %d-%d"
			     : "Broker %d does not support this feature.",
			 b->id, min, max);
		if (level < min || level > max)
			return invalid(op, name, level, why);
	}
	return GOOD;
}

static struct fault check_level(struct operation *op, struct span name, int level, int now, int how)
{
	if (how < UPGRADE || how > UNSAFE_DOWNGRADE)
		return invalid(op, name, level,
			       "The controller does not support the given upgrade type.");
	if (level < 0)
		return invalid(op, name, level, "A feature version cannot be less than 0.");
	if (level < now && how == UPGRADE)
		return invalid(
			op, name, level,
			"Can't downgrade the version of this feature without setting the upgrade "
			"type to either safe or unsafe downgrade.");
	if (level > now && how != UPGRADE)
		return invalid(op, name, level, "Can't downgrade to a newer version.");
	return GOOD;
}

/* What metadata.version will be when all of the request is done. */
static int level_becoming(const struct operation *op, const struct update_features_request *in)
{
	for (int32_t i = 0; i < in->feature_updates_n; i++)
		if (span_is(in->feature_updates[i].feature, "metadata.version"))
			return in->feature_updates[i].max_version_level;
	return operation_level(op);
}

/* With eligible leader replicas all brokers must mean the same by "in sync enough":
 * min.insync.replicas is set for the cluster and for no single broker
 * (ConfigurationControlManager.maybeGenerateElrSafetyRecords). */
static void settle_min_isr(struct operation *op)
{
	static const char key[] = "min.insync.replicas";
	struct meta_image *m = op->c->image;
	struct meta_configs *c = meta_configs_of(m, META_BROKER, span_of(""));
	struct config_record r;
	char text[24];
	size_t at = 0;

	if (!c || !meta_config_value(c, key)) {
		snprintf(text, sizeof text, "%lld",
			 (long long)meta_config_int(m, -1, NULL, key));
		wire_init(&wire_config_record, &r);
		r.resource_type = META_BROKER;
		r.name = span_of(key);
		r.value = span_of(text);
		operation_record(op, META_CONFIG, &r);
	}
	while ((c = map_next(&m->configs, &at))) {
		if (c->type != META_BROKER || !*c->name || !meta_config_value(c, key))
			continue;
		wire_init(&wire_config_record, &r);
		r.resource_type = META_BROKER;
		r.resource_name = span_of(c->name);
		r.name = span_of(key);
		r.value = SPAN_NULL;
		operation_record(op, META_CONFIG, &r);
	}
}

static struct fault update_one(struct operation *op, const struct update_features_request *in,
			       struct span name, int level, int how)
{
	struct feature_level_record r;
	int now = meta_feature_level(op->c->image, operation_z(op, name));
	struct fault f = check_level(op, name, level, now, how);

	if (!f.code)
		f = check_support(op, name, level);
	if (f.code)
		return f;
	if (span_is(name, ELR) && level > 0) {
		if (level_becoming(op, in) < META_ELR_NEEDS)
			return invalid(op, name, level,
				       ELR " could not be set to 1 because it depends on "
					   "metadata.version level 23");
		settle_min_isr(op);
	}
	if (span_is(name, "kraft.version")) {
		if (level != now)
			return invalid(op, name, level,
				       "The quorum of this node was made with another version.");
		return GOOD;
	}
	for (int i = now; span_is(name, "metadata.version") && i > level; i--)
		if (level_changed_records(i))
			return fault(op, WIRE_INVALID_UPDATE_VERSION,
				     "Unsupported metadata.version downgrade from %d to %d. "
				     "%s",
				     now, level,
				     how == UNSAFE_DOWNGRADE
					     ? "Unsafe metadata downgrade is not supported in this "
					       "version."
					     : "Refusing to perform the requested downgrade "
					       "because it might delete metadata "
					       "information.");
	wire_init(&wire_feature_level_record, &r);
	r.name = name;
	r.feature_level = (int16_t)level;
	operation_record(op, META_FEATURE_LEVEL, &r);
	return GOOD;
}

void update_features(struct operation *op, const struct wire_request *q, const void *request,
		     void *response)
{
	const struct update_features_request *in = request;
	struct update_features_response *out = response;
	struct fault f = GOOD;

	op->timeout_ms = in->timeout_ms;
	for (int32_t i = 0; i < in->feature_updates_n && !f.code; i++) {
		int how = q->version > 0 ? in->feature_updates[i].upgrade_type
			  : in->feature_updates[i].allow_downgrade ? SAFE_DOWNGRADE
								   : UPGRADE;

		f = update_one(op, in, in->feature_updates[i].feature,
			       in->feature_updates[i].max_version_level, how);
	}
	if (f.code) {
		operation_undo(op, (struct mark){ 0, 0 });
		out->error_code = f.code;
		f = fault(op, f.code,
			  "The update failed for all features since the following feature had an "
			  "error: %.*s",
			  f.message.n < 0 ? 0 : f.message.n, f.message.n < 0 ? "" : f.message.p);
		out->error_message = f.message;
		return;
	}
	if (in->validate_only)
		operation_undo(op, (struct mark){ 0, 0 });
	out->error_message = SPAN_NULL;
	if (q->version > 1)
		return;
	out->results =
		arena_get(&op->arena, (size_t)in->feature_updates_n * sizeof *out->results + 1);
	if (!out->results) {
		op->failed = true;
		return;
	}
	out->results_n = in->feature_updates_n;
	for (int32_t i = 0; i < in->feature_updates_n; i++) {
		wire_init(&wire_update_features_response_updatable_feature_result,
			  &out->results[i]);
		out->results[i].feature = in->feature_updates[i].feature;
		out->results[i].error_message = span_of("");
	}
}

void allocate_producer_ids(struct operation *op, const struct wire_request *q, const void *request,
			   void *response)
{
	const struct allocate_producer_ids_request *in = request;
	struct allocate_producer_ids_response *out = response;
	struct fault f = broker_epoch_fault(op, in->broker_id, in->broker_epoch);
	int64_t first = op->c->image->next_producer_id < 0 ? 0 : op->c->image->next_producer_id;
	struct producer_ids_record r;

	op->timeout_ms = 0;
	out->error_code = f.code;
	if (!f.code && first > INT64_MAX - BLOCK)
		out->error_code = WIRE_UNKNOWN_SERVER_ERROR;
	if (out->error_code)
		return;
	wire_init(&wire_producer_ids_record, &r);
	r.broker_id = in->broker_id;
	r.broker_epoch = in->broker_epoch;
	r.next_producer_id = first + BLOCK;
	operation_record(op, META_PRODUCER_IDS, &r);
	out->producer_id_start = first;
	out->producer_id_len = BLOCK;
}
