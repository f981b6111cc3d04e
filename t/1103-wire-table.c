/* The API table against what a node of this kind is to serve. */
#include "tap.h"
#include "wire/type.h"
#include "wire/wire.h"

/* What ApiVersions shows, and what is answered beyond it. */
static const struct {
	int key, min, max, parsed_min, flexible;
} shown[] = {
	{0, 0, 12, 3, 9}, {1, 4, 17, 4, 12}, {2, 1, 10, 0, 6}, {3, 0, 13, 0, 9}, {8, 2, 9, 2, 8},
	{9, 1, 9, 1, 6}, {10, 0, 6, 0, 3}, {11, 0, 9, 0, 6}, {12, 0, 4, 0, 4}, {13, 0, 5, 0, 4},
	{14, 0, 5, 0, 4}, {15, 0, 6, 0, 5}, {16, 0, 5, 0, 3},
	{18, 0, 4, 0, 3}, {19, 2, 7, 2, 5}, {20, 1, 6, 1, 4}, {21, 0, 2, 0, 2}, {22, 0, 5, 0, 2},
	{23, 2, 4, 2, 4}, {32, 1, 4, 1, 4}, {33, 0, 2, 0, 2}, {35, 1, 4, 1, 2}, {37, 0, 3, 0, 2},
	{42, 0, 2, 0, 2}, {43, 0, 2, 0, 2}, {44, 0, 1, 0, 1}, {45, 0, 1, 0, 0}, {46, 0, 0, 0, 0},
	{47, 0, 0, 0, 32767},
	{55, 0, 2, 0, 0}, {57, 0, 2, 0, 0}, {60, 0, 2, 0, 0}, {61, 0, 0, 0, 0},
	{64, 0, 0, 0, 0},
	{68, 0, 1, 0, 0}, {69, 0, 1, 0, 0}, {74, 0, 1, 0, 0}, {75, 0, 0, 0, 0},
	{80, 0, 1, 0, 0}, {81, 0, 0, 0, 0},
};

/* Answered once their programs are there: nobody's on the broker listener until then. */
static const struct {
	int key, min, max;
} later[] = {
	{17, 0, 1}, {24, 0, 5}, {25, 0, 4}, {26, 0, 5}, {27, 1, 2}, {28, 0, 5}, {29, 1, 3}, {30, 1, 3},
	{31, 1, 3}, {36, 0, 2}, {48, 0, 1},
	{49, 0, 1}, {50, 0, 0}, {51, 0, 0}, {65, 0, 0}, {66, 0, 2},
};

static const char *owner(int key, enum wire_listener l)
{
	const char *o = wire_api(key) ? wire_api(key)->owner[l] : 0;
	return o ? o : "-";
}

static void versions(void)
{
	size_t n = sizeof shown / sizeof *shown, all = 0;
	for (size_t i = 0; i < n; i++) {
		const struct wire_api *a = wire_api(shown[i].key);
		ok(a && a->advertised_min == shown[i].min && a->advertised_max == shown[i].max &&
			a->min == shown[i].parsed_min && a->max == shown[i].max &&
			a->flexible == shown[i].flexible && a->owner[WIRE_BROKER],
			"%d %s", shown[i].key, a ? a->name : "is missing");
	}
	for (size_t i = 0; i < wire_apis_n; i++)
		all += wire_apis[i].advertised_max >= 0;
	is_int(all, n, "no other is advertised");
	for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
		const struct wire_api *a = wire_api(later[i].key);
		ok(a && a->min == later[i].min && a->max == later[i].max && a->advertised_max < 0 &&
			!a->owner[WIRE_BROKER], "%d %s waits", later[i].key, a ? a->name : "is missing");
	}
}

static void owners(void)
{
	static const char *broker[][2] = {
		{"0", "logappend"}, {"1", "logserve"}, {"2", "logserve"}, {"3", "metaserve"},
		{"18", "metaserve"}, {"19", "elect"}, {"21", "logappend"}, {"22", "txncoord"}, {"35", "logserve"},
		{"52", "-"}, {"62", "-"}, {"63", "-"}, {"36", "-"}, {"200", "-"},
		{"8", "groupcoord"}, {"11", "groupcoord"}, {"24", "-"},
	};
	for (size_t i = 0; i < sizeof broker / sizeof *broker; i++)
		is_str(owner(atoi(broker[i][0]), WIRE_BROKER), broker[i][1], "who answers %s", broker[i][0]);
	static const int controller[] = {1, 52, 53, 54, 55, 56, 57, 58, 59, 62, 63, 67, 70, 82};
	for (size_t i = 0; i < sizeof controller / sizeof *controller; i++)
		is_str(owner(controller[i], WIRE_CONTROLLER), "elect", "%d on CONTROLLER", controller[i]);
	is_str(owner(18, WIRE_CONTROLLER), "metaserve", "18 on CONTROLLER");
	is_str(owner(0, WIRE_CONTROLLER), "-", "no Produce on CONTROLLER");
	is_str(owner(3, WIRE_CONTROLLER), "-", "no Metadata on CONTROLLER");
	is_str(owner(1, WIRE_LOCAL), "elect", "the metadata log is fetched from elect");
	ok(!wire_api(0)->resend && wire_api(1)->resend, "a Fetch may be sent again, a Produce not");
}

static void rest(void)
{
	int sound = 0;
	for (size_t i = 0; i < wire_apis_n; i++) {
		const struct wire_api *a = &wire_apis[i];
		bool last = wire_api_serves(a, a->max) && !wire_api_serves(a, a->max + 1);
		sound += wire_api(a->key) == a && last && !wire_api_serves(a, a->min - 1) &&
			wire_message(a->request->name) == a->request && a->max <= a->request->max;
	}
	is_int(sound, wire_apis_n, "every row is found by its key and has its messages");
	ok(!wire_api(-1) && !wire_api(4) && !wire_api(77) && !wire_api(32767), "keys that are none");
	is_str(wire_type_name(wire_record(3)), "PartitionRecord", "record type 3");
	is_int(wire_record_max(3), 2, "its last version");
	ok(!wire_record(6) && !wire_record(-1) && !wire_record(30) && wire_record_max(16) == -1,
		"record types that are none");
	is_str(wire_error_name(0), "NONE", "error 0");
	is_str(wire_error_name(-1), "UNKNOWN_SERVER_ERROR", "error -1");
	is_str(wire_error_name(19), "NOT_ENOUGH_REPLICAS", "error 19");
	is_str(wire_error_name(136), "CONTROLLER_ID_NOT_REGISTERED", "the last error of Kafka 4.4");
	is_str(wire_error_name(137), "UNKNOWN_SERVER_ERROR", "an error that is none");
	ok(wire_error_retriable(6) && !wire_error_retriable(1), "which errors are retriable");
	is_str(wire_error_text(3), "This server does not host this topic-partition.", "the text of one");
}

int main(void)
{
	versions();
	owners();
	rest();
	return done_testing();
}
