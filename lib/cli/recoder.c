/* Asking recode, one question at a time. */
#include "cli/recoder.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/sibling.h"

enum { READ_BYTES = 1 << 20 };

static int send_all(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t r = send(fd, p, n, MSG_NOSIGNAL);
		if (r < 0 && errno != EINTR)
			return -1;
		p += r > 0 ? r : 0;
		n -= r > 0 ? (size_t)r : 0;
	}
	return 0;
}

static int read_more(struct recoder *r)
{
	if (buf_need(&r->answer, READ_BYTES) < 0)
		return -1;
	ssize_t n = read(r->fd, r->answer.p + r->answer.n, READ_BYTES);
	if (n < 0)
		return errno == EINTR ? 0 : -1;
	if (n == 0) {
		errno = EPIPE;
		return -1;
	}
	r->answer.n += (size_t)n;
	return 0;
}

int recoder_ask(struct recoder *r, const struct recode_request *q, struct recode_answer *a)
{
	int64_t n;
	if (r->fd < 0 && (r->fd = cli_coprocess("recode")) < 0)
		return -1;
	r->request.n = r->answer.n = 0;
	if (recode_put_request(&r->request, q) < 0 ||
	    send_all(r->fd, r->request.p, r->request.n) < 0)
		return -1;
	while ((n = recode_get_answer(a, r->answer.p, r->answer.n)) == 0)
		if (read_more(r) < 0)
			return -1;
	return n < 0 ? -1 : 0;
}
