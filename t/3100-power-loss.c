/* The power goes at a random moment of a script of operations on a log: what was synced and
 * acknowledged is there, nothing that is no whole batch is. SEEDS=n losses (2000), from SEED on;
 * SEED=s SEEDS=1 repeats one. */
#include "crash/script.h"
#include "crash/record.h"

enum { LOSSES_A_SCRIPT = 20, OPS = 70 };

static char root[] = "/dev/shm/odradek-loss.XXXXXX";

static void fresh(void)
{
	char command[100];
	if (script_fd >= 0)
		close(script_fd);
	snprintf(command, sizeof command, "rm -rf %s/log", root);
	if (system(command) != 0)
		abort();
	snprintf(command, sizeof command, "%s/log", root);
	if (mkdir(command, 0777) < 0 || (script_fd = open(command, O_RDONLY | O_DIRECTORY)) < 0)
		abort();
}

static void sweep(void)
{
	char command[100];
	snprintf(command, sizeof command, "rm -rf %s", root);
	if (!getenv("KEEP") && system(command) != 0)
		diag("cannot remove %s", root);
}

static bool record_script(uint64_t seed)
{
	int at;
	script_make(seed, OPS);
	fresh();
	record_begin(script_fd);
	int r = script_run(record_note, &at);
	record_end();
	return r == 0 || ok(0, "script %llu: operation %d (%s): %s", (unsigned long long)seed, at,
	                    at < 0 ? "open" : script_names[ops[at].kind], strerror(errno));
}

/* KEEP=1 leaves beside it what was there before the first opening. */
static void keep_copy(void)
{
	char command[200];
	snprintf(command, sizeof command, "rm -rf %s/lost; cp -r %s/log %s/lost", root, root, root);
	if (getenv("KEEP") && system(command) == 0)
		diag("%s", root);
}

static bool lose(uint64_t seed)
{
	tap_state = (seed + 7) * 0x9E3779B97F4A7C15 | 1;
	int cut = (int)tap_random((uint64_t)events_n + 1), k = record_noted(cut);
	fresh();
	record_lose(script_fd, cut);
	keep_copy();
	if (script_check(k) == 0)
		return true;
	return ok(0, "SEED=%llu: before event %d of %d, in operation %d (%s): %s",
	          (unsigned long long)seed, cut, events_n, k,
	          k < ops_n ? script_names[ops[k].kind] : "none", script_wrong);
}

int main(void)
{
	uint64_t seed = tap_seed(), script = UINT64_MAX;
	int seeds = getenv("SEEDS") ? atoi(getenv("SEEDS")) : 2000, i = 0;
	if (!mkdtemp(root))
		return 111;
	atexit(sweep);
	for (; i < seeds && tap_failures < 5; i++, seed++) {
		if (script != seed / LOSSES_A_SCRIPT && !record_script(script = seed / LOSSES_A_SCRIPT))
			break;
		lose(seed);
	}
	ok(i == seeds && !tap_failures, "the power went %d times", i);
	return done_testing();
}
