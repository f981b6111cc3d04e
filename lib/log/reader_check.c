/* Records that were on disk before anybody looked are checked before they are given away, each
 * once: what was found good is remembered as ranges of the file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log/reader_internal.h"
#include "base/cold.h"
#include "base/planted.h"
#include "log/scan.h"

enum { CHUNK = 256 << 10, AHEAD = 1 << 20, RANGES_MAX = 64 };

void log_reader_trust(struct log_reader *r, int64_t offset)
{
	r->trusted = offset;
}

/* Where the checked range that holds `at` ends; -1: there is none. */
static int64_t checked_to(const struct reader_segment *s, int64_t at)
{
	for (int i = 0; i < s->checked_n; i++)
		if (s->checked[i].from <= at && at < s->checked[i].to)
			return s->checked[i].to;
	return -1;
}

/* Ranges that meet become one. What finds no place is checked again another time. */
static void remember(struct reader_segment *s, int64_t from, int64_t to)
{
	for (int i = 0; i < s->checked_n; i++) {
		struct reader_checked *c = s->checked + i;
		if (c->to < from || to < c->from)
			continue;
		from = c->from < from ? c->from : from;
		to = c->to > to ? c->to : to;
		*c = s->checked[--s->checked_n];
		i = -1;
	}
	if (s->checked_n == RANGES_MAX)
		return;
	if (!s->checked && !(s->checked = malloc(RANGES_MAX * sizeof *s->checked)))
		return;
	s->checked[s->checked_n++] = (struct reader_checked){from, to};
}

static int bad(struct log_reader *r, struct reader_segment *s, int64_t position, const char *what)
{
	errno = EBADMSG;
	return reader_fail(r, s->base, ".log", position, what);
}

/* Where an epoch begins the list of epochs must know it. */
static int check_epoch(struct log_reader *r, struct reader_segment *s, const struct scan *sc,
	const struct batch *b)
{
	const struct epochs *e = &r->epochs;
	if (b->epoch < 0 || reader_epochs(r) < 0 || !e->n || b->base_offset < e->v[0].start
		|| epochs_at(e, b->base_offset) == b->epoch)
		return 0;
	return bad(r, s, sc->position, "leader epoch is not that of " EPOCHS_FILE);
}

/* A segment behind may have been cut off since they were listed. */
static bool is_there(struct log_reader *r, int64_t base)
{
	int fd = reader_open(r, base, ".log");
	return fd >= 0 && close(fd) == 0;
}

/* What no CRC covers, offset and leader epoch, must fit what lies before and behind. */
static int check_place(struct log_reader *r, struct reader_segment *s, const struct scan *sc,
	const struct batch *b, const struct reader_place *before, int64_t end)
{
	uint8_t head[BATCH_HEADER];
	struct batch x;
	int64_t last = batch_last_offset(b);
	if (b->base_offset < before->next || last < b->base_offset)
		return bad(r, s, sc->position, "offset out of order");
	if (b->epoch < -1 || (b->epoch >= 0 && b->epoch < before->epoch))
		return bad(r, s, sc->position, "leader epoch out of order");
	if (b->epoch != before->epoch && check_epoch(r, s, sc, b) < 0)
		return -1;
	if (s->next >= 0 && last >= s->next && is_there(r, s->next))
		return bad(r, s, sc->position, "offset of the segment behind");
	if (last + 1 >= end || cold_pread(sc->fd, head, sizeof head, sc->at) != sizeof head
	    || batch_parse(&x, head, sizeof head) < 0)
		return 0;
	if (x.base_offset <= last)
		return bad(r, s, sc->position, "offset out of order");
	return x.epoch >= 0 && x.epoch < b->epoch
		? bad(r, s, sc->position, "leader epoch out of order") : 0;
}

int reader_check_batch(struct log_reader *r, struct reader_segment *s, struct scan *sc,
	const struct batch *b, struct reader_place *before, int64_t end)
{
	/* its own offset may be what is damaged */
	bool hot = b->base_offset >= r->trusted && before->next >= r->trusted;
	if (!hot && checked_to(s, sc->position) < 0) {
		int good = PLANTED(CRC_NOT_CHECKED) ? 1 : scan_crc(sc, b);
		if (good < 0)
			return reader_fail(r, s->base, ".log", sc->position, "read");
		if (!good)
			return bad(r, s, sc->position, "bad crc");
		if (check_place(r, s, sc, b, before, end) < 0)
			return -1;
		remember(s, sc->position, sc->at);
	}
	*before = (struct reader_place){batch_last_offset(b) + 1, b->epoch};
	return 0;
}

/* One batch behind `good`: 1, 0 nothing more, -1 with words. */
static int check_next(struct log_reader *r, struct reader_segment *s, struct scan *sc,
	struct reader_place *place, int64_t end)
{
	struct batch b;
	int got = scan_next(sc, &b);
	if (got < 0 && errno == EBADMSG)
		return bad(r, s, sc->position, "no whole record batch");
	if (got < 0)
		return reader_fail(r, s->base, ".log", sc->position, "read");
	return got && reader_check_batch(r, s, sc, &b, place, end) < 0 ? -1 : got;
}

int reader_check_range(struct log_reader *r, struct reader_segment *s,
	const struct reader_place *before, int64_t end, int64_t from, int64_t *to)
{
	struct reader_place place = *before;
	struct scan sc;
	int64_t known, good = from;
	int got = 1;
	if (scan_begin(&sc, s->fd, from, *to, CHUNK) < 0)
		return -1;
	while (got > 0 && good < *to && (good < from + AHEAD || good == from)) {
		if ((known = checked_to(s, good)) > 0) {
			place = (struct reader_place){s->base, -1};
			sc.at = known < *to ? known : *to;
		} else {
			got = check_next(r, s, &sc, &place, end);
		}
		good = got > 0 ? sc.at : good;
	}
	int e = errno;
	scan_end(&sc);
	errno = e;
	if (good == from)
		return -1;
	*to = good;
	return 0;
}
