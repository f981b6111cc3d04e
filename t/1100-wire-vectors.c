/* Bytes made by Apache Kafka's own classes, read and written again: the same bytes. What was read,
 * printed as JSON, says what Kafka's JSON of it says: so names and places are right. */
#include <errno.h>
#include <unistd.h>

#include "tap.h"
#include "wire.h"
#include "wire/type.h"

static const char compare[] =
	"import json, sys\n"
	"bad = n = 0\n"
	"for line in sys.stdin:\n"
	"    name, ours, theirs = line.split('\\t')\n"
	"    n += 1\n"
	"    if json.loads(ours) != json.loads(theirs):\n"
	"        bad += 1\n"
	"        print('#', name, ours, theirs, file=sys.stderr)\n"
	"sys.exit(bad > 0 or n < 1000)\n";

static const struct wire_type *type;
static int version, count, failures, pairs;

static void fail(const char *why, const struct vector *v)
{
	if (failures++ < 20)
		diag("%s %d: %s: %s", v->name, v->version, why, strerror(errno));
}

static void round_trip(const struct vector *v, struct arena *a, struct buf *b, FILE *json)
{
	void *m = arena_get(a, wire_type_size(v->type));
	errno = 0;
	if (wire_decode(v->type, v->version, v->p, v->n, a, m) != (int64_t)v->n) {
		fail("decode", v);
		return;
	}
	b->n = 0;
	if (wire_encode(v->type, v->version, m, b, 0) < 0 || b->n != v->n || memcmp(b->p, v->p, v->n))
		fail("encode", v);
	b->n = 0;
	if (wire_json(v->type, v->version, m, b) < 0 || b->n < 2 || memchr(b->p, '\n', b->n))
		fail("json", v);
	else if (*v->json)
		fprintf(json, "%s %d\t%.*s\t%s\n", v->name, v->version, (int)b->n, (char *)b->p, v->json);
}

/* One line of the test for each message and version. */
static void next(const struct vector *v)
{
	if (count && ++pairs)
		ok(!failures, "%s %d: %d instances", wire_type_name(type), version, count);
	count = failures = 0;
	if (v)
		type = v->type, version = v->version;
}

/* How many pairs of a message and a version there must be: those served, and all of no API. */
static int expected(void)
{
	int n = 0;
	for (const struct wire_type *const *t = wire_messages; *t; t++)
		n += (*t)->max - (*t)->min + 1;
	for (const struct wire_api *a = wire_apis; a < wire_apis + wire_apis_n; a++) {
		n -= a->request->max - a->request->min + 1 - (a->max - a->min + 1);
		n -= a->response->max - a->response->min + 1 - (a->max - a->min + 1);
	}
	return n;
}

static FILE *comparer(void)
{
	char command[sizeof compare + 32];
	snprintf(command, sizeof command, "python3 -c \"%s\"", compare);
	return popen(command, "w");
}

int main(void)
{
	struct vectors all;
	struct vector v;
	struct arena a = {0};
	struct buf b = {0};
	int r, total = 0;
	FILE *json = comparer();
	if (!json || vectors_open(&all) < 0) {
		perror("popen");
		return 111;
	}
	while ((r = vectors_next(&all, &v)) > 0) {
		if (v.type != type || v.version != version)
			next(&v);
		count++, total++;
		round_trip(&v, &a, &b, json);
		arena_reset(&a);
	}
	next(0);
	ok(r == 0, "every line names a message that there is");
	is_int(pairs, expected(), "every message and version is there, %d instances", total);
	ok(pclose(json) == 0, "JSON as Kafka's");
	vectors_close(&all);
	arena_free(&a);
	buf_free(&b);
	return done_testing();
}
