/* Committed offsets as steps: commit, fetch, delete, expiry, transactions, deleted topics. */
#include <malloc.h>

#include "../cmd/groupcoord/offsets.h"
#include "groups.h"
#include "meta/record.h"

enum { DAY = 86400000 };

static struct world w;
static size_t settled;
static int asked_again;
static struct meta_image *image = &w.image;

/* The last answer, one line: offsets as partition=offset/error. */
static char said[512];

static void say_commit(const struct offset_commit_response *r)
{
	for (int i = 0; i < r->topics_n; i++)
		for (int k = 0; k < r->topics[i].partitions_n; k++)
			snprintf(said + strlen(said), sizeof said - strlen(said), "%s%d=%s",
				 *said ? " " : "", r->topics[i].partitions[k].partition_index,
				 wire_error_name(r->topics[i].partitions[k].error_code));
}

static void say_fetch(const struct offset_fetch_response_offset_fetch_response_group *g)
{
	if (g->error_code)
		snprintf(said, sizeof said, "%s", wire_error_name(g->error_code));
	for (int i = 0; i < g->topics_n; i++)
		for (int k = 0; k < g->topics[i].partitions_n; k++) {
			const struct offset_fetch_response_offset_fetch_response_partitions *p =
				&g->topics[i].partitions[k];
			snprintf(said + strlen(said), sizeof said - strlen(said),
				 "%s%d=%lld%s%.*s", *said ? " " : "", p->partition_index,
				 (long long)p->committed_offset,
				 p->error_code ? wire_error_name(p->error_code) : "",
				 p->metadata.n, p->metadata.p);
		}
}

static void on_answer(struct world *world, const struct asker *to, const struct wire_type *t,
		      const void *r)
{
	*said = 0;
	if (to->key == 8) {
		say_commit(r);
	} else if (to->key == 9) {
		say_fetch(((const struct offset_fetch_response *)r)->groups);
	} else if (to->key == 42) {
		const struct delete_groups_response *d = r;
		snprintf(said, sizeof said, "%s", wire_error_name(d->results[0].error_code));
	} else if (to->key == 47) {
		const struct offset_delete_response *d = r;
		snprintf(said, sizeof said, "%s", wire_error_name(d->error_code));
	} else if (to->key == 16) {
		const struct list_groups_response *l = r;
		for (int i = 0; i < l->groups_n; i++)
			snprintf(said + strlen(said), sizeof said - strlen(said), "%s%.*s %.*s",
				 i ? ", " : "", l->groups[i].group_id.n, l->groups[i].group_id.p,
				 l->groups[i].group_state.n, l->groups[i].group_state.p);
	}
}

static void on_answer_many(void *ctx, const struct asker *to, const int32_t *partitions, int n,
			   const struct wire_type *t, const void *response)
{
	on_answer(ctx, to, t, response);
}

static void on_again(void *ctx, const struct asker *who, const int32_t *partitions, int n)
{
	asked_again++;
}

static struct step_ops ops;

static void replayed(size_t i, struct replayed *r, int64_t producer)
{
	const struct kept_record *k = &w.log[i];
	struct span key = { (char *)k->key.p, (int32_t)k->key.n };
	struct span value = { (char *)k->value.p, (int32_t)k->value.n };
	*r = (struct replayed){ .offset = (int64_t)i, .producer_id = producer };
	if (record_decode(r, key, k->tombstone ? SPAN_NULL : value, &w.arena) != 0)
		abort();
}

/* What was recorded comes to its end, as a batch does. */
static void settle(bool committed)
{
	struct replayed r;
	for (; settled < w.log_n; settled++) {
		if (w.log[settled].type != RECORD_OFFSET_COMMIT)
			continue;
		replayed(settled, &r, -1);
		offsets_settled(&w.groups, PARTITION, &r, committed);
	}
	arena_reset(&w.arena);
}

static void add_topic(const char *name, int n, uint8_t id)
{
	struct topic_record t;
	struct partition_record p;
	struct buf b = { 0 };
	int32_t self = 1;
	wire_init(&wire_topic_record, &t);
	t.name = span_of(name);
	t.topic_id.b[0] = id;
	meta_record_encode(&b, META_TOPIC_RECORD, 0, &t);
	meta_apply(image, (struct span){ (char *)b.p, (int32_t)b.n }, 0, 0);
	for (int i = 0; i < n; i++) {
		b.n = 0;
		wire_init(&wire_partition_record, &p);
		p.partition_id = i;
		p.topic_id = t.topic_id;
		p.replicas = p.isr = &self;
		p.replicas_n = p.isr_n = 1;
		p.leader = 1;
		meta_record_encode(&b, META_PARTITION, 0, &p);
		meta_apply(image, (struct span){ (char *)b.p, (int32_t)b.n }, 0, 0);
	}
	buf_free(&b);
}

static void remove_topic(uint8_t id)
{
	struct remove_topic_record r;
	struct buf b = { 0 };
	wire_init(&wire_remove_topic_record, &r);
	r.topic_id.b[0] = id;
	meta_record_encode(&b, META_REMOVE_TOPIC, 0, &r);
	meta_apply(image, (struct span){ (char *)b.p, (int32_t)b.n }, 0, 0);
	buf_free(&b);
}

static const char *commit(const char *group, const char *topic, int partition, int64_t offset,
			  const char *metadata, int generation, const char *member, int version)
{
	struct offset_commit_request in;
	struct offset_commit_request_offset_commit_request_topic t;
	struct offset_commit_request_offset_commit_request_partition p;
	struct asker who = { .key = 8, .version = (int16_t)version };
	wire_init(&wire_offset_commit_request, &in);
	wire_init(&wire_offset_commit_request_offset_commit_request_topic, &t);
	wire_init(&wire_offset_commit_request_offset_commit_request_partition, &p);
	p.partition_index = partition;
	p.committed_offset = offset;
	p.committed_metadata = span_of(metadata);
	t.name = span_of(topic);
	t.partitions = &p;
	in.topics = &t;
	in.topics_n = t.partitions_n = 1;
	in.group_id = span_of(group);
	in.generation_id_or_member_epoch = generation;
	in.member_id = span_of(member);
	strcpy(said, "no answer");
	world_run(&w, offset_commit, &who, &in);
	return said;
}

static const char *simply(const char *group, int partition, int64_t offset)
{
	return commit(group, "t", partition, offset, "", -1, "", 9);
}

/* All offsets of a group. */
static const char *fetch(const char *group, bool stable)
{
	struct offset_fetch_request in;
	struct offset_fetch_request_offset_fetch_request_group g;
	struct asker who = { .key = 9, .version = 9 };
	wire_init(&wire_offset_fetch_request, &in);
	wire_init(&wire_offset_fetch_request_offset_fetch_request_group, &g);
	g.group_id = span_of(group);
	g.topics_n = -1;
	in.groups = &g;
	in.groups_n = 1;
	in.require_stable = stable;
	strcpy(said, "no answer");
	world_run(&w, offset_fetch, &who, &in);
	return said;
}

static const char *delete_group(const char *group)
{
	struct span id = span_of(group);
	struct delete_groups_request in = { .groups_names = &id, .groups_names_n = 1 };
	struct asker who = { .key = 42, .version = 2 };
	strcpy(said, "no answer");
	world_run(&w, groups_delete, &who, &in);
	return said;
}

static const char *delete_offset(const char *group, int partition)
{
	struct offset_delete_request_offset_delete_request_partition p = { partition };
	struct offset_delete_request_offset_delete_request_topic t = {
		.name = { "t", 1 }, .partitions = &p, .partitions_n = 1,
	};
	struct offset_delete_request in = {
		.group_id = span_of(group), .topics = &t, .topics_n = 1,
	};
	struct asker who = { .key = 47 };
	strcpy(said, "no answer");
	world_run(&w, offset_delete, &who, &in);
	return said;
}

static const char *list(const char *state)
{
	struct span filter = span_of(state);
	struct list_groups_request in = { .states_filter = &filter, .states_filter_n = !!*state };
	struct asker who = { .key = 16, .version = 5 };
	world_run(&w, groups_list, &who, &in);
	return said;
}

static void begin(void)
{
	world_init(&w);
	ops = world_ops;
	ops.again = on_again;
	ops.answer_many = on_answer_many;
	w.step.ops = &ops;
	w.answer = on_answer;
	w.settings.offsets_retention = 7 * (int64_t)DAY;
	w.settings.offsets_check_interval = 600000;
	meta_image_init(image);
	add_topic("t", 3, 1);
	add_topic("u", 1, 2);
	settled = 0;
	asked_again = 0;
	groups_loaded(&w.groups, &w.step, PARTITION);
}

static void end(void)
{
	world_free(&w);
	meta_image_free(image);
}

static void test_commit(void)
{
	begin();
	is_str(simply("g", 0, 5), "0=NONE", "a commit without a group makes one");
	fetch("g", false);
	is_int(asked_again, 1, "who asks meanwhile is asked again");
	w.step.second = true;
	is_str(fetch("g", false), "", "and sees only what is committed");
	settle(true);
	w.step.second = false;
	is_str(fetch("g", false), "0=5", "now it is");
	simply("g", 0, 6);
	settle(false);
	is_str(fetch("g", false), "0=5", "one that failed changes nothing");
	simply("g2", 0, 6);
	settle(false);
	is_int(w.groups.by_id.n, 1, "nor does it leave a group");
	is_str(simply("g", 3, 1), "3=UNKNOWN_TOPIC_OR_PARTITION", "no such partition");
	is_str(commit("g", "v", 0, 1, "", -1, "", 9), "0=UNKNOWN_TOPIC_OR_PARTITION", "no topic");
	is_str(commit("g", "t", 0, 1, "", 3, "m", 9), "0=UNKNOWN_MEMBER_ID", "no such member");
	is_str(commit("x", "t", 0, 1, "", 3, "m", 9), "0=GROUP_ID_NOT_FOUND", "no such group");
	is_str(commit("x", "t", 0, 1, "", 3, "m", 8), "0=ILLEGAL_GENERATION", "before version 9");
	char big[4098];
	memset(big, 'x', sizeof big);
	big[4097] = 0;
	is_str(commit("g", "t", 0, 1, big, -1, "", 9), "0=OFFSET_METADATA_TOO_LARGE", "metadata");
	big[4096] = 0;
	is_str(commit("g", "t", 0, 1, big, -1, "", 9), "0=NONE", "as long as may be");
	settle(true);
	simply("g", 2, 9);
	commit("g", "t", 1, 7, "here", -1, "", 9);
	commit("g", "t", 0, 1, "", -1, "", 9);
	settle(true);
	is_str(fetch("g", false), "0=1 1=7here 2=9", "three partitions in order");
	is_str(list(""), "g Empty", "the group is listed");
	is_str(list("stable"), "", "but not as stable");
	is_str(list(" EMPTY "), "g Empty", "a filter is any case");
	end();
}

static void test_delete(void)
{
	begin();
	simply("g", 0, 1);
	simply("g", 1, 2);
	is_str(delete_group("g"), "no answer", "a delete waits for commits under way");
	is_str(simply("g", 2, 3), "no answer", "and commits wait for it");
	settle(true);
	is_str(delete_offset("g", 1), "NONE", "an offset is deleted");
	settle(true);
	is_str(fetch("g", false), "0=1", "and gone");
	is_str(delete_group("g"), "NONE", "the group is deleted");
	settle(true);
	is_int(w.groups.by_id.n, 0, "nothing is left");
	is_int(w.groups.topics.n, 0, "no names either");
	is_str(delete_group("g"), "GROUP_ID_NOT_FOUND", "it is not there");
	is_str(delete_offset("g", 0), "GROUP_ID_NOT_FOUND", "nor are its offsets");
	simply("g", 0, 9);
	settle(true);
	is_str(fetch("g", false), "0=9", "it begins anew");
	end();
}

static void test_expiry(void)
{
	begin();
	simply("old", 0, 1);
	settle(true);
	world_sleep(&w, 6 * (int64_t)DAY);
	simply("young", 0, 2);
	simply("old", 1, 3);
	settle(true);
	world_sleep(&w, DAY + 700000);
	settle(true);
	is_str(fetch("old", false), "1=3", "what is older than the retention goes");
	is_str(fetch("young", false), "0=2", "what is not stays");
	world_sleep(&w, 7 * (int64_t)DAY);
	simply("young", 0, 3);
	world_sleep(&w, 600000);
	settle(true);
	is_str(fetch("young", false), "0=3", "a commit under way keeps its group");
	is_int(w.groups.by_id.n, 1, "a group without offsets goes with them");
	end();
}

static void test_topics(void)
{
	begin();
	simply("g", 0, 1);
	commit("g", "u", 0, 4, "", -1, "", 9);
	settle(true);
	groups_image_changed(&w.groups, &w.step);
	settle(true);
	is_str(fetch("g", false), "0=1 0=4", "offsets of two topics");
	remove_topic(2);
	groups_image_changed(&w.groups, &w.step);
	settle(true);
	is_str(fetch("g", false), "0=1", "a topic that is deleted takes its offsets along");
	remove_topic(1);
	add_topic("t", 3, 3);
	groups_image_changed(&w.groups, &w.step);
	settle(true);
	is_int(w.groups.by_id.n, 0, "also when another takes its name at once");
	end();
}

/* Records of transactions as they are read while loading. */
static void test_transactions(void)
{
	struct replayed r;
	begin();
	simply("g", 0, 1);
	simply("g", 0, 2);
	simply("g", 1, 3);
	for (size_t i = 0; i < 3; i++) {
		replayed(i, &r, i == 0 ? -1 : 77);
		offsets_replay(&w.groups, PARTITION, &r);
	}
	arena_reset(&w.arena);
	w.step.second = true;
	is_str(fetch("g", false), "0=1", "an open transaction's offsets are not seen");
	is_str(fetch("g", true), "0=-1UNSTABLE_OFFSET_COMMIT", "and make others unstable");
	offsets_marker(&w.groups, PARTITION + 1, 77, true);
	offsets_marker(&w.groups, PARTITION, 78, true);
	is_str(fetch("g", true), "0=-1UNSTABLE_OFFSET_COMMIT", "markers of others end others");
	offsets_marker(&w.groups, PARTITION, 77, false);
	is_str(fetch("g", true), "0=1", "aborted: they were never there");
	for (size_t i = 1; i < 3; i++) {
		replayed(i, &r, 77);
		offsets_replay(&w.groups, PARTITION, &r);
	}
	offsets_marker(&w.groups, PARTITION, 77, true);
	is_str(fetch("g", true), "0=2 1=3", "committed: now they are");
	replayed(1, &r, 79);
	offsets_replay(&w.groups, PARTITION, &r);
	replayed(0, &r, -1);
	r.offset = 50;
	offsets_replay(&w.groups, PARTITION, &r);
	offsets_marker(&w.groups, PARTITION, 79, true);
	is_str(fetch("g", true), "0=1 1=3", "what was committed since stays");
	is_int(w.groups.transactions.n, 0, "no transaction is left");
	end();
}

/* What is kept for a group with one offset, of a long name. */
static void test_memory(void)
{
	enum { GROUPS = 20000 };
	char name[64];
	begin();
	struct mallinfo2 before = mallinfo2();
	for (int i = 0; i < GROUPS; i++) {
		struct offset_commit_key k = { .topic = { "t", 1 } };
		struct offset_commit_value v = { .offset = i, .metadata = { "", 0 } };
		struct replayed r = { .type = RECORD_OFFSET_COMMIT, .key = &k, .value = &v,
				      .producer_id = -1 };
		snprintf(name, sizeof name, "a-group-with-a-name-of-some-length-%d", i);
		k.group = span_of(name);
		offsets_replay(&w.groups, PARTITION, &r);
	}
	struct mallinfo2 after = mallinfo2();
	size_t each = (after.uordblks + after.hblkhd - before.uordblks - before.hblkhd) / GROUPS;
	ok(w.groups.by_id.n == GROUPS && each < 600, "%zu bytes a group", each);
	end();
}

int main(void)
{
	test_commit();
	test_delete();
	test_expiry();
	test_topics();
	test_transactions();
	test_memory();
	return done_testing();
}
