/* Names to addresses. getaddrinfo may wait for a name server for seconds, and the loop may not: a
 * thread of libc's waits (getaddrinfo_a), an eventfd tells. */
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dial.h"

struct names {
	struct gaicb ask;
	struct addrinfo hints, *found;
	int fd;
	char host[ADDRESS], port[PORT_TEXT];
};

static void done(union sigval v)
{
	struct names *n = v.sival_ptr;
	uint64_t one = 1;

	if (write(n->fd, &one, sizeof one) < 0)
		abort(); /* an eventfd of our own takes a one */
}

static int ask(struct names *n)
{
	struct gaicb *list[1] = { &n->ask };
	struct sigevent tell = { .sigev_notify = SIGEV_THREAD,
				 .sigev_notify_function = done,
				 .sigev_value.sival_ptr = n };

	n->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (n->fd < 0)
		return -1;
	n->hints.ai_flags = AI_NUMERICSERV;
	n->ask.ar_name = n->host;
	n->ask.ar_service = n->port;
	n->ask.ar_request = &n->hints;
	if (getaddrinfo_a(GAI_NOWAIT, list, 1, &tell) == 0)
		return 0;
	close(n->fd);
	return -1;
}

/* Numbers need no waiting. */
struct names *names_ask(const char *host, const char *port, int *fd)
{
	struct names *n = calloc(1, sizeof *n);

	if (!n)
		return NULL;
	n->fd = *fd = -1;
	snprintf(n->host, sizeof n->host, "%s", host);
	snprintf(n->port, sizeof n->port, "%s", port);
	n->hints.ai_socktype = SOCK_STREAM;
	n->hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
	if (getaddrinfo(n->host, n->port, &n->hints, &n->found) == 0)
		return n;
	if (ask(n) < 0) {
		free(n);
		return NULL;
	}
	*fd = n->fd;
	return n;
}

const struct addrinfo *names_found(const struct names *n)
{
	if (n->fd < 0)
		return n->found;
	return gai_error((struct gaicb *)&n->ask) == 0 ? n->ask.ar_result : NULL;
}

void names_end(struct names *n)
{
	if (n->found)
		freeaddrinfo(n->found);
	if (n->ask.ar_result)
		freeaddrinfo(n->ask.ar_result);
	if (n->fd >= 0)
		close(n->fd);
	free(n);
}
