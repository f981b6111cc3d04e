#include "log/epochs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log/textlines.h"

int epochs_parse(struct epochs *e, const char *p, size_t n)
{
	struct textlines t;
	if (textlines_begin(&t, p, n) < 0)
		return -1;
	for (struct span line; textlines_next(&t, &line);) {
		int64_t epoch, start;
		if (textlines_int(&line, &epoch) < 0 || textlines_int(&line, &start) < 0 || line.n ||
		    epoch < 0 || epoch > INT32_MAX || start < 0) {
			errno = EBADMSG;
			return -1;
		}
		if (epochs_assign(e, (int32_t)epoch, start) < 0)
			return -1;
	}
	if (textlines_end(&t) < 0)
		return -1;
	/* nobody writes entries that contradict each other */
	if (e->n == t.said)
		return 0;
	errno = EBADMSG;
	return -1;
}

int epochs_format(const struct epochs *e, struct buf *out)
{
	int r = buf_addf(out, "0\n%d\n", e->n);
	for (int i = 0; i < e->n && r == 0; i++)
		r = buf_addf(out, "%d %lld\n", e->v[i].epoch, (long long)e->v[i].start);
	return r;
}

int epochs_assign(struct epochs *e, int32_t epoch, int64_t start)
{
	if (epoch < 0 || start < 0) {
		errno = EINVAL;
		return -1;
	}
	if (e->n && e->v[e->n - 1].epoch == epoch && e->v[e->n - 1].start <= start)
		return 0;
	if (e->n == e->cap) {
		int cap = e->cap ? e->cap * 2 : 2;
		struct epoch *v = realloc(e->v, (size_t)cap * sizeof *v);
		if (!v)
			return -1;
		e->v = v;
		e->cap = cap;
	}
	while (e->n && (e->v[e->n - 1].epoch >= epoch || e->v[e->n - 1].start >= start))
		e->n--;
	e->v[e->n++] = (struct epoch){epoch, start};
	return 1;
}

int epochs_cut_end(struct epochs *e, int64_t end)
{
	int before = e->n;
	while (e->n && e->v[e->n - 1].start >= end)
		e->n--;
	return e->n != before;
}

int epochs_cut_start(struct epochs *e, int64_t start)
{
	int i = 0;
	while (i < e->n && e->v[i].start <= start)
		i++;
	if (!i || (i == 1 && e->v[0].start == start))
		return 0;
	memmove(e->v, e->v + i - 1, (size_t)(e->n - i + 1) * sizeof *e->v);
	e->n -= i - 1;
	e->v[0].start = start;
	return 1;
}

int32_t epochs_last(const struct epochs *e)
{
	return e->n ? e->v[e->n - 1].epoch : -1;
}

void epochs_end(const struct epochs *e, int32_t asked, int64_t log_end, int32_t *epoch,
	int64_t *end)
{
	*epoch = -1;
	*end = -1;
	if (asked < 0 || !e->n)
		return;
	if (asked == epochs_last(e)) {
		*epoch = asked;
		*end = log_end;
		return;
	}
	int higher = 0;
	while (higher < e->n && e->v[higher].epoch <= asked)
		higher++;
	if (higher == e->n)
		return;
	*epoch = higher ? e->v[higher - 1].epoch : asked;
	*end = e->v[higher].start;
}

int32_t epochs_at(const struct epochs *e, int64_t offset)
{
	int i = e->n;
	while (i && e->v[i - 1].start > offset)
		i--;
	return i ? e->v[i - 1].epoch : -1;
}

void epochs_free(struct epochs *e)
{
	free(e->v);
	*e = (struct epochs){0};
}
