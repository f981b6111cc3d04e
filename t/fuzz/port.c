/* Fuzzing the port: the input as one message, then as a stream that a connection reads. */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "port/connection.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void close_fds(struct port_message *m)
{
	if (m->fd >= 0)
		close(m->fd);
	for (unsigned i = 0; i < m->pieces_n; i++)
		if (m->pieces[i].fd >= 0)
			close(m->pieces[i].fd);
}

static void as_message(const uint8_t *p, size_t n)
{
	static struct port_piece pieces[PORT_PIECES_MAX];
	struct port_message m;
	struct buf b = {0};
	if (port_unpack(&m, p, n, pieces) < 0)
		return;
	port_print(&m, &b);
	b.n = 0;
	if (port_pack(&b, &m) < 0 || b.n != n)
		abort();
	buf_free(&b);
}

static void as_stream(const uint8_t *p, size_t n)
{
	int fd[2];
	struct port_message m;
	if (n > 60000 || socketpair(AF_UNIX, SOCK_STREAM, 0, fd) < 0)
		return;
	struct port_connection *c = port_connection_new(fd[0]);
	if (write(fd[1], p, n) == (ssize_t)n)
		while (port_receive(c) == 1)
			while (port_next(c, &m) == 1)
				close_fds(&m);
	close(fd[1]);
	port_connection_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	as_message(p, n);
	as_stream(p, n);
	return 0;
}
