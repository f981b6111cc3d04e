/* portdump: reads a port's messages from a capture, from an owner, or standing between. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <unistd.h>

#include <skalibs/sgetopt.h>
#include <skalibs/strerr.h>
#include <skalibs/types.h>

#include "port/connection.h"
#include "portdump.h"

#define USAGE      "portdump [-J] [socket], or portdump [-J] -x socket"
#define dieusage() strerr_die(100, "portdump: usage: " USAGE)

const char *PROG = "portdump";
bool json;

static void no_message(size_t at)
{
	char text[UINT64_FMT];
	text[uint64_fmt(text, at)] = 0;
	strerr_dief2x(1, "no message at byte ", text);
}

static size_t parse(const uint8_t *p, size_t n, size_t at_start)
{
	static struct port_piece pieces[PORT_PIECES_MAX];
	struct port_message m;
	size_t at = 0;
	while (n - at >= 4) {
		size_t size = (size_t)get32(p + at) + 4;
		if (size > PORT_MESSAGE_MAX)
			no_message(at_start + at);
		if (n - at < size)
			break;
		if (port_unpack(&m, p + at, size, pieces) < 0)
			no_message(at_start + at);
		dump(&m, 0, 0);
		at += size;
	}
	return at;
}

static void from_stdin(void)
{
	struct buf b = {0};
	size_t at = 0;
	for (;;) {
		if (buf_need(&b, 65536) < 0)
			strerr_diefu1sys(111, "read standard input");
		ssize_t n = read(0, b.p + b.n, b.cap - b.n);
		if (n < 0)
			strerr_diefu1sys(111, "read standard input");
		if (n == 0)
			break;
		b.n += (size_t)n;
		size_t used = parse(b.p, b.n, at);
		buf_take(&b, used);
		at += used;
	}
	if (b.n)
		strerr_dief1x(1, "standard input ends within a message");
	buf_free(&b);
}

static void by_hand(const char *path)
{
	struct port_message m = {.type = PORT_THELLO, .version = PORT_VERSION,
	                         .name = {"portdump", 8}, .fd = -1};
	int fd = port_connect(path);
	struct port_connection *c = fd < 0 ? 0 : port_connection_new(fd);
	if (!c || port_send(c, &m) < 0 || port_flush(c) != 0)
		strerr_diefu2sys(111, "connect to ", path);
	for (int r = 0; r >= 0;) {
		poll(&(struct pollfd){fd, POLLIN, 0}, 1, -1);
		r = port_receive(c);
		while (r >= 0 && (r = port_next(c, &m)) == 1) {
			dump(&m, 0, 0);
			if ((m.type == PORT_THELLO || m.type == PORT_RHELLO) && m.fd >= 0)
				close(m.fd);
		}
	}
	if (errno != EPIPE && errno != ECONNRESET)
		strerr_diefu2sys(111, "read from ", path);
	port_connection_free(c);
}

int main(int argc, char const *const *argv)
{
	subgetopt l = SUBGETOPT_ZERO;
	bool between = false;
	for (int o; (o = subgetopt_r(argc, argv, "Jx", &l)) != -1;) {
		if (o == 'J')
			json = true;
		else if (o == 'x')
			between = true;
		else
			dieusage();
	}
	argc -= l.ind;
	argv += l.ind;
	if (argc > 1 || (between && argc != 1))
		dieusage();
	if (between)
		relay(argv[0]);
	else if (argc)
		by_hand(argv[0]);
	else
		from_stdin();
	return 0;
}
