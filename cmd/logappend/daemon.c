/* The daemon: takes the directory, follows the metadata, loads, serves; on SIGTERM it closes all
 * in order. */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "base/reserve.h"
#include "base/syncfile.h"
#include "log/cleanshutdown.h"

#define RESERVE "scratch/logappend.reserve"
#define SYNC_FAILED "run/sync-failed"    /* on tmpfs: a machine that restarts has no such pages */

enum { READY_FD = 3, DRAIN_MS = 5000 };

struct node node;

static bool ready_wanted, stop_wanted;
static int signals = -1;

int64_t wall_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void say(const char *a, const char *b, const char *c)
{
	strerr_warnw(a ? a : "", b ? b : "", c ? c : "");
}

bool is_shortage(int e)
{
	return e == ENOSPC || e == EDQUOT || e == EMFILE || e == ENFILE;
}

bool make_room(void)
{
	int e = errno;
	if (e != ENOSPC && e != EDQUOT)
		return false;
	if (!node.serving && reserve_use(RESERVE) == 0)
		return true;
	errno = e;
	return false;
}

void reserve_refill(void)
{
	static bool whole;
	whole = whole || reserve_fill(RESERVE) == 0;
}

/* Pages whose write failed look clean afterwards: the next start must read the disk itself. */
void die_sync(const char *what)
{
	int e = errno;
	int fd = open(SYNC_FAILED, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd >= 0)
		close(fd);
	errno = e;
	strerr_diefusys(102, "sync ", what);
}

void exec_coprocess(int fd, const char *program, const char *option)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(fd, 0) < 0 || dup2(fd, 1) < 0)
		strerr_diefusys(111, "dup2");
	execlp(program, program, option, (char *)NULL);
	strerr_diefusys(111, "run ", program);
}

/* --- serving ---------------------------------------------------------------------------------- */

static void on_call(void *ctx, const struct port_call *c)
{
	struct wire_request r;
	if (wire_request_parse(&r, c->body.p, (size_t)c->body.n) < 0) {
		port_answer(node.loop, c->from, PORT_CLOSE, 0, NULL, 0);
		return;
	}
	if (r.key)
		produce_write();    /* what came before it is done before it */
	switch (r.key) {
	case 0: produce(c, &r); break;
	case 1: replica_fetch(c, &r); break;
	case 21: delete_records(c, &r); break;
	case 23: offset_for_leader_epoch(c, &r); break;
	case 61: describe_producers(c, &r); break;
	default: port_answer(node.loop, c->from, PORT_CLOSE, 0, NULL, 0);
	}
}

static void on_drained(void *ctx)
{
	produce_write();
}

/* What was appended stays appended; the loop drops its answer. */
static void on_flush(void *ctx, struct port_from from)
{
	replica_fetch_flush(from);
}

static void on_other(void *ctx, struct port_from from, const struct port_message *m)
{
	follower_message(from, m);
}

/* A sync of a small file or a directory failed: before any answer that counts on it leaves. */
static void check_syncs(void)
{
	if (!syncfile_failed())
		return;
	errno = EIO;
	die_sync("log");
}

static void on_turn(void *ctx)
{
	partitions_make_some();
	roles_turn();
	check_syncs();
	flush_turn();
	checkpoints_turn();
	partitions_publish();
	replica_fetch_turn();
	insync_turn();
	wake_turn();
	deleted_turn();
}

static void ready(void)
{
	if (ready_wanted && write(READY_FD, "\n", 1) < 0)
		strerr_warnwusys("say that we are ready");
	if (ready_wanted)
		close(READY_FD);
}

static void sync_everything(void)
{
	size_t at = 0;
	if (!node.clean && syncfs(node.dirfd) < 0)
		die_sync("log");
	for (struct partition *p; (p = map_next(&node.partitions, &at));)
		if (p->log)
			log_synced(p->log, log_end(p->log));
}

void serve(void)
{
	static struct port_service service = {
		.call = on_call, .drained = on_drained, .flush = on_flush,
		.hello = wake_hello, .gone = wake_gone, .other = on_other,
	};
	/* Records that a killed run wrote are in the page cache only: on disk before anybody may
	 * count on them. */
	if (node.flush_os && !node.clean && !node.drop_cache)
		flush_everything();
	else
		sync_everything();
	if (node.epochs_written && syncfs(node.dirfd) < 0)
		die_sync("log");
	checkpoints_lower();
	retention_turn();
	check_syncs();
	if (unlink(SYNC_FAILED) < 0 && errno != ENOENT)
		strerr_diefusys(111, "unlink " SYNC_FAILED);
	partitions_publish();
	service.page_fd = node.page.fd;
	service.generation = node.page.head->generation;
	if (port_serve(node.loop, "run/logappend", &service, NULL) < 0)
		strerr_diefusys(111, "bind run/logappend");
	checkpoints_start();
	node.serving = true;
	port_at_end_of_turn(node.loop, on_turn, NULL);
	reserve_refill();
	ready();
}

/* --- start and stop ----------------------------------------------------------------------------
 */

/* elect tells the controller which life ended in order, and may come later than this. What is not
 * there or not whole counts as no such life. */
static void copy_marker(void)
{
	char text[64];
	int n = snprintf(text, sizeof text, "{\"version\":0,\"brokerEpoch\":%lld}",
			 (long long)node.clean_epoch);
	int fd = open("run/" CLEANSHUTDOWN_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, text, (size_t)n) != n)
		strerr_warnwusys("copy " CLEANSHUTDOWN_FILE " to run");
	if (fd >= 0)
		close(fd);
}

static void take_directory(void)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	node.dirfd = open("log", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (node.dirfd < 0)
		strerr_diefusys(111, "open log");
	int fd = openat(node.dirfd, ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || fcntl(fd, F_OFD_SETLK, &whole) < 0)
		strerr_diefusys(111, "lock log/.lock");
	int r = cleanshutdown_read(node.dirfd, &node.clean_epoch);
	if (r == 1)
		copy_marker();
	if (r < 0 || cleanshutdown_remove(node.dirfd) < 0) {
		check_syncs();
		strerr_diefusys(111, "take away log/" CLEANSHUTDOWN_FILE);
	}
	node.drop_cache = access(SYNC_FAILED, F_OK) == 0;
	node.clean = r == 1 && !node.drop_cache;
}

static void make_page(void)
{
	bool adopted;
	if (page_make(&node.page, "run/state", &adopted) < 0)
		strerr_diefusys(111, "make run/state");
}

static void signalled(void *arg)
{
	struct signalfd_siginfo s;
	while (read(signals, &s, sizeof s) == sizeof s)
		stop_wanted = true;
}

static void nothing(void *arg)
{
}

static int64_t broker_epoch(void)
{
	const struct meta_broker *b = meta_broker(node.image, node.me.id);
	return b ? b->epoch : -1;
}

/* Nothing new is taken; what is parked gets its sync and its answer, unless the disk takes too
 * long. */
static void drain(void)
{
	int64_t until = port_now_ms() + DRAIN_MS;
	node.stopping = true;
	while (node.serving && flush_busy() && port_now_ms() < until)
		if (port_turn(node.loop) < 0)
			break;
}

/* One more turn, so that queued answers leave. */
static void send_answers(void)
{
	static struct port_timer now;
	now.fn = nothing;
	if (port_timer_set(node.loop, &now, port_now_ms()) == 0)
		port_turn(node.loop);
}

static int close_all(void)
{
	size_t at = 0;
	int r = 0;
	for (struct partition *p; (p = map_next(&node.partitions, &at));)
		partition_leave(p);
	partitions_publish();
	send_answers();
	at = 0;
	for (struct partition *p; (p = map_next(&node.partitions, &at));)
		r |= partition_finish(p);
	node.clean = false;
	sync_everything();    /* one sync for the files of all, before the marker vouches for them */
	return r | checkpoints_write_all();
}

/* Stopped before anything was loaded, the marker that was found holds as it did. */
static int stop(void)
{
	drain();
	if (node.serving ? close_all() < 0 : !node.clean) {
		check_syncs();
		return node.serving ? 111 : 0;
	}
	if (cleanshutdown_write(node.dirfd, node.serving ? broker_epoch() : node.clean_epoch) == 0)
		return 0;
	int e = errno;
	unlinkat(node.dirfd, CLEANSHUTDOWN_FILE, 0);    /* its own sync may have failed */
	check_syncs();
	errno = e;
	strerr_diefusys(111, "write log/" CLEANSHUTDOWN_FILE);
}

/* --- the loop
 * ------------------------------------------------------------------------------------ */

static void catch_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		strerr_diefusys(111, "block signals");
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0 || port_watch(node.loop, signals, signalled, NULL) < 0)
		strerr_diefusys(111, "watch signals");
}

int daemon_run(void)
{
	files_start();
	ready_wanted = fcntl(READY_FD, F_GETFD) >= 0;
	if (meta_node_read(&node.me, "log") < 0) {
		if (errno != EINVAL)
			strerr_diefu1sys(111, "read log/meta.properties");
		strerr_dief(100, "node.id or listeners is not in the environment");
	}
	const char *flush = getenv("odradek.flush");
	node.flush_os = flush && !strcmp(flush, "os");
	if (flush && strcmp(flush, "os") && strcmp(flush, "sync"))
		strerr_dief(100, "odradek.flush is neither sync nor os: ", flush);
	node.loop = port_loop_new();
	if (!node.loop)
		strerr_diefusys(111, "make the loop");
	catch_signals();
	take_directory();
	make_page();
	checkpoints_read();
	flush_start();
	metadata_start();
	while (!stop_wanted)
		if (port_turn(node.loop) < 0)
			strerr_diefusys(111, "wait for events");
	return stop();
}
