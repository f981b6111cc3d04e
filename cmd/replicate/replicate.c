/* replicate: makes partitions replicas of what their leaders have. Options, and the two ways to
 * run. */
#include "replicate.h"

#include <string.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "cli/words.h"
#include "net/net.h"

#define USAGE "replicate | replicate [-b brokers] [-f] [-o offset | -r dir] topic partition"
#define dieusage() strerr_dieusage(100, USAGE)

char const *PROG = "replicate";

int main(int argc, char const *const *argv)
{
	subgetopt l = SUBGETOPT_ZERO;
	struct copy o = {.from = -1};
	int64_t partition;
	if (argc == 1)
		return daemon_run();
	for (int opt; (opt = subgetopt_r(argc, argv, "b:fo:r:", &l)) != -1;)
		switch (opt) {
		case 'b': o.brokers = l.arg; break;
		case 'f': o.follow = true; break;
		case 'o':
			if (!cli_int(l.arg, 0, INT64_MAX, &o.from))
				dieusage();
			break;
		case 'r': o.behind = l.arg; break;
		default: dieusage();
		}
	if (argc - l.ind != 2 || (o.behind && o.from >= 0)
	    || strlen(argv[l.ind]) >= NET_TOPIC
	    || !cli_int(argv[l.ind + 1], 0, INT32_MAX, &partition))
		dieusage();
	o.topic = argv[l.ind];
	o.partition = (int32_t)partition;
	return copy_run(&o);
}
