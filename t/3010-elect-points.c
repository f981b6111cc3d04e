/* elect is killed before each system call that changes files, from the format of a new directory
 * over topics made and deleted to snapshots: what it acknowledged is there after the restart, what
 * it deleted is not. POINTS=n kills (30), spread over all calls; POINTS=0 is at every call. */
#include "elect.h"

enum { TOPICS = 8, UNKNOWN = -1 };

static int wants[TOPICS];       /* partitions of topic i; 0: it is deleted; UNKNOWN: either */
static char report[PATH_MAX + 8];

static void run(const char *command)
{
	must(system(command) == 0, command);
}

static void fresh(void)
{
	run("cp log/meta.properties . && rm -rf log run && mkdir log run && mv meta.properties log");
	for (int i = 0; i < TOPICS; i++)
		wants[i] = 0;
}

/* Starts elect so that it dies before its nth call; false: it died before it was ready. */
static bool spawn_stepped(int n)
{
	int fd[2];
	char step[PATH_MAX + 32], path[PATH_MAX + 32], at[16], c;
	must(pipe(fd) == 0, "pipe");
	fflush(stdout);
	elect_pid = fork();
	must(elect_pid >= 0, "fork");
	if (elect_pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		snprintf(step, sizeof step, "%s/build/crash/step", elect_top);
		snprintf(path, sizeof path, "%s/build/bin/elect", elect_top);
		snprintf(at, sizeof at, "%d", n);
		if (fd[1] != 3)
			dup2(fd[1], 3);
		if (fd[0] != 3)
			close(fd[0]);
		if (fd[1] != 3)
			close(fd[1]);
		execl(step, "step", at, report, path, (char *)NULL);
		_exit(127);
	}
	close(fd[1]);
	bool ready = read(fd[0], &c, 1) == 1;
	close(fd[0]);
	return ready;
}

static bool is_dead(void *arg)
{
	if (elect_pid > 0 && waitpid(elect_pid, NULL, WNOHANG) == elect_pid)
		elect_pid = 0;
	return elect_pid == 0;
}

static int delete_topic(const char *name)
{
	struct delete_topics_request q;
	struct delete_topics_response r;
	struct span names = span_of(name);
	wire_init(&wire_delete_topics_request, &q);
	q.topic_names = &names;
	q.topic_names_n = 1;
	q.timeout_ms = 3000;
	if (elect_call_on(WIRE_BROKER, 20, 5, &q, &r, 3000) != 0 || r.responses_n != 1)
		return -100;
	return r.responses[0].error_code;
}

/* Makes topics and deletes every third; false: it was killed meanwhile. */
static bool work(void)
{
	char name[32];
	for (int i = 0; i < TOPICS; i++) {
		snprintf(name, sizeof name, "points.%d", i);
		wants[i] = UNKNOWN;
		if (elect_create(name, 1 + i % 3, 1, false) != 0)
			return false;
		wants[i] = 1 + i % 3;
		if (i % 3)
			continue;
		wants[i] = UNKNOWN;
		if (delete_topic(name) != 0)
			return false;
		wants[i] = 0;
	}
	return true;
}

static bool as_wanted(void *arg)
{
	struct meta_image *m = meta_follow_image(elect_serve_follow);
	char name[32];
	for (int i = 0; i < TOPICS; i++) {
		snprintf(name, sizeof name, "points.%d", i);
		struct meta_topic *t = meta_topic_named(m, span_of(name));
		if (wants[i] != UNKNOWN && (t ? t->partitions_n : 0) != wants[i])
			return false;
	}
	return elect_is_unfenced(NULL);
}

static bool serves_or_is_dead(void *arg)
{
	return is_dead(NULL) || elect_is_unfenced(NULL);
}

enum { GOOD, KILLED, WRONG };

/* In a process of its own, so that its followers know no other log. */
static int point_inside(int n)
{
	char command[PATH_MAX + 64];
	elect_connect(true);
	bool whole = spawn_stepped(n) && elect_until(serves_or_is_dead, NULL, 5000)
		&& !is_dead(NULL) && work();
	if (elect_pid && whole)
		kill(elect_pid, SIGTERM);
	if (elect_pid)
		waitpid(elect_pid, NULL, 0);
	elect_until(elect_is_down, NULL, 5000);
	if (!elect_spawn())
		return diag("call %d: does not start again", n), WRONG;
	if (!elect_until(as_wanted, NULL, 10000))
		return diag("call %d: what was acknowledged is not there", n), WRONG;
	elect_end(SIGKILL);
	snprintf(command, sizeof command, "%s/build/bin/logcheck log", elect_top);
	if (system(command) != 0)
		return diag("call %d: logcheck", n), WRONG;
	return whole ? GOOD : KILLED;
}

/* Kills before call n. */
static int point(int n)
{
	int status = 0;
	fresh();
	fflush(stdout);
	pid_t pid = fork();
	must(pid >= 0, "fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(point_inside(n));
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : WRONG;
}

static int calls_made(void)
{
	int calls = 0;
	FILE *f = fopen(report, "r");
	must(f && fscanf(f, "%d", &calls) == 1, report);
	fclose(f);
	return calls;
}

int main(void)
{
	int points = getenv("POINTS") ? atoi(getenv("POINTS")) : 30, kills = 0, r = GOOD;
	tap_seed();
	elect_directory("3010-elect-points", getenv("PORT") ? atoi(getenv("PORT")) : 20570);
	snprintf(report, sizeof report, "%s/calls", elect_dir);
	setenv("metadata.log.max.record.bytes.between.snapshots", "600", 1);
	is_int(point(0), GOOD, "a run without a kill");
	int calls = calls_made();
	int by = points > 0 && calls > points ? calls / points : 1;
	int n = 1 + (by > 1 ? (int)tap_random((uint64_t)by) : 0);
	for (; n <= calls && (r = point(n)) != WRONG; n += by)
		kills += r == KILLED;
	ok(calls > 20 && kills > 0 && r != WRONG, "killed at %d of %d calls", kills, calls);
	return done_testing();
}
