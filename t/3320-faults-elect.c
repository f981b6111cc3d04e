/* System calls and malloc of elect fail, at the first, second, ... time, once and for ever: what it
 * answered is there afterwards, a failed sync ends it with 102, a full disk is an error that is
 * tried again and passes by itself. MOST=n for how many times of each. */
#include "elect.h"

enum { PORT = 20590, PARTITIONS_MANY = 10000 };

static int most = 2, topics, tried, fired_n;
static bool acked[20000];

static void fault(const char *text, const char *while_file)
{
	char shim[PATH_MAX + 32];

	snprintf(shim, sizeof shim, "%s/build/crash/shim-fault.so", elect_top);
	if (text) {
		setenv("LD_PRELOAD", shim, 1);
		setenv("FAULT", text, 1);
		setenv("FAULT_PROGRAM", "elect", 1);
		setenv("FAULT_FIRED", "fired", 1);
	} else {
		unsetenv("LD_PRELOAD");
	}
	if (while_file)
		setenv("FAULT_WHILE", while_file, 1);
	else
		unsetenv("FAULT_WHILE");
}

static bool ended(void *arg)
{
	return waitpid(elect_pid, arg, WNOHANG) == elect_pid;
}

/* It makes topics: it has registered the broker, and heard of the programs that hold its leases. */
static bool serves(int *status)
{
	int64_t until = port_now_ms() + 30000;

	while (port_now_ms() < until && !(status && ended(status)))
		if (elect_create("probe", 1, 1, true) == 0)
			return true;
	return false;
}

static const char *name_of(int i)
{
	static char name[32];

	snprintf(name, sizeof name, "f.%d", i);
	return name;
}

static bool all_there(void *arg)
{
	for (int i = 0; i < topics; i++)
		if (acked[i] && !meta_topic_named(arg, span_of(name_of(i))))
			return false;
	return true;
}

/* What the log says to one who reads it from its beginning. */
static bool kept(void)
{
	static const struct meta_follow_ops ops;
	struct meta_follow *anew = meta_follow_new(elect_loop, "run/elect", "test", &ops, NULL);
	bool good = elect_until(all_there, meta_follow_image(anew), 60000);

	if (!good)
		diag("an acknowledged topic is missing");
	return good;
}

/* Its wait status: it ends by itself, or is told to. */
static int end(int status)
{
	int64_t until = port_now_ms() + 30000;

	if (elect_pid && status < 0)
		kill(elect_pid, SIGTERM);
	while (elect_pid && status < 0 && port_now_ms() < until)
		if (waitpid(elect_pid, &status, WNOHANG) == 0)
			poll(0, 0, 2);
	elect_pid = 0;
	elect_until(elect_is_down, NULL, 5000);
	return status;
}

static bool sound(const char *what, int status)
{
	bool is_sync = strstr(what, "fsync") || strstr(what, "fdatasync"), good;
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);

	if (is_sync && !strstr(what, "EINTR"))
		good = code == 102;
	else if (strstr(what, "EINTR") || strstr(what, "short"))
		good = code == 0;
	else if (strstr(what, "malloc"))
		good = code == 0 || code == 111 || code == -SIGABRT;
	else
		good = code == 0 || code == 111;
	if (!good)
		diag("%s: exit %d", what, code);
	return good;
}

/* One life under the fault, one without. false: nothing failed in the first. */
static bool try(const char *what, bool *good)
{
	int status = -1;

	unlink("fired");
	fault(what, NULL);
	if (!elect_spawn()) {
		waitpid(elect_pid, &status, 0);
		elect_pid = 0;
	} else if (serves(&status)) {
		for (int i = 0; status < 0 && i < 2; i++) {
			acked[topics] = elect_create(name_of(topics), 2, 1, false) == 0;
			topics++;
			ended(&status);
		}
	}
	status = end(status);
	fault(NULL, NULL);
	if (access("fired", F_OK) < 0)
		return false;
	*good &= sound(what, status);
	must(elect_spawn(), "a start without faults");
	*good &= serves(NULL) && kept();
	acked[topics] = elect_create(name_of(topics), 1, 1, false) == 0;
	if (!acked[topics])
		diag("%s: it does not go on", what), *good = false;
	topics++;
	*good &= end(-1) == 0;
	return true;
}

static void test_calls(const char *call, const char *errors[])
{
	bool good = true, memory = !strcmp(call, "malloc");
	int met = 0;

	for (int i = 0; errors[i]; i++)
		for (int n = 1; n <= (memory ? 100 * most : most); n += memory ? 17 : 1) {
			char what[64];

			snprintf(what, sizeof what, "%s:%d:%s", call, n, errors[i]);
			if (strchr(errors[i], ':'))
				snprintf(what, sizeof what, "%s:%d:%.*s:ever", call, n,
					 (int)strcspn(errors[i], ":"), errors[i]);
			tried++;
			if (!try(what, &good))
				break;
			met++;
		}
	fired_n += met;
	ok(good, "%s failed %d times: nothing acknowledged is lost", call, met);
}

/* A full disk while it serves. */
static void test_full(const char *error)
{
	char what[64];
	int status = -1;
	pid_t pid;

	snprintf(what, sizeof what, "pwritev:1:%s:ever", error);
	fault(what, "full");
	must(elect_spawn() && serves(NULL), "a start");
	fault(NULL, NULL);
	pid = elect_pid;
	write_file("full", "");
	for (int i = 0; i < 3; i++)
		is_int(elect_create("full", 2, 1, false), WIRE_KAFKA_STORAGE_ERROR,
		       "%s: a change is refused, to be tried again", error);
	is_int(elect_create("full", 2, 1, true), 0, "what changes nothing is not");
	ok(kept() && elect_is_unfenced(NULL), "it is read, and the node serves");
	unlink("full");
	is_int(elect_create("full", 2, 1, false), 0, "with room it goes on");
	ok(elect_pid == pid && !ended(&status), "by itself");
	must(end(-1) == 0 && elect_spawn() && serves(NULL), "again");
	is_int(elect_create("full", 2, 1, false), WIRE_TOPIC_ALREADY_EXISTS, "it is there");
	ok(kept(), "as is the rest");
	end(-1);
}

static bool many(void *arg)
{
	struct meta_topic *t = meta_topic_named(arg, span_of("many"));

	return t && t->partitions_n == PARTITIONS_MANY;
}

/* The second batch of a change that takes several finds no room. */
static void test_full_transaction(void)
{
	fault("pwritev:2:ENOSPC", "full");
	must(elect_spawn() && serves(NULL), "a start");
	fault(NULL, NULL);
	write_file("full", "");
	is_int(elect_create("many", PARTITIONS_MANY, 1, false), WIRE_KAFKA_STORAGE_ERROR,
	       "a change of several batches that finds no room in its middle");
	ok(!meta_topic_named(meta_follow_image(elect_serve_follow), span_of("many")),
	   "nothing of it is there");
	is_int(elect_create("few", 2, 1, false), 0, "the next change");
	is_int(elect_create("many", PARTITIONS_MANY, 1, false), 0, "the same again");
	ok(elect_until(many, meta_follow_image(elect_serve_follow), 5000), "all of it is there");
	must(end(-1) == 0 && elect_spawn() && serves(NULL), "again");
	ok(kept() && many(meta_follow_image(elect_serve_follow)), "and after a start");
	unlink("full");
	end(-1);
}

int main(void)
{
	static const char *sync_errors[] = { "EIO", "ENOSPC", NULL },
			  *write_errors[] = { "EIO", "ENOSPC", "EDQUOT:", "EINTR", "short", NULL },
			  *other_errors[] = { "EIO", "ENOSPC:", NULL },
			  *memory[] = { "ENOMEM", NULL };
	char dir[] = "/dev/shm/odradek-3320.XXXXXX", command[64];

	tap_seed();
	if (getenv("MOST"))
		most = atoi(getenv("MOST"));
	must(mkdtemp(dir) != NULL, "mkdtemp");
	setenv("ELECT_DIR", dir, 1);
	setenv("metadata.log.max.record.bytes.between.snapshots", "300", 1);
	elect_directory("3320-faults-elect", PORT);
	mkdir("scratch", 0777);
	must(elect_spawn(), "elect starts");
	elect_connect(true);
	must(serves(NULL), "unfenced");
	end(-1);
	test_calls("fsync", sync_errors);
	test_calls("fdatasync", sync_errors);
	test_calls("write", write_errors);
	test_calls("pwrite", write_errors);
	test_calls("pwritev", write_errors);
	test_calls("ftruncate", other_errors);
	test_calls("open", other_errors);
	test_calls("rename", other_errors);
	test_calls("unlink", other_errors);
	test_calls("malloc", memory);
	ok(fired_n > 20, "%d faults were met", fired_n);
	test_full("ENOSPC");
	test_full_transaction();
	snprintf(command, sizeof command, "rm -rf %s", dir);
	if (chdir("/") < 0 || system(command) != 0)
		diag("%s is left", dir);
	return done_testing();
}
