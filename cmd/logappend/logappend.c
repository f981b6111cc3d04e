/* logappend: the only program that writes partitions. Options and the two ways to run. */
#include "logappend.h"

#include "daemon.h"

#include <stdlib.h>
#include <string.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#define USAGE "logappend | logappend -d DIR [-f] [-0] [-k SEPARATOR] [-c NAME=VALUE] [-v]"
#define dieusage() strerr_dieusage(100, USAGE)

char const *PROG = "logappend";

static int64_t number_after(const char *arg, const char *name, int64_t min, int64_t max)
{
	char *end;
	long long v = strtoll(arg + strlen(name), &end, 10);
	if (*end || v < min || v > max)
		strerr_dief(100, "-c ", arg, ": not a number in range");
	return v;
}

/* The topic configs that shape files, by Kafka's names. */
static void configure(struct log_config *c, const char *arg)
{
	static const struct {
		const char *name;
		int64_t min, max;
	} known[] = {{"segment.bytes=", 1024, INT32_MAX}, {"segment.ms=", 1, INT64_MAX},
	             {"index.interval.bytes=", 0, INT32_MAX}, {"segment.index.bytes=", 24, INT32_MAX}};
	for (unsigned i = 0; i < sizeof known / sizeof *known; i++) {
		if (strncmp(arg, known[i].name, strlen(known[i].name)))
			continue;
		int64_t v = number_after(arg, known[i].name, known[i].min, known[i].max);
		switch (i) {
		case 0: c->segment_bytes = v; break;
		case 1: c->segment_ms = v; break;
		case 2: c->index_interval_bytes = (int32_t)v; break;
		case 3: c->segment_index_bytes = (int32_t)v; break;
		}
		return;
	}
	strerr_dief(100, "-c ", arg, ": unknown");
}

int main(int argc, char const *const *argv)
{
	subgetopt l = SUBGETOPT_ZERO;
	struct standalone o = {.end = '\n'};
	if (argc == 1)
		return daemon_run();
	log_config_default(&o.config);
	for (int opt; (opt = subgetopt_r(argc, argv, "d:f0k:c:v", &l)) != -1;)
		switch (opt) {
		case 'd': o.dir = l.arg; break;
		case 'f': o.follow = true; break;
		case '0': o.end = 0; break;
		case 'k': o.separator = l.arg; break;
		case 'c': configure(&o.config, l.arg); break;
		case 'v': o.verbose = true; break;
		default: dieusage();
		}
	if (argc > l.ind || !o.dir || (o.follow && (o.separator || !o.end)) ||
	    (o.separator && !*o.separator))
		dieusage();
	return standalone(&o);
}
