#include "log/checkpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomicfile.h"
#include "base/buf.h"
#include "log/textlines.h"

enum { LARGEST = 256 << 20, NAME_MAX_BYTES = 255 };

static struct checkpoint_entry *new_entry(const char *name, size_t n)
{
	const char *dash = memrchr(name, '-', n);
	size_t digits = dash ? (size_t)(name + n - dash - 1) : 0;
	int64_t partition = 0;
	if (!dash || dash == name || !digits || digits > 10 || n > NAME_MAX_BYTES) {
		errno = EINVAL;
		return 0;
	}
	for (const char *p = dash + 1; p < name + n; p++) {
		if (*p < '0' || *p > '9') {
			errno = EINVAL;
			return 0;
		}
		partition = partition * 10 + (*p - '0');
	}
	if (partition > INT32_MAX) {
		errno = EINVAL;
		return 0;
	}
	struct checkpoint_entry *e = malloc(sizeof *e + n + 1);
	if (!e)
		return 0;
	e->partition = (int32_t)partition;
	e->topic_n = (uint16_t)(dash - name);
	memcpy(e->name, name, n);
	e->name[n] = 0;
	return e;
}

static int set(struct checkpoint *c, const char *name, size_t n, int64_t offset)
{
	if (offset < 0) {
		errno = EINVAL;
		return -1;
	}
	struct checkpoint_entry *e = map_get(&c->by_name, name, n);
	if (e) {
		e->offset = offset;
		return 0;
	}
	if (c->n == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 16;
		struct checkpoint_entry **v = realloc(c->v, cap * sizeof *v);
		if (!v)
			return -1;
		c->v = v;
		c->cap = cap;
	}
	if (!(e = new_entry(name, n)))
		return -1;
	e->offset = offset;
	if (map_put(&c->by_name, e->name, n, e) < 0) {
		free(e);
		return -1;
	}
	c->v[c->n++] = e;
	return 0;
}

int checkpoint_set(struct checkpoint *c, const char *name, int64_t offset)
{
	return set(c, name, strlen(name), offset);
}

int64_t checkpoint_get(const struct checkpoint *c, const char *name, int64_t otherwise)
{
	const struct checkpoint_entry *e = map_get(&c->by_name, name, strlen(name));
	return e ? e->offset : otherwise;
}

static int parse_line(struct checkpoint *c, struct span *line)
{
	struct span topic;
	int64_t partition, offset;
	char name[NAME_MAX_BYTES + 16];
	if (textlines_word(line, &topic) < 0 || textlines_int(line, &partition) < 0 ||
	    textlines_int(line, &offset) < 0 || line->n || topic.n > NAME_MAX_BYTES || partition < 0) {
		errno = EBADMSG;
		return -1;
	}
	int n = snprintf(name, sizeof name, "%.*s-%lld", (int)topic.n, topic.p, (long long)partition);
	if (set(c, name, (size_t)n, offset) < 0) {
		if (errno == EINVAL)
			errno = EBADMSG;
		return -1;
	}
	return 0;
}

int checkpoint_parse(struct checkpoint *c, const char *p, size_t n)
{
	struct textlines t;
	if (textlines_begin(&t, p, n) < 0)
		return -1;
	for (struct span line; textlines_next(&t, &line);)
		if (parse_line(c, &line) < 0)
			return -1;
	return textlines_end(&t);
}

int checkpoint_read(struct checkpoint *c, int dirfd, const char *file)
{
	char *p;
	size_t n;
	if (atomicfile_read(dirfd, file, LARGEST, &p, &n) < 0)
		return errno == ENOENT ? 0 : -1;
	int r = checkpoint_parse(c, p, n);
	free(p);
	return r;
}

int checkpoint_write(const struct checkpoint *c, int dirfd, const char *file)
{
	struct buf b = {0};
	int r = buf_addf(&b, "0\n%zu\n", c->n);
	for (size_t i = 0; i < c->n && r == 0; i++) {
		const struct checkpoint_entry *e = c->v[i];
		r = buf_addf(&b, "%.*s %d %lld\n", (int)e->topic_n, e->name, e->partition, (long long)e->offset);
	}
	if (r == 0)
		r = atomicfile_write(dirfd, file, b.p, b.n);
	buf_free(&b);
	return r;
}

static void put_number(struct buf *b, int64_t v)
{
	char digits[20];
	int n = 0;
	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	while (n)
		b->p[b->n++] = (uint8_t)digits[--n];
}

int checkpoint_line(struct checkpoint_lines *l, const char *name, int64_t offset)
{
	size_t n = strlen(name);
	const char *dash = memrchr(name, '-', n);
	if (!dash || offset < 0) {
		errno = EINVAL;
		return -1;
	}
	if (buf_need(&l->text, n + 24) < 0)
		return -1;
	buf_add(&l->text, name, n);
	l->text.p[l->text.n - n + (size_t)(dash - name)] = ' ';
	l->text.p[l->text.n++] = ' ';
	put_number(&l->text, offset);
	l->text.p[l->text.n++] = '\n';
	l->n++;
	return 0;
}

int checkpoint_lines_write(struct checkpoint_lines *l, int dirfd, const char *file, bool durable)
{
	struct buf b = {0};
	int r = buf_addf(&b, "0\n%zu\n", l->n);
	if (r == 0)
		r = buf_add(&b, l->text.p, l->text.n);
	if (r == 0)
		r = (durable ? atomicfile_write : atomicfile_write_soon)(dirfd, file, b.p, b.n);
	int e = errno;
	buf_free(&b);
	buf_free(&l->text);
	l->n = 0;
	errno = e;
	return r;
}

void checkpoint_free(struct checkpoint *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->v[i]);
	free(c->v);
	map_free(&c->by_name);
	*c = (struct checkpoint){0};
}
