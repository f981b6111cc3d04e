/* The codec's edges, which Kafka's vectors do not show: what is refused, tagged fields in any
 * order, gaps for records, limits. */
#include <errno.h>

#include "tap.h"
#include "wire/api.h"

static struct buf b;
static struct arena a;

static int64_t decode(const struct wire_type *t, int version, const void *p, size_t n, void *out)
{
	arena_reset(&a);
	errno = 0;
	return wire_decode(t, version, p, n, &a, out);
}

static bool refused(const struct wire_type *t, int version, const void *in)
{
	b.n = 0;
	errno = 0;
	return wire_encode(t, version, in, &b, 0) < 0 && errno == EINVAL;
}

static void refusals(void)
{
	struct fetch_request f;
	struct metadata_request m;
	struct create_topics_request c;
	static char big[40000];
	wire_init(&wire_fetch_request, &f);
	f.session_id = 5;
	ok(!refused(&wire_fetch_request, 4, &f), "an ignorable field is left out of a version without it");
	f.rack_id = span_of("r");
	f.topics_n = -1;
	ok(refused(&wire_fetch_request, 4, &f), "null where none may be");
	wire_init(&wire_fetch_request, &f);
	f.forgotten_topics_data_n = 1;
	ok(refused(&wire_fetch_request, 6, &f), "a field that counts and that the version lacks");
	ok(refused(&wire_fetch_request, 3, &f) && refused(&wire_fetch_request, 99, &f), "no such version");
	ok(decode(&wire_fetch_request, 99, "", 0, &f) < 0 && errno == EINVAL, "nor to be read");
	wire_init(&wire_metadata_request, &m);
	m.topics_n = -1;
	ok(refused(&wire_metadata_request, 0, &m) && !refused(&wire_metadata_request, 1, &m),
		"null from one version on");
	wire_init(&wire_create_topics_request, &c);
	struct create_topics_request_creatable_topic topic;
	wire_init(&wire_create_topics_request_creatable_topic, &topic);
	memset(big, 'x', sizeof big);
	topic.name = (struct span){big, sizeof big};
	c.topics = &topic;
	c.topics_n = 1;
	ok(refused(&wire_create_topics_request, 5, &c) && refused(&wire_create_topics_request, 2, &c),
		"a string too long");
}

static void tags(void)
{
	struct fetch_request f;
	/* ClusterId is tag 0, ReplicaState tag 1. */
#define HEAD "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\0\4\0\0\0\5\1\1\1"
	static const char twice[] = HEAD "\4" "\0\2\2a" "\11\1x" "\0\2\2b" "\12\1y";
	size_t n = sizeof twice - 1;
	ok(decode(&wire_fetch_request, 15, twice, n, &f) == (int64_t)n && span_is(f.cluster_id, "b"),
		"a tagged field that comes twice counts as it came last");
	is_mem(f.tags.p, (size_t)f.tags.size, "\11\1x\12\1y", 6, "unknown ones are gathered");
	b.n = 0;
	ok(wire_encode(&wire_fetch_request, 15, &f, &b, 0) == 0, "and written");
	is_mem(b.p, b.n, HEAD "\3\0\2\2b\11\1x\12\1y", sizeof HEAD - 1 + 11, "by their tags");
	static const char late[] = HEAD "\2" "\11\1x" "\0\2\2a";
	n = sizeof late - 1;
	ok(decode(&wire_fetch_request, 15, late, n, &f) == (int64_t)n && f.tags.n == 1 &&
		span_is(f.cluster_id, "a"), "tags in any order are read");
	static const char back[] = HEAD "\2" "\11\1x" "\10\1y";
	n = sizeof back - 1;
	ok(decode(&wire_fetch_request, 15, back, n, &f) == (int64_t)n, "falling unknown tags too");
	ok(refused(&wire_fetch_request, 15, &f), "but not written");
	f.tags = (struct wire_tags){"\1\0", 2, 1};
	ok(refused(&wire_fetch_request, 15, &f), "nor an unknown tag that is known");
	f.tags = (struct wire_tags){"\11\0", 2, 1};
	f.replica_state = (struct fetch_request_replica_state){-1, -1, {"", 0, 0}};
	ok(refused(&wire_fetch_request, 11, &f), "nor any in a version without tags");
#define BAD(bytes, version, what) \
	ok(decode(&wire_fetch_request, version, HEAD bytes, sizeof HEAD bytes - 1, &f) < 0 && \
		errno == EBADMSG, what)
	BAD("\1\0\3\2ab", 15, "bytes left over in a tagged field");
	BAD("\1\0\1\2a", 15, "a tagged field longer than its size");
	BAD("\1\0\377\377\377\377\17\2a", 15, "one of four billion bytes");
	BAD("\377\377\377\377\17", 15, "four billion of them");
	static const char early[] = "\0\0\0\1" HEAD "\1\1\15\0\0\0\1\0\0\0\0\0\0\0\2\0";
	ok(decode(&wire_fetch_request, 14, early, sizeof early - 1, &f) < 0 && errno == EBADMSG,
		"a tag that a later version has");
}

static void gaps(void)
{
	struct fetch_response f;
	struct fetch_response_fetchable_topic_response t;
	struct fetch_response_partition_data p[2];
	struct wire_gaps g = {0};
	wire_init(&wire_fetch_response, &f);
	wire_init(&wire_fetch_response_fetchable_topic_response, &t);
	for (int i = 0; i < 2; i++) {
		wire_init(&wire_fetch_response_partition_data, &p[i]);
		p[i].records = (struct span){0, 100 + i};
	}
	t.partitions = p;
	t.partitions_n = 2;
	f.responses = &t;
	f.responses_n = 1;
	ok(refused(&wire_fetch_response, 12, &f), "records that are elsewhere need gaps");
	b.n = 0;
	ok(wire_encode(&wire_fetch_response, 12, &f, &b, &g) == 0 && g.n == 2, "two gaps");
	is_int(g.v[0].n, 100, "the first one's length");
	is_int(g.v[1].n, 101, "the second one's");
	struct buf whole = {0};
	for (size_t i = 0, at = 0; i <= g.n; i++) {
		size_t to = i < g.n ? g.v[i].at : b.n;
		buf_add(&whole, b.p + at, to - at);
		for (int k = 0; i < g.n && k < g.v[i].n; k++)
			buf_add8(&whole, (uint8_t)('a' + i));
		at = to;
	}
	ok(decode(&wire_fetch_response, 12, whole.p, whole.n, &f) == (int64_t)whole.n &&
		f.responses->partitions[1].records.n == 101 &&
		f.responses->partitions[0].records.p[99] == 'a' &&
		f.responses->partitions[1].records.p[0] == 'b', "filled, they are the message");
	buf_free(&whole);
	free(g.v);
}

static void rest(void)
{
	struct metadata_request m;
	struct topic_record r;
	struct arena small = {.limit = 64};
	static const char topics[] = "\0\0\0\5\0\1a\0\1b\0\1c\0\1d\0\1e";
	errno = 0;
	ok(wire_decode(&wire_metadata_request, 0, topics, sizeof topics - 1, &small, &m) < 0 &&
		errno == ENOMEM, "the arena's limit");
	arena_free(&small);
	ok(decode(&wire_metadata_request, 0, topics, sizeof topics - 1, &m) > 0 && m.topics_n == 5 &&
		m.allow_auto_topic_creation, "enough of it; a default of true");
	ok(decode(&wire_metadata_request, 0, "\0\0\0\5\0\1a\0\1b", 10, &m) < 0 && errno == EBADMSG &&
		a.used == 0, "a count beyond the bytes takes no memory");
	wire_init(&wire_topic_record, &r);
	r.name = (struct span){"a\"\\\n\1\377\303\251\355\240\200", 11};
	b.n = 0;
	ok(wire_json(&wire_topic_record, 0, &r, &b) == 0 && buf_add8(&b, 0) == 0, "JSON");
	is_str((char *)b.p, "{\"name\":\"a\\\"\\\\\\u000a\\u0001\\ufffd\303\251\\ufffd\\ufffd\\ufffd\","
		"\"topicId\":\"AAAAAAAAAAAAAAAAAAAAAA\"}", "of a name from anywhere");
}

int main(void)
{
	refusals();
	tags();
	gaps();
	rest();
	buf_free(&b);
	arena_free(&a);
	return done_testing();
}
