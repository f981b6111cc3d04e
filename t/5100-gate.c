/* gate with owners that do as the test says: who is asked, the order of answers, their pieces, what
 * is refused, and what happens when an owner or a client dies. */
#include "gate.h"

static pid_t gate, metaserve, logappend, logserve, elect;

static void test_routes(void)
{
	int fd = dial(port), control = dial(port + 1);
	ask(fd, METADATA, 1, "echo");
	ok(answers(fd, 1, "metaserve User:ANONYMOUS /127.0.0.1 \xff\xff\xff\xff"),
	   "Metadata is metaserve's, with principal and host");
	ask(fd, PRODUCE, 2, "echo");
	ok(answers(fd, 2, "logappend User:ANONYMOUS /127.0.0.1 \xff\xff\xff\xff"),
	   "Produce is logappend's");
	ask(fd, FETCH, 3, "echo");
	ok(answers(fd, 3, "logserve User:ANONYMOUS /127.0.0.1 \xff\xff\xff\xff"),
	   "a consumer's Fetch is logserve's");
	ask_with(fd, FETCH, 4, "echo", "\0\0\0\1", 4);
	ok(next_answer(fd, &(uint32_t){0}) > 0 && !strncmp((char *)got, "logappend ", 10),
	   "a replica's Fetch is logappend's");
	ask(fd, CREATE_TOPICS, 5, "echo");
	ok(answers(fd, 5, "elect User:ANONYMOUS /127.0.0.1 \xff\xff\xff\xff"),
	   "CreateTopics is elect's");
	ask(control, FETCH, 6, "echo");
	ok(answers(control, 6, "elect User:ANONYMOUS /127.0.0.1 \xff\xff\xff\xff"),
	   "on the controller listener Fetch is elect's");
	ask(control, API_VERSIONS, 7, "echo");
	ok(answers(control, 7, "metaserve User:ANONYMOUS /127.0.0.1 \xff\xff\xff\xff"),
	   "and ApiVersions metaserve's");
	static const uint8_t unknown[] = {0, 0, 0, 14, 0, 18, 0, 99, 0, 0, 0, 8, 0, 4, 'e', 'c', 'h', 'o'};
	send_all(fd, unknown, sizeof unknown);
	ok(next_answer(fd, &(uint32_t){0}) > 0 && !strncmp((char *)got, "metaserve ", 10),
	   "a version of ApiVersions that nobody knows is metaserve's too");
	close(fd);
	close(control);
}

static void refused(const char *what, int at, const void *p, size_t n)
{
	int beside = dial(port), fd = dial(at);
	send_all(fd, p, n);
	ok(is_closed(fd), "%s closes the connection", what);
	ask(beside, METADATA, 9, "count");
	ok(answers(beside, 9, "0"), "and no other");
	close(fd);
	close(beside);
}

static void test_refused(void)
{
	static const char http[] = "GET / HTTP/1.1\r\nHost: kafka\r\n\r\n";
	static const char tls[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
	refused("HTTP", port, http, sizeof http - 1);
	refused("a TLS hello", port, tls, sizeof tls - 1);
	refused("a claim of 2 GiB", port, "\x7f\xff\xff\xff", 4);
	refused("a negative length", port, "\xff\xff\xff\xff", 4);
	refused("a length of zero", port, "\0\0\0\0", 4);
	refused("a frame shorter than a header", port, "\0\0\0\3abc", 7);
	refused("an unknown API", port, "\0\0\0\12\3\xe7\0\0\0\0\0\1\0\0", 14);
	refused("an unknown version", port, "\0\0\0\12\0\0\0\x63\0\0\0\1\0\0", 14);
	refused("a Fetch that is cut short", port, "\0\0\0\12\0\1\0\4\0\0\0\1\0\0", 14);
	refused("Produce on the controller listener", port + 1, "\0\0\0\12\0\0\0\3\0\0\0\1\0\0", 14);
}

static void test_order(void)
{
	enum { N = 100 };
	static const int keys[] = {METADATA, PRODUCE, FETCH, METADATA, METADATA};
	static const char *const names[] = {"metaserve", "logappend", "logserve", "metaserve",
	                                    "metaserve"};
	struct buf b = {0};
	int fd = dial(port), wrong = 0;
	uint32_t c;
	for (uint32_t i = 0; i < N; i++)
		add_request(&b, keys[i % 5], i, "echo", "\xff\xff\xff\xff", 4);
	send_all(fd, b.p, b.n);
	for (uint32_t i = 0; i < N; i++)
		wrong += next_answer(fd, &c) < 0 || c != i ||
		         strncmp((char *)got, names[i % 5], strlen(names[i % 5])) != 0;
	is_int(wrong, 0, "100 requests in one write to three owners: answers in order");
	b.n = 0;
	for (uint32_t i = 0; i < N; i++)
		add_request(&b, METADATA, i, "echo", "\xff\xff\xff\xff", 4);
	for (size_t i = 0; i < b.n; i++)
		send_all(fd, b.p + i, 1);
	wrong = 0;
	for (uint32_t i = 0; i < N; i++)
		wrong += next_answer(fd, &c) < 0 || c != i;
	is_int(wrong, 0, "the same byte by byte");
	buf_free(&b);
	close(fd);
}

static void test_in_flight(void)
{
	int fd = dial(port), other = dial(port);
	uint32_t c, wrong = 0;
	for (uint32_t i = 0; i < 40; i++)
		ask(fd, PRODUCE, i, "park");
	ask(fd, METADATA, 40, "echo");
	ok(counts(PRODUCE, "16"), "of 40 requests 16 are in flight");
	for (uint32_t i = 0; i < 40; i++) {
		if (i % 16 == 0) {
			counts(PRODUCE, i < 32 ? "16" : "8");
			ask(other, PRODUCE, i, "release");
			next_answer(other, &c);
		}
		wrong += next_answer(fd, &c) < 0 || c != i || strcmp((char *)got, "parked") != 0;
	}
	is_int(wrong, 0, "answered last first, they leave in request order");
	ok(next_answer(fd, &c) > 0 && c == 40, "then the other owner's");
	ask(fd, PRODUCE, 1, "park");
	ask(fd, PRODUCE, 2, "park");
	counts(PRODUCE, "2");
	close(fd);
	ok(counts(PRODUCE, "0"), "a client that goes away has its calls flushed");
	close(other);
}

static void test_kinds(void)
{
	int fd = dial(port);
	ask(fd, PRODUCE, 1, "none");
	ask(fd, PRODUCE, 2, "none");
	ask(fd, PRODUCE, 3, "count");
	ok(answers(fd, 3, "0"), "none answers nothing");
	ask(fd, PRODUCE, 4, "count");
	ask(fd, PRODUCE, 5, "close");
	ask(fd, PRODUCE, 6, "count");
	ok(answers(fd, 4, "0"), "before close an answer arrives");
	ok(is_closed(fd), "then the connection is closed");
	close(fd);
	fd = dial(port);
	int64_t start = port_now_ms();
	ask(fd, PRODUCE, 7, "mute 250");
	ok(next_answer(fd, &(uint32_t){0}) == 0 && port_now_ms() - start < 200, "a muting answer");
	ask(fd, PRODUCE, 8, "count");
	ok(answers(fd, 8, "0") && port_now_ms() - start >= 250, "the next request is read later");
	close(fd);
}

static bool file_answer(int fd, uint32_t n)
{
	char what[32];
	uint32_t c;
	sprintf(what, "file %u", n);
	ask(fd, FETCH, n, what);
	return next_answer(fd, &c) == (ssize_t)n && c == n && !memcmp(got, content, n);
}

static void test_files(void)
{
	static const uint32_t sizes[] = {1, 100, 8192, 8193, 70000, FILE_SIZE};
	int fd = dial(port), wrong = 0;
	uint32_t c;
	for (size_t i = 0; i < 6; i++)
		ok(file_answer(fd, sizes[i]), "a range of %u bytes, as the file has it", sizes[i]);
	for (int i = 0; i < 3; i++) {
		ask(fd, FETCH, 1, i == 1 ? "forget" : "mix");
		ok(next_answer(fd, &c) == 101053 && !memcmp(got, content + 5, 1000) &&
		   !memcmp(got + 1000, content + 7, 100000) &&
		   !memcmp(got + 101000, content + 1009, 50) && !memcmp(got + 101050, "end", 3),
		   "bytes and ranges of two files%s", i == 1 ? ", forgotten and given again" : "");
	}
	ask(fd, FETCH, 2, "unknown");
	ask(fd, FETCH, 3, "unknown");
	ok(next_answer(fd, &c) == 10 && next_answer(fd, &c) == 10 && !memcmp(got, content, 10),
	   "an answer whose descriptor is not here is asked for again");
	for (int i = 0; i < 6; i++) {
		char what[32];
		sprintf(what, "spread %d", 1000 * i + 10);
		ask(fd, FETCH, 4, what);
		wrong += next_answer(fd, &c) != 1000 || memcmp(got, content, 1000) != 0;
	}
	is_int(wrong, 0, "6000 files");
	ask(fd, FETCH, 5, "forgotten");
	next_answer(fd, &c);
	ok(atoi((char *)got) >= 1900, "the oldest are let go and the owner is told (%s)", (char *)got);
	ask(fd, FETCH, 2, "forget");
	next_answer(fd, &c);
	ask(fd, FETCH, 3, "short 1000");
	ok(is_closed(fd), "a small range beyond the end closes the connection");
	close(fd);
	fd = dial(port);
	ask(fd, FETCH, 3, "short 100000");
	ok(next_answer(fd, &c) == -1, "a large one, too");
	close(fd);
}

static void test_large(void)
{
	size_t n = 5 << 20, head;
	uint8_t *body = malloc(n);
	int fd = dial(port);
	uint32_t c;
	for (size_t i = 0; i < n; i++)
		body[i] = (uint8_t)tap_random(256);
	ask_with(fd, PRODUCE, 1, "echo", body, n);
	ssize_t r = next_answer(fd, &c);
	head = strlen("logappend User:ANONYMOUS /127.0.0.1 ");
	ok(r == (ssize_t)(n + head) && !memcmp(got + head, body, n), "5 MiB there and back");
	close(fd);
	free(body);
}

/* Sizes about the limits between inline, a chunk, a run of chunks and inline again; sent in two
 * parts, with others in between. */
static void test_bodies(void)
{
	static const size_t sizes[] = {100, 4 << 10, 64 << 10, 192 << 10, 256 << 10, 1 << 20, 3 << 19};
	enum { CLIENTS = 4, MOST = 4 << 19, ROUNDS = 60 };
	size_t head = strlen("logappend User:ANONYMOUS /127.0.0.1 "), n[CLIENTS];
	uint8_t *body = malloc(MOST + CLIENTS);
	struct buf b[CLIENTS] = {0};
	int fd[CLIENTS], bad = 0;
	uint32_t c;
	for (size_t i = 0; i < MOST + CLIENTS; i++)
		body[i] = (uint8_t)tap_random(256);
	for (int k = 0; k < CLIENTS; k++)
		fd[k] = dial(port);
	for (int i = 0; i < ROUNDS; i++) {
		size_t cut[CLIENTS];
		for (int k = 0; k < CLIENTS; k++) {
			n[k] = sizes[tap_random(7)] - 30 + tap_random(60);
			b[k].n = 0;
			add_request(&b[k], PRODUCE, (uint32_t)i, "echo", body + k, n[k]);
			send_all(fd[k], b[k].p, cut[k] = tap_random(b[k].n));
		}
		for (int k = 0; k < CLIENTS; k++)
			send_all(fd[k], b[k].p + cut[k], b[k].n - cut[k]);
		for (int k = 0; k < CLIENTS; k++) {
			ssize_t r = next_answer(fd[k], &c);
			bad += r != (ssize_t)(n[k] + head) || c != (uint32_t)i ||
			       memcmp(got + head, body + k, n[k]);
		}
	}
	is_int(bad, 0, "240 bodies of all sizes come as they were sent");
	for (int k = 0; k < CLIENTS; k++) {
		close(fd[k]);
		buf_free(&b[k]);
	}
	free(body);
}

/* Lives of an owner that end before they have greeted. */
static void stillborn(const char *name, int n)
{
	char path[600];
	snprintf(path, sizeof path, "%s/run/%s", node, name);
	int at = port_bind(path);
	for (struct pollfd p = {at, POLLIN, 0}; n && poll(&p, 1, 5000) == 1; n--)
		close(accept(at, 0, 0));
	is_int(n, 0, "%s dies at its start, again and again", name);
	close(at);
}

static void test_owner_dies(void)
{
	int fd = dial(port), reader = dial(port), both = dial(port);
	ask(fd, PRODUCE, 1, "park");
	ask(both, PRODUCE, 1, "park");
	ask(both, METADATA, 2, "echo");
	counts(PRODUCE, "2");
	stop(logappend, SIGKILL);
	ok(is_closed(fd) && is_closed(both), "an owner dies: who waits for its answer is closed");
	close(fd);
	close(both);
	fd = dial(port);
	ask(fd, PRODUCE, 2, "echo");
	ask(fd, METADATA, 3, "count");
	poll(0, 0, 300);
	logappend = owner_start("logappend");
	ok(answers(fd, 2, "logappend User:ANONYMOUS /127.0.0.1 \xff\xff\xff\xff"),
	   "what was not sent waits for its next life");
	ok(answers(fd, 3, "0"), "and so does what is behind it");
	close(fd);
	ask(reader, FETCH, 1, "park");
	ask(reader, FETCH, 2, "park");
	counts(FETCH, "2");
	stop(logserve, SIGKILL);
	stillborn("logserve", 5);
	logserve = owner_start("logserve");
	ok(counts(FETCH, "2"), "a Fetch is sent again");
	fd = dial(port);
	ask(fd, FETCH, 9, "release");
	ok(answers(reader, 1, "parked") && answers(reader, 2, "parked"), "and answered");
	ok(answers(fd, 9, "released") && file_answer(fd, 100), "files are handed over anew");
	ask(fd, FETCH, 10, "exit");
	for (int i = 0; i < 3; i++) {
		waitpid(logserve, 0, 0);
		logserve = owner_start("logserve");
	}
	ok(is_closed(fd) && counts(FETCH, "0"), "a request that kills its owner is given up");
	close(fd);
	close(reader);
}

static pid_t *owner_pid(const char *name)
{
	static pid_t groupcoord, txncoord;
	static struct {
		const char *name;
		pid_t *pid;
	} known[] = {{"metaserve", &metaserve}, {"logappend", &logappend}, {"logserve", &logserve},
	             {"elect", &elect}, {"groupcoord", &groupcoord}, {"txncoord", &txncoord}};
	size_t i = 0;
	while (strcmp(known[i].name, name))
		i++;
	if (!*known[i].pid)
		*known[i].pid = owner_start(name);
	return known[i].pid;
}

static void ask_default(int fd, const struct wire_api *a, uint32_t correlation, const char *what)
{
	struct buf body = {0}, b = {0};
	void *request = calloc(1, wire_type_size(a->request));
	wire_init(a->request, request);
	if (a->max >= a->flexible)
		buf_add(&body, "", 1);
	if (wire_encode(a->request, a->max, request, &body, 0) < 0)
		diag("%s cannot be encoded", a->name);
	add_request_of(&b, a->key, a->max, correlation, what, body.p, body.n);
	send_all(fd, b.p, b.n);
	buf_free(&body);
	buf_free(&b);
	free(request);
}

/* Does its owner hold that many calls, within 5 s? */
static bool parks(const struct wire_api *a, const char *want)
{
	int64_t end = port_now_ms() + 5000;
	int fd = dial(port);
	uint32_t c;
	bool same = false;
	while (!same && port_now_ms() < end) {
		ask_default(fd, a, 1, "count");
		same = next_answer(fd, &c) >= 0 && !strcmp((char *)got, want);
		poll(0, 0, same ? 0 : 5);
	}
	close(fd);
	return same;
}

static bool released(const struct wire_api *a)
{
	uint32_t c;
	int fd = dial(port);
	ask_default(fd, a, 1, "release");
	bool good = next_answer(fd, &c) >= 0;
	close(fd);
	return good;
}

/* A client asks each in turn of an owner that then dies: what changes nothing is asked of its next
 * life, and the client sees no more than that it takes longer. */
static void test_resend(void)
{
	int kept = 0, closed = 0, wrong = 0;
	for (size_t i = 0; i < wire_apis_n; i++) {
		const struct wire_api *a = &wire_apis[i];
		const char *name = a->owner[WIRE_BROKER];
		if (!name || a->key == API_VERSIONS)
			continue;
		pid_t *pid = owner_pid(name);
		int fd = dial(port);
		ask_default(fd, a, 7, "park");
		wrong += !parks(a, "1");
		stop(*pid, SIGKILL);
		*pid = owner_start(name);
		bool good = a->resend ? parks(a, "1") && released(a) && answers(fd, 7, "parked")
		                      : is_closed(fd);
		if (!good)
			diag("%s: %s", a->name, a->resend ? "not asked again" : "not closed");
		wrong += !good;
		kept += good && a->resend;
		closed += good && !a->resend;
		close(fd);
	}
	ok(!wrong && kept > 10 && closed > 5, "%d APIs are asked again, %d close the connection", kept,
	   closed);
}

static void test_owner_away(void)
{
	stop(logappend, SIGKILL);
	int fd = dial(port), beside = dial(port);
	int64_t start = port_now_ms();
	ask(fd, PRODUCE, 1, "echo");
	ask(beside, METADATA, 1, "count");
	ok(answers(beside, 1, "0"), "others are answered while one owner is away");
	ok(is_closed(fd), "a request for it is given up");
	int64_t took = port_now_ms() - start;
	ok(took >= 1900 && took < 4000, "after 2 s (%d ms)", (int)took);
	close(fd);
	close(beside);
	logappend = owner_start("logappend");
}

static void test_stop(void)
{
	int fd = dial(port), idle = dial(port), status = -1;
	uint32_t c;
	ask(fd, METADATA, 1, "later 300");
	ask(fd, PRODUCE, 2, "park");
	counts(PRODUCE, "0");
	kill(gate, SIGTERM);
	ok(next_answer(fd, &c) == 5 && c == 1, "at its end gate waits for what is in flight");
	ok(waitpid(gate, &status, 0) == gate && status == 0, "and exits 0");
	ok(is_closed(idle) && dial(port) == -1, "nobody listens any more");
	close(fd);
	close(idle);
	gate = gate_start(0, 0);
	fd = dial(port);
	ask(fd, PRODUCE, 1, "park");
	counts(PRODUCE, "1");
	int64_t start = port_now_ms();
	kill(gate, SIGTERM);
	ok(waitpid(gate, &status, 0) == gate && status == 0 && port_now_ms() - start < 4000,
	   "it waits 2 s at most");
	close(fd);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	tap_seed();
	node_make("5100-gate");
	gate = gate_start(0, 0);
	metaserve = owner_start("metaserve");
	logappend = owner_start("logappend");
	logserve = owner_start("logserve");
	elect = owner_start("elect");
	test_routes();
	test_refused();
	test_order();
	test_in_flight();
	test_kinds();
	test_files();
	test_large();
	test_bodies();
	test_owner_dies();
	test_resend();
	test_owner_away();
	test_bodies();
	test_stop();
	stop(metaserve, SIGKILL);
	stop(logappend, SIGKILL);
	stop(logserve, SIGKILL);
	stop(elect, SIGKILL);
	node_remove();
	return done_testing();
}
