/* The TCP side: the listeners that the settings name, and who is let in. */
#include <errno.h>
#include <io.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gate.h"

enum { LISTENERS_MAX = 16, ACCEPT_TURN = 64, PAUSE_MS = 100, REMIND_MS = 10000 };

struct listener {
	enum thing thing;
	int fd;
	uint8_t listener;     /* enum wire_listener */
	bool paused;
};

static struct listener listeners[LISTENERS_MAX];
static size_t listeners_n;
static struct timer resume;

/* --- settings --------------------------------------------------------------------------------- */

/* Is name one of the comma-separated words of list? */
static bool is_in(const char *name, size_t n, const char *list)
{
	while (list && *list) {
		list += strspn(list, ", ");
		size_t k = strcspn(list, ", ");
		if (k == n && !memcmp(list, name, n))
			return true;
		list += k;
	}
	return false;
}

/* The security protocol of a listener, from NAME:PROTOCOL,... or else its own name. */
static void check_protocol(const char *name, size_t n, const char *protocols)
{
	while (protocols && *protocols) {
		protocols += strspn(protocols, ", ");
		size_t k = strcspn(protocols, ", ");
		if (k > n && !memcmp(protocols, name, n) && protocols[n] == ':') {
			name = protocols + n + 1;
			n = k - n - 1;
			break;
		}
		protocols += k;
	}
	if (is_in(name, n, "SSL SASL_PLAINTEXT SASL_SSL"))
		die(100, "listeners: only PLAINTEXT is served, not %.*s", (int)n, name);
}

static struct addrinfo *resolve(const char *what, const char *host, const char *port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *a = 0;
	int e = getaddrinfo(*host ? host : "::", port, &hints, &a);
	if (e && !*host)
		e = getaddrinfo("0.0.0.0", port, &hints, &a);
	if (e)
		die(e == EAI_NONAME || e == EAI_SERVICE ? 100 : 111, "listeners: %s: %s", what,
		    gai_strerror(e));
	return a;
}

static int bound(const struct addrinfo *a)
{
	int on = 1, off = 0;
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	/* What it accepts has these two from it. */
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (a->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0) {
		int e = errno;
		close(fd);
		errno = e;
		return -1;
	}
	return fd;
}

static void open_one(const char *what, const char *host, const char *port, uint8_t kind)
{
	struct addrinfo *all = resolve(what, host, port);
	int fd = -1;
	for (struct addrinfo *a = all; a && fd < 0; a = a->ai_next)
		fd = bound(a);
	if (fd < 0 && !*host && errno == EAFNOSUPPORT) {
		freeaddrinfo(all);
		all = resolve(what, "0.0.0.0", port);
		fd = bound(all);
	}
	if (fd < 0)
		die(111, "unable to listen on %s: %s", what, strerror(errno));
	freeaddrinfo(all);
	if (listeners_n == LISTENERS_MAX)
		die(100, "listeners: more than %d", LISTENERS_MAX);
	struct listener *l = &listeners[listeners_n++];
	*l = (struct listener){.thing = LISTENER, .fd = fd, .listener = kind};
	if (!io_fd_flags(fd, IO_FD_NONBLOCK))
		die(111, "unable to watch %s: %s", what, strerror(errno));
	io_setcookie(fd, l);
	watch_read(fd);
	say("info", "listening on %s for %s", what,
	    kind == WIRE_CONTROLLER ? "controllers" : "clients");
}

/* NAME://HOST:PORT; HOST may be empty, a name, an address, or an IPv6 address in brackets. */
static void parse_one(char *s, const char *controllers, const char *protocols)
{
	char what[300];
	snprintf(what, sizeof what, "%s", s);
	char *slashes = strstr(s, "://"), *colon = strrchr(s, ':');
	if (!slashes || slashes == s || colon < slashes + 3 || !colon[1])
		die(100, "listeners: %s is not NAME://HOST:PORT", what);
	*colon = 0;
	char *host = slashes + 3;
	size_t n = strlen(host), name_n = (size_t)(slashes - s);
	if (n > 1 && host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = 0;
		host++;
	}
	int kind = is_in(s, name_n, controllers) ? WIRE_CONTROLLER : WIRE_BROKER;
	if (!gate.serves[kind])
		return;
	check_protocol(s, name_n, protocols);
	open_one(what, host, colon + 1, kind);
}

static void resumed(void *arg)
{
	for (size_t i = 0; i < listeners_n; i++) {
		if (listeners[i].paused)
			watch_read(listeners[i].fd);
		listeners[i].paused = false;
	}
}

void listeners_open(const char *text, const char *controllers, const char *protocols)
{
	char *copy = strdup(text), *save = 0;
	if (!copy)
		die(111, "out of memory");
	resume.fn = resumed;
	for (char *s = strtok_r(copy, ", ", &save); s; s = strtok_r(0, ", ", &save))
		parse_one(s, controllers, protocols);
	free(copy);
	if (!listeners_n && gate.serves[WIRE_BROKER])
		die(100, "listeners: none are set");
}

void listeners_close(void)
{
	for (size_t i = 0; i < listeners_n; i++)
		io_close(listeners[i].fd);
	listeners_n = 0;
}

/* --- who comes -------------------------------------------------------------------------------- */

/* The peer's address as Java's InetAddress writes it: ACLs and logs are compared to that. */
static void host_text(const struct sockaddr_storage *from, char out[48])
{
	const uint8_t *b;
	if (from->ss_family == AF_INET) {
		b = (const uint8_t *)&((const struct sockaddr_in *)from)->sin_addr;
		snprintf(out, 48, "/%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
		return;
	}
	const struct in6_addr *a = &((const struct sockaddr_in6 *)from)->sin6_addr;
	b = a->s6_addr;
	if (IN6_IS_ADDR_V4MAPPED(a)) {
		snprintf(out, 48, "/%u.%u.%u.%u", b[12], b[13], b[14], b[15]);
		return;
	}
	snprintf(out, 48, "/%x:%x:%x:%x:%x:%x:%x:%x", get16(b), get16(b + 2), get16(b + 4),
	         get16(b + 6), get16(b + 8), get16(b + 10), get16(b + 12), get16(b + 14));
}

static void take(const struct listener *l, int fd, const struct sockaddr_storage *from)
{
	char host[48];
	host_text(from, host);
	if (!client_new(fd, l->listener, host)) {
		say("warning", "%s is not let in: out of memory", host);
		close(fd);
	}
}

/* Nothing is accepted until something closes, or a while has passed. */
static void pause_all(const char *why)
{
	static int64_t next;
	if (gate.now >= next) {
		say("warning", "unable to accept: %s", why);
		next = gate.now + REMIND_MS;
	}
	for (size_t i = 0; i < listeners_n; i++) {
		if (!listeners[i].paused)
			io_dontwantread(listeners[i].fd);
		listeners[i].paused = true;
	}
	timer_set(&resume, gate.now + PAUSE_MS);
}

void listeners_resume(void)
{
	if (listeners_n && listeners[0].paused)
		resumed(0);
}

void listener_readable(struct listener *l)
{
	for (int i = 0; i < ACCEPT_TURN && !l->paused; i++) {
		struct sockaddr_storage from;
		socklen_t n = sizeof from;
		if (gate.clients_n >= gate.clients_max) {
			pause_all("as many connections as may be are open");
			return;
		}
		int fd = accept4(l->fd, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			take(l, fd, &from);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			pause_all(strerror(errno));
		return;
	}
}
