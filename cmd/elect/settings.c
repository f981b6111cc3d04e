/* Listeners and ids out of the environment. */
#include "settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomicfile.h"

static int say(char *why, int why_n, const char *name, const char *what)
{
	snprintf(why, (size_t)why_n, "%s: %s", name, what);
	errno = EINVAL;
	return -1;
}

bool settings_item(const char **list, struct span *item)
{
	const char *p = *list + strspn(*list, " ,");
	size_t n = strcspn(p, ",");

	*list = p + n;
	while (n && p[n - 1] == ' ')
		n--;
	*item = (struct span){ p, (int32_t)n };
	return n > 0;
}

static int16_t protocol_of(struct span name)
{
	static const char *const names[] = { "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL" };

	for (int16_t i = 0; i < 4; i++)
		if (span_is(name, names[i]))
			return i;
	return -1;
}

/* listener.security.protocol.map, else the listener's own name; anything else is PLAINTEXT. */
static int16_t protocol(const char *listener)
{
	const char *map = getenv("listener.security.protocol.map");
	struct span item;
	int16_t p;

	while (map && settings_item(&map, &item)) {
		const char *colon = memchr(item.p, ':', (size_t)item.n);
		int32_t n = colon ? (int32_t)(colon - item.p) : 0;

		if (!colon || !span_is((struct span){ item.p, n }, listener))
			continue;
		p = protocol_of((struct span){ colon + 1, item.n - n - 1 });
		return p < 0 ? 0 : p;
	}
	p = protocol_of(span_of(listener));
	return p < 0 ? 0 : p;
}

static bool is_controller(const char *listener)
{
	const char *names = getenv("controller.listener.names");
	struct span item;

	if (!names)
		names = "CONTROLLER";
	while (settings_item(&names, &item))
		if (span_is(item, listener))
			return true;
	return false;
}

/* NAME://HOST:PORT; an empty host is this machine's name. */
static int endpoint(struct span item, struct endpoint *e)
{
	char text[384], *host, *port, *end;
	unsigned long v;

	span_z(item, text, sizeof text);
	host = strstr(text, "://");
	port = strrchr(text, ':');
	if (!host || port < host + 3 || (size_t)(host - text) >= sizeof e->name)
		return -1;
	*host = *port = 0;
	host += 3;
	if (*host == '[' && port[-1] == ']') {
		host++;
		port[-1] = 0;
	}
	v = strtoul(port + 1, &end, 10);
	if (!port[1] || *end || v > 65535 || strlen(host) >= sizeof e->host)
		return -1;
	span_z(span_of(text), e->name, sizeof e->name);
	span_z(span_of(host), e->host, sizeof e->host);
	if (!*host && gethostname(e->host, sizeof e->host) < 0)
		return -1;
	e->port = (uint16_t)v;
	e->protocol = protocol(e->name);
	return 0;
}

static int endpoints(const char *list, bool controllers, struct endpoint *v, int *n)
{
	struct span item;
	struct endpoint e;

	*n = 0;
	while (list && settings_item(&list, &item)) {
		if (endpoint(item, &e) < 0 || *n == ENDPOINTS_MAX)
			return -1;
		if (is_controller(e.name) == controllers)
			v[(*n)++] = e;
	}
	return 0;
}

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

/* process.roles has "controller", or is not set. */
static bool controls(void)
{
	const char *roles = variable("process.roles");
	struct span item;

	if (!*roles)
		return true;
	while (settings_item(&roles, &item))
		if (span_is(item, "controller"))
			return true;
	return false;
}

/* Does controller.quorum.voters name this node, or nobody? */
static bool voters_have(struct settings *s)
{
	const char *list = s->voters;
	struct span item;
	bool named = !*list;

	while (settings_item(&list, &item)) {
		s->voters_n++;
		named = named || strtol(item.p, NULL, 10) == s->node.id;
	}
	return named;
}

int settings_read(struct settings *s, char *why, int why_n)
{
	const char *advertised = getenv("advertised.listeners"), *listeners = getenv("listeners");
	int r;

	memset(s, 0, sizeof *s);
	r = meta_node_read(&s->node, "log");
	if (r < 0 && errno != EINVAL) {
		snprintf(why, (size_t)why_n, "unable to read log/meta.properties");
		return -1;
	}
	if (r < 0)
		return say(why, why_n, "node.id, listeners", "not set, or not valid");
	if (!*s->node.cluster_id || uuid_is_zero(&s->node.directory))
		return say(why, why_n, "log/meta.properties",
			   "no cluster.id and directory.id there");
	if (endpoints(advertised && *advertised ? advertised : listeners, false, s->broker,
		      &s->broker_n)
		    < 0
	    || s->broker_n == 0)
		return say(why, why_n, "advertised.listeners", "not NAME://HOST:PORT,...");
	if (endpoints(listeners, true, s->controller, &s->controller_n) < 0)
		return say(why, why_n, "listeners", "not NAME://HOST:PORT,...");
	if (!*s->node.controller)
		strcpy(s->node.controller, "CONTROLLER");
	if (!controls())
		s->controller_n = 0;
	else if (s->controller_n == 0)
		return say(why, why_n, "listeners",
			   "no listener of controller.listener.names among them");
	s->initial = variable("odradek.initial.controllers");
	s->bootstrap = variable("controller.quorum.bootstrap.servers");
	s->voters = variable("controller.quorum.voters");
	if (!voters_have(s) && s->controller_n > 0 && !*s->initial)
		return say(why, why_n, "controller.quorum.voters",
			   "this node must be among the voters");
	s->rack = getenv("broker.rack");
	if (s->rack && !*s->rack)
		s->rack = NULL;
	return 0;
}

int settings_incarnation(struct settings *s, const char *dir)
{
	char text[UUID_TEXT], *p;
	size_t n;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = -1, e;

	if (fd < 0)
		return -1;
	if (atomicfile_read(fd, "incarnation", 256, &p, &n) == 0) {
		r = uuid_parse(&s->incarnation, (struct span){ p, (int32_t)strcspn(p, "\n") });
		free(p);
	} else if (errno != ENOENT) {
		goto out;
	}
	if (r < 0 && uuid_random(&s->incarnation) == 0) {
		uuid_text(&s->incarnation, text);
		r = atomicfile_write(fd, "incarnation", text, strlen(text));
	}
out:
	e = errno;
	close(fd);
	errno = e;
	return r;
}
