/* Groups without members: consumers that choose their partitions themselves and only commit, and
 * operators' tools (in Kafka: a classic group without a protocol type). */
#include "offsets.h"

static const char *state(const struct group *g)
{
	return "Empty";
}

static struct span protocol_type(const struct group *g)
{
	return span_of("");
}

static bool empty(const struct group *g)
{
	return true;
}

/* ClassicGroup.validateOffsetCommit for a group that is empty. */
static int commit_allowed(struct groups *gs, struct step *s, struct group *g,
                          const struct commit_claim *c)
{
	return c->generation < 0 ? WIRE_NONE : WIRE_UNKNOWN_MEMBER_ID;
}

static int fetch_allowed(struct step *s, const struct group *g, const struct commit_claim *c)
{
	return WIRE_NONE;
}

static int always(const struct group *g)
{
	return WIRE_NONE;
}

static bool subscribed(const struct group *g, struct span topic)
{
	return false;
}

static int64_t expires_from(const struct group *g, const struct committed *c)
{
	return c->at_ms;
}

static void tombstones(struct step *s, const struct group *g)
{
}

static int describe(struct step *s, const struct group *g,
                    struct describe_groups_response_described_group *out)
{
	out->group_state = span_of("Empty");
	out->protocol_type = out->protocol_data = span_of("");
	return WIRE_NONE;
}

const struct group_kind group_simple = {
	.type = "classic", .state = state, .protocol_type = protocol_type, .empty = empty,
	.commit_allowed = commit_allowed, .fetch_allowed = fetch_allowed,
	.offset_delete_allowed = always, .delete_allowed = always, .subscribed = subscribed,
	.expires_from = expires_from, .tombstones = tombstones, .describe = describe,
};
