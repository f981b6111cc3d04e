/* The agent and controller steps of elect without sockets, clocks or disks. */
#include "../cmd/elect/agent.h"
#include "controller.h"
#include "tap.h"

/* --- agent --- */

static void test_agent(void)
{
	struct agent a;
	struct agent_heartbeat h;
	int64_t wake;
	struct lease *append, *serve, *read;

	agent_init(&a, 9000, 2000, 1000);
	append = agent_lease(&a, span_of("logappend"));
	serve = agent_lease(&a, span_of("metaserve"));
	read = agent_lease(&a, span_of("logserve"));
	ok(!agent_lease(&a, span_of("gate")) && append && serve && read, "who holds a lease");
	is_int(agent_next(&a, 1000, &h, &wake), AGENT_REGISTER, "first it registers");
	agent_refused(&a, 1000);
	is_int(agent_next(&a, 1000, &h, &wake), AGENT_NOTHING,
	       "not again at once when it was refused");
	is_int(agent_next(&a, wake, &h, &wake), AGENT_REGISTER, "but soon");
	agent_registered(&a, 50, true, 2000);
	is_int(agent_next(&a, 2000, &h, &wake), AGENT_NOTHING, "fenced, and nobody there");
	agent_polled(append, 51, 2100);
	is_int(agent_next(&a, 2100, &h, &wake), AGENT_NOTHING, "one of two is there");
	agent_polled(serve, 50, 2100);
	is_int(agent_next(&a, 2100, &h, &wake), AGENT_NOTHING,
	       "the other has not applied the registration");
	agent_answered(serve, 2200);
	agent_polled(serve, 51, 2200);
	is_int(agent_next(&a, 2200, &h, &wake), AGENT_HEARTBEAT, "both have");
	ok(!h.want_fence && h.offset == 50, "it wants to be unfenced");
	agent_beaten(&a, false, 2200);
	is_int(agent_next(&a, 2200, &h, &wake), AGENT_NOTHING, "unfenced");
	is_int(wake, 4200, "until the next heartbeat");
	is_int(agent_next(&a, 4200, &h, &wake), AGENT_HEARTBEAT, "which comes");
	ok(!h.want_fence, "and wants nothing");
	agent_beaten(&a, false, 4200);
	agent_answered(append, 4300);
	ok(agent_applied(&a, 51, 4300) && !agent_applied(&a, 52, 4300), "applied");
	is_int(agent_next(&a, 6000, &h, &wake), AGENT_NOTHING, "a poll is awaited");
	agent_beaten(&a, false, 7000);
	is_int(agent_next(&a, 7299, &h, &wake), AGENT_NOTHING, "for a third of a session");
	is_int(wake, 7300, "exactly");
	is_int(agent_next(&a, 7300, &h, &wake), AGENT_HEARTBEAT, "then it is lost");
	ok(h.want_fence, "and the broker wants to be fenced");
	ok(agent_applied(&a, 52, 7300) == false, "metaserve, which lives, is waited for");
	agent_beaten(&a, true, 7300);
	is_int(agent_next(&a, 7400, &h, &wake), AGENT_NOTHING, "fenced");
	agent_polled(append, 51, 7500);
	is_int(agent_next(&a, 7500, &h, &wake), AGENT_HEARTBEAT, "it is back");
	ok(!h.want_fence, "and so is the broker");
	agent_beaten(&a, false, 7500);
	agent_answered(append, 7500);
	agent_late(&a, 9500, 13500);
	is_int(agent_next(&a, 13500, &h, &wake), AGENT_HEARTBEAT, "elect itself was away");
	ok(!h.want_fence, "so nobody was silent");
	agent_beaten(&a, false, 13500);
	is_int(agent_next(&a, 14499, &h, &wake), AGENT_NOTHING, "until he is");
	is_int(agent_next(&a, 14500, &h, &wake), AGENT_HEARTBEAT, "for as long as ever");
	agent_polled(append, 51, 14500);
	agent_beaten(&a, false, 7500);
	agent_polled(read, 51, 7600);
	agent_answered(read, 7600);
	is_int(agent_next(&a, 10600, &h, &wake), AGENT_HEARTBEAT,
	       "logserve counts once it was there");
	ok(h.want_fence, "it is lost");
}

/* --- controller, with three brokers --- */

static void test_brokers(void)
{
	int64_t e[4], other;
	int leads[4] = { 0 };

	meta_image_init(&image);
	meta_image_feature(&image, span_of("metadata.version"), 25);
	controller_init(&controller, &image, &settings);
	is_int(make_topic("early", 1, 1), WIRE_INVALID_REPLICATION_FACTOR, "no broker, no topic");
	is_int(join(1, 1, 0, &other), WIRE_INVALID_REGISTRATION, "no directory");
	for (int32_t i = 1; i <= 3; i++)
		is_int(join(i, (uint8_t)i, (uint8_t)i, &e[i]), 0, "broker %d registers", i);
	is_int(join(4, 9, 1, &other), WIRE_INVALID_REGISTRATION, "not with another's directory");
	is_int(make_topic("early", 1, 1), WIRE_INVALID_REPLICATION_FACTOR, "all are fenced");
	is_int(beat(2, e[2] - 1, false, false).error_code, WIRE_STALE_BROKER_EPOCH, "an old epoch");
	is_int(beat(8, 1, false, false).error_code, WIRE_STALE_BROKER_EPOCH, "an unknown broker");
	for (int32_t i = 1; i <= 3; i++)
		ok(!beat(i, e[i], false, false).is_fenced, "broker %d is unfenced", i);
	is_int(join(3, 9, 9, &other), WIRE_DUPLICATE_BROKER_REGISTRATION,
	       "not as another while its session lasts");
	is_int(make_topic("t", 6, 3), 0, "a topic of three replicas");
	is_int(make_topic("u", 1, 4), WIRE_INVALID_REPLICATION_FACTOR, "not of four");
	for (int32_t p = 0; p < 6; p++)
		leads[part("t", p)->leader]++;
	ok(leads[1] == 2 && leads[2] == 2 && leads[3] == 2, "leaders are spread");
	ok(part("t", 0)->isr_n == 3 && part("t", 0)->directories_n == 3,
	   "all in sync, each with a directory");
}

static bool nobody_leads(int32_t id)
{
	for (int32_t p = 0; p < 6; p++)
		if (part("t", p)->leader == id)
			return false;
	return true;
}

static void test_fencing(void)
{
	int64_t e2 = meta_broker(&image, 2)->epoch, e3 = meta_broker(&image, 3)->epoch, e;
	struct broker_heartbeat_response r;
	int32_t led = 0, next;

	while (part("t", led)->leader != 2)
		led++;
	next = part("t", led)->replicas[1];
	ok(beat(2, e2, true, false).is_fenced, "broker 2 wants to be fenced");
	ok(nobody_leads(2) && part("t", 0)->isr_n == 2, "it leads nothing and is in no ISR");
	ok(part("t", led)->leader == next && part("t", led)->leader_epoch == 1,
	   "the next replica leads, in a new epoch");
	now += 8000;
	beat(3, e3, false, false);
	now += 1500;
	begin();
	brokers_expire(&op, 9000);
	is_int(finish(), 0, "nobody's session is over: ours never, 3 was heard");
	now += 8000;
	begin();
	brokers_expire(&op, 9000);
	ok(finish() > 0 && meta_broker(&image, 3)->fenced, "broker 3 was silent too long");
	ok(nobody_leads(3) && part("t", 0)->isr_n == 1 && part("t", 0)->isr[0] == 1, "one is left");
	ok(!beat(3, e3, false, false).is_fenced, "3 is back");
	ok(part("t", 0)->isr_n == 1, "but must catch up before it is in sync");
	r = beat(3, e3, false, true);
	ok(r.should_shut_down && r.is_fenced, "it leads nothing: it may stop at once");
	is_int(join(1, 100, 1, &e), 0,
	       "broker 1 comes back at once, its directory shows that it died");
	ok(part("t", 0)->leader == -1 && part("t", 0)->isr_n == 1,
	   "no leader; the last in sync stays so");
	beat(1, e, false, false);
	ok(part("t", 0)->leader == 1, "and leads again when it is unfenced");
	r = beat(1, e, false, true);
	ok(!r.should_shut_down && meta_broker(&image, 1)->in_controlled_shutdown,
	   "it leads: first it must not any more");
	ok(nobody_leads(1), "it leads nothing");
	ok(beat(1, e, false, true).should_shut_down, "now it may stop");
}

static void test_producer_ids(void)
{
	struct allocate_producer_ids_request in;
	struct allocate_producer_ids_response out;

	for (int i = 0; i < 2; i++) {
		begin();
		wire_init(&wire_allocate_producer_ids_request, &in);
		wire_init(&wire_allocate_producer_ids_response, &out);
		in.broker_id = 1;
		in.broker_epoch = meta_broker(&image, 1)->epoch;
		allocate_producer_ids(&op, NULL, &in, &out);
		finish();
		ok(out.error_code == 0 && out.producer_id_start == 1000 * i
			   && out.producer_id_len == 1000,
		   "block %d", i);
	}
	in.broker_epoch--;
	begin();
	allocate_producer_ids(&op, NULL, &in, &out);
	ok(finish() == 0 && out.error_code == WIRE_STALE_BROKER_EPOCH, "not for an old epoch");
}

static void test_features(void)
{
	struct update_features_request in;
	struct update_features_response out;
	struct update_features_request_feature_update_key f;
	struct wire_request q = { .version = 2 };
	static const struct {
		int level, how, code, records;
	} cases[] = {
		{ 25, 1, 0, 1 },
		{ 29, 1, 0, 1 },
		{ 27, 1, WIRE_INVALID_UPDATE_VERSION, 0 },
		{ 27, 2, 0, 1 },
		{ 22, 2, WIRE_INVALID_UPDATE_VERSION, 0 },
		{ 22, 3, WIRE_INVALID_UPDATE_VERSION, 0 },
		{ 33, 1, 0, 1 },
		{ 34, 1, WIRE_INVALID_UPDATE_VERSION, 0 },
		{ 32, 2, WIRE_INVALID_UPDATE_VERSION, 0 },
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		begin();
		wire_init(&wire_update_features_request, &in);
		wire_init(&wire_update_features_response, &out);
		wire_init(&wire_update_features_request_feature_update_key, &f);
		in.feature_updates = &f;
		in.feature_updates_n = 1;
		f.feature = span_of("metadata.version");
		f.max_version_level = (int16_t)cases[i].level;
		f.upgrade_type = (int8_t)cases[i].how;
		update_features(&op, &q, &in, &out);
		is_int(out.error_code, cases[i].code, "to %d by %d", cases[i].level, cases[i].how);
		is_int(finish(), cases[i].records, "records");
	}
	is_int(meta_feature_level(&image, "metadata.version"), 33, "the level now");
}

int main(void)
{
	test_agent();
	test_brokers();
	test_fencing();
	test_producer_ids();
	test_features();
	operation_free(&op);
	meta_image_free(&image);
	return done_testing();
}
