/* What a member has said about itself, kept in one piece of memory. */
#include "consumer_said.h"

#include <stdlib.h>
#include <string.h>

#include "assign.h"

typedef struct consumer_group_member_metadata_value said;
typedef struct consumer_group_member_metadata_value_classic_member_metadata classic;
typedef struct consumer_group_member_metadata_value_classic_protocol protocol;

static int name_order(const void *a, const void *b)
{
	return assign_text_order(*(const struct span *)a, *(const struct span *)b);
}

int32_t consumer_names_sort(struct span *v, int32_t n)
{
	int32_t kept = 0;
	if (n > 1)
		qsort(v, (size_t)n, sizeof *v, name_order);
	for (int32_t i = 0; i < n; i++)
		if (!kept || !span_same(v[kept - 1], v[i]))
			v[kept++] = v[i];
	return kept;
}

bool consumer_names_have(const struct span *v, int32_t n, struct span name)
{
	return n > 0 && bsearch(&name, v, (size_t)n, sizeof *v, name_order);
}

bool consumer_names_same(const struct span *a, int32_t an, const struct span *b, int32_t bn)
{
	bool same = an == bn;
	for (int32_t i = 0; same && i < an; i++)
		same = span_same(a[i], b[i]);
	return same;
}

static bool same_classic(const classic *a, const classic *b)
{
	bool same = !a == !b;
	if (!a || !b)
		return same;
	same = a->session_timeout_ms == b->session_timeout_ms &&
	       a->supported_protocols_n == b->supported_protocols_n;
	for (int32_t i = 0; same && i < a->supported_protocols_n; i++)
		same = span_same(a->supported_protocols[i].name, b->supported_protocols[i].name) &&
		       span_same(a->supported_protocols[i].metadata,
		                 b->supported_protocols[i].metadata);
	return same;
}

bool consumer_said_same(const said *a, const said *b)
{
	return span_same(a->instance_id, b->instance_id) && span_same(a->rack_id, b->rack_id) &&
	       span_same(a->client_id, b->client_id) && span_same(a->client_host, b->client_host) &&
	       span_same(a->subscribed_topic_regex, b->subscribed_topic_regex) &&
	       span_same(a->server_assignor, b->server_assignor) &&
	       a->rebalance_timeout_ms == b->rebalance_timeout_ms &&
	       consumer_names_same(a->subscribed_topic_names, a->subscribed_topic_names_n,
	                           b->subscribed_topic_names, b->subscribed_topic_names_n) &&
	       same_classic(a->classic_member_metadata, b->classic_member_metadata);
}

static size_t span_size(struct span s)
{
	return s.n > 0 ? (size_t)s.n : 0;
}

static size_t size_of(const said *v)
{
	const classic *c = v->classic_member_metadata;
	size_t n = span_size(v->instance_id) + span_size(v->rack_id) + span_size(v->client_id) +
	           span_size(v->client_host) + span_size(v->subscribed_topic_regex) +
	           span_size(v->server_assignor);
	for (int32_t i = 0; i < v->subscribed_topic_names_n; i++)
		n += sizeof(struct span) + span_size(v->subscribed_topic_names[i]);
	if (!c)
		return n;
	for (int32_t i = 0; i < c->supported_protocols_n; i++)
		n += sizeof(protocol) + span_size(c->supported_protocols[i].name) +
		     span_size(c->supported_protocols[i].metadata);
	return n + sizeof *c;
}

static struct span put(char **to, struct span text)
{
	char *p = *to;
	if (text.n < 0)
		return SPAN_NULL;
	if (text.n)
		memcpy(p, text.p, (size_t)text.n);
	*to += text.n;
	return (struct span){p, text.n};
}

/* Structs lie before bytes, so that all are aligned. */
void *consumer_said_copy(said *to, const said *from)
{
	void *memory = group_get(size_of(from));
	const classic *c = from->classic_member_metadata;
	struct span *names = memory;
	*to = *from;
	to->tags = (struct wire_tags){0};
	to->subscribed_topic_names = names;
	classic *copy = (classic *)(names + from->subscribed_topic_names_n);
	protocol *protocols = (protocol *)(copy + 1);
	char *bytes = (char *)copy;
	if (c) {
		*copy = (classic){.session_timeout_ms = c->session_timeout_ms,
		                  .supported_protocols = protocols,
		                  .supported_protocols_n = c->supported_protocols_n};
		to->classic_member_metadata = copy;
		bytes = (char *)(protocols + c->supported_protocols_n);
		for (int32_t i = 0; i < c->supported_protocols_n; i++)
			protocols[i] = (protocol){
				.name = put(&bytes, c->supported_protocols[i].name),
				.metadata = put(&bytes, c->supported_protocols[i].metadata)};
	}
	for (int32_t i = 0; i < from->subscribed_topic_names_n; i++)
		names[i] = put(&bytes, from->subscribed_topic_names[i]);
	to->subscribed_topic_names_n = consumer_names_sort(names, from->subscribed_topic_names_n);
	to->instance_id = put(&bytes, from->instance_id);
	to->rack_id = put(&bytes, from->rack_id);
	to->client_id = put(&bytes, from->client_id);
	to->client_host = put(&bytes, from->client_host);
	to->subscribed_topic_regex = put(&bytes, from->subscribed_topic_regex);
	to->server_assignor = put(&bytes, from->server_assignor);
	return memory;
}
