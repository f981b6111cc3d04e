/* The output of a member of a group: written when there is room, so that heartbeats go on however
 * slow the reader is, with a mark at the end of each record, so that what is committed was written.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <skalibs/strerr.h>

#include "logget.h"

enum { PIECE = 4096, PIECE_FILE = 256 << 10 }; /* a pipe that polls ready takes PIPE_BUF */

struct mark {
	size_t end; /* in out */
	struct lane *lane;
	int64_t next;
};
static struct mark *marks;
static size_t marks_n, marks_cap, at_mark;
static size_t out_at; /* bytes of out that are written */
bool out_broken;
size_t out_limit;

void out_mark(struct lane *l)
{
	if (out.n == 0) {
		l->written = l->printed;
		return;
	}
	if (marks_n == marks_cap) {
		marks_cap = marks_cap ? marks_cap * 2 : 1024;
		marks = realloc(marks, marks_cap * sizeof *marks);
		if (!marks)
			die_memory();
	}
	marks[marks_n++] = (struct mark){ out.n, l, l->printed };
}

bool out_pending(void)
{
	return out_at < out.n;
}

static size_t ready(void)
{
	size_t end = opt.at_most_once ? out_limit : out.n;
	return end > out_at ? end - out_at : 0;
}

bool out_ready(void)
{
	return ready() > 0;
}

bool out_in_record(void)
{
	return out_pending() && out_at > (at_mark ? marks[at_mark - 1].end : 0);
}

static void pass_marks(void)
{
	for (; at_mark < marks_n && marks[at_mark].end <= out_at; at_mark++)
		marks[at_mark].lane->written = marks[at_mark].next;
	if (out_at == out.n)
		out_at = out.n = out_limit = marks_n = at_mark = 0;
}

static size_t piece(void)
{
	static size_t n;
	struct stat st;
	if (!n)
		n = fstat(1, &st) == 0 && S_ISREG(st.st_mode) ? PIECE_FILE : PIECE;
	return n;
}

void out_drain(void)
{
	struct pollfd p = { .fd = 1, .events = POLLOUT };
	while (out_ready() && poll(&p, 1, 0) == 1) {
		size_t n = ready() < piece() ? ready() : piece();
		ssize_t r = write(1, out.p + out_at, n);
		if (r < 0 && (errno == EINTR || errno == EAGAIN))
			return;
		if (r < 0 && errno != EPIPE)
			strerr_diefusys(111, "write to standard output");
		if (r < 0) {
			out_broken = true;
			return;
		}
		out_at += (size_t)r;
		pass_marks();
	}
}

void out_cut(void)
{
	size_t keep = out_in_record() ? marks[at_mark].end : out_at;
	while (marks_n > at_mark && marks[marks_n - 1].end > keep)
		marks_n--;
	out.n = keep;
	if (out_limit > keep)
		out_limit = keep;
	pass_marks();
}
