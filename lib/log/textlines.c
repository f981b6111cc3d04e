#include "log/textlines.h"

#include <errno.h>
#include <string.h>

static int bad(void)
{
	errno = EBADMSG;
	return -1;
}

static int line_of(struct textlines *t, struct span *line)
{
	if (t->p == t->end)
		return 0;
	const char *nl = memchr(t->p, '\n', (size_t)(t->end - t->p));
	const char *stop = nl ? nl : t->end;
	t->cut = !nl;
	if (stop - t->p > 4096)
		stop = t->p + 4096;
	*line = (struct span){t->p, (int32_t)(stop - t->p)};
	t->p = nl ? nl + 1 : t->end;
	return 1;
}

int textlines_begin(struct textlines *t, const char *p, size_t n)
{
	struct span line;
	int64_t version;
	*t = (struct textlines){.p = p, .end = p + n};
	if (!line_of(t, &line))
		return 0;
	if (textlines_int(&line, &version) < 0 || version != 0 || line.n)
		return bad();
	if (!line_of(t, &line))
		return 0;
	return textlines_int(&line, &t->said) < 0 || line.n ? bad() : 0;
}

int textlines_next(struct textlines *t, struct span *line)
{
	int r = line_of(t, line);
	t->seen += r;
	return r;
}

int textlines_end(struct textlines *t)
{
	return t->seen == t->said && !t->cut ? 0 : bad();
}

int textlines_word(struct span *line, struct span *word)
{
	int32_t n = 0;
	while (n < line->n && line->p[n] != ' ' && line->p[n] != '\t')
		n++;
	if (!n)
		return bad();
	*word = (struct span){line->p, n};
	while (n < line->n && (line->p[n] == ' ' || line->p[n] == '\t'))
		n++;
	line->p += n;
	line->n -= n;
	return 0;
}

int textlines_int(struct span *line, int64_t *v)
{
	struct span w;
	uint64_t x = 0;
	if (textlines_word(line, &w) < 0)
		return -1;
	int minus = w.p[0] == '-';
	if (w.n - minus < 1 || w.n - minus > 19)
		return bad();
	for (int32_t i = minus; i < w.n; i++) {
		if (w.p[i] < '0' || w.p[i] > '9')
			return bad();
		x = x * 10 + (uint64_t)(w.p[i] - '0');
	}
	if (x > INT64_MAX)
		return bad();
	*v = minus ? -(int64_t)x : (int64_t)x;
	return 0;
}
