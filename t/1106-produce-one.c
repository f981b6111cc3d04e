/* Produce by hand is Produce by the table: on whole requests, on ones cut short or with any byte
 * changed, and for answers. */
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "wire/produce_one.h"

static struct buf body, again;
static struct arena mem;

static int any(int n)
{
	return rand() % n;
}

static void make_request(struct produce_request *q, struct produce_request_topic_produce_data *t,
                         struct produce_request_partition_produce_data *p)
{
	static char name[300], records[400];
	wire_init(&wire_produce_request, q);
	wire_init(&wire_produce_request_topic_produce_data, t);
	wire_init(&wire_produce_request_partition_produce_data, p);
	memset(name, 'n', sizeof name);
	for (size_t i = 0; i < sizeof records; i++)
		records[i] = (char)any(256);
	q->acks = (int16_t)(any(3) - 1);
	q->timeout_ms = rand();
	q->topic_data = t;
	q->topic_data_n = 1;
	t->name = (struct span){name, any(250)};
	t->partition_data = p;
	t->partition_data_n = 1;
	p->index = any(100000);
	p->records = (struct span){records, any(400)};
}

static bool same_again(const void *q, int version)
{
	again.n = 0;
	return wire_encode(&wire_produce_request, version, q, &again, NULL) == 0 &&
	       again.n == body.n && !memcmp(again.p, body.p, body.n);
}

/* By hand it is taken only if the table takes it, and then as the same. */
static bool agrees(int version, size_t n, bool *taken)
{
	struct produce_request q, by_table;
	struct produce_request_topic_produce_data t;
	struct produce_request_partition_produce_data p;
	struct wire_request r = {.key = 0, .version = (int16_t)version, .api = wire_api(0),
	                         .body = (const char *)body.p, .body_n = n};
	*taken = wire_produce_one(&r, &q, &t, &p);
	if (!*taken)
		return true;
	arena_reset(&mem);
	return wire_decode(&wire_produce_request, version, body.p, n, &mem, &by_table) >= 0 &&
	       n == body.n && same_again(&q, version) && same_again(&by_table, version);
}

static void requests(void)
{
	struct produce_request q;
	struct produce_request_topic_produce_data t[2];
	struct produce_request_partition_produce_data p;
	int bad = 0, by_hand[14] = {0}, changed = 0;
	bool taken;
	for (int i = 0; i < 3000; i++) {
		int version = 3 + any(10);
		make_request(&q, t, &p);
		body.n = 0;
		wire_encode(&wire_produce_request, version, &q, &body, NULL);
		bad += !agrees(version, body.n, &taken);
		by_hand[version] += taken ? 1 : -1;
		bad += !agrees(version, (size_t)any((int)body.n), &taken) || taken;
		body.p[any((int)(body.n < 40 ? body.n : 40))] = (uint8_t)any(256);
		bad += !agrees(version, body.n, &taken);
		changed += taken;
	}
	is_int(bad, 0, "as by the table");
	for (int v = 3; v < 13; v++)
		ok(v < 9 ? by_hand[v] < 0 : by_hand[v] > 100, "version %d", v);
	ok(changed > 100, "also with a byte changed: %d", changed);
	make_request(&q, t, &p);
	t[1] = t[0];
	q.topic_data_n = 2;
	body.n = 0;
	wire_encode(&wire_produce_request, 9, &q, &body, NULL);
	ok(agrees(9, body.n, &taken) && !taken, "two topics are the table's");
}

static bool same_answer(const struct produce_response *a, int version, int want)
{
	body.n = again.n = 0;
	int r = wire_produce_one_answer(a, version, &again);
	if (r != want || r == 0)
		return r == want && again.n == 0;
	wire_encode(&wire_produce_response, version, a, &body, NULL);
	return again.n == body.n && !memcmp(again.p, body.p, body.n);
}

static void answers(void)
{
	struct produce_response a;
	struct produce_response_topic_produce_response t;
	struct produce_response_partition_produce_response p;
	static char name[300];
	int bad = 0;
	memset(name, 'n', sizeof name);
	for (int i = 0; i < 2000; i++) {
		int version = 3 + any(10);
		wire_init(&wire_produce_response, &a);
		wire_init(&wire_produce_response_topic_produce_response, &t);
		wire_init(&wire_produce_response_partition_produce_response, &p);
		a.responses = &t;
		a.responses_n = 1;
		a.throttle_time_ms = any(1000);
		t.name = (struct span){name, any(250)};
		t.partition_responses = &p;
		t.partition_responses_n = 1;
		p.index = any(1000);
		p.error_code = (int16_t)any(100);
		p.base_offset = (int64_t)rand() << 20;
		p.log_append_time_ms = any(2) ? -1 : rand();
		p.log_start_offset = rand();
		bad += !same_answer(&a, version, version >= 9);
	}
	is_int(bad, 0, "answers as by the table");
	p.error_message = span_of("words");
	ok(same_answer(&a, 9, 0), "words are the table's");
	p.error_message = SPAN_NULL;
	p.current_leader.leader_id = 3;
	ok(same_answer(&a, 10, 0), "so are hints");
}

int main(void)
{
	const char *given = getenv("SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : 1;
	diag("SEED=%u", seed);
	srand(seed);
	requests();
	answers();
	buf_free(&body);
	buf_free(&again);
	arena_free(&mem);
	return done_testing();
}
