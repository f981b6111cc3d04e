/* Batches to the leaders of their partitions, several requests in flight, and what becomes of them.
 */
#include <errno.h>
#include <stdlib.h>

#include <skalibs/strerr.h>

#include "logput.h"
#include "wire/api.h"
#include "wire/codes.h"

enum { PRODUCE = 0, INIT_PRODUCER_ID = 22, API_VERSIONS = 18 };
enum {
	REQUEST_BYTES = 4 << 20,
	REQUEST_MS = 30000,
	GIVE_UP_MS = 120000,
	BACKOFF_MS = 100,
	LEADERS_MOST = 64
};

int64_t producer_id = -1;
int16_t producer_epoch = -1;
static int64_t again_at =
	INT64_MAX; /* an error passed: ask where the partitions are before sending more */

struct part {
	struct lane *lane;
	struct batch_out *batch;
};
struct request {
	int n;
	struct part parts[];
};

void producer_begin(void)
{
	struct init_producer_id_request q;
	struct init_producer_id_response r;
	int64_t until = net_now() + REQUEST_MS;
	for (int attempt = 1;; attempt++) {
		struct arena mem = {0};
		wire_init(&wire_init_producer_id_request, &q);
		q.transactional_id = SPAN_NULL;
		q.transaction_timeout_ms = INT32_MAX;
		if (net_call(net, NET_ANY, INIT_PRODUCER_ID, -1, &q, &mem, &r, until) < 0)
			die_net();
		arena_free(&mem);
		if (!r.error_code)
			break;
		if (!wire_error_retriable(r.error_code) || net_now() >= until)
			strerr_die(1, "logput: ", opt.topic,
				   ": no producer id: ", wire_error_name(r.error_code), ": ",
				   wire_error_text(r.error_code));
		net_pause(net, attempt, until);
	}
	producer_id = r.producer_id;
	producer_epoch = r.producer_epoch;
}

static void drop(struct lane *l, struct batch_out *b)
{
	struct batch_out **p = &l->first;
	while (*p != b)
		p = &(*p)->next;
	*p = b->next;
	if (l->last == &b->next)
		l->last = p;
	batch_free(b);
}

static void try_later(struct lane *l)
{
	l->hold = true;
	if (again_at == INT64_MAX)
		again_at = net_now() + BACKOFF_MS;
}

static int queue_length(const struct lane *l)
{
	int n = 0;
	for (const struct batch_out *b = l->first; b; b = b->next)
		n++;
	return n;
}

static void answered(struct lane *l, struct batch_out *b, int code, struct span message)
{
	bool more = b->build.head.count > 1;
	if (!code && l->alone > 0)
		l->alone--;
	if (!code || code == WIRE_DUPLICATE_SEQUENCE_NUMBER)
		drop(l, b);
	else if (rejected)
		l->hold = true;
	else if (code == WIRE_MESSAGE_TOO_LARGE && more && !l->hold)
		batch_halve(l, b);
	else if (wire_error_retriable(code) || (code == WIRE_MESSAGE_TOO_LARGE && more) ||
		 (code == WIRE_OUT_OF_ORDER_SEQUENCE_NUMBER && l->hold && l->first != b))
		try_later(l);
	else
		refuse(l, b, code, message);
	if (code == WIRE_MESSAGE_TOO_LARGE && more)
		l->hold = true;
	if (code && opt.idempotent)
		l->alone = queue_length(l);
}

static void done_part(const struct request *q, int32_t partition, int code, struct span message)
{
	for (int i = 0; i < q->n; i++) {
		struct part p = q->parts[i];
		if (p.lane->partition != partition || !p.batch->flying)
			continue;
		p.batch->flying = false;
		p.lane->in_flight--;
		answered(p.lane, p.batch, code, message);
		return;
	}
}

static void on_produced(void *arg, const struct net_answer *a)
{
	struct request *q = arg;
	struct arena mem = {0};
	struct produce_response r = {0};
	if (!a->error && net_answer_decode(a, &mem, &r) == 0 && r.responses_n == 1)
		for (int32_t i = 0; i < r.responses[0].partition_responses_n; i++) {
			const struct produce_response_partition_produce_response *p =
				&r.responses[0].partition_responses[i];
			struct span why = p->error_message;
			if (p->record_errors_n > 0 &&
			    p->record_errors[0].batch_index_error_message.n > 0)
				why = p->record_errors[0].batch_index_error_message;
			done_part(q, p->index, p->error_code, why);
		}
	/* What was not answered, the connection being gone, may pass. */
	for (int i = 0; i < q->n; i++)
		done_part(q, q->parts[i].lane->partition, WIRE_NETWORK_EXCEPTION, SPAN_NULL);
	arena_free(&mem);
	free(q);
}

/* A broker without a producer's state takes any sequence: were a batch refused and the next one
 * taken, the first could never follow. So the first batch flies alone, and after an error each one
 * does until the queue is behind it. */
static struct batch_out *next_batch(struct lane *l)
{
	if (l->hold && l->in_flight == 0 && again_at == INT64_MAX && !rejected)
		l->hold = false;
	if (l->hold || l->in_flight >= (l->alone ? 1 : IN_FLIGHT))
		return NULL;
	struct batch_out *b = l->first;
	while (b && b->flying)
		b = b->next;
	return b;
}

static struct request *gather(int32_t leader)
{
	struct request *q = malloc(sizeof *q + (size_t)topic.n * sizeof *q->parts);
	size_t bytes = 0;
	if (!q)
		die_memory();
	q->n = 0;
	for (int32_t i = 0; i < topic.n && bytes < REQUEST_BYTES; i++) {
		struct batch_out *b =
			topic.partitions[i].leader == leader ? next_batch(&lanes[i]) : NULL;
		if (!b)
			continue;
		bytes += b->bytes.n;
		q->parts[q->n++] = (struct part){&lanes[i], b};
	}
	if (q->n)
		return q;
	free(q);
	return NULL;
}

static int transmit(struct net_connection *c, struct request *q)
{
	struct produce_request_partition_produce_data parts[q->n];
	struct produce_request_topic_produce_data one = {
		.name = span_of(opt.topic),
		.topic_id = topic.id,
		.partition_data = parts,
		.partition_data_n = q->n,
	};
	struct produce_request r;
	wire_init(&wire_produce_request, &r);
	r.acks = (int16_t)opt.acks;
	r.timeout_ms = REQUEST_MS;
	r.topic_data = &one;
	r.topic_data_n = 1;
	for (int i = 0; i < q->n; i++) {
		const struct buf *b = &q->parts[i].batch->bytes;
		parts[i] = (struct produce_request_partition_produce_data){
			.index = q->parts[i].lane->partition,
			.records = {(const char *)b->p, (int32_t)b->n},
		};
	}
	return net_connection_send(c, PRODUCE, -1, &r, REQUEST_MS + 5000,
				   opt.acks ? on_produced : NULL, q);
}

static void sent(struct request *q)
{
	for (int i = 0; i < q->n; i++) {
		q->parts[i].batch->flying = true;
		q->parts[i].lane->in_flight++;
	}
	if (opt.acks)
		return;
	for (int i = 0; i < q->n; i++)
		done_part(q, q->parts[i].lane->partition, 0, SPAN_NULL);
	free(q);
}

static bool room(const struct net_connection *c)
{
	return c->in_flight < IN_FLIGHT && net_connection_unsent(c) < 2 * REQUEST_BYTES;
}

static void send_to(int32_t leader)
{
	struct request *q = gather(leader);
	struct net_connection *c = q ? net_connect(net, leader, net_now() + 5000) : NULL;
	while (q && c && room(c)) {
		if (transmit(c, q) < 0) {
			if (errno != ENOTCONN)
				strerr_die(1, "logput: ", opt.topic, ": unable to send: ",
					   errno == EPROTONOSUPPORT ? "the node is too old" :
								      "no memory");
			c = NULL;
			break;
		}
		sent(q);
		q = gather(leader);
	}
	for (int i = 0; q && !c && i < q->n; i++)
		try_later(q->parts[i].lane);
	free(q);
	if (c)
		net_connection_turn(c, 0);
}

/* Nothing is tried for longer than Kafka's delivery.timeout.ms. */
static void give_up(void)
{
	for (int32_t i = 0; i < topic.n; i++)
		if (!rejected && lanes[i].first && net_now() - lanes[i].first->since > GIVE_UP_MS)
			refuse(&lanes[i], lanes[i].first, WIRE_REQUEST_TIMED_OUT, SPAN_NULL);
}

/* A topic that is made anew with fewer partitions leaves lanes without a leader: they give up in
 * time. */
static void refresh(void)
{
	struct net_topic now = {0};
	if (net_topic_ask(net, opt.topic, false, &now, net_now() + 5000) < 0 || now.error)
		again_at = net_now() + BACKOFF_MS;
	for (int32_t i = 0; i < topic.n && again_at == INT64_MAX; i++)
		topic.partitions[i] =
			i < now.n ? now.partitions[i] : (struct net_partition){.leader = -1};
	topic.id = again_at == INT64_MAX ? now.id : topic.id;
	net_topic_free(&now);
}

void send_ready(void)
{
	int32_t done[LEADERS_MOST];
	int n = 0;
	if (again_at <= net_now()) {
		again_at = INT64_MAX;
		give_up();
		refresh();
	}
	for (int32_t i = 0; i < topic.n; i++) {
		int32_t leader = topic.partitions[i].leader;
		bool seen = !lanes[i].first;
		for (int k = 0; k < n && !seen; k++)
			seen = done[k] == leader;
		if (seen)
			continue;
		if (leader < 0) {
			try_later(&lanes[i]);
			continue;
		}
		send_to(leader);
		if (n < LEADERS_MOST)
			done[n++] = leader;
	}
}

bool send_room(const struct lane *l)
{
	const struct net_node *v = net_node(net, topic.partitions[l->partition].leader);
	return !v || !v->connection ||
	       (v->connection->in_flight < IN_FLIGHT && l->in_flight < IN_FLIGHT);
}

int64_t send_again_at(void)
{
	return again_at;
}

/* Nodes work in order: an answer to a later request says that the earlier ones were read. */
void send_barrier(void)
{
	for (int32_t i = 0; i < topic.n; i++) {
		struct api_versions_request q;
		struct api_versions_response r;
		struct arena mem = {0};
		const struct net_node *v = net_node(net, topic.partitions[i].leader);
		if (!v || !v->connection)
			continue;
		wire_init(&wire_api_versions_request, &q);
		q.client_software_name = span_of("odradek");
		q.client_software_version = span_of("1");
		if (v->connection->fd < 0)
			strerr_die(1, "logput: ", opt.topic,
				   ": the node closed the connection: records are lost");
		if (net_call(net, v->id, API_VERSIONS, -1, &q, &mem, &r, net_now() + REQUEST_MS) <
		    0)
			die_net();
		arena_free(&mem);
	}
}
