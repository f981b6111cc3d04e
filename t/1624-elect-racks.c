/* Where replicas go, over racks and brokers of any number: never two on a broker; in as many racks
 * as there are; the first on a broker that is up; without racks each broker leads as much. */
#include "controller.h"

enum { BROKERS_MAX = 12, RACKS_MAX = 4, ROUNDS = 300 };

static int brokers, racks;
static bool up[BROKERS_MAX];

static int rack_of(int32_t id)
{
	return (id - 1) % racks;
}

static void settle(void)
{
	static const char *names[] = { "a", "b", "c", "d" };
	int64_t epoch;

	meta_image_free(&image);
	meta_image_init(&image);
	meta_image_feature(&image, span_of("metadata.version"), 25);
	controller_init(&controller, &image, &settings);
	controller.random = tap_random(1000000);
	offset = 0;
	brokers = 1 + (int)tap_random(BROKERS_MAX);
	racks = 1 + (int)tap_random(RACKS_MAX);
	for (int32_t id = 1; id <= brokers; id++) {
		join_rack = racks > 1 ? names[rack_of(id)] : NULL;
		join(id, (uint8_t)id, (uint8_t)id, &epoch);
		up[id - 1] = id == 1 || tap_random(5) > 0;
		if (up[id - 1])
			beat(id, epoch, false, false);
	}
}

static int least(const int *v, int n)
{
	int m = INT32_MAX;

	for (int i = 0; i < n; i++)
		m = v[i] < m ? v[i] : m;
	return m;
}

static int most(const int *v, int n)
{
	int m = 0;

	for (int i = 0; i < n; i++)
		m = v[i] > m ? v[i] : m;
	return m;
}

/* What is wrong with the placement of a topic; NULL nothing. */
static const char *wrong(int partitions, int factor)
{
	int leads[BROKERS_MAX] = { 0 };
	bool all_up = true;

	for (int32_t i = 0; i < partitions; i++) {
		const struct meta_partition *p = part("t", i);
		bool seen[BROKERS_MAX] = { 0 }, rack_seen[RACKS_MAX] = { 0 };
		int distinct = 0;

		if (p->replicas_n != factor)
			return "too few replicas";
		if (!up[p->replicas[0] - 1] || p->leader != p->replicas[0])
			return "the first is not up, or does not lead";
		for (int k = 0; k < factor; k++) {
			int32_t id = p->replicas[k];

			if (seen[id - 1])
				return "two on one broker";
			seen[id - 1] = true;
			distinct += !rack_seen[rack_of(id)];
			rack_seen[rack_of(id)] = true;
		}
		if (distinct < (factor < racks ? factor : racks) && distinct < brokers)
			return "not in as many racks as there are";
		leads[p->replicas[0] - 1]++;
	}
	for (int i = 0; i < brokers; i++)
		all_up = all_up && up[i];
	if (all_up && racks == 1 && most(leads, brokers) != least(leads, brokers))
		return "leaders are not spread";
	return NULL;
}

int main(void)
{
	const char *why = NULL;

	tap_seed();
	for (int i = 0; i < ROUNDS && !why; i++) {
		int partitions, factor;

		settle();
		partitions = brokers * (1 + (int)tap_random(3));
		factor = 1 + (int)tap_random((uint64_t)brokers);
		if (make_topic("t", partitions, (int16_t)factor) != 0)
			why = "the topic is not made";
		else
			why = wrong(partitions, factor);
		if (why)
			diag("%d brokers, %d racks, %d partitions of %d replicas", brokers, racks,
			     partitions, factor);
	}
	is_str(why ? why : "", "", "placements");
	settle();
	is_int(make_topic("u", 1, (int16_t)(brokers + 1)), WIRE_INVALID_REPLICATION_FACTOR,
	       "not more replicas than brokers");
	operation_free(&op);
	meta_image_free(&image);
	return done_testing();
}
