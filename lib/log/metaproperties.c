#include "log/metaproperties.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomicfile.h"
#include "base/buf.h"

enum { LARGEST = 1 << 20 };

static int bad(void)
{
	errno = EBADMSG;
	return -1;
}

static int number(struct span v, int64_t *out)
{
	char z[16], *end;
	if (v.n < 1 || v.n >= (int32_t)sizeof z)
		return bad();
	*out = strtoll(span_z(v, z, sizeof z), &end, 10);
	return *end || *out < 0 || *out > INT32_MAX ? bad() : 0;
}

static int take(struct metaproperties *m, struct span key, struct span value)
{
	int64_t n;
	if (span_is(key, "version")) {
		if (number(value, &n) < 0 || n > 1)
			return bad();
		m->version = (int)n;
	} else if (span_is(key, "node.id") || span_is(key, "broker.id")) {
		if (number(value, &n) < 0)
			return bad();
		m->node_id = (int32_t)n;
	} else if (span_is(key, "cluster.id")) {
		if (value.n >= (int32_t)sizeof m->cluster_id)
			return bad();
		span_z(value, m->cluster_id, sizeof m->cluster_id);
	} else if (span_is(key, "directory.id")) {
		if (uuid_parse(&m->directory_id, value) < 0)
			return bad();
	}
	return 0;
}

static struct span trim(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	while (end > p && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	return (struct span){p, (int32_t)(end - p)};
}

int metaproperties_parse(struct metaproperties *m, const char *p, size_t n)
{
	const char *end = p + n;
	*m = (struct metaproperties){.node_id = -1};
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *stop = nl ? nl : end;
		struct span line = trim(p, stop);
		const char *eq = line.n && *line.p != '#' && *line.p != '!' ? memchr(line.p, '=', (size_t)line.n)
			: 0;
		if (eq && take(m, trim(line.p, eq), trim(eq + 1, line.p + line.n)) < 0)
			return -1;
		p = nl ? nl + 1 : end;
	}
	return 0;
}

int metaproperties_read(struct metaproperties *m, int dirfd)
{
	char *p;
	size_t n;
	if (atomicfile_read(dirfd, METAPROPERTIES_FILE, LARGEST, &p, &n) < 0)
		return -1;
	int r = metaproperties_parse(m, p, n);
	free(p);
	return r;
}

int metaproperties_write(const struct metaproperties *m, int dirfd)
{
	struct buf b = {0};
	char id[UUID_TEXT];
	int r = buf_addf(&b, "cluster.id=%s\ndirectory.id=%s\nnode.id=%d\nversion=1\n", m->cluster_id,
	                 uuid_text(&m->directory_id, id), m->node_id);
	if (r == 0)
		r = atomicfile_write(dirfd, METAPROPERTIES_FILE, b.p, b.n);
	buf_free(&b);
	return r;
}
