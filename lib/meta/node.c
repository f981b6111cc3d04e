#include "meta/node.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The next item of a comma-separated list, spaces trimmed; 0 at the end. */
static int item_next(const char **list, struct span *item)
{
	const char *p = *list + strspn(*list, " ,");
	if (!*p)
		return 0;
	size_t n = strcspn(p, ",");
	*list = p + n;
	while (n && p[n - 1] == ' ')
		n--;
	*item = (struct span){p, (int32_t)n};
	return 1;
}

static bool listed(const char *list, struct span name)
{
	struct span item;
	while (item_next(&list, &item))
		if (span_same(item, name))
			return true;
	return false;
}

static void read_listeners(struct meta_node *n, const char *listeners, const char *controllers)
{
	struct span item;
	const char *at = controllers;
	if (item_next(&at, &item))
		span_z(item, n->controller, sizeof n->controller);
	while (!*n->broker && item_next(&listeners, &item)) {
		const char *colon = memchr(item.p, ':', (size_t)item.n);
		if (colon)
			item.n = (int32_t)(colon - item.p);
		if (!listed(controllers, item))
			span_z(item, n->broker, sizeof n->broker);
	}
}

static void read_property(struct meta_node *n, char *line)
{
	char *value = strchr(line, '=');
	if (!value)
		return;
	*value++ = 0;
	value[strcspn(value, "\r\n")] = 0;
	if (!strcmp(line, "cluster.id"))
		snprintf(n->cluster_id, sizeof n->cluster_id, "%s", value);
	else if (!strcmp(line, "directory.id"))
		uuid_parse(&n->directory, span_of(value));
}

int meta_node_read(struct meta_node *n, const char *log_dir)
{
	*n = (struct meta_node){.id = -1};
	const char *id = getenv("node.id"), *listeners = getenv("listeners");
	const char *controllers = getenv("controller.listener.names");
	char *end;
	errno = EINVAL;
	if (!id || !*id || !listeners)
		return -1;
	long v = strtol(id, &end, 10);
	if (*end || v < 0 || v > INT32_MAX)
		return -1;
	n->id = (int32_t)v;
	read_listeners(n, listeners, controllers ? controllers : "CONTROLLER");

	char line[512], path[256];
	snprintf(path, sizeof path, "%s/meta.properties", log_dir);
	FILE *f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? 0 : -1;
	while (fgets(line, sizeof line, f))
		read_property(n, line);
	fclose(f);
	return 0;
}
