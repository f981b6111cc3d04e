/* Leases into registration and heartbeats. */
#include "agent.h"

#include <string.h>

enum { AGAIN_MS = 50, LEAVING_MS = 20 };

void agent_init(struct agent *a, int64_t session_ms, int64_t heartbeat_ms, int64_t now_ms)
{
	static const struct lease holders[LEASES] = {
		{ .name = "logappend", .needed = true },
		{ .name = "metaserve", .needed = true },
		{ .name = "logserve" },
	};

	memset(a, 0, sizeof *a);
	memcpy(a->leases, holders, sizeof holders);
	for (int i = 0; i < LEASES; i++)
		a->leases[i].heard_ms = now_ms;
	a->session_ms = session_ms;
	a->heartbeat_ms = heartbeat_ms;
	a->fenced = true;
	a->epoch = -1;
	a->beat_ms = now_ms;
}

struct lease *agent_lease(struct agent *a, struct span name)
{
	for (int i = 0; i < LEASES; i++)
		if (span_is(name, a->leases[i].name))
			return &a->leases[i];
	return NULL;
}

void agent_polled(struct lease *l, int64_t next, int64_t now_ms)
{
	l->seen = true;
	l->open++;
	l->next = next;
	l->heard_ms = now_ms;
}

void agent_answered(struct lease *l, int64_t now_ms)
{
	if (l->open > 0)
		l->open--;
	l->heard_ms = now_ms;
}

void agent_late(struct agent *a, int64_t due_ms, int64_t now_ms)
{
	for (int i = 0; i < LEASES && now_ms > due_ms; i++)
		a->leases[i].heard_ms += now_ms - due_ms;
}

void agent_asked(struct agent *a)
{
	a->asking = true;
}

void agent_unheard(struct agent *a, int64_t now_ms)
{
	a->asking = false;
	a->beat_ms = a->pause_ms = now_ms + AGAIN_MS;
}

void agent_hurry(struct agent *a, int64_t now_ms)
{
	if (a->beat_ms > now_ms)
		a->beat_ms = now_ms;
	a->pause_ms = now_ms;
}

void agent_registered(struct agent *a, int64_t epoch, bool fenced, int64_t now_ms)
{
	a->asking = false;
	a->registered = true;
	a->epoch = epoch;
	a->fenced = fenced;
	/* Heartbeats tell the controller that this node is there, and where it would hang up. */
	a->beat_ms = fenced ? now_ms + a->heartbeat_ms : now_ms;
}

void agent_beaten(struct agent *a, bool fenced, int64_t now_ms)
{
	a->asking = false;
	if (a->fenced == fenced) /* whatever was wanted: not at once again */
		a->pause_ms = now_ms + LEAVING_MS;
	a->fenced = fenced;
	a->beat_ms = now_ms + (a->leaving && !a->left ? LEAVING_MS : a->heartbeat_ms);
}

void agent_leave(struct agent *a, int64_t now_ms)
{
	a->leaving = true;
	a->left = a->left || !a->registered;
	agent_hurry(a, now_ms);
}

void agent_may_leave(struct agent *a)
{
	a->left = a->leaving;
}

void agent_refused(struct agent *a, int64_t now_ms)
{
	a->asking = a->registered = false;
	a->beat_ms = now_ms + a->heartbeat_ms / 4;
}

static bool counts(const struct lease *l)
{
	return l->needed || l->seen;
}

static int64_t lost_at(const struct agent *a, const struct lease *l)
{
	return l->open > 0 ? INT64_MAX : l->heard_ms + a->session_ms / 3;
}

enum agent_action agent_next(const struct agent *a, int64_t now_ms, struct agent_heartbeat *h,
			     int64_t *wake_ms)
{
	bool lost = false, ready = true;

	*wake_ms = a->asking ? INT64_MAX : a->beat_ms;
	h->offset = INT64_MAX;
	if (a->asking)
		return AGENT_NOTHING;
	if (!a->registered)
		return now_ms >= a->beat_ms ? AGENT_REGISTER : AGENT_NOTHING;
	for (int i = 0; i < LEASES; i++) {
		const struct lease *l = &a->leases[i];

		if (!counts(l))
			continue;
		if (now_ms >= lost_at(a, l))
			lost = true;
		else if (lost_at(a, l) < *wake_ms)
			*wake_ms = lost_at(a, l);
		if (l->next - 1 < h->offset)
			h->offset = l->next - 1;
		ready = ready && l->seen && l->next > a->epoch;
	}
	h->want_fence = lost || (a->fenced && !ready);
	h->want_shut_down = a->leaving;
	if (now_ms < a->pause_ms) {
		*wake_ms = a->pause_ms;
		return AGENT_NOTHING;
	}
	if (now_ms >= a->beat_ms || (!a->fenced && lost)
	    || (a->fenced && !h->want_fence && !a->leaving))
		return AGENT_HEARTBEAT;
	return AGENT_NOTHING;
}

bool agent_applied(const struct agent *a, int64_t end, int64_t now_ms)
{
	for (int i = 0; i < LEASES; i++) {
		const struct lease *l = &a->leases[i];

		if (l->seen && now_ms < lost_at(a, l) && l->next < end)
			return false;
	}
	return true;
}
