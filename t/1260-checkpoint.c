/* The small files of a log directory, and the frames of recode: written, read back, damaged. */
#include "logtest.h"

#include "log/checkpoint.h"
#include "log/cleanshutdown.h"
#include "log/metaproperties.h"
#include "log/partmeta.h"
#include "log/recode.h"

static void checkpoints(void)
{
	struct checkpoint c = {0}, again = {0};
	is_int(checkpoint_read(&c, tmp_fd, CHECKPOINT_LOG_START), 0, "a missing one");
	is_int(c.n, 0, "is empty");
	is_int(checkpoint_set(&c, "a-b.c_d-12", 7), 0, "set");
	is_int(checkpoint_set(&c, "x-0", INT64_MAX), 0, "set");
	is_int(checkpoint_set(&c, "a-b.c_d-12", 8), 0, "replace");
	is_int(checkpoint_set(&c, "nodash", 1), -1, "no partition");
	is_int(checkpoint_set(&c, "-1", 1), -1, "no topic");
	is_int(checkpoint_set(&c, "x-99999999999", 1), -1, "no such partition");
	is_int(checkpoint_set(&c, "x-1", -1), -1, "a negative offset");
	is_int(checkpoint_write(&c, tmp_fd, CHECKPOINT_LOG_START), 0, "write");
	is_int(checkpoint_read(&again, tmp_fd, CHECKPOINT_LOG_START), 0, "read");
	is_int(again.n, 2, "two");
	is_int(checkpoint_get(&again, "a-b.c_d-12", -1), 8, "the later value");
	is_int(checkpoint_get(&again, "x-0", -1), INT64_MAX, "the other");
	is_int(checkpoint_get(&again, "y-0", -5), -5, "one that is not there");
	is_str(again.v[0]->name, "a-b.c_d-12", "in order");
	checkpoint_free(&c);
	checkpoint_free(&again);
}

static void damaged_checkpoints(void)
{
	static const struct {
		const char *text, *name;
		int want;
	} cases[] = {
		{"", "empty", 0}, {"0\n", "only a version", 0}, {"0\n0\n", "no lines", 0},
		{"0\n1\nt 0 5\n", "one", 0}, {"0\n1\nt 0 5", "no newline at the end", -1},
		{"1\n0\n", "another version", -1}, {"0\n2\nt 0 5\n", "a line short", -1},
		{"0\n0\nt 0 5\n", "a line more", -1}, {"0\n1\nt 0\n", "a word short", -1},
		{"0\n1\nt 0 5 6\n", "a word more", -1}, {"0\n1\nt x 5\n", "no number", -1},
		{"0\n1\nt 0 -5\n", "a negative offset", -1}, {"0\nx\n", "no count", -1},
		{"0\n1\nt 0 99999999999999999999\n", "a number too large", -1},
		{"0\n999999999\nt 0 5\n", "a count that is claimed", -1}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct checkpoint c = {0};
		is_int(checkpoint_parse(&c, cases[i].text, strlen(cases[i].text)), cases[i].want, "%s",
		       cases[i].name);
		checkpoint_free(&c);
	}
}

static void meta_properties(void)
{
	struct metaproperties m = {.version = 1, .cluster_id = "cluster-1", .node_id = 7}, got;
	static const char java[] = "#\n#Tue Nov 24 2026\ncluster.id = abc\r\n node.id=3\nversion=1\n"
	                           "directory.id=nr4epnUN61sW1Wi3a2XKXw\nother=1";
	static const char old[] = "version=0\nbroker.id=5\n";
	is_int(metaproperties_read(&got, tmp_fd), -1, "missing");
	is_int(errno, ENOENT, "says so");
	uuid_random(&m.directory_id);
	is_int(metaproperties_write(&m, tmp_fd), 0, "write");
	is_int(metaproperties_read(&got, tmp_fd), 0, "read");
	ok(!strcmp(got.cluster_id, "cluster-1") && got.node_id == 7 && got.version == 1 &&
	   uuid_same(&got.directory_id, &m.directory_id), "the same");
	is_int(metaproperties_parse(&got, java, sizeof java - 1), 0, "as Java writes it");
	ok(!strcmp(got.cluster_id, "abc") && got.node_id == 3, "its values");
	is_int(metaproperties_parse(&got, old, sizeof old - 1), 0, "version 0");
	ok(got.node_id == 5 && got.version == 0, "its broker.id");
	is_int(metaproperties_parse(&got, "node.id=x\n", 10), -1, "no number");
	is_int(metaproperties_parse(&got, "version=2\n", 10), -1, "version 2");
}

static void clean_shutdown(void)
{
	int64_t epoch;
	is_int(cleanshutdown_read(tmp_fd, &epoch), 0, "not there");
	is_int(cleanshutdown_write(tmp_fd, 42), 0, "write");
	is_int(cleanshutdown_read(tmp_fd, &epoch), 1, "there");
	is_int(epoch, 42, "broker epoch");
	is_int(cleanshutdown_remove(tmp_fd), 0, "remove");
	is_int(cleanshutdown_remove(tmp_fd), 0, "again");
	is_int(cleanshutdown_read(tmp_fd, &epoch), 0, "gone");
	cleanshutdown_parse("", 0, &epoch);
	is_int(epoch, -1, "an empty one says nothing");
}

static void recode_frames(void)
{
	struct buf b = {0};
	struct log_rules rules = {.compact = true, .before_max_ms = 5, .after_max_ms = 6, .codec = -1};
	struct recode_request q, got;
	struct recode_answer a = {.offset = 9, .timestamp = 8, .batch = "xyz", .batch_n = 3}, ga;
	recode_check(&q, &rules, 1000, "batch", 5);
	is_int(recode_put_request(&b, &q), 0, "put a request");
	for (size_t n = 0; n < b.n; n++)
		if (recode_get_request(&got, b.p, n) != 0)
			ok(0, "a request cut at %zu", n);
	is_int(recode_get_request(&got, b.p, b.n), (long long)b.n, "get it");
	ok(got.kind == RECODE_CHECK && got.codec == RECODE_AS_IT_CAME && got.flags == RECODE_COMPACT &&
	   got.now_ms == 1000 && got.before_max_ms == 5 && got.after_max_ms == 6, "its rules");
	is_mem(got.batch, got.batch_n, "batch", 5, "its batch");
	b.n = 0;
	a.verdict = (struct log_verdict){.error = 87, .message = "no", .bad_n = 2};
	a.verdict.bad[1] = (struct log_record_error){4, "why"};
	is_int(recode_put_answer(&b, &a), 0, "put an answer");
	for (size_t n = 0; n < b.n; n++)
		if (recode_get_answer(&ga, b.p, n) != 0)
			ok(0, "an answer cut at %zu", n);
	is_int(recode_get_answer(&ga, b.p, b.n), (long long)b.n, "get it");
	ok(ga.verdict.error == 87 && ga.offset == 9 && ga.timestamp == 8 && ga.verdict.bad_n == 2 &&
	   ga.verdict.bad[1].index == 4, "its numbers");
	is_str(ga.verdict.message, "no", "its message");
	is_str(ga.verdict.bad[1].message, "why", "its record's");
	ok(!ga.verdict.bad[0].message, "none is none");
	is_mem(ga.batch, ga.batch_n, "xyz", 3, "its batch");
	b.p[0] = 0xff;
	is_int(recode_get_answer(&ga, b.p, b.n), -1, "a negative length");
	buf_free(&b);
}

int main(void)
{
	tmp_make("1260-checkpoint");
	checkpoints();
	damaged_checkpoints();
	meta_properties();
	clean_shutdown();
	recode_frames();
	return done_testing();
}
