/* recode: the program that opens compressed batches; a filter, or with -s a co-process, which
 * it is also where standard input is a socket and nothing else was asked for. */
#include "log/recode.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>

#include "log/batch.h"
#include "work.h"

#define USAGE "recode [-c none|gzip|snappy|lz4|zstd] [-m BYTES] | recode -s"
#define dieusage() strerr_dieusage(100, USAGE)

char const *PROG = "recode";

enum { READ_BYTES = 64 << 10 };

static struct buf in, out;

/* 1, or 0 at the end of input. The buffer grows with what arrives, never by what a frame claims. */
static int read_more(void)
{
	ssize_t r;
	if (buf_need(&in, READ_BYTES) < 0)
		strerr_diefusys(111, "read");
	do
		r = read(0, in.p + in.n, in.cap - in.n);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		strerr_diefusys(111, "read");
	in.n += (size_t)r;
	return r > 0;
}

static void write_all(const void *from, size_t n)
{
	const char *p = from;
	while (n) {
		ssize_t r = write(1, p, n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			strerr_diefusys(111, "write");
		p += r;
		n -= (size_t)r;
	}
}

static void serve(void)
{
	struct recode_request q;
	struct recode_answer a;
	while (read_more()) {
		size_t at = 0;
		int64_t n;
		for (; (n = recode_get_request(&q, in.p + at, in.n - at)) > 0; at += (size_t)n) {
			out.n = 0;
			if (work(&q, &a) < 0 || recode_put_answer(&out, &a) < 0)
				strerr_diefusys(111, "answer");
			write_all(out.p, out.n);
		}
		if (n < 0)
			strerr_dief(1, "a request is malformed");
		buf_take(&in, at);
	}
	if (in.n)
		strerr_dief(1, "the last request is cut short");
}

static void die_at(int64_t position, int64_t offset, const char *what)
{
	char text[96];
	snprintf(text, sizeof text, "batch at byte %lld, offset %lld: ", (long long)position,
		 (long long)offset);
	strerr_dief(1, text, what);
}

static void filter(struct recode_request q)
{
	struct recode_answer a;
	struct batch b;
	int64_t position = 0;
	while (read_more()) {
		size_t at = 0;
		for (; in.n - at >= BATCH_HEADER; at += q.batch_n) {
			if (batch_parse(&b, in.p + at, in.n - at) < 0)
				die_at(position, -1, "not a record batch");
			if (batch_bytes(&b) > (int64_t)(in.n - at))
				break;
			q.batch = in.p + at;
			q.batch_n = (size_t)batch_bytes(&b);
			bool control = b.attributes & BATCH_CONTROL;
			if (work(&q, &a) < 0)
				strerr_diefusys(111, "recode a batch");
			if (a.verdict.error && !control)
				die_at(position, b.base_offset, a.verdict.message);
			write_all(control ? q.batch : a.batch, control ? q.batch_n : a.batch_n);
			position += (int64_t)q.batch_n;
		}
		buf_take(&in, at);
	}
	if (in.n)
		die_at(position, -1, "cut short");
}

static uint8_t codec_of(const char *name)
{
	static const char *const names[] = {"none", "gzip", "snappy", "lz4", "zstd"};
	for (uint8_t i = 0; i < 5; i++)
		if (!strcmp(name, names[i]))
			return i;
	dieusage();
}

static uint32_t bytes_of(const char *arg)
{
	char *end;
	unsigned long v = strtoul(arg, &end, 10);
	if (*end || !v || v > RECODE_MOST)
		strerr_dieusage(100, USAGE);
	return (uint32_t)v;
}

int main(int argc, char const *const *argv)
{
	subgetopt l = SUBGETOPT_ZERO;
	bool coprocess = false;
	struct recode_request q = {.kind = RECODE_WRITE, .codec = CODEC_NONE,
	                           .most_bytes = RECODE_MOST};
	for (int opt; (opt = subgetopt_r(argc, argv, "c:m:s", &l)) != -1;)
		switch (opt) {
		case 'c': q.codec = codec_of(l.arg); break;
		case 'm': q.most_bytes = bytes_of(l.arg); break;
		case 's': coprocess = true; break;
		default: dieusage();
		}
	if (argc > l.ind)
		dieusage();
	struct stat st;
	if (l.ind == 1 && fstat(0, &st) == 0 && S_ISSOCK(st.st_mode))
		coprocess = true;
	if (coprocess)
		serve();
	else
		filter(q);
	return 0;
}
