/* Topics made because a client asked for their metadata: CreateTopics on run/elect, once a name
 * however many ask, and the requests that wait for it (Kafka's AutoTopicCreationManager, which
 * makes its clients ask again instead). */
#include "metaserve.h"

#include <skalibs/strerr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	WAIT_MS = 2000,          /* a parked request is answered with LEADER_NOT_AVAILABLE then */
	TIMEOUT_MS = 30000,      /* of CreateTopics itself */
	FAILURE_MS = 1000,       /* a failed creation is not tried again for so long */
	PARKED_MAX = 4096, CREATING_MAX = 10000,
};

struct parked {
	struct parked *next;
	struct server *server;
	struct port_from from;
	struct port_timer timer;
	uint8_t listener;
	int32_t n;
	char frame[];
};
struct asked {                   /* one CreateTopics under way */
	struct server *server;
	int version;
};

struct creation *create_status(struct server *s, struct span name)
{
	struct creation *c = name.n > 0 ? map_get(&s->creating, name.p, (size_t)name.n) : 0;
	if (c && c->error && c->until <= port_now_ms()) {
		map_del(&s->creating, name.p, (size_t)name.n);
		free(c);
		c = 0;
	}
	return c;
}

static void forget(struct server *s, struct span name)
{
	free(map_del(&s->creating, name.p, (size_t)name.n));
}

static void fail(struct server *s, struct span name, int error)
{
	struct creation *c = map_get(&s->creating, name.p, (size_t)name.n);
	if (!c)
		return;
	c->error = error;
	c->until = port_now_ms() + FAILURE_MS;
}

/* Nobody knows what became of the call: whoever asks next tries again. */
static void forget_all(struct server *s)
{
	struct creation *c;
	for (size_t at = 0; (c = map_next(&s->creating, &at));)
		free(c);
	map_free(&s->creating);
	s->creating = (struct map){0};
}

static void on_created(void *arg, const struct port_reply *reply)
{
	struct asked *a = arg;
	struct server *s = a->server;
	struct create_topics_response out;
	int32_t id;
	arena_reset(&s->arena);
	int at = reply->failed || reply->kind != PORT_BYTES ? -1
	       : wire_response_parse(19, a->version, reply->bytes.p, (size_t)reply->bytes.n, &id);
	if (at < 0 || wire_decode(&wire_create_topics_response, a->version, reply->bytes.p + at,
	                          (size_t)(reply->bytes.n - at), &s->arena, &out) < 0) {
		forget_all(s);
		out.topics_n = 0;
	}
	for (int i = 0; i < out.topics_n; i++) {
		struct create_topics_response_creatable_topic_result *t = &out.topics[i];
		if (t->error_code && t->error_code != WIRE_TOPIC_ALREADY_EXISTS)
			fail(s, t->name, t->error_code);
		else
			forget(s, t->name);
	}
	free(a);
	create_unpark(s);
}

static struct span config_text(struct server *s, const char *name, const char *otherwise)
{
	const char *v = meta_config(meta_follow_image(s->follow), s->node.id, 0, name, 0);
	return span_of(v ? v : otherwise);
}

/* Internal topics are made the way their coordinators need them (the topic configs of Kafka's group
 * and transaction coordinators). */
static void shape(struct server *s, struct create_topics_request_creatable_topic *t)
{
	static struct create_topics_request_creatable_topic_config offsets[] = {
		{.name = {"cleanup.policy", 14}, .value = {"compact", 7}},
		{.name = {"compression.type", 16}, .value = {"producer", 8}},
		{.name = {"segment.bytes", 13}},
	}, transactions[] = {
		{.name = {"cleanup.policy", 14}, .value = {"compact", 7}},
		{.name = {"compression.type", 16}, .value = {"uncompressed", 12}},
		{.name = {"segment.bytes", 13}},
		{.name = {"unclean.leader.election.enable", 30}, .value = {"false", 5}},
		{.name = {"min.insync.replicas", 19}},
	};
	bool group = span_is(t->name, "__consumer_offsets");
	const char *prefix = group ? "offsets.topic" : "transaction.state.log";
	char name[64];
	t->num_partitions = t->replication_factor = -1;
	if (!group && !span_is(t->name, "__transaction_state"))
		return;
	snprintf(name, sizeof name, "%s.num.partitions", prefix);
	t->num_partitions = atoi(config_text(s, name, "50").p);
	snprintf(name, sizeof name, "%s.replication.factor", prefix);
	t->replication_factor = (int16_t)atoi(config_text(s, name, "3").p);
	snprintf(name, sizeof name, "%s.segment.bytes", prefix);
	t->configs = group ? offsets : transactions;
	t->configs_n = group ? 3 : 5;
	t->configs[2].value = config_text(s, name, "104857600");
	if (!group)
		transactions[4].value = config_text(s, "transaction.state.log.min.isr", "2");
}

static int remember(struct server *s, struct span name)
{
	struct creation *c = calloc(1, sizeof *c + (size_t)name.n + 1);
	if (!c)
		return -1;
	c->name = memcpy(c + 1, name.p, (size_t)name.n);
	if (map_put(&s->creating, c->name, (size_t)name.n, c)) {
		free(c);
		return -1;
	}
	return 0;
}

static int ask(struct server *s, const struct create_topics_request *in)
{
	struct buf frame = {0};
	struct asked *a = malloc(sizeof *a);
	int bad = -1;
	if (a) {
		*a = (struct asked){s, 7};
		bad = wire_request_header(&frame, 19, a->version, 0, span_of("metaserve"));
		bad = bad ? bad : wire_encode(&wire_create_topics_request, a->version, in, &frame, 0);
		bad = bad ? bad
		          : port_ask(meta_follow_peer(s->follow), WIRE_LOCAL, span_of(""),
		                     span_of(""), frame.p, frame.n, port_now_ms() + TIMEOUT_MS,
		                     on_created, a);
	}
	if (bad)
		free(a);
	buf_free(&frame);
	return bad;
}

void create_topics(struct server *s, const struct span *names, int n)
{
	struct create_topics_request in;
	wire_init(&wire_create_topics_request, &in);
	in.timeout_ms = TIMEOUT_MS;
	in.topics = s->creating.n + (size_t)n > CREATING_MAX
	                    ? 0
	                    : arena_get(&s->arena, (size_t)n * sizeof *in.topics);
	if (!in.topics)
		return;
	for (int i = 0; i < n; i++) {
		struct create_topics_request_creatable_topic *t = &in.topics[in.topics_n];
		if (remember(s, names[i]))
			break;
		in.topics_n++;
		wire_init(&wire_create_topics_request_creatable_topic, t);
		t->name = names[i];
		shape(s, t);
	}
	if (ask(s, &in))
		for (int i = 0; i < in.topics_n; i++)
			forget(s, names[i]);
}

static void take_out(struct parked *p)
{
	struct parked **at = &p->server->parked;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	p->server->parked_n--;
	port_timer_stop(p->server->loop, &p->timer);
}

static void answer_late(struct parked *p)
{
	struct server *s = p->server;
	struct request r = {
		.server = s, .image = meta_follow_image(s->follow), .from = p->from, .listener = p->listener,
		.frame = {p->frame, p->n},
	};
	take_out(p);
	arena_reset(&s->arena);
	if (wire_request_parse(&r.head, p->frame, (size_t)p->n))
		request_close(&r);
	else
		metadata_late(&r);
	free(p);
}

static void on_late(void *arg)
{
	answer_late(arg);
}

bool create_park(struct request *r)
{
	struct server *s = r->server;
	struct parked *p = s->parked_n < PARKED_MAX ? calloc(1, sizeof *p + (size_t)r->frame.n) : 0;
	if (!p)
		return false;
	p->server = s;
	p->from = r->from;
	p->listener = r->listener;
	p->n = r->frame.n;
	memcpy(p->frame, r->frame.p, (size_t)p->n);
	p->timer = (struct port_timer){.fn = on_late, .arg = p};
	if (port_timer_set(s->loop, &p->timer, port_now_ms() + WAIT_MS)) {
		free(p);
		return false;
	}
	p->next = s->parked;
	s->parked = p;
	s->parked_n++;
	return true;
}

/* Whether a topic that the request names is still being made. */
static bool waits(struct server *s, struct parked *p)
{
	struct wire_request head;
	struct metadata_request in;
	arena_reset(&s->arena);
	if (wire_request_parse(&head, p->frame, (size_t)p->n) ||
	    wire_decode(&wire_metadata_request, head.version, head.body, head.body_n, &s->arena, &in) < 0)
		return false;
	for (int i = 0; i < in.topics_n; i++) {
		struct creation *c = create_status(s, in.topics[i].name);
		if (c && !c->error)
			return true;
	}
	return false;
}

void create_unpark(struct server *s)
{
	for (struct parked *p = s->parked, *next; p; p = next) {
		next = p->next;
		if (!waits(s, p))
			answer_late(p);
	}
}

void create_flush(struct server *s, struct port_from from)
{
	for (struct parked *p = s->parked; p; p = p->next)
		if (p->from.place == from.place && p->from.generation == from.generation &&
		    p->from.tag == from.tag) {
			take_out(p);
			free(p);
			return;
		}
}
