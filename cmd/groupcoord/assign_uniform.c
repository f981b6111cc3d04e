/* The assignor "uniform": as many partitions for each member as can be, and of those that it has as
 * many as may stay (Kafka's UniformAssignor, UniformHomogeneousAssignmentBuilder). */
#include "assign.h"

struct place {
	int32_t topic, partition;
};
struct uniform {
	struct assign_spec *spec;
	struct place *owned;     /* every partition that somebody has, by member, topic, partition */
	int32_t *owned_from;     /* by member: its first in owned; one more for the end */
	struct place *loose;     /* partitions without owner, in the order in which they are given */
	int32_t loose_n;
	int32_t *wants;          /* by member: how many more it gets */
	int32_t share, larger;   /* each member's partitions; how many members get one more */
};

bool assign_subscribes(const struct assign_member *m, int32_t topic)
{
	int32_t from = 0, to = m->topics_n;

	while (from < to) {
		int32_t i = from + (to - from) / 2;

		if (m->topics[i] < topic)
			from = i + 1;
		else
			to = i;
	}
	return from < m->topics_n && m->topics[from] == topic;
}

static int uniform_init(struct uniform *u, struct assign_spec *spec, struct arena *arena)
{
	size_t partitions = 0, members = (size_t)spec->members_n;

	for (int32_t i = 0; i < spec->topics_n; i++)
		partitions += (size_t)spec->topics[i].partitions;
	*u = (struct uniform){
		.spec = spec,
		.owned = arena_get(arena, sizeof *u->owned * (partitions + 1)),
		.owned_from = arena_get(arena, sizeof *u->owned_from * (members + 2)),
		.loose = arena_get(arena, sizeof *u->loose * (partitions + 1)),
		.wants = arena_get(arena, sizeof *u->wants * (members + 1)),
		.share = (int32_t)(partitions / members),
		.larger = (int32_t)(partitions % members),
	};
	return u->owned && u->owned_from && u->loose && u->wants ? 0 : -1;
}

/* Sorts the partitions by owner, those without one aside. */
static void gather(struct uniform *u)
{
	struct assign_spec *spec = u->spec;
	int32_t *end = u->owned_from + 1;

	for (int32_t i = 0; i < spec->topics_n; i++)
		for (int32_t p = 0; p < spec->topics[i].partitions; p++)
			if (spec->topics[i].owner[p] >= 0)
				end[spec->topics[i].owner[p] + 1]++;
	for (int32_t i = 0; i < spec->members_n; i++)
		end[i + 1] += end[i];
	for (int32_t i = 0; i < spec->topics_n; i++)
		for (int32_t p = 0; p < spec->topics[i].partitions; p++) {
			int32_t owner = spec->topics[i].owner[p];

			if (owner >= 0)
				u->owned[end[owner]++] = (struct place){ i, p };
			else
				u->loose[u->loose_n++] = (struct place){ i, p };
		}
}

/* Takes from a member what is above its share. A share with one more is left to those who have as
 * many, unless just enough members follow to take what is left of them. */
static void trim(struct uniform *u, int32_t member)
{
	int32_t room = u->share + (u->larger > 0);
	bool larger = u->larger > 0;

	for (int32_t i = u->owned_from[member]; i < u->owned_from[member + 1]; i++) {
		struct place at = u->owned[i];

		if (room > 0) {
			room--;
			continue;
		}
		u->spec->topics[at.topic].owner[at.partition] = -1;
		u->loose[u->loose_n++] = at;
	}
	if (room > 0 && larger && u->spec->members_n - member > u->larger) {
		room--;
		larger = false;
	}
	u->wants[member] = room;
	u->larger -= larger;
}

int assign_uniform(struct assign_spec *spec, struct arena *arena)
{
	struct uniform u;
	int32_t next = 0;

	if (!spec->homogeneous)
		return assign_mixed(spec, arena);
	if (spec->members_n == 0)
		return 0;
	if (uniform_init(&u, spec, arena) < 0)
		return -1;
	gather(&u);
	for (int32_t i = 0; i < spec->members_n; i++)
		trim(&u, i);
	for (int32_t i = 0; i < spec->members_n; i++)
		for (int32_t n = 0; n < u.wants[i] && next < u.loose_n; n++, next++)
			spec->topics[u.loose[next].topic].owner[u.loose[next].partition] = i;
	return 0;
}
