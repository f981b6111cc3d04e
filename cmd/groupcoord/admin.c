/* ListGroups (16), DescribeGroups (15), ConsumerGroupDescribe (69), DeleteGroups (42)
 * (GroupMetadataManager.listGroups, describeGroups, GroupCoordinatorShard.deleteGroups). */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "consumer.h"
#include "offsets.h"

enum {
	NOT_FOUND_SINCE = 6,                /* DescribeGroups: before, such a group is Dead */
	OPERATIONS = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11,     /* AclEntry, of a group */
};

/* --- ListGroups --- */

static bool same_word(struct span a, const char *b, bool trim)
{
	while (trim && a.n > 0 && isspace((unsigned char)a.p[0]))
		a.p++, a.n--;
	while (trim && a.n > 0 && isspace((unsigned char)a.p[a.n - 1]))
		a.n--;
	return (size_t)a.n == strlen(b) && !strncasecmp(a.p, b, (size_t)a.n);
}

static bool one_of(const struct span *v, int32_t n, const char *word, bool trim)
{
	for (int32_t i = 0; i < n; i++)
		if (same_word(v[i], word, trim))
			return true;
	return n == 0;
}

void groups_list(struct groups *gs, struct step *s, const struct asker *who, const void *request)
{
	const struct list_groups_request *in = request;
	struct list_groups_response out;
	int32_t *partitions = step_take(s, gs->by_id.n, sizeof *partitions), n = 0;
	struct group *g;
	wire_init(&wire_list_groups_response, &out);
	out.groups = step_take(s, gs->by_id.n, sizeof *out.groups);
	for (size_t at = 0; (g = map_next(&gs->by_id, &at));) {
		const char *state = g->kind->state(g);
		if ((g->kind == &group_simple && !g->topics_n && !g->pending) ||
		    !one_of(in->states_filter, in->states_filter_n, state, true) ||
		    !one_of(in->types_filter, in->types_filter_n, g->kind->type, false))
			continue;
		struct list_groups_response_listed_group *a = &out.groups[out.groups_n++];
		a->group_id = g->id;
		a->protocol_type = g->kind->protocol_type(g);
		a->group_state = span_of(state);
		a->group_type = span_of(g->kind->type);
		partitions[n++] = g->partition;
	}
	step_answer_many(s, who, partitions, n, &wire_list_groups_response, &out);
}

/* --- DescribeGroups --- */

static void describe(struct groups *gs, struct step *s, const struct asker *who, struct span id,
                     struct describe_groups_response_described_group *a)
{
	int32_t partition;
	int error = step_locate(s, id, &partition);
	const struct group *g = error ? NULL : groups_find(gs, id);
	bool there = g && (g->kind != &group_simple || g->topics_n || g->pending);
	wire_init(&wire_describe_groups_response_described_group, a);
	a->group_id = id;
	if (!error)
		error = there ? g->kind->describe(s, g, a) : WIRE_GROUP_ID_NOT_FOUND;
	a->error_code = (int16_t)error;
	if (error != WIRE_GROUP_ID_NOT_FOUND)
		return;
	a->group_state = span_of("Dead");
	a->error_message = SPAN_NULL;
	if (who->version < NOT_FOUND_SINCE)
		a->error_code = WIRE_NONE;
	else if (there)
		a->error_message = step_format(s, "Group %.*s is not a classic group.", id.n, id.p);
	else
		a->error_message = step_format(s, "Group %.*s not found.", id.n, id.p);
}

void groups_describe(struct groups *gs, struct step *s, const struct asker *who,
                     const void *request)
{
	const struct describe_groups_request *in = request;
	struct describe_groups_response out;
	int32_t *partitions = step_take(s, (size_t)in->groups_n, sizeof *partitions), n = 0;
	wire_init(&wire_describe_groups_response, &out);
	out.groups_n = in->groups_n;
	out.groups = step_take(s, (size_t)in->groups_n, sizeof *out.groups);
	for (int32_t i = 0; i < in->groups_n; i++) {
		describe(gs, s, who, in->groups[i], &out.groups[i]);
		if (in->include_authorized_operations && !out.groups[i].error_code)
			out.groups[i].authorized_operations = OPERATIONS;
		if (step_locate(s, in->groups[i], &partitions[n]) == WIRE_NONE)
			n++;
	}
	step_answer_many(s, who, partitions, n, &wire_describe_groups_response, &out);
}

/* --- ConsumerGroupDescribe --- */

static void describe_consumer(struct groups *gs, struct step *s, struct span id,
                              struct consumer_group_describe_response_described_group *a)
{
	int32_t partition;
	wire_init(&wire_consumer_group_describe_response_described_group, a);
	a->group_id = id;
	a->error_code = (int16_t)(id.n > 0 ? step_locate(s, id, &partition)
	                                   : WIRE_INVALID_GROUP_ID);
	if (!a->error_code)
		consumer_describe(s, groups_find(gs, id), a);
}

void groups_describe_consumer(struct groups *gs, struct step *s, const struct asker *who,
                              const void *request)
{
	const struct consumer_group_describe_request *in = request;
	struct consumer_group_describe_response out;
	int32_t *partitions = step_take(s, (size_t)in->group_ids_n, sizeof *partitions), n = 0;
	wire_init(&wire_consumer_group_describe_response, &out);
	out.groups_n = in->group_ids_n;
	out.groups = step_take(s, (size_t)in->group_ids_n, sizeof *out.groups);
	for (int32_t i = 0; i < in->group_ids_n; i++) {
		describe_consumer(gs, s, in->group_ids[i], &out.groups[i]);
		if (in->include_authorized_operations && !out.groups[i].error_code)
			out.groups[i].authorized_operations = OPERATIONS;
		if (step_locate(s, in->group_ids[i], &partitions[n]) == WIRE_NONE)
			n++;
	}
	step_answer_many(s, who, partitions, n, &wire_consumer_group_describe_response, &out);
}

/* --- DeleteGroups --- */

/* Commits under way come first: their offsets are to be deleted too. */
static bool wait_for_commits(struct groups *gs, struct step *s, const struct asker *who,
                             const struct delete_groups_request *in)
{
	int32_t *partitions = step_take(s, (size_t)in->groups_names_n, sizeof *partitions), n = 0;
	for (int32_t i = 0; i < in->groups_names_n; i++) {
		struct group *g = groups_find(gs, in->groups_names[i]);
		if (!g)
			continue;
		g->deleting = g->unsettled > 0;
		if (g->deleting)
			partitions[n++] = g->partition;
	}
	if (n)
		step_again(s, who, partitions, n);
	return n;
}

static int delete_one(struct groups *gs, struct step *s, struct span id, int32_t *partition)
{
	int error = step_locate(s, id, partition);
	if (error)
		return error;
	struct group *g = groups_find(gs, id);
	if (!g || (g->kind == &group_simple && !g->topics_n && !g->pending))
		return WIRE_GROUP_ID_NOT_FOUND;
	error = g->kind->delete_allowed(g);
	if (error)
		return error;
	offsets_record_none(s, g);
	g->kind->tombstones(s, g);
	groups_simplify(gs, g);
	groups_tidy(gs, g);
	return WIRE_NONE;
}

/* A group that is named twice is answered once. */
static bool is_new(struct map *named, struct span id)
{
	if (map_get(named, id.p, (size_t)id.n))
		return false;
	if (map_put(named, id.p, (size_t)id.n, named))
		abort();
	return true;
}

void groups_delete(struct groups *gs, struct step *s, const struct asker *who, const void *request)
{
	const struct delete_groups_request *in = request;
	struct map named = {0};
	struct delete_groups_response out;
	int32_t *partitions = step_take(s, (size_t)in->groups_names_n, sizeof *partitions), n = 0;
	if (wait_for_commits(gs, s, who, in))
		return;
	wire_init(&wire_delete_groups_response, &out);
	out.results = step_take(s, (size_t)in->groups_names_n, sizeof *out.results);
	out.results_n = 0;
	for (int32_t i = 0; i < in->groups_names_n; i++) {
		struct delete_groups_response_deletable_group_result *r =
			&out.results[out.results_n];
		if (!is_new(&named, in->groups_names[i]))
			continue;
		wire_init(&wire_delete_groups_response_deletable_group_result, r);
		r->group_id = in->groups_names[i];
		r->error_code = (int16_t)delete_one(gs, s, r->group_id, &partitions[n]);
		n += !r->error_code;
		out.results_n++;
	}
	map_free(&named);
	step_answer_many(s, who, partitions, n, &wire_delete_groups_response, &out);
}
