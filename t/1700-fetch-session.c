/* lib/fetch/session.h: incremental fetch sessions (KIP-227), after Kafka's FetchSessionTest */
#include "fetch/session.h"
#include "tap.h"
#include "wire/codes.h"

enum { TOPICS = 64 };

static struct fetch_request_fetch_topic topics[TOPICS];
static struct fetch_request_fetch_partition partitions[TOPICS];
static struct fetch_request_forgotten_topic forgotten[TOPICS];
static int32_t forgotten_partition[TOPICS];

static struct uuid id_of(int n)
{
	struct uuid u = {{7}};
	put32(u.b + 12, (uint32_t)n);
	return u;
}

/* A request for n topics from `first` on, a partition each, offset 100 * topic + add. */
static struct fetch_request *ask(int32_t session, int32_t epoch, int first, int n, int add,
                                 bool ids)
{
	static struct fetch_request in;
	static char names[TOPICS][8];
	wire_init(&wire_fetch_request, &in);
	in.session_id = session;
	in.session_epoch = epoch;
	in.topics = topics;
	in.topics_n = n;
	for (int i = 0; i < n; i++) {
		snprintf(names[i], sizeof names[i], "t%d", first + i);
		wire_init(&wire_fetch_request_fetch_topic, &topics[i]);
		wire_init(&wire_fetch_request_fetch_partition, &partitions[i]);
		if (ids)
			topics[i].topic_id = id_of(first + i);
		else
			topics[i].topic = span_of(names[i]);
		topics[i].partitions = &partitions[i];
		topics[i].partitions_n = 1;
		partitions[i].partition = 3;
		partitions[i].fetch_offset = 100 * (first + i) + add;
		partitions[i].partition_max_bytes = 1000;
	}
	return &in;
}

static void also_forget(struct fetch_request *in, const char *name)
{
	int i = in->forgotten_topics_data_n++;
	in->forgotten_topics_data = forgotten;
	wire_init(&wire_fetch_request_forgotten_topic, &forgotten[i]);
	forgotten[i].topic = span_of(name);
	forgotten_partition[i] = 3;
	forgotten[i].partitions = &forgotten_partition[i];
	forgotten[i].partitions_n = 1;
}

/* Begins and ends a request as a broker whose partitions all stand at high watermark 5, log start
 * 0. Returns the session id, or minus the error; *mentioned: partitions in the answer; *order:
 * their numbers. */
static int64_t run(struct fetch_sessions *c, const struct fetch_request *in, int version,
                   int64_t now, int *mentioned)
{
	struct fetch_set *s;
	enum fetch_kind kind;
	int32_t id;
	int error = fetch_begin(c, in, version, now, &s, &kind);
	*mentioned = 0;
	if (error)
		return -error;
	error = fetch_end(c, s, kind, in->session_epoch, now, &id);
	for (struct fetch_part *p = s->first; p; p = p->next)
		*mentioned += fetch_tell(p, 0, 5, 0, false, false) || kind != FETCH_INCREMENTAL;
	fetch_set_drop(s);
	return error ? -error : id;
}

static void a_life(void)
{
	struct fetch_sessions *c = fetch_sessions_new(10);
	int said;
	is_int(run(c, ask(0, -1, 0, 3, 0, false), 12, 0, &said), 0, "epoch -1 makes no session");
	is_int(run(c, ask(0, -1, 0, 3, 0, false), 6, 0, &said), 0, "old versions have none");
	int64_t id = run(c, ask(0, 0, 0, 3, 0, false), 12, 0, &said);
	ok(id > 0, "epoch 0 makes a session");
	is_int(said, 3, "and mentions all partitions");
	is_int(fetch_sessions_count(c), 1, "one session");
	is_int(run(c, ask((int32_t)id, 1, 0, 0, 0, false), 12, 1, &said), id, "the session goes on");
	is_int(said, 0, "nothing has changed, nothing is said");
	is_int(run(c, ask((int32_t)id, 2, 3, 1, 0, false), 12, 2, &said), id, "a partition is added");
	is_int(said, 1, "and is mentioned");
	is_int(run(c, ask((int32_t)id, 2, 0, 0, 0, false), 12, 3, &said),
	       -WIRE_INVALID_FETCH_SESSION_EPOCH, "an epoch again");
	is_int(run(c, ask((int32_t)id, 7, 0, 0, 0, false), 12, 3, &said),
	       -WIRE_INVALID_FETCH_SESSION_EPOCH, "an epoch to come");
	is_int(run(c, ask((int32_t)id ^ 1, 3, 0, 0, 0, false), 12, 3, &said),
	       -WIRE_FETCH_SESSION_ID_NOT_FOUND, "another session");
	is_int(run(c, ask((int32_t)id, 3, 0, 0, 0, true), 13, 3, &said),
	       -WIRE_FETCH_SESSION_TOPIC_ID_ERROR, "names and ids do not mix");
	struct fetch_request *in = ask((int32_t)id, 3, 0, 0, 0, false);
	for (int i = 0; i < 4; i++)
		also_forget(in, (const char *[]){"t0", "t1", "t2", "t3"}[i]);
	is_int(run(c, in, 12, 4, &said), 0, "forgetting all ends the session");
	is_int(fetch_sessions_count(c), 0, "it is gone");
	fetch_sessions_free(c);
}

static void close_and_replace(void)
{
	struct fetch_sessions *c = fetch_sessions_new(10);
	int said;
	int64_t a = run(c, ask(0, 0, 0, 2, 0, true), 13, 0, &said);
	int64_t b = run(c, ask((int32_t)a, 0, 0, 2, 0, true), 13, 0, &said);
	ok(b > 0 && b != a, "a full request with a session id replaces the session");
	is_int(fetch_sessions_count(c), 1, "one is left");
	is_int(run(c, ask((int32_t)b, -1, 0, 2, 0, true), 13, 0, &said), 0, "epoch -1 closes it");
	is_int(fetch_sessions_count(c), 0, "none is left");
	ok(run(c, ask(0, 0, 0, 0, 0, true), 13, 0, &said) > 0, "a session can begin empty");
	fetch_sessions_free(c);
}

static void what_is_remembered(void)
{
	struct fetch_sessions *c = fetch_sessions_new(10);
	struct fetch_set *s;
	enum fetch_kind kind;
	int said;
	int64_t id = run(c, ask(0, 0, 0, 3, 0, false), 12, 0, &said);
	struct fetch_request *in = ask((int32_t)id, 1, 1, 1, 50, false);
	also_forget(in, "t0");
	is_int(fetch_begin(c, in, 12, 0, &s, &kind), 0, "begin");
	is_int(kind, FETCH_INCREMENTAL, "incremental");
	is_int(s->first->offset, 150, "the offset was moved");
	is_int(s->first->next->offset, 200, "another was kept");
	ok(!s->first->next->next, "one was forgotten");
	fetch_to_end(s, s->first);
	is_int(s->last->offset, 150, "what had data comes last");
	ok(fetch_tell(s->first, 0, 6, 0, false, false), "a high watermark moved");
	ok(!fetch_tell(s->first, 0, 6, 0, false, false), "and is known then");
	ok(fetch_tell(s->first, 0, 6, 1, false, false), "a log start moved");
	ok(fetch_tell(s->first, 0, 6, 1, false, true), "there is data");
	ok(fetch_tell(s->first, 0, 6, 1, true, false), "there is a diverging epoch");
	ok(fetch_tell(s->first, 6, 6, 1, false, false), "there is an error");
	ok(fetch_tell(s->first, 0, 6, 1, false, false), "and after it the partition is told again");
	struct fetch_set *other;
	is_int(fetch_begin(c, ask((int32_t)id, 2, 0, 0, 0, false), 12, 0, &other, &kind), 0,
	       "a next request meanwhile");
	int32_t out;
	is_int(fetch_end(c, s, FETCH_INCREMENTAL, 1, 0, &out), WIRE_INVALID_FETCH_SESSION_EPOCH,
	       "spoils the first");
	run(c, ask((int32_t)id, -1, 0, 0, 0, false), 12, 0, &said);
	is_int(other->last->offset, 150, "a set outlives its session");
	fetch_set_drop(s);
	fetch_set_drop(other);
	fetch_sessions_free(c);
}

static void eviction(void)
{
	struct fetch_sessions *c = fetch_sessions_new(2);
	const int64_t later = FETCH_EVICTION_MS + 1;
	int said;
	int64_t a = run(c, ask(0, 0, 0, 2, 0, false), 12, 0, &said);
	int64_t b = run(c, ask(0, 0, 0, 3, 0, false), 12, 1, &said);
	is_int(run(c, ask(0, 0, 0, 60, 0, false), 12, 2, &said), 0,
	       "a full cache of young sessions takes no more");
	is_int(said, 60, "though the request is answered");
	is_int(run(c, ask((int32_t)b, 1, 0, 0, 0, false), 12, later, &said), b, "one stays in use");
	int64_t d = run(c, ask(0, 0, 0, 1, 0, false), 12, later, &said);
	ok(d > 0, "an unused one makes room");
	is_int(run(c, ask((int32_t)a, 1, 0, 0, 0, false), 12, later, &said),
	       -WIRE_FETCH_SESSION_ID_NOT_FOUND, "that was the unused one");
	run(c, ask((int32_t)b, 2, 0, 0, 0, false), 12, later + 5, &said);
	is_int(run(c, ask(0, 0, 0, 3, 0, false), 12, later + 6, &said), 0,
	       "an old one in use stays for an equal");
	ok(run(c, ask(0, 0, 0, 4, 0, false), 12, later + 7, &said) > 0, "a larger one takes its place");
	is_int(run(c, ask((int32_t)b, 3, 0, 0, 0, false), 12, later + 8, &said),
	       -WIRE_FETCH_SESSION_ID_NOT_FOUND, "so it is gone");
	is_int(run(c, ask((int32_t)d, 1, 0, 0, 0, false), 12, later + 8, &said), d,
	       "and the young one is not");
	fetch_sessions_free(c);
}

static void epochs_wrap(void)
{
	struct fetch_sessions *c = fetch_sessions_new(2);
	struct fetch_set *s;
	enum fetch_kind kind;
	int said;
	int64_t id = run(c, ask(0, 0, 0, 1, 0, false), 12, 0, &said);
	is_int(fetch_begin(c, ask((int32_t)id, 1, 0, 0, 0, false), 12, 0, &s, &kind), 0, "begin");
	s->epoch = INT32_MAX;
	is_int(run(c, ask((int32_t)id, INT32_MAX, 0, 0, 0, false), 12, 0, &said), id, "the last epoch");
	is_int(run(c, ask((int32_t)id, 1, 0, 0, 0, false), 12, 0, &said), id, "is followed by the first");
	fetch_set_drop(s);
	fetch_sessions_free(c);
}

int main(void)
{
	a_life();
	close_and_replace();
	what_is_remembered();
	eviction();
	epochs_wrap();
	return done_testing();
}
