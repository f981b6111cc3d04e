/* AlterPartition, and what becomes of leaders and ISRs as brokers come and go: tables of cases, and
 * random lives of a cluster in which the invariants hold after every event. */
#include "controller.h"

static int64_t epochs[6]; /* of the brokers, by id */

/* "leader/epoch isr replicas elr" of a partition, ids without spaces between. */
static const char *state(const char *name, int32_t i)
{
	static char text[256];
	const struct meta_partition *p = part(name, i);
	const struct {
		const int32_t *v;
		int32_t n;
	} lists[] = { { p->isr, p->isr_n }, { p->replicas, p->replicas_n }, { p->elr, p->elr_n } };
	int n = snprintf(text, sizeof text, "%d/%d", p->leader, p->leader_epoch);

	for (size_t l = 0; l < 3; l++) {
		n += snprintf(text + n, sizeof text - (size_t)n, l < 2 || p->elr_n ? " " : "");
		for (int32_t k = 0; k < lists[l].n; k++)
			n += snprintf(text + n, sizeof text - (size_t)n, "%d", lists[l].v[k]);
	}
	return text;
}

static void cluster(int brokers, int level, bool elr)
{
	meta_image_free(&image);
	meta_image_init(&image);
	meta_image_feature(&image, span_of("metadata.version"), (int16_t)level);
	meta_image_feature(&image, span_of("eligible.leader.replicas.version"), elr);
	controller_init(&controller, &image, &settings);
	controller.random = 1;
	offset = 0;
	for (int32_t i = 1; i <= brokers; i++) {
		join(i, (uint8_t)i, (uint8_t)i, &epochs[i]);
		beat(i, epochs[i], false, false);
	}
}

static int make_manual(const char *name, const int32_t *replicas, int32_t n, const char *config)
{
	struct create_topics_request in;
	struct create_topics_response out;
	struct create_topics_request_creatable_topic t;
	struct create_topics_request_creatable_replica_assignment a;
	struct create_topics_request_creatable_topic_config c;

	begin();
	wire_init(&wire_create_topics_request, &in);
	wire_init(&wire_create_topics_response, &out);
	wire_init(&wire_create_topics_request_creatable_topic, &t);
	wire_init(&wire_create_topics_request_creatable_replica_assignment, &a);
	wire_init(&wire_create_topics_request_creatable_topic_config, &c);
	in.topics = &t;
	in.topics_n = 1;
	t.name = span_of(name);
	t.num_partitions = -1;
	t.replication_factor = -1;
	t.assignments = &a;
	t.assignments_n = 1;
	a.partition_index = 0;
	a.broker_ids = (int32_t *)replicas;
	a.broker_ids_n = n;
	if (config) {
		t.configs = &c;
		t.configs_n = 1;
		c.name = (struct span){ config, (int32_t)strcspn(config, "=") };
		c.value = span_of(strchr(config, '=') + 1);
	}
	create_topics(&op, NULL, &in, &out);
	finish();
	return out.topics[0].error_code;
}

/* --- AlterPartition --- */

struct wish { /* of a leader; differences to what is right are 0 where nothing is said */
	int32_t from;
	int stale, leader_epoch, partition_epoch; /* differences */
	int32_t isr[4];				  /* ends with 0 */
	int32_t wrong;				  /* the member whose epoch is not given rightly */
	int8_t recovery;
};

static struct alter_partition_response_partition_data answer;
static int top_error;

static int alter(const char *name, const struct wish *w, int version)
{
	struct alter_partition_request in;
	struct alter_partition_response out;
	struct alter_partition_request_topic_data t;
	struct alter_partition_request_partition_data p;
	struct alter_partition_request_broker_state members[4];
	const struct meta_partition *now_is = part(name, 0);
	struct wire_request q = { .version = (int16_t)version };
	int32_t n = 0;

	begin();
	wire_init(&wire_alter_partition_request, &in);
	wire_init(&wire_alter_partition_response, &out);
	wire_init(&wire_alter_partition_request_topic_data, &t);
	wire_init(&wire_alter_partition_request_partition_data, &p);
	for (; n < 4 && w->isr[n]; n++) {
		wire_init(&wire_alter_partition_request_broker_state, &members[n]);
		members[n].broker_id = w->isr[n];
		members[n].broker_epoch =
			(w->isr[n] > 0 ? epochs[w->isr[n]] : 0) - (w->isr[n] == w->wrong);
	}
	in.broker_id = w->from;
	in.broker_epoch = epochs[w->from] - w->stale;
	in.topics = &t;
	in.topics_n = 1;
	t.topic_id = meta_topic_named(&image, span_of(name))->id;
	t.partitions = &p;
	t.partitions_n = 1;
	p.leader_epoch = now_is->leader_epoch + w->leader_epoch;
	p.partition_epoch = now_is->partition_epoch + w->partition_epoch;
	p.leader_recovery_state = w->recovery;
	if (version < 3) {
		p.new_isr = (int32_t *)w->isr;
		p.new_isr_n = n;
	} else {
		p.new_isr_with_epochs = members;
		p.new_isr_with_epochs_n = n;
	}
	alter_partition(&op, &q, &in, &out);
	top_error = out.error_code;
	memset(&answer, 0, sizeof answer);
	if (!top_error)
		answer = out.topics[0].partitions[0];
	return top_error ? top_error : answer.error_code;
}

static void test_alter(void)
{
	static const struct {
		const char *what;
		struct wish w;
		int code, version;
		const char *then;
	} cases[] = {
		{ "smaller", { 1, .isr = { 1, 3 } }, 0, 3, "1/0 13 123" },
		{ "as it is", { 1, .isr = { 1, 3 } }, 0, 3, "1/0 13 123" },
		{ "larger", { 1, .isr = { 3, 2, 1 } }, 0, 3, "1/0 321 123" },
		{ "version 2", { 1, .isr = { 1, 2, 3 } }, 0, 2, "1/0 123 123" },
		{ "an old broker epoch", { 1, .stale = 1, .isr = { 1 } },
		  WIRE_STALE_BROKER_EPOCH, 3, "1/0 123 123" },
		{ "an unknown broker", { 5, .isr = { 5 } }, WIRE_STALE_BROKER_EPOCH, 3,
		  "1/0 123 123" },
		{ "not by a follower", { 2, .isr = { 1, 2 } }, WIRE_INVALID_REQUEST, 3,
		  "1/0 123 123" },
		{ "a leader epoch to come", { 1, .leader_epoch = 1, .isr = { 1 } },
		  WIRE_NOT_CONTROLLER, 3, "1/0 123 123" },
		{ "a partition epoch to come", { 1, .partition_epoch = 1, .isr = { 1 } },
		  WIRE_NOT_CONTROLLER, 3, "1/0 123 123" },
		{ "an old leader epoch", { 1, .leader_epoch = -1, .isr = { 1 } },
		  WIRE_FENCED_LEADER_EPOCH, 3, "1/0 123 123" },
		{ "an old partition epoch", { 1, .partition_epoch = -1, .isr = { 1 } },
		  WIRE_INVALID_UPDATE_VERSION, 3, "1/0 123 123" },
		{ "without the leader", { 1, .isr = { 2, 3 } }, WIRE_INVALID_REQUEST, 3,
		  "1/0 123 123" },
		{ "nobody", { 1, .isr = { 0 } }, WIRE_INVALID_REQUEST, 3, "1/0 123 123" },
		{ "one twice", { 1, .isr = { 1, 2, 2 } }, WIRE_INVALID_REQUEST, 3, "1/0 123 123" },
		{ "no replica", { 1, .isr = { 1, 4 } }, WIRE_INVALID_REQUEST, 3, "1/0 123 123" },
		{ "a negative id", { 1, .isr = { 1, -2 } }, WIRE_INVALID_REQUEST, 3,
		  "1/0 123 123" },
		{ "an incarnation that is gone", { 1, .isr = { 1, 2 }, .wrong = 2 },
		  WIRE_INELIGIBLE_REPLICA, 3, "1/0 123 123" },
		{ "version 2 knows no incarnations", { 1, .isr = { 1, 2 }, .wrong = 2 }, 0, 2,
		  "1/0 12 123" },
		{ "a recovery that nobody ordered", { 1, .isr = { 1 }, .recovery = 1 },
		  WIRE_INVALID_REQUEST, 3, "1/0 12 123" },
		{ "an unknown recovery state", { 1, .isr = { 1, 2 }, .recovery = 7 },
		  WIRE_INVALID_REQUEST, 3, "1/0 12 123" },
	};

	cluster(4, 25, false);
	is_int(make_manual("t", (int32_t[]){ 1, 2, 3 }, 3, NULL), 0, "a topic");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int32_t epoch = part("t", 0)->partition_epoch;
		int records;

		is_int(alter("t", &cases[i].w, cases[i].version), cases[i].code, "%s",
		       cases[i].what);
		records = finish();
		is_str(state("t", 0), cases[i].then, "%s: the partition then", cases[i].what);
		if (cases[i].code == 0)
			ok(answer.partition_epoch == epoch + records
				   && answer.partition_epoch == part("t", 0)->partition_epoch
				   && answer.leader_id == 1 && answer.leader_epoch == 0
				   && answer.isr_n == part("t", 0)->isr_n,
			   "%s: and so it is answered", cases[i].what);
	}
}

static void test_ineligible(void)
{
	cluster(3, 25, false);
	make_manual("t", (int32_t[]){ 1, 2, 3 }, 3, NULL);
	make_manual("s", (int32_t[]){ 3, 2 }, 2, NULL);
	beat(2, epochs[2], true, false);
	is_int(alter("t", &(struct wish){ 1, .isr = { 1, 2, 3 } }, 3), WIRE_INELIGIBLE_REPLICA,
	       "a fenced broker is not in sync");
	beat(2, epochs[2], false, false);
	is_int(alter("t", &(struct wish){ 1, .isr = { 1, 2, 3 } }, 3), 0, "unfenced it is");
	finish();
	beat(3, epochs[3], false, true);
	is_int(alter("t", &(struct wish){ 1, .isr = { 1, 2, 3 } }, 3), WIRE_INELIGIBLE_REPLICA,
	       "not one that shuts down");
	is_str(state("t", 0), "1/0 12 123", "which left the ISR without a new epoch");
	join(2, 77, 2, &epochs[2]);
	is_int(alter("t", &(struct wish){ 1, .isr = { 1, 2 } }, 3), WIRE_INELIGIBLE_REPLICA,
	       "not one that was started anew and is not unfenced yet");
	cluster(3, 11, false);
	make_manual("t", (int32_t[]){ 1, 2, 3 }, 3, NULL);
	is_int(alter("t", &(struct wish){ 1, .isr = { 1, 2 } }, 2), 0, "before 3.6");
	finish();
	is_str(state("t", 0), "1/1 12 123", "a smaller ISR is a new leader epoch");
	is_int(answer.leader_epoch, 1, "and the leader is told");
	is_int(alter("t", &(struct wish){ 1, .isr = { 1, 2, 3 } }, 2), 0, "a larger one");
	finish();
	is_str(state("t", 0), "1/1 123 123", "is not");
}

static void test_recovery(void)
{
	cluster(3, 25, false);
	make_manual("t", (int32_t[]){ 1, 2, 3 }, 3, "unclean.leader.election.enable=true");
	alter("t", &(struct wish){ 1, .isr = { 1 } }, 3);
	finish();
	beat(1, epochs[1], true, false);
	is_str(state("t", 0), "2/1 2 123", "an unclean leader");
	is_int(part("t", 0)->leader_recovery_state, 1, "which has to recover");
	is_int(alter("t", &(struct wish){ 2, .isr = { 2, 3 }, .recovery = 1 }, 3),
	       WIRE_INVALID_REQUEST, "alone");
	is_int(alter("t", &(struct wish){ 2, .isr = { 2 } }, 3), 0, "and says when it has");
	finish();
	is_int(part("t", 0)->leader_recovery_state, 0, "recovered");
	is_int(alter("t", &(struct wish){ 2, .isr = { 2, 3 } }, 3), 0, "then others join");
	finish();
	is_str(state("t", 0), "2/1 23 123", "both in sync");
}

int main(void)
{
	test_alter();
	test_ineligible();
	test_recovery();
	operation_free(&op);
	meta_image_free(&image);
	return done_testing();
}
