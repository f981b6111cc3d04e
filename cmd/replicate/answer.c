/* What leaders say: records, errors of single partitions, sessions that are gone. */
#include <errno.h>
#include <string.h>

#include "daemon.h"
#include "wire/api.h"
#include "wire/codes.h"

enum { FETCH = 1, LIST_OFFSETS = 2, DECODED_MOST = 16 << 20 };

static struct arena mem = {.limit = DECODED_MOST};

/* --- Fetch ------------------------------------------------------------------------------------ */

static void session_gone(struct leader *l)
{
	l->session = 0;
	leader_renew(l);
	for (struct lane *x = l->lanes; x; x = x->next)
		if (x->pull.state == PULL_ASKED)
			lane_lost(x);
}

static int partitions(const struct fetch_response *r)
{
	int n = 0;
	for (int32_t t = 0; t < r->responses_n; t++)
		n += r->responses[t].partitions_n;
	return n;
}

/* Those whose answer is for logappend; how many. */
static int sort_out(const struct leader *l, const struct fetch_response *r, struct lane **lanes)
{
	int n = 0, wanted = 0;
	for (int32_t t = 0; t < r->responses_n; t++)
		for (int32_t i = 0; i < r->responses[t].partitions_n; i++, n++) {
			const struct fetch_response_partition_data *p =
				&r->responses[t].partitions[i];
			struct lane *x = lane_of(&r->responses[t].topic_id, p->partition_index);
			if (!x || x->at != l || !lane_answered(x, p->error_code))
				continue;
			lanes[n] = x;
			wanted++;
		}
	return wanted;
}

static int take_fetch(struct leader *l, const struct sent *s, size_t header)
{
	struct fetch_response r;
	arena_reset(&mem);
	if (wire_decode(&wire_fetch_response, s->version, leader_answer_at(l) + header,
	                l->need - header, &mem, &r) < 0)
		return -1;
	switch (r.error_code) {
	case 0:
		break;
	case WIRE_FETCH_SESSION_ID_NOT_FOUND:
	case WIRE_INVALID_FETCH_SESSION_EPOCH:
	case WIRE_FETCH_SESSION_TOPIC_ID_ERROR:
		session_gone(l);
		return 0;
	default:
		leader_close(l, wire_error_name(r.error_code));
		return 0;
	}
	if (s->full) {
		l->session = r.session_id;
		l->sessionless = !r.session_id;
		l->epoch = r.session_id ? 1 : 0;
	}
	int n = partitions(&r);
	struct lane **lanes = arena_get(&mem, (size_t)n * sizeof *lanes + 1);
	if (!lanes || n > UINT16_MAX)
		return -1;
	if (!sort_out(l, &r, lanes) || owner_copy(l, s->version, header, lanes, n) == 0)
		return 0;
	for (int i = 0; i < n; i++)
		if (lanes[i])
			lane_lost(lanes[i]);
	return 0;
}

/* --- ListOffsets ------------------------------------------------------------------------------ */

static int take_offsets(struct leader *l, const struct sent *s, size_t header)
{
	struct list_offsets_response r;
	struct bounds *b = &l->bounds;
	arena_reset(&mem);
	if (wire_decode(&wire_list_offsets_response, s->version, leader_answer_at(l) + header,
	                l->need - header, &mem, &r) < 0
	    || r.topics_n != 1 || r.topics[0].partitions_n != 1)
		return -1;
	if (r.topics[0].partitions[0].error_code)
		b->error = r.topics[0].partitions[0].error_code;
	*(s->what == ASKED_END ? &b->end : &b->start) = r.topics[0].partitions[0].offset;
	if (--b->left)
		return 0;
	b->busy = false;
	struct lane *x = d.slots[b->slot];
	if (!x || x->at != l || x->pull.state != PULL_BOUNDS || x->pull.epoch != b->epoch)
		return 0;
	if (b->error || owner_bounds(l) < 0)
		lane_done(x, b->error ? b->error : WIRE_KAFKA_STORAGE_ERROR);
	return 0;
}

int leader_answer(struct leader *l)
{
	int32_t correlation;
	if (!l->sent_n)
		return -1;
	struct sent s = l->sent[0];
	memmove(l->sent, l->sent + 1, (size_t)--l->sent_n * sizeof *l->sent);
	l->fetches -= s.what == ASKED_FETCH;
	int header = wire_response_parse(s.what == ASKED_FETCH ? FETCH : LIST_OFFSETS, s.version,
	                                 leader_answer_at(l), l->need, &correlation);
	if (header < 0 || correlation != s.correlation)
		return -1;
	l->pause_ms = 0;
	l->silent = false;
	return s.what == ASKED_FETCH ? take_fetch(l, &s, (size_t)header)
	                             : take_offsets(l, &s, (size_t)header);
}
