/* lib/cli: rows in all styles, JSON strings, escapes, numbers, Kafka's errors in words. */
#include <stdlib.h>

#include "cli/table.h"
#include "cli/text.h"
#include "cli/words.h"
#include "tap.h"

static void rows(enum table_style style, const char *want, const char *what)
{
	static const char *const columns[] = {"name", "n", "ids", "ok", NULL};
	struct table t;
	table_begin(&t, style, columns);
	table_z(&t, "a\tb");
	table_int(&t, -5);
	table_ids(&t, (int32_t[]){1, 2}, 2);
	table_bool(&t, true);
	table_text(&t, SPAN_NULL);
	table_intnull(&t, -1);
	table_ids(&t, NULL, 0);
	table_real(&t, 1.25, 1);
	is_int(table_end(&t), 0, what);
	buf_add8(&t.out, 0);
	is_str((const char *)t.out.p, want, what);
	buf_free(&t.out);
}

static void json(const char *p, int32_t n, const char *want)
{
	struct buf b = {0};
	json_text(&b, (struct span){p, n});
	buf_add8(&b, 0);
	is_str((const char *)b.p, want, "JSON");
	buf_free(&b);
}

static void escape(const char *z, const char *want, size_t n)
{
	struct buf b = {0};
	cli_unescape(&b, z);
	is_mem(b.p, b.n, want, n, z);
	buf_free(&b);
}

int main(void)
{
	int64_t v = 0;
	struct buf b = {0};
	rows(TABLE_TSV, "a\\tb\t-5\t1,2\ttrue\n-\t-\t-\t1.2\n", "TSV");
	rows(TABLE_TSV_HEAD, "NAME\tN\tIDS\tOK\na\\tb\t-5\t1,2\ttrue\n-\t-\t-\t1.2\n",
	     "with a header");
	rows(TABLE_ALIGNED, "NAME  N   IDS  OK\na\\tb  -5  1,2  true\n-     -   -    1.2\n",
	     "aligned");
	rows(TABLE_JSON,
	     "{\"name\":\"a\\tb\",\"n\":-5,\"ids\":[1,2],\"ok\":true}\n"
	     "{\"name\":null,\"n\":null,\"ids\":[],\"ok\":1.2}\n",
	     "JSON lines");
	json("a\"\\\n\x01/", 6, "\"a\\\"\\\\\\n\\u0001/\"");
	json("\0x", 2, "\"\\u0000x\"");
	json("h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10,
	     "\"h\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
	json("\xff\xc0\x80\xe2\x82", 5, "\"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"");
	json("\xed\xa0\x80", 3, "\"\\ufffd\\ufffd\\ufffd\"");
	json(NULL, -1, "\"\"");
	escape("a\\n\\t\\r\\\\", "a\n\t\r\\", 5);
	escape("\\x41\\x0\\101\\0", "A\0A\0", 4);
	escape("\\q\\", "\\q\\", 3);
	ok(cli_int("12", 0, 12, &v) && v == 12, "a number");
	ok(cli_int("-9223372036854775808", INT64_MIN, 0, &v) && v == INT64_MIN, "the smallest");
	ok(!cli_int("", 0, 1, &v) && !cli_int("1x", 0, 1, &v) && !cli_int(" 1", 0, 1, &v), "none");
	ok(!cli_int("+1", 0, 1, &v) && !cli_int("2", 0, 1, &v), "out of range");
	ok(!cli_int("9223372036854775808", 0, INT64_MAX, &v), "too large");
	is_str(cli_kafka_words(&b, "make orders", 19, span_of("2 of 3\nnodes up")),
	       "make orders: NOT_ENOUGH_REPLICAS: 2 of 3 nodes up", "Kafka's error");
	is_str(cli_kafka_words(&b, "x", 3, SPAN_NULL),
	       "x: UNKNOWN_TOPIC_OR_PARTITION: This server does not host this topic-partition.",
	       "with its default words");
	setenv("ODRADEK_BROKERS", "here:1", 1);
	is_str(cli_brokers(NULL), "here:1", "brokers from the environment");
	is_str(cli_brokers("there:2"), "there:2", "and as given");
	unsetenv("ODRADEK_BROKERS");
	is_str(cli_brokers(NULL), "127.0.0.1:9092", "and by default");
	buf_free(&b);
	return done_testing();
}
