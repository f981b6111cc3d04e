/* The voters of the metadata log change while it is written: one is added, removed, moves, loses
 * its disk; who has no vote follows, from a snapshot when the log has gone on too far. */
#include "voters.h"

#include <dirent.h>

static int64_t value = 1000;

static bool write_some(int n)
{
	bool good = true;

	while (n-- > 0 && good)
		good = put(++value, 10000);
	return good;
}

/* AddRaftVoter: its error; -1 failed. */
static int add(struct node *at, const struct node *n)
{
	struct add_raft_voter_request q;
	struct add_raft_voter_request_listener l;
	struct add_raft_voter_response r;

	wire_init(&wire_add_raft_voter_request, &q);
	wire_init(&wire_add_raft_voter_request_listener, &l);
	q.cluster_id = span_of(cluster);
	q.voter_id = n->id;
	q.voter_directory_id = n->directory;
	q.listeners = &l;
	q.listeners_n = 1;
	l.name = span_of("CONTROLLER");
	l.host = span_of("127.0.0.1");
	l.port = (uint16_t)n->port;
	return call(at, 80, 1, &q, &r, 5000) == 0 ? r.error_code : -1;
}

static int take_away(struct node *at, int id, struct uuid directory)
{
	struct remove_raft_voter_request q;
	struct remove_raft_voter_response r;

	wire_init(&wire_remove_raft_voter_request, &q);
	q.cluster_id = span_of(cluster);
	q.voter_id = id;
	q.voter_directory_id = directory;
	return call(at, 81, 0, &q, &r, 5000) == 0 ? r.error_code : -1;
}

/* Until it is done: REQUEST_TIMED_OUT is to be tried again. */
static int add_soon(const struct node *n)
{
	int64_t last = port_now_ms() + 10000;
	int error = -1;

	do {
		struct node *at = leader_within(5000);

		error = at ? add(at, n) : -1;
	} while ((error == WIRE_REQUEST_TIMED_OUT || error == -1) && port_now_ms() < last);
	return error;
}

struct wanted {
	int voters, observers;
	const struct node *voter; /* is among them, with its directory and port */
};

static bool is_so(void *arg)
{
	const struct wanted *w = arg;
	struct describe_quorum_response r;
	const struct describe_quorum_response_partition_data *p;
	struct node *n = leader();
	bool there = !w->voter;

	if (!n || describe(n, &r, 1000) != 0)
		return false;
	p = r.topics[0].partitions;
	for (int32_t i = 0; i < p->current_voters_n && !there; i++)
		there = p->current_voters[i].replica_id == w->voter->id
			&& uuid_same(&p->current_voters[i].replica_directory_id,
				     &w->voter->directory)
			&& r.nodes[i].listeners_n == 1
			&& r.nodes[i].listeners[0].port == w->voter->port;
	return there && p->current_voters_n == w->voters
	       && (w->observers < 0 || p->observers_n == w->observers);
}

static bool quorum_is(int voters, int observers, const struct node *voter)
{
	struct wanted w = { voters, observers, voter };
	int64_t last = port_now_ms() + 10000;
	bool so;

	while (!(so = is_so(&w)) && port_now_ms() < last)
		;
	return so;
}

/* Where the oldest snapshot of a node ends: its log begins there, unless it is the first. */
static int64_t oldest_snapshot(const struct node *n)
{
	char path[PATH_MAX + 64];
	struct dirent *f;
	int64_t oldest = INT64_MAX;
	DIR *d;

	snprintf(path, sizeof path, "%s/log/__cluster_metadata-0", n->dir);
	d = opendir(path);
	must(d, path);
	while ((f = readdir(d)))
		if (strstr(f->d_name, ".checkpoint") && f->d_name[0] == '0'
		    && strtoll(f->d_name, NULL, 10) < oldest)
			oldest = strtoll(f->d_name, NULL, 10);
	closedir(d);
	return oldest;
}

static int answers;

static void on_put(void *arg, const struct port_reply *r)
{
	answers++;
}

static bool few_open(void *sent)
{
	return *(int *)sent - answers < 16;
}

/* Many at a time, so that there is always something that is not committed yet, until no voter has
 * the log that was there at this moment. */
static bool write_much(void)
{
	int64_t last = port_now_ms() + 30000, end = value;
	struct node *n = leader();
	bool gone = false;
	int sent = 0;

	answers = 0;
	while (!gone && port_now_ms() < last) {
		struct buf b = { 0 };

		put_request(&b, ++value);
		sent++;
		must(port_ask(n->peer, WIRE_CONTROLLER, span_of(""), span_of(""), b.p, b.n,
			      port_now_ms() + 10000, on_put, NULL)
			     == 0,
		     "port_ask");
		buf_free(&b);
		until(few_open, &sent, 5000);
		gone = true;
		for (int i = 0; i < 3 && sent % 50 == 0; i++)
			gone = gone && oldest_snapshot(&nodes[i]) > end - 1000 + 100;
		gone = gone && sent % 50 == 0;
	}
	printf("# %d changes\n", sent);
	return gone;
}

static void test_observer(void)
{
	struct node *n = &nodes[4];

	ok(quorum_is(3, 2, NULL), "two follow without a vote");
	ok(write_some(20) && everywhere(value, 5000), "and see what is written");
	node_kill(n);
	ok(write_much(), "one is away until the log has gone on too far for it");
	node_start(n);
	ok(everywhere(value, 10000) && n->reset, "it comes back by a snapshot");
	ok(write_some(5) && everywhere(value, 5000), "and goes on");
}

static void test_change(void)
{
	struct node *n = leader(), *new = &nodes[3];

	is_int(add(&nodes[n == &nodes[0] ? 1 : 0], new), WIRE_NOT_LEADER_OR_FOLLOWER,
	       "only the leader adds a voter");
	is_int(add(n, &nodes[0]), WIRE_DUPLICATE_VOTER, "not one that is there");
	is_int(add_soon(new), 0, "a fourth voter");
	ok(quorum_is(4, 1, new), "is there");
	is_int(take_away(leader(), 9, new->directory), WIRE_VOTER_NOT_FOUND, "nobody is removed");
	n = leader();
	is_int(take_away(n, n->id, n->directory), 0, "the leader is removed");
	last_leader = NULL;
	ok(quorum_is(3, -1, NULL) && leader() != n, "another one leads");
	ok(write_some(5) && everywhere(value, 5000), "and the one that led follows");
	is_int(add_soon(n), 0, "it is added again");
	ok(quorum_is(4, 1, n), "and is there");
	is_int(take_away(leader(), new->id, new->directory), 0, "the fourth goes");
	ok(quorum_is(3, 2, NULL) && write_some(5) && everywhere(value, 5000), "and follows");
}

static void test_moved(void)
{
	struct node *n = &nodes[leader() == &nodes[0] ? 1 : 0];

	node_kill(n);
	n->port += 5;
	node_start(n);
	ok(quorum_is(3, 2, n), "a voter says where it is now");
	ok(write_some(5) && everywhere(value, 5000), "all go on");
	node_kill(n);
	n->port -= 5;
	node_start(n);
	ok(quorum_is(3, 2, n), "and again");
}

static void test_lost_disk(void)
{
	struct node *n = &nodes[leader() == &nodes[0] ? 1 : 0];
	char path[PATH_MAX + 16];

	node_kill(n);
	snprintf(path, sizeof path, "%s", n->dir);
	must(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0, "remove");
	node_make((int)(n - nodes), setup_port, false);
	node_start(n);
	ok(quorum_is(3, -1, n), "a voter without its disk takes its place with a new one");
	ok(write_some(5) && everywhere(value, 10000), "and has all");
}

/* One byte of the newest file of that kind. */
static void damage(const struct node *n, const char *kind, int from_end)
{
	char path[PATH_MAX + 64], newest[PATH_MAX + 400] = "";
	struct dirent *f;
	struct stat st;
	uint8_t byte;
	DIR *d;
	int fd;

	snprintf(path, sizeof path, "%s/log/__cluster_metadata-0", n->dir);
	d = opendir(path);
	must(d, path);
	while ((f = readdir(d))) {
		char name[PATH_MAX + 400];

		snprintf(name, sizeof name, "%s/%s", path, f->d_name);
		if (f->d_name[0] == '0' && strstr(f->d_name, kind) && strcmp(name, newest) > 0)
			strcpy(newest, name);
	}
	closedir(d);
	fd = open(newest, O_RDWR);
	must(fd >= 0 && fstat(fd, &st) == 0, newest);
	must(pread(fd, &byte, 1, st.st_size - from_end) == 1, newest);
	byte ^= 0x10;
	must(pwrite(fd, &byte, 1, st.st_size - from_end) == 1, newest);
	close(fd);
}

/* As its supervisor does. */
static bool is_back(void *arg)
{
	struct node *n = arg;

	if (n->pid[ELECT] > 0 && waitpid(n->pid[ELECT], NULL, WNOHANG) == n->pid[ELECT]) {
		n->pid[ELECT] = 0;
		start(n, ELECT);
	}
	return node_value(n) == value;
}

static bool is_whole(void *arg)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof path, "%s/scratch/elect.hurt", ((struct node *)arg)->dir);
	return access(path, F_OK) < 0;
}

static void test_damage(const char *kind, int from_end)
{
	struct node *n = &nodes[leader() == &nodes[0] ? 1 : 0];

	ok(write_some(5) && everywhere(value, 5000), "all have all");
	end(n, ELECT, SIGKILL);
	damage(n, kind, from_end);
	write_some(1);
	start(n, ELECT);
	ok(until(is_back, n, 10000), "a damaged %s is fetched again", kind);
	ok(until(is_whole, n, 5000), "and it votes again");
	ok(write_some(2) && everywhere(value, 5000), "all go on");
}

int main(void)
{
	setup("change", 21500 + (int)(getpid() % 20) * 20, 3);
	strcpy(extra[0], "metadata.log.max.record.bytes.between.snapshots=4000");
	strcpy(extra[1], "metadata.max.retention.bytes=10000");
	extra_n = 2;
	node_make(3, setup_port, false);
	node_make(4, setup_port, true);
	for (int i = 0; i < nodes_n; i++) {
		node_follow(&nodes[i]);
		node_start(&nodes[i]);
	}
	ok(write_some(5) && everywhere(value, 10000), "three voters, two that follow");
	test_observer();
	test_change();
	test_moved();
	test_lost_disk();
	test_damage(".log", 250);
	test_damage(".checkpoint", 100);
	ok(agree(), "all saw the same");
	return done_testing();
}
