#include "replica/pull.h"

#include "wire/codes.h"

enum { PAUSE_LEAST_MS = 5 };

static void pause_it(struct pull *p, int64_t now, int most_ms)
{
	p->pause_ms = p->pause_ms ? 2 * p->pause_ms : PAUSE_LEAST_MS;
	if (p->pause_ms > most_ms)
		p->pause_ms = most_ms;
	p->until = now + p->pause_ms;
	p->state = PULL_PAUSED;
}

static bool moved(const struct pull *p)
{
	return p->now.offset != p->asked.offset || p->now.last_epoch != p->asked.last_epoch
	       || p->now.log_start != p->asked.log_start;
}

bool pull_look(struct pull *p, const struct page_slot *s, int32_t last_epoch, int32_t self,
               int32_t leader, int32_t leader_epoch)
{
	bool follows = s && s->role == PAGE_FOLLOWER && leader >= 0 && leader != self
	               && s->epoch == leader_epoch;
	if (!follows) {
		bool was = p->state != PULL_OFF;
		*p = (struct pull){.state = PULL_OFF, .leader = -1, .epoch = -1};
		return was;
	}
	bool other = p->state == PULL_OFF || p->leader != leader || p->epoch != leader_epoch;
	if (other)
		*p = (struct pull){.state = PULL_READY, .leader = leader, .epoch = leader_epoch};
	p->now = (struct pull_place){s->log_end, s->log_start, last_epoch};
	switch (p->state) {
	case PULL_READY:
	case PULL_ASKED:
	case PULL_FLUSHING:
		if (s->flushed < s->log_end)
			p->state = PULL_FLUSHING;
		else if (p->state == PULL_FLUSHING || moved(p))
			p->state = PULL_READY;
		break;
	default:
		break;
	}
	return other;
}

void pull_asked(struct pull *p)
{
	p->state = PULL_ASKED;
	p->asked = p->now;
}

bool pull_answered(struct pull *p, int error, int64_t now, int most_ms)
{
	if (p->state != PULL_ASKED)
		return false;
	if (error == WIRE_OFFSET_OUT_OF_RANGE) {
		p->state = PULL_BOUNDS;
		return false;
	}
	if (error) {
		pause_it(p, now, most_ms);
		return false;
	}
	p->state = PULL_HANDED;
	return true;
}

void pull_done(struct pull *p, int error, int64_t now, int most_ms)
{
	if (p->state != PULL_HANDED && p->state != PULL_BOUNDS)
		return;
	/* After bounds too: the same may come again. */
	if (error || p->state == PULL_BOUNDS) {
		pause_it(p, now, most_ms);
		return;
	}
	p->pause_ms = 0;
	p->state = PULL_ASKED;    /* where it has not moved the leader still knows it */
}

void pull_lost(struct pull *p)
{
	if (p->state == PULL_ASKED || p->state == PULL_HANDED || p->state == PULL_BOUNDS)
		p->state = PULL_READY;
}

bool pull_wake(struct pull *p, int64_t now)
{
	if (p->state != PULL_PAUSED || p->until > now)
		return false;
	p->state = PULL_READY;
	return true;
}
